//! What the fields of a message take and give.

use bytes::Bytes;
use deuteron_codec::{MessageId, Symbol, Uuid};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use crate::calls::CallOut;
use crate::names;
use crate::types::types;

/// A map of annotations, with its keys as symbols.
pub(crate) fn annotations(py: Python<'_>, map: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let t = types(py)?;
    let Ok(plain) = map.cast_exact::<PyDict>() else { return Ok(map.unbind()) };
    let class = t.annotation_dict.bind(py);
    let is_key = |key: Bound<'_, PyAny>| key.get_type().is(&t.symbol) || key.get_type().is(&t.ulong);
    if !plain.iter().all(|(key, _)| is_key(key)) {
        return Ok(class.call_out((map, false))?.unbind());
    }
    // There is nothing to check and to change: as a whole, and without a call for each.
    let made = class.call_method1(pyo3::intern!(py, "__new__"), (class,))?;
    made.cast::<PyDict>().map_err(PyErr::from)?.update(plain.as_mapping())?;
    Ok(made.unbind())
}

/// Application properties, whose keys have to be strings and nothing else.
pub(crate) fn checked<'py>(map: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = map.py();
    let t = types(py)?;
    let keys = map.call_method0(pyo3::intern!(py, "keys"))?;
    let mut plain = true;
    for key in keys.try_iter()? {
        let key = key?;
        let class = key.get_type();
        if class.is(&t.str) {
            continue;
        }
        if !key.is_instance_of::<PyString>() || class.is(&t.symbol) || class.is(&t.char) {
            let text =
                format!("Application property key is not string type: key={} {}", key.str()?, class.str()?);
            return Err(names::error(py, "MessageException", text));
        }
        plain = false;
    }
    if plain {
        return Ok(map.clone());
    }
    let converted = PyDict::new(py);
    for item in map.call_method0("items")?.try_iter()? {
        let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item?.extract()?;
        converted.set_item(t.str.bind(py).call1((key,))?, value)?;
    }
    map.call_method0("clear")?;
    map.call_method1("update", (converted,))?;
    Ok(map.clone())
}

/// Seconds of a program as whole milliseconds.
pub(crate) fn milliseconds<'py>(seconds: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = seconds.py();
    py.get_type::<PyInt>().call1((seconds.mul(1000)?,))
}

pub(crate) fn unsigned(milliseconds: &Bound<'_, PyAny>) -> PyResult<u32> {
    let number: i64 = milliseconds.extract().unwrap_or(i64::MAX);
    if number < 0 {
        return Err(PyErr::new::<PyOverflowError, _>("can't convert negative number to unsigned"));
    }
    u32::try_from(number).map_err(|_| {
        PyErr::new::<PyOverflowError, _>(format!("integer {number} does not fit '32-bit unsigned int'"))
    })
}

pub(crate) fn count(number: &Bound<'_, PyAny>) -> PyResult<u32> {
    unsigned(number)
}

/// Text, or none.
pub(crate) fn text(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    match value.cast::<PyString>() {
        Ok(text) => Ok(Some(text.to_str()?.to_owned())),
        Err(_) => {
            let text = format!("Unrecognized string type: {} ({})", value.repr()?, value.get_type().repr()?);
            Err(PyErr::new::<PyTypeError, _>(text))
        }
    }
}

pub(crate) fn to_id(value: &Bound<'_, PyAny>) -> PyResult<Option<MessageId>> {
    let t = types(value.py())?;
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(number) = value.cast::<PyInt>() {
        if number.lt(0)? {
            return Err(PyErr::new::<PyOverflowError, _>("can't convert negative number to unsigned"));
        }
        return Ok(Some(MessageId::Ulong(number.extract()?)));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Some(MessageId::String(text.to_str()?.to_owned())));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(MessageId::Binary(Bytes::copy_from_slice(bytes.as_bytes()))));
    }
    if value.is_instance(t.uuid.bind(value.py()))? {
        let bytes: [u8; 16] = value.getattr("bytes")?.extract()?;
        return Ok(Some(MessageId::Uuid(Uuid(bytes))));
    }
    // Anything else is silently no id, as in Proton.
    Ok(None)
}

pub(crate) fn from_id(py: Python<'_>, id: Option<&MessageId>) -> PyResult<Py<PyAny>> {
    let t = types(py)?;
    Ok(match id {
        None => py.None(),
        Some(MessageId::Ulong(number)) => number.into_pyobject(py)?.into_any().unbind(),
        Some(MessageId::String(text)) => PyString::new(py, text).into_any().unbind(),
        Some(MessageId::Binary(bytes)) => t.memoryview.bind(py).call1((PyBytes::new(py, bytes),))?.unbind(),
        Some(MessageId::Uuid(uuid)) => {
            t.uuid.bind(py).call_out((py.None(), PyBytes::new(py, &uuid.0)))?.unbind()
        }
    })
}

/// A symbol for programs; one that is not set reads as the symbol `None`, as in Proton.
pub(crate) fn symbol(py: Python<'_>, value: Option<&Symbol>) -> PyResult<Py<PyAny>> {
    Ok(types(py)?.symbol.bind(py).call_out((value.map_or("None", Symbol::as_str),))?.unbind())
}
