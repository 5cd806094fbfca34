//! Messages on their way: handing them over, and waiting for their outcomes.

use std::time::Instant;

use bytes::Bytes;
use deuteron::{Delivery, Encoded, Sender};

use super::flying::{Flying, Landed};
use super::source::Messages;
use super::tally::Tally;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::transaction::Batches;

/// The latency of one message in so many is measured.
const SAMPLE: u64 = 8;

/// Sends messages, so many at once, until there are no more, the time is over or Ctrl-C comes.
pub(crate) struct Flight<'a> {
    sender: &'a Sender,
    limit: usize,
    pace: Pace,
    progress: Progress,
    interrupt: &'a Interrupt,
    tally: &'a mut Tally,
    flying: Flying,
    batches: Option<Batches>,
}

impl<'a> Flight<'a> {
    pub(crate) fn new(
        sender: &'a Sender,
        limit: usize,
        pace: Pace,
        progress: Progress,
        interrupt: &'a Interrupt,
        tally: &'a mut Tally,
        batches: Option<Batches>,
    ) -> Self {
        Self { sender, limit, pace, progress, interrupt, tally, flying: Flying::default(), batches }
    }

    /// Sends what there is.
    pub(crate) async fn send_all(&mut self, messages: &mut Messages) -> Result<(), Failure> {
        while !self.is_over() {
            let Some(message) = self.next(messages).await? else { break };
            if let Some(due) = self.pace.due() {
                let (tally, progress) = (&mut *self.tally, &mut self.progress);
                self.flying.until(due, self.interrupt, |landed| count(tally, progress, landed)).await?;
            }
            if self.is_over() || !self.send(message).await? {
                break;
            }
        }
        // Sending what was asked for is the aim; without a number Ctrl-C is a way to end.
        if self.interrupt.has_come() && messages.is_bounded() { Err(Failure::interrupted()) } else { Ok(()) }
    }

    fn is_over(&self) -> bool {
        self.interrupt.has_come() || self.pace.is_over() || self.is_doomed()
    }

    /// Whether the transaction will be rolled back whatever comes.
    fn is_doomed(&self) -> bool {
        self.batches.is_some() && !self.tally.is_good()
    }

    /// The next message, if one comes before the end. The next line may be long in coming.
    async fn next(&mut self, messages: &mut Messages) -> Result<Option<Bytes>, Failure> {
        loop {
            tokio::select! {
                biased;
                message = messages.next() => return message,
                landed = self.flying.landed() => self.count(&landed?),
                () = self.pace.over() => return Ok(None),
                () = self.interrupt.come() => return Ok(None),
            }
            if self.is_doomed() {
                return Ok(None);
            }
        }
    }

    /// Sends one; false if it came to an end before that.
    async fn send(&mut self, message: Bytes) -> Result<bool, Failure> {
        while self.flying.len() >= self.limit {
            let landed = tokio::select! {
                biased;
                landed = self.flying.landed() => landed?,
                () = self.interrupt.come() => return Ok(false),
                () = self.pace.over() => return Ok(false),
            };
            self.count(&landed);
        }
        if self.is_doomed() {
            return Ok(false);
        }
        let size = message.len() as u64;
        let measured = self.tally.sent.is_multiple_of(SAMPLE);
        let sent = measured.then(Instant::now);
        let message = Encoded(message);
        let Some(delivery) = self.hand_over(&message).await? else { return Ok(false) };
        self.tally.sent += 1;
        self.tally.bytes += size;
        self.flying.push(delivery, sent);
        // Looking costs as much as sending: once in a while is enough.
        while measured && let Some(landed) = self.flying.known() {
            self.count(&landed);
        }
        if let Some(batches) = &mut self.batches {
            batches.add();
            if batches.is_full_with(0) {
                self.settle_all().await?;
                self.discharge().await?;
            }
        }
        Ok(true)
    }

    /// Hands a message over, in a transaction perhaps; `None` if the end comes before that.
    async fn hand_over(&mut self, message: &Encoded) -> Result<Option<Delivery>, Failure> {
        let transaction = match &mut self.batches {
            Some(batches) => Some(batches.begun().await?.clone()),
            None => None,
        };
        if transaction.is_none()
            && let Some(delivery) = self.sender.try_send(message)?
        {
            return Ok(Some(delivery));
        }
        let sent = async {
            match &transaction {
                Some(transaction) => transaction.transfer(self.sender, message).await,
                None => self.sender.transfer(message).await,
            }
        };
        tokio::select! {
            delivery = sent => Ok(Some(delivery?)),
            () = self.interrupt.come() => Ok(None),
            () = self.pace.over() => Ok(None),
        }
    }

    /// Ends the transaction: without an effect if one of its messages was not accepted.
    async fn discharge(&mut self) -> Result<(), Failure> {
        let Some(batches) = &mut self.batches else { return Ok(()) };
        let verdict = self.tally.verdict();
        let ended = if verdict.is_ok() { batches.discharge().await } else { batches.roll_back().await };
        (self.tally.committed, self.tally.rolled_back) = (batches.committed, batches.rolled_back);
        ended.and(verdict)
    }

    fn count(&mut self, landed: &Landed) {
        count(self.tally, &mut self.progress, landed);
    }

    /// Waits for the outcomes of all that were sent, and ends the transaction: one that was broken off has no effect.
    pub(crate) async fn land(&mut self, complete: bool) -> Result<(), Failure> {
        self.settle_all().await?;
        if complete && !self.interrupt.has_come() {
            return self.discharge().await;
        }
        let Some(batches) = &mut self.batches else { return Ok(()) };
        let ended = batches.roll_back().await;
        self.tally.rolled_back = batches.rolled_back;
        ended
    }

    async fn settle_all(&mut self) -> Result<(), Failure> {
        while !self.flying.is_empty() {
            let landed = self.flying.landed().await?;
            self.count(&landed);
        }
        Ok(())
    }

    /// Notes the time, and takes the bar away.
    pub(crate) fn finish(&mut self) {
        self.tally.time = self.pace.elapsed();
        self.progress.finish();
    }
}

fn count(tally: &mut Tally, progress: &mut Progress, landed: &Landed) {
    tally.land(landed);
    progress.advance(Some(&tally.latencies));
}
