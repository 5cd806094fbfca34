//! The coordinator of transactions, as clients see it: its messages, and the names of transactions on the wire.

use bytes::Bytes;
use deuteron::codec::{Body, Declare, Declared, Discharge, TransactionalState};
use deuteron::{AmqpError, Delivery, DeliveryState, Map, Value, condition};

use crate::ports::{key, number};
use crate::router::TransactionId;

/// What the coordinator can do (4.5.7).
pub(crate) const CAPABILITIES: [&str; 3] =
    ["amqp:local-transactions", "amqp:multi-txns-per-ssn", "amqp:multi-ssns-per-txn"];

/// What a message to the coordinator asks for.
#[derive(Debug)]
pub(crate) enum Control {
    Declare,
    Discharge { id: TransactionId, fails: bool },
}

/// Reads a message to the coordinator (4.5.2, 4.5.3).
///
/// # Errors
/// If it is none, or asks for what is not there.
pub(crate) fn read(delivery: &Delivery) -> Result<Control, AmqpError> {
    let wrong = |text: String| AmqpError::new(condition::DECODE_ERROR, text);
    let message = delivery
        .message()
        .map_err(|error| wrong(format!("the message to the coordinator cannot be read: {error}")))?;
    let Body::Value(Value::Described(described)) = message.body else {
        return Err(wrong("a message to the coordinator is a declare or a discharge".into()));
    };
    let is = |code: u64, name: &str| match &described.descriptor {
        Value::Ulong(descriptor) => *descriptor == code,
        Value::Symbol(descriptor) => descriptor.as_str() == name,
        _ => false,
    };
    let fields = match &described.value {
        Value::List(fields) => fields.as_slice(),
        _ => return Err(wrong("a declare or a discharge is a list".into())),
    };
    if is(Declare::CODE, Declare::NAME) {
        return match fields.first() {
            None | Some(Value::Null) => Ok(Control::Declare),
            Some(_) => {
                let text = "this broker has no global transactions: declare without a global-id";
                Err(AmqpError::new(condition::NOT_IMPLEMENTED, text))
            }
        };
    }
    if is(Discharge::CODE, Discharge::NAME) {
        let Some(Value::Binary(txn_id)) = fields.first() else {
            return Err(AmqpError::new(
                condition::INVALID_FIELD,
                "a discharge needs the id of its transaction",
            ));
        };
        let fails = matches!(fields.get(1), Some(Value::Bool(true)));
        return Ok(Control::Discharge { id: id(txn_id)?, fails });
    }
    Err(wrong(format!("the coordinator does not know {:?}", described.descriptor)))
}

/// The outcome of a declare (4.5.5).
pub(crate) fn declared(id: TransactionId) -> DeliveryState {
    DeliveryState::Declared(Box::new(Declared { txn_id: Bytes::copy_from_slice(&number(id).to_be_bytes()) }))
}

/// The transaction that a client calls so.
///
/// # Errors
/// If that is no name of ours.
pub(crate) fn id(txn_id: &[u8]) -> Result<TransactionId, AmqpError> {
    let bytes = txn_id.try_into().map_err(|_| {
        AmqpError::new(condition::TRANSACTION_UNKNOWN_ID, "the broker has given no transaction this id")
    })?;
    Ok(key(u64::from_be_bytes(bytes)))
}

/// Whether an error says that a transaction is not there.
pub(crate) fn is_over(error: &AmqpError) -> bool {
    error.condition == condition::TRANSACTION_UNKNOWN_ID
}

/// The transaction that a client's flow says its messages are to be acquired in (4.4.3).
///
/// # Errors
/// If it says that, and names none of ours.
pub(crate) fn of_flow(properties: Option<&Map>) -> Result<Option<TransactionId>, AmqpError> {
    match properties.and_then(|properties| properties.get("txn-id")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Binary(txn_id)) => id(txn_id).map(Some),
        Some(other) => {
            let text = format!("the txn-id of a flow is a binary, not {other:?}");
            Err(AmqpError::new(condition::INVALID_FIELD, text))
        }
    }
}

/// What a message says that is acquired within a transaction (4.4.3).
pub(crate) fn acquired(id: TransactionId) -> DeliveryState {
    let txn_id = Bytes::copy_from_slice(&number(id).to_be_bytes());
    DeliveryState::Transactional(Box::new(TransactionalState { txn_id, outcome: None }))
}

/// An outcome that holds once the transaction is committed (4.5.6).
pub(crate) fn within(txn_id: &[u8], outcome: DeliveryState) -> DeliveryState {
    let state = TransactionalState { txn_id: Bytes::copy_from_slice(txn_id), outcome: Some(outcome) };
    DeliveryState::Transactional(Box::new(state))
}
