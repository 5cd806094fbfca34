//! One message under way, in either direction: its tag, its payload and the state of both sides.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use deuteron_codec::{DeliveryState, DeliveryTag, ReceiverSettleMode};

use crate::connection::Connection;
use crate::error::UsageError;
use crate::id::{DeliveryId, LinkId, SessionId};
use crate::link::resume::Resumed;
use crate::serial::Serial;

/// A message's bytes as they came or as they were given, without joining them.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    first: Bytes,
    rest: VecDeque<Bytes>,
    len: usize,
}

impl Chunks {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        self.len += chunk.len();
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            self.rest.push_back(chunk);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        if self.first.is_empty() {
            return None;
        }
        let next = self.rest.pop_front().unwrap_or_default();
        let chunk = std::mem::replace(&mut self.first, next);
        self.len -= chunk.len();
        Some(chunk)
    }

    /// All in one piece; copied only if it came in several. Chunks are let go as they are copied.
    pub(crate) fn join(&mut self) -> Bytes {
        if self.rest.is_empty() {
            self.len = 0;
            return std::mem::take(&mut self.first);
        }
        let mut whole = BytesMut::with_capacity(self.len);
        while let Some(chunk) = self.pop() {
            whole.extend_from_slice(&chunk);
        }
        whole.freeze()
    }

    /// Lets go of the first `count` bytes.
    pub(crate) fn consume(&mut self, mut count: usize) {
        while count > 0 && !self.first.is_empty() {
            if count < self.first.len() {
                self.first.advance(count);
                self.len -= count;
                return;
            }
            count -= self.first.len();
            self.pop();
        }
    }

    /// At most `max` bytes from `offset` on; fewer where a chunk ends.
    pub(crate) fn slice(&self, mut offset: usize, max: usize) -> Bytes {
        for chunk in std::iter::once(&self.first).chain(&self.rest) {
            if offset < chunk.len() {
                return chunk.slice(offset..chunk.len().min(offset.saturating_add(max)));
            }
            offset -= chunk.len();
        }
        Bytes::new()
    }
}

#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) session: SessionId,
    pub(crate) link: LinkId,
    pub(crate) tag: DeliveryTag,
    /// The delivery-id of the current wire; means nothing unless `on_wire`.
    pub(crate) number: Serial,
    pub(crate) message_format: u32,
    pub(crate) local: Option<DeliveryState>,
    pub(crate) remote: Option<DeliveryState>,
    pub(crate) payload: Chunks,
    /// Outgoing: bytes of the payload that are in frames already.
    pub(crate) framed: usize,
    /// Incoming: bytes of the payload that came, taken or not.
    pub(crate) received: u64,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) outgoing: bool,
    /// It has a number on the current wire.
    pub(crate) on_wire: bool,
    /// Incoming: the last frame is here. Outgoing: the application has given all of it.
    pub(crate) complete: bool,
    /// Outgoing: the last frame is written, on this wire or an earlier one.
    pub(crate) sent: bool,
    pub(crate) aborted: bool,
    pub(crate) locally_settled: bool,
    pub(crate) remotely_settled: bool,
    /// Incoming: counted in the link's unread deliveries.
    pub(crate) unread: bool,
    /// Incoming: what is here of it is counted in the session's buffered bytes, although it is not whole.
    pub(crate) counted: bool,
    /// Nobody waits for it: no events, and it goes as soon as it is settled.
    pub(crate) forgotten: bool,
    pub(crate) batchable: bool,
    /// A settle deadline was reported.
    pub(crate) overdue: bool,
    /// Outgoing: in its link's queue.
    pub(crate) queued: bool,
    /// Outgoing: something of it was handed to a wire before.
    pub(crate) replayed: bool,
    /// Its wire is gone, and it waits for what the peer knows of it.
    pub(crate) suspended: bool,
    /// Its transfer on this attachment goes on with what an earlier one began.
    pub(crate) resumed: Option<Resumed>,
}

impl Delivery {
    pub(crate) fn new(session: SessionId, link: LinkId, tag: DeliveryTag, outgoing: bool) -> Self {
        Self {
            session,
            link,
            tag,
            number: Serial(0),
            message_format: 0,
            local: None,
            remote: None,
            payload: Chunks::default(),
            framed: 0,
            received: 0,
            rcv_settle_mode: None,
            outgoing,
            on_wire: false,
            complete: false,
            sent: false,
            aborted: false,
            locally_settled: false,
            remotely_settled: false,
            unread: false,
            counted: false,
            forgotten: false,
            batchable: false,
            overdue: false,
            queued: false,
            replayed: false,
            suspended: false,
            resumed: None,
        }
    }
}

/// A delivery, borrowed for a moment.
#[derive(Debug)]
pub struct DeliveryMut<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) id: DeliveryId,
}

impl DeliveryMut<'_> {
    fn delivery(&self) -> Option<&Delivery> {
        self.connection.deliveries.get(self.id)
    }

    /// The link that it travels on.
    pub fn link(&self) -> Option<LinkId> {
        self.delivery().map(|delivery| delivery.link)
    }

    /// Its tag (2.6.12).
    pub fn tag(&self) -> DeliveryTag {
        self.delivery().map(|delivery| delivery.tag).unwrap_or_default()
    }

    /// Its message format (3.2.16).
    pub fn message_format(&self) -> u32 {
        self.delivery().map_or(0, |delivery| delivery.message_format)
    }

    /// The state that we have given it.
    pub fn local_state(&self) -> Option<&DeliveryState> {
        self.delivery()?.local.as_ref()
    }

    /// The state that the peer has given it.
    pub fn remote_state(&self) -> Option<&DeliveryState> {
        self.delivery()?.remote.as_ref()
    }

    /// Whether we have settled it.
    pub fn locally_settled(&self) -> bool {
        self.delivery().is_none_or(|delivery| delivery.locally_settled)
    }

    /// Whether the peer has settled it; true from the start for a message sent settled.
    pub fn remotely_settled(&self) -> bool {
        self.delivery().is_none_or(|delivery| delivery.remotely_settled)
    }

    /// Whether the message is whole.
    pub fn is_complete(&self) -> bool {
        self.delivery().is_some_and(|delivery| delivery.complete)
    }

    /// Whether the sender has aborted it (2.6.14).
    pub fn is_aborted(&self) -> bool {
        self.delivery().is_some_and(|delivery| delivery.aborted)
    }

    /// Outgoing: whether any of it was ever handed to a wire. If not, the peer cannot have it.
    pub fn was_sent(&self) -> bool {
        self.delivery().is_some_and(|delivery| delivery.on_wire || delivery.replayed)
    }

    /// Whether settling it would still reach the peer: false once its wire is gone.
    pub fn is_live(&self) -> bool {
        self.delivery().is_some_and(|delivery| delivery.on_wire && !delivery.remotely_settled)
    }

    /// Its wire is gone, and its link will be resumed ([`Recovery::Resume`](crate::Recovery::Resume)): a state that it is
    /// given still reaches the peer.
    pub fn is_suspended(&self) -> bool {
        self.delivery().is_some_and(|delivery| delivery.suspended)
    }

    /// Payload bytes that are here and not taken yet.
    pub fn pending(&self) -> usize {
        self.delivery().map_or(0, |delivery| delivery.payload.len())
    }

    /// Incoming: takes the payload, all that is here. A message that came in several frames is joined by one copy.
    pub fn take(&mut self) -> Bytes {
        self.connection.take_payload(self.id)
    }

    /// Incoming: takes the next piece of the payload as it came, `None` if nothing is here at the moment.
    pub fn read(&mut self) -> Option<Bytes> {
        self.connection.read_payload(self.id)
    }

    /// Gives it a state without settling it.
    pub fn update(&mut self, state: DeliveryState) {
        self.connection.dispose(self.id, Some(state), false);
    }

    /// Settles it; with a state given before by [`update`](Self::update), that state stands. The id is void after this
    /// and the payload is dropped. Outgoing and not sent yet: it will go out settled.
    pub fn settle(&mut self) {
        self.connection.dispose(self.id, None, true);
    }

    /// Gives it a state, and settles it if asked.
    pub fn disposition(&mut self, state: Option<DeliveryState>, settled: bool) {
        self.connection.dispose(self.id, state, settled);
    }

    /// Nobody will ask for it again: no events for it any more, and it is settled as soon as the peer has settled it.
    pub fn forget(&mut self) {
        self.connection.forget_delivery(self.id);
    }

    /// Outgoing: takes it back if nothing of it was sent yet. True if it was taken back.
    pub fn cancel(&mut self) -> bool {
        self.connection.cancel_delivery(self.id)
    }

    /// Outgoing: adds to a message begun with [`LinkMut::start`](crate::LinkMut::start).
    ///
    /// # Errors
    /// [`UsageError::NotStreaming`] when it was finished or aborted before.
    pub fn stream(&mut self, chunk: Bytes) -> Result<(), UsageError> {
        self.connection.stream(self.id, chunk, false)
    }

    /// Outgoing: the message is whole.
    ///
    /// # Errors
    /// [`UsageError::NotStreaming`] when it was finished or aborted before.
    pub fn finish(&mut self) -> Result<(), UsageError> {
        self.connection.stream(self.id, Bytes::new(), true)
    }

    /// Outgoing: withdraws a message that is not whole yet (2.6.14).
    ///
    /// # Errors
    /// [`UsageError::NotStreaming`] when its last part is on the wire already.
    pub fn abort(&mut self) -> Result<(), UsageError> {
        self.connection.abort(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_join_in_order_and_slice_across() {
        let mut chunks = Chunks::default();
        for part in ["ab", "", "cde", "f"] {
            chunks.push(Bytes::from_static(part.as_bytes()));
        }
        assert_eq!(chunks.len(), 6);
        assert_eq!(chunks.slice(0, 10), "ab");
        assert_eq!(chunks.slice(3, 1), "d");
        assert_eq!(chunks.slice(5, 9), "f");
        assert_eq!(chunks.slice(6, 9), "");
        assert_eq!(chunks.join(), "abcdef");
        assert_eq!(chunks.len(), 0);
    }
}
