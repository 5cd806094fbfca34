//! A slab whose keys carry a generation: looking up a key whose entry is gone gives `None`, never somebody else's entry.

use std::marker::PhantomData;

/// An index and the generation of the slot it was handed out for.
pub(crate) trait Key: Copy {
    fn new(index: u32, generation: u32) -> Self;
    fn index(self) -> u32;
    fn generation(self) -> u32;
}

struct Slot<T> {
    generation: u32,
    entry: Entry<T>,
}

enum Entry<T> {
    Vacant { next: u32 },
    Occupied(T),
}

const END: u32 = u32::MAX;

pub(crate) struct Store<K, T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: usize,
    key: PhantomData<K>,
}

impl<K: Key, T> Default for Store<K, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: END, len: 0, key: PhantomData }
    }
}

impl<K: Key, T> Store<K, T> {
    pub(crate) fn insert(&mut self, value: T) -> K {
        self.len += 1;
        if let Some(slot) = self.slots.get_mut(self.free as usize)
            && let Entry::Vacant { next } = slot.entry
        {
            let index = self.free;
            self.free = next;
            slot.entry = Entry::Occupied(value);
            return K::new(index, slot.generation);
        }
        if self.slots.is_empty() {
            // Most connections have one session and one link: room for four would be most of what they take.
            self.slots.reserve_exact(1);
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, entry: Entry::Occupied(value) });
        K::new(index, 0)
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let slot = self.slots.get_mut(key.index() as usize)?;
        if slot.generation != key.generation() || matches!(slot.entry, Entry::Vacant { .. }) {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let entry = std::mem::replace(&mut slot.entry, Entry::Vacant { next: self.free });
        self.free = key.index();
        self.len -= 1;
        match entry {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        match self.slots.get(key.index() as usize)? {
            Slot { generation, entry: Entry::Occupied(value) } if *generation == key.generation() => {
                Some(value)
            }
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        match self.slots.get_mut(key.index() as usize)? {
            Slot { generation, entry: Entry::Occupied(value) } if *generation == key.generation() => {
                Some(value)
            }
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| match &slot.entry {
            Entry::Occupied(value) => Some((K::new(index as u32, slot.generation), value)),
            Entry::Vacant { .. } => None,
        })
    }

    pub(crate) fn keys(&self) -> Vec<K> {
        self.iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LinkId;

    #[test]
    fn a_stale_key_finds_nothing_after_its_slot_is_used_again() {
        let mut store: Store<LinkId, &str> = Store::default();
        let a = store.insert("a");
        assert_eq!(store.remove(a), Some("a"));
        let b = store.insert("b");
        assert_eq!(a.index, b.index);
        assert_eq!(store.get(a), None);
        assert_eq!(store.remove(a), None);
        assert_eq!(store.get(b), Some(&"b"));
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn freed_slots_are_used_before_the_store_grows() {
        let mut store: Store<LinkId, u32> = Store::default();
        let keys: Vec<_> = (0..10).map(|n| store.insert(n)).collect();
        for key in &keys {
            store.remove(*key);
        }
        for n in 0..10 {
            store.insert(n);
        }
        assert_eq!(store.slots.len(), 10);
    }
}
