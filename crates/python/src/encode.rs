//! Python objects as AMQP values, by the exact class of each, byte for byte as Proton 0.40 writes them: lists, maps and arrays of
//! programs in their long forms, all else as short as it goes.

use bytes::{BufMut, BytesMut};
use deuteron_codec::codes;
use pyo3::exceptions::{PyKeyError, PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::array;
use crate::types::{Types, types};

/// How deep values may be nested.
const MAX_DEPTH: usize = 256;

/// Appends the value that an object is.
pub(crate) fn encode_value(object: &Bound<'_, PyAny>, out: &mut BytesMut) -> PyResult<()> {
    let types = types(object.py())?;
    Encoder { types, out, depth: 0 }.value(object)
}

/// An object as an encoded AMQP value.
#[pyfunction]
pub(crate) fn encode<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = BytesMut::new();
    encode_value(object, &mut out)?;
    Ok(PyBytes::new(object.py(), &out))
}

struct Encoder<'a> {
    types: &'static Types,
    out: &'a mut BytesMut,
    depth: usize,
}

impl Encoder<'_> {
    fn value(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = object.get_type();
        let is = |known: &Py<PyAny>| class.is(known);
        let t = self.types;
        if is(&t.str) {
            self.text(object, codes::STR8, codes::STR32)
        } else if is(&t.int) {
            self.long(object.extract()?);
            Ok(())
        } else if is(&t.bytes) || is(&t.bytearray) || is(&t.memoryview) {
            let bytes =
                if is(&t.bytes) { object.clone() } else { t.bytes.bind(object.py()).call1((object,))? };
            variable(self.out, codes::VBIN8, codes::VBIN32, bytes.cast::<PyBytes>()?.as_bytes())
        } else if is(&t.none) {
            self.out.put_u8(codes::NULL);
            Ok(())
        } else if is(&t.bool) {
            self.out.put_u8(if object.is_truthy()? { codes::TRUE } else { codes::FALSE });
            Ok(())
        } else if is(&t.float) {
            self.out.put_u8(codes::DOUBLE);
            self.out.put_f64(object.extract()?);
            Ok(())
        } else if is(&t.dict) || is(&t.annotation_dict) || is(&t.property_dict) {
            self.map(object.cast::<PyDict>()?)
        } else if is(&t.list) || is(&t.tuple) || is(&t.symbol_list) {
            self.list(object)
        } else if is(&t.symbol) {
            self.text(object, codes::SYM8, codes::SYM32)
        } else {
            self.rare(object)
        }
    }

    fn rare(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = object.get_type();
        let is = |known: &Py<PyAny>| class.is(known);
        let t = self.types;
        if is(&t.ulong) {
            match object.extract::<u64>()? {
                0 => self.out.put_u8(codes::ULONG0),
                value @ 1..=255 => self.out.put_slice(&[codes::SMALLULONG, value as u8]),
                value => self.fixed(codes::ULONG, &value.to_be_bytes()),
            }
        } else if is(&t.uint) {
            match object.extract::<u32>()? {
                0 => self.out.put_u8(codes::UINT0),
                value @ 1..=255 => self.out.put_slice(&[codes::SMALLUINT, value as u8]),
                value => self.fixed(codes::UINT, &value.to_be_bytes()),
            }
        } else if is(&t.ushort) {
            self.fixed(codes::USHORT, &object.extract::<u16>()?.to_be_bytes());
        } else if is(&t.ubyte) {
            self.fixed(codes::UBYTE, &[object.extract::<u8>()?]);
        } else if is(&t.byte) {
            self.fixed(codes::BYTE, &object.extract::<i8>()?.to_be_bytes());
        } else if is(&t.short) {
            self.fixed(codes::SHORT, &object.extract::<i16>()?.to_be_bytes());
        } else if is(&t.int32) {
            match object.extract::<i32>()? {
                value @ -128..=127 => self.fixed(codes::SMALLINT, &(value as i8).to_be_bytes()),
                value => self.fixed(codes::INT, &value.to_be_bytes()),
            }
        } else {
            return self.rarer(object);
        }
        Ok(())
    }

    fn rarer(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = object.get_type();
        let is = |known: &Py<PyAny>| class.is(known);
        let t = self.types;
        if is(&t.float32) {
            self.fixed(codes::FLOAT, &(object.extract::<f64>()? as f32).to_be_bytes());
        } else if is(&t.decimal32) {
            self.fixed(codes::DECIMAL32, &object.extract::<u32>()?.to_be_bytes());
        } else if is(&t.decimal64) {
            self.fixed(codes::DECIMAL64, &object.extract::<u64>()?.to_be_bytes());
        } else if is(&t.decimal128) {
            let mut bits = [0; 16];
            let bytes = object.cast::<PyBytes>()?.as_bytes();
            let length = bytes.len().min(16);
            bits[..length].copy_from_slice(&bytes[..length]);
            self.fixed(codes::DECIMAL128, &bits);
        } else if is(&t.char) {
            let text: String = object.extract()?;
            let mut chars = text.chars();
            let (Some(one), None) = (chars.next(), chars.next()) else {
                return Err(PyErr::new::<PyTypeError, _>(format!("a char is one character, not {text:?}")));
            };
            self.fixed(codes::CHAR, &u32::from(one).to_be_bytes());
        } else if is(&t.timestamp) {
            self.fixed(codes::TIMESTAMP, &object.extract::<i64>()?.to_be_bytes());
        } else if is(&t.uuid) {
            let bytes = object.getattr(pyo3::intern!(object.py(), "bytes"))?;
            self.fixed(codes::UUID, bytes.cast::<PyBytes>()?.as_bytes());
        } else if is(&t.described) {
            self.out.put_u8(codes::DESCRIBED);
            self.nested(|own| {
                own.value(&object.getattr(pyo3::intern!(object.py(), "descriptor"))?)?;
                own.value(&object.getattr(pyo3::intern!(object.py(), "value"))?)
            })?;
        } else if is(&t.array) {
            self.array(object)?;
        } else {
            return Err(PyErr::new::<PyKeyError, _>(class.unbind()));
        }
        Ok(())
    }

    fn fixed(&mut self, code: u8, bytes: &[u8]) {
        self.out.put_u8(code);
        self.out.put_slice(bytes);
    }

    fn long(&mut self, value: i64) {
        match value {
            -128..=127 => self.fixed(codes::SMALLLONG, &(value as i8).to_be_bytes()),
            _ => self.fixed(codes::LONG, &value.to_be_bytes()),
        }
    }

    fn text(&mut self, object: &Bound<'_, PyAny>, short: u8, long: u8) -> PyResult<()> {
        let text = object.cast::<PyString>()?;
        let text = text.to_str()?;
        if short == codes::SYM8 && !text.is_ascii() {
            return Err(not_ascii(object, text));
        }
        variable(self.out, short, long, text.as_bytes())
    }

    /// A compound with its length and count in four bytes each.
    fn compound(
        &mut self,
        code: u8,
        count: usize,
        fill: impl FnOnce(&mut Self) -> PyResult<()>,
    ) -> PyResult<()> {
        self.out.put_u8(code);
        let start = self.out.len();
        self.out.put_u32(0);
        self.out.put_u32(u32::try_from(count).map_err(|_| too_large())?);
        self.nested(fill)?;
        let size = u32::try_from(self.out.len() - start - 4).map_err(|_| too_large())?;
        self.out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    fn nested(&mut self, work: impl FnOnce(&mut Self) -> PyResult<()>) -> PyResult<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PyErr::new::<pyo3::exceptions::PyRecursionError, _>(format!(
                "values nested deeper than {MAX_DEPTH} levels cannot be sent: does one contain itself?"
            )));
        }
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn list(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let count = object.len()?;
        if count == 0 {
            self.out.put_u8(codes::LIST0);
            return Ok(());
        }
        self.compound(codes::LIST32, count, |own| {
            for element in object.try_iter()? {
                own.value(&element?)?;
            }
            Ok(())
        })
    }

    fn map(&mut self, map: &Bound<'_, PyDict>) -> PyResult<()> {
        self.compound(codes::MAP32, map.len() * 2, |own| {
            for (key, value) in map {
                own.value(&key)?;
                own.value(&value)?;
            }
            Ok(())
        })
    }

    /// The elements of an array lose their constructor, which is written once.
    fn array(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = object.py();
        let elements = object.getattr(pyo3::intern!(py, "elements"))?;
        let elements = elements.cast::<PyTuple>()?;
        let kind: u32 = object.getattr(pyo3::intern!(py, "type"))?.extract()?;
        let descriptor = object.getattr(pyo3::intern!(py, "descriptor"))?;
        let code = array::code(kind).ok_or_else(|| {
            PyErr::new::<PyTypeError, _>(format!("{kind} is no type that an array can be of"))
        })?;
        self.compound(codes::ARRAY32, elements.len(), |own| {
            if !descriptor.is(&own.types.undescribed) {
                own.out.put_u8(codes::DESCRIBED);
                own.value(&descriptor)?;
            }
            own.out.put_u8(code);
            let mut one = BytesMut::new();
            for element in elements {
                one.clear();
                Encoder { types: own.types, out: &mut one, depth: own.depth }.value(&element)?;
                if array::widen(&one, code, own.out).is_none() {
                    array::convert(&element, code, own.out)?;
                }
            }
            Ok(())
        })
    }
}

/// Bytes with their length before them, in one byte or in four.
fn variable(out: &mut BytesMut, short: u8, long: u8, bytes: &[u8]) -> PyResult<()> {
    match bytes.len() {
        length @ 0..=255 => out.put_slice(&[short, length as u8]),
        length => {
            out.put_u8(long);
            out.put_u32(u32::try_from(length).map_err(|_| too_large())?);
        }
    }
    out.put_slice(bytes);
    Ok(())
}

fn too_large() -> PyErr {
    PyErr::new::<PyOverflowError, _>("a value of more than 4 GiB cannot be sent")
}

fn not_ascii(object: &Bound<'_, PyAny>, text: &str) -> PyErr {
    // The error that Python itself raises has the place in it.
    match object.call_method1("encode", ("ascii",)) {
        Err(error) => error,
        Ok(_) => PyErr::new::<PyUnicodeEncodeError, _>((
            "ascii",
            text.to_owned(),
            0,
            1,
            "ordinal not in range(128)",
        )),
    }
}
