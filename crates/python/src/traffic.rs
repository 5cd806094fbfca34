//! What is under way on a link.

use std::collections::VecDeque;

use pyo3::prelude::*;

use crate::delivery::Delivery;
use crate::link::LinkCore;
use crate::names::lock;

/// The messages of a link that the program is busy with.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Made or arrived, and not advanced past: the first is the current one.
    pub(crate) waiting: VecDeque<Py<Delivery>>,
    /// Advanced past, and not handed to the engine: the end of the turn does that.
    pub(crate) outbox: u32,
    /// A receiver's credit that the peer has not used.
    pub(crate) granted: u32,
    pub(crate) drained: u32,
    pub(crate) unsettled: u32,
    /// The number of the last tag that was made here.
    pub(crate) tags: u64,
    pub(crate) local_detached: bool,
    pub(crate) pre_settled: bool,
}

impl LinkCore {
    pub(crate) fn is_current(&self, delivery: &Bound<'_, Delivery>) -> bool {
        self.traffic().waiting.front().is_some_and(|first| first.is(delivery))
    }

    pub(crate) fn credit_now(&self) -> i64 {
        let traffic = self.traffic();
        if !self.sender {
            return i64::from(traffic.granted) + traffic.waiting.len() as i64;
        }
        let mut engine = lock(&self.engine);
        let credit = engine.link(self.id).map_or(0, |link| link.credit());
        // A message counts when it is whole, although the first part of it has taken a credit.
        let begun = traffic.waiting.iter().any(|writing| writing.get().is_begun(&mut engine));
        credit - i64::from(traffic.outbox) + i64::from(begun)
    }

    /// How many messages are written, and wait to be sent.
    pub(crate) fn outgoing_now(&self) -> usize {
        let traffic = self.traffic();
        let mut engine = lock(&self.engine);
        let queued = engine.link(self.id).map_or(0, |link| link.queued());
        let written = traffic.waiting.iter().filter(|writing| writing.get().is_known()).count();
        traffic.outbox as usize + queued.saturating_sub(written)
    }

    /// Gives the peer credit for so many more messages.
    pub(crate) fn give_credit(slf: &Bound<'_, Self>, count: u32) {
        let this = slf.get();
        if let Some(mut link) = lock(&this.engine).link(this.id) {
            link.add_credit(count);
        }
        this.traffic().granted += count;
        this.connection.get().modified(slf.py());
    }

    /// How much credit was given back since the last call.
    pub(crate) fn take_drained(&self) -> i64 {
        i64::from(std::mem::take(&mut self.traffic().drained))
    }

    pub(crate) fn settled_one(&self) {
        let mut traffic = self.traffic();
        traffic.unsettled = traffic.unsettled.saturating_sub(1);
    }

    /// A message has begun to arrive.
    pub(crate) fn arrived(&self, delivery: &Bound<'_, Delivery>) {
        let mut traffic = self.traffic();
        traffic.waiting.push_back(delivery.clone().unbind());
        traffic.granted = traffic.granted.saturating_sub(1);
        traffic.unsettled += 1;
    }

    /// One of the outbox has been handed to the engine.
    pub(crate) fn sent_one(&self) {
        let mut traffic = self.traffic();
        traffic.outbox = traffic.outbox.saturating_sub(1);
    }

    /// The peer has used up the credit that it was asked to use up.
    pub(crate) fn credit_drained(&self) {
        let mut traffic = self.traffic();
        traffic.drained += std::mem::take(&mut traffic.granted);
    }

    /// The wire is gone, and the credit with it.
    pub(crate) fn unbound(&self) {
        self.traffic().granted = 0;
    }

    pub(crate) fn give_up(&self, delivery: &Bound<'_, Delivery>) {
        self.traffic().waiting.retain(|waiting| !waiting.is(delivery));
    }
}
