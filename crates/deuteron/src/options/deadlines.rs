//! How long each wait may last.

use std::time::Duration;

/// A bound on every wait. `None` lifts one of them; the error for one that passed names it
/// ([`Error::deadline`](crate::Error::deadline)).
///
/// ```
/// use deuteron::Deadlines;
/// use std::time::Duration;
/// let hurried = Deadlines { settle: Some(Duration::from_secs(2)), ..Deadlines::default() };
/// assert_eq!(hurried.establish, Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// One attempt to connect, from the name look-up to the peer's Open. Default 30 s.
    pub establish: Option<Duration>,
    /// Within it, the name look-up. Default none of its own.
    pub resolve: Option<Duration>,
    /// Within it, TCP, over all addresses of the host. Default none of its own.
    pub connect: Option<Duration>,
    /// Within it, the TLS handshake. Default none of its own.
    pub tls: Option<Duration>,
    /// Within it, SASL and Open. Default none of its own.
    pub open: Option<Duration>,
    /// The answer to Begin. Default 30 s.
    pub begin: Option<Duration>,
    /// The answer to Attach. Default 30 s.
    pub attach: Option<Duration>,
    /// Credit for a message, in `send`. Default 60 s.
    pub credit: Option<Duration>,
    /// The peer's outcome for a sent message. Default 60 s.
    pub settle: Option<Duration>,
    /// The coordinator's answer to a declare or discharge of a transaction. Default 60 s.
    pub transaction: Option<Duration>,
    /// The answer to a drain. Default 30 s.
    pub drain: Option<Duration>,
    /// The answers to Detach and End. Default 10 s.
    pub detach: Option<Duration>,
    /// The answer to Close. Default 10 s.
    pub close: Option<Duration>,
    /// Without the peer taking a single byte of what we have to write. Default 30 s.
    pub write: Option<Duration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        const fn seconds(count: u64) -> Option<Duration> {
            Some(Duration::from_secs(count))
        }
        Self {
            establish: seconds(30),
            resolve: None,
            connect: None,
            tls: None,
            open: None,
            begin: seconds(30),
            attach: seconds(30),
            credit: seconds(60),
            settle: seconds(60),
            transaction: seconds(60),
            drain: seconds(30),
            detach: seconds(10),
            close: seconds(10),
            write: seconds(30),
        }
    }
}
