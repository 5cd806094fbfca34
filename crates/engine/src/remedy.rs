//! What is done about each failure: one table, which is documentation and code at once.
//!
//! [`Remedies`] is asked by whatever recovers: links and sessions here, connections in a driver. The first row that
//! fits a failure counts; rows of the application's come before the rows that are built in.

use std::fmt;

use deuteron_codec::{Error, Symbol};

mod table;

pub use table::TABLE;

/// Where something failed.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Looking up a host name.
    Resolve,
    /// Making the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Authentication (5.3).
    Sasl,
    /// The AMQP connection, from Open on (2.4).
    Connection,
    /// A session (2.5).
    Session,
    /// A link that was not attached before: the peer refuses it (2.6.3).
    Attach,
    /// A link that was attached, and is now ended by the peer, or refused when it is attached again (2.6.5).
    Link,
}

/// What is known of a failure.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Symptom {
    /// The peer named this error condition.
    Condition(Symbol),
    /// The peer closed or ended it and named no error.
    Closed,
    /// The peer detached the link without closing it, and named no error (2.6.4).
    Detached,
    /// The socket failed or ended, or the wire below went.
    Lost,
    /// A deadline passed.
    Late,
    /// Nothing came from the peer for our idle timeout (2.4.5).
    Idle,
    /// The peer broke the protocol.
    Violation,
    /// It will not heal by itself: a wrong password, a certificate that is not trusted.
    Refused,
    /// The other side has trouble of its own, which may pass.
    Unavailable,
    /// Anything.
    Any,
}

/// What is done about a failure.
///
/// A remedy smaller than what has failed counts as the smallest that helps: a session that has ended is begun again where
/// the table says `Reattach`.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Remedy {
    /// What was tried is tried again: the same address is dialled, the same link attached.
    Retry,
    /// The link is attached again on the same session; its neighbours notice nothing.
    Reattach,
    /// The session is begun again, and its links are attached on it.
    NewSession,
    /// The wire is given up, and the addresses are dialled from the first on.
    NewConnection,
    /// The wire or the attempt is given up, and the address after the present one is dialled.
    NextAddress,
    /// The application is told, and nothing more is tried. While connecting, that is true of the present address; with
    /// no address left the connection is given up.
    GiveUp,
}

/// A row of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Where it failed.
    pub place: Place,
    /// What is known of it.
    pub symptom: Symptom,
    /// What is done about it.
    pub remedy: Remedy,
    /// Why.
    pub because: &'static str,
}

/// The table of failures, with what an application has changed in it.
///
/// ```
/// use deuteron_engine::{Place, Remedies, Remedy, Symptom};
/// let mut remedies = Remedies::default();
/// let stolen = Symptom::Condition("amqp:link:stolen".into());
/// assert_eq!(remedies.of(Place::Link, &stolen), Remedy::GiveUp);
/// remedies.set(Place::Link, stolen.clone(), Remedy::Reattach);
/// assert_eq!(remedies.of(Place::Link, &stolen), Remedy::Reattach);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Remedies {
    own: Vec<Row>,
}

impl Remedies {
    /// What is done about this failure.
    #[must_use]
    pub fn of(&self, place: Place, symptom: &Symptom) -> Remedy {
        self.rows().find(|row| row.fits(place, symptom)).map_or(Remedy::GiveUp, |row| row.remedy)
    }

    /// Changes what is done about a failure; [`Symptom::Any`] stands for all of that place.
    pub fn set(&mut self, place: Place, symptom: Symptom, remedy: Remedy) {
        self.own.insert(0, Row { place, symptom, remedy, because: "the application says so" });
    }

    /// As [`set`](Self::set), in a chain.
    #[must_use]
    pub fn with(mut self, place: Place, symptom: Symptom, remedy: Remedy) -> Self {
        self.set(place, symptom, remedy);
        self
    }

    /// All rows, in the order in which they are looked at.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.own.iter().chain(TABLE)
    }
}

impl Row {
    fn fits(&self, place: Place, symptom: &Symptom) -> bool {
        self.place == place && (self.symptom == Symptom::Any || self.symptom == *symptom)
    }
}

impl Symptom {
    /// Of an endpoint that the peer has ended.
    #[must_use]
    pub fn of_end(error: Option<&Error>, closed: bool) -> Self {
        match error {
            Some(error) => Self::Condition(error.condition.clone()),
            None if closed => Self::Closed,
            None => Self::Detached,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name resolution",
            Self::Connect => "TCP",
            Self::Tls => "TLS",
            Self::Sasl => "authentication",
            Self::Connection => "connection",
            Self::Session => "session",
            Self::Attach => "first attach of a link",
            Self::Link => "link",
        })
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Condition(condition) => return condition.fmt(f),
            Self::Closed => "closed without an error",
            Self::Detached => "detached without an error",
            Self::Lost => "lost",
            Self::Late => "deadline passed",
            Self::Idle => "silent",
            Self::Violation => "protocol broken",
            Self::Refused => "refused for good",
            Self::Unavailable => "temporarily unavailable",
            Self::Any => "anything else",
        })
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "retry",
            Self::Reattach => "attach again",
            Self::NewSession => "new session",
            Self::NewConnection => "new connection",
            Self::NextAddress => "next address",
            Self::GiveUp => "give up",
        })
    }
}
