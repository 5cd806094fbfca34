//! Values, while a selector is evaluated.

use std::borrow::Cow;
use std::cmp::Ordering;

use deuteron::codec::Scalar;

use super::expression::{Comparison, Literal, Operation};

/// What an expression is for a message.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// It is not known: the message lacks a property, or operands have the wrong types.
    Null,
    Boolean(bool),
    Exact(i128),
    Approximate(f64),
    Text(Cow<'a, str>),
    /// It is there, but selectors have no such type: binary, decimals, lists, maps, arrays.
    Opaque,
}

impl<'a> Value<'a> {
    pub(super) fn of(literal: &'a Literal) -> Self {
        match literal {
            Literal::Boolean(value) => Self::Boolean(*value),
            Literal::Exact(value) => Self::Exact(*value),
            Literal::Approximate(value) => Self::Approximate(*value),
            Literal::Text(text) => Self::Text(Cow::Borrowed(text)),
        }
    }

    /// An AMQP value; `None` stands for one that holds others.
    pub(super) fn of_scalar(scalar: Option<Scalar<'a>>) -> Self {
        match scalar {
            Some(Scalar::Null) => Self::Null,
            Some(Scalar::Bool(value)) => Self::Boolean(value),
            Some(Scalar::Ubyte(value)) => Self::Exact(value.into()),
            Some(Scalar::Ushort(value)) => Self::Exact(value.into()),
            Some(Scalar::Uint(value)) => Self::Exact(value.into()),
            Some(Scalar::Ulong(value)) => Self::Exact(value.into()),
            Some(Scalar::Byte(value)) => Self::Exact(value.into()),
            Some(Scalar::Short(value)) => Self::Exact(value.into()),
            Some(Scalar::Int(value)) => Self::Exact(value.into()),
            Some(Scalar::Long(value)) => Self::Exact(value.into()),
            Some(Scalar::Timestamp(value)) => Self::Exact(value.0.into()),
            Some(Scalar::Float(value)) => Self::Approximate(value.into()),
            Some(Scalar::Double(value)) => Self::Approximate(value),
            Some(Scalar::String(text) | Scalar::Symbol(text)) => Self::text(text),
            Some(Scalar::Char(char)) => Self::Text(Cow::Owned(char.into())),
            Some(Scalar::Uuid(uuid)) => Self::Text(Cow::Owned(uuid.to_string())),
            _ => Self::Opaque,
        }
    }

    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A condition is true, false, or unknown. What is no condition is unknown.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// Null compared with anything is unknown. What cannot be compared makes the comparison false,
    /// whichever it is.
    pub(super) fn compare(&self, comparison: Comparison, other: &Self) -> Option<bool> {
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let order = match (self, other) {
            (Self::Null, _) | (_, Self::Null) => return None,
            (Self::Boolean(left), Self::Boolean(right)) if equality => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) if equality => Some(left.cmp(right)),
            (Self::Exact(left), Self::Exact(right)) => Some(left.cmp(right)),
            (left, right) => match (left.approximate(), right.approximate()) {
                (Some(left), Some(right)) => {
                    // Not a number is unequal to everything.
                    let unequal = comparison == Comparison::NotEqual;
                    return Some(left.partial_cmp(&right).map_or(unequal, |order| comparison.holds(order)));
                }
                _ => None,
            },
        };
        Some(order.is_some_and(|order| comparison.holds(order)))
    }

    #[allow(clippy::cast_precision_loss, reason = "what mixing exact and approximate numbers means")]
    fn approximate(&self) -> Option<f64> {
        match self {
            Self::Exact(value) => Some(*value as f64),
            Self::Approximate(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn negative(&self) -> Self {
        match self {
            Self::Exact(value) => value.checked_neg().map_or(Self::Null, Self::Exact),
            Self::Approximate(value) => Self::Approximate(-value),
            _ => Self::Null,
        }
    }

    /// Exact numbers stay exact, and their division drops the rest, as in Java. What does not fit, or
    /// has no result, is null.
    pub(super) fn calculate(&self, operation: Operation, other: &Self) -> Self {
        if let (Self::Exact(left), Self::Exact(right)) = (self, other) {
            let result = match operation {
                Operation::Add => left.checked_add(*right),
                Operation::Subtract => left.checked_sub(*right),
                Operation::Multiply => left.checked_mul(*right),
                Operation::Divide => left.checked_div(*right),
            };
            return result.map_or(Self::Null, Self::Exact);
        }
        match (self.approximate(), other.approximate()) {
            (Some(left), Some(right)) => Self::Approximate(match operation {
                Operation::Add => left + right,
                Operation::Subtract => left - right,
                Operation::Multiply => left * right,
                Operation::Divide => left / right,
            }),
            _ => Self::Null,
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}
