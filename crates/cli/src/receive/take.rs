//! The loop of a receiver: credit, messages, outcomes.

use std::time::{Duration, Instant};

use deuteron::{AmqpError, Delivery, Receiver, condition};

use super::output::{Output, Written};
use super::{Plan, Tally};
use crate::args::AckMode;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pace::{Pace, over};
use crate::progress::Progress;

/// How often a receiver whose connection may come back looks whether it has: its credit went with the old one.
const LOOK: Duration = Duration::from_millis(200);

/// Why the loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Enough,
    Interrupted,
    TimeOver,
    Idle,
    /// Nobody reads what we print.
    ReaderGone,
}

pub(super) struct Taking<'a> {
    receiver: &'a Receiver,
    plan: Plan,
    output: &'a mut Output,
    interrupt: &'a Interrupt,
    pace: Pace,
    progress: &'a mut Progress,
    tally: &'a mut Tally,
    /// Written, but not yet seen by whoever reads standard output, and so without an outcome.
    written: Vec<Delivery>,
    /// Messages that the peer was allowed to send, with credit given by hand.
    allowed: u64,
    taken: u64,
}

impl<'a> Taking<'a> {
    pub(super) fn new(
        receiver: &'a Receiver,
        plan: Plan,
        output: &'a mut Output,
        interrupt: &'a Interrupt,
        pace: Pace,
        progress: &'a mut Progress,
        tally: &'a mut Tally,
    ) -> Self {
        let written = Vec::new();
        Self { receiver, plan, output, interrupt, pace, progress, tally, written, allowed: 0, taken: 0 }
    }

    /// Messages are released whatever the arguments say.
    pub(super) fn put_back(&mut self) {
        self.plan.ack = AckMode::Release;
    }

    /// Receives as many messages as are wanted, or until something else ends it.
    pub(super) async fn until_enough(&mut self) -> Result<(), Failure> {
        let end = loop {
            if self.plan.count.is_some_and(|count| self.taken >= count) {
                break End::Enough;
            }
            self.give_credit();
            match self.next().await? {
                Ok(delivery) => {
                    if let Err(end) = self.take(delivery)? {
                        break end;
                    }
                }
                Err(end) => break end,
            }
        };
        self.verdict(end)
    }

    /// Receives what is there, in rounds of credit that the peer uses up or gives back.
    pub(super) async fn until_empty(&mut self) -> Result<(), Failure> {
        let end = loop {
            let left = self.plan.count.map_or(u64::MAX, |count| count - self.taken);
            let round = left.min(self.plan.credit.into());
            if round == 0 {
                break End::Enough;
            }
            let before = self.taken;
            self.receiver.add_credit(u32::try_from(round).unwrap_or(u32::MAX));
            let mut drained = self.receiver.drain();
            let end = loop {
                tokio::select! {
                    biased;
                    next = self.next() => match next? {
                        Ok(delivery) => if let Err(end) = self.take(delivery)? {
                            break Some(end);
                        },
                        Err(end) => break Some(end),
                    },
                    answered = &mut drained => {
                        answered?;
                        break None;
                    }
                }
            };
            if let Some(end) = end.or(self.take_rest()?) {
                break end;
            }
            if self.taken - before < round {
                break End::Enough;
            }
        };
        // All that was there is enough, whatever number was asked for at most.
        self.verdict(end)
    }

    /// Takes the messages that came before the answer to the drain.
    fn take_rest(&mut self) -> Result<Option<End>, Failure> {
        while let Some(delivery) = self.receiver.try_recv()? {
            if let Err(end) = self.take(delivery)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Keeps the peer supplied with credit, and never with more than there are messages wanted.
    fn give_credit(&mut self) {
        let Some(count) = self.plan.count else { return };
        let ahead = u64::from(self.plan.credit);
        let outstanding = self.allowed - self.taken;
        if outstanding <= ahead / 2 {
            let credit = (ahead - outstanding).min(count - self.allowed);
            if credit > 0 {
                self.receiver.add_credit(u32::try_from(credit).unwrap_or(u32::MAX));
                self.allowed += credit;
            }
        }
    }

    /// Credit that was given by hand is gone with its connection; gives it again on the next one.
    fn restore_credit(&mut self) {
        if self.plan.count.is_none() || self.plan.until_empty || !self.receiver.is_open() {
            return;
        }
        let there = u64::from(self.receiver.credit()) + self.receiver.queued() as u64;
        self.allowed = self.allowed.min(self.taken + there);
        self.give_credit();
    }

    /// The next message, or why there is none.
    async fn next(&mut self) -> Result<Result<Delivery, End>, Failure> {
        if self.interrupt.has_come() {
            return Ok(Err(End::Interrupted));
        }
        if let Some(delivery) = self.receiver.try_recv()? {
            return Ok(Ok(delivery));
        }
        if self.flush()? == Written::ReaderGone {
            return Ok(Err(End::ReaderGone));
        }
        let idle = self.plan.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let receiver = self.receiver;
        loop {
            tokio::select! {
                biased;
                delivery = receiver.recv() => return Ok(Ok(delivery?)),
                () = self.interrupt.come() => return Ok(Err(End::Interrupted)),
                () = self.pace.over() => return Ok(Err(End::TimeOver)),
                () = over(idle) => return Ok(Err(End::Idle)),
                () = tokio::time::sleep(LOOK), if self.plan.reconnects => self.restore_credit(),
            }
        }
    }

    /// Writes a message, and settles it once it is out.
    fn take(&mut self, delivery: Delivery) -> Result<Result<(), End>, Failure> {
        self.taken += 1;
        match self.output.write(&delivery) {
            Ok(()) => {
                self.tally.received += 1;
                self.tally.bytes += delivery.payload().len() as u64;
                self.written.push(delivery);
            }
            Err(failure) if failure.is_unreadable() => {
                eprintln!("deuteron: what came is no message: {failure}");
                self.tally.unreadable += 1;
                let error = AmqpError::new(condition::DECODE_ERROR, failure.to_string());
                self.settled(delivery.reject(Some(error)))?;
            }
            Err(failure) => return Err(failure.into()),
        }
        self.progress.set(self.tally.received, None);
        // The peer waits for outcomes before it sends more than the credit.
        let many = self.written.len() as u64 * 2 >= u64::from(self.plan.credit);
        if (many || self.output.is_full() || self.pace.is_over()) && self.flush()? == Written::ReaderGone {
            return Ok(Err(End::ReaderGone));
        }
        Ok(if self.pace.is_over() { Err(End::TimeOver) } else { Ok(()) })
    }

    /// Hands over what was written, and settles it.
    fn flush(&mut self) -> Result<Written, Failure> {
        if self.written.is_empty() {
            return Ok(Written::Out);
        }
        let written = self.output.flush()?;
        for delivery in std::mem::take(&mut self.written) {
            let result = match (written, self.plan.ack) {
                (Written::ReaderGone, _) | (_, AckMode::Release) => delivery.release(),
                (_, AckMode::Accept) => delivery.accept(),
                (_, AckMode::Reject) => delivery.reject(None),
                (_, AckMode::Modify) => delivery.modify(true, false, None),
                (_, AckMode::ModifyUndeliverable) => delivery.modify(true, true, None),
            };
            self.settled(result)?;
        }
        Ok(written)
    }

    /// A message whose connection is gone comes again on the next one.
    fn settled(&self, result: Result<(), deuteron::Error>) -> Result<(), Failure> {
        match result {
            Err(error) if self.plan.reconnects && !self.receiver.is_closed() => {
                tracing::info!(%error, "a message could not be acknowledged");
                Ok(())
            }
            result => Ok(result?),
        }
    }

    fn verdict(&mut self, end: End) -> Result<(), Failure> {
        self.flush()?;
        let missing = self.plan.count.filter(|count| self.taken < *count && !self.plan.until_empty);
        match (end, missing) {
            (End::Interrupted, Some(_)) => Err(Failure::interrupted()),
            (End::Idle | End::TimeOver, Some(count)) => {
                Err(Failure::timeout(format!("{} of {count} messages came in time", self.taken)))
            }
            _ => Ok(()),
        }
    }

    /// Gives back what was sent ahead and not looked at.
    pub(super) fn finish(&mut self) {
        self.written.clear();
        while let Ok(Some(delivery)) = self.receiver.try_recv() {
            // The link ends, which gives it back as well.
            drop(delivery.release());
        }
    }
}
