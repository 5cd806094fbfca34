//! Delivery states, conditions and other AMQP values, between the codec's types and what the Python sources hand over: encoded
//! values, which they know how to read and write.

use bytes::{Bytes, BytesMut};
use deuteron_codec::{
    Decode, DeliveryState, Encode, Error, Map, Modified, Reader, Received, Symbol, TransactionalState, Value,
    Writer,
};
use deuteron_engine::EndpointState;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::calls::CallOut;
use crate::names;

pub(crate) const RECEIVED: u64 = 0x23;
pub(crate) const ACCEPTED: u64 = 0x24;
pub(crate) const REJECTED: u64 = 0x25;
pub(crate) const RELEASED: u64 = 0x26;
pub(crate) const MODIFIED: u64 = 0x27;
const DECLARED: u64 = 0x33;
const TRANSACTIONAL: u64 = 0x34;

/// A condition as Python hands it over: its name, description and encoded info.
pub(crate) type ConditionParts = (String, Option<String>, Option<Vec<u8>>);

/// The bits of Proton's endpoint states.
pub(crate) fn endpoint_state(local: EndpointState, remote: EndpointState) -> u32 {
    let bits = |state| match state {
        EndpointState::Uninit => 1,
        // A detached link is not closed: Proton counts it as active.
        EndpointState::Open | EndpointState::Detached => 2,
        EndpointState::Closed => 4,
    };
    bits(local) | bits(remote) << 3
}

/// Whether an endpoint's state fits a mask: with bits of both sides each has to fit, otherwise any of them.
pub(crate) fn fits(state: u32, mask: u32) -> bool {
    const LOCAL: u32 = 7;
    const REMOTE: u32 = 0o70;
    match mask {
        0 => true,
        mask if mask & LOCAL != 0 && mask & REMOTE != 0 => state == mask,
        mask => state & mask != 0,
    }
}

pub(crate) fn encode(value: &impl Encode) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    value.encode(&mut Writer::new(&mut bytes));
    bytes.to_vec()
}

pub(crate) fn decode(bytes: &[u8]) -> PyResult<Value> {
    Value::decode(&mut Reader::new(bytes)).map_err(|error| PyErr::new::<PyValueError, _>(error.to_string()))
}

/// A map, if the value is one.
pub(crate) fn decode_map(bytes: Option<Vec<u8>>) -> PyResult<Option<Map>> {
    Ok(match bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| decode(&bytes)).transpose()? {
        Some(Value::Map(map)) => Some(map),
        _ => None,
    })
}

/// The symbols of an array, a list or a single one.
pub(crate) fn decode_symbols(bytes: Option<Vec<u8>>) -> PyResult<Vec<Symbol>> {
    let symbols = |values: Vec<Value>| {
        values.into_iter().filter_map(|value| value.as_str().map(Symbol::from)).collect::<Vec<_>>()
    };
    Ok(match bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| decode(&bytes)).transpose()? {
        Some(Value::Array(array)) => symbols(array.into_elements()),
        Some(Value::List(list)) => symbols(list),
        Some(value) => symbols(vec![value]),
        None => Vec::new(),
    })
}

pub(crate) fn encode_map(map: Option<&Map>) -> Option<Vec<u8>> {
    map.map(|map| encode(&Value::Map(map.clone())))
}

pub(crate) fn encode_symbols(symbols: &[Symbol]) -> Option<Vec<u8>> {
    let array = || deuteron_codec::Array::symbols(symbols.iter().cloned());
    (!symbols.is_empty()).then(|| encode(&Value::Array(Box::new(array()))))
}

pub(crate) fn condition_parts(error: &Error) -> ConditionParts {
    (error.condition.as_str().to_owned(), error.description.clone(), encode_map(error.info.as_ref()))
}

pub(crate) fn to_error((name, description, info): ConditionParts) -> PyResult<Error> {
    Ok(Error { condition: Symbol::from(name.as_str()), description, info: decode_map(info)? })
}

/// The code that Proton gives a state.
pub(crate) fn code(state: &DeliveryState) -> u64 {
    match state {
        DeliveryState::Received(_) => RECEIVED,
        DeliveryState::Accepted => ACCEPTED,
        DeliveryState::Rejected(_) => REJECTED,
        DeliveryState::Released => RELEASED,
        DeliveryState::Modified(_) => MODIFIED,
        DeliveryState::Declared(_) => DECLARED,
        DeliveryState::Transactional(_) => TRANSACTIONAL,
        DeliveryState::Custom(described) => described.descriptor.as_u64().unwrap_or(0),
    }
}

/// What a program put on `delivery.local`.
#[derive(FromPyObject)]
pub(crate) struct LocalState {
    section_number: u32,
    section_offset: u64,
    failed: bool,
    undeliverable: bool,
    _annotations: Option<Vec<u8>>,
    _data: Option<Vec<u8>>,
    _condition: Option<ConditionParts>,
}

impl LocalState {
    /// The state with this code; None if the codec does not have it.
    pub(crate) fn into_state(self, code: u64) -> PyResult<Option<DeliveryState>> {
        Ok(Some(match code {
            RECEIVED => DeliveryState::Received(Received {
                section_number: self.section_number,
                section_offset: self.section_offset,
            }),
            REJECTED => DeliveryState::Rejected(self._condition.map(to_error).transpose()?.map(Box::new)),
            MODIFIED => DeliveryState::Modified(Box::new(Modified {
                delivery_failed: self.failed,
                undeliverable_here: self.undeliverable,
                message_annotations: decode_map(self._annotations)?,
            })),
            TRANSACTIONAL => match self._data.map(|bytes| decode(&bytes)).transpose()? {
                Some(Value::List(fields)) => transactional(fields)?,
                _ => return Ok(None),
            },
            code => match self._data.map(|bytes| decode(&bytes)).transpose()? {
                Some(fields) => DeliveryState::Custom(Box::new(deuteron_codec::Described::new(
                    Value::Ulong(code),
                    fields,
                ))),
                None => return Ok(plain(code)),
            },
        }))
    }
}

/// A transactional state from its fields: the transaction, and the outcome in it.
fn transactional(fields: Vec<Value>) -> PyResult<DeliveryState> {
    let mut fields = fields.into_iter();
    let txn_id = match fields.next() {
        Some(Value::Binary(id)) => id,
        Some(Value::String(id)) => Bytes::copy_from_slice(id.as_bytes()),
        _ => {
            return Err(PyErr::new::<PyValueError, _>(
                "a transactional state needs the id of its transaction",
            ));
        }
    };
    let outcome = match fields.next() {
        None | Some(Value::Null) => None,
        Some(value) => {
            let bytes = encode(&value);
            Some(
                DeliveryState::decode(&mut Reader::new(&bytes))
                    .map_err(|error| PyErr::new::<PyValueError, _>(error.to_string()))?,
            )
        }
    };
    Ok(DeliveryState::Transactional(Box::new(TransactionalState { txn_id, outcome })))
}

/// The state with this code and nothing else in it.
pub(crate) fn plain(code: u64) -> Option<DeliveryState> {
    Some(match code {
        ACCEPTED => DeliveryState::Accepted,
        REJECTED => DeliveryState::Rejected(None),
        RELEASED => DeliveryState::Released,
        MODIFIED => DeliveryState::Modified(Box::default()),
        RECEIVED => DeliveryState::Received(Received { section_number: 0, section_offset: 0 }),
        0 => return None,
        code => DeliveryState::Custom(Box::new(deuteron_codec::Described::new(
            Value::Ulong(code),
            Value::List(Vec::new()),
        ))),
    })
}

/// What Python's `Disposition` shows of a state: number and offset of the section, failed, undeliverable, annotations, the data of
/// other states, and the condition.
pub(crate) type RemoteParts =
    (u64, u32, u64, bool, bool, Option<Vec<u8>>, Option<Vec<u8>>, Option<ConditionParts>);

pub(crate) fn remote_parts(state: Option<&DeliveryState>) -> RemoteParts {
    let Some(state) = state else { return (0, 0, 0, false, false, None, None, None) };
    let mut parts: RemoteParts = (code(state), 0, 0, false, false, None, None, None);
    match state {
        DeliveryState::Received(received) => {
            (parts.1, parts.2) = (received.section_number, received.section_offset);
        }
        DeliveryState::Rejected(Some(error)) => parts.7 = Some(condition_parts(error)),
        DeliveryState::Modified(modified) => {
            (parts.3, parts.4) = (modified.delivery_failed, modified.undeliverable_here);
            parts.5 = encode_map(modified.message_annotations.as_ref());
        }
        DeliveryState::Declared(declared) => {
            parts.6 = Some(encode(&Value::List(vec![Value::Binary(declared.txn_id.clone())])));
        }
        DeliveryState::Transactional(state) => {
            let mut fields = vec![Value::Binary(state.txn_id.clone())];
            if let Some(outcome) = &state.outcome
                && let Ok(value) = decode(&encode(outcome))
            {
                fields.push(value);
            }
            parts.6 = Some(encode(&Value::List(fields)));
        }
        DeliveryState::Custom(described) => parts.6 = Some(encode(&described.value)),
        _ => {}
    }
    parts
}

/// The kind of a state, as programs see it.
pub(crate) fn kind_of_state(py: Python<'_>, code: u64) -> PyResult<Py<PyAny>> {
    Ok(names::get(py, "disposition_type")?.call_out((code,))?.unbind())
}
