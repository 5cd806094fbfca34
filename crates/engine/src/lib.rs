//! The AMQP 1.0 protocol without sockets, clocks or locks: bytes, commands and instants go in; bytes, events and
//! deadlines come out.
//!
//! A [`Connection`] is both sides of everything that the specification's parts 2 and 5 say about one connection. Its own
//! documentation tells in which order to call it. Endpoints and deliveries are named by small ids, and reached through
//! views that borrow the connection for a moment: [`SessionMut`], [`LinkMut`], [`DeliveryMut`].
//!
//! ```
//! use std::time::Instant;
//! use deuteron_engine::{Connection, ConnectionConfig, Event, LinkConfig, OutBuf, Payload, SendOptions, Security, SessionConfig};
//!
//! let config = ConnectionConfig { container_id: "me".into(), ..ConnectionConfig::default() };
//! let mut connection = Connection::new(config);
//! connection.open();
//! let session = connection.begin(SessionConfig::default());
//! let link = connection.attach(session, LinkConfig::sender("orders", "queue/orders"))?;
//! connection.link(link).unwrap().send(Payload::Slice(b"\x00\x53\x75\xa0\x02hi"), SendOptions::default())?;
//!
//! let now = Instant::now();
//! connection.bind(Security::default(), now);
//! let mut out = OutBuf::new();
//! assert!(connection.poll_transmit(now, &mut out)); // header, open, begin, attach: the message waits for credit
//! # Ok::<(), deuteron_engine::UsageError>(())
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test has to begin at some instant"))]

mod config;
mod connection;
mod delivery;
mod endpoint;
mod error;
mod event;
mod id;
mod link;
pub mod reconnect;
mod recovery;
mod remedy;
pub mod sasl;
mod security;
mod serial;
mod session;
mod store;
mod wire;

pub use deuteron_codec as codec;

pub use config::{
    ConnectionConfig, ConnectionRole, Limits, LinkConfig, Recovery, SaslConfig, SendOptions, SessionConfig,
    Trace,
};
pub use connection::{Connection, EMPTY_FRAME};
pub use delivery::DeliveryMut;
pub use endpoint::EndpointState;
pub use error::{Cause, Failure, UsageError};
pub use event::{Deadline, Event};
pub use id::{DeliveryId, LinkId, SessionId};
pub use link::resume::{Guarantee, Suspended};
pub use link::{LinkMut, Payload};
pub use recovery::Interruption;
pub use remedy::{Place, Remedies, Remedy, Row, Symptom, TABLE};
pub use security::Security;
pub use session::SessionMut;
pub use wire::output::OutBuf;
