//! Messages in the order in which they are due: a lane for each priority, and within it as they came.

use std::collections::VecDeque;

use crate::message::Stored;

/// Places for messages that an empty lane keeps.
const KEPT: usize = 4096;

/// Where the priority is in a message's place in the order.
const PRIORITY: u32 = 56;

/// The highest priority (3.2.1).
const HIGHEST: u8 = 9;

/// The place of the `number`th message of a queue: higher priorities come first.
pub(crate) fn place(priority: u8, number: u64) -> u64 {
    u64::from(HIGHEST - priority.min(HIGHEST)) << PRIORITY | number
}

/// Messages by their place.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// The highest priority first; mostly there is one.
    lanes: Vec<(u64, VecDeque<Stored>)>,
    length: usize,
}

impl Lanes {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn front(&self) -> Option<&Stored> {
        self.lanes.iter().find_map(|(_, lane)| lane.front())
    }

    pub(crate) fn pop_front(&mut self) -> Option<Stored> {
        let message = self.lanes.iter_mut().find_map(|(_, lane)| lane.pop_front())?;
        self.length -= 1;
        Some(message)
    }

    /// Puts a message at its place; at the end of its lane, in the usual case.
    pub(crate) fn insert(&mut self, message: Stored) {
        let lane = self.lane(message.sequence >> PRIORITY);
        match lane.back() {
            Some(last) if last.sequence > message.sequence => {
                let place = lane.partition_point(|other| other.sequence < message.sequence);
                lane.insert(place, message);
            }
            _ => lane.push_back(message),
        }
        self.length += 1;
    }

    fn lane(&mut self, level: u64) -> &mut VecDeque<Stored> {
        let at = self.lanes.partition_point(|(other, _)| *other < level);
        if self.lanes.get(at).is_none_or(|(other, _)| *other != level) {
            self.lanes.insert(at, (level, VecDeque::new()));
        }
        &mut self.lanes[at].1
    }

    /// The messages from a place on.
    pub(crate) fn from(&self, place: u64) -> impl Iterator<Item = &Stored> {
        let lanes = self.lanes.iter().filter(move |(level, _)| *level >= place >> PRIORITY);
        lanes
            .flat_map(move |(_, lane)| lane.range(lane.partition_point(|message| message.sequence < place)..))
    }

    /// Takes the message of a place.
    pub(crate) fn remove(&mut self, place: u64) -> Option<Stored> {
        let (_, lane) = self.lanes.iter_mut().find(|(level, _)| *level == place >> PRIORITY)?;
        let at = lane.binary_search_by_key(&place, |message| message.sequence).ok()?;
        self.length -= 1;
        lane.remove(at)
    }

    /// Gives back the memory of a rush that is over.
    pub(crate) fn shrink(&mut self) {
        self.lanes.retain(|(_, lane)| !lane.is_empty() || lane.capacity() <= KEPT);
    }
}
