//! Links and sessions that the peer has ended on a live wire, and that come back by themselves.

use std::time::Instant;

use deuteron_codec::{End, Error, condition};

use super::Connection;
use super::timers::Due;
use crate::config::LinkConfig;
use crate::endpoint::EndpointState;
use crate::error::Cause;
use crate::event::{Deadline, Event};
use crate::id::{LinkId, SessionId};
use crate::link::Link;
use crate::recovery::Comeback;
use crate::remedy::{Place, Remedy, Symptom};

impl Connection {
    /// The peer has detached a link that we want. True if it comes back by itself, and so is not over.
    pub(crate) fn recovers_link(&mut self, id: LinkId, closed: bool, now: Instant) -> bool {
        let Some(link) = self.links.get(id) else { return false };
        if !link.endpoint.local.is_open() || link.forgotten || link.config.reattach.is_none() {
            return false;
        }
        let session = link.session;
        let error = link.endpoint.remote_error.as_deref().cloned();
        let symptom = Symptom::of_end(error.as_ref(), closed);
        let place = if link.was_attached { Place::Link } else { Place::Attach };
        match self.config.remedies.of(place, &symptom) {
            Remedy::GiveUp => false,
            Remedy::Retry | Remedy::Reattach => self.interrupt_link(id, closed, symptom, error, now),
            Remedy::NewSession => {
                self.write_detach(id, closed, None);
                self.renew_session(session, symptom, error, false, now)
            }
            remedy => {
                self.give_wire_up(remedy, error, "a link was ended by the peer", now);
                true
            }
        }
    }

    /// The peer has ended a session that we want. True if it is begun again by itself.
    pub(crate) fn recovers_session(&mut self, id: SessionId, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if let Some(comeback) = session.comeback.as_deref_mut().filter(|comeback| comeback.ending) {
            // It was ended by us, so as to begin it again.
            comeback.ending = false;
            session.endpoint.local = EndpointState::Open;
            self.release_channels(id);
            self.start_session_wire(id);
            self.schedule_session(id);
            return true;
        }
        if !session.endpoint.local.is_open() || session.forgotten || session.config.rebegin.is_none() {
            return false;
        }
        let error = session.endpoint.remote_error.as_deref().cloned();
        let symptom = Symptom::of_end(error.as_ref(), true);
        match self.config.remedies.of(Place::Session, &symptom) {
            Remedy::GiveUp => false,
            Remedy::Retry | Remedy::Reattach | Remedy::NewSession => {
                if !self.interrupt_session(id, symptom, error, now) {
                    return false;
                }
                self.write_end(id, None);
                self.release_channels(id);
                self.start_session_wire(id);
                self.schedule_session(id);
                true
            }
            remedy => {
                self.give_wire_up(remedy, error, "a session was ended by the peer", now);
                true
            }
        }
    }

    /// An attach was not answered. True if something is done about it.
    pub(crate) fn recovers_attach(&mut self, id: LinkId, now: Instant) -> bool {
        let Some(link) = self.links.get(id) else { return false };
        if link.config.reattach.is_none() || !link.was_attached {
            return false;
        }
        match self.config.remedies.of(Place::Link, &Symptom::Late) {
            Remedy::GiveUp => false,
            // The name cannot be attached a second time while the first attach has no answer.
            Remedy::Retry | Remedy::Reattach | Remedy::NewSession => {
                let session = link.session;
                self.renew_session(session, Symptom::Late, None, false, now)
            }
            remedy => {
                let what = "the peer did not answer the attach of a link that comes back";
                self.give_wire_up(remedy, None, what, now);
                true
            }
        }
    }

    /// The peer did not answer the End of a session that is to be begun again. True if that was so.
    pub(crate) fn gives_up_on_end(&mut self, id: SessionId, now: Instant) -> bool {
        let session = self.sessions.get(id);
        if !session.and_then(|session| session.comeback.as_deref()).is_some_and(|comeback| comeback.ending) {
            return false;
        }
        self.give_wire_up(Remedy::NewConnection, None, "the peer did not end a session in time", now);
        true
    }

    /// The delay of a link is over.
    pub(crate) fn reattach(&mut self, id: LinkId, token: u32) {
        let comeback = self.links.get_mut(id).and_then(|link| link.comeback.as_deref_mut());
        if comeback.is_some_and(|comeback| comeback.is_over(token)) {
            self.write_attach(id);
        }
    }

    /// The delay of a session is over.
    pub(crate) fn rebegin(&mut self, id: SessionId, token: u32) {
        let comeback = self.sessions.get_mut(id).and_then(|session| session.comeback.as_deref_mut());
        if comeback.is_some_and(|comeback| comeback.is_over(token)) {
            self.write_begin(id);
        }
    }

    fn interrupt_link(
        &mut self,
        id: LinkId,
        closed: bool,
        symptom: Symptom,
        error: Option<Error>,
        now: Instant,
    ) -> bool {
        let Some(link) = self.links.get_mut(id) else { return false };
        let Some(policy) = &link.config.reattach else { return false };
        let comeback = link.comeback.get_or_insert_with(|| Box::new(Comeback::new(policy)));
        if !comeback.interrupt(symptom, error, now) {
            return false;
        }
        self.write_detach(id, closed, None);
        self.suspend_interrupted(id);
        self.raise(Event::LinkInterrupted(id));
        self.schedule_link(id);
        true
    }

    /// The peer knows nothing of the link any more: it is attached again after its delay.
    pub(crate) fn schedule_link(&mut self, id: LinkId) {
        let Some(comeback) = self.links.get_mut(id).and_then(|link| link.comeback.as_deref_mut()) else {
            return;
        };
        match comeback.begin_delay() {
            Some((delay, token)) => self.deadlines.start(Due::Reattach(id), Some(delay), token),
            None => self.write_attach(id),
        }
    }

    /// The peer has broken a rule of the link. True if it is closed with the error and attached again, once the peer has
    /// answered that.
    pub(crate) fn renews_link(&mut self, id: LinkId, error: &Error) -> bool {
        let Some(now) = self.wire.as_deref().map(|wire| wire.last_input) else { return false };
        let Some(link) = self.links.get_mut(id).filter(|link| link.endpoint.both_open()) else {
            return false;
        };
        let Some(policy) = &link.config.reattach else { return false };
        let symptom = Symptom::Condition(error.condition.clone());
        if !matches!(self.config.remedies.of(Place::Link, &symptom), Remedy::Retry | Remedy::Reattach) {
            return false;
        }
        let comeback = link.comeback.get_or_insert_with(|| Box::new(Comeback::new(policy)));
        if !comeback.interrupt(symptom, Some(error.clone()), now) {
            return false;
        }
        if let Some(ghost) = self.leave_ghost(id) {
            self.detach_link(ghost, true, Some(error.clone()));
        }
        if let Some(comeback) = self.links.get_mut(id).and_then(|link| link.comeback.as_deref_mut()) {
            comeback.waiting = true;
        }
        self.raise(Event::LinkInterrupted(id));
        true
    }

    /// Takes the link off the wire. Until the peer has detached it too, another one has its handles, and hears what comes
    /// for it.
    fn leave_ghost(&mut self, id: LinkId) -> Option<LinkId> {
        let link = self.links.get(id)?;
        let mut ghost = Link::new(link.session, LinkConfig::new(link.config.name.clone(), link.config.role));
        (ghost.local_handle, ghost.remote_handle) = (link.local_handle, link.remote_handle);
        let (ours, theirs, session) = (ghost.local_handle, ghost.remote_handle, ghost.session);
        ghost.endpoint.local = EndpointState::Open;
        ghost.endpoint.remote = EndpointState::Open;
        ghost.stands_for = Some(id);
        ghost.forgotten = true;
        self.suspend_interrupted(id);
        let ghost = self.links.insert(ghost);
        if let Some(session) = self.sessions.get_mut(session) {
            if let Some(slot) = ours.and_then(|handle| session.local_handles.get_mut(handle as usize)) {
                *slot = Some(ghost);
            }
            if let Some(handle) = theirs {
                session.set_remote_handle(handle, Some(ghost));
            }
        }
        Some(ghost)
    }

    /// The peer has broken a rule of the session. True if it is ended with the error and begun again, once the peer has
    /// answered that.
    pub(crate) fn renews_session(&mut self, id: SessionId, error: &Error) -> bool {
        let Some(now) = self.wire.as_deref().map(|wire| wire.last_input) else { return false };
        let symptom = Symptom::Condition(error.condition.clone());
        let remedy = self.config.remedies.of(Place::Session, &symptom);
        let renews = matches!(remedy, Remedy::Retry | Remedy::Reattach | Remedy::NewSession);
        renews && self.renew_session(id, symptom, Some(error.clone()), true, now)
    }

    /// The peer did not answer the Detach of a link that is to be attached again. True if that was so.
    pub(crate) fn gives_up_on_detach(&mut self, id: LinkId, now: Instant) -> bool {
        if self.links.get(id).is_none_or(|link| link.stands_for.is_none()) {
            return false;
        }
        self.give_wire_up(Remedy::NewConnection, None, "the peer did not detach a link in time", now);
        true
    }

    /// The link is down on a live wire: its deliveries are dealt with as if that had gone.
    fn suspend_interrupted(&mut self, id: LinkId) {
        self.suspend(id, true, false);
        self.take_link_off_wire(id);
    }

    /// The link means nothing to the peer any more, but we want it still.
    pub(crate) fn take_link_off_wire(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        let drained = !link.is_sender() && link.drain;
        link.forget_wire();
        link.attach_token += 1;
        link.detach_token += 1;
        link.drain_token += 1;
        if drained {
            // The credit is gone, which is what the drain asked for.
            self.raise(Event::LinkDrained(id));
        }
    }

    /// Notes that the session is down, and takes its links off the wire. False if it has been tried often enough.
    fn interrupt_session(
        &mut self,
        id: SessionId,
        symptom: Symptom,
        error: Option<Error>,
        now: Instant,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let Some(policy) = &session.config.rebegin else { return false };
        let comeback = session.comeback.get_or_insert_with(|| Box::new(Comeback::new(policy)));
        if !comeback.interrupt(symptom, error, now) {
            return false;
        }
        self.raise(Event::SessionInterrupted(id));
        for link in self.links_of(id) {
            if self.links.get(link).is_some_and(|link| link.endpoint.local.is_open()) {
                self.suspend_interrupted(link);
            }
        }
        true
    }

    /// Ends a session so as to begin it again once the peer has answered.
    fn renew_session(
        &mut self,
        id: SessionId,
        symptom: Symptom,
        error: Option<Error>,
        ours: bool,
        now: Instant,
    ) -> bool {
        let said = error.clone().filter(|_| ours);
        let open = |session: &crate::session::Session| session.endpoint.both_open();
        if !self.sessions.get(id).is_some_and(open) || !self.interrupt_session(id, symptom, error, now) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if let Some(comeback) = session.comeback.as_deref_mut() {
            comeback.ending = true;
        }
        session.endpoint.local = EndpointState::Closed;
        self.write_end(id, said);
        let Some(session) = self.sessions.get_mut(id) else { return false };
        session.begin_token += 1;
        let token = session.begin_token;
        self.deadlines.start(Deadline::End(id), self.config.detach_timeout, token);
        true
    }

    fn write_end(&mut self, id: SessionId, error: Option<Error>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.end_sent = true;
        if let Some(channel) = session.local_channel
            && self.wire.as_ref().is_some_and(|wire| wire.is_writable())
        {
            self.write(channel, &End { error });
        }
    }

    fn start_session_wire(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.start_wire();
        session.endpoint.forget_remote();
        session.begin_token += 1;
    }

    fn schedule_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(comeback) = session.comeback.as_deref_mut() else { return };
        match comeback.begin_delay() {
            Some((delay, token)) => self.deadlines.start(Due::Rebegin(id), Some(delay), token),
            None => self.write_begin(id),
        }
    }

    /// Gives the wire up while all is well, and tells the peer why with a Close. What is open on our side stays, and is
    /// opened again on the next wire.
    pub fn leave_wire(&mut self, remedy: Remedy, why: Error, now: Instant) {
        self.fail(why, Cause::Remedy(remedy), now);
    }

    fn give_wire_up(&mut self, remedy: Remedy, error: Option<Error>, what: &str, now: Instant) {
        let error = error.unwrap_or_else(|| Error::new(condition::INTERNAL_ERROR, what));
        self.fail(error, Cause::Remedy(remedy), now);
    }
}
