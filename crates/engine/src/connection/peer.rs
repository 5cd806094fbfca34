//! What the peer says of the connection, its sessions and its links.

use std::time::{Duration, Instant};

use deuteron_codec::{Attach, Begin, Close, Detach, End, Open, Role, condition};

use super::Connection;
use super::endpoints::mirror;
use crate::config::SessionConfig;
use crate::endpoint::EndpointState;
use crate::event::Event;
use crate::id::{LinkId, SessionId};
use crate::link::Link;
use crate::serial::Serial;
use crate::session::Session;
use crate::session::unsettled::Unsettled;
use crate::wire::Phase;

impl Connection {
    pub(crate) fn on_open(&mut self, open: Box<Open>, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if open.max_frame_size < 512 {
            let what = format!("open's max-frame-size is {}, less than 512", open.max_frame_size);
            self.violation(condition::INVALID_FIELD, what, now);
            return;
        }
        wire.open_received = true;
        wire.handshake_deadline = None;
        wire.peer_max_frame_size = open.max_frame_size as usize;
        wire.peer_channel_max = open.channel_max;
        let idle = open.idle_time_out.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(u64::from(ms)));
        wire.keep_alive = idle.map(|idle| idle / 2);
        self.remote_open = Some(open);
        self.endpoint.remote = EndpointState::Open;
        self.raise(Event::ConnectionOpened);
        self.retry_blocked();
    }

    pub(crate) fn on_close(&mut self, close: Close) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        wire.close_received = true;
        wire.phase = Phase::Discarding;
        wire.handshake_deadline = None;
        let answered = wire.close_sent;
        self.endpoint.remote = EndpointState::Closed;
        self.endpoint.remote_error = close.error.map(Box::new);
        self.raise(Event::ConnectionClosed);
        if answered {
            self.finish();
        }
    }

    pub(crate) fn on_begin(&mut self, channel: u16, begin: Box<Begin>, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if channel > self.config.channel_max {
            let what = format!("begin on channel {channel}, above channel-max {}", self.config.channel_max);
            self.violation(condition::FRAMING_ERROR, what, now);
            return;
        }
        if wire.session_at(channel).is_some() {
            self.violation(
                condition::NOT_ALLOWED,
                format!("begin on channel {channel}, which is in use"),
                now,
            );
            return;
        }
        let id = match begin.remote_channel {
            Some(ours) => {
                let id = wire.outgoing.get(usize::from(ours)).copied().flatten();
                let fresh =
                    |id: &SessionId| self.sessions.get(*id).is_some_and(|s| s.remote_channel.is_none());
                let Some(id) = id.filter(fresh) else {
                    let what = format!("begin answers channel {ours}, on which no begin of ours is waiting");
                    self.violation(condition::NOT_ALLOWED, what, now);
                    return;
                };
                id
            }
            None if self.sessions.len() >= self.config.limits.sessions => {
                let what = format!("more than {} sessions", self.config.limits.sessions);
                self.violation(condition::RESOURCE_LIMIT_EXCEEDED, what, now);
                return;
            }
            None => self.sessions.insert(Session::new(SessionConfig::default())),
        };
        wire.set_incoming(channel, Some(id));
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.remote_channel = Some(channel);
        session.window.on_begin(&begin);
        session.incoming = Unsettled::default();
        session.remote_begin = Some(begin);
        session.endpoint.remote = EndpointState::Open;
        if let Some(comeback) = session.comeback.as_deref_mut() {
            comeback.succeed(now);
        }
        if !session.forgotten {
            self.raise(Event::SessionBegun(id));
        }
    }

    pub(crate) fn on_end(&mut self, channel: u16, end: End, now: Instant) {
        let Some(id) = self.session_of(channel, "end", now) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.endpoint.remote = EndpointState::Closed;
        session.endpoint.remote_error = end.error.map(Box::new);
        let forgotten = session.forgotten;
        let answered = session.end_sent;
        if let Some(wire) = self.wire.as_deref_mut() {
            wire.set_incoming(channel, None);
        }
        if answered {
            self.release_channels(id);
        }
        if forgotten {
            self.sessions.remove(id);
            return;
        }
        if self.recovers_session(id, now) {
            return;
        }
        self.raise(Event::SessionEnded(id));
        for link in self.links_of(id) {
            if let Some(link) = self.links.get_mut(link) {
                // Its handles mean nothing any more, though neither side has detached it.
                link.local_handle = None;
                link.remote_handle = None;
            }
            self.link_over(link);
        }
    }

    /// The session on the peer's channel. There being none is an error of the whole connection.
    pub(crate) fn session_of(&mut self, channel: u16, what: &str, now: Instant) -> Option<SessionId> {
        let id = self.wire.as_deref()?.session_at(channel);
        if id.is_none() {
            self.violation(
                condition::NOT_ALLOWED,
                format!("{what} on channel {channel}, which has no session"),
                now,
            );
        }
        id
    }

    /// The session on the peer's channel, unless we have ended it: then its frames are thrown away (2.5.5, DISCARDING).
    pub(crate) fn live_session_of(&mut self, channel: u16, what: &str, now: Instant) -> Option<SessionId> {
        let id = self.session_of(channel, what, now)?;
        let session = self.sessions.get(id)?;
        (session.endpoint.local != EndpointState::Closed).then_some(id)
    }

    pub(crate) fn on_attach(&mut self, channel: u16, attach: Box<Attach>, now: Instant) {
        let Some(id) = self.live_session_of(channel, "attach", now) else { return };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let handle = attach.handle;
        if handle > self.config.handle_max {
            let what = format!("attach with handle {handle}, above handle-max {}", self.config.handle_max);
            self.violation(condition::FRAMING_ERROR, what, now);
            return;
        }
        if session.link_at(handle).is_some() {
            self.session_violation(
                id,
                condition::HANDLE_IN_USE,
                format!("attach with handle {handle}, which is in use"),
            );
            return;
        }
        let role = if attach.role == Role::Sender { Role::Receiver } else { Role::Sender };
        let links = &self.links;
        let waits = |id: &LinkId| {
            links.get(*id).is_some_and(|l| l.config.role == role && l.config.name == attach.name)
        };
        if let Some(position) = session.awaiting.iter().position(waits) {
            if let Some(link) = session.awaiting.remove(position) {
                self.link_attached(id, link, attach, now);
            }
            return;
        }
        let known = session.names(role).get(&attach.name).copied();
        let link = match known {
            Some(link) if self.links.get(link).is_some_and(|link| link.remote_handle.is_none()) => link,
            Some(stolen) => {
                let what = format!("another attach came for the link {:?}", attach.name);
                self.link_violation(stolen, condition::STOLEN, what);
                self.insert_peer_link(id, &attach)
            }
            None if self.links.len() >= self.config.limits.links => {
                let what = format!("more than {} links", self.config.limits.links);
                self.violation(condition::RESOURCE_LIMIT_EXCEEDED, what, now);
                return;
            }
            None => self.insert_peer_link(id, &attach),
        };
        self.link_attached(id, link, attach, now);
    }

    fn insert_peer_link(&mut self, session: SessionId, attach: &Attach) -> LinkId {
        let config = mirror(attach);
        let (name, role) = (config.name.clone(), config.role);
        let link = self.links.insert(Link::new(session, config));
        if let Some(session) = self.sessions.get_mut(session) {
            session.names(role).insert(name, link);
        }
        link
    }

    fn link_attached(&mut self, session: SessionId, id: LinkId, attach: Box<Attach>, now: Instant) {
        let (Some(session), Some(link)) = (self.sessions.get_mut(session), self.links.get_mut(id)) else {
            return;
        };
        if link.endpoint.local == EndpointState::Detached {
            // Nothing of the old attachment counts in the new one: neither its credit nor its drain.
            link.forget_wire();
        }
        session.set_remote_handle(attach.handle, Some(id));
        link.remote_handle = Some(attach.handle);
        link.endpoint.remote = EndpointState::Open;
        link.endpoint.remote_error = None;
        if !link.is_sender() {
            link.delivery_count = Serial(attach.initial_delivery_count.unwrap_or(0));
        }
        link.remote_attach = Some(attach);
        if !link.is_refused() {
            link.was_attached = true;
            if let Some(comeback) = link.comeback.as_deref_mut() {
                comeback.succeed(now);
            }
        }
        if !link.forgotten {
            self.raise(Event::LinkAttached(id));
            self.link_ready(id);
        }
    }

    pub(crate) fn on_detach(&mut self, channel: u16, detach: Detach, now: Instant) {
        let Some(session_id) = self.live_session_of(channel, "detach", now) else { return };
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let Some(id) = session.link_at(detach.handle) else {
            let what = format!("detach of handle {}, to which no link is attached", detach.handle);
            self.session_violation(session_id, condition::UNATTACHED_HANDLE, what);
            return;
        };
        session.set_remote_handle(detach.handle, None);
        let Some(link) = self.links.get_mut(id) else { return };
        link.remote_handle = None;
        // Our own, if it was the first, is answered by this.
        link.detach_token += 1;
        // Some brokers answer a closing detach with one that does not close: we have closed, so closed it is.
        let closed = detach.closed || link.endpoint.local == EndpointState::Closed;
        link.endpoint.remote = if closed { EndpointState::Closed } else { EndpointState::Detached };
        link.endpoint.remote_error = detach.error.map(Box::new);
        if link.endpoint.local.is_over()
            && let Some(slot) =
                link.local_handle.take().and_then(|h| session.local_handles.get_mut(h as usize))
        {
            *slot = None;
        }
        if self.renews_attachment(id, closed) || self.recovers_link(id, closed, now) {
            self.retry_blocked();
            return;
        }
        let Some(link) = self.links.get_mut(id) else { return };
        let reattach = std::mem::take(&mut link.reattach) && !closed;
        if link.forgotten {
            let stands_for = link.stands_for;
            self.links.remove(id);
            if let Some(link) = stands_for {
                self.schedule_link(link);
            }
        } else {
            if !reattach || !self.is_comparing(id) {
                self.raise(if closed { Event::LinkClosed(id) } else { Event::LinkDetached(id) });
            }
            self.link_over(id);
        }
        if reattach {
            self.attach_link(id);
        }
        self.retry_blocked();
    }
}
