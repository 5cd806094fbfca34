//! Tests of Deuteron against programs that other people wrote: Qpid Proton and rhea.
//!
//! [`Peer`] starts one of the programs of `interop/peers/` and reads what it prints; [`OurServer`] is ours for them to connect
//! to. The tests are in `interop/tests/`; what they do is written once, for both peers, in [`scenario`].

mod certificates;
mod folder;
mod forms;
mod our_server;
mod peer;
pub mod scenario;
pub mod table;
mod typed;

pub use certificates::Certificates;
pub use folder::Folder;
pub use our_server::{Happening, OurServer};
pub use peer::{Event, Kind, Peer};
pub use table::{Direction, Row};
pub use typed::{Typed, form_of_message};

/// The sizes, in bytes, of the bodies that must cross.
pub const SIZES: [usize; 5] = [0, 1, 100, 1 << 20, 100 << 20];

/// The bytes of a test message's body: their period is prime to every frame size, so that lost or swapped pieces show.
pub fn pattern(size: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).collect();
    let mut bytes = period.repeat(size / period.len() + 1);
    bytes.truncate(size);
    bytes
}

/// The SHA-256 of some bytes, in hexadecimal, as the peers print it.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
