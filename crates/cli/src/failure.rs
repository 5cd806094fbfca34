//! Why the command ends with something else than 0.

use std::fmt;

use deuteron::{Error, Scope};

/// One line for the user, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// The arguments are wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 2 }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.scope() {
            Scope::Config | Scope::Usage => Self::usage(error.to_string()),
            _ => Self::new(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
