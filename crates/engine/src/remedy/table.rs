//! The rows that are built in.

use deuteron_codec::{Symbol, condition};

use super::Place::{Attach, Connect, Connection, Link, Resolve, Sasl, Session, Tls};
use super::Remedy::{GiveUp, NewConnection, NewSession, NextAddress, Reattach};
use super::Symptom::{Any, Closed, Condition, Detached, Idle, Late, Lost, Refused, Violation};
use super::{Place, Remedy, Row, Symptom};

// Conditions of Azure's, which are in no specification: its servers say them of trouble that passes.
const BUSY: Symbol = Symbol::from_static("com.microsoft:server-busy");
const TIMEOUT: Symbol = Symbol::from_static("com.microsoft:timeout");

/// What is done about each failure unless the application says otherwise. The first row that fits counts.
pub static TABLE: &[Row] = &[
    row(Resolve, Any, NextAddress, "the name may be known later, or another address be good"),
    row(Connect, Any, NextAddress, "the server may come back, or another be there"),
    row(Tls, Refused, GiveUp, "a certificate that is not trusted does not become so by trying again"),
    row(Tls, Any, NextAddress, "the handshake was cut off or is late, as any connection may be"),
    row(Sasl, Refused, GiveUp, "the same password fails again, and locks accounts"),
    row(Sasl, Any, NextAddress, "the server has trouble of its own, or was cut off"),
    named(Connection, condition::CONNECTION_FORCED, NewConnection, "the server is going down for a while"),
    named(
        Connection,
        condition::CONNECTION_REDIRECT,
        GiveUp,
        "redirects are followed where that was asked for",
    ),
    named(Connection, BUSY, NewConnection, "it may have time later"),
    row(Connection, Closed, GiveUp, "the peer has ended it in order"),
    row(Connection, Lost, NewConnection, "that is what reconnecting is for"),
    row(Connection, Idle, NewConnection, "the peer, or the network between, is dead"),
    row(Connection, Late, NewConnection, "the peer does not answer any more"),
    row(Connection, Violation, NewConnection, "bytes may have been damaged; a new wire starts clean"),
    row(Connection, Any, GiveUp, "the peer refuses us, and says why"),
    named(Session, condition::INTERNAL_ERROR, GiveUp, "a message that makes the peer fail would do so again"),
    named(Session, condition::RESOURCE_LIMIT_EXCEEDED, NewSession, "what the peer lacked may be there again"),
    named(Session, condition::WINDOW_VIOLATION, NewSession, "windows are counted afresh"),
    named(Session, condition::ERRANT_LINK, NewSession, "handles are given afresh"),
    named(Session, condition::HANDLE_IN_USE, NewSession, "handles are given afresh"),
    named(Session, condition::UNATTACHED_HANDLE, NewSession, "handles are given afresh"),
    named(Session, condition::CONNECTION_FORCED, NewSession, "the peer ends it for reasons of its own"),
    named(Session, condition::DETACH_FORCED, NewSession, "the peer ends it for reasons of its own"),
    named(Session, BUSY, NewSession, "it may have time later"),
    named(Session, TIMEOUT, NewSession, "the peer ends idle sessions"),
    row(Session, Any, GiveUp, "the peer refuses what was done on it, and says why"),
    named(Attach, condition::DETACH_FORCED, Reattach, "the peer ends it for reasons of its own"),
    named(Attach, BUSY, Reattach, "it may have time later"),
    named(Attach, TIMEOUT, Reattach, "it may have time later"),
    row(Attach, Any, GiveUp, "the address or what was asked of it is wrong; the peer says how"),
    row(Link, Detached, Reattach, "the terminus lives on at the peer"),
    named(Link, condition::DETACH_FORCED, Reattach, "the peer ends idle links, or an operator did"),
    named(Link, condition::CONNECTION_FORCED, Reattach, "the peer ends it for reasons of its own"),
    named(Link, condition::RESOURCE_DELETED, Reattach, "the queue may be made again"),
    named(Link, condition::NOT_FOUND, Reattach, "it was there, and may be made again"),
    named(Link, condition::INTERNAL_ERROR, GiveUp, "a message that makes the peer fail would do so again"),
    named(Link, condition::RESOURCE_LIMIT_EXCEEDED, Reattach, "what the peer lacked may be there again"),
    named(Link, condition::RESOURCE_LOCKED, Reattach, "who holds it may let go"),
    named(Link, condition::ILLEGAL_STATE, Reattach, "the state of a new attachment is clean"),
    named(Link, condition::TRANSFER_LIMIT_EXCEEDED, Reattach, "credit is counted afresh"),
    named(Link, BUSY, Reattach, "it may have time later"),
    named(Link, TIMEOUT, Reattach, "the peer ends idle links"),
    row(Link, Late, NewConnection, "a peer that does not answer an attach of a link it knew is stuck"),
    named(Link, condition::STOLEN, GiveUp, "two that steal one link from each other would never stop"),
    named(Link, condition::MESSAGE_SIZE_EXCEEDED, GiveUp, "the same message would be too large again"),
    row(Link, Closed, GiveUp, "the peer has closed it in order"),
    row(Link, Any, GiveUp, "the peer refuses it, and says why"),
];

const fn row(place: Place, symptom: Symptom, remedy: Remedy, because: &'static str) -> Row {
    Row { place, symptom, remedy, because }
}

const fn named(place: Place, condition: Symbol, remedy: Remedy, because: &'static str) -> Row {
    row(place, Condition(condition), remedy, because)
}
