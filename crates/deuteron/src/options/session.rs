//! Options of a session.

use deuteron_codec::{Map, Symbol};
use deuteron_engine::SessionConfig;
use deuteron_engine::reconnect::Backoff;

use super::with_symbol_keys;

/// Settings of a session (spec 2.7.2). The default is right for almost everything.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    pub(crate) config: SessionConfig,
    pub(crate) comeback: Option<Option<Backoff>>,
}

impl SessionOptions {
    /// The defaults: a window of 2,048 transfer frames, 64 MiB of messages not yet taken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When the peer ends the session, and the [`Remedies`](crate::Remedies) of the connection say that it can be begun
    /// again, that is done by itself after these delays, and its links are attached on it. Default: those of [`Backoff`]
    /// on connections that we made and that reconnect.
    #[must_use]
    pub fn rebegin(mut self, delays: Backoff) -> Self {
        self.comeback = Some(Some(delays));
        self
    }

    /// The session is over when the peer ends it, whatever the reason.
    #[must_use]
    pub fn stay_ended(mut self) -> Self {
        self.comeback = Some(None);
        self
    }

    /// How many transfer frames the peer may send ahead. Default 2,048.
    #[must_use]
    pub fn incoming_window(mut self, frames: u32) -> Self {
        self.config.incoming_window = frames;
        self
    }

    /// Bytes of messages that wait for the application, above which the peer is held back.
    /// Default 64 MiB.
    #[must_use]
    pub fn incoming_capacity(mut self, bytes: usize) -> Self {
        self.config.incoming_capacity = bytes;
        self
    }

    /// Capabilities that we offer on the session.
    #[must_use]
    pub fn offered_capabilities<S: Into<Symbol>>(
        mut self,
        capabilities: impl IntoIterator<Item = S>,
    ) -> Self {
        self.config.offered_capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }

    /// Capabilities that we should like the peer to have.
    #[must_use]
    pub fn desired_capabilities<S: Into<Symbol>>(
        mut self,
        capabilities: impl IntoIterator<Item = S>,
    ) -> Self {
        self.config.desired_capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }

    /// Properties of the session. Keys that are strings are sent as symbols.
    #[must_use]
    pub fn properties(mut self, properties: Map) -> Self {
        self.config.properties = Some(with_symbol_keys(properties));
        self
    }
}
