//! One of the servers that a connection may be made to.

use std::fmt;

use deuteron_engine::sasl::Password;

use super::UrlSource;
use crate::{TlsConfig, Url};

/// A server of a failover list, with settings of its own where it differs from the others. A URL converts to one.
///
/// ```
/// use deuteron::{ConnectOptions, Server};
/// let options = ConnectOptions::new("amqps://one.example").user("alice").password("secret")
///     .failover(Server::new("amqps://two.example").user("bob").password("hidden").virtual_host("blue"));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Server {
    pub(crate) url: UrlSource,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) virtual_host: Option<String>,
    pub(crate) sni: Option<String>,
    pub(crate) tls: Option<TlsConfig>,
}

impl Server {
    /// The server at a URL. What is not set here is as the connection's options have it.
    pub fn new(url: impl Into<UrlSource>) -> Self {
        Self { url: url.into(), user: None, password: None, virtual_host: None, sni: None, tls: None }
    }

    /// The user to authenticate as there. A user in the URL wins.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password there. One in the URL wins. It is never printed.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Password::new(password.into()));
        self
    }

    /// The host name in Open and in SASL there. Empty: none is sent.
    pub fn virtual_host(mut self, host: impl Into<String>) -> Self {
        self.virtual_host = Some(host.into());
        self
    }

    /// The name that TLS asks for and verifies there.
    pub fn sni(mut self, name: impl Into<String>) -> Self {
        self.sni = Some(name.into());
        self
    }

    /// Certificates and checks there.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url.to_string())
            .field("user", &self.user)
            .field("password", &self.password)
            .field("virtual_host", &self.virtual_host)
            .finish_non_exhaustive()
    }
}

macro_rules! from_url {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Server {
            fn from(url: $kind) -> Self {
                Self::new(url)
            }
        })*
    };
}

from_url!(&str, String, &String, Url, &Url, UrlSource);

/// What is done with the servers that a peer names in its Open (the property `failover-server-list`, as Artemis has it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerList {
    /// Nothing.
    #[default]
    Ignore,
    /// They are tried after those that were configured.
    Append,
    /// They take the place of those that were configured, and that the peer is one of.
    Replace,
}
