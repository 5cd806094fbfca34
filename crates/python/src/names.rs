//! The Python objects that the native half needs: classes and event types, put here by `proton` when it is imported.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

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

/// A registered object that is asked for often: looked up once.
pub(crate) struct Name {
    name: &'static str,
    object: PyOnceLock<Py<PyAny>>,
}

impl Name {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, object: PyOnceLock::new() }
    }

    pub(crate) fn get<'py>(&'static self, py: Python<'py>) -> PyResult<&'static Bound<'py, PyAny>>
    where
        'py: 'static,
    {
        Ok(self.object.get_or_try_init(py, || get(py, self.name).map(Bound::unbind))?.bind(py))
    }
}

/// Locks, whatever became of the thread that held the lock: what is behind it is plain state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A tuple with one element.
pub(crate) fn one<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(object.py(), [object])
}
