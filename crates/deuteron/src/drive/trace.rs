//! `PN_TRACE_FRM`: every frame as a line on standard error (guide chapter 11).

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
