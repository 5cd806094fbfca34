//! Which messages came, and what follows from it.

use std::fmt;

use crate::failure::Failure;

/// A set of message ids, 0 to a limit, that counts what was put in twice.
#[derive(Debug)]
pub(crate) struct Ids {
    words: Vec<u64>,
    distinct: u64,
    repeated: u64,
}

impl Ids {
    pub(crate) fn new(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: vec![0; words], distinct: 0, repeated: 0 }
    }

    /// Puts an id in. False if the limit does not allow it.
    pub(crate) fn insert(&mut self, id: u64) -> bool {
        let word = usize::try_from(id / 64).ok().and_then(|word| self.words.get_mut(word));
        let Some(word) = word else { return false };
        let bit = 1 << (id % 64);
        if *word & bit == 0 {
            self.distinct += 1;
        } else {
            self.repeated += 1;
        }
        *word |= bit;
        true
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        let word = usize::try_from(id / 64).ok().and_then(|word| self.words.get(word));
        word.is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// How many different ids are in it.
    pub(crate) fn distinct(&self) -> u64 {
        self.distinct
    }

    /// How often an id was put in again.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }
}

/// The last line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many were to be sent.
    count: u64,
    sent: u64,
    settled: u64,
    received: u64,
    lost: u64,
    duplicated: u64,
    failovers: u32,
}

impl Report {
    /// Compares what both sides have recorded. The client has sent the ids below `sent`.
    pub(crate) fn new(count: u64, sent: u64, settled: &Ids, received: &Ids, failovers: u32) -> Self {
        let lost = (0..sent).filter(|id| !(settled.contains(*id) && received.contains(*id))).count();
        Self {
            count,
            sent,
            settled: settled.distinct(),
            received: received.distinct(),
            lost: lost as u64,
            duplicated: received.repeated(),
            failovers,
        }
    }

    /// Whether the demonstration has shown what it was to show.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        if self.lost > 0 {
            return Err(Failure::new(format!("{} messages were lost, or never acknowledged", self.lost)));
        }
        if self.sent < self.count {
            return Err(Failure::new(format!("it ended after {} of {} messages", self.sent, self.count)));
        }
        if self.failovers == 0 {
            return Err(Failure::new("nothing was lost, but there was no failover"));
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, settled, received, lost, duplicated, failovers, .. } = self;
        write!(
            f,
            "demo: sent={sent} settled={settled} received={received} lost={lost} duplicated={duplicated} \
             failovers={failovers}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u64, members: impl IntoIterator<Item = u64>) -> Ids {
        let mut ids = Ids::new(count);
        for id in members {
            assert!(ids.insert(id));
        }
        ids
    }

    #[test]
    fn what_one_side_alone_knows_is_lost() {
        let report = Report::new(100, 100, &ids(100, 0..100), &ids(100, (0..100).chain([3, 4])), 1);
        assert_eq!(
            report.to_string(),
            "demo: sent=100 settled=100 received=100 lost=0 duplicated=2 failovers=1"
        );
        assert!(report.verdict().is_ok());
        let report = Report::new(100, 100, &ids(100, 1..100), &ids(100, 0..99), 1);
        assert_eq!(
            report.to_string(),
            "demo: sent=100 settled=99 received=99 lost=2 duplicated=0 failovers=1"
        );
        assert!(report.verdict().is_err());
    }

    #[test]
    fn without_a_failover_or_before_the_end_nothing_was_shown() {
        assert!(Report::new(3, 2, &ids(2, 0..2), &ids(2, 0..2), 1).verdict().is_err());
        assert!(Report::new(2, 2, &ids(2, 0..2), &ids(2, 0..2), 0).verdict().is_err());
    }

    #[test]
    fn an_id_beyond_the_limit_is_not_taken() {
        let mut ids = Ids::new(64);
        assert!(ids.insert(63) && !ids.insert(64));
        assert!(ids.contains(63) && !ids.contains(64));
    }
}
