//! Messages. What came from the wire is only read when a program looks at it.

use bytes::{BufMut, Bytes, BytesMut};
use deuteron_codec::{
    Encode, Header, Limits, MessageId, Properties, Reader, Section, Sections, Symbol, Timestamp, Uuid,
    Writer, codes, section,
};
use pyo3::exceptions::{PyAttributeError, PyOverflowError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyString};

use crate::decode::decode_value;
use crate::encode::encode_value;
use crate::link::LinkCore;
use crate::names;
use crate::types::types;

/// A message: what programs send and receive (3.2).
#[pyclass(subclass, dict, weakref, module = "proton")]
pub(crate) struct Message {
    /// What came and was not looked at.
    unread: Option<Bytes>,
    inferred: bool,
    header: Header,
    properties_section: Properties,
    instructions: Option<Py<PyAny>>,
    annotations: Option<Py<PyAny>>,
    properties: Option<Py<PyAny>>,
    body: Option<Py<PyAny>>,
}

const EMPTY_LIST: u8 = codes::LIST0;

impl Message {
    fn empty() -> Self {
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

    /// Reads what came. What cannot be read keeps its default, as do the sections behind it.
    fn load(&mut self, py: Python<'_>) {
        if let Some(bytes) = self.unread.take() {
            let _unreadable = self.read(py, &bytes);
        }
    }

    fn read(&mut self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
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
                    self.body = Some(object()?.unbind());
                    self.inferred = code != section::AMQP_VALUE;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Appends the message as Proton 0.40 writes it.
    pub(crate) fn encode_into(&mut self, py: Python<'_>, out: &mut BytesMut) -> PyResult<()> {
        if let Some(bytes) = &self.unread {
            // Unchanged, and yet Proton writes two sections that may not have come.
            let _ = bytes;
            self.load(py);
        }
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

    fn properties_mut(&mut self, py: Python<'_>) -> &mut Properties {
        self.load(py);
        &mut self.properties_section
    }
}

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
        out.put_u8(EMPTY_LIST);
    } else {
        list.encode(&mut Writer::new(out));
    }
}

/// A map of annotations, with its keys as symbols.
fn annotations(py: Python<'_>, map: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if map.is_instance_of::<PyDict>() && map.get_type().is(&types(py)?.dict) {
        let keywords = PyDict::new(py);
        keywords.set_item("raise_on_error", false)?;
        return Ok(types(py)?.annotation_dict.bind(py).call((map,), Some(&keywords))?.unbind());
    }
    Ok(map.unbind())
}

/// Application properties, whose keys have to be strings and nothing else.
fn checked<'py>(map: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
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
fn milliseconds<'py>(seconds: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = seconds.py();
    py.get_type::<PyInt>().call1((seconds.mul(1000)?,))
}

fn unsigned(milliseconds: &Bound<'_, PyAny>) -> PyResult<u32> {
    let number: i64 = milliseconds.extract().unwrap_or(i64::MAX);
    if number < 0 {
        return Err(PyErr::new::<PyOverflowError, _>("can't convert negative number to unsigned"));
    }
    u32::try_from(number).map_err(|_| {
        PyErr::new::<PyOverflowError, _>(format!("integer {number} does not fit '32-bit unsigned int'"))
    })
}

fn count(number: &Bound<'_, PyAny>) -> PyResult<u32> {
    unsigned(number)
}

/// Text, or none.
fn text(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    match value.cast::<PyString>() {
        Ok(text) => Ok(Some(text.to_str()?.to_owned())),
        Err(_) => {
            let text = format!("Unrecognized string type: {} ({})", value.repr()?, value.get_type().repr()?);
            Err(PyErr::new::<PyTypeError, _>(text))
        }
    }
}

fn to_id(value: &Bound<'_, PyAny>) -> PyResult<Option<MessageId>> {
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

fn from_id(py: Python<'_>, id: Option<&MessageId>) -> PyResult<Py<PyAny>> {
    let t = types(py)?;
    Ok(match id {
        None => py.None(),
        Some(MessageId::Ulong(number)) => number.into_pyobject(py)?.into_any().unbind(),
        Some(MessageId::String(text)) => PyString::new(py, text).into_any().unbind(),
        Some(MessageId::Binary(bytes)) => t.memoryview.bind(py).call1((PyBytes::new(py, bytes),))?.unbind(),
        Some(MessageId::Uuid(uuid)) => {
            let keywords = PyDict::new(py);
            keywords.set_item("bytes", PyBytes::new(py, &uuid.0))?;
            t.uuid.bind(py).call((), Some(&keywords))?.unbind()
        }
    })
}

/// A symbol for programs; one that is not set reads as the symbol `None`, as in Proton.
fn symbol(py: Python<'_>, value: Option<&Symbol>) -> PyResult<Py<PyAny>> {
    Ok(types(py)?.symbol.bind(py).call1((value.map_or("None", Symbol::as_str),))?.unbind())
}

#[pymethods]
impl Message {
    #[classattr]
    const DEFAULT_PRIORITY: u8 = 4;

    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, pyo3::types::PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::empty()
    }

    #[pyo3(signature = (body=None, **kwargs))]
    fn __init__(
        slf: &Bound<'_, Self>,
        body: Option<Bound<'_, PyAny>>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        slf.borrow_mut().body = body.map(Bound::unbind);
        for (name, value) in kwargs.into_iter().flat_map(|kwargs| kwargs.iter()) {
            let name = name.cast::<PyString>()?;
            // Only what is there can be set.
            if slf.getattr_opt(name)?.is_none() {
                let text = format!("'{}' object has no attribute '{name}'", slf.get_type().name()?);
                return Err(PyErr::new::<PyAttributeError, _>(text));
            }
            slf.setattr(name, value)?;
        }
        Ok(())
    }

    /// What the message carries.
    #[getter]
    fn body(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.load(py);
        self.body.as_ref().map(|body| body.clone_ref(py))
    }

    #[setter]
    fn set_body(&mut self, py: Python<'_>, body: Option<Bound<'_, PyAny>>) {
        self.load(py);
        self.body = body.map(Bound::unbind);
    }

    /// Application properties (3.2.5): a dict with names as keys.
    #[getter]
    fn properties(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.load(py);
        self.properties.as_ref().map(|map| map.clone_ref(py))
    }

    #[setter]
    fn set_properties(&mut self, py: Python<'_>, map: Option<Bound<'_, PyAny>>) {
        self.load(py);
        self.properties = map.map(Bound::unbind);
    }

    /// Message annotations (3.2.3).
    #[getter]
    fn annotations(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.load(py);
        self.annotations.as_ref().map(|map| map.clone_ref(py))
    }

    #[setter]
    fn set_annotations(&mut self, py: Python<'_>, map: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.load(py);
        self.annotations = map.map(|map| annotations(py, map)).transpose()?;
        Ok(())
    }

    /// Delivery annotations, for the next node only (3.2.2).
    #[getter]
    fn instructions(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.load(py);
        self.instructions.as_ref().map(|map| map.clone_ref(py))
    }

    #[setter]
    fn set_instructions(&mut self, py: Python<'_>, map: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.load(py);
        self.instructions = map.map(|map| annotations(py, map)).transpose()?;
        Ok(())
    }

    /// Whether the kind of body section goes by the class of the body.
    #[getter]
    fn inferred(&mut self, py: Python<'_>) -> bool {
        self.load(py);
        self.inferred
    }

    #[setter]
    fn set_inferred(&mut self, py: Python<'_>, inferred: &Bound<'_, PyAny>) -> PyResult<()> {
        self.load(py);
        self.inferred = inferred.is_truthy()?;
        Ok(())
    }

    /// Whether the message must survive a restart of those who hold it (3.2.1).
    #[getter]
    fn durable(&mut self, py: Python<'_>) -> bool {
        self.load(py);
        self.header.durable
    }

    #[setter]
    fn set_durable(&mut self, py: Python<'_>, durable: &Bound<'_, PyAny>) -> PyResult<()> {
        self.load(py);
        self.header.durable = durable.is_truthy()?;
        Ok(())
    }

    /// The higher goes first; 4 by default (3.2.1).
    #[getter]
    fn priority(&mut self, py: Python<'_>) -> u8 {
        self.load(py);
        self.header.priority
    }

    #[setter]
    fn set_priority(&mut self, py: Python<'_>, priority: &Bound<'_, PyAny>) -> PyResult<()> {
        self.load(py);
        let number = count(priority)?;
        self.header.priority = u8::try_from(number).map_err(|_| {
            PyErr::new::<PyOverflowError, _>(format!("integer {number} does not fit '8-bit unsigned int'"))
        })?;
        Ok(())
    }

    /// Seconds that the message is good for; 0 for ever (3.2.1).
    #[getter]
    fn ttl<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyFloat> {
        self.load(py);
        PyFloat::new(py, f64::from(self.header.ttl.unwrap_or(0)) / 1000.0)
    }

    #[setter]
    fn set_ttl(&mut self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.load(py);
        let milliseconds = unsigned(&milliseconds(seconds)?)?;
        self.header.ttl = Some(milliseconds).filter(|ttl| *ttl > 0);
        Ok(())
    }

    /// Whether nobody has had the message before (3.2.1).
    #[getter]
    fn first_acquirer(&mut self, py: Python<'_>) -> bool {
        self.load(py);
        self.header.first_acquirer
    }

    #[setter]
    fn set_first_acquirer(&mut self, py: Python<'_>, first: &Bound<'_, PyAny>) -> PyResult<()> {
        self.load(py);
        self.header.first_acquirer = first.is_truthy()?;
        Ok(())
    }

    /// Failed attempts to deliver it (3.2.1).
    #[getter]
    fn delivery_count(&mut self, py: Python<'_>) -> u32 {
        self.load(py);
        self.header.delivery_count
    }

    #[setter]
    fn set_delivery_count(&mut self, py: Python<'_>, number: &Bound<'_, PyAny>) -> PyResult<()> {
        self.load(py);
        self.header.delivery_count = count(number)?;
        Ok(())
    }

    /// What names the message: a number, a string, bytes or a UUID (3.2.4).
    #[getter]
    fn id(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        from_id(py, self.properties_mut(py).message_id.as_ref())
    }

    #[setter]
    fn set_id(&mut self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.properties_mut(py).message_id = to_id(id)?;
        Ok(())
    }

    /// The id of the message that this one answers (3.2.4).
    #[getter]
    fn correlation_id(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        from_id(py, self.properties_mut(py).correlation_id.as_ref())
    }

    #[setter]
    fn set_correlation_id(&mut self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.properties_mut(py).correlation_id = to_id(id)?;
        Ok(())
    }

    /// Who has made the message, as bytes (3.2.4).
    #[getter]
    fn user_id<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.properties_mut(py).user_id.as_deref().unwrap_or_default())
    }

    #[setter]
    fn set_user_id(&mut self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = match (id.cast::<PyString>(), id.cast::<PyBytes>()) {
            (Ok(text), _) => text.to_str()?.as_bytes().to_vec(),
            (_, Ok(bytes)) => bytes.as_bytes().to_vec(),
            _ => {
                let text = format!("a user id is bytes, not {}", id.get_type().name()?);
                return Err(PyErr::new::<PyTypeError, _>(text));
            }
        };
        self.properties_mut(py).user_id = Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty());
        Ok(())
    }

    /// The MIME type of the body, as a symbol (3.2.4).
    #[getter]
    fn content_type(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        symbol(py, self.properties_mut(py).content_type.as_ref())
    }

    #[setter]
    fn set_content_type(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let value = text(value.as_ref())?;
        self.properties_mut(py).content_type = value.as_deref().map(Symbol::from);
        Ok(())
    }

    /// How the body is packed, as a symbol (3.2.4).
    #[getter]
    fn content_encoding(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        symbol(py, self.properties_mut(py).content_encoding.as_ref())
    }

    #[setter]
    fn set_content_encoding(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let value = text(value.as_ref())?;
        self.properties_mut(py).content_encoding = value.as_deref().map(Symbol::from);
        Ok(())
    }

    /// When the message is no good any more, in seconds since 1970; 0 for never (3.2.4).
    #[getter]
    fn expiry_time(&mut self, py: Python<'_>) -> f64 {
        self.properties_mut(py).absolute_expiry_time.map_or(0.0, |time| time.0 as f64 / 1000.0)
    }

    #[setter]
    fn set_expiry_time(&mut self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        let time: i64 = milliseconds(seconds)?.extract()?;
        self.properties_mut(py).absolute_expiry_time = Some(Timestamp(time)).filter(|time| time.0 != 0);
        Ok(())
    }

    /// When the message was made, in seconds since 1970 (3.2.4).
    #[getter]
    fn creation_time(&mut self, py: Python<'_>) -> f64 {
        self.properties_mut(py).creation_time.map_or(0.0, |time| time.0 as f64 / 1000.0)
    }

    #[setter]
    fn set_creation_time(&mut self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        let time: i64 = milliseconds(seconds)?.extract()?;
        self.properties_mut(py).creation_time = Some(Timestamp(time)).filter(|time| time.0 != 0);
        Ok(())
    }

    /// The place in its group (3.2.4).
    #[getter]
    fn group_sequence(&mut self, py: Python<'_>) -> u32 {
        self.properties_mut(py).group_sequence.unwrap_or(0)
    }

    #[setter]
    fn set_group_sequence(&mut self, py: Python<'_>, number: &Bound<'_, PyAny>) -> PyResult<()> {
        let number = count(number)?;
        self.properties_mut(py).group_sequence = Some(number).filter(|number| *number > 0);
        Ok(())
    }

    /// Where the message goes (3.2.4, to).
    #[getter]
    fn address(&mut self, py: Python<'_>) -> Option<&str> {
        self.properties_mut(py).to.as_deref()
    }

    #[setter]
    fn set_address(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.properties_mut(py).to = text(value.as_ref())?;
        Ok(())
    }

    /// What the message is about (3.2.4).
    #[getter]
    fn subject(&mut self, py: Python<'_>) -> Option<&str> {
        self.properties_mut(py).subject.as_deref()
    }

    #[setter]
    fn set_subject(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.properties_mut(py).subject = text(value.as_ref())?;
        Ok(())
    }

    /// Where answers go (3.2.4).
    #[getter]
    fn reply_to(&mut self, py: Python<'_>) -> Option<&str> {
        self.properties_mut(py).reply_to.as_deref()
    }

    #[setter]
    fn set_reply_to(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.properties_mut(py).reply_to = text(value.as_ref())?;
        Ok(())
    }

    /// The group that the message belongs to (3.2.4).
    #[getter]
    fn group_id(&mut self, py: Python<'_>) -> Option<&str> {
        self.properties_mut(py).group_id.as_deref()
    }

    #[setter]
    fn set_group_id(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.properties_mut(py).group_id = text(value.as_ref())?;
        Ok(())
    }

    /// The group that answers belong to (3.2.4).
    #[getter]
    fn reply_to_group_id(&mut self, py: Python<'_>) -> Option<&str> {
        self.properties_mut(py).reply_to_group_id.as_deref()
    }

    #[setter]
    fn set_reply_to_group_id(&mut self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.properties_mut(py).reply_to_group_id = text(value.as_ref())?;
        Ok(())
    }

    /// Makes it an empty message.
    fn clear(&mut self) {
        *self = Self::empty();
    }

    /// The message as bytes.
    fn encode<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let mut out = BytesMut::new();
        self.encode_into(py, &mut out)?;
        Ok(PyByteArray::new(py, &out))
    }

    /// Becomes the message that some bytes are.
    fn decode(&mut self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = py.get_type::<PyBytes>().call1((data,))?.cast_into::<PyBytes>()?;
        *self = Self::empty();
        self.unread = Some(Bytes::copy_from_slice(bytes.as_bytes()));
        self.load(py);
        Ok(())
    }

    /// Sends the message on a link; gives the delivery.
    #[pyo3(signature = (sender, tag=None))]
    fn send<'py>(
        slf: &Bound<'py, Self>,
        sender: &Bound<'py, PyAny>,
        tag: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let mut out = BytesMut::new();
        slf.borrow_mut().encode_into(py, &mut out)?;
        sender.cast::<LinkCore>()?;
        let tag = match tag {
            Some(tag) => tag,
            None => sender.call_method0(pyo3::intern!(py, "delivery_tag"))?,
        };
        let tag = match tag.cast::<PyString>() {
            Ok(text) => text.to_str()?.as_bytes().to_vec(),
            Err(_) => tag.extract::<Vec<u8>>()?,
        };
        Ok(LinkCore::send_bytes(sender.cast::<LinkCore>()?, out.into(), tag)?.into_any())
    }

    /// Takes the current message of a receiver; None if it is not here whole, or the link is a sender.
    fn recv<'py>(slf: &Bound<'py, Self>, link: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let core = link.cast::<LinkCore>()?;
        if core.get().is_sender() {
            return Ok(None);
        }
        let Some((delivery, payload)) = LinkCore::take(core)? else { return Ok(None) };
        {
            let mut message = slf.borrow_mut();
            *message = Self::empty();
            message.unread = Some(payload);
        }
        if core.get().is_peer_settled() {
            delivery.get().settle_as(slf.py(), None)?;
        }
        Ok(Some(delivery.into_any()))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        const FIELDS: [&str; 23] = [
            "inferred",
            "address",
            "durable",
            "ttl",
            "priority",
            "first_acquirer",
            "delivery_count",
            "id",
            "correlation_id",
            "user_id",
            "group_id",
            "group_sequence",
            "reply_to_group_id",
            "reply_to",
            "content_type",
            "content_encoding",
            "expiry_time",
            "creation_time",
            "subject",
            "instructions",
            "annotations",
            "properties",
            "body",
        ];
        let mut shown = Vec::new();
        for field in FIELDS {
            let value = slf.getattr(field)?;
            if value.is_truthy()? && value.str()? != "None" {
                shown.push(format!("{field}={}", value.repr()?));
            }
        }
        Ok(format!("Message({})", shown.join(", ")))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for object in [&self.instructions, &self.annotations, &self.properties, &self.body] {
            visit.call(object)?;
        }
        Ok(())
    }

    fn __clear__(&mut self) {
        *self = Self::empty();
    }
}
