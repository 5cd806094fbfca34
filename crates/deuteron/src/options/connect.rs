//! Options of an outgoing connection.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deuteron_codec::{Map, Symbol};
use deuteron_engine::Remedies;
use deuteron_engine::reconnect::{Backoff, Order, ReconnectPolicy};
use deuteron_engine::sasl::Password;

use super::{Deadlines, Server, ServerList, with_symbol_keys};
use crate::{Error, MessagingHandler, Scope, TlsConfig, Url};

/// A URL as it was given: text, or parsed already.
#[derive(Clone)]
pub struct UrlSource(Result<Url, Error>);

impl From<&str> for UrlSource {
    fn from(text: &str) -> Self {
        Self(text.parse::<Url>().map_err(|error| {
            Error::new(Scope::Config, error.to_string())
                .with_advice("the form is amqp://host:port or amqps://host:port")
                .with_source(error)
        }))
    }
}

impl From<String> for UrlSource {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for UrlSource {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Url> for UrlSource {
    fn from(url: Url) -> Self {
        Self(Ok(url))
    }
}

impl From<&Url> for UrlSource {
    fn from(url: &Url) -> Self {
        Self(Ok(url.clone()))
    }
}

impl fmt::Display for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(url) => url.fmt(f),
            Err(error) => error.fmt(f),
        }
    }
}

impl UrlSource {
    pub(crate) fn resolve(self) -> Result<Url, Error> {
        self.0
    }
}

/// A handler that a connection carries for itself. Shared only so that options can be cloned; the
/// first connection made takes it.
pub(crate) type OwnHandler = Arc<Mutex<Option<Box<dyn MessagingHandler + Send>>>>;

/// How reconnecting was set.
#[derive(Clone, Default)]
pub(crate) enum Reconnect {
    #[default]
    Default,
    Off,
    Backoff(Backoff),
    Policy(Arc<Mutex<Option<Box<dyn ReconnectPolicy>>>>),
}

/// Where to connect and how. A URL, as text or parsed, or a list of them, converts to the options
/// with all defaults:
///
/// ```
/// use deuteron::ConnectOptions;
/// use std::time::Duration;
/// let one = ConnectOptions::new("amqp://example.com").user("alice").password("secret");
/// let list = ConnectOptions::from(["amqp://one.example", "amqp://two.example"])
///     .heartbeat(Duration::from_secs(10));
/// ```
///
/// A URL that cannot be used is reported by the call that connects.
#[derive(Clone)]
#[must_use]
pub struct ConnectOptions {
    pub(crate) urls: Vec<Server>,
    pub(crate) container_id: Option<String>,
    pub(crate) virtual_host: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) authorization: Option<String>,
    pub(crate) allowed_mechanisms: Option<Vec<String>>,
    pub(crate) sasl: bool,
    pub(crate) allow_insecure: bool,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) max_frame_size: Option<u32>,
    pub(crate) channel_max: Option<u16>,
    pub(crate) properties: Option<Map>,
    pub(crate) offered_capabilities: Vec<Symbol>,
    pub(crate) desired_capabilities: Vec<Symbol>,
    pub(crate) sni: Option<String>,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) reconnect: Reconnect,
    pub(crate) recover_links: Option<bool>,
    pub(crate) remedies: Remedies,
    pub(crate) order: Order,
    pub(crate) first_attempts: Option<u32>,
    pub(crate) prefer_primary: Option<Duration>,
    pub(crate) follow_redirects: bool,
    pub(crate) server_list: ServerList,
    pub(crate) deadlines: Deadlines,
    pub(crate) trace: bool,
    pub(crate) handler: OwnHandler,
}

impl ConnectOptions {
    /// Options for one URL.
    pub fn new(url: impl Into<Server>) -> Self {
        Self {
            urls: vec![url.into()],
            container_id: None,
            virtual_host: None,
            user: None,
            password: None,
            authorization: None,
            allowed_mechanisms: None,
            sasl: true,
            allow_insecure: false,
            heartbeat: None,
            max_frame_size: None,
            channel_max: None,
            properties: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            sni: None,
            tls: None,
            reconnect: Reconnect::default(),
            recover_links: None,
            remedies: Remedies::default(),
            order: Order::default(),
            first_attempts: None,
            prefer_primary: None,
            follow_redirects: false,
            server_list: ServerList::Ignore,
            deadlines: Deadlines::default(),
            trace: false,
            handler: OwnHandler::default(),
        }
    }

    /// Adds a URL to fail over to: when connecting to one fails the next is tried, and at the end
    /// the list starts over (guide chapter 6, "failover").
    pub fn failover(mut self, url: impl Into<Server>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Our name in this connection's Open. Default: the container's id.
    pub fn container_id(mut self, id: impl Into<String>) -> Self {
        self.container_id = Some(id.into());
        self
    }

    /// The host name in Open and in SASL, where it differs from the URL's host. Empty: none is sent.
    pub fn virtual_host(mut self, host: impl Into<String>) -> Self {
        self.virtual_host = Some(host.into());
        self
    }

    /// The user to authenticate as. A user in the URL wins.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password. One in the URL wins. It is never printed.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Password::new(password.into()));
        self
    }

    /// The identity to act as, if it is not the one authenticated (SASL authorization identity).
    pub fn authorization(mut self, identity: impl Into<String>) -> Self {
        self.authorization = Some(identity.into());
        self
    }

    /// Only these SASL mechanisms may be used. Default: all that we know; the strongest that both
    /// sides have is taken.
    pub fn allowed_mechanisms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.allowed_mechanisms = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Whether there is a SASL layer at all. Default true. Without it no user can be sent.
    pub fn sasl(mut self, enabled: bool) -> Self {
        self.sasl = enabled;
        self
    }

    /// Whether a password may cross in the clear (PLAIN without TLS). Default false.
    pub fn allow_insecure_mechanisms(mut self, allow: bool) -> Self {
        self.allow_insecure = allow;
        self
    }

    /// Closes the connection if the peer says nothing for this long. Default: never. The peer is
    /// asked for a sign of life twice as often (spec 2.4.5); its own wish is always honoured.
    pub fn heartbeat(mut self, idle_timeout: Duration) -> Self {
        self.heartbeat = Some(idle_timeout);
        self
    }

    /// The largest frame that we take, in bytes, 512 at least. Default 65,536.
    pub fn max_frame_size(mut self, bytes: u32) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// The highest channel number: the number of sessions less one. Default 32,767.
    pub fn channel_max(mut self, channel: u16) -> Self {
        self.channel_max = Some(channel);
        self
    }

    /// Properties of the connection. Keys that are strings are sent as symbols (spec 2.8.13).
    pub fn properties(mut self, properties: Map) -> Self {
        self.properties = Some(with_symbol_keys(properties));
        self
    }

    /// Capabilities that we offer.
    pub fn offered_capabilities<S: Into<Symbol>>(mut self, list: impl IntoIterator<Item = S>) -> Self {
        self.offered_capabilities = list.into_iter().map(Into::into).collect();
        self
    }

    /// Capabilities that we should like the peer to have.
    pub fn desired_capabilities<S: Into<Symbol>>(mut self, list: impl IntoIterator<Item = S>) -> Self {
        self.desired_capabilities = list.into_iter().map(Into::into).collect();
        self
    }

    /// The name that TLS asks for and verifies. Default: the virtual host, else the URL's host.
    pub fn sni(mut self, name: impl Into<String>) -> Self {
        self.sni = Some(name.into());
        self
    }

    /// Certificates and checks for `amqps`. Default: the container's, else the system's roots.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// `false` turns reconnecting off: each URL is tried once, and a lost connection stays lost.
    /// `true` is the default: for ever, after 0, 0.1, 0.2, 0.4 ... 6.4, 10, 10 seconds.
    pub fn reconnect(mut self, enabled: bool) -> Self {
        self.reconnect = if enabled { Reconnect::Default } else { Reconnect::Off };
        self
    }

    /// Other numbers for the default policy, a limit to the attempts for example.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.reconnect = Reconnect::Backoff(backoff);
        self
    }

    /// A policy of your own. It belongs to the first connection that is made with these options;
    /// further ones made with a clone of them get the default policy.
    pub fn reconnect_policy(mut self, policy: impl ReconnectPolicy + 'static) -> Self {
        self.reconnect = Reconnect::Policy(Arc::new(Mutex::new(Some(Box::new(policy)))));
        self
    }

    /// Whether links and sessions that the peer ends come back by themselves, as the [`Remedies`] say. Default: where
    /// the connection reconnects. Links and sessions may say otherwise for themselves.
    pub fn recover_links(mut self, enabled: bool) -> Self {
        self.recover_links = Some(enabled);
        self
    }

    /// What is done about each failure, where it shall be other than the table that is built in.
    ///
    /// ```
    /// use deuteron::{ConnectOptions, Place, Remedies, Remedy, Symptom};
    /// let busy = Symptom::Condition("amqp:unauthorized-access".into());
    /// let options = ConnectOptions::new("amqp://example.com")
    ///     .remedies(Remedies::default().with(Place::Link, busy, Remedy::Reattach));
    /// ```
    pub fn remedies(mut self, remedies: Remedies) -> Self {
        self.remedies = remedies;
        self
    }

    pub(crate) fn comeback(&self) -> Option<Backoff> {
        let enabled = self.recover_links.unwrap_or(!matches!(self.reconnect, Reconnect::Off));
        enabled.then(Backoff::default)
    }

    /// The bounds on all waits.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Whether every frame is printed on standard error, passwords masked. Default false; the
    /// environment variable `PN_TRACE_FRM=1` turns it on for all connections.
    pub fn trace(mut self, enabled: bool) -> Self {
        self.trace = enabled;
        self
    }

    /// A handler for this connection alone, called instead of the container's. It belongs to the
    /// first connection that is made with these options.
    pub fn handler(mut self, handler: impl MessagingHandler + Send + 'static) -> Self {
        self.handler = Arc::new(Mutex::new(Some(Box::new(handler))));
        self
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|server| server.url.to_string()).collect();
        f.debug_struct("ConnectOptions")
            .field("urls", &urls)
            .field("container_id", &self.container_id)
            .field("virtual_host", &self.virtual_host)
            .field("user", &self.user)
            .field("password", &self.password)
            .field("heartbeat", &self.heartbeat)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

impl From<&str> for ConnectOptions {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for ConnectOptions {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl From<&String> for ConnectOptions {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}

impl From<Url> for ConnectOptions {
    fn from(url: Url) -> Self {
        Self::new(url)
    }
}

impl From<&Url> for ConnectOptions {
    fn from(url: &Url) -> Self {
        Self::new(url)
    }
}

impl<U: Into<Server>> From<Vec<U>> for ConnectOptions {
    fn from(urls: Vec<U>) -> Self {
        let mut options = Self::new("");
        options.urls = urls.into_iter().map(Into::into).collect();
        options
    }
}

impl<U: Into<Server>, const N: usize> From<[U; N]> for ConnectOptions {
    fn from(urls: [U; N]) -> Self {
        Self::from(Vec::from(urls))
    }
}

impl<'a, U> From<&'a [U]> for ConnectOptions
where
    &'a U: Into<Server>,
{
    fn from(urls: &'a [U]) -> Self {
        let mut options = Self::new("");
        options.urls = urls.iter().map(Into::into).collect();
        options
    }
}
