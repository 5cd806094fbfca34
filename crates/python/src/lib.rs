//! `deuteron._core`: the native half of the Python packages `proton` and `deuteron`.

use pyo3::prelude::*;

/// What the Python sources of `proton` are built on; not for programs.
#[pymodule]
mod _core {}
