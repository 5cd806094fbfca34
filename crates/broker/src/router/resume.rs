//! Consumers whose link comes back on another connection.

use super::{ConnectionId, ConsumerId, Inlet, Outlet, Router};

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// The consumer, with what is under way to it, is on another link from now on. False if it is gone.
    pub(crate) fn move_consumer(&mut self, id: ConsumerId, connection: ConnectionId, outlet: O) -> bool {
        let Some(consumer) = self.consumers.get_mut(id) else { return false };
        consumer.outlet = outlet;
        if let Some(not_from) = &mut consumer.manner.not_from {
            *not_from = connection;
        }
        let subscription = self.queues.get(consumer.queue).and_then(|queue| queue.subscription);
        if let Some(subscription) = subscription {
            self.subscription_moved(subscription, connection);
        }
        true
    }

    /// Nobody came back to a consumer: what it had goes back to its queue. A subscription may have waited for that, if its
    /// connection has `ended`.
    pub(crate) fn forget_consumer(&mut self, id: ConsumerId, ended: Option<ConnectionId>) {
        self.close_consumer(id, false);
        if let Some(connection) = ended {
            self.end_subscriptions_of(connection);
        }
    }
}
