//! Messages on their way out of a link.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::calls::CallOut;
use crate::delivery::Delivery;
use crate::link::LinkCore;
use crate::names::Known;

static SENDER: Known = Known::new("Sender");

/// A tag as a program gives it.
pub(crate) fn tag_bytes(tag: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    match tag.cast::<PyString>() {
        Ok(text) => Ok(text.to_str()?.as_bytes().to_vec()),
        Err(_) => tag.extract(),
    }
}

impl LinkCore {
    /// Sends an encoded message as one delivery.
    pub(crate) fn send_bytes<'py>(
        slf: &Bound<'py, Self>,
        bytes: Vec<u8>,
        tag: Vec<u8>,
    ) -> PyResult<Bound<'py, Delivery>> {
        let delivery = Self::create(slf, tag)?;
        let current = slf.get().traffic().waiting.pop_front();
        if let Some(current) = current {
            // As in Proton: it ends the message that is being written, and the new one is the next to write.
            current.get().progress().bytes.extend_from_slice(&bytes);
            slf.get().traffic().waiting.push_back(delivery.clone().unbind());
            Self::finish(slf, current.bind(slf.py()));
            return Ok(delivery);
        }
        delivery.get().progress().bytes = bytes;
        Self::finish(slf, &delivery);
        if slf.get().traffic().pre_settled {
            delivery.get().settle_as(slf.py(), None)?;
        }
        Ok(delivery)
    }

    /// Adds bytes to the message that is written; false if there is none.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> bool {
        let current = self.traffic().waiting.front().map(|first| first.clone_ref(py));
        let Some(current) = current else { return false };
        if bytes.is_empty() {
            return true;
        }
        let due = {
            let mut progress = current.get().progress();
            progress.bytes.extend_from_slice(bytes);
            std::mem::replace(&mut progress.part_due, true)
        };
        let connection = self.connection.get();
        if !due {
            connection.send_part_later(current.bind(py));
        }
        connection.modified(py);
        true
    }

    /// The tag of the next delivery.
    pub(crate) fn next_tag(slf: &Bound<'_, Self>) -> PyResult<Vec<u8>> {
        let py = slf.py();
        if slf.get().tags.get(py).is_none() && SENDER.is_class_of(slf.as_any())? {
            return Ok(slf.get().next_number().to_string().into_bytes());
        }
        tag_bytes(&slf.call_method_out(pyo3::intern!(py, "delivery_tag"), ())?)
    }

    pub(crate) fn next_number(&self) -> u64 {
        let mut traffic = self.traffic();
        traffic.tags += 1;
        traffic.tags
    }

    pub(crate) fn create<'py>(slf: &Bound<'py, Self>, tag: Vec<u8>) -> PyResult<Bound<'py, Delivery>> {
        let delivery = Delivery::new(slf.as_any(), slf.get().engine.clone(), slf.get().sender, tag, None);
        slf.get().traffic().count(&delivery);
        Bound::new(slf.py(), delivery)
    }

    /// The current message is written: it is sent at the end of the turn.
    pub(crate) fn finish(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) {
        let this = slf.get();
        let known = {
            let mut progress = delivery.get().progress();
            progress.advanced = true;
            progress.complete = true;
            progress.id.is_some()
        };
        this.traffic().outbox += u32::from(!known);
        this.connection.get().send_later(delivery);
        this.connection.get().modified(slf.py());
    }
}
