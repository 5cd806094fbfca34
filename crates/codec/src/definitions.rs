//! Types that several performatives share (2.8).

use std::fmt;

use crate::error::DecodeError;
use crate::value::{Map, Symbol};

restricted! {
    /// 2.8.1 Which end of a link somebody is.
    #[derive(Default)]
    pub enum Role: bool as "role" {
        /// Sends messages.
        #[default]
        Sender = false "sender",
        /// Receives messages.
        Receiver = true "receiver",
    }
}

impl Role {
    /// The other end of the link.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }
}

restricted! {
    /// 2.8.2 Whether the sender settles what it sends.
    #[derive(Default)]
    pub enum SenderSettleMode: ubyte as "sender-settle-mode" {
        /// Everything is sent unsettled: the sender waits for an outcome.
        Unsettled = 0 "unsettled",
        /// Everything is sent settled: nobody will ever know what became of it.
        Settled = 1 "settled",
        /// Each delivery decides. The default.
        #[default]
        Mixed = 2 "mixed",
    }
}

restricted! {
    /// 2.8.3 When the receiver settles.
    #[derive(Default)]
    pub enum ReceiverSettleMode: ubyte as "receiver-settle-mode" {
        /// The receiver settles by itself. The default.
        #[default]
        First = 0 "first",
        /// The receiver settles only after the sender did.
        Second = 1 "second",
    }
}

composite! {
    /// 2.8.14 Why an endpoint was closed, or a message rejected.
    pub struct Error = 0x1d "amqp:error:list" {
        /// A symbolic name; those of the specification are in [`condition`](crate::condition).
        condition: Symbol as "symbol" [mandatory],
        /// Text for people.
        description: Option<String> as "string" [optional],
        /// More about it, for programs.
        info: Option<Map> as "fields" [optional],
    }
}

impl Error {
    /// An error with a condition and a text for people.
    ///
    /// ```
    /// use deuteron_codec::{Error, condition};
    ///
    /// let error = Error::new(condition::NOT_FOUND, "there is no queue named orders");
    /// assert_eq!(error.to_string(), "amqp:not-found: there is no queue named orders");
    /// ```
    #[must_use]
    pub fn new(condition: impl Into<Symbol>, description: impl Into<String>) -> Self {
        Self { condition: condition.into(), description: Some(description.into()), info: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.description {
            Some(description) => write!(f, "{}: {description}", self.condition),
            None => write!(f, "{}", self.condition),
        }
    }
}

impl std::error::Error for Error {}

/// What to tell a peer whose bytes could not be decoded.
impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(crate::condition::DECODE_ERROR, error.to_string())
    }
}
