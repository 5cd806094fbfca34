//! Options of a listener.

use std::sync::Arc;
use std::time::Duration;

use deuteron_codec::{Map, Symbol};
use deuteron_engine::Limits;
use deuteron_engine::sasl::{Authenticator, SaslServerConfig};

use super::{Deadlines, UrlSource, with_symbol_keys};
use crate::{TlsServerConfig, Url};

/// Where to listen and how. A URL converts to the options with all defaults: anybody may connect,
/// by SASL ANONYMOUS or without SASL.
///
/// `0.0.0.0` is all IPv4 interfaces, `[::]` (or `[::0]`) all IPv6 ones; port 0 lets the system
/// choose, and [`Listener::local_addr`](crate::Listener::local_addr) says which.
#[derive(Clone, Debug)]
#[must_use]
pub struct ListenOptions {
    pub(crate) url: Result<Url, crate::Error>,
    pub(crate) container_id: Option<String>,
    pub(crate) tls: Option<TlsServerConfig>,
    pub(crate) sasl: Option<SaslServerConfig>,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) max_frame_size: Option<u32>,
    pub(crate) channel_max: Option<u16>,
    pub(crate) properties: Option<Map>,
    pub(crate) offered_capabilities: Vec<Symbol>,
    pub(crate) desired_capabilities: Vec<Symbol>,
    pub(crate) max_connections: usize,
    pub(crate) max_pending: usize,
    pub(crate) handshake: Option<Duration>,
    pub(crate) limits: Option<Limits>,
    pub(crate) deadlines: Deadlines,
    pub(crate) trace: bool,
}

impl ListenOptions {
    /// Options for a local address, `amqp://host:port` or `amqps://host:port`.
    pub fn new(url: impl Into<UrlSource>) -> Self {
        Self {
            url: url.into().resolve(),
            container_id: None,
            tls: None,
            sasl: Some(SaslServerConfig::default()),
            heartbeat: None,
            max_frame_size: None,
            channel_max: None,
            properties: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            max_connections: 10_000,
            max_pending: 1_000,
            handshake: Some(Duration::from_secs(10)),
            limits: None,
            deadlines: Deadlines::default(),
            trace: false,
        }
    }

    /// Our name in the Open of each connection. Default: the container's id.
    pub fn container_id(mut self, id: impl Into<String>) -> Self {
        self.container_id = Some(id.into());
        self
    }

    /// Certificate and key for `amqps`, and whether clients need a certificate. A client's name is
    /// what SASL EXTERNAL then authenticates.
    pub fn tls(mut self, tls: TlsServerConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The SASL mechanisms offered, and who checks the passwords.
    pub fn sasl<S: Into<String>>(
        mut self,
        mechanisms: impl IntoIterator<Item = S>,
        authenticator: Option<Arc<dyn Authenticator>>,
    ) -> Self {
        let sasl = self.sasl.get_or_insert_default();
        sasl.mechanisms = mechanisms.into_iter().map(Into::into).collect();
        sasl.authenticator = authenticator;
        self
    }

    /// No SASL layer at all.
    pub fn no_sasl(mut self) -> Self {
        self.sasl = None;
        self
    }

    /// Whether clients that leave SASL out are refused. Default false.
    pub fn require_sasl(mut self, require: bool) -> Self {
        self.sasl.get_or_insert_default().require = require;
        self
    }

    /// Whether PLAIN is offered without TLS. Default false.
    pub fn allow_insecure_mechanisms(mut self, allow: bool) -> Self {
        self.sasl.get_or_insert_default().allow_insecure = allow;
        self
    }

    /// Closes a connection whose client says nothing for this long. Default: never.
    pub fn heartbeat(mut self, idle_timeout: Duration) -> Self {
        self.heartbeat = Some(idle_timeout);
        self
    }

    /// The largest frame that we take, in bytes, 512 at least. Default 65,536.
    pub fn max_frame_size(mut self, bytes: u32) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// The highest channel that a client may use. Default 32,767.
    pub fn channel_max(mut self, channel: u16) -> Self {
        self.channel_max = Some(channel);
        self
    }

    /// Properties in the Open of each connection. Keys that are strings are sent as symbols.
    pub fn properties(mut self, properties: Map) -> Self {
        self.properties = Some(with_symbol_keys(properties));
        self
    }

    /// Capabilities that we offer, `ANONYMOUS-RELAY` for example.
    pub fn offered_capabilities<S: Into<Symbol>>(mut self, list: impl IntoIterator<Item = S>) -> Self {
        self.offered_capabilities = list.into_iter().map(Into::into).collect();
        self
    }

    /// Capabilities that we should like clients to have.
    pub fn desired_capabilities<S: Into<Symbol>>(mut self, list: impl IntoIterator<Item = S>) -> Self {
        self.desired_capabilities = list.into_iter().map(Into::into).collect();
        self
    }

    /// Connections at once; more are closed as soon as they are accepted. Default 10,000.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// Of these, connections that have not finished TLS, SASL and Open. Above it the one that has
    /// waited longest is dropped, so that silent ones cannot keep others out. Default 1,000.
    pub fn max_pending(mut self, count: usize) -> Self {
        self.max_pending = count;
        self
    }

    /// How long a client may take for TLS, SASL and Open together. Default 10 s.
    pub fn handshake_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.handshake = deadline;
        self
    }

    /// Bounds on what one client can make us hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The bounds on all waits; `establish` and its parts do not apply.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Whether every frame of every connection is printed on standard error, passwords masked. Each line begins with the
    /// number of the connection in this process, `[7]`; the first of each says who the client is. Default false; the
    /// environment variable `PN_TRACE_FRM=1` turns on a trace without numbers.
    pub fn trace(mut self, enabled: bool) -> Self {
        self.trace = enabled;
        self
    }
}

impl<U: Into<UrlSource>> From<U> for ListenOptions {
    fn from(url: U) -> Self {
        Self::new(url)
    }
}
