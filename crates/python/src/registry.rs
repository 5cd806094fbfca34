//! The Python objects of a connection's endpoints.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use pyo3::prelude::*;

/// Objects by their ids, in the order in which they were made.
pub(crate) struct Registry<Id> {
    numbers: HashMap<Id, u64>,
    pub(crate) objects: BTreeMap<u64, Py<PyAny>>,
    next: u64,
}

impl<Id> Default for Registry<Id> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), objects: BTreeMap::new(), next: 0 }
    }
}

impl<Id: Hash + Eq> Registry<Id> {
    pub(crate) fn add(&mut self, id: Id, object: Py<PyAny>) {
        self.numbers.insert(id, self.next);
        self.objects.insert(self.next, object);
        self.next += 1;
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>, id: &Id) -> Option<Bound<'py, PyAny>> {
        Some(self.objects.get(self.numbers.get(id)?)?.bind(py).clone())
    }

    pub(crate) fn all(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.objects.values().map(|object| object.clone_ref(py)).collect()
    }

    pub(crate) fn remove(&mut self, id: &Id) -> Option<Py<PyAny>> {
        self.objects.remove(&self.numbers.remove(id)?)
    }
}
