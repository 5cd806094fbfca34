//! What a selector is for a message, with the three values of SQL: true, false, and unknown (`None`).

use super::expression::{Comparison, Expression};
use super::field::Fields;
use super::value::Value;

/// Whether a condition holds.
pub(super) fn condition(expression: &Expression, fields: &Fields<'_>) -> Option<bool> {
    match expression {
        Expression::And(conditions) => junction(conditions, fields, false),
        Expression::Or(conditions) => junction(conditions, fields, true),
        Expression::Not(operand) => condition(operand, fields).map(|truth| !truth),
        Expression::Compare(operands, comparison) => {
            value(&operands.0, fields).compare(*comparison, &value(&operands.1, fields))
        }
        Expression::Between { operands, negated } => {
            let [operand, low, high] = &**operands;
            let operand = value(operand, fields);
            let low = operand.compare(
                if *negated { Comparison::Less } else { Comparison::GreaterOrEqual },
                &value(low, fields),
            );
            if low == Some(*negated) {
                return low;
            }
            let high = operand.compare(
                if *negated { Comparison::Greater } else { Comparison::LessOrEqual },
                &value(high, fields),
            );
            if high == Some(*negated) { high } else { low.and(high) }
        }
        Expression::In { operand, choices, negated } => {
            let operand = value(operand, fields);
            let is_one = |choice| operand.compare(Comparison::Equal, &Value::of(choice)) == Some(true);
            match operand {
                Value::Null => None,
                _ => Some(choices.iter().any(is_one) != *negated),
            }
        }
        Expression::Like { operand, pattern, negated } => match value(operand, fields) {
            Value::Null => None,
            Value::Text(text) => Some(pattern.matches(&text) != *negated),
            _ => Some(*negated),
        },
        Expression::IsNull { operand, negated } => {
            Some(matches!(value(operand, fields), Value::Null) != *negated)
        }
        Expression::Literal(_)
        | Expression::Field(_)
        | Expression::Negative(_)
        | Expression::Arithmetic(..) => value(expression, fields).truth(),
    }
}

/// A chain of OR (`decisive` is true) or AND (false): the first that is decisive decides. Otherwise
/// one that is unknown makes all unknown.
fn junction(conditions: &[Expression], fields: &Fields<'_>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for operand in conditions {
        match condition(operand, fields) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

/// What an expression is, of whatever type.
fn value<'v>(expression: &'v Expression, fields: &'v Fields<'_>) -> Value<'v> {
    match expression {
        Expression::Literal(literal) => Value::of(literal),
        Expression::Field(field) => fields.value(field),
        Expression::Negative(operand) => value(operand, fields).negative(),
        Expression::Arithmetic(first, rest) => {
            rest.iter().fold(value(first, fields), |left, (operation, operand)| {
                left.calculate(*operation, &value(operand, fields))
            })
        }
        condition_ => condition(condition_, fields).map_or(Value::Null, Value::Boolean),
    }
}
