//! What opens, fails and closes: reactions that every connection needs, and the callbacks for them.
//!
//! The order is that of guide chapter 10: first the callback that says why (`on_*_error` or
//! `on_*_closing`), then our own side is closed, then `on_*_closed`.

use std::sync::Arc;
use std::time::Instant;

use deuteron_codec::{Error as AmqpError, condition};
use deuteron_engine::{Deadline, EndpointState, LinkId, Place, Remedy, SessionId, Symptom};

use super::attempt::Phase;
use super::route::{self, Notice};
use super::shared::Status;
use super::transactions::{self, Told};
use super::{Driver, Handler, failure, keepalive, links};
use crate::link::answer_attach;
use crate::{Context, Error, Link, MessagingHandler, Outcome, Scope, Session};
use deuteron_codec::Role;

/// Links of the peer's that a program without a handler has not looked at yet.
const MAX_UNANSWERED_LINKS: usize = 10_000;

impl Driver {
    pub(super) fn react(&mut self, handler: &mut Handler<'_>, notice: Notice) {
        match notice {
            Notice::ConnectionOpened => self.connection_opened(handler),
            Notice::ConnectionClosed => self.connection_closed(handler),
            Notice::SessionBegun(id) => self.session_begun(handler, id),
            Notice::SessionEnded(id) => self.session_ended(handler, id, None),
            Notice::LinkAttached(id) => self.link_attached(handler, id),
            Notice::LinkDetached(id) => self.link_ended(handler, id, false, None),
            Notice::LinkClosed(id) => self.link_ended(handler, id, true, None),
            Notice::LinkInterrupted(id) => self.link_interrupted(handler, id),
            Notice::SessionInterrupted(id) => self.session_interrupted(handler, id),
            Notice::Flow(id) => self.flow(handler, id),
            Notice::Drained(id) => {
                let link = self.link(id);
                self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_drained(cx, link));
            }
            Notice::Late(deadline) => self.late(handler, deadline),
            Notice::Aborted { id, link, tag } => {
                if let Some(delivery) = self.known_delivery(id, link, Role::Receiver, tag, None)
                    && let Some(handler) = handler
                {
                    handler.on_message_aborted(&mut self.surroundings.context(), &delivery);
                }
            }
            Notice::Lost { id, link, tag, sent } => {
                let fate = if sent { Outcome::Lost } else { Outcome::NotSent };
                if let Some(delivery) = self.known_delivery(id, link, Role::Sender, tag, Some(fate))
                    && let Some(handler) = handler
                {
                    handler.on_lost(&mut self.surroundings.context(), &delivery);
                }
            }
            Notice::SaslPending if self.owner.is_some() && handler.is_some() => {
                self.tell(handler, |h, cx, connection| h.on_sasl_pending(cx, connection));
            }
            Notice::Transaction(key, told) => self.transaction(handler, key, told),
            // There is nobody to ask.
            Notice::SaslPending => self.shared.lock().engine.sasl_decide(false, Instant::now()),
            // The turn sees it at the engine; messages and outcomes are the batch's own business.
            Notice::TransportFailed | Notice::Message { .. } | Notice::Updated { .. } => {}
        }
    }

    fn connection_opened(&mut self, handler: &mut Handler<'_>) {
        if self.shared.lock().engine.local_state() == EndpointState::Uninit {
            self.announced = true;
            self.tell(handler, |h, cx, connection| h.on_connection_opening(cx, connection));
            self.shared.lock().engine.open();
        }
        {
            let mut core = self.shared.lock();
            if core.engine.local_state() != EndpointState::Open {
                return;
            }
            core.status = Status::Open;
        }
        self.attempts.opened(&self.shared);
        if let Phase::Bound(wire) = &self.phase {
            keepalive::watch(&self.shared, wire);
        }
        self.wake_all();
        self.announced = true;
        tracing::debug!(connection = %self.label(), "connection open");
        self.tell(handler, |h, cx, connection| h.on_connection_opened(cx, connection));
    }

    fn connection_closed(&mut self, handler: &mut Handler<'_>) {
        let (error, open, remedy) = {
            let core = self.shared.lock();
            let error = core.engine.remote_error().cloned();
            let remedy =
                core.engine.config().remedies.of(Place::Connection, &Symptom::of_end(error.as_ref(), true));
            (error, core.engine.local_state() == EndpointState::Open, remedy)
        };
        let told = error.clone();
        let remedy_of_wire = if remedy == Remedy::GiveUp { Remedy::NewConnection } else { remedy };
        let error =
            failure::from_peer(Scope::Connection, error).map(|error| self.attempts.label_error(error));
        let redirected = open && told.is_some_and(|told| self.attempts.redirected(&told, Instant::now()));
        if redirected || remedy != Remedy::GiveUp && open && self.attempts.can_retry() {
            // The peer goes away but means no harm: as good as a lost wire.
            let closed = || Error::new(Scope::Connection, "the peer closed the connection");
            self.failure = Some(error.unwrap_or_else(closed).retryable(true).with_remedy(remedy_of_wire));
            self.shared.lock().engine.answer_close();
            return;
        }
        if let Some(error) = &error {
            self.tell(handler, |h, cx, connection| h.on_connection_error(cx, connection, error));
        } else if open {
            self.tell(handler, |h, cx, connection| h.on_connection_closing(cx, connection));
        }
        self.attempts.set_end(error);
        self.shared.lock().engine.close(None);
    }

    fn session_begun(&mut self, handler: &mut Handler<'_>, id: SessionId) {
        let remote = {
            let mut core = self.shared.lock();
            let Some(session) = core.engine.session(id) else { return };
            let remote = session.local_state() == EndpointState::Uninit;
            links::adopt_session(&mut core, id);
            remote
        };
        if remote {
            self.tell_session(handler, id, |h, cx, session| h.on_session_opening(cx, session));
            let mut core = self.shared.lock();
            if let Some(mut session) = core.engine.session(id)
                && session.local_state() == EndpointState::Uninit
            {
                session.begin();
            }
        }
        if self.session_state(id) == Some(EndpointState::Open) {
            self.wake_session(id);
            self.tell_session(handler, id, |h, cx, session| h.on_session_opened(cx, session));
        }
    }

    fn session_ended(&mut self, handler: &mut Handler<'_>, id: SessionId, own: Option<Error>) {
        let (error, open) = {
            let mut core = self.shared.lock();
            let Some(session) = core.engine.session(id) else { return };
            (session.remote_error().cloned(), session.local_state() == EndpointState::Open)
        };
        let error = own.or_else(|| failure::from_peer(Scope::Session, error));
        if let Some(error) = &error {
            self.tell_session(handler, id, |h, cx, session| h.on_session_error(cx, session, error));
        } else if open {
            self.tell_session(handler, id, |h, cx, session| h.on_session_closing(cx, session));
        }
        if let Some(mut session) = self.shared.lock().engine.session(id) {
            session.end(None);
        }
        self.tell_session(handler, id, |h, cx, session| h.on_session_closed(cx, session));
        self.forget_session(id, error);
    }

    fn forget_session(&mut self, id: SessionId, error: Option<Error>) {
        let mut core = self.shared.lock();
        if core.default_session == Some(id) {
            core.default_session = None;
        }
        if let Some(mut state) = core.sessions.remove(&id) {
            drop(state.facts.ended.set(error.clone()));
            state.waiters.take_into(&mut self.woken);
        }
        let on_it: Vec<_> =
            core.links.values().filter(|link| link.facts.session == id).map(|link| link.facts.id).collect();
        for link in &on_it {
            if let Some(mut link) = core.engine.link(*link) {
                link.abandon();
            }
        }
        // What is lost with the links is routed by them, so before they go.
        route::route_all(&mut core, &mut self.batch, &mut self.woken);
        for link in on_it {
            let ended = Error::new(Scope::Session, "the session of the link has ended");
            core.forget_link(link, Some(error.clone().unwrap_or(ended)), &mut self.woken);
        }
        self.batch.append(&mut core.unheard);
        if let Some(mut session) = core.engine.session(id) {
            session.free();
        }
        drop(core);
        self.wake();
    }

    fn link_attached(&mut self, handler: &mut Handler<'_>, id: LinkId) {
        let remote = {
            let mut core = self.shared.lock();
            let Some(link) = core.engine.link(id) else { return };
            if link.local_state() != EndpointState::Uninit && link.is_refused() {
                // The Detach that follows says why.
                return;
            }
            let remote = link.local_state() == EndpointState::Uninit;
            links::adopt_remote_link(&self.shared, &mut core, id);
            remote
        };
        if remote && !self.shared.handled {
            self.offer_link(id);
            return;
        }
        let link = self.link(id);
        if remote {
            self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_opening(cx, link));
            if let Some(mut link) = self.shared.lock().engine.link(id) {
                answer_attach(&mut link);
            }
        }
        self.wake_link(id);
        // The peer may have said more of the link since, which is told in its turn.
        let opened = {
            let mut core = self.shared.lock();
            core.engine
                .link(id)
                .is_some_and(|link| link.local_state() == EndpointState::Open && !link.is_refused())
        };
        if opened {
            self.tell_address(handler, id, link.as_ref());
            self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_opened(cx, link));
        }
    }

    /// Keeps a link of the peer's for `accept_link`.
    fn offer_link(&mut self, id: LinkId) {
        let mut core = self.shared.lock();
        if core.incoming.len() < MAX_UNANSWERED_LINKS {
            core.incoming.push_back(id);
            core.waiters.take_into(&mut self.woken);
        } else if let Some(mut link) = core.engine.link(id) {
            link.reject(AmqpError::new(
                condition::RESOURCE_LIMIT_EXCEEDED,
                "too many links wait to be accepted",
            ));
        }
        drop(core);
        self.wake();
    }

    fn link_ended(&mut self, handler: &mut Handler<'_>, id: LinkId, closed: bool, own: Option<Error>) {
        let (error, local) = {
            let mut core = self.shared.lock();
            let Some(link) = core.engine.link(id) else { return };
            (link.remote_error().cloned(), link.local_state())
        };
        let error = own.or_else(|| failure::from_peer(Scope::Link, error));
        let link = self.link(id);
        if let Some(error) = &error {
            if let Some(state) = self.shared.lock().links.get_mut(&id) {
                state.failure = Some(error.clone());
            }
            self.wake_link(id);
            self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_error(cx, link, error));
        } else if local == EndpointState::Open {
            self.tell_link(handler, link.as_ref(), |h, cx, link| {
                if closed { h.on_link_closing(cx, link) } else { h.on_link_detached(cx, link) }
            });
        }
        {
            let mut core = self.shared.lock();
            let Some(mut engine_link) = core.engine.link(id) else { return };
            if closed || error.is_some() {
                engine_link.close(None);
            } else {
                engine_link.detach(None);
            }
        }
        self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_closed(cx, link));
        let mut core = self.shared.lock();
        if let Some(mut link) = core.engine.link(id) {
            // A peer that has not answered in time will not settle anything either.
            link.abandon();
        }
        // What is lost with the link is routed by it, so before it goes.
        route::route_all(&mut core, &mut self.batch, &mut self.woken);
        core.forget_link(id, error, &mut self.woken);
        self.batch.append(&mut core.unheard);
        if let Some(mut link) = core.engine.link(id) {
            link.free();
        }
        drop(core);
        self.wake();
    }

    fn transaction(&self, handler: &mut Handler<'_>, key: transactions::Key, told: Told) {
        // Handles are dropped when nothing is locked.
        let (transaction, _kept) = transactions::handle(&mut self.shared.lock(), key);
        let (Some(handler), Some(transaction)) = (handler.as_deref_mut(), transaction) else { return };
        let cx = &mut self.surroundings.context();
        match told {
            Told::Declared => handler.on_transaction_declared(cx, &transaction),
            Told::DeclareFailed(error) => handler.on_transaction_declare_failed(cx, &transaction, &error),
            Told::Committed => handler.on_transaction_committed(cx, &transaction),
            Told::CommitFailed(error) => handler.on_transaction_commit_failed(cx, &transaction, &error),
            Told::Aborted => handler.on_transaction_aborted(cx, &transaction),
        }
    }

    fn flow(&self, handler: &mut Handler<'_>, id: LinkId) {
        let sendable = {
            let mut core = self.shared.lock();
            core.link_is_open(id) && core.engine.link(id).is_some_and(|link| link.credit() > 0)
        };
        if sendable
            && !self.is_ending(id)
            && let Some(Link::Sender(sender)) = self.link(id)
            && let Some(handler) = handler
        {
            handler.on_sendable(&mut self.surroundings.context(), &sender);
        }
    }

    fn late(&mut self, handler: &mut Handler<'_>, deadline: Deadline) {
        match deadline {
            Deadline::Begin(id) | Deadline::End(id) => {
                let length = match deadline {
                    Deadline::Begin(_) => self.shared.deadlines.begin,
                    _ => self.shared.deadlines.detach,
                };
                self.session_ended(handler, id, Some(failure::from_deadline(deadline, length, "")));
            }
            Deadline::Attach(id) | Deadline::Detach(id) => {
                let error = self.link_deadline(deadline, id);
                self.link_ended(handler, id, true, Some(error));
            }
            Deadline::Drain(id) => {
                let error = self.link_deadline(deadline, id);
                let link = self.link(id);
                self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_error(cx, link, &error));
            }
            Deadline::Settle(delivery) => {
                let id = self.shared.lock().engine.delivery(delivery).and_then(|delivery| delivery.link());
                let Some(id) = id else { return };
                let error = self.link_deadline(deadline, id);
                let link = self.link(id);
                self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_error(cx, link, &error));
                let mut core = self.shared.lock();
                let length = self.shared.deadlines.transaction.unwrap_or_default();
                transactions::late(&mut core, delivery, length, &mut self.woken);
                route::route_all(&mut core, &mut self.batch, &mut self.woken);
                drop(core);
                self.wake();
            }
            // These end the wire, and are reported with it.
            Deadline::Sasl | Deadline::Open | Deadline::Close => {}
        }
    }

    fn link_deadline(&self, deadline: Deadline, id: LinkId) -> Error {
        let core = self.shared.lock();
        let Some(state) = core.links.get(&id) else { return failure::from_deadline(deadline, None, "") };
        let deadlines = &state.facts.deadlines;
        let length = match deadline {
            Deadline::Attach(_) => deadlines.attach,
            Deadline::Drain(_) => deadlines.drain,
            Deadline::Settle(_) => deadlines.settle,
            _ => deadlines.detach,
        };
        failure::from_deadline(deadline, length, &state.facts.name)
    }

    fn session_state(&self, id: SessionId) -> Option<EndpointState> {
        self.shared.lock().engine.session(id).map(|session| session.local_state())
    }

    fn tell_session(
        &self,
        handler: &mut Handler<'_>,
        id: SessionId,
        call: impl FnOnce(&mut dyn MessagingHandler, &mut Context<'_>, &Session),
    ) {
        if let (Some(handler), Some(owner)) = (handler.as_deref_mut(), &self.owner) {
            let session = Session::new(Arc::clone(owner), id);
            call(handler, &mut self.surroundings.context(), &session);
        }
    }

    fn wake_session(&mut self, id: SessionId) {
        if let Some(session) = self.shared.lock().sessions.get_mut(&id) {
            session.waiters.take_into(&mut self.woken);
        }
        self.wake();
    }

    fn wake_link(&mut self, id: LinkId) {
        if let Some(link) = self.shared.lock().links.get_mut(&id) {
            link.waiters.take_into(&mut self.woken);
        }
        self.wake();
    }
}
