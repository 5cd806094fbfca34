//! What a program implements to be told what happens.

use std::any::Any;
use std::time::Duration;

use deuteron_codec::{Error as AmqpError, Map};

use crate::{Connection, Context, Delivery, Error, Link, Listener, Sender, Session, TimerId, Transaction};

/// What becomes of a message once [`MessagingHandler::on_message`] returns (spec 3.4).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Ack {
    /// It was processed: `accepted` and settled. What `on_message` returns unless it is overridden.
    #[default]
    Accept,
    /// It is invalid and shall not be delivered again: `rejected`, with the reason if there is one.
    Reject(Option<AmqpError>),
    /// It was not touched and may go to anybody: `released`.
    Release,
    /// It was touched but not processed: `modified`.
    Modify {
        /// Count this as a failed attempt (the message's delivery-count goes up).
        delivery_failed: bool,
        /// Do not deliver it to this link again.
        undeliverable_here: bool,
        /// Merged into the message annotations.
        annotations: Option<Map>,
    },
    /// Not now: a clone of the delivery was kept and will be settled later by one of its methods.
    /// If every clone is dropped unsettled the message is released.
    Later,
}

/// Callbacks for everything that happens on the connections of a [`Container`](crate::Container).
///
/// Every method has a default, so a program writes those that it needs. One thread calls them, in
/// the order in which things happened, and nothing is locked during a call: each may use every
/// handle, and may take its time (heartbeats go out meanwhile). None may block on a future of this
/// crate; such a call returns an error at once.
///
/// Endpoints that the *peer* opens announce themselves by `on_*_opening`; unless the callback
/// rejects them they are then opened with the peer's settings mirrored. `on_*_opened` comes when
/// both sides are open. When the peer closes one, `on_*_closing` comes, or `on_*_error` if the peer
/// named an error; our side is then closed, and `on_*_closed` follows in either case.
///
/// After a reconnect `on_connection_opened` and `on_link_opened` are called again for the same
/// handles.
#[allow(unused_variables)]
pub trait MessagingHandler {
    /// The loop has started: connect, listen and set timers here.
    fn on_start(&mut self, cx: &mut Context<'_>) {}

    /// A client's credentials are known, and its authenticator wants to be asked later
    /// ([`Decision::Pending`](crate::sasl::Decision::Pending)). Answer by
    /// [`Connection::decide_sasl`], here or at any time before the deadline of the handshake.
    /// Refused by default.
    fn on_sasl_pending(&mut self, cx: &mut Context<'_>, connection: &Connection) {
        connection.decide_sasl(false);
    }
    /// A client's Open arrived at a listener. [`Connection::reject`] refuses it.
    fn on_connection_opening(&mut self, cx: &mut Context<'_>, connection: &Connection) {}
    /// Both sides are open; again after each reconnect.
    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: &Connection) {}
    /// The peer closed the connection without an error.
    fn on_connection_closing(&mut self, cx: &mut Context<'_>, connection: &Connection) {}
    /// Both sides have closed, or the last attempt to reconnect failed. No more events of this
    /// connection follow.
    fn on_connection_closed(&mut self, cx: &mut Context<'_>, connection: &Connection) {}
    /// The peer closed the connection with an error. Logged by default.
    fn on_connection_error(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error) {
        tracing::error!(%error, "connection closed by the peer");
    }

    /// The peer began a session. [`Session::reject`] refuses it.
    fn on_session_opening(&mut self, cx: &mut Context<'_>, session: &Session) {}
    /// Both sides have begun; again after each reconnect.
    fn on_session_opened(&mut self, cx: &mut Context<'_>, session: &Session) {}
    /// The peer ended the session without an error.
    fn on_session_closing(&mut self, cx: &mut Context<'_>, session: &Session) {}
    /// Both sides have ended.
    fn on_session_closed(&mut self, cx: &mut Context<'_>, session: &Session) {}
    /// The peer ended the session with an error, or did not begin it in time. By default it is
    /// logged, and a connection that we made is closed, so that a program does not wait for ever.
    fn on_session_error(&mut self, cx: &mut Context<'_>, session: &Session, error: &Error) {
        tracing::error!(%error, "session failed");
        session.connection().close_if_outgoing();
    }

    /// The peer attached a link. Set its local source and target ([`LinkHandle::set_source`](crate::LinkHandle::set_source),
    /// [`LinkHandle::set_target`](crate::LinkHandle::set_target)), a dynamic address for example, or refuse it with [`LinkHandle::reject`](crate::LinkHandle::reject);
    /// otherwise the peer's termini are mirrored.
    fn on_link_opening(&mut self, cx: &mut Context<'_>, link: &Link) {}
    /// Both sides are attached; again after each reconnect.
    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: &Link) {}
    /// The peer detached the link but did not close it: its terminus lives on there.
    /// By default our side is detached as well.
    fn on_link_detached(&mut self, cx: &mut Context<'_>, link: &Link) {
        drop(link.detach());
    }
    /// The peer closed the link without an error.
    fn on_link_closing(&mut self, cx: &mut Context<'_>, link: &Link) {}
    /// Both sides are closed.
    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: &Link) {}
    /// The peer refused, closed or detached the link with an error, or did not attach it in time.
    /// By default it is logged, and a connection that we made is closed, so that a program does not
    /// wait for ever.
    fn on_link_error(&mut self, cx: &mut Context<'_>, link: &Link, error: &Error) {
        tracing::error!(%error, link = %link.name(), "link failed");
        link.connection().close_if_outgoing();
    }

    /// The peer ended the link, but it comes back by itself after `delay`: `on_link_opened` says when it is up. What was
    /// sent and not settled is told by [`on_lost`](Self::on_lost) or sent again, as the link's
    /// [`Recovery`](crate::Recovery) says; what waits for credit goes on waiting. When the attempts run out,
    /// `on_link_error` or `on_link_closing` comes as for any link.
    fn on_link_interrupted(&mut self, cx: &mut Context<'_>, link: &Link, error: &Error, delay: Duration) {}
    /// The peer ended the session, but it is begun again by itself after `delay`, and its links are attached on it.
    fn on_session_interrupted(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        error: &Error,
        delay: Duration,
    ) {
    }

    /// A link to a node that the peer makes and names has another address than before, as the node was made anew after a
    /// reconnect: tell it to those who send there. `on_link_opened` follows.
    fn on_address_changed(&mut self, cx: &mut Context<'_>, link: &Link, before: &str, now: &str) {}

    /// The sender has credit: [`credit`](crate::LinkHandle::credit) messages may be sent now.
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: &Sender) {}
    /// A message has arrived whole. What is returned settles it.
    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        Ack::Accept
    }
    /// The peer gave a message up halfway (spec 2.6.14). Nothing of it was delivered.
    fn on_message_aborted(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}

    /// The peer accepted a message that we sent.
    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}
    /// The peer rejected a message that we sent; [`Delivery::rejection`] says why.
    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}
    /// The peer released a message that we sent.
    fn on_released(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}
    /// The peer modified a message that we sent: as released, but it was or will be changed.
    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}
    /// The peer settled a delivery, of either direction; after the callback for its outcome.
    fn on_settled(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}
    /// Nobody will settle a message that we sent: [`Delivery::known_outcome`] is
    /// [`Outcome::Lost`](crate::Outcome::Lost) if the peer may have it, and
    /// [`Outcome::NotSent`](crate::Outcome::NotSent) if it cannot. Senders with
    /// [`Recovery::Report`](crate::Recovery) hear it when a wire is lost, the others send again;
    /// all hear it when their link, or the connection for good, has ended.
    fn on_lost(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {}
    /// A drain has ended: the peer used up or gave back all credit.
    fn on_drained(&mut self, cx: &mut Context<'_>, link: &Link) {}

    /// The peer has declared a transaction of [`Connection::declare_transaction`]: it can be worked in.
    fn on_transaction_declared(&mut self, cx: &mut Context<'_>, transaction: &Transaction) {}
    /// The peer has not declared a transaction, or not in time. Logged by default.
    fn on_transaction_declare_failed(
        &mut self,
        cx: &mut Context<'_>,
        transaction: &Transaction,
        error: &Error,
    ) {
        tracing::error!(%error, "transaction not declared");
    }
    /// All that was done in the transaction has happened.
    fn on_transaction_committed(&mut self, cx: &mut Context<'_>, transaction: &Transaction) {}
    /// A commit has failed: the peer has rolled back, or, if [`Error::fate`] is
    /// [`Fate::Unknown`](crate::Fate), nobody knows. Logged by default.
    fn on_transaction_commit_failed(
        &mut self,
        cx: &mut Context<'_>,
        transaction: &Transaction,
        error: &Error,
    ) {
        tracing::error!(%error, "transaction not committed");
    }
    /// The transaction was rolled back: by [`Transaction::rollback`], or as its wire or coordinator went.
    fn on_transaction_aborted(&mut self, cx: &mut Context<'_>, transaction: &Transaction) {}

    /// The transport failed: refused, lost, TLS, authentication, protocol. Logged by default.
    /// `on_disconnected` or `on_gave_up` follows.
    fn on_transport_error(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error) {
        tracing::warn!(%error, "transport failed");
    }
    /// The connection was lost, or an attempt to make it failed. `will_retry` says if another
    /// attempt follows. Closing the connection here ends the attempts.
    fn on_disconnected(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        error: &Error,
        will_retry: bool,
    ) {
    }
    /// The next attempt starts after `delay`.
    fn on_reconnecting(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        attempt: u32,
        delay: Duration,
    ) {
    }
    /// There will be no further attempt: retries ran out or the failure cannot heal. Comes exactly
    /// once, with the last error and the number of attempts made; `on_connection_closed` follows.
    fn on_gave_up(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error, attempts: u32) {
        tracing::error!(%error, attempts, "gave up connecting");
    }

    /// A timer of [`Context::schedule`] fired.
    fn on_timer(&mut self, cx: &mut Context<'_>, timer: TimerId, token: u64) {}
    /// Something was injected by [`Injector::inject`](crate::Injector::inject).
    fn on_injected(&mut self, cx: &mut Context<'_>, event: Box<dyn Any + Send>) {}
    /// A listener could not accept a connection, or a connection failed before it was open.
    /// The listener goes on. Logged by default.
    fn on_listener_error(&mut self, cx: &mut Context<'_>, listener: &Listener, error: &Error) {
        tracing::warn!(%error, "listener");
    }
}
