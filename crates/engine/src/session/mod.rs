//! Sessions (2.5): a channel in each direction, windows, handles, and the deliveries not settled yet.

pub(crate) mod disposition;
pub(crate) mod unsettled;
pub(crate) mod window;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use deuteron_codec::{Begin, Error, Role};

use crate::config::SessionConfig;
use crate::connection::Connection;
use crate::endpoint::{Endpoint, EndpointState};
use crate::id::{LinkId, SessionId};
use crate::recovery::{Comeback, Interruption};
use crate::serial::Serial;
use disposition::Dispositions;
use unsettled::Unsettled;
use window::Window;

/// Handles below this have a slot in a vector.
const DENSE_HANDLES: u32 = 4096;

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) config: SessionConfig,
    pub(crate) endpoint: Endpoint,
    pub(crate) remote_begin: Option<Box<Begin>>,
    /// Our channel, once our Begin is written.
    pub(crate) local_channel: Option<u16>,
    /// The peer's channel, once its Begin is here.
    pub(crate) remote_channel: Option<u16>,
    pub(crate) end_sent: bool,
    pub(crate) window: Window,
    pub(crate) outgoing: Unsettled,
    pub(crate) incoming: Unsettled,
    /// Growing dispositions of our receivers and of our senders.
    pub(crate) dispositions: [Dispositions; 2],
    /// In the wire's list of sessions with something to say.
    pub(crate) dirty: bool,
    /// A flow for the session alone is due.
    pub(crate) flow_due: bool,
    /// Senders that have messages and credit, but were held back by the window or by the output's limit.
    pub(crate) held: VecDeque<LinkId>,
    pub(crate) local_handles: Vec<Option<LinkId>>,
    remote_handles: Vec<Option<LinkId>>,
    /// Handles too high to have a slot each: a peer may choose any up to handle-max.
    high_remote_handles: BTreeMap<u32, LinkId>,
    /// Open links by name, for our senders and for our receivers (2.6.1).
    pub(crate) names: [HashMap<String, LinkId>; 2],
    /// Attaches of ours that the peer has not answered, oldest first.
    pub(crate) awaiting: VecDeque<LinkId>,
    /// Bytes of whole messages that were not taken, and of parts if they count.
    pub(crate) buffered: usize,
    /// `(number, time)`: deliveries from that number on were sent after that time. Kept only for settle deadlines.
    pub(crate) marks: VecDeque<(Serial, Instant)>,
    pub(crate) settle_check: Option<Instant>,
    pub(crate) wants_settle_deadline: bool,
    pub(crate) begin_token: u32,
    /// It was interrupted, and comes back by itself.
    pub(crate) comeback: Option<Box<Comeback>>,
    /// Its owner wants no more of it: it goes once the peer has ended it.
    pub(crate) forgotten: bool,
}

impl Session {
    pub(crate) fn new(config: SessionConfig) -> Self {
        let mut session = Self { config, ..Self::default() };
        session.start_wire();
        session
    }

    /// Numbers and windows for a new wire.
    pub(crate) fn start_wire(&mut self) {
        let first = Serial(self.config.next_outgoing_id);
        self.window = Window::new(first.0, self.config.incoming_window.max(1));
        self.outgoing = Unsettled::starting_at(first);
        self.incoming = Unsettled::default();
        self.dispositions = <[Dispositions; 2]>::default();
        self.local_channel = None;
        self.remote_channel = None;
        self.remote_begin = None;
        self.end_sent = false;
        self.dirty = false;
        self.flow_due = false;
        self.held.clear();
        self.awaiting.clear();
        self.local_handles.clear();
        self.remote_handles.clear();
        self.high_remote_handles.clear();
        self.marks.clear();
        self.settle_check = None;
    }

    /// How many frames the peer may be allowed now, with the longest frame that we take.
    pub(crate) fn room(&self, max_frame_size: u32) -> u32 {
        let most = self.config.incoming_window.max(1);
        if !self.config.strict_capacity || max_frame_size == u32::MAX {
            return if self.buffered <= self.config.incoming_capacity { most } else { 0 };
        }
        let free = self.config.incoming_capacity.saturating_sub(self.buffered);
        let frames = u32::try_from(free / max_frame_size.max(1) as usize).unwrap_or(most).min(most);
        // Where a frame may be longer than all that there is room for, they come one by one.
        frames.max(u32::from(self.buffered == 0))
    }

    /// Lets the peer send more, if enough of what it was allowed is used up and there is room.
    pub(crate) fn widen_window(&mut self, max_frame_size: u32) {
        if self.window.half_used() {
            self.window.refill(self.room(max_frame_size));
        }
    }

    /// Whether a flow would let the peer send more.
    pub(crate) fn may_widen(&self, max_frame_size: u32) -> bool {
        self.window.half_used()
            && (!self.config.strict_capacity || self.room(max_frame_size) > self.window.incoming())
    }

    /// Frames of this session may be written.
    pub(crate) fn is_writable(&self) -> bool {
        self.local_channel.is_some() && !self.end_sent
    }

    pub(crate) fn names(&mut self, role: Role) -> &mut HashMap<String, LinkId> {
        &mut self.names[role as usize & 1]
    }

    /// The lowest free handle; `None` above the peer's handle-max.
    pub(crate) fn allocate_handle(&mut self, link: LinkId) -> Option<u32> {
        let max = self.remote_begin.as_ref().map_or(u32::MAX, |begin| begin.handle_max);
        let handle = self.local_handles.iter().position(Option::is_none).unwrap_or(self.local_handles.len());
        if handle as u64 > u64::from(max) {
            return None;
        }
        if handle == self.local_handles.len() {
            self.local_handles.push(None);
        }
        self.local_handles[handle] = Some(link);
        Some(handle as u32)
    }

    pub(crate) fn set_remote_handle(&mut self, handle: u32, link: Option<LinkId>) {
        if handle >= DENSE_HANDLES {
            match link {
                Some(link) => self.high_remote_handles.insert(handle, link),
                None => self.high_remote_handles.remove(&handle),
            };
            return;
        }
        let handle = handle as usize;
        if handle >= self.remote_handles.len() {
            if link.is_none() {
                return;
            }
            self.remote_handles.resize(handle + 1, None);
        }
        self.remote_handles[handle] = link;
    }

    #[inline]
    pub(crate) fn link_at(&self, remote_handle: u32) -> Option<LinkId> {
        if remote_handle >= DENSE_HANDLES {
            return self.high_remote_handles.get(&remote_handle).copied();
        }
        self.remote_handles.get(remote_handle as usize).copied().flatten()
    }
}

/// A session, borrowed for a moment.
#[derive(Debug)]
pub struct SessionMut<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) id: SessionId,
}

impl SessionMut<'_> {
    fn session(&self) -> Option<&Session> {
        self.connection.sessions.get(self.id)
    }

    /// What we have said of it.
    pub fn local_state(&self) -> EndpointState {
        self.session().map_or(EndpointState::Closed, |session| session.endpoint.local)
    }

    /// What the peer has said of it.
    pub fn remote_state(&self) -> EndpointState {
        self.session().map_or(EndpointState::Closed, |session| session.endpoint.remote)
    }

    /// The error that we ended it with.
    pub fn local_error(&self) -> Option<&Error> {
        self.session()?.endpoint.error.as_deref()
    }

    /// The error that the peer ended it with.
    pub fn remote_error(&self) -> Option<&Error> {
        self.session()?.endpoint.remote_error.as_deref()
    }

    /// Why the session is down at the moment, if it comes back by itself.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.session()?.comeback.as_deref()?.last.as_ref()
    }

    /// The peer's Begin.
    pub fn remote_begin(&self) -> Option<&Begin> {
        self.session()?.remote_begin.as_deref()
    }

    /// Our declaration; changes count until [`begin`](Self::begin).
    pub fn config_mut(&mut self) -> Option<&mut SessionConfig> {
        self.connection.sessions.get_mut(self.id).map(|session| &mut session.config)
    }

    /// Begins it, or answers the peer's Begin (2.5.1).
    pub fn begin(&mut self) {
        self.connection.begin_session(self.id);
    }

    /// Ends it (2.5.2). Its links are over with it.
    pub fn end(&mut self, error: Option<Error>) {
        self.connection.end_session(self.id, error);
    }

    /// The links on it.
    pub fn links(&self) -> Vec<LinkId> {
        self.connection.links_of(self.id)
    }

    /// Forgets an ended session and its links. Their ids are void after this; an open one is ended first.
    pub fn free(&mut self) {
        self.connection.free_session(self.id);
    }
}
