//! The loop of a receiver: credit, messages, outcomes.

use std::time::{Duration, Instant};

use deuteron::codec::Modified;
use deuteron::{AmqpError, Delivery, DeliveryState, Receiver, condition};

use super::output::{Output, Written};
use super::{Plan, Tally};
use crate::args::AckMode;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pace::{Pace, over};
use crate::progress::Progress;
use crate::summary::counted;
use crate::transaction::Batches;

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
    batches: Option<Batches>,
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
        Self {
            receiver,
            plan,
            output,
            interrupt,
            pace,
            progress,
            tally,
            written,
            allowed: 0,
            taken: 0,
            batches: None,
        }
    }

    /// Settles messages in transactions.
    pub(super) fn in_batches(mut self, batches: Option<Batches>) -> Self {
        self.batches = batches;
        self
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
            self.begin().await?;
            match self.next().await? {
                Ok(delivery) => {
                    if let Err(end) = self.take(delivery).await? {
                        break end;
                    }
                }
                Err(end) => break end,
            }
        };
        self.verdict(end).await
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
                self.begin().await?;
                tokio::select! {
                    biased;
                    next = self.next() => match next? {
                        Ok(delivery) => if let Err(end) = self.take(delivery).await? {
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
            let end = match end {
                Some(end) => Some(end),
                None => self.take_rest().await?,
            };
            if let Some(end) = end {
                break end;
            }
            if self.taken - before < round {
                break End::Enough;
            }
        };
        // All that was there is enough, whatever number was asked for at most.
        self.verdict(end).await
    }

    /// Takes the messages that came before the answer to the drain.
    async fn take_rest(&mut self) -> Result<Option<End>, Failure> {
        while let Some(delivery) = self.receiver.try_recv()? {
            if let Err(end) = self.take(delivery).await? {
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
    async fn take(&mut self, delivery: Delivery) -> Result<Result<(), End>, Failure> {
        // A batch that is full is ended before anything else happens.
        self.begin().await?;
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
        let full =
            self.batches.as_ref().is_some_and(|batches| batches.is_full_with(self.written.len() as u64));
        if full {
            if self.flush()? == Written::ReaderGone {
                return Ok(Err(End::ReaderGone));
            }
            self.discharge().await?;
        }
        Ok(if self.pace.is_over() { Err(End::TimeOver) } else { Ok(()) })
    }

    /// Declares a transaction, if one is wanted and there is none.
    async fn begin(&mut self) -> Result<(), Failure> {
        if let Some(batches) = &mut self.batches {
            batches.begun().await?;
        }
        Ok(())
    }

    /// Ends the transaction, if there is one.
    async fn discharge(&mut self) -> Result<(), Failure> {
        let Some(batches) = &mut self.batches else { return Ok(()) };
        let ended = batches.discharge().await;
        (self.tally.committed, self.tally.rolled_back) = (batches.committed, batches.rolled_back);
        ended
    }

    /// Hands over what was written, and settles it.
    fn flush(&mut self) -> Result<Written, Failure> {
        if self.written.is_empty() {
            return Ok(Written::Out);
        }
        let written = self.output.flush()?;
        for delivery in std::mem::take(&mut self.written) {
            let ack = if written == Written::ReaderGone { AckMode::Release } else { self.plan.ack };
            if let Some(batches) = self.batches.as_mut()
                && let Some(transaction) = batches.open()
            {
                transaction.settle_with(&delivery, state(ack))?;
                batches.add();
                continue;
            }
            let result = delivery.settle_with(state(ack));
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

    async fn verdict(&mut self, end: End) -> Result<(), Failure> {
        self.flush()?;
        self.discharge().await?;
        let missing = self.plan.count.filter(|count| self.taken < *count && !self.plan.until_empty);
        match (end, missing) {
            (End::Interrupted, Some(_)) => Err(Failure::interrupted()),
            (End::Idle | End::TimeOver, Some(count)) => {
                Err(Failure::timeout(format!("{} of {} came in time", self.taken, counted(count, "message"))))
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

/// What is said of a message.
fn state(ack: AckMode) -> DeliveryState {
    let modified = |undeliverable_here| {
        let modified = Modified { delivery_failed: true, undeliverable_here, ..Modified::default() };
        DeliveryState::Modified(Box::new(modified))
    };
    match ack {
        AckMode::Accept => DeliveryState::Accepted,
        AckMode::Reject => DeliveryState::Rejected(None),
        AckMode::Release => DeliveryState::Released,
        AckMode::Modify => modified(false),
        AckMode::ModifyUndeliverable => modified(true),
    }
}
