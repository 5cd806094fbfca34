//! A broker on threads of its own.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use deuteron::{Error, Scope};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::broker::Shared;
use crate::{Broker, BrokerConfig, BrokerStats};

/// How long the threads of a broker may take to drop what they hold.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// A broker that runs on threads of its own. Dropping it kills it; see [`kill`](Self::kill).
pub struct BrokerThread {
    shared: Arc<Shared>,
    urls: Vec<String>,
    stop: Option<oneshot::Sender<Stop>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told, if it is told anything: that its handle is gone means to end at once.
struct Stop {
    deadline: Duration,
    done: mpsc::Sender<Result<(), Error>>,
}

struct Started {
    shared: Arc<Shared>,
    urls: Vec<String>,
}

impl BrokerThread {
    pub(crate) fn start(config: BrokerConfig) -> Result<Self, Error> {
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let refused = |error: std::io::Error| {
            Error::new(Scope::Container, format!("the system refuses the broker a thread: {error}"))
        };
        let runtime = runtime(config.threads).map_err(refused)?;
        let body = move || {
            runtime.block_on(run(config, &ready, stopped));
            // Whatever is still open is dropped with its sockets; their ports are free after this.
            runtime.shutdown_timeout(SHUTDOWN);
        };
        let thread = std::thread::Builder::new().name("broker".into()).spawn(body).map_err(refused)?;
        let ended = || Error::new(Scope::Container, "the broker's thread has ended");
        let Started { shared, urls } = started.recv().map_err(|_| ended())??;
        Ok(Self { shared, urls, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, in the order of [`BrokerConfig::listen`], with the real ports.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The first URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// What it holds and has done.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        self.shared.stats()
    }

    /// Messages that the queue of an address holds; see
    /// [`BrokerHandle::messages`](crate::BrokerHandle::messages).
    #[must_use]
    pub fn messages(&self, address: &str) -> Option<u64> {
        self.shared.router().messages_of(address)
    }

    /// Closes listeners and connections in order, and blocks until all are gone, at most for
    /// `deadline`; what is left then is dropped. Messages that the broker holds are lost.
    ///
    /// # Errors
    /// If clients did not answer in time.
    pub fn stop(mut self, deadline: Duration) -> Result<(), Error> {
        let (done, end) = mpsc::channel();
        if let Some(stop) = self.stop.take() {
            drop(stop.send(Stop { deadline, done }));
        }
        let result = end.recv();
        self.join();
        result.unwrap_or_else(|_| Err(Error::new(Scope::Container, "the broker's thread had ended before")))
    }

    /// Ends at once, as if the process had been killed: sockets are dropped, nobody is told, and
    /// messages are lost. The ports are free when this returns.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop = None;
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the broker's thread has panicked");
        }
    }
}

impl Drop for BrokerThread {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for BrokerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerThread").field("urls", &self.urls).finish_non_exhaustive()
    }
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    match threads {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
}

async fn run(
    config: BrokerConfig,
    ready: &mpsc::Sender<Result<Started, Error>>,
    stopped: oneshot::Receiver<Stop>,
) {
    let handle = match Broker::start(config).await {
        Ok(handle) => handle,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let started = Started { shared: handle.shared(), urls: handle.urls().to_vec() };
    if ready.send(Ok(started)).is_err() {
        return;
    }
    let Ok(Stop { deadline, done }) = stopped.await else {
        handle.abandon();
        return;
    };
    drop(done.send(handle.stop(deadline).await));
}
