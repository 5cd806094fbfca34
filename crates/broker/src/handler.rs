//! One connection of the broker: what its links want is asked of the router. Beside `ports` and
//! `terminus` the only file that sees the driver's types.

mod keeping;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use deuteron::codec::Error as AmqpError;
use deuteron::{
    Ack, Connection, Context, Delivery, DeliveryState, Error, Link, LinkHandle, MessageView,
    MessagingHandler, Outcome, Receiver, Sender, SenderSettleMode, Session, TimerId, condition,
};

use crate::broker::Shared;
use crate::coordinator::{self, Control};
use crate::kept::{Keep, LinkKey, Reader};
use crate::ports::{Incoming, Outgoing, Pause, key, lease};
use crate::router::{ConnectionId, ConsumerId, CoordinatorId, Manner, ProducerId, TransactionId, Verdict};
use crate::terminus;

/// Serves one connection.
pub(crate) struct BrokerHandler {
    shared: Arc<Shared>,
    id: ConnectionId,
    /// Counted among the open connections.
    opened: bool,
    producers: HashMap<LinkHandle, Producer>,
    /// The link of the last message, as the next one is likely to come on it as well.
    last: Option<(Receiver, Producer)>,
    consumers: HashMap<LinkHandle, Consumer>,
    /// Links to the coordinator.
    coordinators: HashMap<LinkHandle, CoordinatorId>,
    /// Links that outlive the connection.
    held: HashMap<LinkHandle, LinkKey>,
    /// When transactions have taken too long.
    timers: HashMap<TimerId, TransactionId>,
}

#[derive(Clone, Copy)]
struct Producer {
    id: ProducerId,
    /// Each message says where it goes.
    anonymous: bool,
}

struct Consumer {
    id: ConsumerId,
    pause: Arc<Pause>,
    /// For deliveries that are settled without an outcome.
    default: Verdict,
}

impl BrokerHandler {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.handlers.fetch_add(1, Ordering::AcqRel);
        let id = ConnectionId(shared.next_connection.fetch_add(1, Ordering::Relaxed));
        Self {
            shared,
            id,
            opened: false,
            producers: HashMap::new(),
            last: None,
            consumers: HashMap::new(),
            coordinators: HashMap::new(),
            held: HashMap::new(),
            timers: HashMap::new(),
        }
    }

    /// A client that wants to receive.
    fn open_consumer(&mut self, cx: &Context<'_>, sender: &Sender) -> Result<(), AmqpError> {
        let container = sender.connection().remote_container_id().unwrap_or_default();
        let Some(wanted) = terminus::source(sender)? else {
            return self.resume(cx, sender, &container);
        };
        let settled = wanted.snd_settle_mode == SenderSettleMode::Settled;
        let connection = self.id;
        let outlet = || Outgoing::new(sender.clone(), settled, cx.injector(), connection);
        if self.come_back(sender, &container, &wanted, outlet).is_some() {
            return Ok(());
        }
        let browses = wanted.browses();
        let selector = wanted.filters.selector.clone();
        let not_from = wanted.filters.no_local.then_some(self.id);
        let manner = Manner { settled, browses, longest: wanted.longest, selector, not_from };
        let outlet = outlet();
        let pause = Arc::clone(&outlet.pause);
        let subscribing = wanted.subscribing(self.id, &container);
        let opened = {
            let node = wanted.node(self.id)?;
            self.shared.router().open_consumer(node, self.id, manner, subscribing, outlet)
        };
        let (id, address, kind) = opened?;
        let default = verdict(terminus::default_outcome(&wanted.source));
        let keep = self.keep_for(&container, wanted.resumes());
        let source = wanted.granted(&address, kind, keep);
        sender.set_source(source.clone());
        self.consumers.insert((**sender).clone(), Consumer { id, pause, default: default.clone() });
        if keep.is_some() {
            self.keep_consumer(sender, &container, Reader { id, asked: wanted.source, source, default });
        }
        Ok(())
    }

    /// A client that names a subscription and says nothing else of it.
    fn resume(&mut self, cx: &Context<'_>, sender: &Sender, container: &str) -> Result<(), AmqpError> {
        let name = terminus::subscription_name(sender.name(), container, false, false);
        let mode = sender.remote_attach().map(|attach| attach.snd_settle_mode);
        let settled = mode == Some(SenderSettleMode::Settled);
        let outlet = Outgoing::new(sender.clone(), settled, cx.injector(), self.id);
        let pause = Arc::clone(&outlet.pause);
        let manner = Manner { settled, ..Manner::default() };
        let resumed = self.shared.router().resume(&name, self.id, manner, outlet);
        let (id, address, subscription) = resumed?;
        sender.set_source(terminus::resumed(&address, subscription));
        self.consumers.insert((**sender).clone(), Consumer { id, pause, default: verdict(None) });
        Ok(())
    }

    /// A client that wants to send.
    fn open_producer(&mut self, receiver: &Receiver) -> Result<(), AmqpError> {
        if receiver.targets_coordinator() {
            receiver.set_coordinator(coordinator::CAPABILITIES);
            let id = CoordinatorId(self.shared.next_coordinator.fetch_add(1, Ordering::Relaxed));
            self.coordinators.insert((**receiver).clone(), id);
            return Ok(());
        }
        let wanted = terminus::target(receiver)?;
        // Credit is the router's business.
        receiver.set_credit_window(0);
        let node = wanted.node(self.id);
        let anonymous = node.is_none();
        let opened = self.shared.router().open_producer(node, self.id, Incoming(receiver.clone()));
        let (id, found) = opened?;
        let container = receiver.connection().remote_container_id().unwrap_or_default();
        let keep = self.keep_for(&container, wanted.resumes());
        let target = wanted.granted(found.as_ref(), keep);
        self.keep_producer(receiver, &container, keep.map(|_| Keep::of_target(&target)));
        receiver.set_target(target);
        self.producers.insert((**receiver).clone(), Producer { id, anonymous });
        Ok(())
    }

    /// Where a message came from.
    #[inline]
    fn producer_of(&mut self, delivery: &Delivery) -> Option<Producer> {
        if let Some((link, producer)) = &self.last
            && delivery.is_on(link)
        {
            return Some(*producer);
        }
        let link = delivery.receiver()?;
        let producer = *self.producers.get(&*link)?;
        self.last = Some((link, producer));
        Some(producer)
    }

    /// A message for the coordinator (4.2).
    fn control(
        &mut self,
        cx: &mut Context<'_>,
        coordinator: CoordinatorId,
        delivery: &Delivery,
    ) -> Result<DeliveryState, AmqpError> {
        match coordinator::read(delivery)? {
            Control::Declare => {
                let id = self.shared.router().declare(self.id, coordinator)?;
                if let Some(timeout) = self.shared.transaction_timeout {
                    self.timers.insert(cx.schedule(timeout, 0), id);
                }
                Ok(coordinator::declared(id))
            }
            Control::Discharge { id, fails } => {
                if let Some(timer) =
                    self.timers.iter().find(|(_, other)| **other == id).map(|(timer, _)| *timer)
                {
                    self.timers.remove(&timer);
                    cx.cancel(timer);
                }
                self.shared.router().discharge(self.id, id, fails)?;
                Ok(DeliveryState::Accepted)
            }
        }
    }

    /// A message that came within a transaction.
    fn post(&self, delivery: &Delivery, producer: Producer, to: Option<&str>, id: &[u8]) -> Ack {
        let posted = coordinator::id(id).and_then(|transaction| {
            let (payload, format) = (delivery.payload().clone(), delivery.message_format());
            self.shared.router().post(transaction, producer.id, to, payload, format)
        });
        let outcome = match posted {
            Ok(()) => DeliveryState::Accepted,
            Err(error) if coordinator::is_over(&error) => {
                // 4.5.8: nothing that follows on this link can be right either.
                if let Some(link) = delivery.link() {
                    drop(link.close_with(error.clone()));
                }
                return Ack::Reject(Some(error));
            }
            Err(error) => DeliveryState::Rejected(Some(Box::new(error))),
        };
        // The wire may have gone; the transaction goes with it then.
        drop(delivery.settle_with(coordinator::within(id, outcome)));
        Ack::Later
    }

    fn settle(&self, delivery: &Delivery, verdict: Verdict) {
        if let Some(id) = delivery.transaction_id() {
            let lease = lease(delivery.tag());
            let retired = coordinator::id(&id)
                .and_then(|transaction| self.shared.router().retire(self.id, transaction, lease, verdict));
            if let (Err(error), Some(link)) = (retired, delivery.link()) {
                drop(link.close_with(error));
            }
            return;
        }
        if verdict == Verdict::Rejected {
            match delivery.rejection() {
                Some(why) => tracing::warn!(%why, "a message was rejected by its consumer"),
                None => tracing::warn!("a message was rejected by its consumer, without a reason"),
            }
        }
        self.shared.router().settle(lease(delivery.tag()), verdict);
    }

    /// A link is over, closed or detached.
    fn forget(&mut self, link: &LinkHandle, closes: bool) {
        let stolen = self.is_stolen(link);
        if let Some(consumer) = self.consumers.remove(link).filter(|_| !stolen) {
            self.shared.router().close_consumer(consumer.id, closes);
        }
        if let Some(coordinator) = self.coordinators.remove(link) {
            self.shared.router().close_coordinator(coordinator);
        }
        if let Some(producer) = self.producers.remove(link) {
            self.last = None;
            self.shared.router().close_producer(producer.id, closes);
        }
    }

    /// The connection, and all on it, is over.
    fn forget_all(&mut self) {
        self.last = None;
        self.coordinators.clear();
        self.timers.clear();
        let held: Vec<_> = self.held.keys().cloned().collect();
        for link in held {
            // One that another has taken over is no longer ours.
            if self.is_stolen(&link) {
                self.consumers.remove(&link);
            }
        }
        self.shared.kept().connection_over(self.id);
        let mut router = self.shared.router();
        for consumer in self.consumers.drain().map(|(_, consumer)| consumer) {
            router.close_consumer(consumer.id, false);
        }
        for producer in self.producers.drain().map(|(_, producer)| producer) {
            router.close_producer(producer.id, false);
        }
        router.close_connection(self.id);
        drop(router);
        if std::mem::take(&mut self.opened) {
            self.shared.connections.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for BrokerHandler {
    fn drop(&mut self) {
        // However the connection has ended, nothing of it stays.
        self.forget_all();
        if self.shared.handlers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.idle.notify_waiters();
        }
    }
}

/// What an outcome means for the message. `None` for none at all.
fn verdict(outcome: Option<Outcome>) -> Verdict {
    match outcome {
        Some(Outcome::Accepted) => Verdict::Accepted,
        Some(Outcome::Rejected(_)) => Verdict::Rejected,
        Some(Outcome::Modified { delivery_failed, undeliverable_here, annotations }) => {
            Verdict::Returned { failed: delivery_failed, undeliverable_here, annotations }
        }
        Some(Outcome::Lost) => {
            Verdict::Returned { failed: true, undeliverable_here: false, annotations: None }
        }
        _ => Verdict::Returned { failed: false, undeliverable_here: false, annotations: None },
    }
}

impl MessagingHandler for BrokerHandler {
    fn on_connection_opening(&mut self, _: &mut Context<'_>, connection: &Connection) {
        let most = self.shared.max_connections;
        if self.shared.connections.load(Ordering::Acquire) >= most {
            let text = format!("the broker has {most} connections already, which is its limit");
            connection.reject(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text));
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.opened = true;
        self.shared.connections.fetch_add(1, Ordering::AcqRel);
        let container = connection.remote_container_id().unwrap_or_default();
        tracing::info!(connection = %connection, container, "connected");
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, connection: &Connection) {
        tracing::info!(connection = %connection, "disconnected");
        self.forget_all();
    }

    fn on_connection_closing(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.suspend_all();
    }

    fn on_connection_error(&mut self, _: &mut Context<'_>, connection: &Connection, error: &Error) {
        self.suspend_all();
        tracing::info!(connection = %connection, %error, "closed by the client");
    }

    fn on_transport_error(&mut self, _: &mut Context<'_>, connection: &Connection, error: &Error) {
        self.suspend_all();
        tracing::info!(connection = %connection, %error, "lost");
    }

    fn on_session_closed(&mut self, _: &mut Context<'_>, session: &Session) {
        // Links that end with their session are not told of one by one.
        let links = self.consumers.keys().chain(self.producers.keys()).chain(self.coordinators.keys());
        let links: Vec<_> = links.filter(|link| link.session() == *session).cloned().collect();
        for link in links {
            self.suspend(&link, false);
            self.forget(&link, false);
        }
    }

    fn on_link_opening(&mut self, cx: &mut Context<'_>, link: &Link) {
        let links = self.consumers.len() + self.producers.len() + self.coordinators.len();
        let opened = match link {
            _ if links >= self.shared.max_links => {
                let text = format!("the connection has {links} links already, which is the limit");
                Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text))
            }
            Link::Sender(sender) => self.open_consumer(cx, sender),
            Link::Receiver(receiver) => self.open_producer(receiver),
        };
        if let Err(error) = opened {
            tracing::info!(link = link.name(), %error, "refused a link");
            link.reject(error);
        }
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        if let Some(producer) = self.producers.get(&**link) {
            self.shared.router().producer_ready(producer.id);
        }
    }

    fn on_link_detached(&mut self, _: &mut Context<'_>, link: &Link) {
        self.suspend(link, false);
        self.forget(link, false);
        drop(link.detach());
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, link: &Link) {
        self.forget(link, true);
    }

    fn on_link_error(&mut self, _: &mut Context<'_>, link: &Link, error: &Error) {
        tracing::info!(link = link.name(), %error, "link closed by the client");
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        let Some(consumer) = self.consumers.get(&**sender) else { return };
        let mut router = self.shared.router();
        let within = coordinator::of_flow(sender.remote_flow_properties().as_ref());
        let checked = within.and_then(|within| match within {
            Some(within) => router.check_transaction(self.id, within),
            None => Ok(()),
        });
        if let Err(error) = checked {
            drop(router);
            drop(sender.close_with(error));
            return;
        }
        router.consumer_ready(consumer.id);
    }

    fn on_timer(&mut self, _: &mut Context<'_>, timer: TimerId, token: u64) {
        if let Some(transaction) = self.timers.remove(&timer) {
            return self.shared.router().expire_transaction(transaction);
        }
        let id: ConsumerId = key(token);
        if let Some(consumer) = self.consumers.values().find(|consumer| consumer.id == id) {
            consumer.pause.lasts.store(false, Ordering::Release);
            self.shared.router().consumer_ready(id);
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let Some(producer) = self.producer_of(delivery) else {
            if let Some(link) = delivery.receiver()
                && let Some(coordinator) = self.coordinators.get(&*link).copied()
            {
                return match self.control(cx, coordinator, delivery) {
                    Ok(state) => {
                        drop(delivery.settle_with(state));
                        Ack::Later
                    }
                    Err(error) => Ack::Reject(Some(error)),
                };
            }
            return Ack::Reject(Some(AmqpError::new(condition::RESOURCE_DELETED, "the queue was deleted")));
        };
        let format = delivery.message_format();
        let payload = delivery.payload();
        let to = if producer.anonymous {
            match MessageView::new(payload).and_then(|view| view.properties()) {
                Ok(properties) => properties.to,
                Err(error) => {
                    let text = format!("the relay cannot read the message: {error}");
                    self.shared.router().refused(producer.id);
                    return Ack::Reject(Some(AmqpError::new(condition::DECODE_ERROR, text)));
                }
            }
        } else {
            None
        };
        if let Some(id) = delivery.transaction_id() {
            return self.post(delivery, producer, to, &id);
        }
        match self.shared.router().arrive(producer.id, to, payload.clone(), format) {
            Ok(()) => Ack::Accept,
            Err(error) => Ack::Reject(Some(error)),
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settle(delivery, Verdict::Accepted);
    }

    fn on_rejected(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settle(delivery, Verdict::Rejected);
    }

    fn on_released(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settle(delivery, verdict(Some(Outcome::Released)));
    }

    fn on_modified(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settle(delivery, verdict(delivery.known_outcome()));
    }

    fn on_lost(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settle(delivery, verdict(delivery.known_outcome()));
    }

    fn on_settled(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        // The four outcomes have callbacks of their own; what is left is none, or one that we do not know.
        let Some(Outcome::Settled | Outcome::Other(_)) = delivery.known_outcome() else { return };
        if let Some(sender) = delivery.sender()
            && let Some(consumer) = self.consumers.get(&*sender)
        {
            self.settle(delivery, consumer.default.clone());
        }
    }
}
