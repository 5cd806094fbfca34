//! What is set before the router is used.

use deuteron::AmqpError;

#[cfg(test)]
use super::clock::Clock;
use super::{Found, Inlet, Kind, Outlet, Router};

impl<O: Outlet, I: Inlet> Router<O, I> {
    /// From now on only what was configured can be used, and temporary nodes.
    pub(crate) fn stop_making_on_demand(&mut self) {
        self.on_demand = false;
    }

    /// What is rejected goes to the queue of this address, from now on.
    pub(crate) fn set_dead_letter(&mut self, address: &str) {
        self.dead_letter = Some(address.into());
    }

    /// What expires goes to the queue of this address.
    pub(crate) fn set_expiry(&mut self, address: &str) {
        self.expiry = Some(address.into());
    }

    /// From now on this clock counts.
    #[cfg(test)]
    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Makes a node that stays although nobody uses it.
    ///
    /// # Errors
    /// If the address is none, is that of another kind of node, or there are too many.
    pub(crate) fn configure(&mut self, address: &str, kind: Kind) -> Result<(), AmqpError> {
        match self.find_or_make(address, Some(kind), Some(kind))? {
            Found::Queue(id) => {
                if let Some(queue) = self.queues.get_mut(id) {
                    queue.kept = true;
                }
            }
            Found::Topic(id) => {
                if let Some(topic) = self.topics.get_mut(id) {
                    topic.kept = true;
                }
            }
        }
        Ok(())
    }
}
