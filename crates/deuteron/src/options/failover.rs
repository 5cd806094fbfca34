//! Which of several servers a connection is made to.

use std::time::Duration;

use deuteron_engine::reconnect::Order;

use super::{ConnectOptions, ServerList};

impl ConnectOptions {
    /// In which order the servers of a failover list are tried. Default: as listed, for each walk from the first on.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The servers are tried in an order that is drawn anew for each walk, so that many clients spread over them.
    pub fn random_order(self) -> Self {
        let seed = u64::from_ne_bytes(crate::drive::accept::random());
        self.order(Order::Random(seed))
    }

    /// How many rounds through the servers there are before the first connection of all; after that the policy alone
    /// counts. Default: only the policy counts from the beginning.
    pub fn first_attempts(mut self, rounds: u32) -> Self {
        self.first_attempts = Some(rounds);
        self
    }

    /// While another server than the first is in use, the first is looked at so often: a connection is made to it and
    /// closed again. When that works, the connection goes back there, in a moment in which nothing is unsettled, or after
    /// as long again. Default: it stays where it is.
    pub fn prefer_primary(mut self, every: Duration) -> Self {
        self.prefer_primary = Some(every);
        self
    }

    /// Whether a peer that closes the connection with `amqp:connection:redirect` (spec 2.8.16) is taken at its word: the
    /// server that it names is dialled, with the same user and password, but never one without TLS in place of one with
    /// it, and not more than five times in a minute. Default false: it is an error like others.
    pub fn follow_redirects(mut self, enabled: bool) -> Self {
        self.follow_redirects = enabled;
        self
    }

    /// What is done with the servers that the peer names in its Open. They are dialled with the same user and password,
    /// and are left out if they have no TLS where the peer has. Default: nothing.
    pub fn server_list(mut self, action: ServerList) -> Self {
        self.server_list = action;
        self
    }
}
