//! Tests of Deuteron against programs that other people wrote: Qpid Proton and rhea.
//!
//! [`Peer`] starts one of the programs of `interop/peers/` and reads what it prints. The tests are in `interop/tests/`;
//! what they do is written once, for both peers, in [`scenario`].

mod certificates;
mod folder;
mod peer;

pub use certificates::Certificates;
pub use folder::Folder;
pub use peer::{Event, Kind, Peer};

/// The bytes of a test message's body: their period is prime to every frame size, so that lost or swapped pieces show.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..251).cycle().take(size).collect()
}

/// The SHA-256 of some bytes, in hexadecimal, as the peers print it.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
