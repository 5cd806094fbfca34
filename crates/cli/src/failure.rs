//! Why the command ends with something else than 0.

use std::fmt;

use deuteron::{Error, Phase, Scope};

/// It failed, for a reason that has no code of its own.
const FAILED: u8 = 1;
/// The arguments are wrong.
const USAGE: u8 = 2;
/// No connection could be made.
const NOT_CONNECTED: u8 = 3;
/// Messages were not accepted.
const NOT_ACCEPTED: u8 = 4;
/// It took too long.
const TIMEOUT: u8 = 5;

/// One line for the user, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: FAILED }
    }

    /// The arguments are wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: USAGE }
    }

    /// The peer has refused messages.
    pub(crate) fn not_accepted(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: NOT_ACCEPTED }
    }

    /// Something did not come in time.
    pub(crate) fn timeout(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: TIMEOUT }
    }

    /// The command was interrupted before it had done what it was asked.
    pub(crate) fn interrupted() -> Self {
        Self::new("interrupted")
    }

    /// No connection could be made.
    pub(crate) fn connecting(error: &Error) -> Self {
        match error.scope() {
            Scope::Config | Scope::Usage => Self::usage(error.to_string()),
            _ => Self { text: error.to_string(), code: NOT_CONNECTED },
        }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let waited =
            matches!(error.deadline(), Some(Phase::Credit | Phase::Settle | Phase::Receive | Phase::Drain));
        match error.scope() {
            Scope::Config | Scope::Usage => Self::usage(error.to_string()),
            _ if waited => Self::timeout(error.to_string()),
            // We close it when all is done; where it is closed before, that was the server, and it gave no reason.
            Scope::Connection
                if !error.is_remote() && !error.is_retryable() && error.deadline().is_none() =>
            {
                Self::new("the server has closed the connection, in order")
            }
            _ => Self::new(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_closed_by_the_server_is_told_as_that() {
        let closed = Error::new(Scope::Connection, "the connection is closed");
        assert_eq!(Failure::from(closed).to_string(), "the server has closed the connection, in order");
        let other = Error::new(Scope::Link, "its bytes made no sense");
        assert!(Failure::from(other).to_string().contains("no sense"));
    }
}
