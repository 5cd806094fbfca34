//! The elements of arrays: all of one type, whose constructor is written once.

use bytes::{BufMut, BytesMut};
use deuteron_codec::codes;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;

/// The constructor that the elements of an array of one of Proton's types have.
pub(crate) fn code(kind: u32) -> Option<u8> {
    Some(match kind {
        1 => codes::NULL,
        2 => codes::BOOLEAN,
        3 => codes::UBYTE,
        4 => codes::BYTE,
        5 => codes::USHORT,
        6 => codes::SHORT,
        7 => codes::UINT,
        8 => codes::INT,
        9 => codes::CHAR,
        10 => codes::ULONG,
        11 => codes::LONG,
        12 => codes::TIMESTAMP,
        13 => codes::FLOAT,
        14 => codes::DOUBLE,
        15 => codes::DECIMAL32,
        16 => codes::DECIMAL64,
        17 => codes::DECIMAL128,
        18 => codes::UUID,
        19 => codes::VBIN32,
        20 => codes::STR32,
        21 => codes::SYM32,
        23 => codes::ARRAY32,
        24 => codes::LIST32,
        25 => codes::MAP32,
        _ => return None,
    })
}

/// Appends an encoded value as an element of an array with this constructor: without its own, and as long as that one says. None if
/// it is of another type.
pub(crate) fn widen(value: &[u8], code: u8, out: &mut BytesMut) -> Option<()> {
    let (&own, rest) = value.split_first()?;
    if own == code {
        out.put_slice(rest);
        return Some(());
    }
    match (own, code) {
        (codes::TRUE, codes::BOOLEAN) => out.put_u8(1),
        (codes::FALSE, codes::BOOLEAN) => out.put_u8(0),
        (codes::UINT0, codes::UINT) => out.put_u32(0),
        (codes::SMALLUINT, codes::UINT) => out.put_u32(u32::from(*rest.first()?)),
        (codes::ULONG0, codes::ULONG) => out.put_u64(0),
        (codes::SMALLULONG, codes::ULONG) => out.put_u64(u64::from(*rest.first()?)),
        (codes::SMALLINT, codes::INT) => out.put_i32(i32::from(*rest.first()? as i8)),
        (codes::SMALLLONG, codes::LONG) => out.put_i64(i64::from(*rest.first()? as i8)),
        (codes::VBIN8, codes::VBIN32) | (codes::STR8, codes::STR32) | (codes::SYM8, codes::SYM32) => {
            out.put_u32(u32::from(*rest.first()?));
            out.put_slice(rest.get(1..)?);
        }
        (codes::LIST0, codes::LIST32) => out.put_slice(&[0, 0, 0, 4, 0, 0, 0, 0]),
        _ => return None,
    }
    Some(())
}

/// Appends what Python has no type of its own for, as an element of an array with this constructor: plain numbers and strings.
pub(crate) fn convert(element: &Bound<'_, PyAny>, code: u8, out: &mut BytesMut) -> PyResult<()> {
    if let Ok(number) = element.extract::<i128>() {
        return integer(number, code, out).unwrap_or_else(|| Err(wrong(element)));
    }
    if let Ok(number) = element.extract::<f64>() {
        match code {
            codes::FLOAT => out.put_f32(number as f32),
            codes::DOUBLE => out.put_f64(number),
            _ => return Err(wrong(element)),
        }
        return Ok(());
    }
    let text = element.extract::<String>();
    if let (codes::CHAR, Ok(text)) = (code, &text) {
        let mut letters = text.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else { return Err(wrong(element)) };
        out.put_u32(letter.into());
        return Ok(());
    }
    let bytes = match text {
        Ok(text) => text.into_bytes(),
        Err(_) => element.extract::<Vec<u8>>().map_err(|_| wrong(element))?,
    };
    let fits = match code {
        codes::STR32 => std::str::from_utf8(&bytes).is_ok(),
        codes::SYM32 => bytes.is_ascii(),
        codes::VBIN32 => true,
        _ => false,
    };
    let length = u32::try_from(bytes.len()).ok().filter(|_| fits).ok_or_else(|| wrong(element))?;
    out.put_u32(length);
    out.put_slice(&bytes);
    Ok(())
}

/// None if the constructor is not that of numbers; an error if the number is none of its.
fn integer(number: i128, code: u8, out: &mut BytesMut) -> Option<PyResult<()>> {
    let written = match code {
        codes::BOOLEAN => u8::try_from(number).ok().filter(|bit| *bit < 2).map(|bit| out.put_u8(bit)),
        codes::UBYTE => number.try_into().ok().map(|number| out.put_u8(number)),
        codes::BYTE => number.try_into().ok().map(|number| out.put_i8(number)),
        codes::USHORT => number.try_into().ok().map(|number| out.put_u16(number)),
        codes::SHORT => number.try_into().ok().map(|number| out.put_i16(number)),
        codes::UINT | codes::DECIMAL32 => number.try_into().ok().map(|number| out.put_u32(number)),
        codes::INT => number.try_into().ok().map(|number| out.put_i32(number)),
        codes::ULONG | codes::DECIMAL64 => number.try_into().ok().map(|number| out.put_u64(number)),
        codes::LONG | codes::TIMESTAMP => number.try_into().ok().map(|number| out.put_i64(number)),
        codes::FLOAT => {
            out.put_f32(number as f32);
            Some(())
        }
        codes::DOUBLE => {
            out.put_f64(number as f64);
            Some(())
        }
        _ => return None,
    };
    Some(written.ok_or_else(|| {
        PyErr::new::<PyOverflowError, _>(format!("{number} is out of the range of the array's type"))
    }))
}

fn wrong(element: &Bound<'_, PyAny>) -> PyErr {
    let element = element.repr().map_or_else(|_| "an element".to_owned(), |text| text.to_string());
    PyErr::new::<PyTypeError, _>(format!("{element} is not of the array's type"))
}
