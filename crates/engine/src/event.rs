//! What the engine tells its driver: ids only; what they name is read through the views.

use crate::id::{DeliveryId, LinkId, SessionId};

/// Something happened. Poll with [`Connection::poll_event`](crate::Connection::poll_event) until `None`.
///
/// Events come in the order in which the peer's frames caused them.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The SASL exchange succeeded, in either role (5.3).
    Authenticated,
    /// The server's authenticator wants to be asked later: answer with
    /// [`Connection::sasl_decide`](crate::Connection::sasl_decide).
    SaslPending,
    /// The peer's Open arrived (2.7.1).
    ConnectionOpened,
    /// The peer's Close arrived (2.7.9).
    ConnectionClosed,
    /// The peer's Begin arrived (2.7.2).
    SessionBegun(SessionId),
    /// The peer's End arrived (2.7.8).
    SessionEnded(SessionId),
    /// The peer's Attach arrived (2.7.3).
    LinkAttached(LinkId),
    /// The peer detached without closing: the terminus lives on (2.6.4).
    LinkDetached(LinkId),
    /// The peer closed the link (2.6.6).
    LinkClosed(LinkId),
    /// The peer detached a link that comes back by itself: see [`LinkMut::interruption`](crate::LinkMut::interruption).
    /// [`LinkAttached`](Self::LinkAttached) says that it is up again.
    LinkInterrupted(LinkId),
    /// The session ended, and with it the attachments of its links; it is begun again by itself: see
    /// [`SessionMut::interruption`](crate::SessionMut::interruption).
    SessionInterrupted(SessionId),
    /// A flow for the link arrived, or what held back its sends has eased: look at the credit (2.6.7).
    LinkFlow(LinkId),
    /// The credit of a draining receiver is used up (2.6.7).
    LinkDrained(LinkId),
    /// A message arrived whole.
    Delivered(DeliveryId),
    /// Part of a message arrived; only for links with `partial_events`.
    DeliveryPartial(DeliveryId),
    /// The peer aborted a message that it had begun (2.6.14).
    DeliveryAborted(DeliveryId),
    /// The peer's state for a delivery changed, or the peer settled it (2.7.6).
    DeliveryUpdated(DeliveryId),
    /// The delivery will not be settled any more: its wire, session or link is gone. Whether the peer has it is unknown
    /// if [`DeliveryMut::was_sent`](crate::DeliveryMut::was_sent) is true, and it was not sent otherwise.
    DeliveryLost(DeliveryId),
    /// The peer did not do in time what this names.
    DeadlineExpired(Deadline),
    /// The wire has failed: see [`Connection::transport_failure`](crate::Connection::transport_failure).
    TransportError,
    /// Nothing more will be read.
    TailClosed,
    /// Nothing more will be written.
    HeadClosed,
    /// Both directions of the wire are done.
    TransportClosed,
    /// The wire is gone; the endpoints are still here.
    Unbound,
}

/// What the peer was late with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Deadline {
    /// The SASL exchange.
    Sasl,
    /// The peer's header or Open.
    Open,
    /// The answer to our Begin.
    Begin(SessionId),
    /// The answer to our Attach.
    Attach(LinkId),
    /// The answer to a drain.
    Drain(LinkId),
    /// The settlement of a sent message.
    Settle(DeliveryId),
    /// The answer to our Detach.
    Detach(LinkId),
    /// The answer to our End.
    End(SessionId),
    /// The answer to our Close.
    Close,
}

impl std::fmt::Display for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sasl => "SASL exchange",
            Self::Open => "open",
            Self::Begin(_) => "begin",
            Self::Attach(_) => "attach",
            Self::Drain(_) => "drain",
            Self::Settle(_) => "settle",
            Self::Detach(_) => "detach",
            Self::End(_) => "end",
            Self::Close => "close",
        })
    }
}
