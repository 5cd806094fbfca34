//! Message selectors, as JMS has them: conditions on header fields and properties, in a subset of
//! the SQL-92 syntax. Consumers give one in the filter `apache.org:selector-filter:string`.
//!
//! | file | what it does |
//! |---|---|
//! | lexer | text to tokens |
//! | parser | tokens to an expression |
//! | expression | what an expression is made of |
//! | field | names of header fields and properties, and where a message has them |
//! | value, evaluate | what an expression is for a message |
//! | like | patterns |

mod error;
mod evaluate;
mod expression;
mod field;
mod lexer;
mod like;
#[cfg(test)]
mod oracle;
mod parser;
#[cfg(test)]
mod tests;
mod value;

use deuteron::codec::MessageView;

pub(crate) use error::SelectorError;
use expression::Expression;
use field::Fields;

/// A selector longer than this is refused, in bytes.
pub(crate) const MAX_LENGTH: usize = 16 * 1024;

/// Parentheses within each other beyond this are refused. Nothing else nests.
pub(crate) const MAX_DEPTH: usize = 64;

/// A condition on messages.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    condition: Expression,
}

impl Selector {
    /// Reads a selector. Blank text selects everything, as in JMS.
    ///
    /// # Errors
    /// What is wrong with it, where, and what was expected there.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectorError> {
        parser::parse(text).map(|condition| Self { condition })
    }

    /// Whether the condition is true for an encoded message; it is not if it is false or unknown, or
    /// if this is no message. `failures` are failed attempts to deliver it, over and above those that
    /// its header tells of.
    pub(crate) fn matches(&self, payload: &[u8], failures: u32) -> bool {
        MessageView::new(payload).is_ok_and(|view| self.matches_view(&view, failures))
    }

    /// The same for a message whose sections have been found.
    pub(crate) fn matches_view(&self, view: &MessageView<'_>, failures: u32) -> bool {
        evaluate::condition(&self.condition, &Fields::new(view, failures)) == Some(true)
    }
}
