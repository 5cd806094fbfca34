//! What can be wrong with a selector.

use std::fmt;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SelectorError {
    /// Where, in characters from the start of the text, the first one is 1.
    pub(crate) position: usize,
    /// What is wrong there, and what was expected.
    pub(crate) text: String,
}

impl SelectorError {
    /// `at` counts bytes.
    pub(super) fn new(selector: &str, at: usize, text: impl Into<String>) -> Self {
        let before = selector.char_indices().take_while(|(start, _)| *start < at).count();
        Self { position: before + 1, text: text.into() }
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.position, self.text)
    }
}

impl std::error::Error for SelectorError {}
