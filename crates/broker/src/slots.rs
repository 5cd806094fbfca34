//! Entries in slots that are used again, with keys that are not: the key of an entry that is gone
//! finds nothing, whoever has the slot now.

use std::marker::PhantomData;

/// What finds an entry: a slot, and how often the slot was used before.
pub(crate) trait Key: Copy + Eq {
    fn new(slot: u32, generation: u32) -> Self;
    fn slot(self) -> u32;
    fn generation(self) -> u32;
}

/// Defines a type of keys.
macro_rules! key {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub(crate) struct $name {
            slot: u32,
            generation: u32,
        }

        impl $crate::slots::Key for $name {
            fn new(slot: u32, generation: u32) -> Self {
                Self { slot, generation }
            }

            fn slot(self) -> u32 {
                self.slot
            }

            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

pub(crate) use key;

struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

/// Slots that are kept when all are free.
const KEPT: usize = 4096;

/// Entries by key.
pub(crate) struct Slots<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// That of new slots: beyond any that was given back to the system.
    generation: u32,
    key: PhantomData<K>,
}

impl<K, T> Default for Slots<K, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), generation: 0, key: PhantomData }
    }
}

impl<K: Key, T> Slots<K, T> {
    pub(crate) fn insert(&mut self, entry: T) -> K {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.entry = Some(entry);
            return K::new(index, slot.generation);
        }
        // Four thousand million entries do not fit into memory.
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { generation: self.generation, entry: Some(entry) });
        K::new(index, self.generation)
    }

    pub(crate) fn get(&self, key: K) -> Option<&T> {
        let slot = self.slots.get(key.slot() as usize)?;
        if slot.generation == key.generation() { slot.entry.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot() as usize)?;
        if slot.generation == key.generation() { slot.entry.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let slot = self.slots.get_mut(key.slot() as usize)?;
        if slot.generation != key.generation() {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot());
        if self.slots.len() > KEPT && self.len() == 0 {
            self.shrink();
        }
        Some(entry)
    }

    /// Gives the memory back after a rush. Old keys go on finding nothing.
    fn shrink(&mut self) {
        self.generation = self.slots.iter().map(|slot| slot.generation).max().unwrap_or(0);
        self.slots = Vec::new();
        self.free = Vec::new();
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = K> + '_ {
        (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.entry.is_some())
            .map(|(index, slot)| K::new(index, slot.generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    key! {
        TestKey
    }

    #[test]
    fn a_key_does_not_find_the_next_user_of_its_slot() {
        let mut slots: Slots<TestKey, &str> = Slots::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(first.slot(), second.slot());
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut "second"));
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.keys().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn memory_is_given_back_and_old_keys_still_find_nothing() {
        let mut slots: Slots<TestKey, usize> = Slots::default();
        let keys: Vec<_> = (0..2 * KEPT).map(|entry| slots.insert(entry)).collect();
        for key in &keys {
            assert!(slots.remove(*key).is_some());
        }
        assert_eq!(slots.slots.capacity(), 0);
        let again: Vec<_> = (0..2 * KEPT).map(|entry| slots.insert(entry)).collect();
        assert!(keys.iter().all(|key| slots.get(*key).is_none()));
        assert!(again.iter().enumerate().all(|(entry, key)| slots.get(*key) == Some(&entry)));
    }
}
