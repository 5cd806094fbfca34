//! A message as its sections: read when a program looks, written as Proton 0.40 does.

use bytes::{BufMut, Bytes, BytesMut};
use deuteron_codec::{Encode, Header, Limits, Properties, Reader, Section, Sections, Writer, codes, section};
use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};

use crate::decode::decode_value;
use crate::encode::encode_value;
use crate::fields::{annotations, checked};
use crate::message::Message;
use crate::types::types;

impl Message {
    pub(crate) fn empty() -> Self {
        Self {
            unread: None,
            inferred: false,
            header: Header::default(),
            properties_section: Properties::default(),
            instructions: None,
            annotations: None,
            properties: None,
            body: None,
        }
    }

    /// A message that has come, to be read when somebody looks at it.
    pub(crate) fn of_payload(payload: Bytes) -> Self {
        Self { unread: Some(payload), ..Self::empty() }
    }

    /// Reads what came. What cannot be read keeps its default, as do the sections behind it.
    pub(crate) fn load(&mut self, py: Python<'_>) {
        let _unreadable = self.try_load(py);
    }

    /// Like `load`; text that is not UTF-8 is an error, now and whenever it is asked for again.
    pub(crate) fn try_load(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(bytes) = self.unread.take() else { return Ok(()) };
        let read = self.load_all(py, &bytes, None);
        if read.is_err() {
            self.unread = Some(bytes);
        }
        read
    }

    /// Reads what came at once; text that is not UTF-8 is an error. `object`: what the bytes are in Python, to be referred to.
    pub(crate) fn load_all(
        &mut self,
        py: Python<'_>,
        bytes: &[u8],
        object: Option<&Bound<'_, PyBytes>>,
    ) -> PyResult<()> {
        match self.read(py, bytes, object) {
            Err(error) if error.is_instance_of::<PyUnicodeDecodeError>(py) => Err(error),
            _ => Ok(()),
        }
    }

    fn read(&mut self, py: Python<'_>, bytes: &[u8], source: Option<&Bound<'_, PyBytes>>) -> PyResult<()> {
        let mut sections = Sections::new(bytes, Limits::default());
        while let Ok(Some(Section { code, value, start, end })) = sections.next_section() {
            let object = || decode_value(py, value).map(|(object, _)| object);
            match code {
                section::HEADER => self.header = whole(&bytes[start..end])?,
                section::PROPERTIES => self.properties_section = whole(&bytes[start..end])?,
                section::DELIVERY_ANNOTATIONS => self.instructions = Some(annotations(py, object()?)?),
                section::MESSAGE_ANNOTATIONS => self.annotations = Some(annotations(py, object()?)?),
                section::APPLICATION_PROPERTIES => self.properties = Some(object()?.unbind()),
                section::DATA | section::AMQP_SEQUENCE | section::AMQP_VALUE => {
                    let within = source.and_then(|source| long_binary(source, value, end));
                    self.body = Some(within.unwrap_or_else(object)?.unbind());
                    self.inferred = code != section::AMQP_VALUE;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Appends the message as Proton 0.40 writes it.
    pub(crate) fn encode_into(&mut self, py: Python<'_>, out: &mut BytesMut) -> PyResult<()> {
        // Even of an unchanged message: Proton writes two sections that may not have come.
        self.try_load(py)?;
        list_or_empty(out, section::HEADER, &self.header, self.header == Header::default());
        for (code, map) in [
            (section::DELIVERY_ANNOTATIONS, &self.instructions),
            (section::MESSAGE_ANNOTATIONS, &self.annotations),
        ] {
            if let Some(map) = map.as_ref().map(|map| map.bind(py)).filter(|map| !map.is_none()) {
                descriptor(out, code);
                encode_value(map, out)?;
            }
        }
        let empty = self.properties_section == Properties::default();
        list_or_empty(out, section::PROPERTIES, &self.properties_section, empty);
        if let Some(map) = self.properties.as_ref().map(|map| map.bind(py)).filter(|map| !map.is_none()) {
            descriptor(out, section::APPLICATION_PROPERTIES);
            encode_value(&checked(map)?, out)?;
        }
        if let Some(body) = self.body.as_ref().map(|body| body.bind(py)).filter(|body| !body.is_none()) {
            descriptor(out, self.body_code(body)?);
            encode_value(body, out)?;
        }
        Ok(())
    }

    fn body_code(&self, body: &Bound<'_, PyAny>) -> PyResult<u64> {
        let t = types(body.py())?;
        let class = body.get_type();
        let is = |known: &Py<PyAny>| class.is(known);
        Ok(match self.inferred {
            true if is(&t.bytes) || is(&t.bytearray) || is(&t.memoryview) => section::DATA,
            true if is(&t.list) || is(&t.tuple) => section::AMQP_SEQUENCE,
            _ => section::AMQP_VALUE,
        })
    }

    pub(crate) fn properties_mut(&mut self, py: Python<'_>) -> &mut Properties {
        self.load(py);
        &mut self.properties_section
    }
}

/// The bytes that a binary value has at the end of a section, without a copy of them; None if it is another value or a short one.
fn long_binary<'py>(
    source: &Bound<'py, PyBytes>,
    value: &[u8],
    end: usize,
) -> Option<PyResult<Bound<'py, PyAny>>> {
    let (codes::VBIN32, length) = (*value.first()?, value.len().checked_sub(5)?) else { return None };
    let (start, end) = (isize::try_from(end - length).ok()?, isize::try_from(end).ok()?);
    (length >= LEAST_SHARED).then(|| {
        let slice = PySlice::new(source.py(), start, end, 1);
        PyMemoryView::from(source.as_any())?.get_item(slice)
    })
}

/// To copy less is quicker than to refer to it.
const LEAST_SHARED: usize = 2048;

fn whole<'a, T: deuteron_codec::Decode<'a>>(bytes: &'a [u8]) -> PyResult<T> {
    T::decode(&mut Reader::new(bytes))
        .map_err(|error| PyErr::new::<pyo3::exceptions::PyValueError, _>(error.to_string()))
}

fn descriptor(out: &mut BytesMut, code: u64) {
    out.put_slice(&[codes::DESCRIBED, codes::SMALLULONG, code as u8]);
}

fn list_or_empty(out: &mut BytesMut, code: u64, list: &impl Encode, empty: bool) {
    if empty {
        descriptor(out, code);
        out.put_u8(codes::LIST0);
    } else {
        list.encode(&mut Writer::new(out));
    }
}
