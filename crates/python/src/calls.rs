//! Calls of what is written in Python, during which the interpreter may end.
//!
//! Before CPython 3.14 a thread that comes back for the interpreter's lock when the main thread has begun to take everything
//! down is ended by `pthread_exit`, which unwinds its stack. Frames of Rust do not bear that: the process would abort, or free
//! objects without the lock. Such a thread stops here instead and waits for the end of the process, as those of 3.14 do.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use pyo3::{BoundObject, IntoPyObjectExt, ffi};

#[expect(unsafe_code, reason = "pyo3's calls are declared as ones that never unwind")]
unsafe extern "C-unwind" {
    /// Another function than the ones that `pyo3` calls with: two declarations of one that say different things of unwinding
    /// would be taken for the same.
    fn PyObject_CallObject(callable: *mut ffi::PyObject, arguments: *mut ffi::PyObject)
    -> *mut ffi::PyObject;
}

/// Only dropped when the stack is unwound: by then the thread may no longer touch anything of Python.
struct StopHere;

impl Drop for StopHere {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// Calls of Python code that may take long, or give the lock away for a moment: all code may.
pub(crate) trait CallOut<'py> {
    /// `self(*arguments)`
    fn call_out<A: IntoPyObject<'py, Target = PyTuple>>(&self, arguments: A) -> PyResult<Bound<'py, PyAny>>;

    /// `self.method(*arguments)`
    fn call_method_out<A: IntoPyObject<'py, Target = PyTuple>>(
        &self,
        method: &Bound<'py, PyString>,
        arguments: A,
    ) -> PyResult<Bound<'py, PyAny>>;
}

impl<'py> CallOut<'py> for Bound<'py, PyAny> {
    fn call_out<A: IntoPyObject<'py, Target = PyTuple>>(&self, arguments: A) -> PyResult<Self> {
        let py = self.py();
        let arguments = arguments.into_pyobject_or_pyerr(py)?.into_bound();
        let unwound = StopHere;
        // SAFETY: the lock is held (`'py`), and both objects live as long as the call.
        #[expect(unsafe_code, reason = "a function of C")]
        let result = unsafe { PyObject_CallObject(self.as_ptr(), arguments.as_ptr()) };
        std::mem::forget(unwound);
        // SAFETY: a call gives a reference that is ours, or null with an exception set.
        #[expect(unsafe_code, reason = "what a function of C gives")]
        unsafe {
            Self::from_owned_ptr_or_err(py, result)
        }
    }

    fn call_method_out<A: IntoPyObject<'py, Target = PyTuple>>(
        &self,
        method: &Bound<'py, PyString>,
        arguments: A,
    ) -> PyResult<Self> {
        self.getattr(method)?.call_out(arguments)
    }
}
