//! What becomes of an accepted connection: its TLS handshake, or why there was none.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use {
    std::io,
    tokio::io::{AsyncReadExt, AsyncWriteExt},
    tokio::time::timeout,
};

use super::stream::{PeerInfo, Stream};

/// How long a client whose handshake failed may take to hang up.
#[cfg(feature = "tls")]
const LINGER: Duration = Duration::from_secs(1);

#[cfg(feature = "tls")]
pub(super) type Security = Option<tokio_rustls::TlsAcceptor>;
#[cfg(not(feature = "tls"))]
pub(super) type Security = Option<NoTls>;

/// There is no TLS to be had without the feature.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(super) enum NoTls {}

/// A connection that was accepted and has not said anything yet.
pub(crate) struct Incoming {
    tcp: TcpStream,
    remote: SocketAddr,
    security: Security,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("remote", &self.remote)
            .field("tls", &self.security.is_some())
            .finish()
    }
}

impl Incoming {
    pub(super) fn new(tcp: TcpStream, remote: SocketAddr, security: Security) -> Self {
        Self { tcp, remote, security }
    }

    /// Where it comes from.
    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The stream: at once for plain TCP, after the handshake for TLS, for which the client has until `limit`.
    ///
    /// # Errors
    /// [`AcceptError`]: the client is gone, does not speak TLS, has no certificate and needs one, or is too slow.
    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "with TLS it waits for the handshake")]
    pub(crate) async fn establish(self, _limit: Option<Duration>) -> Result<(Stream, PeerInfo), AcceptError> {
        let local =
            self.tcp.local_addr().map_err(|error| AcceptError::new(self.remote, error.to_string()))?;
        let peer = PeerInfo { local, remote: self.remote, tls: None, external_identity: None };
        Ok((Stream::Tcp(self.tcp), peer))
    }

    /// The stream: at once for plain TCP, after the handshake for TLS, for which the client has until `limit`.
    ///
    /// # Errors
    /// [`AcceptError`]: the client is gone, does not speak TLS, has no certificate and needs one, or is too slow.
    #[cfg(feature = "tls")]
    pub(crate) async fn establish(self, limit: Option<Duration>) -> Result<(Stream, PeerInfo), AcceptError> {
        let Self { tcp, remote, security } = self;
        let local = tcp.local_addr().map_err(|error| AcceptError::new(remote, error.to_string()))?;
        let Some(acceptor) = security else {
            return Ok((Stream::Tcp(tcp), PeerInfo { local, remote, tls: None, external_identity: None }));
        };
        let handshake = acceptor.accept(tcp).into_fallible();
        let outcome = match limit {
            None => handshake.await,
            Some(limit) => timeout(limit, handshake).await.map_err(|_| AcceptError {
                expired: Some(limit),
                ..AcceptError::new(remote, format!("no TLS handshake within {limit:?}"))
            })?,
        };
        let stream = match outcome {
            Ok(stream) => stream,
            Err((error, tcp)) => {
                hang_up(tcp).await;
                let failure = crate::tls::failure(&error);
                let problem = failure.map_or_else(|| error.to_string(), |failure| failure.problem);
                return Err(AcceptError::new(remote, format!("the TLS handshake failed: {problem}")));
            }
        };
        let session = stream.get_ref().1;
        let external_identity =
            session.peer_certificates().and_then(<[_]>::first).and_then(crate::tls::subject_of);
        let tls = Some(super::stream::TlsSession::of(session));
        Ok((Stream::TlsServer(Box::new(stream)), PeerInfo { local, remote, tls, external_identity }))
    }
}

/// Ends a connection so that the client can read the alert that says why. Closing it at once would not do: what the
/// client has sent meanwhile would be answered with a reset, and a reset makes its system forget the alert.
#[cfg(feature = "tls")]
async fn hang_up(mut tcp: TcpStream) {
    let drained = async {
        tcp.shutdown().await?;
        let mut unread = [0; 1024];
        while tcp.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // However it ends, the socket is closed.
    drop(timeout(LINGER, drained).await);
}

/// Why an accepted connection came to nothing. Of interest to who runs the server, not to the program.
#[derive(Clone, Debug)]
pub(crate) struct AcceptError {
    remote: SocketAddr,
    problem: String,
    expired: Option<Duration>,
}

impl AcceptError {
    fn new(remote: SocketAddr, problem: String) -> Self {
        Self { remote, problem, expired: None }
    }

    /// The limit, if it passed.
    pub(crate) fn expired(&self) -> Option<Duration> {
        self.expired
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection from {}: {}", self.remote, self.problem)
    }
}

impl Error for AcceptError {}
