//! The Python objects that the native half needs: classes and event types, put here by `proton` when it is imported.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

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

/// An exception of the class that was registered under a name.
pub(crate) fn error(py: Python<'_>, class: &str, text: impl Into<String>) -> PyErr {
    match get(py, class).and_then(|class| class.call1((text.into(),))) {
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
