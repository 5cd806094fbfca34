//! Links and sessions that the peer has ended and that come back by themselves, and what is done about a wire that has
//! failed: the table of failures, asked with this crate's errors.

use std::time::Duration;

use deuteron_codec::AttachTarget;
use deuteron_engine::{Interruption, LinkConfig, LinkId, Place, Remedies, Remedy, SessionId, Symptom};

use super::{Driver, Handler, failure, transactions};
use crate::{Error, Link, Phase, Scope, Session};

impl Driver {
    pub(super) fn link_interrupted(&self, handler: &mut Handler<'_>, id: LinkId) {
        let told = self.shared.lock().engine.link(id).and_then(|link| link.interruption().cloned());
        // It may be up again already.
        let (error, delay) = explain(Scope::Link, told);
        let link = self.link(id);
        tracing::info!(%error, ?delay, "link interrupted");
        self.tell_link(handler, link.as_ref(), |h, cx, link| h.on_link_interrupted(cx, link, &error, delay));
    }

    /// Whether the peer has made the link's node anew, and called it something else.
    pub(super) fn tell_address(&self, handler: &mut Handler<'_>, id: LinkId, link: Option<&Link>) {
        let Some(now) = link.and_then(|link| link.remote_address()) else { return };
        let before = {
            let mut core = self.shared.lock();
            let dynamic = core.engine.link(id).and_then(|link| link.config().map(is_dynamic)) == Some(true);
            let Some(state) = core.links.get_mut(&id).filter(|_| dynamic) else { return };
            state.address.replace(now.clone())
        };
        if let Some(before) = before.filter(|before| *before != now) {
            self.tell_link(handler, link, |h, cx, link| h.on_address_changed(cx, link, &before, &now));
        }
    }

    pub(super) fn session_interrupted(&mut self, handler: &mut Handler<'_>, id: SessionId) {
        let told = {
            let mut core = self.shared.lock();
            let coordinator = core.transactions.coordinator;
            let on_it = coordinator.and_then(|link| core.links.get(&link)).map(|link| link.facts.session);
            if on_it == Some(id) {
                transactions::wire_lost(&mut core, &mut self.woken);
            }
            core.engine.session(id).and_then(|session| session.interruption().cloned())
        };
        self.wake();
        let (error, delay) = explain(Scope::Session, told);
        tracing::info!(%error, ?delay, "session interrupted");
        if let (Some(handler), Some(owner)) = (handler.as_deref_mut(), &self.owner) {
            let session = Session::new(std::sync::Arc::clone(owner), id);
            handler.on_session_interrupted(&mut self.surroundings.context(), &session, &error, delay);
        }
    }
}

fn is_dynamic(config: &LinkConfig) -> bool {
    let source = config.source.as_ref().is_some_and(|source| source.dynamic);
    source || matches!(&config.target, Some(AttachTarget::Target(target)) if target.dynamic)
}

fn explain(scope: Scope, told: Option<Interruption>) -> (Error, Duration) {
    let Some(told) = told else {
        let text = "the peer ended it, and it is up again";
        return (Error::new(scope, text).retryable(true), Duration::ZERO);
    };
    let error = failure::from_peer(scope, told.error).unwrap_or_else(|| {
        let text = match told.symptom {
            Symptom::Detached => "the peer detached the link without an error",
            Symptom::Late => "the peer did not attach the link again in time",
            _ => "the peer ended it without an error",
        };
        Error::new(scope, text)
    });
    (error.retryable(true), told.delay)
}

/// What is done about an attempt or a wire that has failed with `error`; `open`: the connection was open.
pub(super) fn remedy(remedies: &Remedies, error: &Error, open: bool) -> Remedy {
    if let Some(remedy) = error.remedy() {
        return remedy;
    }
    let place = match error.scope() {
        Scope::Dns => Place::Resolve,
        Scope::Tls => Place::Tls,
        Scope::Sasl => Place::Sasl,
        Scope::Connect if !open => Place::Connect,
        _ => Place::Connection,
    };
    remedies.of(place, &symptom(error))
}

fn symptom(error: &Error) -> Symptom {
    match (error.deadline(), error.amqp_condition()) {
        (Some(Phase::Idle), _) => Symptom::Idle,
        (Some(_), _) => Symptom::Late,
        (None, Some(condition)) if error.is_remote() => Symptom::Condition(condition),
        _ if !error.is_retryable() => Symptom::Refused,
        (None, Some(_)) if error.scope() == Scope::Connection => Symptom::Violation,
        _ if error.scope() == Scope::Sasl => Symptom::Unavailable,
        _ => Symptom::Lost,
    }
}
