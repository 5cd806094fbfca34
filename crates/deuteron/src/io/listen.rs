//! Listening sockets, and what is accepted from them.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::accept::{Incoming, Security};
use crate::tls::TlsServerConfig;
use crate::url::Url;

/// Connections that the system completes for us while we are busy. It lowers the number to what it allows.
const BACKLOG: i32 = 4096;

/// How often a port of the system's choice is asked for when a name has several addresses and the port that one got
/// is taken at another.
const PORT_CHOICES: usize = 16;

/// Why listening was not possible.
#[derive(Clone, Debug)]
pub(crate) struct ListenError {
    address: String,
    problem: String,
    advice: &'static str,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ListenError {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        self.advice
    }

    /// `Display` without the advice.
    pub(crate) fn description(&self) -> String {
        format!("cannot listen on {}: {}", self.address, self.problem)
    }

    fn of_bind(address: SocketAddr, error: io::Error) -> Self {
        let (problem, advice) = match error.kind() {
            io::ErrorKind::AddrInUse => {
                ("the address is in use".to_owned(), "stop what listens there, or take another port")
            }
            io::ErrorKind::AddrNotAvailable => (
                "this machine does not have the address".to_owned(),
                "listen on an address of this machine, or on 0.0.0.0 or [::] for all",
            ),
            io::ErrorKind::PermissionDenied => (
                "permission denied".to_owned(),
                "take a port above 1023, or give the program the right to use this one",
            ),
            _ => (error.to_string(), "see the cause"),
        };
        Self { address: address.to_string(), problem, advice, source: Some(Arc::new(error)) }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.description(), self.advice)
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Binds the address of `url`, at once. `0.0.0.0` is all IPv4 interfaces, `[::]` and `[::0]` are all IPv6 ones and no
/// IPv4, so both can be listened on with one port. A name is looked up here, and all its addresses are bound. With
/// port 0 the system chooses one.
///
/// Has to be called within a tokio runtime. A name that is not in the local hosts file blocks for the look-up.
///
/// # Errors
/// [`ListenError`], with the address: in use, not of this machine, or TLS settings that cannot be used.
pub(crate) fn listen(url: &Url, tls: Option<&TlsServerConfig>) -> Result<Bound, ListenError> {
    let security = acceptor(url, tls)?;
    let unresolved = |problem: String, source: Option<io::Error>| ListenError {
        address: url.authority(),
        problem,
        advice: "listen on an address of this machine, or on 0.0.0.0 or [::] for all",
        source: source.map(|error| Arc::new(error) as Arc<_>),
    };
    let addresses: Vec<SocketAddr> = (url.host(), url.port())
        .to_socket_addrs()
        .map_err(|error| unresolved(format!("the name cannot be resolved: {error}"), Some(error)))?
        .collect();
    if addresses.is_empty() {
        return Err(unresolved("the name has no address".into(), None));
    }
    let mut choices = PORT_CHOICES;
    loop {
        choices -= 1;
        match bind_all(&addresses) {
            Ok(sockets) => return Ok(Bound { sockets, security, turn: 0, pause: Pause::default() }),
            Err((address, error)) => {
                if choices == 0
                    || url.port() != 0
                    || addresses.len() == 1
                    || error.kind() != io::ErrorKind::AddrInUse
                {
                    return Err(ListenError::of_bind(address, error));
                }
            }
        }
    }
}

/// All addresses, on one port. Those of a family that this machine does not have are left out, as long as one is left.
fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    let mut chosen_port = None;
    for address in addresses {
        let mut address = *address;
        if let Some(port) = chosen_port {
            address.set_port(port);
        }
        match bind(address).and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((bound, socket)) => {
                chosen_port = Some(bound.port());
                if sockets.iter().all(|other| other.local_addr().ok() != Some(bound)) {
                    sockets.push(socket);
                }
            }
            // The resolver may name one address twice.
            Err(error) if sockets.iter().any(|other| other.local_addr().ok() == Some(address)) => drop(error),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err((address, error)),
            Err(error) => missing = Some((address, error)),
        }
    }
    match missing {
        Some(missing) if sockets.is_empty() => Err(missing),
        _ => Ok(sockets),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere the option lets two programs share a port; on Unix it only lets us have one back after a restart.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn acceptor(url: &Url, tls: Option<&TlsServerConfig>) -> Result<Security, ListenError> {
    if !url.is_tls() {
        return Ok(None);
    }
    let unusable =
        |problem: String, advice, source| ListenError { address: url.authority(), problem, advice, source };
    let Some(tls) = tls else {
        return Err(unusable(
            "amqps needs a certificate and none was given".into(),
            "give the listener TLS settings, or use amqp://",
            None,
        ));
    };
    #[cfg(feature = "tls")]
    let built = tls.build().map(|config| Some(config.into()));
    #[cfg(not(feature = "tls"))]
    let built = tls.check().map(|()| None);
    built.map_err(|error| {
        unusable(format!("{}: {}", error.subject(), error.problem()), error.advice(), Some(Arc::new(error)))
    })
}

/// Listening sockets. Dropping it closes them; what was accepted stays.
pub(crate) struct Bound {
    sockets: Vec<TcpListener>,
    security: Security,
    /// The socket to ask first, so that none starves.
    turn: usize,
    pause: Pause,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("sockets", &self.sockets)
            .field("tls", &self.security.is_some())
            .finish()
    }
}

impl Bound {
    /// The addresses, with the real port. More than one only if the URL has a name with several addresses.
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// The next connection, without its TLS handshake: that is for [`Incoming::establish`], in a task of its own, so
    /// that a client that says nothing holds up nobody.
    ///
    /// Goes on whatever happens: a connection that is gone before it was accepted is passed over, and when files or
    /// memory run out it waits a little, longer each time up to a second, for some to be free again.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub(crate) async fn accept(&mut self) -> Incoming {
        loop {
            match self.accept_once().await {
                Ok((tcp, remote)) => {
                    self.pause.reset();
                    // The only failure is a connection that is gone already; the first read will say so.
                    drop(tcp.set_nodelay(true));
                    return Incoming::new(tcp, remote, self.security.clone());
                }
                Err(error) => {
                    if let Some(pause) = self.pause.after(&error) {
                        tracing::warn!(%error, ?pause, "cannot accept connections; trying again");
                        sleep(pause).await;
                    }
                }
            }
        }
    }

    async fn accept_once(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let count = self.sockets.len();
            for offset in 0..count {
                let index = (self.turn + offset) % count;
                if let Poll::Ready(accepted) = self.sockets[index].poll_accept(cx) {
                    self.turn = index + 1;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// How long to wait after a failed accept.
#[derive(Debug, Default)]
struct Pause {
    last: Duration,
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    fn reset(&mut self) {
        self.last = Duration::ZERO;
    }

    /// `None` if only the connection that was to be accepted had an error: see "Error handling" in accept(2).
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
            NetworkUnreachable, TimedOut,
        };
        match error.kind() {
            ConnectionAborted | ConnectionRefused | ConnectionReset | HostUnreachable | Interrupted
            | NetworkDown | NetworkUnreachable | TimedOut => None,
            _ => {
                self.last = (self.last * 2).clamp(Self::FIRST, Self::LONGEST);
                Some(self.last)
            }
        }
    }
}

#[cfg(test)]
mod tests;
