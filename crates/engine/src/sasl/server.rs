//! The server's side of a SASL exchange.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use deuteron_codec::{SaslInit, Symbol};

use super::mechanism::Mechanism;
#[cfg(feature = "scram")]
use super::scram::ScramServer;
use super::{Authenticator, Decision, plain};
use crate::security::Security;

/// How a server authenticates its clients. By default everybody is let in, as `ANONYMOUS` or without SASL.
#[derive(Clone, Debug)]
pub struct SaslServerConfig {
    /// The names of the mechanisms to offer. Those that do not fit the connection or the authenticator are left out
    /// (see the [module](super)), as are names that are not built in. Default `ANONYMOUS`.
    pub mechanisms: Vec<String>,
    /// Who decides. Without one, the default, only `ANONYMOUS` and `EXTERNAL` can be offered.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Whether a client that skips SASL is refused even though `ANONYMOUS` is offered. Default false. Without
    /// `ANONYMOUS` such a client is always refused; see [`admits_without_sasl`](Self::admits_without_sasl).
    pub require: bool,
    /// Whether PLAIN is offered over a connection that is not encrypted. Default false.
    pub allow_insecure: bool,
}

impl Default for SaslServerConfig {
    fn default() -> Self {
        Self {
            mechanisms: vec![Mechanism::Anonymous.name().to_owned()],
            authenticator: None,
            require: false,
            allow_insecure: false,
        }
    }
}

impl SaslServerConfig {
    /// Whether a client may start with AMQP at once. Leaving SASL out must not give more than using it: so only
    /// where `ANONYMOUS` would do, and [`require`](Self::require) is not set.
    #[must_use]
    pub fn admits_without_sasl(&self) -> bool {
        !self.require && self.configured().any(|mechanism| mechanism == Mechanism::Anonymous)
    }

    fn configured(&self) -> impl Iterator<Item = Mechanism> + '_ {
        self.mechanisms.iter().filter_map(|name| Mechanism::named(name))
    }

    fn offers(&self, mechanism: Mechanism, security: &Security) -> bool {
        match mechanism {
            // A nonce that is always the same would let an eavesdropper replay a login.
            #[cfg(feature = "scram")]
            Mechanism::Scram(_) => self.authenticator.is_some() && security.nonce != [0; 24],
            Mechanism::Plain => self.authenticator.is_some() && (security.encrypted || self.allow_insecure),
            Mechanism::External => security.external_identity.is_some(),
            Mechanism::Anonymous => true,
        }
    }
}

/// What a server does next.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerStep {
    /// Send this challenge.
    Challenge(Bytes),
    /// Send the outcome `ok`: the client is authenticated.
    Accept {
        /// Who it is; none if it is anonymous.
        identity: Option<String>,
        /// The outcome's additional data.
        data: Option<Bytes>,
    },
    /// Send the outcome `auth`.
    Reject,
    /// Wait for [`SaslServer::decide`].
    Pending,
}

impl fmt::Debug for ServerStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(_) => f.write_str("Challenge(***)"),
            Self::Accept { identity, .. } => {
                f.debug_struct("Accept").field("identity", identity).finish_non_exhaustive()
            }
            Self::Reject => f.write_str("Reject"),
            Self::Pending => f.write_str("Pending"),
        }
    }
}

/// A server's SASL exchange: offer [`mechanisms`](Self::mechanisms), then [`init`](Self::init) and
/// [`response`](Self::response) with the client's frames, each answered by a [`ServerStep`]. After `Reject` everything
/// is rejected.
pub struct SaslServer {
    offered: Vec<Mechanism>,
    authenticator: Option<Arc<dyn Authenticator>>,
    external_identity: Option<String>,
    #[cfg(feature = "scram")]
    nonce: [u8; 24],
    mechanism: Option<Mechanism>,
    state: State,
}

enum State {
    /// The client's choice is awaited.
    Start,
    /// The client chose, and owes the response that it left out.
    Owed(Mechanism),
    #[cfg(feature = "scram")]
    Scram(Box<ScramServer>),
    /// Somebody else decides whether it is this identity.
    Undecided(String),
    /// Accepted or rejected.
    Over,
}

impl SaslServer {
    /// An exchange for a transport of which `security` is known.
    #[must_use]
    pub fn new(config: &SaslServerConfig, security: &Security) -> Self {
        Self {
            offered: config.configured().filter(|mechanism| config.offers(*mechanism, security)).collect(),
            authenticator: config.authenticator.clone(),
            external_identity: security.external_identity.clone(),
            #[cfg(feature = "scram")]
            nonce: security.nonce,
            mechanism: None,
            state: State::Start,
        }
    }

    /// What to offer, in the configured order. If it is empty nobody can come in, and the specification has no frame
    /// that says so (5.3.3.1 wants at least one): the connection is best closed.
    #[must_use]
    pub fn mechanisms(&self) -> Vec<Symbol> {
        self.offered.iter().map(|mechanism| Symbol::from_static(mechanism.name())).collect()
    }

    /// Takes the client's choice. One that was not offered, or a second one, is rejected.
    pub fn init(&mut self, init: &SaslInit) -> ServerStep {
        let chosen = self.offered.iter().copied().find(|offered| offered.name() == init.mechanism.as_str());
        let (State::Start, Some(mechanism)) = (&self.state, chosen) else {
            return self.over(ServerStep::Reject);
        };
        self.mechanism = Some(mechanism);
        self.state = State::Owed(mechanism);
        match (&init.initial_response, mechanism) {
            (Some(response), _) => self.response(response),
            // The client has nothing to say that matters, so it is not asked.
            (None, Mechanism::Anonymous) => self.response(b""),
            // RFC 4422, 5: a client that speaks first but did not is asked with an empty challenge.
            (None, _) => ServerStep::Challenge(Bytes::new()),
        }
    }

    /// Takes the client's response to a challenge. One that was not asked for is rejected.
    pub fn response(&mut self, response: &[u8]) -> ServerStep {
        let step = match std::mem::replace(&mut self.state, State::Over) {
            State::Owed(mechanism) => self.first_response(mechanism, response),
            #[cfg(feature = "scram")]
            State::Scram(scram) => self.scram(scram, response),
            State::Start | State::Undecided(_) | State::Over => ServerStep::Reject,
        };
        match step {
            ServerStep::Challenge(_) | ServerStep::Pending => step,
            ServerStep::Accept { .. } | ServerStep::Reject => self.over(step),
        }
    }

    /// Gives the decision that a `Pending` step waits for. When there is none to give, the client is rejected.
    pub fn decide(&mut self, accept: bool) -> ServerStep {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Undecided(identity) if accept => {
                ServerStep::Accept { identity: Some(identity), data: None }
            }
            _ => ServerStep::Reject,
        }
    }

    /// The name of the mechanism that the client chose, once it has.
    #[must_use]
    pub fn mechanism(&self) -> Option<&'static str> {
        self.mechanism.map(Mechanism::name)
    }

    fn first_response(&mut self, mechanism: Mechanism, response: &[u8]) -> ServerStep {
        match mechanism {
            #[cfg(feature = "scram")]
            Mechanism::Scram(hash) => self.scram(Box::new(ScramServer::new(hash, &self.nonce)), response),
            Mechanism::Plain => {
                let (Some((authorization, user, password)), Some(authenticator)) =
                    (plain::parse(response), &self.authenticator)
                else {
                    return ServerStep::Reject;
                };
                let decision = authenticator.plain(authorization, user, password);
                self.decided(decision, authorization.unwrap_or(user))
            }
            Mechanism::External => self.external(response),
            Mechanism::Anonymous => ServerStep::Accept { identity: None, data: None },
        }
    }

    fn external(&mut self, response: &[u8]) -> ServerStep {
        let (Ok(authorization), Some(identity)) =
            (std::str::from_utf8(response), self.external_identity.take())
        else {
            return ServerStep::Reject;
        };
        let authorization = (!authorization.is_empty()).then_some(authorization);
        let decision = match &self.authenticator {
            Some(authenticator) => authenticator.external(&identity, authorization),
            None if authorization.is_none_or(|name| name == identity) => Decision::Accept,
            None => Decision::Reject,
        };
        self.decided(decision, authorization.unwrap_or(&identity))
    }

    #[cfg(feature = "scram")]
    fn scram(&mut self, mut scram: Box<ScramServer>, response: &[u8]) -> ServerStep {
        let Some(authenticator) = &self.authenticator else { return ServerStep::Reject };
        let step = scram.step(response, authenticator.as_ref());
        self.state = State::Scram(scram);
        step
    }

    fn decided(&mut self, decision: Decision, identity: &str) -> ServerStep {
        match decision {
            Decision::Accept => ServerStep::Accept { identity: Some(identity.to_owned()), data: None },
            Decision::Reject => ServerStep::Reject,
            Decision::Pending => {
                self.state = State::Undecided(identity.to_owned());
                ServerStep::Pending
            }
        }
    }

    fn over(&mut self, step: ServerStep) -> ServerStep {
        self.state = State::Over;
        step
    }
}

impl fmt::Debug for SaslServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslServer")
            .field("offered", &self.offered)
            .field("mechanism", &self.mechanism)
            .field("authenticator", &self.authenticator)
            .finish_non_exhaustive()
    }
}
