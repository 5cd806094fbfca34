//! The one error type of this crate: what failed, whose doing it was, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use deuteron_codec::{Error as AmqpError, Map, Symbol};
use deuteron_engine::Remedy;

/// What a failure took down, or the stage at which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The call itself was wrong: a closed handle, a link of the other role, a runtime in the way.
    Usage,
    /// An option or a URL that cannot be used. Nothing was sent.
    Config,
    /// The host name could not be resolved.
    Dns,
    /// No TCP connection could be made, or it was lost.
    Connect,
    /// TLS could not be agreed on, or a certificate was refused.
    Tls,
    /// The peer and we could not authenticate.
    Sasl,
    /// The AMQP connection.
    Connection,
    /// One session.
    Session,
    /// One link.
    Link,
    /// One delivery.
    Delivery,
    /// One transaction.
    Transaction,
    /// A listener could not be made, or could not accept.
    Listener,
    /// The container as a whole.
    Container,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usage => "usage",
            Self::Config => "configuration",
            Self::Dns => "name resolution",
            Self::Connect => "network",
            Self::Tls => "TLS",
            Self::Sasl => "authentication",
            Self::Connection => "connection",
            Self::Session => "session",
            Self::Link => "link",
            Self::Delivery => "delivery",
            Self::Transaction => "transaction",
            Self::Listener => "listener",
            Self::Container => "container",
        })
    }
}

/// Who caused a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This program, this machine or the network between.
    Local,
    /// The peer said so.
    Remote,
}

/// What is known of a message whose sending failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The peer does not have it: sending it again makes no duplicate.
    NotSent,
    /// The peer may have it or not.
    Unknown,
}

/// The wait that a deadline bounds. Each has its own setting in [`Deadlines`](crate::Deadlines).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the host name.
    Resolve,
    /// The TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Authentication.
    Sasl,
    /// The peer's Open.
    Open,
    /// Everything from the name look-up to the peer's Open.
    Establish,
    /// The peer's Begin.
    Begin,
    /// The peer's Attach.
    Attach,
    /// Credit to send, and room for it in the session window.
    Credit,
    /// The peer's outcome for a delivery.
    Settle,
    /// The coordinator's answer to a declare or discharge.
    Transaction,
    /// A message for a receiver.
    Receive,
    /// The peer's answer to a drain.
    Drain,
    /// The peer's Detach.
    Detach,
    /// The peer's End.
    End,
    /// The peer's Close.
    Close,
    /// The peer's reading of what we write.
    Write,
    /// Silence of the peer for longer than our idle timeout.
    Idle,
}

impl Phase {
    /// The name of the setting, as it appears in error texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Sasl => "sasl",
            Self::Open => "open",
            Self::Establish => "establish",
            Self::Begin => "begin",
            Self::Attach => "attach",
            Self::Credit => "credit",
            Self::Settle => "settle",
            Self::Transaction => "transaction",
            Self::Receive => "receive",
            Self::Drain => "drain",
            Self::Detach => "detach",
            Self::End => "end",
            Self::Close => "close",
            Self::Write => "write",
            Self::Idle => "idle",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an operation failed. Cheap to clone, so that one root cause reaches everybody who waits.
///
/// `Display` is one line: the scope, the AMQP condition if there is one, what happened, the URL
/// (password masked), the attempt and what to do. Passwords are never part of it.
///
/// ```
/// # fn look(error: deuteron::Error) {
/// if error.condition() == Some("amqp:unauthorized-access") { /* ask for another password */ }
/// if error.is_retryable() { /* the same call may work later */ }
/// # }
/// ```
#[derive(Clone)]
pub struct Error {
    parts: Arc<Parts>,
}

#[derive(Clone)]
struct Parts {
    scope: Scope,
    origin: Origin,
    description: String,
    condition: Option<Symbol>,
    info: Option<Map>,
    phase: Option<Phase>,
    url: Option<String>,
    attempt: Option<u32>,
    retryable: bool,
    advice: Option<&'static str>,
    fate: Option<Fate>,
    remedy: Option<Remedy>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A local error of `scope`. Not retryable, no condition.
    pub fn new(scope: Scope, description: impl Into<String>) -> Self {
        Self {
            parts: Arc::new(Parts {
                scope,
                origin: Origin::Local,
                description: description.into(),
                condition: None,
                info: None,
                phase: None,
                url: None,
                attempt: None,
                retryable: false,
                advice: None,
                fate: None,
                remedy: None,
                source: None,
            }),
        }
    }

    /// What failed.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.parts.scope
    }

    /// Whose doing it was.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.parts.origin
    }

    /// True if the peer reported it.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.parts.origin == Origin::Remote
    }

    /// What happened, in words, without the rest of `Display`.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.parts.description
    }

    /// The AMQP condition, such as `amqp:not-found`, if one side named one.
    #[must_use]
    pub fn condition(&self) -> Option<&str> {
        self.parts.condition.as_ref().map(Symbol::as_str)
    }

    /// What the peer added to the condition (spec 2.8.14, field info).
    #[must_use]
    pub fn info(&self) -> Option<&Map> {
        self.parts.info.as_ref()
    }

    /// The deadline that passed, if that is what happened.
    #[must_use]
    pub fn deadline(&self) -> Option<Phase> {
        self.parts.phase
    }

    /// The URL of the attempt, password masked.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.parts.url.as_deref()
    }

    /// The number of the attempt to connect, counted from 1 since the connection was last open.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.parts.attempt
    }

    /// True if the same operation may succeed later without a change of options.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.parts.retryable
    }

    /// What to do about it, if that can be said.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.parts.advice
    }

    /// For a message that was being sent: whether the peer may have it.
    #[must_use]
    pub fn fate(&self) -> Option<Fate> {
        self.parts.fate
    }

    /// As an AMQP error, to hand on to a peer. Conditions of ours that have no AMQP name become
    /// `amqp:internal-error`.
    #[must_use]
    pub fn to_amqp(&self) -> AmqpError {
        let condition = self.parts.condition.clone();
        AmqpError {
            condition: condition.unwrap_or(Symbol::from_static("amqp:internal-error")),
            description: Some(self.parts.description.clone()),
            info: self.parts.info.clone(),
        }
    }

    pub(crate) fn remote(scope: Scope, error: &AmqpError) -> Self {
        let description = error.description.clone();
        Self::new(scope, description.unwrap_or_else(|| "the peer gave no description".into())).change(
            |parts| {
                parts.origin = Origin::Remote;
                parts.condition = Some(error.condition.clone());
                parts.info = error.info.clone();
            },
        )
    }

    pub(crate) fn deadline_passed(scope: Scope, phase: Phase, description: impl Into<String>) -> Self {
        Self::new(scope, description).change(|parts| {
            parts.phase = Some(phase);
            parts.retryable = true;
        })
    }

    pub(crate) fn usage(description: impl Into<String>) -> Self {
        Self::new(Scope::Usage, description)
    }

    fn change(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.parts));
        self
    }

    pub(crate) fn with_condition(self, condition: Symbol) -> Self {
        self.change(|parts| parts.condition = Some(condition))
    }

    pub(crate) fn with_url(self, url: impl Into<String>) -> Self {
        self.change(|parts| parts.url = Some(url.into()))
    }

    pub(crate) fn with_attempt(self, attempt: u32) -> Self {
        self.change(|parts| parts.attempt = Some(attempt))
    }

    pub(crate) fn with_advice(self, advice: &'static str) -> Self {
        self.change(|parts| parts.advice = Some(advice))
    }

    pub(crate) fn with_fate(self, fate: Fate) -> Self {
        self.change(|parts| parts.fate = Some(fate))
    }

    /// What the table of failures says of what the error is about, where that has been asked already.
    pub(crate) fn with_remedy(self, remedy: Remedy) -> Self {
        self.change(|parts| parts.remedy = Some(remedy))
    }

    pub(crate) fn remedy(&self) -> Option<Remedy> {
        self.parts.remedy
    }

    pub(crate) fn amqp_condition(&self) -> Option<Symbol> {
        self.parts.condition.clone()
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|parts| parts.source = Some(Arc::new(source)))
    }

    pub(crate) fn retryable(self, retryable: bool) -> Self {
        self.change(|parts| parts.retryable = retryable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.parts;
        write!(f, "{}: ", parts.scope)?;
        if let Some(condition) = &parts.condition {
            write!(f, "{condition}: ")?;
        }
        f.write_str(&parts.description)?;
        if let Some(phase) = parts.phase {
            write!(f, " (deadline '{phase}')")?;
        }
        if let Some(url) = &parts.url {
            write!(f, " [{url}")?;
            if let Some(attempt) = parts.attempt {
                write!(f, ", attempt {attempt}")?;
            }
            f.write_str("]")?;
        }
        if let Some(advice) = parts.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("scope", &self.parts.scope)
            .field("origin", &self.parts.origin)
            .field("condition", &self.condition())
            .field("description", &self.parts.description)
            .field("deadline", &self.parts.phase)
            .field("url", &self.parts.url)
            .field("attempt", &self.parts.attempt)
            .field("retryable", &self.parts.retryable)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.parts.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}
