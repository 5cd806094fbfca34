//! Messages whose outcomes have not come, in the order in which they were sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use deuteron::{Delivery, Error, Outcome};

use crate::interrupt::Interrupt;
use crate::pace::over;

/// An outcome, and how long it took, if that was measured and means something.
pub(crate) type Landed = (Outcome, Option<Duration>);

/// Messages on their way.
#[derive(Debug, Default)]
pub(crate) struct Flying {
    /// With the time of sending, for those that are measured.
    queue: VecDeque<(Delivery, Option<Instant>)>,
}

impl Flying {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn push(&mut self, delivery: Delivery, sent: Option<Instant>) {
        self.queue.push_back((delivery, sent));
    }

    /// The outcome of the oldest message, if it is known already.
    pub(crate) fn known(&mut self) -> Option<Landed> {
        let outcome = self.queue.front()?.0.known_outcome()?;
        Some(self.pop(outcome))
    }

    /// Waits for the outcome of the oldest message; for ever if there is none. Cancel safe.
    pub(crate) async fn landed(&mut self) -> Result<Landed, Error> {
        let outcome = match self.queue.front() {
            Some((delivery, _)) => delivery.outcome().await?,
            None => std::future::pending().await,
        };
        Ok(self.pop(outcome))
    }

    /// Waits until `due`, or for Ctrl-C. Outcomes that come meanwhile are handed over. Cancel safe.
    pub(crate) async fn until(
        &mut self,
        due: Instant,
        interrupt: &Interrupt,
        mut count: impl FnMut(&Landed),
    ) -> Result<(), Error> {
        loop {
            tokio::select! {
                biased;
                landed = self.landed() => count(&landed?),
                () = over(Some(due)) => return Ok(()),
                () = interrupt.come() => return Ok(()),
            }
        }
    }

    fn pop(&mut self, outcome: Outcome) -> Landed {
        let sent = self.queue.pop_front().and_then(|(_, sent)| sent);
        // What was sent settled has no latency that could be seen.
        let time = sent.filter(|_| outcome != Outcome::Settled).map(|sent| sent.elapsed());
        (outcome, time)
    }
}
