//! What a selector is made of, once it has been read. Chains of operators are lists, not trees, so
//! that only parentheses nest.

use super::field::Field;
use super::like::Pattern;

/// A part of a selector.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Literal(Literal),
    Field(Field),
    /// `-x`.
    Negative(Box<Self>),
    /// `x + y - z`, or `x * y / z`.
    Arithmetic(Box<Self>, Vec<(Operation, Self)>),
    Compare(Box<(Self, Self)>, Comparison),
    /// `x [NOT] BETWEEN y AND z`.
    Between {
        operands: Box<[Self; 3]>,
        negated: bool,
    },
    In {
        operand: Box<Self>,
        choices: Vec<Literal>,
        negated: bool,
    },
    Like {
        operand: Box<Self>,
        pattern: Pattern,
        negated: bool,
    },
    IsNull {
        operand: Box<Self>,
        negated: bool,
    },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// A value in the text of a selector.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Boolean(bool),
    /// Any that an AMQP message can have.
    Exact(i128),
    Approximate(f64),
    Text(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// What is known of an expression's type before there is a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Condition,
    Number,
    Text,
    /// A property: the message decides.
    Any,
}

impl Expression {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Literal(Literal::Boolean(_)) => Kind::Condition,
            Self::Literal(Literal::Text(_)) => Kind::Text,
            Self::Literal(_) | Self::Negative(_) | Self::Arithmetic(..) => Kind::Number,
            Self::Field(_) => Kind::Any,
            _ => Kind::Condition,
        }
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Condition => "a condition",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Any => "a property",
        }
    }
}
