//! Where connections are made to: the servers that were configured, and those that a peer names.

use deuteron_codec::{Map, Open, Value};
use deuteron_engine::SaslConfig;
use deuteron_engine::sasl::{Password, SaslClientConfig};

use crate::options::Server;
use crate::{ConnectOptions, Error, Scope, Url};

const SERVER_LIST: &str = "failover-server-list";

/// A server that can be dialled, with the settings that are its own.
#[derive(Clone)]
pub(crate) struct KnownServer {
    pub(crate) url: Url,
    server: Server,
}

impl KnownServer {
    /// # Errors
    /// If the URL is none, or cannot be connected to.
    pub(crate) fn new(server: Server) -> Result<Self, Error> {
        let url = server.url.clone().resolve()?;
        url.for_connect().map_err(|error| Error::new(Scope::Config, error.to_string()).with_source(error))?;
        Ok(Self { url, server })
    }

    /// All of a list.
    ///
    /// # Errors
    /// If one of them cannot be used, or there is none.
    pub(crate) fn all(servers: impl IntoIterator<Item = Server>) -> Result<Vec<Self>, Error> {
        let all = servers.into_iter().map(Self::new).collect::<Result<Vec<_>, Error>>()?;
        if all.is_empty() {
            return Err(
                Error::new(Scope::Config, "there is no URL to connect to").with_advice("give one or more")
            );
        }
        Ok(all)
    }

    /// The connection's options as they hold for this server.
    pub(crate) fn options(&self, options: &ConnectOptions) -> ConnectOptions {
        let mut own = options.clone();
        let Server { user, password, virtual_host, sni, tls, .. } = self.server.clone();
        own.user = user.or(own.user);
        own.password = password.or(own.password);
        own.virtual_host = virtual_host.or(own.virtual_host);
        own.sni = sni.or(own.sni);
        own.tls = tls.or(own.tls);
        own
    }

    /// The servers that the peer names in its Open.
    pub(crate) fn named_by(&self, open: &Open) -> Vec<Self> {
        let list = open.properties.as_ref().and_then(|properties| properties.get(SERVER_LIST));
        let maps = list.and_then(Value::as_list).unwrap_or_default();
        maps.iter().filter_map(|entry| self.elsewhere(entry.as_map()?)).collect()
    }

    /// The server that a map names, as redirects and lists of servers have it, with the settings of this one. `None` if it
    /// names none, or one without TLS where this one has it.
    pub(crate) fn elsewhere(&self, map: &Map) -> Option<Self> {
        let text = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let virtual_host = text("hostname");
        let host = text("network-host").or(virtual_host)?;
        let scheme = match text("scheme") {
            Some(scheme) => scheme,
            None if self.url.is_tls() => "amqps",
            None => "amqp",
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = map.get("port").and_then(Value::as_i64).map(|port| format!(":{port}")).unwrap_or_default();
        let url: Url = format!("{scheme}://{host}{port}").parse().ok()?;
        if url.for_connect().is_err() || self.url.is_tls() && !url.is_tls() {
            tracing::warn!(%url, "the peer names a server that is not used");
            return None;
        }
        let mut server = self.server.clone();
        server.url = (&url).into();
        server.user = self.url.user().map(str::to_owned).or(server.user);
        server.password = self.url.password().map(Password::from).or(server.password);
        server.virtual_host = virtual_host.map(str::to_owned).or(server.virtual_host);
        Some(Self { url, server })
    }

    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (self.url.host(), self.url.port()) == (other.url.host(), other.url.port())
    }
}

/// Open's hostname: what was set, else the URL's host (2.7.1).
pub(super) fn virtual_host(options: &ConnectOptions, url: &Url) -> Option<String> {
    match &options.virtual_host {
        Some(host) if host.is_empty() => None,
        Some(host) => Some(host.clone()),
        None => Some(url.host().to_owned()),
    }
}

pub(super) fn sasl(options: &ConnectOptions, url: &Url) -> SaslConfig {
    if !options.sasl {
        return SaslConfig::Disabled;
    }
    let password = url.password().map(Password::from);
    SaslConfig::Client(SaslClientConfig {
        username: url.user().map(str::to_owned).or_else(|| options.user.clone()),
        password: password.or_else(|| options.password.clone()),
        authorization: options.authorization.clone(),
        allowed_mechanisms: options.allowed_mechanisms.clone(),
        allow_insecure: options.allow_insecure,
        allow_anonymous: false,
    })
}
