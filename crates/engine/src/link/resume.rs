//! What a link remembers of earlier attachments, so that they are gone on with (2.6.13), and which guarantee follows from
//! what the peer has said of itself.

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;
use deuteron_codec::{
    Attach, AttachTarget, Decode, DeliveryState, DeliveryTag, Encode, Map, Reader, Received,
    ReceiverSettleMode, Role, SenderSettleMode, TerminusExpiryPolicy, Value, Writer,
};

use super::{Link, LinkMut};
use crate::config::Recovery;
use crate::connection::frame_size;
use crate::delivery::Delivery;
use crate::id::DeliveryId;
use crate::store::Store;

/// How often a message arrives if wires are lost while it is under way.
///
/// It holds while both programs live and the terminus does not expire; none of it outlives a process that keeps
/// its state in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Guarantee {
    /// Once or not at all. Of what was under way the sender hears that it is unknown, unless it was sent settled.
    AtMostOnce,
    /// Once, or more than once: what was not settled is sent again.
    AtLeastOnce,
    /// Once: what is unsettled is compared and resumed.
    ExactlyOnce,
}

/// How a resumed delivery goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resumed {
    /// With its payload, from the start.
    Whole,
    /// The peer has decided: its transfer only carries the end of it.
    Finish,
}

/// What is left of earlier attachments. While it is there, our Attach has an unsettled map.
#[derive(Debug, Default)]
pub(crate) struct Resume {
    /// Senders: what the peer's map is yet to tell of, oldest first.
    pub(crate) sends: VecDeque<DeliveryId>,
    /// Receivers: what the sender may go on with.
    pub(crate) receipts: HashMap<DeliveryTag, DeliveryId>,
    /// The maps of the present attachment were compared.
    pub(crate) compared: bool,
    /// One of them is not all: nothing new may be sent before the link is attached once more.
    pub(crate) incomplete: bool,
    /// Senders: resumed deliveries that are not over.
    pub(crate) under_way: usize,
}

/// The unsettled deliveries of a link that has lost its wire, on their way from one [`Connection`](crate::Connection) to
/// another: a server has a new one for each wire, and the terminus outlives them. See
/// [`LinkMut::take_suspended`].
#[derive(Debug)]
pub struct Suspended {
    role: Role,
    next_tag: u64,
    deliveries: Vec<(DeliveryId, Delivery)>,
}

impl Suspended {
    /// Whether the link sent or received.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How many deliveries there are.
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Whether there is none. That is worth keeping too: it tells the peer that nothing of what it asks for came.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Receivers: how many have no outcome of ours.
    pub fn undecided(&self) -> usize {
        let decided = |delivery: &Delivery| delivery.local.as_ref().is_some_and(DeliveryState::is_terminal);
        if self.role == Role::Sender {
            0
        } else {
            self.deliveries.iter().filter(|(_, entry)| !decided(entry)).count()
        }
    }

    /// Bytes of payload that are held.
    pub fn bytes(&self) -> usize {
        self.deliveries.iter().map(|(_, delivery)| delivery.payload.len()).sum()
    }

    /// The deliveries by the ids that they had, with their tags.
    pub fn deliveries(&self) -> impl Iterator<Item = (DeliveryId, DeliveryTag)> {
        self.deliveries.iter().map(|(id, delivery)| (*id, delivery.tag))
    }
}

impl Link {
    /// Whether deliveries that are not resumed may be sent on this attachment.
    #[inline]
    pub(crate) fn takes_new(&self) -> bool {
        !self.is_comparing()
    }

    /// The maps of this attachment were not all: it only resumes.
    #[inline]
    pub(crate) fn is_comparing(&self) -> bool {
        self.resume.as_deref().is_some_and(|resume| resume.incomplete)
    }

    /// Our Attach is written.
    pub(crate) fn map_sent(&mut self, attach: &Attach) {
        if let Some(resume) = self.resume.as_deref_mut() {
            resume.incomplete = attach.incomplete_unsettled;
        }
    }

    /// Receivers: what the sender goes on with.
    pub(crate) fn take_receipt(&mut self, tag: &DeliveryTag) -> Option<DeliveryId> {
        let resume = self.resume.as_deref_mut()?;
        let id = resume.receipts.remove(tag);
        self.resume_is_over();
        id
    }

    /// Nothing may be left to be resumed.
    pub(crate) fn resume_is_over(&mut self) {
        let over = |resume: &Resume| {
            resume.compared && !resume.incomplete && resume.sends.is_empty() && resume.receipts.is_empty()
        };
        if self.resume.as_deref().is_some_and(over) {
            self.resume = None;
        }
    }

    /// Whether both sides have said that the receiver settles after the sender.
    pub(crate) fn settles_second(&self) -> bool {
        let theirs = self.remote_attach.as_deref().map(|attach| attach.rcv_settle_mode);
        let ours = self.is_sender() || self.config.rcv_settle_mode == ReceiverSettleMode::Second;
        ours && theirs == Some(ReceiverSettleMode::Second)
    }

    fn guarantee(&self) -> Option<Guarantee> {
        let attach = self.remote_attach.as_deref().filter(|_| !self.is_refused())?;
        let settled = if self.is_sender() { self.config.snd_settle_mode } else { attach.snd_settle_mode };
        if settled == SenderSettleMode::Settled {
            return Some(Guarantee::AtMostOnce);
        }
        let resumes =
            self.config.recovery == Recovery::Resume && self.settles_second() && keeps_state(attach);
        Some(match self.config.recovery {
            _ if resumes => Guarantee::ExactlyOnce,
            Recovery::Report | Recovery::Resume if self.is_sender() => Guarantee::AtMostOnce,
            _ => Guarantee::AtLeastOnce,
        })
    }
}

/// Whether the peer's terminus outlives the connection.
fn keeps_state(attach: &Attach) -> bool {
    let (policy, timeout) = match (attach.role, attach.source.as_deref(), attach.target.as_deref()) {
        (Role::Sender, Some(source), _) => (source.expiry_policy, source.timeout),
        (Role::Receiver, _, Some(AttachTarget::Target(target))) => (target.expiry_policy, target.timeout),
        _ => return false,
    };
    policy == TerminusExpiryPolicy::Never || timeout > 0
}

impl LinkMut<'_> {
    /// How often a message arrives on this link if wires are lost, from what the peer's Attach says; `None` before it
    /// is here.
    ///
    /// [`Guarantee::ExactlyOnce`] takes [`Recovery::Resume`], a receiver that settles second (2.8.3) and an end of the peer's
    /// that outlives the connection (its terminus never expires, or has a timeout). A peer that answers otherwise is taken at
    /// its word: a sender then reports what it cannot know, as with [`Recovery::Report`].
    pub fn guarantee(&self) -> Option<Guarantee> {
        self.link()?.guarantee()
    }

    /// Takes the unsettled deliveries of a link with [`Recovery::Resume`], those that wait for credit included, to be
    /// given to the link that is attached in its place, of this connection or another. `None` if there was no attachment
    /// to resume. Their ids are void after this. A link that has not lost its wire is treated as if it had; close it then.
    pub fn take_suspended(&mut self) -> Option<Suspended> {
        self.connection.take_suspended(self.id)
    }

    /// Gives the link, before it is attached, the deliveries that one of its name has left; they are told to the peer, and
    /// resumed. Returns each id that a delivery had and the one that it has now. The peer may want to start afresh; then they
    /// are lost, and reported so, once the link is attached.
    pub fn restore(&mut self, suspended: Suspended) -> Vec<(DeliveryId, DeliveryId)> {
        self.connection.restore(self.id, suspended)
    }
}

impl Suspended {
    pub(crate) fn new(role: Role, next_tag: u64, deliveries: Vec<(DeliveryId, Delivery)>) -> Self {
        Self { role, next_tag, deliveries }
    }

    pub(crate) fn into_parts(self) -> (u64, Vec<(DeliveryId, Delivery)>) {
        (self.next_tag, self.deliveries)
    }
}

/// What our Attach says of unsettled deliveries: nothing on a fresh attachment, or when the peer asks for one.
pub(crate) fn unsettled_map(link: &Link, deliveries: &Store<DeliveryId, Delivery>) -> Option<Map> {
    let resume = link.resume.as_deref()?;
    let theirs = match link.remote_attach.as_deref() {
        Some(attach) => Some(attach.unsettled.as_ref()?),
        None => None,
    };
    let mut ids: Vec<_> = resume.sends.iter().copied().collect();
    let mut receipts: Vec<_> = resume.receipts.values().copied().collect();
    receipts.sort_unstable();
    ids.append(&mut receipts);
    let entries = ids.into_iter().filter_map(|id| deliveries.get(id));
    // What the peer asks for goes first, should there be no room for all.
    let asked: Option<HashMap<DeliveryTag, &Value>> = theirs.map(|map| tags(map).collect());
    let (first, rest): (Vec<_>, Vec<_>) =
        entries.partition(|delivery| asked.as_ref().is_some_and(|asked| asked.contains_key(&delivery.tag)));
    let mut map = Map::with_capacity(first.len() + rest.len());
    for delivery in first.into_iter().chain(rest) {
        let state = delivery.local.as_ref().map_or(Value::Null, encoded);
        map.push(delivery.tag.as_slice(), state);
    }
    Some(map)
}

/// The deliveries of a map.
pub(crate) fn tags(map: &Map) -> impl Iterator<Item = (DeliveryTag, &Value)> {
    map.iter().filter_map(|(tag, state)| match tag {
        Value::Binary(tag) => Some((DeliveryTag::new(tag)?, state)),
        _ => None,
    })
}

/// The state of a delivery in a map.
pub(crate) fn state_of(value: &Value) -> Option<DeliveryState> {
    let mut bytes = BytesMut::new();
    value.encode(&mut Writer::new(&mut bytes));
    Option::<DeliveryState>::decode(&mut Reader::new(&bytes)).ok().flatten()
}

fn encoded(state: &DeliveryState) -> Value {
    let mut bytes = BytesMut::new();
    state.encode(&mut Writer::new(&mut bytes));
    Value::decode(&mut Reader::new(&bytes)).unwrap_or(Value::Null)
}

/// Leaves out of the map what does not fit a frame of the peer's, and says so.
pub(crate) fn fit(attach: &mut Attach, longest: usize) {
    // Its header, and handles and lengths at their longest.
    const ROOM: usize = 32;
    if attach.unsettled.is_none() || frame_size(attach) + ROOM <= longest {
        return;
    }
    let Some(map) = attach.unsettled.replace(Map::new()) else { return };
    let mut room = longest.saturating_sub(frame_size(attach) + ROOM);
    let mut kept = Map::new();
    for (tag, state) in map.iter() {
        let size = frame_size(tag) + frame_size(state);
        if size > room {
            break;
        }
        room -= size;
        kept.push(tag.clone(), state.clone());
    }
    attach.incomplete_unsettled = true;
    attach.unsettled = Some(kept);
}

/// The state in the first transfer of a delivery.
#[inline]
pub(crate) fn state(delivery: &Delivery) -> Option<DeliveryState> {
    match delivery.resumed {
        // 3.4.1: where in the payload it goes on.
        Some(Resumed::Whole) => {
            Some(DeliveryState::Received(Received { section_number: 0, section_offset: 0 }))
        }
        _ => delivery.local.clone(),
    }
}
