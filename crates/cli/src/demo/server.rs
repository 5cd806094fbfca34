//! A server of the demonstration: a listener on a thread of its own that writes down what it accepts.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread::JoinHandle;

use deuteron::codec::MessageIdRef;
use deuteron::{Ack, AmqpError, Container, Context, Delivery, Error, MessagingHandler};

use super::record::Ids;
use super::timeline::Timeline;
use crate::failure::Failure;
use crate::runtime;

/// What all servers share.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The ids of the messages that servers have accepted, whichever it was.
    pub(crate) received: Arc<Mutex<Ids>>,
    pub(crate) timeline: Arc<Timeline>,
}

/// A running server, or one that was killed.
pub(crate) struct Server {
    url: String,
    container: Container,
    killed: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts a server. It listens when this returns. With `doom` it is killed after that many messages.
    pub(crate) fn start(
        name: &'static str,
        url: &str,
        doom: Option<u64>,
        plan: Plan,
    ) -> Result<Self, Failure> {
        let runtime = runtime(1)?;
        let container = Container::with_id(name);
        let killed = Arc::new(AtomicBool::new(false));
        let (ready, started) = mpsc::channel();
        let handler = Counting {
            name,
            url: url.to_owned(),
            doom,
            recorded: 0,
            killed: Arc::clone(&killed),
            unanswered: Vec::new(),
            ready: Some(ready),
            plan,
        };
        let (running, dead) = (container.clone(), Arc::clone(&killed));
        let body = move || {
            runtime.block_on(until_killed(&running, handler, &dead));
            // What is left of a killed server is dropped here: listener and connections, without a word.
            drop(runtime);
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(body);
        let thread =
            thread.map_err(|error| Failure::new(format!("no thread for the {name} server: {error}")))?;
        let url = started.recv().map_err(|_| Failure::new(format!("the {name} server did not start")))??;
        Ok(Self { url, container, killed, thread })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Ends it in order, if it was not killed, and waits until its thread is gone.
    pub(crate) fn stop(self) {
        self.container.stop();
        if self.thread.join().is_err() {
            eprintln!("deuteron: a server of the demonstration has panicked");
        }
    }
}

/// Runs the server until it ends by itself or is killed. Being killed drops everything at once.
async fn until_killed(container: &Container, handler: Counting, killed: &AtomicBool) {
    let mut running = pin!(container.run_async(handler));
    let ended = poll_fn(|cx| {
        let polled = running.as_mut().poll(cx);
        if killed.load(Ordering::Acquire) { Poll::Ready(Ok(())) } else { polled }
    });
    if let Err(error) = ended.await {
        tracing::error!(%error, "a server of the demonstration has failed");
    }
}

/// Accepts messages and writes down their ids.
struct Counting {
    name: &'static str,
    url: String,
    /// The message that kills it, by number.
    doom: Option<u64>,
    recorded: u64,
    killed: Arc<AtomicBool>,
    /// What came in the same instant in which it was killed.
    unanswered: Vec<Delivery>,
    ready: Option<mpsc::Sender<Result<String, Error>>>,
    plan: Plan,
}

impl Counting {
    fn say(&self, event: std::fmt::Arguments<'_>) {
        self.plan.timeline.say(format_args!("{} server: {event}", self.name));
    }

    /// Writes an id down. False if it is not one of the demonstration's.
    fn record(&self, delivery: &Delivery) -> bool {
        let properties = delivery.view().and_then(|view| view.properties());
        let Ok(Some(MessageIdRef::Ulong(id))) = properties.map(|properties| properties.message_id) else {
            return false;
        };
        self.plan.received.lock().is_ok_and(|mut received| received.insert(id))
    }
}

impl MessagingHandler for Counting {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let url = cx.listen(self.url.as_str()).map(|listener| format!("amqp://{}", listener.local_addr()));
        if let Ok(url) = &url {
            self.say(format_args!("listening at {url}"));
        }
        if let Some(ready) = self.ready.take() {
            drop(ready.send(url));
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        if self.killed.load(Ordering::Acquire) {
            // Dead already, only its loop has not come to that yet: what comes now is neither written
            // down nor acknowledged. Kept, because letting go of it would release it.
            self.unanswered.push(delivery.clone());
            return Ack::Later;
        }
        if !self.record(delivery) {
            return Ack::Reject(Some(AmqpError::new(
                "amqp:invalid-field",
                "this is no message of the demonstration",
            )));
        }
        self.recorded += 1;
        if self.doom == Some(self.recorded) {
            // The worst moment: written down, and the client will never hear of it.
            self.killed.store(true, Ordering::Release);
            self.say(format_args!("KILLED after {} messages, its sockets dropped", self.recorded));
            self.unanswered.push(delivery.clone());
            return Ack::Later;
        }
        Ack::Accept
    }
}
