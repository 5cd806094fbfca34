//! Ordered maps (1.6.23).

use crate::error::DecodeError;
use crate::write::length32;
use crate::{Decode, Encode, Reader, Value, Writer};

/// 1.6.23 Keys and values, in the order in which they were put in or arrived: order is part of an AMQP map.
///
/// Keys should be distinct; what a peer repeats all the same is kept, and the first one is found.
///
/// ```
/// use deuteron_codec::{Map, Symbol, Value};
///
/// let mut map = Map::new();
/// map.insert("colour", "red");
/// map.insert(Symbol::from_static("size"), 7_u32);
/// assert_eq!(map.get("size"), Some(&Value::Uint(7)));
/// assert_eq!(map.insert("colour", "blue"), Some(Value::from("red")));
/// assert_eq!(map.len(), 2);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Map(Vec<(Value, Value)>);

/// 2.8.13 A map whose keys are symbols.
pub type Fields = Map;

impl Map {
    /// A map without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A map without entries, with room for some.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self(Vec::with_capacity(entries))
    }

    /// Sets the value of a key, and returns the one that it had. A new key goes to the end.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.0.push((key, value));
                None
            }
        }
    }

    /// Adds an entry at the end, even if the key is there already.
    pub fn push(&mut self, key: impl Into<Value>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// The value of the symbol or string with this text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The value of a key of any type.
    #[must_use]
    pub fn get_value(&self, key: &Value) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Takes the symbol or string with this text out of the map, and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.0.iter().position(|(known, _)| known.as_str() == Some(key))?;
        Some(self.0.remove(index).1)
    }

    /// Whether the symbol or string with this text is a key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Value, &Value)> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The entries in order, with values that can be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&Value, &mut Value)> + ExactSizeIterator {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Writes the map's elements: keys and values in turn.
    pub(crate) fn encode_entries(&self, writer: &mut Writer<'_>) {
        for (key, value) in &self.0 {
            key.encode(writer);
            value.encode(writer);
        }
    }

    pub(crate) fn element_count(&self) -> u32 {
        length32(self.0.len() * 2)
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

/// Sets each entry as [`Map::insert`] does.
impl<K: Into<Value>, V: Into<Value>> Extend<(K, V)> for Map {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Into<Value>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Map {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl IntoIterator for Map {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> Decode<'a> for Map {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let map = reader.begin_map()?;
        let mut entries = Vec::with_capacity(map.count() as usize / 2);
        for _ in 0..map.count() / 2 {
            entries.push((Value::decode(reader)?, Value::decode(reader)?));
        }
        reader.end(map)?;
        Ok(Self(entries))
    }
}

impl Encode for Map {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.map(self.element_count(), |writer| self.encode_entries(writer));
    }
}
