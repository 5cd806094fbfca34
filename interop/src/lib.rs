//! Tests of Deuteron against programs that other people wrote: Qpid Proton and rhea, and the servers that users run.
//!
//! [`Peer`] starts one of the programs of `interop/peers/` and reads what it prints; [`OurServer`] is ours for them to connect
//! to; [`server`] starts real servers. The tests are in `interop/tests/`; what they do is written once, for all peers, in
//! [`scenario`]; what worked with whom goes into the [`table`].

mod capture;
mod certificates;
mod folder;
mod forms;
mod lists;
mod our_server;
mod peer;
pub mod scenario;
pub mod server;
pub mod table;
mod typed;

pub use capture::{Capture, Frames};
pub use certificates::Certificates;
pub use folder::Folder;
pub use our_server::{Happening, OurServer};
pub use peer::{Event, Kind, Peer};
pub use table::{Direction, Row};
pub use typed::{Typed, form_of_message};

use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace").to_owned()
}

/// Whether `scripts/peers.sh` has installed what it calls `name`, which has put `file` into `.peers/name/`. If not, says so, and
/// that the test is left out.
///
/// # Panics
/// When it is not there though the environment has `CI`: there, nothing may be left out.
pub fn is_installed(name: &str, file: &str) -> bool {
    let peers = root().join(".peers");
    let missing = std::fs::read_to_string(peers.join("missing")).unwrap_or_default();
    let reason = missing.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    if peers.join(name).join(file).exists() && reason.is_none() {
        return true;
    }
    let reason = reason.unwrap_or("run `make peers`");
    assert!(std::env::var_os("CI").is_none(), "{name} is not installed: {reason}");
    eprintln!("left out: {name} is not installed: {reason}");
    false
}

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
