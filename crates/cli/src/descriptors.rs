//! How many connections the process may have open.

/// Raises the limit on open files as far as the system allows without asking: systems start programs with a
/// low one (1,024 is usual) for the sake of old programs that use `select`, which this one does not.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        // The old limit holds, and a listener that reaches it says so.
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
}

#[cfg(not(unix))]
pub(crate) fn raise_limit() {}
