//! Messages on their way out: queued, split into frames, streamed, aborted (2.6.12 to 2.6.14).

use bytes::Bytes;
use deuteron_codec::frame::{self, FRAME_AMQP};
use deuteron_codec::{Encode, ReceiverSettleMode, SenderSettleMode, Transfer, Writer};

use super::Connection;
use super::dispose::is_over;
use crate::config::{Recovery, SendOptions, Trace};
use crate::delivery::Delivery;
use crate::error::UsageError;
use crate::id::{DeliveryId, LinkId};
use crate::link::{Link, Payload, resume};
use crate::session::Session;
use crate::wire::Wire;
use crate::wire::output::CHAIN_THRESHOLD;

/// How far a delivery came.
enum Progress {
    /// Its last frame is written.
    Sent,
    /// The frame that aborts it is written.
    Aborted,
    /// It waits for credit, or for its next part.
    Waits,
    /// The session's window or the output's limit holds it back.
    Held,
}

/// What writing a frame needs, borrowed apart from the delivery.
struct Out<'a> {
    wire: &'a mut Wire,
    session: &'a mut Session,
    trace: Option<&'a Trace>,
    limit: usize,
}

impl Connection {
    pub(crate) fn send(
        &mut self,
        link_id: LinkId,
        payload: Payload<'_>,
        options: SendOptions,
    ) -> Result<DeliveryId, UsageError> {
        let limit = self
            .links
            .get(link_id)
            .and_then(|link| link.remote_attach.as_ref()?.max_message_size)
            .unwrap_or(0);
        if limit > 0 && payload.as_slice().len() as u64 > limit {
            return Err(UsageError::TooLarge(limit));
        }
        let id = self.enqueue(link_id, options)?;
        let Self { wire, sessions, links, deliveries, config, .. } = self;
        let (Some(link), Some(delivery)) = (links.get_mut(link_id), deliveries.get_mut(id)) else {
            return Err(UsageError::Gone);
        };
        delivery.complete = true;
        // The usual case: nothing waits before it and it fits one frame, so it is written from where it lies.
        if link.queue.len() == 1
            && link.credit > 0
            && link.takes_new()
            && link.is_attached()
            && let (Some(wire), Some(session)) = (wire.as_deref_mut(), sessions.get_mut(link.session))
            && wire.is_writable()
            && session.is_writable()
            && session.window.sendable() > 0
            && wire.out.len() < config.limits.output
        {
            let trace = config.trace.as_ref();
            let mut out = Out { wire, session, trace, limit: config.limits.output };
            if out.whole(id, link, delivery, &payload) {
                if keeps_payload(link, delivery) {
                    delivery.payload.push(payload.into_bytes());
                }
                self.sent(link_id, id);
                return Ok(id);
            }
        }
        delivery.payload.push(payload.into_bytes());
        self.pump(link_id);
        Ok(id)
    }

    pub(crate) fn start(&mut self, link_id: LinkId, options: SendOptions) -> Result<DeliveryId, UsageError> {
        let id = self.enqueue(link_id, options)?;
        if let Some(link) = self.links.get_mut(link_id) {
            link.stream = Some(id);
        }
        Ok(id)
    }

    fn enqueue(&mut self, link_id: LinkId, options: SendOptions) -> Result<DeliveryId, UsageError> {
        let link = self.links.get_mut(link_id).ok_or(UsageError::Gone)?;
        if !link.is_sender() {
            return Err(UsageError::WrongRole);
        }
        if link.endpoint.local.is_over() && !link.reattach || link.forgotten {
            return Err(UsageError::Closed);
        }
        if link.stream.is_some() {
            return Err(UsageError::StreamOpen);
        }
        let tag = match options.tag {
            Some(tag) => tag,
            None => link.tag(),
        };
        let mut delivery = Delivery::new(link.session, link_id, tag, true);
        delivery.message_format = options.message_format;
        delivery.local = options.state;
        delivery.rcv_settle_mode = options.rcv_settle_mode;
        delivery.batchable = options.batchable;
        delivery.queued = true;
        delivery.locally_settled = match link.config.snd_settle_mode {
            SenderSettleMode::Settled => true,
            SenderSettleMode::Unsettled => false,
            SenderSettleMode::Mixed => options.settled.unwrap_or(false),
        };
        let id = self.deliveries.insert(delivery);
        link.deliveries += 1;
        link.queue.push_back(id);
        Ok(id)
    }

    pub(crate) fn stream(&mut self, id: DeliveryId, chunk: Bytes, last: bool) -> Result<(), UsageError> {
        let delivery = self.deliveries.get_mut(id).ok_or(UsageError::Gone)?;
        if !delivery.outgoing || delivery.complete {
            return Err(UsageError::NotStreaming);
        }
        let link_id = delivery.link;
        delivery.payload.push(chunk);
        delivery.complete = last;
        if last && let Some(link) = self.links.get_mut(link_id) {
            link.stream = None;
        }
        self.pump(link_id);
        Ok(())
    }

    pub(crate) fn abort(&mut self, id: DeliveryId) -> Result<(), UsageError> {
        let delivery = self.deliveries.get_mut(id).ok_or(UsageError::Gone)?;
        if !delivery.outgoing || delivery.sent || delivery.aborted {
            return Err(UsageError::NotStreaming);
        }
        let link_id = delivery.link;
        let Some(link) = self.links.get_mut(link_id) else { return Err(UsageError::Gone) };
        if !delivery.on_wire || !link.endpoint.local.is_open() {
            self.drop_delivery(id);
            self.pump(link_id);
            return Ok(());
        }
        // The peer has a part of it and must hear of the abort; that takes a frame, for which the window may have no
        // room now. 2.6.14: an aborted delivery is settled.
        delivery.aborted = true;
        delivery.complete = true;
        delivery.locally_settled = true;
        delivery.forgotten = true;
        delivery.payload = Default::default();
        delivery.framed = 0;
        link.stream = None;
        self.pump(link_id);
        Ok(())
    }

    pub(crate) fn sendable(&mut self, link_id: LinkId) -> u32 {
        let Self { wire, sessions, links, config, .. } = self;
        let (Some(wire), Some(link)) = (wire.as_deref_mut(), links.get_mut(link_id)) else { return 0 };
        let Some(session) = sessions.get_mut(link.session) else { return 0 };
        let open = link.is_sender() && link.is_attached() && wire.is_writable() && session.is_writable();
        if !open || link.credit == 0 || !link.queue.is_empty() || !link.takes_new() {
            return 0;
        }
        if session.window.sendable() == 0 || wire.out.len() >= config.limits.output {
            hold(wire, session, link, link_id);
            return 0;
        }
        link.credit
    }

    /// Writes as much of the link's queue as credit, window and output allow.
    pub(crate) fn pump(&mut self, link_id: LinkId) {
        loop {
            let Self { wire, sessions, links, deliveries, config, .. } = self;
            let (Some(wire), Some(link)) = (wire.as_deref_mut(), links.get_mut(link_id)) else { return };
            let Some(&id) = link.queue.front() else { return };
            let Some(session) = sessions.get_mut(link.session) else { return };
            if !wire.is_writable() || !session.is_writable() || !link.is_attached() {
                return;
            }
            let Some(delivery) = deliveries.get_mut(id) else {
                link.queue.pop_front();
                continue;
            };
            let mut out = Out { wire, session, trace: config.trace.as_ref(), limit: config.limits.output };
            match out.advance(id, link, delivery) {
                Progress::Sent => self.sent(link_id, id),
                Progress::Aborted => {
                    let drained = link.drain && link.config.auto_drained && link.queue.len() == 1;
                    self.drop_delivery(id);
                    if drained {
                        self.flow_due(link_id, false);
                    }
                }
                Progress::Waits => return,
                Progress::Held => {
                    hold(wire, session, link, link_id);
                    return;
                }
            }
        }
    }

    /// The last frame of the link's oldest queued delivery is written.
    fn sent(&mut self, link_id: LinkId, id: DeliveryId) {
        let Self { wire, links, deliveries, .. } = self;
        let (Some(link), Some(delivery)) = (links.get_mut(link_id), deliveries.get_mut(id)) else { return };
        link.queue.pop_front();
        delivery.queued = false;
        delivery.sent = true;
        if link.drain
            && link.config.auto_drained
            && link.queue.is_empty()
            && let Some(wire) = wire
            && !std::mem::replace(&mut link.flow_due, true)
        {
            // The peer waits for what we do not use of its credit.
            wire.dirty_links.push(link_id);
        }
        if delivery.resumed == Some(resume::Resumed::Finish) {
            self.finished(id);
            return;
        }
        if delivery.locally_settled || delivery.remotely_settled && delivery.forgotten {
            self.drop_delivery(id);
            return;
        }
        if delivery.forgotten && is_over(delivery) {
            // The peer has decided before it had all of the message, and waits for us.
            self.dispose(id, None, true);
            return;
        }
        if !keeps_payload(link, delivery) {
            delivery.payload = Default::default();
        }
        if link.config.settle_timeout.is_some() {
            self.deadlines.unmarked = true;
            if let Some(session) = self.sessions.get_mut(link.session) {
                session.wants_settle_deadline = true;
            }
        }
    }
}

/// The link is looked at again, and its owner told, once the window and the output allow.
fn hold(wire: &mut Wire, session: &mut Session, link: &mut Link, id: LinkId) {
    wire.any_held = true;
    if !std::mem::replace(&mut link.held, true) {
        session.held.push_back(id);
    }
}

/// An unsettled message of a link that replays stays here until it is settled.
fn keeps_payload(link: &Link, delivery: &Delivery) -> bool {
    link.config.recovery != Recovery::Report && !delivery.locally_settled
}

impl Out<'_> {
    /// Writes a delivery that lies elsewhere, if one frame can hold it.
    #[inline]
    fn whole(
        &mut self,
        id: DeliveryId,
        link: &mut Link,
        delivery: &mut Delivery,
        payload: &Payload<'_>,
    ) -> bool {
        let body = payload.as_slice();
        // The longest transfer without a state takes less than this.
        const HEADER_ROOM: usize = 96;
        if body.len() + HEADER_ROOM > self.wire.peer_max_frame_size || delivery.local.is_some() {
            return false;
        }
        self.begin(id, link, delivery);
        let transfer = first_transfer(link, delivery);
        let Some(channel) = self.session.local_channel else { return false };
        let buffer = self.wire.out.tail();
        buffer.reserve(body.len().min(CHAIN_THRESHOLD) + HEADER_ROOM);
        let start = frame::begin_frame(buffer, FRAME_AMQP, channel);
        transfer.encode(&mut Writer::new(buffer));
        match payload {
            Payload::Bytes(bytes) if body.len() >= CHAIN_THRESHOLD => self.end_chained(start, bytes.clone()),
            _ => {
                buffer.extend_from_slice(body);
                frame::end_frame(buffer, start);
                self.trace(start);
            }
        }
        self.session.window.on_sent();
        true
    }

    /// The first frame of a delivery takes a number and a credit.
    #[inline]
    fn begin(&mut self, id: DeliveryId, link: &mut Link, delivery: &mut Delivery) {
        delivery.number = self.session.outgoing.push(id);
        delivery.on_wire = true;
        delivery.replayed = true;
        link.credit -= 1;
        link.delivery_count = link.delivery_count.add(1);
    }

    fn advance(&mut self, id: DeliveryId, link: &mut Link, delivery: &mut Delivery) -> Progress {
        loop {
            if delivery.aborted {
                return self.abort(link);
            }
            let left = delivery.payload.len() - delivery.framed;
            let held =
                !delivery.on_wire && (link.credit == 0 || delivery.resumed.is_none() && !link.takes_new());
            if left == 0 && !delivery.complete || held {
                return Progress::Waits;
            }
            if self.session.window.sendable() == 0 || self.wire.out.len() >= self.limit {
                return Progress::Held;
            }
            let first = !delivery.on_wire;
            if first {
                self.begin(id, link, delivery);
            }
            if self.frame(first, link, delivery) {
                return Progress::Sent;
            }
        }
    }

    fn abort(&mut self, link: &Link) -> Progress {
        let (Some(handle), Some(channel)) = (link.local_handle, self.session.local_channel) else {
            return Progress::Waits;
        };
        if self.session.window.sendable() == 0 {
            return Progress::Held;
        }
        let buffer = self.wire.out.tail();
        let start = frame::begin_frame(buffer, FRAME_AMQP, channel);
        Transfer { handle, aborted: true, ..Transfer::default() }.encode(&mut Writer::new(buffer));
        frame::end_frame(buffer, start);
        self.trace(start);
        self.session.window.on_sent();
        Progress::Aborted
    }

    /// Writes one frame with as much payload as it can hold. True if it is the delivery's last.
    fn frame(&mut self, first: bool, link: &Link, delivery: &mut Delivery) -> bool {
        let Some(channel) = self.session.local_channel else { return false };
        let mut transfer = if first { first_transfer(link, delivery) } else { next_transfer(link, delivery) };
        let left = delivery.payload.len() - delivery.framed;
        let mut part = delivery.payload.slice(delivery.framed, usize::MAX);
        let mut last = delivery.complete && part.len() == left;
        let max = self.wire.peer_max_frame_size;
        let buffer = self.wire.out.tail();
        let start = frame::begin_frame(buffer, FRAME_AMQP, channel);
        transfer.more = !last;
        transfer.encode(&mut Writer::new(buffer));
        if last && buffer.len() - start + part.len() > max {
            last = false;
            transfer.more = true;
            buffer.truncate(start);
            frame::begin_frame(buffer, FRAME_AMQP, channel);
            transfer.encode(&mut Writer::new(buffer));
        }
        part.truncate(max.saturating_sub(buffer.len() - start));
        delivery.framed += part.len();
        if part.len() >= CHAIN_THRESHOLD {
            self.end_chained(start, part);
        } else {
            buffer.extend_from_slice(&part);
            frame::end_frame(buffer, start);
            self.trace(start);
        }
        if !keeps_payload(link, delivery) {
            delivery.payload.consume(delivery.framed);
            delivery.framed = 0;
        }
        self.session.window.on_sent();
        last
    }

    /// Ends a frame whose payload is not copied behind its performative.
    fn end_chained(&mut self, start: usize, payload: Bytes) {
        let buffer = self.wire.out.tail();
        let size = (buffer.len() - start + payload.len()) as u32;
        buffer[start..start + 4].copy_from_slice(&size.to_be_bytes());
        self.trace(start);
        self.wire.out.append(payload);
    }

    #[inline]
    fn trace(&mut self, start: usize) {
        if let Some(trace) = self.trace {
            (trace.0)(&super::input::trace_line(true, &self.wire.out.tail()[start..]));
        }
    }
}

#[inline]
fn first_transfer(link: &Link, delivery: &Delivery) -> Transfer {
    Transfer {
        handle: link.local_handle.unwrap_or(0),
        delivery_id: Some(delivery.number.0),
        delivery_tag: Some(delivery.tag),
        message_format: Some(delivery.message_format),
        settled: Some(delivery.locally_settled || delivery.resumed == Some(resume::Resumed::Finish)),
        rcv_settle_mode: delivery.rcv_settle_mode.filter(|mode| *mode != ReceiverSettleMode::First),
        state: resume::state(delivery),
        resume: delivery.resumed.is_some(),
        batchable: delivery.batchable,
        ..Transfer::default()
    }
}

fn next_transfer(link: &Link, delivery: &Delivery) -> Transfer {
    Transfer {
        handle: link.local_handle.unwrap_or(0),
        settled: delivery.locally_settled.then_some(true),
        ..Transfer::default()
    }
}
