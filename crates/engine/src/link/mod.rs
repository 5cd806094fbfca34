//! Links (2.6): a name, two termini, credit, and the messages that wait for it.

pub(crate) mod resume;

use std::collections::VecDeque;

use bytes::Bytes;
use deuteron_codec::{Attach, DeliveryState, DeliveryTag, Error, Map, Role};

use crate::config::{LinkConfig, SendOptions};
use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::endpoint::{Endpoint, EndpointState};
use crate::error::UsageError;
use crate::id::{DeliveryId, LinkId, SessionId};
use crate::recovery::{Comeback, Interruption};
use crate::serial::Serial;
use resume::Resume;

/// What is sent: borrowed bytes, which are copied, or counted ones, which are chained when large.
#[derive(Debug)]
pub enum Payload<'a> {
    /// Copied into the output, or into memory of its own if it must wait.
    Slice(&'a [u8]),
    /// Kept by reference; copied into the output only if small.
    Bytes(Bytes),
}

impl Payload<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Bytes(bytes) => bytes,
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Slice(slice) => Bytes::copy_from_slice(slice),
            Self::Bytes(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: SessionId,
    pub(crate) config: LinkConfig,
    pub(crate) endpoint: Endpoint,
    pub(crate) remote_attach: Option<Box<Attach>>,
    /// Our handle while our Attach stands on the wire.
    pub(crate) local_handle: Option<u32>,
    /// The peer's handle while its Attach stands on the wire.
    pub(crate) remote_handle: Option<u32>,
    pub(crate) delivery_count: Serial,
    pub(crate) credit: u32,
    pub(crate) drain: bool,
    pub(crate) available: u32,
    /// Goes out with each of our flows.
    pub(crate) flow_properties: Option<Box<Map>>,
    /// Came with the peer's last flow.
    pub(crate) remote_flow_properties: Option<Box<Map>>,
    /// Deliveries of the link in the connection's store.
    pub(crate) deliveries: usize,
    /// Senders: not yet wholly on the wire, oldest first.
    pub(crate) queue: VecDeque<DeliveryId>,
    pub(crate) next_tag: u64,
    /// Senders: a message that the application has not finished.
    pub(crate) stream: Option<DeliveryId>,
    /// Senders: in the session's list of those held back.
    pub(crate) held: bool,
    /// Receivers: a message that has not come whole.
    pub(crate) partial: Option<DeliveryId>,
    /// Receivers: whole messages not taken yet.
    pub(crate) unread: u32,
    /// A flow is due; the link is in the wire's list of such.
    pub(crate) flow_due: bool,
    pub(crate) flow_echo: bool,
    /// Receivers: credit is not topped up, as the last drain asked.
    pub(crate) paused: bool,
    /// It is to be attached again as soon as the peer has answered our Detach.
    pub(crate) reattach: bool,
    /// Both sides have been attached at some time.
    pub(crate) was_attached: bool,
    /// It was interrupted, and comes back by itself.
    pub(crate) comeback: Option<Box<Comeback>>,
    /// What is left of earlier attachments, to be resumed.
    pub(crate) resume: Option<Box<Resume>>,
    /// It only waits for the peer's Detach on behalf of this one, which was interrupted.
    pub(crate) stands_for: Option<LinkId>,
    /// Its owner wants no more of it: it goes once the peer has detached it.
    pub(crate) forgotten: bool,
    /// Messages that came beyond the credit since our last flow.
    pub(crate) overdrawn: u32,
    pub(crate) attach_token: u32,
    pub(crate) detach_token: u32,
    pub(crate) drain_token: u32,
}

impl Link {
    pub(crate) fn new(session: SessionId, config: LinkConfig) -> Self {
        Self {
            session,
            config,
            endpoint: Endpoint::default(),
            remote_attach: None,
            local_handle: None,
            remote_handle: None,
            delivery_count: Serial(0),
            credit: 0,
            drain: false,
            available: 0,
            flow_properties: None,
            remote_flow_properties: None,
            deliveries: 0,
            queue: VecDeque::new(),
            next_tag: 0,
            stream: None,
            held: false,
            partial: None,
            unread: 0,
            flow_due: false,
            flow_echo: false,
            paused: false,
            reattach: false,
            was_attached: false,
            comeback: None,
            resume: None,
            stands_for: None,
            forgotten: false,
            overdrawn: 0,
            attach_token: 0,
            detach_token: 0,
            drain_token: 0,
        }
    }

    pub(crate) fn is_sender(&self) -> bool {
        self.config.role == Role::Sender
    }

    /// Transfers and flows may cross.
    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.local_handle.is_some() && self.remote_handle.is_some() && self.endpoint.both_open()
    }

    pub(crate) fn tag(&mut self) -> DeliveryTag {
        self.next_tag += 1;
        DeliveryTag::from(self.next_tag)
    }

    /// A message has come for which there is no credit. Some peers (RabbitMQ 3.10) take the credit of a flow as counted from
    /// where they are, not from the delivery-count in it, and so send what was under way once more. Where credit is topped up
    /// to a window, that much is taken; a peer that goes on is told off.
    pub(crate) fn overdraw(&mut self) -> bool {
        self.overdrawn = self.overdrawn.saturating_add(1);
        self.overdrawn <= self.config.credit_window.max(self.config.overdraft)
    }

    /// Receivers: raises the credit to the window when half of it is used up. True if it was raised.
    #[inline]
    pub(crate) fn refill_credit(&mut self) -> bool {
        let window = self.config.credit_window;
        if self.paused || self.drain || window == 0 {
            return false;
        }
        // Those that are resumed use credit once more, though some of them are here already.
        let resumed = self.resume.as_ref().map_or(0, |resume| resume.receipts.len() as u32);
        let missing = (window.saturating_sub(self.unread) + resumed).saturating_sub(self.credit);
        if missing == 0 || missing < window / 2 && self.credit >= resumed {
            return false;
        }
        self.credit += missing;
        true
    }

    /// The wire, or the session's part of it, is gone.
    pub(crate) fn forget_wire(&mut self) {
        self.overdrawn = 0;
        self.endpoint.forget_remote();
        self.remote_attach = None;
        self.local_handle = None;
        self.remote_handle = None;
        self.delivery_count = Serial(0);
        self.credit = 0;
        self.drain = false;
        self.available = 0;
        // A transaction that is named in them has ended with the wire (4.3).
        self.flow_properties = None;
        self.remote_flow_properties = None;
        self.held = false;
        self.flow_due = false;
        self.flow_echo = false;
        self.paused = false;
        if let Some(comeback) = self.comeback.as_deref_mut() {
            comeback.waiting = false;
        }
    }

    /// The peer's Attach has no terminus of its own: a Detach that says why follows (2.6.3).
    pub(crate) fn is_refused(&self) -> bool {
        let Some(attach) = self.remote_attach.as_deref() else { return false };
        if self.is_sender() { attach.target.is_none() } else { attach.source.is_none() }
    }
}

/// A link, borrowed for a moment.
#[derive(Debug)]
pub struct LinkMut<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) id: LinkId,
}

impl LinkMut<'_> {
    fn link(&self) -> Option<&Link> {
        self.connection.links.get(self.id)
    }

    /// Whether we send or receive on it.
    pub fn role(&self) -> Role {
        self.link().map_or(Role::Sender, |link| link.config.role)
    }

    /// The session that it is on.
    pub fn session(&self) -> Option<SessionId> {
        self.link().map(|link| link.session)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.link().map_or("", |link| &link.config.name)
    }

    /// Our declaration.
    pub fn config(&self) -> Option<&LinkConfig> {
        self.link().map(|link| &link.config)
    }

    /// Our declaration; changes to what Attach says count until [`attach`](Self::attach).
    pub fn config_mut(&mut self) -> Option<&mut LinkConfig> {
        self.connection.links.get_mut(self.id).map(|link| &mut link.config)
    }

    /// What we have said of it.
    pub fn local_state(&self) -> EndpointState {
        self.link().map_or(EndpointState::Closed, |link| link.endpoint.local)
    }

    /// What the peer has said of it.
    pub fn remote_state(&self) -> EndpointState {
        self.link().map_or(EndpointState::Closed, |link| link.endpoint.remote)
    }

    /// The error that we closed it with.
    pub fn local_error(&self) -> Option<&Error> {
        self.link()?.endpoint.error.as_deref()
    }

    /// The error that the peer detached it with.
    pub fn remote_error(&self) -> Option<&Error> {
        self.link()?.endpoint.remote_error.as_deref()
    }

    /// Whether the peer's Attach has no terminus of its own: a Detach that says why follows (2.6.3).
    pub fn is_refused(&self) -> bool {
        self.link().is_some_and(Link::is_refused)
    }

    /// Why the link is down at the moment, if it comes back by itself.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.link()?.comeback.as_deref()?.last.as_ref()
    }

    /// The peer's Attach: its termini, capabilities and properties.
    pub fn remote_attach(&self) -> Option<&Attach> {
        self.link()?.remote_attach.as_deref()
    }

    /// Senders: messages that the peer would take now, less those queued; negative when more are queued than it takes.
    /// Receivers: messages that the peer may still send.
    pub fn credit(&self) -> i64 {
        let Some(link) = self.link() else { return 0 };
        // A message that has begun to leave has used its credit already.
        let begun = link.queue.front().and_then(|first| self.connection.deliveries.get(*first));
        let begun = i64::from(begun.is_some_and(|delivery| delivery.on_wire));
        i64::from(link.credit) + begun - link.queue.len() as i64
    }

    /// Senders: messages that could be written at once. That is the credit, or 0 while messages are queued or the
    /// session's window or the output is full; once that has eased, [`Event::LinkFlow`](crate::Event::LinkFlow) says so.
    pub fn sendable(&mut self) -> u32 {
        self.connection.sendable(self.id)
    }

    /// Senders: messages not wholly on the wire. Receivers: whole messages not taken.
    pub fn queued(&self) -> usize {
        self.link().map_or(0, |link| if link.is_sender() { link.queue.len() } else { link.unread as usize })
    }

    /// Deliveries that are not settled and forgotten by us yet.
    pub fn unsettled(&self) -> usize {
        self.link().map_or(0, |link| link.deliveries)
    }

    /// Senders: messages that were written, in part at least, and of which the peer has said neither an outcome nor that
    /// they are settled.
    pub fn undecided(&self) -> usize {
        let decided = |delivery: &Delivery| {
            delivery.remotely_settled || delivery.remote.as_ref().is_some_and(DeliveryState::is_terminal)
        };
        let deliveries = self.connection.deliveries.iter().map(|(_, delivery)| delivery);
        deliveries.filter(|delivery| delivery.link == self.id && delivery.sent && !decided(delivery)).count()
    }

    /// The largest message that the peer takes; 0 means that it names no limit (2.7.3, max-message-size).
    pub fn peer_max_message_size(&self) -> u64 {
        self.remote_attach().and_then(|attach| attach.max_message_size).unwrap_or(0)
    }

    /// Messages that the sending peer says are waiting (2.6.7, available).
    pub fn available(&self) -> u32 {
        self.link().map_or(0, |link| link.available)
    }

    /// The properties in the peer's last flow on the link (2.7.4): they hold until a flow has others, or none.
    pub fn remote_flow_properties(&self) -> Option<&Map> {
        self.link()?.remote_flow_properties.as_deref()
    }

    /// Puts properties into our flows on the link (2.7.4) from now on, and sends one that has them; `None` ends that.
    /// They go with the wire. Before the link is attached nothing can be set.
    pub fn set_flow_properties(&mut self, properties: Option<Map>) {
        self.connection.set_flow_properties(self.id, properties);
    }

    /// Attaches it, answers the peer's Attach, or attaches a detached one again (2.6.3).
    pub fn attach(&mut self) {
        self.connection.attach_link(self.id);
    }

    /// Refuses the peer's Attach, as the specification asks: an Attach without our terminus, then a closing Detach
    /// with the error (2.6.3).
    pub fn reject(&mut self, error: Error) {
        self.connection.reject_link(self.id, error);
    }

    /// Detaches it and keeps the terminus (2.6.4).
    pub fn detach(&mut self, error: Option<Error>) {
        self.connection.detach_link(self.id, false, error);
    }

    /// Closes it and its terminus (2.6.6).
    pub fn close(&mut self, error: Option<Error>) {
        self.connection.detach_link(self.id, true, error);
    }

    /// Gives up on all that is unsettled, when the peer will say no more of it: sends are reported as
    /// [`Event::DeliveryLost`](crate::Event::DeliveryLost), or as updated where the outcome is known. Meant to be
    /// called before [`free`](Self::free), which drops them without a word.
    pub fn abandon(&mut self) {
        self.connection.suspend(self.id, false, true);
    }

    /// Forgets it and all its deliveries. Their ids are void after this; an open link is closed first.
    pub fn free(&mut self) {
        self.connection.free_link(self.id);
    }

    /// Senders: sends a message, or queues it until credit, window and output allow.
    ///
    /// # Errors
    /// When the link is gone, closed, a receiver, or has an unfinished stream.
    pub fn send(&mut self, payload: Payload<'_>, options: SendOptions) -> Result<DeliveryId, UsageError> {
        self.connection.send(self.id, payload, options)
    }

    /// Senders: begins a message that is given in parts, with [`DeliveryMut::stream`](crate::DeliveryMut::stream) and
    /// [`DeliveryMut::finish`](crate::DeliveryMut::finish).
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn start(&mut self, options: SendOptions) -> Result<DeliveryId, UsageError> {
        self.connection.start(self.id, options)
    }

    /// Senders: gives all unused credit back to a peer that drains (2.6.7).
    pub fn drained(&mut self) {
        self.connection.drained(self.id);
    }

    /// Senders: whether the peer drains and was not answered yet.
    pub fn drain_requested(&self) -> bool {
        self.link().is_some_and(|link| link.is_sender() && link.drain)
    }

    /// Senders: tells the peer how many messages are waiting (2.6.7, available).
    pub fn offered(&mut self, available: u32) {
        self.connection.offered(self.id, available);
    }

    /// Receivers: allows the peer to send `count` more messages.
    pub fn add_credit(&mut self, count: u32) {
        self.connection.add_credit(self.id, count);
    }

    /// Receivers: keeps `count` messages' credit in the peer's hands from now on; 0 leaves it to
    /// [`add_credit`](Self::add_credit). Ends the pause that a drain began.
    pub fn set_credit_window(&mut self, count: u32) {
        self.connection.set_credit_window(self.id, count);
    }

    /// Receivers: asks the peer to send what it has and give the rest of the credit back (2.6.7). The credit window rests
    /// until [`set_credit_window`](Self::set_credit_window) or [`add_credit`](Self::add_credit).
    pub fn drain(&mut self) {
        self.connection.drain(self.id);
    }

    /// Receivers: does not ask for the credit back any more. What the peer has given back by then is gone.
    pub fn end_drain(&mut self) {
        self.connection.end_drain(self.id);
    }

    /// Receivers: whether a drain was not answered yet.
    pub fn is_draining(&self) -> bool {
        self.link().is_some_and(|link| !link.is_sender() && link.drain)
    }
}
