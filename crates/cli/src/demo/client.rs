//! The client of the demonstration: sends numbered messages, and writes down which are settled.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use deuteron::{
    Connection, Container, Context, Delivery, DeliveryTag, Error, Message, MessagingHandler, SendOptions,
    Sender, TimerId,
};

use super::Cue;
use super::record::Ids;
use super::timeline::Timeline;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// How often the interrupt is looked at, and the rate.
const GLANCE: Duration = Duration::from_millis(20);

const DEADLINE_TIMER: u64 = 0;
const GLANCE_TIMER: u64 = 1;

/// Sends messages `0..count` by way of whichever server is there.
pub(crate) struct Client {
    urls: [String; 2],
    count: u64,
    /// Messages a second, if they are held back.
    rate: Option<u64>,
    started: Instant,
    sender: Option<Sender>,
    timeline: Arc<Timeline>,
    cue: mpsc::Sender<Cue>,
    deadline: Duration,
    interrupt: Option<Interrupt>,
    connected_to: Option<String>,
    /// What it has written down.
    record: SendRecord,
}

/// What the client knows at the end.
pub(crate) struct SendRecord {
    /// Messages with ids below this were handed to the library.
    pub(crate) sent: u64,
    pub(crate) settled: Ids,
    pub(crate) failovers: u32,
}

/// A client on a thread of its own.
pub(crate) struct Running {
    thread: JoinHandle<Result<SendRecord, Error>>,
}

impl Running {
    /// Waits for its end.
    pub(crate) fn finish(self) -> Result<SendRecord, Failure> {
        let ended =
            self.thread.join().map_err(|_| Failure::new("the client of the demonstration has panicked"))?;
        Ok(ended?)
    }
}

impl Client {
    pub(crate) fn new(
        urls: [String; 2],
        count: u64,
        rate: Option<u64>,
        timeline: Arc<Timeline>,
        cue: mpsc::Sender<Cue>,
    ) -> Self {
        Self {
            urls,
            count,
            rate,
            started: Instant::now(),
            sender: None,
            timeline,
            cue,
            deadline: Duration::ZERO,
            interrupt: None,
            connected_to: None,
            record: SendRecord { sent: 0, settled: Ids::new(count), failovers: 0 },
        }
    }

    /// Runs it on a thread, for `deadline` at most, or until it is interrupted.
    pub(crate) fn start(mut self, deadline: Duration, interrupt: Interrupt) -> Result<Running, Failure> {
        self.deadline = deadline;
        self.interrupt = Some(interrupt);
        let body = move || {
            let ended = Container::with_id("client").run(&mut self);
            drop(self.cue.send(Cue::Ended));
            ended.map(|()| self.record)
        };
        let thread = std::thread::Builder::new().name("client".into()).spawn(body);
        thread
            .map(|thread| Running { thread })
            .map_err(|error| Failure::new(format!("no thread for the client: {error}")))
    }

    fn say(&self, event: std::fmt::Arguments<'_>) {
        self.timeline.say(format_args!("client: {event}"));
    }

    fn is_done(&self) -> bool {
        self.record.settled.distinct() == self.count
    }

    /// How many messages may have been sent by now.
    fn due(&self) -> u64 {
        let Some(rate) = self.rate else { return self.count };
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        rate.saturating_mul(milliseconds).div_ceil(1000).min(self.count)
    }

    fn send(&mut self, sender: &Sender) {
        let due = self.due();
        while self.record.sent < due && sender.credit() > 0 {
            let id = self.record.sent;
            let message = Message::new("Nothing is lost.").with_id(id);
            let options = SendOptions { tag: Some(DeliveryTag::from(id)), ..SendOptions::default() };
            if let Err(error) = sender.send_now_with(message, options) {
                self.say(format_args!("cannot send: {error}"));
                return;
            }
            self.record.sent += 1;
        }
    }

    fn end(&self, cx: &mut Context<'_>) {
        cx.stop();
    }
}

impl MessagingHandler for Client {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let [first, second] = &self.urls;
        self.started = Instant::now();
        self.say(format_args!("connecting with the list {first}, {second}"));
        cx.schedule(self.deadline, DEADLINE_TIMER);
        cx.schedule(GLANCE, GLANCE_TIMER);
        let opened = cx.connect(self.urls.as_slice()).and_then(|connection| {
            // By default what was not settled is sent again after a reconnect.
            connection.open_sender("demo")
        });
        match opened {
            Ok(sender) => self.sender = Some(sender),
            Err(error) => {
                self.say(format_args!("cannot start: {error}"));
                self.end(cx);
            }
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        let url = connection.url().unwrap_or_default();
        let server = connection.remote_container_id().unwrap_or_default();
        match self.connected_to.replace(url.clone()) {
            Some(before) if before != url => {
                self.record.failovers += 1;
                let open = self.record.sent - self.record.settled.distinct();
                self.say(format_args!(
                    "FAILED OVER to the {server} server, {url}; {open} messages to send again"
                ));
                // Nobody listens any more if the run is over.
                drop(self.cue.send(Cue::FailedOver));
            }
            Some(_) => self.say(format_args!("connected again to the {server} server, {url}")),
            None => self.say(format_args!(
                "connected to the {server} server, {url}; sending {} messages",
                self.count
            )),
        }
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        self.send(sender);
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {
        let tag = delivery.tag();
        let id = tag.as_slice().iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
        self.record.settled.insert(id);
        let settled = self.record.settled.distinct();
        if settled.is_multiple_of(128) {
            self.timeline.progress(settled);
        }
        if self.is_done() {
            self.say(format_args!("all {settled} messages are settled; closing"));
            self.end(cx);
        }
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {
        self.say(format_args!("a message was rejected: {:?}", delivery.rejection()));
        self.end(cx);
    }

    fn on_transport_error(&mut self, _: &mut Context<'_>, _: &Connection, _: &Error) {
        // Told by `on_disconnected`, which comes next.
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, will_retry: bool) {
        let settled = self.record.settled.distinct();
        let then = if will_retry { "trying again" } else { "that was the last attempt" };
        self.say(format_args!("disconnected with {settled} messages settled: {error}; {then}"));
    }

    fn on_reconnecting(&mut self, _: &mut Context<'_>, _: &Connection, attempt: u32, delay: Duration) {
        let delay = if delay.is_zero() { "at once".into() } else { format!("after {delay:?}") };
        self.say(format_args!("reconnecting, attempt {attempt}, {delay}"));
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: TimerId, token: u64) {
        match token {
            DEADLINE_TIMER => {
                self.say(format_args!("giving up after {:?}", self.deadline));
                self.end(cx);
            }
            _ if self.interrupt.as_ref().is_some_and(Interrupt::has_come) => {
                self.say(format_args!("interrupted; closing"));
                self.end(cx);
            }
            _ => {
                if let Some(sender) = self.sender.clone() {
                    self.send(&sender);
                }
                cx.schedule(GLANCE, GLANCE_TIMER);
            }
        }
    }
}
