//! Senders and receivers of a measurement.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use deuteron::codec::MessageIdRef;
use deuteron::{Body, Connection, Delivery, Encoded, Message, Receiver, Sender};
use tokio::sync::{Notify, watch};

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::latency::Latencies;
use crate::pace::Pace;
use crate::send::flying::Flying;
use crate::send::tally::Tally;

/// One message in so many tells when it was sent, unless all do.
const SAMPLE: u64 = 16;
/// A receiver tells how far it is this often, and when nothing more is there.
const BATCH: u64 = 64;

/// What all senders and receivers of a measurement share.
pub(super) struct Course {
    start: Instant,
    body: Bytes,
    /// The same message for all that need not tell when they were sent.
    plain: Bytes,
    limit: usize,
    /// Every message tells when it was sent.
    every: bool,
    sent: AtomicU64,
    received: AtomicU64,
    expected: AtomicU64,
    complete: Notify,
    last: Mutex<Option<Instant>>,
    over: watch::Sender<bool>,
}

impl Course {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, Failure> {
        let size = usize::try_from(args.size)
            .ok()
            .filter(|size| *size <= isize::MAX as usize)
            .ok_or_else(|| Failure::usage("--size is more than memory can hold"))?;
        let body = Bytes::from(vec![b'x'; size]);
        Ok(Self {
            start: Instant::now(),
            plain: Message::new(body.clone()).to_bytes(),
            body,
            limit: if args.latency { 1 } else { args.credit as usize },
            every: args.latency,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            expected: AtomicU64::new(u64::MAX),
            complete: Notify::new(),
            last: Mutex::new(None),
            over: watch::Sender::new(false),
        })
    }

    /// A message that tells in its id when it was sent, in nanoseconds since the start.
    fn stamped(&self) -> Bytes {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Message { body: Body::Data(vec![self.body.clone()]), ..Message::default() }.with_id(nanos).to_bytes()
    }

    /// How many have been received, or sent if nobody receives.
    pub(super) fn progress(&self) -> u64 {
        match self.received() {
            0 => self.sent.load(Ordering::Relaxed),
            received => received,
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// So many will come.
    pub(super) fn expect(&self, messages: u64) {
        self.expected.store(messages, Ordering::Release);
    }

    /// Waits until as many have come, perhaps in vain if they had before.
    pub(super) async fn complete(&self) {
        self.complete.notified().await;
    }

    fn count(&self, messages: u64) {
        if messages == 0 {
            return;
        }
        let received = self.received.fetch_add(messages, Ordering::AcqRel) + messages;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if received >= self.expected.load(Ordering::Acquire) {
            self.complete.notify_one();
        }
    }

    /// When a message came last.
    pub(super) fn last_received(&self) -> Option<Instant> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receivers shall stop.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }
}

/// What senders have done.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) tally: Tally,
}

impl Sent {
    pub(super) fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
    }
}

/// Sends until the quota is used up, the time is over or Ctrl-C comes, and waits for all outcomes.
pub(super) async fn send(
    course: Arc<Course>,
    sender: Sender,
    quota: Option<u64>,
    mut pace: Pace,
    interrupt: Interrupt,
) -> Result<Sent, Failure> {
    let mut sending = Sending {
        course: &course,
        sender: &sender,
        interrupt: &interrupt,
        flying: Flying::default(),
        sent: Sent::default(),
    };
    while quota.is_none_or(|quota| sending.sent.tally.sent < quota)
        && !interrupt.has_come()
        && !pace.is_over()
    {
        if let Some(due) = pace.due() {
            sending.flying.until(due, &interrupt, |landed| sending.sent.tally.land(landed)).await?;
        }
        if !sending.send(&pace).await? {
            break;
        }
    }
    while !sending.flying.is_empty() {
        let landed = sending.flying.landed().await?;
        sending.sent.tally.land(&landed);
    }
    Ok(sending.sent)
}

struct Sending<'a> {
    course: &'a Course,
    sender: &'a Sender,
    interrupt: &'a Interrupt,
    flying: Flying,
    sent: Sent,
}

impl Sending<'_> {
    /// Sends one message; false if the end comes before that.
    async fn send(&mut self, pace: &Pace) -> Result<bool, Failure> {
        while self.flying.len() >= self.course.limit {
            let landed = self.flying.landed().await?;
            self.sent.tally.land(&landed);
        }
        let stamps = self.course.every || self.sent.tally.sent.is_multiple_of(SAMPLE);
        let at = stamps.then(Instant::now);
        let message = Encoded(if stamps { self.course.stamped() } else { self.course.plain.clone() });
        let delivery = match self.sender.try_send(&message)? {
            Some(delivery) => delivery,
            None => tokio::select! {
                delivery = self.sender.transfer(&message) => delivery?,
                () = self.interrupt.come() => return Ok(false),
                () = pace.over() => return Ok(false),
            },
        };
        self.sent.tally.sent += 1;
        self.sent.tally.bytes += self.course.body.len() as u64;
        if self.sent.tally.sent.is_multiple_of(BATCH) {
            self.course.sent.fetch_add(BATCH, Ordering::Relaxed);
        }
        self.flying.push(delivery, at);
        // Looking costs as much as sending: once in a while is enough.
        while stamps && let Some(landed) = self.flying.known() {
            self.sent.tally.land(&landed);
        }
        Ok(true)
    }
}

/// What receivers have done.
pub(super) struct Received {
    pub(super) count: u64,
    pub(super) latencies: Latencies,
}

impl Default for Received {
    fn default() -> Self {
        Self { count: 0, latencies: Latencies::new() }
    }
}

impl Received {
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.latencies.merge(&other.latencies);
    }
}

/// Receives until the measurement is over.
pub(super) async fn receive(
    course: Arc<Course>,
    (connection, receiver): (Connection, Receiver),
) -> Result<Received, Failure> {
    let mut over = course.over.subscribe();
    let mut received = Received::default();
    let mut told = 0;
    loop {
        let delivery = match receiver.try_recv()? {
            Some(delivery) => delivery,
            None => {
                course.count(received.count - told);
                told = received.count;
                tokio::select! {
                    biased;
                    delivery = receiver.recv() => delivery?,
                    _ = over.wait_for(|over| *over) => break,
                }
            }
        };
        if let Some(nanos) = stamp(&delivery) {
            let now = u64::try_from(course.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            received.latencies.add(std::time::Duration::from_nanos(now.saturating_sub(nanos)));
        }
        delivery.accept()?;
        received.count += 1;
        if received.count - told >= BATCH {
            course.count(received.count - told);
            told = received.count;
        }
    }
    if connection.is_outgoing() {
        connection.close().await?;
    }
    Ok(received)
}

/// When it was sent, if it tells.
fn stamp(delivery: &Delivery) -> Option<u64> {
    match delivery.view().ok()?.properties().ok()?.message_id? {
        MessageIdRef::Ulong(nanos) => Some(nanos),
        _ => None,
    }
}
