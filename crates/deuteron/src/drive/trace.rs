//! `PN_TRACE_FRM`: every frame as a line on standard error (guide chapter 11).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use deuteron_engine::Trace;

/// The trace that the environment asks for, read once.
pub(crate) fn from_environment() -> Option<Trace> {
    static TRACE: OnceLock<Option<Trace>> = OnceLock::new();
    let wanted = || {
        let value = std::env::var("PN_TRACE_FRM").ok()?;
        let on = ["1", "true", "yes", "on"].iter().any(|word| value.eq_ignore_ascii_case(word));
        on.then(to_standard_error)
    };
    TRACE.get_or_init(wanted).clone()
}

/// Every frame as a line on standard error.
pub(crate) fn to_standard_error() -> Trace {
    Trace(Arc::new(|line: &str| eprintln!("{line}")))
}

/// As [`to_standard_error`], for one of many: each line begins with the number of the connection, and the first says whose
/// it is.
pub(crate) fn numbered(remote: SocketAddr) -> Trace {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    eprintln!("[{number}] connection of {remote}");
    Trace(Arc::new(move |line: &str| eprintln!("[{number}] {line}")))
}
