//! Where transports come from: a listener, or the servers of a list, in the order of the reconnector.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deuteron_codec::condition;
use deuteron_engine::reconnect::{Backoff, ReconnectPolicy, Reconnector};

use super::accept::Permit;
use super::attempt::Dialling;
use super::primary;
use super::servers::KnownServer;
use super::shared::Shared;
use crate::options::{Reconnect, ServerList};
use crate::{ConnectOptions, Error};

/// How often a peer may send us elsewhere in a minute.
const MAX_REDIRECTS: usize = 5;

/// Where transports come from.
pub(crate) enum Attempts {
    Outgoing(Box<Outgoing>),
    Incoming(Box<Incoming>),
}

pub(crate) struct Outgoing {
    /// What the application has named.
    pub(super) configured: Vec<KnownServer>,
    /// What is dialled, by the numbers of the reconnector.
    pub(super) servers: Vec<KnownServer>,
    pub(super) options: ConnectOptions,
    pub(super) reconnector: Reconnector,
    pub(super) retries: bool,
    pub(super) attempt: u32,
    pub(super) url: String,
    /// The server that was dialled last.
    pub(super) present: Option<KnownServer>,
    /// Where the peer has sent us.
    pub(super) redirect: Option<KnownServer>,
    /// When it did, in the last minute.
    pub(super) redirects: VecDeque<Instant>,
    /// The peer has closed the connection: with which error, if any.
    pub(super) end: Option<Option<Error>>,
}

pub(crate) struct Incoming {
    pub(crate) dialling: Option<Dialling>,
    pub(crate) handshake: Option<Duration>,
    pub(crate) permit: Permit,
    pub(crate) end: Option<Option<Error>>,
}

impl Attempts {
    pub(crate) fn outgoing(options: ConnectOptions) -> Result<Self, Error> {
        let servers = KnownServer::all(options.urls.iter().cloned())?;
        let policy: Option<Box<dyn ReconnectPolicy>> = match &options.reconnect {
            Reconnect::Off => None,
            Reconnect::Default => Some(Box::new(Backoff::default())),
            Reconnect::Backoff(backoff) => Some(Box::new(backoff.clone())),
            Reconnect::Policy(policy) => {
                let own = policy.lock().ok().and_then(|mut policy| policy.take());
                Some(own.unwrap_or_else(|| Box::new(Backoff::default())))
            }
        };
        let retries = policy.is_some();
        let mut reconnector = Reconnector::new(servers.len(), policy);
        reconnector.set_order(options.order);
        reconnector.limit_first(options.first_attempts);
        let outgoing = Outgoing {
            configured: servers.clone(),
            servers,
            options,
            reconnector,
            retries,
            attempt: 0,
            url: String::new(),
            present: None,
            redirect: None,
            redirects: VecDeque::new(),
            end: None,
        };
        Ok(Self::Outgoing(Box::new(outgoing)))
    }

    pub(super) fn opened(&mut self, shared: &Arc<Shared>) {
        match self {
            Self::Outgoing(outgoing) => outgoing.opened(shared),
            Self::Incoming(incoming) => incoming.permit.opened(),
        }
    }

    /// Where the peer sends us, if that is followed.
    pub(super) fn redirected(&mut self, error: &deuteron_codec::Error, now: Instant) -> bool {
        let Self::Outgoing(outgoing) = self else { return false };
        if !outgoing.options.follow_redirects || error.condition != condition::CONNECTION_REDIRECT {
            return false;
        }
        let minute = Duration::from_secs(60);
        outgoing.redirects.retain(|at| now.saturating_duration_since(*at) < minute);
        if outgoing.redirects.len() >= MAX_REDIRECTS {
            tracing::warn!("the peers send us in circles");
            return false;
        }
        let named = error.info.as_ref().zip(outgoing.present.as_ref());
        outgoing.redirect = named.and_then(|(info, present)| present.elsewhere(info));
        outgoing.redirects.push_back(now);
        outgoing.redirect.is_some()
    }

    pub(super) fn can_retry(&self) -> bool {
        matches!(self, Self::Outgoing(outgoing) if outgoing.retries)
    }

    /// The peer has closed the connection.
    pub(super) fn set_end(&mut self, error: Option<Error>) {
        match self {
            Self::Outgoing(outgoing) => outgoing.end = Some(error),
            Self::Incoming(incoming) => incoming.end = Some(error),
        }
    }

    pub(super) fn take_end(&mut self) -> Option<Option<Error>> {
        match self {
            Self::Outgoing(outgoing) => outgoing.end.take(),
            Self::Incoming(incoming) => incoming.end.take(),
        }
    }

    pub(super) fn label_error(&self, error: Error) -> Error {
        match self {
            Self::Outgoing(outgoing) => error.with_url(outgoing.url.clone()).with_attempt(outgoing.attempt),
            Self::Incoming(_) => error,
        }
    }
}

impl Outgoing {
    pub(super) fn set_servers(&mut self, servers: Vec<KnownServer>) {
        self.reconnector.set_addresses(servers.len());
        self.configured.clone_from(&servers);
        self.servers = servers;
    }

    /// The peer's Open is here: what it says of other servers, and whether this one is only second best.
    fn opened(&mut self, shared: &Arc<Shared>) {
        self.reconnector.connected();
        let Some(present) = &self.present else { return };
        if self.options.server_list != ServerList::Ignore {
            let named = shared.lock().engine.remote_open().map(|open| present.named_by(open));
            let named = named.unwrap_or_default();
            let mut servers = match self.options.server_list {
                ServerList::Replace if !named.is_empty() => vec![present.clone()],
                _ => self.configured.clone(),
            };
            for server in named {
                if !servers.iter().any(|known| known.is_at(&server)) {
                    servers.push(server);
                }
            }
            self.reconnector.set_addresses(servers.len());
            self.servers = servers;
        }
        let primary = self.configured.first().filter(|primary| !primary.is_at(present));
        if let (Some(primary), Some(every)) = (primary, self.options.prefer_primary) {
            primary::watch(shared, primary, &self.options, every);
        }
    }
}
