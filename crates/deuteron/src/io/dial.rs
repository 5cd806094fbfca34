//! From a URL to a connected stream: look-up, TCP to one of the addresses, TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::dial_error::{Attempt, DialError, DialPhase, Expired};
use super::race::Race;
use super::stream::{PeerInfo, Stream};
use crate::tls::TlsConfig;
use crate::url::Url;

/// How to dial. By default without any limit, and with the system's CA certificates for TLS.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "what is for TLS has no reader then"))]
pub(crate) struct DialOptions {
    /// For `amqps`.
    pub(crate) tls: Option<TlsConfig>,
    /// The name to ask for (SNI) and to look for in the certificate; before that of the TLS settings, and before the
    /// host of the URL.
    pub(crate) server_name: Option<String>,
    /// The limit for the name look-up.
    pub(crate) resolve_limit: Option<Duration>,
    /// The limit for TCP, over all addresses.
    pub(crate) connect_limit: Option<Duration>,
    /// The limit for a TLS handshake.
    pub(crate) tls_limit: Option<Duration>,
    /// The limit for everything.
    pub(crate) total_limit: Option<Duration>,
}

/// Connects to the host of `url`. Every address that the name has is tried, in the order of RFC 8305, whatever went
/// wrong with those before it, a TLS handshake included; the first that works is taken.
///
/// The look-up and the reading of certificate files are done on other threads.
///
/// # Errors
/// [`DialError`] with the phase, and with all addresses and what happened with each.
///
/// # Cancel safety
/// Dropping the future gives up; sockets are closed.
pub(crate) async fn dial(url: &Url, options: &DialOptions) -> Result<(Stream, PeerInfo), DialError> {
    let resolve = |host, port| async move { Ok(lookup_host((host, port)).await?.collect()) };
    dial_through(url, options, resolve, connect).await
}

/// [`dial`] with these means to look up a name and to connect to an address.
async fn dial_through<R, F, C, G>(
    url: &Url,
    options: &DialOptions,
    resolve: R,
    connect: C,
) -> Result<(Stream, PeerInfo), DialError>
where
    R: FnOnce(String, u16) -> F,
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
    C: Fn(SocketAddr) -> G,
    G: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    let dialling = Dialling {
        target: url.authority(),
        options,
        total: options.total_limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit))),
    };
    url.for_connect()
        .map_err(|error| dialling.unusable(error.to_string(), "give the port that the peer listens on"))?;
    let security = dialling.security(url).await?;
    let addresses = dialling.resolve(resolve(url.host().to_owned(), url.port())).await?;
    dialling.reach(Race::new(addresses, connect), &security).await
}

/// What a TCP connection becomes.
enum Security {
    Plain,
    #[cfg(feature = "tls")]
    Tls {
        connector: tokio_rustls::TlsConnector,
        name: rustls::pki_types::ServerName<'static>,
        identity: Option<String>,
    },
}

/// Why one address did not do.
struct Refusal {
    phase: DialPhase,
    problem: String,
    advice: &'static str,
    heals: bool,
    expired: Option<Expired>,
    source: Option<io::Error>,
}

struct Dialling<'a> {
    target: String,
    options: &'a DialOptions,
    total: Option<(Instant, Duration)>,
}

impl Dialling<'_> {
    fn unusable(&self, problem: String, advice: &'static str) -> DialError {
        DialError {
            phase: DialPhase::Settings,
            target: self.target.clone(),
            problem,
            advice,
            expired: None,
            attempts: Vec::new(),
            retryable: false,
            source: None,
        }
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "with TLS it waits for files")]
    async fn security(&self, url: &Url) -> Result<Security, DialError> {
        if url.is_tls() {
            let error = crate::tls::TlsError::not_built_in();
            let problem = format!("{url} needs {}: {}", error.subject(), error.problem());
            return Err(self.unusable(problem, error.advice()));
        }
        Ok(Security::Plain)
    }

    /// The TLS settings in rustls's form, from files that are read on another thread.
    #[cfg(feature = "tls")]
    async fn security(&self, url: &Url) -> Result<Security, DialError> {
        if !url.is_tls() {
            return Ok(Security::Plain);
        }
        let settings = self.options.tls.clone().unwrap_or_default();
        let given = self.options.server_name.as_deref().or_else(|| settings.expected_name());
        let asked_for = given.unwrap_or_else(|| url.host());
        let Some(name) = server_name(asked_for) else {
            let problem = format!("{asked_for:?} is not a name that a certificate can be for");
            return Err(self.unusable(problem, "set the server name in the TLS settings"));
        };
        let tls = match settings.built() {
            Some(tls) => tls,
            None => {
                let reading = tokio::task::spawn_blocking(move || settings.build());
                match self.within(None, reading).await {
                    Ok(Ok(Ok(tls))) => tls,
                    Ok(Ok(Err(error))) => {
                        let mut failure = self
                            .unusable(format!("{}: {}", error.subject(), error.problem()), error.advice());
                        failure.source = Some(Arc::new(error));
                        return Err(failure);
                    }
                    Ok(Err(stopped)) => {
                        return Err(self.unusable(stopped.to_string(), "do not stop the runtime"));
                    }
                    Err(expired) => return Err(self.expired(DialPhase::Settings, expired, Vec::new())),
                }
            }
        };
        Ok(Security::Tls { connector: tls.rustls.into(), name, identity: tls.identity })
    }

    async fn resolve(
        &self,
        addresses: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let failure = |problem: String, source: Option<io::Error>| DialError {
            phase: DialPhase::Resolve,
            advice: "check the host name, and that a name server can be reached",
            retryable: true,
            source: source.map(|error| Arc::new(error) as Arc<_>),
            ..self.unusable(problem, "")
        };
        match self.within(self.options.resolve_limit, addresses).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(failure("the name has no address".into(), None)),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(failure(error.to_string(), Some(error))),
            Err(expired) => Err(self.expired(DialPhase::Resolve, expired, Vec::new())),
        }
    }

    /// Goes on until one address works from TCP to the end of the handshake.
    async fn reach<C, F>(
        &self,
        mut race: Race<TcpStream, C>,
        security: &Security,
    ) -> Result<(Stream, PeerInfo), DialError>
    where
        C: Fn(SocketAddr) -> F,
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let mut attempts = Vec::new();
        let mut decisive: Option<Refusal> = None;
        loop {
            let raced = self.within(self.options.connect_limit, race.next()).await;
            for (address, error) in race.take_failed() {
                let refusal = refused_by_tcp(error);
                attempts.push(Attempt { address, problem: refusal.problem.clone() });
                decisive = Some(more_telling(decisive, refusal));
            }
            let (address, tcp) = match raced {
                Ok(Some(connected)) => connected,
                Ok(None) => return Err(self.failed(decisive, attempts)),
                Err(expired) => {
                    let silent = race
                        .unanswered()
                        .into_iter()
                        .map(|address| Attempt { address, problem: "no answer".into() });
                    attempts.extend(silent);
                    return Err(match decisive {
                        Some(refusal) if !refusal.heals => self.failed(Some(refusal), attempts),
                        _ => self.expired(DialPhase::Connect, expired, attempts),
                    });
                }
            };
            let refusal = match self.secure(address, tcp, security).await {
                Ok(secured) => return Ok(secured),
                Err(refusal) => refusal,
            };
            attempts.push(Attempt { address, problem: refusal.problem.clone() });
            let out_of_time = refusal.expired.is_some_and(|expired| expired.total);
            decisive = Some(more_telling(decisive, refusal));
            if out_of_time {
                return Err(self.failed(decisive, attempts));
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "with TLS it waits for the handshake")]
    async fn secure(
        &self,
        remote: SocketAddr,
        tcp: TcpStream,
        _: &Security,
    ) -> Result<(Stream, PeerInfo), Refusal> {
        let local = tcp.local_addr().map_err(refused_by_tcp)?;
        Ok((Stream::Tcp(tcp), PeerInfo { local, remote, tls: None, external_identity: None }))
    }

    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        remote: SocketAddr,
        tcp: TcpStream,
        security: &Security,
    ) -> Result<(Stream, PeerInfo), Refusal> {
        let local = tcp.local_addr().map_err(refused_by_tcp)?;
        let Security::Tls { connector, name, identity } = security else {
            return Ok((Stream::Tcp(tcp), PeerInfo { local, remote, tls: None, external_identity: None }));
        };
        match self.within(self.options.tls_limit, connector.connect(name.clone(), tcp)).await {
            Ok(Ok(stream)) => {
                let tls = Some(super::stream::TlsSession::of(stream.get_ref().1));
                let peer = PeerInfo { local, remote, tls, external_identity: identity.clone() };
                Ok((Stream::TlsClient(Box::new(stream)), peer))
            }
            Ok(Err(error)) => Err(refused_by_tls(error)),
            Err(expired) => Err(Refusal {
                phase: DialPhase::Tls,
                problem: format!("no answer within {}", self.named(DialPhase::Tls, expired)),
                advice: "check that the port is a TLS port, and that the peer is not overloaded",
                heals: true,
                expired: Some(expired),
                source: None,
            }),
        }
    }

    /// `future` within the limit of its phase and that of everything, whichever comes first.
    async fn within<F: Future>(&self, limit: Option<Duration>, future: F) -> Result<F::Output, Expired> {
        let phase = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
        let (deadline, expired) = match (phase, self.total) {
            (None, None) => return Ok(future.await),
            (Some((at, limit)), None) => (at, Expired { total: false, limit }),
            (Some((at, limit)), Some((total, _))) if at < total => (at, Expired { total: false, limit }),
            (_, Some((total, limit))) => (total, Expired { total: true, limit }),
        };
        timeout_at(deadline, future).await.map_err(|_| expired)
    }

    fn named(&self, phase: DialPhase, Expired { total, limit }: Expired) -> String {
        if total {
            format!("the limit of {limit:?} for the whole attempt to connect")
        } else {
            format!("the limit of {limit:?} for the {phase}")
        }
    }

    fn expired(&self, phase: DialPhase, expired: Expired, attempts: Vec<Attempt>) -> DialError {
        DialError {
            phase,
            expired: Some(expired),
            attempts,
            retryable: true,
            ..self.unusable(
                format!("no answer within {}", self.named(phase, expired)),
                match phase {
                    DialPhase::Settings => "check that the file system with the certificates answers",
                    DialPhase::Resolve => "check that a name server can be reached",
                    _ => "check the host and the port, and that no firewall drops the packets",
                },
            )
        }
    }

    fn failed(&self, decisive: Option<Refusal>, attempts: Vec<Attempt>) -> DialError {
        let Some(refusal) = decisive else {
            return self.unusable("no address to try".into(), "check the host name");
        };
        DialError {
            phase: refusal.phase,
            expired: refusal.expired,
            attempts,
            retryable: refusal.heals,
            source: refusal.source.map(|error| Arc::new(error) as Arc<_>),
            ..self.unusable(refusal.problem, refusal.advice)
        }
    }
}

/// The refusal that stands for all: one that does not heal before others, then the one that came further, then the
/// later one.
fn more_telling(before: Option<Refusal>, new: Refusal) -> Refusal {
    let rank = |refusal: &Refusal| (!refusal.heals, refusal.phase == DialPhase::Tls);
    match before {
        Some(before) if rank(&before) > rank(&new) => before,
        _ => new,
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A port of the ephemeral range that nobody listens on can be connected to itself (RFC 9293, simultaneous open).
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn refused_by_tcp(error: io::Error) -> Refusal {
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: check host and port, and that the peer runs"
        }
        io::ErrorKind::PermissionDenied => "a firewall or a policy of this machine forbids it",
        _ => "check the host and the network between",
    };
    Refusal {
        phase: DialPhase::Connect,
        problem: error.to_string(),
        advice,
        heals: true,
        expired: None,
        source: Some(error),
    }
}

#[cfg(feature = "tls")]
fn refused_by_tls(error: io::Error) -> Refusal {
    let (problem, advice, heals) = match crate::tls::failure(&error) {
        Some(failure) => (failure.problem, failure.advice, failure.heals),
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => (
            "the peer closed the connection during the handshake".to_owned(),
            "check that the port is a TLS port: one without TLS may do this",
            true,
        ),
        None => (error.to_string(), "check the network between", true),
    };
    Refusal { phase: DialPhase::Tls, problem, advice, heals, expired: None, source: Some(error) }
}

/// The host of a URL as TLS wants it. A zone says how to get there and is not part of any certificate.
#[cfg(feature = "tls")]
fn server_name(host: &str) -> Option<rustls::pki_types::ServerName<'static>> {
    let name = match host.split_once('%') {
        Some((address, _)) => address,
        None => host,
    };
    rustls::pki_types::ServerName::try_from(name.to_owned()).ok()
}

#[cfg(test)]
mod tests;
