//! Servers that users run, started and stopped by the suite: on loopback, on ports of ours, in a folder of a test's own.

mod artemis;
mod management;
mod ports;
mod program;
mod rabbitmq;

pub use artemis::Artemis;
pub use ports::free_port;
pub use program::Program;
pub use rabbitmq::{RabbitMq, Version};

use crate::Certificates;
use deuteron::{ReceiverOptions, SenderOptions, Source, Target, TerminusDurability};
use std::future::Future;
use std::sync::Arc;

/// The account that every server has.
pub const USER: &str = "alice";
/// Its password, on every server.
pub const PASSWORD: &str = "a secret & more";

/// What the scenarios need to know of a server. They are the same for all servers; what differs is here.
pub trait Server: Send + Sync + 'static {
    /// Its name and version, as the interop table shows them.
    fn title(&self) -> &'static str;

    /// Where it listens without TLS, for ANONYMOUS and for [`USER`].
    fn url(&self) -> String;

    /// Where it listens with TLS, for the same; its name there is `localhost`.
    fn tls_url(&self) -> String;

    /// Where it takes a client certificate for a login, by EXTERNAL.
    fn certificate_url(&self) -> String;

    /// The authority that signed its certificate and the client's.
    fn certificates(&self) -> &Certificates;

    /// A queue of that name, made if it must be made before it is used.
    fn queue(&self, name: &str) -> impl Future<Output = Node> + Send;

    /// A topic of that name, made if it must be made before it is used.
    fn topic(&self, name: &str) -> impl Future<Output = Node> + Send;

    /// A queue of that name whose rejected messages go to another one: both.
    fn dead_letters(&self, name: &str) -> impl Future<Output = [Node; 2]> + Send;

    /// Whether it answers a drain.
    fn drains(&self) -> bool {
        true
    }

    /// Kills it, as a crash would.
    fn kill(&self);

    /// Starts it again after [`Server::kill`] in the same folder and at the same ports, and waits until it listens. Blocks.
    fn start(&self);
}

/// Starts a server that a test may stop, without holding up the test's runtime. `None` if it is not installed.
///
/// # Panics
/// When it cannot be started.
pub async fn start<S: Server>(launch: impl FnOnce() -> Option<S> + Send + 'static) -> Option<Arc<S>> {
    tokio::task::spawn_blocking(launch).await.expect("it starts").map(Arc::new)
}

/// A queue or a topic, as a link has to name it.
#[derive(Clone, Debug)]
pub struct Node {
    /// The address for a source and a target.
    pub address: String,
    /// The capability that says what it is, where the server goes by that.
    pub capability: Option<&'static str>,
    /// Whether links ask for a durable node, where the server makes the queue as they ask.
    pub durable: bool,
}

impl Node {
    /// A node of which links have to say no more than its address.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), capability: None, durable: false }
    }

    /// For a sender to it.
    pub fn sender(&self) -> SenderOptions {
        let target =
            Target { address: Some(self.address.clone()), durable: self.durability(), ..Target::default() };
        SenderOptions::new(&self.address).target(target).target_capabilities(self.capability)
    }

    /// For a receiver from it.
    pub fn receiver(&self) -> ReceiverOptions {
        let source =
            Source { address: Some(self.address.clone()), durable: self.durability(), ..Source::default() };
        ReceiverOptions::new(&self.address).source(source).source_capabilities(self.capability)
    }

    fn durability(&self) -> TerminusDurability {
        if self.durable { TerminusDurability::UnsettledState } else { TerminusDurability::None }
    }
}
