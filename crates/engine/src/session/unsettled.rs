//! From the wire's delivery-id to the delivery. Delivery-ids of a session and direction are sequential (2.6.12), so a
//! ring indexed by the distance from its oldest entry replaces a map, and a ranged disposition is a walk along it.

use std::collections::VecDeque;

use crate::id::DeliveryId;
use crate::serial::Serial;

#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    base: Serial,
    started: bool,
    ring: VecDeque<Option<DeliveryId>>,
}

impl Unsettled {
    pub(crate) fn starting_at(base: Serial) -> Self {
        Self { base, started: true, ring: VecDeque::new() }
    }

    /// The number after the last one pushed.
    #[inline]
    pub(crate) fn next(&self) -> Serial {
        self.base.add(self.ring.len() as u32)
    }

    /// Whether the first number is known; the peer chooses its own.
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// The first number, if none is known yet.
    #[inline]
    pub(crate) fn start_at(&mut self, number: Serial) {
        if !self.started {
            self.started = true;
            self.base = number;
        }
    }

    /// Takes the numbers before `next` without deliveries.
    pub(crate) fn skip_to(&mut self, next: Serial) {
        self.start_at(next);
        while self.next().is_before(next) && self.ring.len() < 1 << 20 {
            self.ring.push_back(None);
        }
        self.trim();
    }

    /// The oldest number that is not settled.
    pub(crate) fn base(&self) -> Serial {
        self.base
    }

    /// Takes the next number.
    #[inline]
    pub(crate) fn push(&mut self, id: DeliveryId) -> Serial {
        let number = self.next();
        self.ring.push_back(Some(id));
        number
    }

    pub(crate) fn span(&self) -> usize {
        self.ring.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Serial, DeliveryId)> {
        self.ring
            .iter()
            .enumerate()
            .filter_map(|(offset, slot)| slot.map(|id| (self.base.add(offset as u32), id)))
    }

    /// Settled: the number is free again once all older ones are.
    #[inline]
    pub(crate) fn remove(&mut self, number: Serial) -> Option<DeliveryId> {
        let offset = usize::try_from(number.distance(self.base)).ok()?;
        let id = self.ring.get_mut(offset)?.take();
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.base = self.base.add(1);
        }
        id
    }

    /// The part of `first..=last` that is here, as offsets for [`at`](Self::at).
    #[inline]
    pub(crate) fn range(&self, first: Serial, last: Serial) -> std::ops::Range<usize> {
        let start = first.distance(self.base).max(0) as usize;
        let end = (i64::from(last.distance(self.base)) + 1).max(0) as usize;
        start..end.min(self.ring.len())
    }

    #[inline]
    pub(crate) fn at(&self, offset: usize) -> Option<DeliveryId> {
        self.ring.get(offset).copied().flatten()
    }

    /// Frees the slots of `range` without moving others; [`trim`](Self::trim) follows.
    #[inline]
    pub(crate) fn clear_at(&mut self, offset: usize) {
        if let Some(slot) = self.ring.get_mut(offset) {
            *slot = None;
        }
    }

    #[inline]
    pub(crate) fn trim(&mut self) {
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.base = self.base.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> DeliveryId {
        DeliveryId { index, generation: 0 }
    }

    #[test]
    fn numbers_are_handed_out_in_order_and_wrap() {
        let mut ring = Unsettled::starting_at(Serial(u32::MAX));
        assert_eq!(ring.push(id(1)), Serial(u32::MAX));
        assert_eq!(ring.push(id(2)), Serial(0));
        assert_eq!(ring.range(Serial(u32::MAX), Serial(5)), 0..2);
        assert_eq!(ring.remove(Serial(0)), Some(id(2)));
        assert_eq!(ring.base(), Serial(u32::MAX));
        assert_eq!(ring.remove(Serial(u32::MAX)), Some(id(1)));
        assert_eq!(ring.base(), Serial(1));
        assert_eq!(ring.span(), 0);
    }

    #[test]
    fn ranges_are_cut_to_what_is_here() {
        let mut ring = Unsettled::starting_at(Serial(10));
        for n in 0..5 {
            ring.push(id(n));
        }
        assert_eq!(ring.range(Serial(0), Serial(12)), 0..3);
        assert_eq!(ring.range(Serial(13), Serial(99)), 3..5);
        assert!(ring.range(Serial(0), Serial(9)).is_empty());
        assert!(ring.range(Serial(15), Serial(20)).is_empty());
        assert_eq!(ring.remove(Serial(9)), None);
        assert_eq!(ring.remove(Serial(15)), None);
    }
}
