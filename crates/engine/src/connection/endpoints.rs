//! Commands that open and close sessions and links, and the frames that say so.

use deuteron_codec::{Attach, Begin, Detach, Encode, End, Error, Role};

use super::Connection;
use super::output::frame_size;
use crate::config::{LinkConfig, SessionConfig};
use crate::endpoint::EndpointState;
use crate::error::UsageError;
use crate::event::Deadline;
use crate::id::{LinkId, SessionId};
use crate::link::{Link, resume};
use crate::serial::Serial;
use crate::session::Session;
use crate::wire::Wire;

impl Connection {
    /// A session that is not begun yet.
    pub fn create_session(&mut self, config: SessionConfig) -> SessionId {
        self.sessions.insert(Session::new(config))
    }

    /// A new session, begun (2.5.1).
    pub fn begin(&mut self, config: SessionConfig) -> SessionId {
        let id = self.create_session(config);
        self.begin_session(id);
        id
    }

    /// A link that is not attached yet.
    ///
    /// # Errors
    /// [`UsageError::Gone`] without the session, [`UsageError::Closed`] when it is ended, [`UsageError::NameInUse`] when
    /// the session has an open link of that name and role.
    pub fn create_link(&mut self, session: SessionId, config: LinkConfig) -> Result<LinkId, UsageError> {
        let entry = self.sessions.get_mut(session).ok_or(UsageError::Gone)?;
        if entry.endpoint.local.is_over() {
            return Err(UsageError::Closed);
        }
        let (name, role) = (config.name.clone(), config.role);
        if entry.names(role).contains_key(&name) {
            return Err(UsageError::NameInUse);
        }
        let id = self.links.insert(Link::new(session, config));
        entry.names(role).insert(name, id);
        Ok(id)
    }

    /// A new link, attached (2.6.3).
    ///
    /// # Errors
    /// As for [`create_link`](Self::create_link).
    pub fn attach(&mut self, session: SessionId, config: LinkConfig) -> Result<LinkId, UsageError> {
        let id = self.create_link(session, config)?;
        self.attach_link(id);
        Ok(id)
    }

    /// Whether our Attach has been written on the present wire, so that the peer knows of the link. When a link ends of
    /// which it does not, there is nothing to be said and no answer to wait for.
    #[must_use]
    pub fn link_is_on_wire(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.local_handle.is_some())
    }

    /// Whether our Begin has been written on the present wire; see [`link_is_on_wire`](Self::link_is_on_wire).
    #[must_use]
    pub fn session_is_on_wire(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_some_and(|session| session.local_channel.is_some())
    }

    pub(crate) fn begin_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.endpoint.local == EndpointState::Uninit {
            session.endpoint.local = EndpointState::Open;
            self.write_begin(id);
        }
    }

    pub(crate) fn attach_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.endpoint.local == EndpointState::Detached && link.local_handle.is_some() {
            // Until the peer has answered our Detach, the handle and the name mean the old attachment.
            link.reattach = true;
        } else if matches!(link.endpoint.local, EndpointState::Uninit | EndpointState::Detached) {
            // One that the peer has ended before we answered is answered all the same.
            let answers = link.endpoint.local == EndpointState::Uninit;
            link.endpoint.local = EndpointState::Open;
            link.endpoint.error = None;
            if link.endpoint.remote.is_over() && !answers {
                link.forget_wire();
            }
            self.write_attach(id);
        }
    }

    /// Writes Begin if the wire is ready for it. Otherwise it is written once the wire is.
    pub(crate) fn write_begin(&mut self, id: SessionId) {
        let Some(wire) = self.wire.as_deref_mut().filter(|wire| wire.is_writable()) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let waits = session.comeback.as_deref().is_some_and(|comeback| comeback.waiting);
        if session.local_channel.is_some() || !session.endpoint.local.is_open() || waits {
            return;
        }
        session.window.limit(session.room(self.config.max_frame_size));
        let begin = begin_frame(session, self.config.handle_max);
        if must_wait(wire, &begin) {
            wire.blocked_endpoints = true;
            return;
        }
        let Some(channel) = wire.allocate_channel(id) else {
            // More sessions than the peer's channel-max: it waits for another to end.
            wire.blocked_endpoints = true;
            return;
        };
        session.local_channel = Some(channel);
        session.begin_token += 1;
        let token = session.begin_token;
        let answered = session.endpoint.remote != EndpointState::Uninit;
        self.write(channel, &begin);
        if !answered {
            self.deadlines.start(Deadline::Begin(id), self.config.begin_timeout, token);
        }
        for link in self.links_of(id) {
            self.write_attach(link);
        }
    }

    /// Writes Attach if session and wire are ready for it. Otherwise it is written once they are.
    pub(crate) fn write_attach(&mut self, id: LinkId) {
        let Some(wire) = self.wire.as_deref_mut().filter(|wire| wire.is_writable()) else { return };
        let Some(link) = self.links.get_mut(id) else { return };
        let Some(session) = self.sessions.get_mut(link.session) else { return };
        let waits = link.comeback.as_deref().is_some_and(|comeback| comeback.waiting);
        if link.local_handle.is_some() || !link.endpoint.local.is_open() || !session.is_writable() || waits {
            return;
        }
        let Some(channel) = session.local_channel else { return };
        let mut attach = attach_frame(link, 0);
        attach.unsettled = resume::unsettled_map(link, &self.deliveries);
        if must_wait(wire, &attach) {
            wire.blocked_endpoints = true;
            return;
        }
        resume::fit(&mut attach, wire.peer_max_frame_size);
        let Some(handle) = session.allocate_handle(id) else {
            wire.blocked_endpoints = true;
            return;
        };
        link.local_handle = Some(handle);
        link.map_sent(&attach);
        link.attach_token += 1;
        let token = link.attach_token;
        if link.is_sender() {
            link.delivery_count = Serial(0);
        }
        let answered = link.endpoint.remote != EndpointState::Uninit;
        let session_id = link.session;
        self.write(channel, &Attach { handle, ..attach });
        if answered {
            self.link_ready(id);
            return;
        }
        if let Some(session) = self.sessions.get_mut(session_id) {
            session.awaiting.push_back(id);
        }
        self.deadlines.start(Deadline::Attach(id), self.config.attach_timeout, token);
    }

    /// Opens on a new wire, or once the peer's limits are known, all that is open on our side and not on the wire yet.
    pub(crate) fn write_endpoints(&mut self) {
        for id in self.sessions.keys() {
            self.write_begin(id);
            for link in self.links_of(id) {
                self.write_attach(link);
            }
        }
    }

    /// Both sides are attached: credit may flow.
    pub(crate) fn link_ready(&mut self, id: LinkId) {
        self.compare_unsettled(id);
        let Some(link) = self.links.get_mut(id).filter(|link| link.is_attached()) else { return };
        if link.is_sender() {
            self.pump(id);
        } else if link.refill_credit() || link.credit > 0 {
            self.flow_due(id, false);
        }
    }

    pub(crate) fn reject_link(&mut self, id: LinkId, error: Error) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.endpoint.local != EndpointState::Uninit {
            self.detach_link(id, true, Some(error));
            return;
        }
        // 2.6.3: our own terminus is null, which tells the peer that a detach follows.
        match link.config.role {
            Role::Sender => link.config.source = None,
            Role::Receiver => link.config.target = None,
        }
        link.config.credit_window = 0;
        self.attach_link(id);
        self.detach_link(id, true, Some(error));
    }

    pub(crate) fn detach_link(&mut self, id: LinkId, closed: bool, error: Option<Error>) {
        let Some(link) = self.links.get_mut(id) else { return };
        let over = if closed { EndpointState::Closed } else { EndpointState::Detached };
        link.reattach = false;
        if closed && let Some(session) = self.sessions.get_mut(link.session) {
            let (name, role) = (&link.config.name, link.config.role);
            if session.names(role).get(name) == Some(&id) {
                session.names(role).remove(name);
            }
        }
        if link.endpoint.local.is_over() {
            if closed {
                link.endpoint.local = over;
            }
            return;
        }
        link.endpoint.local = over;
        link.endpoint.error = error.clone().map(Box::new);
        self.write_detach(id, closed, error);
        self.link_over(id);
    }

    pub(crate) fn write_detach(&mut self, id: LinkId, closed: bool, error: Option<Error>) {
        self.flush_dispositions_of(id);
        if !self.wire.as_ref().is_some_and(|wire| wire.is_writable()) {
            return;
        }
        let Some(link) = self.links.get_mut(id) else { return };
        let Some(session) = self.sessions.get_mut(link.session) else { return };
        let (Some(handle), Some(channel), true) =
            (link.local_handle, session.local_channel, session.is_writable())
        else {
            return;
        };
        link.detach_token += 1;
        let token = link.detach_token;
        let answered = link.endpoint.remote.is_over();
        if answered {
            link.local_handle = None;
            if let Some(slot) = session.local_handles.get_mut(handle as usize) {
                *slot = None;
            }
        }
        self.write(channel, &Detach { handle, closed, error });
        if answered {
            self.retry_blocked();
        } else {
            self.deadlines.start(Deadline::Detach(id), self.config.detach_timeout, token);
        }
    }

    pub(crate) fn end_session(&mut self, id: SessionId, error: Option<Error>) {
        self.flush_session_dispositions(id);
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.endpoint.local.is_over() {
            return;
        }
        session.endpoint.local = EndpointState::Closed;
        session.endpoint.error = error.clone().map(Box::new);
        let answered = session.endpoint.remote.is_over();
        let ready = session.is_writable() && self.wire.as_ref().is_some_and(|wire| wire.is_writable());
        if let (true, Some(channel)) = (ready, session.local_channel) {
            session.end_sent = true;
            session.begin_token += 1;
            let token = session.begin_token;
            self.write(channel, &End { error });
            if !answered {
                self.deadlines.start(Deadline::End(id), self.config.detach_timeout, token);
            }
        }
        if answered {
            self.release_channels(id);
        }
        for link in self.links_of(id) {
            self.link_over(link);
        }
    }

    /// Both Ends have crossed: the channels are free again.
    pub(crate) fn release_channels(&mut self, id: SessionId) {
        let (Some(wire), Some(session)) = (self.wire.as_deref_mut(), self.sessions.get_mut(id)) else {
            return;
        };
        if let Some(channel) = session.local_channel.take()
            && let Some(slot) = wire.outgoing.get_mut(usize::from(channel))
        {
            *slot = None;
        }
        if let Some(channel) = session.remote_channel.take() {
            wire.set_incoming(channel, None);
        }
        self.retry_blocked();
    }

    /// A channel or a handle is free, or the peer's limits are known: what waited for that is written.
    pub(crate) fn retry_blocked(&mut self) {
        if let Some(wire) = self.wire.as_deref_mut()
            && std::mem::take(&mut wire.blocked_endpoints)
        {
            self.write_endpoints();
        }
    }

    pub(crate) fn links_of(&self, session: SessionId) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.session == session).map(|(id, _)| id).collect()
    }

    pub(crate) fn free_link(&mut self, id: LinkId) {
        self.detach_link(id, true, None);
        self.drop_deliveries_of(id);
        let Some(link) = self.links.get_mut(id) else { return };
        // The peer may still answer the Attach or the Detach: until then the handles mean this link.
        if link.local_handle.is_some() && self.wire.as_ref().is_some_and(|wire| wire.is_writable()) {
            link.forgotten = true;
        } else {
            self.links.remove(id);
        }
    }

    fn drop_deliveries_of(&mut self, id: LinkId) {
        if self.links.get(id).is_none_or(|link| link.deliveries == 0) {
            return;
        }
        let mine: Vec<_> =
            self.deliveries.iter().filter(|(_, delivery)| delivery.link == id).map(|(key, _)| key).collect();
        if let Some(link) = self.links.get_mut(id) {
            link.queue.clear();
        }
        for delivery in mine {
            self.drop_delivery(delivery);
        }
    }

    pub(crate) fn free_session(&mut self, id: SessionId) {
        self.end_session(id, None);
        for link in self.links_of(id) {
            self.free_link(link);
        }
        let over = self.sessions.get(id).is_none_or(|session| session.local_channel.is_none());
        if over || self.wire.is_none() {
            self.sessions.remove(id);
        } else if let Some(session) = self.sessions.get_mut(id) {
            session.forgotten = true;
        }
    }
}

/// Before the peer's Open we may send frames of 512 bytes and no more (2.4.1): a longer one waits for it.
fn must_wait(wire: &Wire, frame: &impl Encode) -> bool {
    !wire.open_received && frame_size(frame) + 8 > wire.peer_max_frame_size
}

fn begin_frame(session: &Session, handle_max: u32) -> Begin {
    let config = &session.config;
    Begin {
        remote_channel: session.remote_channel,
        next_outgoing_id: session.window.next_outgoing.0,
        incoming_window: session.window.incoming(),
        outgoing_window: config.outgoing_window,
        handle_max,
        offered_capabilities: config.offered_capabilities.clone(),
        desired_capabilities: config.desired_capabilities.clone(),
        properties: config.properties.clone(),
    }
}

fn attach_frame(link: &Link, handle: u32) -> Attach {
    let config = &link.config;
    Attach {
        name: config.name.clone(),
        handle,
        role: config.role,
        snd_settle_mode: config.snd_settle_mode,
        rcv_settle_mode: config.rcv_settle_mode,
        source: config.source.clone().map(Box::new),
        target: config.target.clone().map(Box::new),
        unsettled: None,
        incomplete_unsettled: false,
        initial_delivery_count: link.is_sender().then_some(0),
        max_message_size: Some(config.max_message_size).filter(|size| *size > 0),
        offered_capabilities: config.offered_capabilities.clone(),
        desired_capabilities: config.desired_capabilities.clone(),
        properties: config.properties.clone(),
    }
}

/// The declaration of a link that the peer attached first: its mirror image. The application may change it before it
/// answers.
pub(crate) fn mirror(attach: &Attach) -> LinkConfig {
    let role = match attach.role {
        Role::Sender => Role::Receiver,
        Role::Receiver => Role::Sender,
    };
    LinkConfig {
        source: attach.source.as_deref().cloned(),
        target: attach.target.as_deref().cloned(),
        snd_settle_mode: attach.snd_settle_mode,
        rcv_settle_mode: attach.rcv_settle_mode,
        ..LinkConfig::new(attach.name.clone(), role)
    }
}
