//! The Python objects that the native half needs: classes and event types, put here by `proton` when it is imported.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::calls::CallOut;

static NAMES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

fn names(py: Python<'_>) -> &Bound<'_, PyDict> {
    NAMES.get_or_init(py, || PyDict::new(py).unbind()).bind(py)
}

/// Makes a Python object known to the native half under a name.
#[pyfunction]
pub(crate) fn register(name: &Bound<'_, PyAny>, object: &Bound<'_, PyAny>) -> PyResult<()> {
    names(name.py()).set_item(name, object)
}

/// The object that was registered under a name.
pub(crate) fn get<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    names(py).get_item(name)?.ok_or_else(|| {
        PyErr::new::<PyRuntimeError, _>(format!("proton is not wholly imported: {name} is missing"))
    })
}

static EVENT_TYPES: PyOnceLock<Vec<Option<Py<PyAny>>>> = PyOnceLock::new();

/// The type of the events with a number.
pub(crate) fn event_type(py: Python<'_>, number: u16) -> PyResult<Py<PyAny>> {
    let types = EVENT_TYPES.get_or_try_init(py, || {
        let registered = get(py, "event_types")?;
        (0..64)
            .map(|number| Ok(registered.call_method1("get", (number,))?.extract()?))
            .collect::<PyResult<_>>()
    })?;
    let found = types.get(usize::from(number)).and_then(Option::as_ref);
    found.map(|found| found.clone_ref(py)).ok_or_else(|| {
        PyErr::new::<PyRuntimeError, _>(format!("proton knows no events with the number {number}"))
    })
}

/// A place for a Python object that the object which it belongs to may refer back to.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Py<PyAny>>>);

impl Slot {
    pub(crate) fn with(object: Option<Py<PyAny>>) -> Self {
        Self(Mutex::new(object))
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        lock(&self.0).as_ref().map(|object| object.bind(py).clone())
    }

    pub(crate) fn set(&self, object: Option<Bound<'_, PyAny>>) {
        let old = std::mem::replace(&mut *lock(&self.0), object.map(Bound::unbind));
        // What it drops may come back here: not with the lock held.
        drop(old);
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Ok(object) => visit.call(&*object),
            Err(_) => Ok(()),
        }
    }
}

/// What Python's `next` gives.
pub(crate) fn next<'py>(iterator: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    iterator.py().import("builtins")?.call_method1("next", (iterator,))
}

/// A registered class, looked up once: it is asked for with each message.
pub(crate) struct Known {
    name: &'static str,
    class: PyOnceLock<Py<PyAny>>,
}

impl Known {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, class: PyOnceLock::new() }
    }

    /// Whether an object is of this class itself, not of a subclass, with nothing put in the place of its methods.
    pub(crate) fn is_class_of(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = object.py();
        let class = self.class.get_or_try_init(py, || get(py, self.name).map(Bound::unbind))?;
        Ok(object.get_type().is(class))
    }
}

/// An exception of the class that was registered under a name.
pub(crate) fn error(py: Python<'_>, class: &str, text: impl Into<String>) -> PyErr {
    match get(py, class).and_then(|class| class.call_out((text.into(),))) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// A field of objects that the garbage collector may see before they are made: Python links the memory of a new object into its
/// lists, all zeros, and may collect before the object is there. Zero is not yet.
pub(crate) struct Made(bool);

impl Made {
    pub(crate) const YES: Self = Self(true);

    pub(crate) fn is_done(&self) -> bool {
        self.0
    }
}

/// Locks, whatever became of the thread that held the lock: what is behind it is plain state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
