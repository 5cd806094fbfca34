//! What our caller did wrong ([`UsageError`]) and what became of a wire ([`Failure`]).

use std::fmt;

use deuteron_codec::Error;

use crate::event::Deadline;
use crate::remedy::Remedy;

/// A call that cannot be carried out as made. The connection is unharmed.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageError {
    /// The session, link or delivery does not exist any more.
    Gone,
    /// The endpoint is closed, detached or ended.
    Closed,
    /// The call is for a sender and the link is a receiver, or the other way round.
    WrongRole,
    /// A streamed delivery of the link is not finished yet: finish or abort it first (2.6.14: one at a time).
    StreamOpen,
    /// The delivery was finished or aborted before.
    NotStreaming,
    /// The message is larger than the peer's max-message-size for the link, in bytes (2.7.3).
    TooLarge(u64),
    /// Another link of this session and direction has this name and is open (2.6.1).
    NameInUse,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge(limit) => {
                return write!(f, "the peer takes messages of at most {limit} bytes on this link");
            }
            Self::Gone => "the session, link or delivery does not exist any more",
            Self::Closed => "the endpoint is closed: open a new one",
            Self::WrongRole => "a sender was used as a receiver, or the other way round",
            Self::StreamOpen => "a streamed message of this link is not finished: finish or abort it first",
            Self::NotStreaming => "the message was finished or aborted before",
            Self::NameInUse => {
                "another open link of this session has this name and role: choose another name"
            }
        })
    }
}

impl std::error::Error for UsageError {}

/// Why a wire ended in another way than by a Close from each side.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// The AMQP condition and a description for people.
    pub error: Error,
    /// Who or what caused it.
    pub cause: Cause,
}

/// Who or what ended a wire.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The peer broke the protocol; it was told so with a Close.
    PeerViolation,
    /// The credentials or the mechanisms did not fit. Trying again with the same ones is of no use.
    Authentication,
    /// The authenticating server says that it has trouble of its own (sasl-code sys-temp or sys, 5.3.3.6).
    AuthenticationUnavailable,
    /// The peer was late.
    Deadline(Deadline),
    /// Nothing came from the peer for our idle timeout (2.4.5).
    IdleTimeout,
    /// The socket ended or failed.
    Lost,
    /// The table of failures says that a session or link that went wrong needs a new wire.
    Remedy(Remedy),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}
