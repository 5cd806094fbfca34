//! The byte stream under a connection: TCP, or TLS over TCP.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connected stream. TCP_NODELAY is set: frames are gathered before they are written, so there is nothing for
/// Nagle's algorithm to gather.
///
/// TLS has a buffer of its own: what was written is surely on its way only after a flush.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS, we are the client.
    #[cfg(feature = "tls")]
    TlsClient(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// TLS, we are the server.
    #[cfg(feature = "tls")]
    TlsServer(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

/// What is known of the other end of a stream, before any AMQP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerInfo {
    /// Our end.
    pub(crate) local: SocketAddr,
    /// The peer's end.
    pub(crate) remote: SocketAddr,
    /// What TLS has agreed on; none over plain TCP.
    pub(crate) tls: Option<TlsSession>,
    /// Who the client is by its certificate: on a server the verified subject, on a client that of the certificate
    /// that it has to show. For SASL EXTERNAL.
    pub(crate) external_identity: Option<String>,
}

impl PeerInfo {
    /// Whether nobody on the way can read the stream.
    pub(crate) fn encrypted(&self) -> bool {
        self.tls.is_some()
    }
}

/// The parameters of a TLS session, as text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsSession {
    /// `TLSv1_3` for example.
    pub(crate) version: String,
    /// `TLS13_AES_256_GCM_SHA384` for example.
    pub(crate) cipher: String,
}

#[cfg(feature = "tls")]
impl TlsSession {
    pub(super) fn of(connection: &rustls::CommonState) -> Self {
        let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        let version = connection.protocol_version().map(|version| format!("{version:?}"));
        Self { version: version.unwrap_or_default(), cipher: cipher.unwrap_or_default() }
    }
}

impl AsyncRead for Stream {
    /// As that of the stream within, except that TLS without the closing alert is an end of file like any other:
    /// AMQP has its own close, so a connection that was cut short is found out all the same, and many peers leave
    /// the alert out.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::TlsClient(stream) => end_of_file(Pin::new(stream).poll_read(cx, buffer)),
            #[cfg(feature = "tls")]
            Self::TlsServer(stream) => end_of_file(Pin::new(stream).poll_read(cx, buffer)),
        }
    }
}

#[cfg(feature = "tls")]
fn end_of_file(read: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    match read {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
        read => read,
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::TlsClient(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::TlsServer(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::TlsClient(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::TlsServer(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::TlsClient(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::TlsServer(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::TlsClient(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::TlsServer(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::TlsClient(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::TlsServer(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
