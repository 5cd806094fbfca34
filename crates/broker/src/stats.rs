//! What the broker has counted.

/// Counted since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) returned: u64,
    pub(crate) deleted: u64,
    pub(crate) expired: u64,
}

/// What the broker holds and what it has done, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Connections that are open now.
    pub connections: usize,
    /// Queues that exist now, temporary ones included.
    pub queues: usize,
    /// Topics that exist now, temporary ones included.
    pub topics: usize,
    /// Subscriptions to topics that exist now.
    pub subscriptions: usize,
    /// Transactions that are open now.
    pub transactions: usize,
    /// Messages that the broker holds now, those under way to consumers included.
    pub messages: u64,
    /// What they count for in the limits, in bytes: their size, and 128 each.
    pub bytes: u64,
    /// Messages taken from producers since the start.
    pub received: u64,
    /// Deliveries to consumers since the start, repeated ones included, copies not.
    pub sent: u64,
    /// Messages that consumers have accepted.
    pub accepted: u64,
    /// Messages that consumers have rejected. They are dropped, unless there is a place for dead letters.
    pub rejected: u64,
    /// Deliveries that came back: released, modified, or with their link or connection lost.
    pub returned: u64,
    /// Messages that were dropped as their time was over.
    pub expired: u64,
    /// Messages that were dropped with the temporary queue that they were in.
    pub deleted: u64,
}
