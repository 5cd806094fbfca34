//! AMQP values as Python objects, straight from the wire.

use std::collections::BTreeMap;
use std::sync::Mutex;

use deuteron_codec::{
    DecodeError, DecodeErrorKind, Elements, Primitive, Reader, Scalar, Value, Visitor, visit,
};
use pyo3::exceptions::{PyUnicodeDecodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMemoryView, PyString, PyTuple};

use crate::calls::CallOut;
use crate::names::lock;
use crate::state;
use crate::types::{Types, types};

/// The value at the beginning of some bytes, and how many of them it is.
pub(crate) fn decode_value<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<(Bound<'py, PyAny>, usize)> {
    let mut reader = Reader::new(bytes);
    let value = visit(&mut reader, &mut Objects::new(py)?).map_err(Failure::into_error)?;
    Ok((value, bytes.len() - reader.remaining().len()))
}

/// The value at the beginning of some bytes, and how many of them it is.
#[pyfunction]
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<(Bound<'py, PyAny>, usize)> {
    decode_value(py, bytes)
}

/// Builds objects as their values are read.
pub(crate) struct Objects<'py> {
    py: Python<'py>,
    types: &'static Types,
}

/// Why no object came of a value.
pub(crate) enum Failure {
    Value(DecodeError),
    Python(PyErr),
}

impl Failure {
    pub(crate) fn into_error(self) -> PyErr {
        match self {
            Self::Value(error)
                if matches!(error.kind(), DecodeErrorKind::InvalidUtf8 | DecodeErrorKind::InvalidAscii) =>
            {
                let is_symbol = *error.kind() == DecodeErrorKind::InvalidAscii;
                let place = (error.offset(), error.offset() + 1);
                PyErr::new::<PyUnicodeDecodeError, _>((
                    if is_symbol { "ascii" } else { "utf-8" },
                    Vec::<u8>::new(),
                    place.0,
                    place.1,
                    error.to_string(),
                ))
            }
            Self::Value(error) => PyErr::new::<PyValueError, _>(error.to_string()),
            Self::Python(error) => error,
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Value(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

/// How many symbols are kept, and how long they may be: a peer cannot fill the memory with them.
const MOST_SYMBOLS: usize = 512;
const LONGEST_SYMBOL: usize = 64;

impl<'py> Objects<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        Ok(Self { py, types: types(py)? })
    }

    fn made<A: IntoPyObject<'py, Target = PyTuple>>(
        &self,
        class: &Py<PyAny>,
        arguments: A,
    ) -> Result<Bound<'py, PyAny>, Failure> {
        Ok(class.bind(self.py).call_out(arguments)?)
    }

    /// A symbol, which may be one that was made before: few are used again and again, in each message.
    fn symbol(&self, text: &str) -> Result<Bound<'py, PyAny>, Failure> {
        static KNOWN: Mutex<BTreeMap<Box<str>, Py<PyAny>>> = Mutex::new(BTreeMap::new());
        if let Some(known) = lock(&KNOWN).get(text) {
            return Ok(known.bind(self.py).clone());
        }
        let made = self.made(&self.types.symbol, (text,))?;
        let mut known = lock(&KNOWN);
        if known.len() < MOST_SYMBOLS && text.len() <= LONGEST_SYMBOL {
            known.insert(text.into(), made.clone().unbind());
        }
        Ok(made)
    }

    fn int(&self, number: i64) -> Result<Bound<'py, PyAny>, Failure> {
        Ok(number.into_pyobject(self.py).map_err(PyErr::from)?.into_any())
    }

    fn rare(&self, value: Scalar<'_>) -> Result<Bound<'py, PyAny>, Failure> {
        let t = self.types;
        match value {
            Scalar::Ubyte(number) => self.made(&t.ubyte, (number,)),
            Scalar::Ushort(number) => self.made(&t.ushort, (number,)),
            Scalar::Uint(number) => self.made(&t.uint, (number,)),
            Scalar::Ulong(number) => self.made(&t.ulong, (number,)),
            Scalar::Byte(number) => self.made(&t.byte, (number,)),
            Scalar::Short(number) => self.made(&t.short, (number,)),
            Scalar::Int(number) => self.made(&t.int32, (number,)),
            Scalar::Float(number) => self.made(&t.float32, (number,)),
            Scalar::Decimal32(bits) => self.made(&t.decimal32, (u32::from_be_bytes(bits.0),)),
            Scalar::Decimal64(bits) => self.made(&t.decimal64, (u64::from_be_bytes(bits.0),)),
            Scalar::Decimal128(bits) => self.made(&t.decimal128, (PyBytes::new(self.py, &bits.0),)),
            Scalar::Char(one) => self.made(&t.char, (one,)),
            Scalar::Timestamp(time) => self.made(&t.timestamp, (time.0,)),
            Scalar::Uuid(uuid) => self.made(&t.uuid, (self.py.None(), PyBytes::new(self.py, &uuid.0))),
            other => {
                Err(Failure::Python(PyErr::new::<PyValueError, _>(format!("{other:?} has no Python type"))))
            }
        }
    }
}

impl<'a, 'py> Visitor<'a> for Objects<'py> {
    type Output = Bound<'py, PyAny>;
    type Error = Failure;

    fn primitive(&mut self, value: Scalar<'a>) -> Result<Self::Output, Failure> {
        let py = self.py;
        Ok(match value {
            Scalar::String(text) => PyString::new(py, text).into_any(),
            Scalar::Long(number) => self.int(number)?,
            Scalar::Null => py.None().into_bound(py),
            Scalar::Bool(value) => pyo3::types::PyBool::new(py, value).to_owned().into_any(),
            Scalar::Double(number) => pyo3::types::PyFloat::new(py, number).into_any(),
            Scalar::Binary(bytes) => PyMemoryView::from(PyBytes::new(py, bytes).as_any())?.into_any(),
            Scalar::Symbol(text) => self.symbol(text)?,
            other => self.rare(other)?,
        })
    }

    fn list(&mut self, elements: &mut Elements<'_, 'a>) -> Result<Self::Output, Failure> {
        let list = PyList::empty(self.py);
        while let Some(element) = elements.next(self)? {
            list.append(element)?;
        }
        Ok(list.into_any())
    }

    fn map(&mut self, elements: &mut Elements<'_, 'a>) -> Result<Self::Output, Failure> {
        let map = PyDict::new(self.py);
        while let Some(key) = elements.next(self)? {
            let Some(value) = elements.next(self)? else { break };
            map.set_item(key, value)?;
        }
        Ok(map.into_any())
    }

    fn array(
        &mut self,
        element_type: Primitive,
        descriptors: Vec<Value>,
        elements: &mut Elements<'_, 'a>,
    ) -> Result<Self::Output, Failure> {
        let descriptor = match descriptors.first() {
            None => self.types.undescribed.bind(self.py).clone(),
            Some(descriptor) => decode_value(self.py, &state::encode(descriptor))?.0,
        };
        let mut arguments = vec![descriptor, self.int(array_type(element_type))?];
        while let Some(element) = elements.next(self)? {
            arguments.push(element);
        }
        self.made(&self.types.array, PyTuple::new(self.py, arguments)?)
    }

    fn described(&mut self, descriptor: Self::Output, value: Self::Output) -> Result<Self::Output, Failure> {
        self.made(&self.types.described, (descriptor, value))
    }
}

/// The number that Proton gives a type.
fn array_type(kind: Primitive) -> i64 {
    match kind {
        Primitive::Null => 1,
        Primitive::Boolean => 2,
        Primitive::Ubyte => 3,
        Primitive::Byte => 4,
        Primitive::Ushort => 5,
        Primitive::Short => 6,
        Primitive::Uint => 7,
        Primitive::Int => 8,
        Primitive::Char => 9,
        Primitive::Ulong => 10,
        Primitive::Long => 11,
        Primitive::Timestamp => 12,
        Primitive::Float => 13,
        Primitive::Double => 14,
        Primitive::Decimal32 => 15,
        Primitive::Decimal64 => 16,
        Primitive::Decimal128 => 17,
        Primitive::Uuid => 18,
        Primitive::Binary => 19,
        Primitive::String => 20,
        Primitive::Symbol => 21,
        Primitive::Array => 23,
        Primitive::List => 24,
        Primitive::Map => 25,
    }
}
