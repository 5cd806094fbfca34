//! The engine's events, under the lock: straight to inboxes and wakers, or into the batch that is
//! dispatched when the lock is free.

use std::task::Waker;

use bytes::Bytes;
use deuteron_codec::{DeliveryTag, Role};
use deuteron_engine::{Deadline, DeliveryId, Event, LinkId, SessionId};

use super::shared::Core;
use super::transactions::{self, Told};
use crate::Outcome;
use crate::outcome::has_outcome;

/// What has happened, with what a callback needs of it.
#[derive(Debug)]
pub(super) enum Notice {
    ConnectionOpened,
    ConnectionClosed,
    SessionBegun(SessionId),
    SessionEnded(SessionId),
    LinkAttached(LinkId),
    LinkDetached(LinkId),
    LinkClosed(LinkId),
    LinkInterrupted(LinkId),
    SessionInterrupted(SessionId),
    Flow(LinkId),
    Drained(LinkId),
    Late(Deadline),
    Transaction(transactions::Key, Told),
    TransportFailed,
    SaslPending,
    Message {
        id: DeliveryId,
        link: LinkId,
        tag: DeliveryTag,
        payload: Bytes,
    },
    Aborted {
        id: DeliveryId,
        link: LinkId,
        tag: DeliveryTag,
    },
    /// For a message of ours its outcome; for one that came, that the sender has settled it.
    Updated {
        id: DeliveryId,
        link: LinkId,
        role: Role,
        tag: DeliveryTag,
        outcome: Option<Outcome>,
    },
    Lost {
        id: DeliveryId,
        link: LinkId,
        tag: DeliveryTag,
        sent: bool,
    },
}

/// Takes all events of the engine.
#[inline]
pub(super) fn route_all(core: &mut Core, batch: &mut Vec<Notice>, woken: &mut Vec<Waker>) {
    while let Some(event) = core.engine.poll_event() {
        route(core, event, batch, woken);
    }
    batch.append(&mut core.unheard);
}

fn route(core: &mut Core, event: Event, batch: &mut Vec<Notice>, woken: &mut Vec<Waker>) {
    let notice = match event {
        Event::Delivered(id) => return delivered(core, id, batch, woken),
        Event::DeliveryUpdated(id) => return updated(core, id, batch, woken),
        Event::LinkFlow(id) => {
            // A peer may give credit in one go with its attach (2.6.3 lets it): the link is made known by a notice
            // that comes before this one.
            let Some(link) = core.links.get_mut(&id) else { return batch.push(Notice::Flow(id)) };
            link.waiters.take_into(woken);
            if link.facts.pull || link.facts.role == Role::Receiver {
                return;
            }
            Notice::Flow(id)
        }
        Event::LinkDrained(id) => {
            let Some(link) = core.links.get_mut(&id) else { return };
            link.waiters.take_into(woken);
            Notice::Drained(id)
        }
        Event::DeliveryAborted(id) => return aborted(core, id, batch),
        Event::DeliveryLost(id) => return lost(core, id, batch, woken),
        Event::ConnectionOpened => Notice::ConnectionOpened,
        Event::ConnectionClosed => Notice::ConnectionClosed,
        Event::SessionBegun(id) => Notice::SessionBegun(id),
        Event::SessionEnded(id) => Notice::SessionEnded(id),
        Event::LinkAttached(id) => Notice::LinkAttached(id),
        Event::LinkDetached(id) => Notice::LinkDetached(id),
        Event::LinkClosed(id) => Notice::LinkClosed(id),
        Event::LinkInterrupted(id) => Notice::LinkInterrupted(id),
        Event::SessionInterrupted(id) => Notice::SessionInterrupted(id),
        Event::DeadlineExpired(deadline) => Notice::Late(deadline),
        Event::TransportError => Notice::TransportFailed,
        Event::SaslPending => Notice::SaslPending,
        _ => return,
    };
    batch.push(notice);
}

#[inline]
fn delivered(core: &mut Core, id: DeliveryId, batch: &mut Vec<Notice>, woken: &mut Vec<Waker>) {
    let Some(mut delivery) = core.engine.delivery(id) else { return };
    let Some(link) = delivery.link() else { return };
    let Some(state) = core.links.get_mut(&link) else { return };
    if state.facts.pull {
        // Taken by `recv`, so that credit follows the application.
        state.inbox.push_back(id);
        state.waiters.take_into(woken);
    } else {
        batch.push(Notice::Message { id, link, tag: delivery.tag(), payload: delivery.take() });
    }
}

#[inline]
fn updated(core: &mut Core, id: DeliveryId, batch: &mut Vec<Notice>, woken: &mut Vec<Waker>) {
    let Some(mut delivery) = core.engine.delivery(id) else { return };
    let Some(link) = delivery.link() else { return };
    let Some(state) = core.links.get(&link) else { return };
    let (pull, role) = (state.facts.pull, state.facts.role);
    let settled = delivery.remotely_settled();
    if role == Role::Receiver {
        // Our outcome was known before; now the sender has settled as well (2.8.3, second).
        if settled && delivery.local_state().is_some() {
            let tag = delivery.tag();
            delivery.settle();
            confirmed(core, id, Outcome::Settled, woken);
            if !pull {
                batch.push(Notice::Updated { id, link, role, tag, outcome: None });
            }
        }
        return;
    }
    if pull {
        if core.transactions.coordinator == Some(link) && transactions::answered(core, id, woken) {
            return;
        }
        if let Some(mut waiting) = core.deliveries.remove(&id) {
            waiting.take_into(woken);
        }
        return;
    }
    let peer = delivery.remote_state();
    if settled || peer.is_some_and(has_outcome) {
        let outcome = Some(Outcome::from_state(peer));
        let tag = delivery.tag();
        delivery.settle();
        batch.push(Notice::Updated { id, link, role, tag, outcome });
    }
}

/// Tells whoever waits for the sender of a message that came.
fn confirmed(core: &mut Core, id: DeliveryId, outcome: Outcome, woken: &mut Vec<Waker>) {
    if let Some(known) = core.confirmations.get_mut(&id) {
        *known = Some(outcome);
        if let Some(mut waiting) = core.deliveries.remove(&id) {
            waiting.take_into(woken);
        }
    }
}

fn aborted(core: &mut Core, id: DeliveryId, batch: &mut Vec<Notice>) {
    let Some(mut delivery) = core.engine.delivery(id) else { return };
    let (link, tag) = (delivery.link(), delivery.tag());
    delivery.settle();
    if let Some(link) = link
        && core.links.get(&link).is_some_and(|state| !state.facts.pull)
    {
        batch.push(Notice::Aborted { id, link, tag });
    }
}

fn lost(core: &mut Core, id: DeliveryId, batch: &mut Vec<Notice>, woken: &mut Vec<Waker>) {
    let Some(mut delivery) = core.engine.delivery(id) else { return };
    let (link, tag, sent) = (delivery.link(), delivery.tag(), delivery.was_sent());
    delivery.settle();
    let Some((link, state)) = link.and_then(|link| core.links.get(&link).map(|state| (link, state))) else {
        return;
    };
    if state.facts.role == Role::Receiver {
        // Stale messages in an inbox are skipped when they are taken.
        confirmed(core, id, Outcome::Lost, woken);
        return;
    }
    if !state.facts.pull {
        batch.push(Notice::Lost { id, link, tag, sent });
        return;
    }
    if transactions::unanswered(core, id, sent, woken) {
        return;
    }
    core.fates.insert(id, if sent { Outcome::Lost } else { Outcome::NotSent });
    if let Some(mut waiting) = core.deliveries.remove(&id) {
        waiting.take_into(woken);
    }
}
