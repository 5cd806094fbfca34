//! Why no stream to a peer came about.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The step at which dialling failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialPhase {
    /// The URL or the TLS settings cannot be used; nothing was sent.
    Settings,
    /// Looking up the host name.
    Resolve,
    /// TCP.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl fmt::Display for DialPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "settings",
            Self::Resolve => "name look-up",
            Self::Connect => "TCP connect",
            Self::Tls => "TLS handshake",
        })
    }
}

/// A limit that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// Whether it was the limit for all of dialling, and not that of the phase.
    pub(crate) total: bool,
    /// The limit.
    pub(crate) limit: Duration,
}

/// One address that was tried, and why it did not do.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The address.
    pub(crate) address: SocketAddr,
    /// What happened.
    pub(crate) problem: String,
}

/// Why dialling failed: the phase, the limit if one passed, every address tried with its own reason.
#[derive(Clone, Debug)]
pub(crate) struct DialError {
    pub(super) phase: DialPhase,
    pub(super) target: String,
    pub(super) problem: String,
    pub(super) advice: &'static str,
    pub(super) expired: Option<Expired>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) retryable: bool,
    pub(super) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl DialError {
    /// The step that failed.
    pub(crate) fn phase(&self) -> DialPhase {
        self.phase
    }

    /// The limit that passed, if that is why.
    pub(crate) fn expired(&self) -> Option<Expired> {
        self.expired
    }

    /// False if trying again cannot help before somebody changes the settings or a certificate.
    pub(crate) fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        self.advice
    }

    /// `Display` without the advice.
    pub(crate) fn description(&self) -> String {
        let mut text = format!("{} to {} failed: {}", self.phase, self.target, self.problem);
        let others = match self.attempts.as_slice() {
            [only] if self.problem.contains(&only.problem) => &[],
            all => all,
        };
        for (index, Attempt { address, problem }) in others.iter().enumerate() {
            text.push_str(if index == 0 { " [" } else { "; " });
            text.push_str(&format!("{address}: {problem}"));
        }
        if !others.is_empty() {
            text.push(']');
        }
        text
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.description(), self.advice)
    }
}

impl Error for DialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
