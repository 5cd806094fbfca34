//! Messages. What came from the wire is only read when a program looks at it.

use bytes::{Bytes, BytesMut};
use deuteron_codec::{Header, Properties, Symbol, Timestamp};
use pyo3::exceptions::{PyAttributeError, PyOverflowError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyString};

use crate::fields::{annotations, count, from_id, milliseconds, symbol, text, to_id, unsigned};
use crate::link::LinkCore;
use crate::outgoing::tag_bytes;

/// A message: what programs send and receive (3.2).
#[pyclass(subclass, dict, weakref, module = "proton")]
pub(crate) struct Message {
    /// What came and was not looked at.
    pub(crate) unread: Option<Bytes>,
    pub(crate) inferred: bool,
    pub(crate) header: Header,
    pub(crate) properties_section: Properties,
    pub(crate) instructions: Option<Py<PyAny>>,
    pub(crate) annotations: Option<Py<PyAny>>,
    pub(crate) properties: Option<Py<PyAny>>,
    pub(crate) body: Option<Py<PyAny>>,
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
    fn body(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.try_load(py)?;
        Ok(self.body.as_ref().map(|body| body.clone_ref(py)))
    }

    #[setter]
    fn set_body(&mut self, py: Python<'_>, body: Option<Bound<'_, PyAny>>) {
        self.load(py);
        self.body = body.map(Bound::unbind);
    }

    /// Application properties (3.2.5): a dict with names as keys.
    #[getter]
    fn properties(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.try_load(py)?;
        Ok(self.properties.as_ref().map(|map| map.clone_ref(py)))
    }

    #[setter]
    fn set_properties(&mut self, py: Python<'_>, map: Option<Bound<'_, PyAny>>) {
        self.load(py);
        self.properties = map.map(Bound::unbind);
    }

    /// Message annotations (3.2.3).
    #[getter]
    fn annotations(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.try_load(py)?;
        Ok(self.annotations.as_ref().map(|map| map.clone_ref(py)))
    }

    #[setter]
    fn set_annotations(&mut self, py: Python<'_>, map: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.load(py);
        self.annotations = map.map(|map| annotations(py, map)).transpose()?;
        Ok(())
    }

    /// Delivery annotations, for the next node only (3.2.2).
    #[getter]
    fn instructions(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.try_load(py)?;
        Ok(self.instructions.as_ref().map(|map| map.clone_ref(py)))
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
        let properties = self.properties_mut(py);
        properties.group_sequence =
            Some(number).filter(|number| *number > 0 || properties.group_id.is_some());
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
        let id = text(value.as_ref())?;
        let properties = self.properties_mut(py);
        // Within a group the sequence number is written even if it is 0.
        let number = properties.group_sequence.unwrap_or(0);
        properties.group_sequence = Some(number).filter(|number| *number > 0 || id.is_some());
        properties.group_id = id;
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
        let bytes = match data.cast_exact::<PyBytes>() {
            Ok(bytes) => bytes.clone(),
            Err(_) => py.get_type::<PyBytes>().call1((data,))?.cast_into::<PyBytes>()?,
        };
        *self = Self::empty();
        self.load_all(py, bytes.as_bytes(), Some(&bytes))
    }

    /// Sends the message on a link; gives the delivery.
    #[pyo3(signature = (sender, tag=None))]
    pub(crate) fn send<'py>(
        slf: &Bound<'py, Self>,
        sender: &Bound<'py, PyAny>,
        tag: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let sender = sender.cast::<LinkCore>()?;
        sender.get().check(py)?;
        let mut out = BytesMut::with_capacity(256);
        slf.borrow_mut().encode_into(py, &mut out)?;
        let tag = match tag {
            Some(tag) => tag_bytes(&tag)?,
            None => LinkCore::next_tag(sender)?,
        };
        Ok(LinkCore::send_bytes(sender, out.into(), tag)?.into_any())
    }

    /// Takes the current message of a receiver; None if it is not here whole, or the link is a sender.
    fn recv<'py>(slf: &Bound<'py, Self>, link: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let core = link.cast::<LinkCore>()?;
        if core.get().is_sender() {
            return Ok(None);
        }
        let Some((delivery, payload)) = LinkCore::take(core)? else { return Ok(None) };
        let encoded = PyBytes::new(slf.py(), &payload);
        {
            let mut message = slf.borrow_mut();
            *message = Self::empty();
            message.load_all(slf.py(), &payload, Some(&encoded))?;
        }
        delivery.setattr("encoded", encoded)?;
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
