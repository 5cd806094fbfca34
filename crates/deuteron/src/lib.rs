//! AMQP 1.0 messaging: connect, listen, reconnect, fail over, send and receive.
//!
//! Two ways to use it, on the same handles.
//!
//! With callbacks: a [`MessagingHandler`] run by a [`Container`] on the calling thread.
//!
//! ```no_run
//! use deuteron::{Ack, Connection, Container, Context, Delivery, MessagingHandler, Sender};
//!
//! struct Hello;
//!
//! impl MessagingHandler for Hello {
//!     fn on_start(&mut self, cx: &mut Context<'_>) {
//!         cx.connect("amqp://127.0.0.1").expect("a good URL");
//!     }
//!     fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
//!         connection.open_receiver("examples").expect("the connection is open");
//!         connection.open_sender("examples").expect("the connection is open");
//!     }
//!     fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
//!         sender.send_now("Hello World!").expect("there is credit");
//!         drop(sender.close());
//!     }
//!     fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
//!         println!("{:?}", delivery.message());
//!         drop(delivery.connection().close());
//!         Ack::Accept
//!     }
//! }
//!
//! Container::new().run(Hello)?;
//! # Ok::<(), deuteron::Error>(())
//! ```
//!
//! With `async` and `await`, inside a tokio runtime:
//!
//! ```no_run
//! # async fn run() -> Result<(), deuteron::Error> {
//! let connection = deuteron::Connection::connect("amqp://127.0.0.1").await?;
//! let sender = connection.sender("examples").await?;
//! let outcome = sender.send("Hello World!").await?;
//! assert!(outcome.is_accepted());
//! let receiver = connection.receiver("examples").await?;
//! let delivery = receiver.recv().await?;
//! println!("{:?}", delivery.message());
//! delivery.accept()?;
//! connection.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What holds for both:
//! - A connection reconnects and fails over by itself; connections, sessions, links and deliveries
//!   stay the same handles ([`ConnectOptions`]).
//! - Senders send again what was not settled when a wire was lost: at least once. [`Recovery::Report`]
//!   tells instead, [`SenderOptions::resume`] makes it exactly once where the peer plays along;
//!   [`guarantee`](LinkHandle::guarantee) says which of them a link has.
//! - Every wait has a deadline ([`Deadlines`]), and an [`Error`] says which one passed.
//! - `PN_TRACE_FRM=1` in the environment prints every frame on standard error, secrets masked.

mod confirmation;
mod connection;
mod container;
mod context;
mod delivery;
mod drive;
mod duplicates;
mod error;
mod handler;
mod handler_forward;
mod io;
mod link;
mod listener;
mod options;
mod outcome;
mod receiver;
mod sendable;
mod sender;
mod session;
mod timer;
pub mod tls;
mod transaction;
mod url;

pub use connection::Connection;
pub use container::Container;
pub use context::Context;
pub use delivery::Delivery;
pub use drive::shutdown::{Leftovers, ShuttingDown};
pub use drive::waits::Closing;
pub use error::{Error, Fate, Origin, Phase, Scope};
pub use handler::{Ack, MessagingHandler};
pub use link::{Link, LinkHandle};
pub use listener::Listener;
pub use options::{
    ConnectOptions, Deadlines, ListenOptions, ReceiverOptions, SenderOptions, Server, ServerList,
    SessionOptions, UrlSource,
};
pub use outcome::Outcome;
pub use receiver::{Draining, Receiver};
pub use sendable::{Encoded, Sendable};
pub use sender::Sender;
pub use session::Session;
pub use timer::{Injector, TimerId};
pub use tls::{TlsConfig, TlsError, TlsServerConfig};
pub use transaction::{Discharging, Transaction};
pub use url::{Scheme, Url, UrlError};

pub use deuteron_codec as codec;
pub use deuteron_codec::{
    Body, DeliveryState, DeliveryTag, Error as AmqpError, Map, Message, MessageId, MessageView,
    ReceiverSettleMode, SenderSettleMode, Source, Symbol, Target, TerminusDurability, TerminusExpiryPolicy,
    Value, condition,
};
pub use deuteron_engine::reconnect::{Backoff, Delays, Order, ReconnectPolicy};
pub use deuteron_engine::sasl;
pub use deuteron_engine::{
    EndpointState, Guarantee, Limits, Place, Recovery, Remedies, Remedy, Row, SendOptions, Suspended,
    Symptom, TABLE,
};
