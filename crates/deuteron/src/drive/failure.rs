//! The engine's failures as errors of this crate.

use std::io;
use std::time::Duration;

use deuteron_codec::Error as AmqpError;
use deuteron_engine::{Cause, Deadline, Failure};

use crate::{Error, Phase, Scope};

/// Why a wire ended, with the socket's own error if it had one.
pub(super) fn from_failure(failure: &Failure, socket: Option<io::Error>) -> Error {
    let description =
        failure.error.description.clone().unwrap_or_else(|| failure.error.condition.to_string());
    let error = match failure.cause {
        Cause::Authentication => Error::new(Scope::Sasl, description)
            .with_advice("check user, password and the mechanisms that both sides allow"),
        Cause::AuthenticationUnavailable => Error::new(Scope::Sasl, description).retryable(true),
        Cause::Deadline(deadline) => {
            let (scope, phase) = phase_of(deadline);
            Error::deadline_passed(scope, phase, description)
        }
        Cause::IdleTimeout => Error::deadline_passed(Scope::Connection, Phase::Idle, description),
        Cause::Remedy(remedy) => {
            Error::new(Scope::Connection, description).retryable(true).with_remedy(remedy)
        }
        Cause::Lost => Error::new(Scope::Connect, description).retryable(true),
        _ => Error::new(Scope::Connection, description).retryable(true),
    };
    let error = error.with_condition(failure.error.condition.clone());
    match socket {
        Some(socket) => error.with_source(socket),
        None => error,
    }
}

/// The failure of TLS in a socket's error, if it is one. With TLS 1.3 a client is told that its certificate was refused
/// only after its side of the handshake is done: dialling has succeeded by then.
#[cfg(feature = "tls")]
pub(super) fn from_tls(socket: &io::Error) -> Option<Error> {
    let failure = crate::tls::failure(socket)?;
    Some(Error::new(Scope::Tls, failure.problem).with_advice(failure.advice).retryable(failure.heals))
}

/// There is no TLS that could fail.
#[cfg(not(feature = "tls"))]
pub(super) fn from_tls(_: &io::Error) -> Option<Error> {
    None
}

/// What the engine's deadlines bound.
pub(super) fn phase_of(deadline: Deadline) -> (Scope, Phase) {
    match deadline {
        Deadline::Sasl => (Scope::Sasl, Phase::Sasl),
        Deadline::Open => (Scope::Connection, Phase::Open),
        Deadline::Begin(_) => (Scope::Session, Phase::Begin),
        Deadline::Attach(_) => (Scope::Link, Phase::Attach),
        Deadline::Drain(_) => (Scope::Link, Phase::Drain),
        Deadline::Settle(_) => (Scope::Delivery, Phase::Settle),
        Deadline::Detach(_) => (Scope::Link, Phase::Detach),
        Deadline::End(_) => (Scope::Session, Phase::End),
        Deadline::Close => (Scope::Connection, Phase::Close),
    }
}

/// A deadline of ours on a session or link.
pub(super) fn from_deadline(deadline: Deadline, length: Option<Duration>, name: &str) -> Error {
    let (scope, phase) = phase_of(deadline);
    let what = match deadline {
        Deadline::Begin(_) => "the peer did not begin the session".to_owned(),
        Deadline::Attach(_) => format!("the peer did not attach the link '{name}'"),
        Deadline::Drain(_) => format!("the peer did not answer the drain of '{name}'"),
        Deadline::Settle(_) => format!("the peer did not settle a message of the link '{name}'"),
        Deadline::Detach(_) => format!("the peer did not detach the link '{name}'"),
        Deadline::End(_) => "the peer did not end the session".to_owned(),
        _ => format!("the peer did not answer: {deadline}"),
    };
    match length {
        Some(length) => Error::deadline_passed(scope, phase, format!("{what} within {length:?}")),
        None => Error::deadline_passed(scope, phase, format!("{what} in time")),
    }
}

/// The peer's error for something that it ended, or one of ours if it gave none.
pub(super) fn from_peer(scope: Scope, error: Option<AmqpError>) -> Option<Error> {
    error.map(|error| Error::remote(scope, &error))
}
