//! The Python classes that AMQP values are made of, found once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::names;

macro_rules! types {
    ($($field:ident: $name:literal),* $(,)?) => {
        /// Each class, and the built-in ones that are met as often.
        pub(crate) struct Types {
            $(pub(crate) $field: Py<PyAny>,)*
            pub(crate) none: Py<PyAny>,
            pub(crate) bool: Py<PyAny>,
            pub(crate) int: Py<PyAny>,
            pub(crate) float: Py<PyAny>,
            pub(crate) str: Py<PyAny>,
            pub(crate) bytes: Py<PyAny>,
            pub(crate) bytearray: Py<PyAny>,
            pub(crate) memoryview: Py<PyAny>,
            pub(crate) list: Py<PyAny>,
            pub(crate) tuple: Py<PyAny>,
            pub(crate) dict: Py<PyAny>,
            pub(crate) uuid: Py<PyAny>,
        }

        impl Types {
            fn new(py: Python<'_>) -> PyResult<Self> {
                let of = |class: Bound<'_, PyType>| class.into_any().unbind();
                Ok(Self {
                    $($field: names::get(py, $name)?.unbind(),)*
                    none: of(py.None().bind(py).get_type()),
                    bool: of(py.get_type::<PyBool>()),
                    int: of(py.get_type::<PyInt>()),
                    float: of(py.get_type::<PyFloat>()),
                    str: of(py.get_type::<PyString>()),
                    bytes: of(py.get_type::<PyBytes>()),
                    bytearray: of(py.get_type::<PyByteArray>()),
                    memoryview: py.import("builtins")?.getattr("memoryview")?.unbind(),
                    list: of(py.get_type::<PyList>()),
                    tuple: of(py.get_type::<PyTuple>()),
                    dict: of(py.get_type::<PyDict>()),
                    uuid: py.import("uuid")?.getattr("UUID")?.unbind(),
                })
            }
        }
    };
}

types! {
    ulong: "ulong",
    uint: "uint",
    ushort: "ushort",
    ubyte: "ubyte",
    byte: "byte",
    short: "short",
    int32: "int32",
    float32: "float32",
    decimal32: "decimal32",
    decimal64: "decimal64",
    decimal128: "decimal128",
    char: "char",
    timestamp: "timestamp",
    symbol: "symbol",
    described: "Described",
    array: "Array",
    undescribed: "UNDESCRIBED",
    annotation_dict: "AnnotationDict",
    property_dict: "PropertyDict",
    symbol_list: "SymbolList",
}

/// The classes.
pub(crate) fn types(py: Python<'_>) -> PyResult<&'static Types> {
    static TYPES: PyOnceLock<Types> = PyOnceLock::new();
    TYPES.get_or_try_init(py, || Types::new(py))
}
