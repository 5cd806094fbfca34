//! What can be wrong with TLS settings.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// TLS settings that cannot be used: a file that is missing, a key that does not fit. Trying again does not help
/// until somebody has changed the settings or the files.
#[derive(Clone, Debug)]
pub struct TlsError {
    subject: String,
    problem: String,
    advice: &'static str,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TlsError {
    /// `subject` is what the settings asked for, "client certificate from file /etc/me.pem" for example.
    pub(super) fn new(subject: impl Into<String>, problem: impl Into<String>, advice: &'static str) -> Self {
        Self { subject: subject.into(), problem: problem.into(), advice, source: None }
    }

    #[cfg(feature = "tls")]
    pub(super) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn not_built_in() -> Self {
        Self::new(
            "TLS",
            "this program was built without it",
            "build the crate deuteron with its feature \"tls\"",
        )
    }

    /// Which setting it is, with the file if there is one.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.advice
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.subject, self.problem, self.advice)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
