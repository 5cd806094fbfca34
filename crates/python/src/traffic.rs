//! What is under way on a link.

use std::collections::VecDeque;

use deuteron_codec::SenderSettleMode;
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
    /// The peer was asked to give credit back, and has not done so yet.
    pub(crate) drain_asked: bool,
    pub(crate) unsettled: u32,
    /// How many deliveries there have been.
    made: u64,
    /// The number of the last tag that was made here.
    pub(crate) tags: u64,
    pub(crate) local_detached: bool,
    pub(crate) pre_settled: bool,
}

impl Traffic {
    /// There is another delivery.
    pub(crate) fn count(&mut self, delivery: &Delivery) {
        self.unsettled += 1;
        self.made += 1;
        delivery.progress().number = self.made;
    }

    /// How many of the messages that are written have begun to leave, or to wait for it.
    fn known(&self) -> usize {
        self.waiting.iter().filter(|writing| writing.get().is_known()).count()
    }
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
        // A message counts when it is whole, although the engine knows of it with the first part.
        credit - i64::from(traffic.outbox) + traffic.known() as i64
    }

    /// How many messages are written, and wait to be sent.
    pub(crate) fn outgoing_now(&self) -> usize {
        let traffic = self.traffic();
        let queued = lock(&self.engine).link(self.id).map_or(0, |link| link.queued());
        traffic.outbox as usize + queued.saturating_sub(traffic.known())
    }

    /// Gives the peer credit for so many more messages.
    pub(crate) fn give_credit(slf: &Bound<'_, Self>, count: u32) {
        let this = slf.get();
        if let Some(mut link) = lock(&this.engine).link(this.id) {
            link.end_drain();
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
        traffic.count(delivery.get());
    }

    /// Its deliveries that we have not settled, the oldest first.
    pub(crate) fn unsettled_now<'py>(slf: &Bound<'py, Self>) -> Vec<Bound<'py, Delivery>> {
        let (py, this) = (slf.py(), slf.get());
        let mut found = this.connection.get().deliveries_of(slf);
        found.extend(this.traffic().waiting.iter().map(|waiting| waiting.bind(py).clone()));
        let mut numbered: Vec<_> = found
            .into_iter()
            .filter_map(|delivery| {
                let number = {
                    let progress = delivery.get().progress();
                    (!progress.locally_settled).then_some(progress.number)
                };
                number.map(|number| (number, delivery))
            })
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.dedup_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Whether the peer sends only what it has settled.
    pub(crate) fn is_peer_settled(&self) -> bool {
        let mut engine = lock(&self.engine);
        let link = engine.link(self.id);
        link.is_some_and(|link| {
            link.remote_attach().is_some_and(|attach| attach.snd_settle_mode == SenderSettleMode::Settled)
        })
    }

    pub(crate) fn has_unsettled(&self) -> bool {
        self.traffic().unsettled > 0
    }

    /// One of the outbox has been handed to the engine.
    pub(crate) fn sent_one(&self) {
        let mut traffic = self.traffic();
        traffic.outbox = traffic.outbox.saturating_sub(1);
    }

    /// The peer may have given credit back: whether it has.
    pub(crate) fn credit_drained(&self) -> bool {
        if self.sender {
            return false;
        }
        let mut traffic = self.traffic();
        let left = lock(&self.engine).link(self.id).map_or(0, |link| link.credit().max(0)) as u32;
        // The engine counts a message when it is whole.
        let partial = traffic.waiting.back().is_some_and(|last| {
            let progress = last.get().progress();
            !progress.complete && !progress.aborted
        });
        let left = left.saturating_sub(u32::from(partial));
        let returned = traffic.granted.saturating_sub(left);
        // What nobody asked for is gone, and no answer: RabbitMQ 3.10 counts messages that it has yet to send.
        if returned > 0 && std::mem::take(&mut traffic.drain_asked) {
            traffic.drained += returned;
        }
        traffic.granted -= returned;
        returned > 0
    }

    /// The wire goes, and the credit with it. What has come of messages can still be read.
    pub(crate) fn unbound(&self) {
        let mut traffic = self.traffic();
        traffic.granted = 0;
        if !self.sender {
            let mut engine = lock(&self.engine);
            for delivery in &traffic.waiting {
                delivery.get().progress().fetch(&mut engine, usize::MAX);
            }
        }
    }

    pub(crate) fn give_up(&self, delivery: &Bound<'_, Delivery>) {
        self.traffic().waiting.retain(|waiting| !waiting.is(delivery));
    }
}
