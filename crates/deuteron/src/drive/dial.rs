//! From a URL or an accepted socket to a [`Transport`], with errors as those of this crate.

use deuteron_engine::Security;

use super::accept::random;
use super::attempt::{Dialling, Transport};
use crate::io::{self, DialError, DialOptions, DialPhase, PeerInfo, Stream};
use crate::{ConnectOptions, Error, ListenOptions, Phase, Scope, TlsConfig, Url};

/// Connects to one URL; every address of its host is tried.
pub(super) fn dial(url: Url, options: &ConnectOptions, tls: Option<&TlsConfig>) -> Dialling {
    let deadlines = options.deadlines;
    let own_host = options.virtual_host.clone().filter(|host| !host.is_empty());
    let options = DialOptions {
        tls: options.tls.as_ref().or(tls).cloned(),
        server_name: options.sni.clone().or(own_host),
        resolve_limit: deadlines.resolve,
        connect_limit: deadlines.connect,
        tls_limit: deadlines.tls,
        total_limit: deadlines.establish,
    };
    Box::pin(async move { io::dial(&url, &options).await.map(transport).map_err(from_dial) })
}

/// The TLS handshake of an accepted socket, if it is to have one.
pub(super) fn accept(incoming: io::Incoming, limit: Option<std::time::Duration>) -> Dialling {
    Box::pin(async move {
        incoming.establish(limit).await.map(transport).map_err(|error| {
            let text = error.to_string();
            match error.expired() {
                Some(_) => Error::deadline_passed(Scope::Listener, Phase::Tls, text),
                None => Error::new(Scope::Listener, text),
            }
            .with_source(error)
        })
    })
}

/// Binds the address of a listener.
pub(super) fn bind(url: &Url, options: &ListenOptions) -> Result<io::Bound, Error> {
    io::listen(url, options.tls.as_ref()).map_err(|error| {
        Error::new(Scope::Listener, error.description()).with_advice(error.advice()).with_source(error)
    })
}

fn transport((stream, peer): (Stream, PeerInfo)) -> Transport {
    let security =
        Security { encrypted: peer.encrypted(), external_identity: peer.external_identity, nonce: random() };
    Transport { stream, security, local: Some(peer.local), remote: Some(peer.remote) }
}

fn from_dial(error: DialError) -> Error {
    let (scope, phase) = match error.phase() {
        DialPhase::Settings => (Scope::Config, Phase::Establish),
        DialPhase::Resolve => (Scope::Dns, Phase::Resolve),
        DialPhase::Connect => (Scope::Connect, Phase::Connect),
        DialPhase::Tls => (Scope::Tls, Phase::Tls),
    };
    let made = match error.expired() {
        Some(expired) => {
            let phase = if expired.total { Phase::Establish } else { phase };
            Error::deadline_passed(scope, phase, error.description())
        }
        None => Error::new(scope, error.description()),
    };
    made.retryable(error.is_retryable()).with_advice(error.advice()).with_source(error)
}
