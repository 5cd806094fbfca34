//! Connection URLs: `amqp://` and `amqps://`, where to connect or listen and as whom (guide chapter 6.1).
//!
//! ```
//! use deuteron::Url;
//! let url: Url = "amqps://alice:secret@example.net:56720/orders".parse()?;
//! assert_eq!((url.host(), url.port(), url.address()), ("example.net", 56720, Some("orders")));
//! assert_eq!(url.to_string(), "amqps://alice:***@example.net:56720/orders");
//! # Ok::<(), deuteron::UrlError>(())
//! ```

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// What stands in the place of a password wherever a URL is printed.
const MASK: &str = "***";

/// The part of a URL before `://`: whether the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `amqp`: plain TCP.
    Amqp,
    /// `amqps`: TLS from the first byte on.
    Amqps,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::Amqps => "amqps",
        }
    }

    /// The port that is meant when a URL has none: 5672 for `amqp`, 5671 for `amqps` (the IANA assignments).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Amqp => 5672,
            Self::Amqps => 5671,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A connection URL: `scheme://[user[:password]@]host[:port][/address]`.
///
/// * The scheme is `amqp` or `amqps`, in any case.
/// * User and password are percent-decoded.
/// * The host is a name, an IPv4 address, or an IPv6 address in square brackets, with a zone if one is needed
///   (`[fe80::1%eth0]`). Names are kept in lower case.
/// * The port is a number, or one of the names `amqp` and `amqps`; [`Scheme::default_port`] if there is none.
/// * What follows the `/` is the address for links made from this URL. It is taken as it stands.
///
/// `Display` and `Debug` print the URL with `***` for the password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    scheme: Scheme,
    user: Option<String>,
    password: Option<String>,
    /// Without brackets; an IPv6 literal has its zone.
    host: String,
    ipv6: bool,
    port: Option<u16>,
    path: Option<String>,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`] if the text is not of the form above. It shows the text (password masked), where in it the
    /// trouble is, and what was expected there.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse::url(text)
    }

    /// Plain TCP or TLS.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// True for `amqps`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Amqps
    }

    /// The user name, percent-decoded, if the URL has one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, percent-decoded, if the URL has one. This is the only way to see it.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The host, in lower case and without brackets. An IPv6 address has its zone, if one was given:
    /// `fe80::1%eth0`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as an IP address, without zone; `None` if it is a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let literal = self.host.split_once('%').map_or(self.host.as_str(), |(ip, _)| ip);
        literal.parse().ok()
    }

    /// The port: that of the URL, or the default of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme.default_port())
    }

    /// The port that stands in the URL, if one does.
    #[must_use]
    pub fn explicit_port(&self) -> Option<u16> {
        self.port
    }

    /// The address of a node at the peer: what follows the first `/` after the host. `None` if there is no `/` or
    /// nothing follows it.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.path.as_deref().filter(|path| !path.is_empty())
    }

    /// The path without its leading slash: as [`address`](Self::address), but `Some("")` for a `/` that nothing
    /// follows.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The host and the port, as in `example.com:5672` or `[::1]:5672`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.ipv6 {
            format!("[{}]:{}", self.host, self.port())
        } else {
            format!("{}:{}", self.host, self.port())
        }
    }

    /// The same URL with another port. A listener made for port 0 can thus name the port that it got.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Checks that one can connect to this URL: port 0 is good only for listening.
    ///
    /// # Errors
    /// [`UrlError`] that names the port.
    pub fn for_connect(&self) -> Result<(), UrlError> {
        if self.port() != 0 {
            return Ok(());
        }
        let text = self.to_string();
        let path = self.path.as_ref().map_or(0, |path| path.len() + 1);
        let position = text.len() - path - 1;
        Err(UrlError {
            text,
            position,
            problem: "port 0 cannot be connected to".into(),
            expected: "a port from 1 to 65535 (port 0 is for listening only)".into(),
        })
    }

    /// True if the host stands for all interfaces of one family: `0.0.0.0`, `[::]` or `[::0]`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        match self.ip() {
            Some(IpAddr::V4(ip)) => ip.is_unspecified(),
            Some(IpAddr::V6(ip)) => ip == Ipv6Addr::UNSPECIFIED,
            None => false,
        }
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Url {
    type Error = UrlError;

    fn try_from(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Url {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

impl TryFrom<&String> for Url {
    type Error = UrlError;

    fn try_from(text: &String) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for Url {
    /// The URL in its normal form, with `***` for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            parse::escape(user, f)?;
            if self.password.is_some() {
                write!(f, ":{MASK}")?;
            }
            f.write_str("@")?;
        }
        if self.ipv6 {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(path) = &self.path {
            write!(f, "/{path}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Why a text is not a URL that can be used. The password is never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    text: String,
    position: usize,
    problem: String,
    expected: String,
}

impl UrlError {
    /// The text, with `***` for what is, or may be, a password.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in the text as it was given the trouble is: characters before it.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// What is wrong there.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What was expected there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid URL {:?}, at character {}: {}; expected {}",
            self.text,
            self.position + 1,
            self.problem,
            self.expected
        )
    }
}

impl std::error::Error for UrlError {}
