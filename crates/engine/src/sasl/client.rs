//! The client's side of a SASL exchange.

use std::fmt;

use bytes::Bytes;
use deuteron_codec::{SaslCode, SaslInit, Symbol};

use super::choice::choose;
use super::error::printable;
use super::mechanism::Mechanism;
#[cfg(feature = "scram")]
use super::scram::ScramClient;
use super::{Password, SaslError, plain};
use crate::security::Security;

/// With what a client authenticates. The default has no credentials and allows every mechanism that is safe.
#[derive(Clone, Debug, Default)]
pub struct SaslClientConfig {
    /// The user's name. Default none.
    pub username: Option<String>,
    /// The user's password. Default none.
    pub password: Option<Password>,
    /// The identity to act as, if it is not the one that authenticates. Default none. Few servers allow it.
    pub authorization: Option<String>,
    /// The names of the only mechanisms to use. Default `None`: any that is built in and fits; see the
    /// [module](super).
    pub allowed_mechanisms: Option<Vec<String>>,
    /// Whether PLAIN may send the password over a connection that is not encrypted. Default false.
    pub allow_insecure: bool,
    /// Whether ANONYMOUS may be used although there are credentials, which the server then never sees. Default false.
    pub allow_anonymous: bool,
}

/// A client's SASL exchange: [`start`](Self::start) with what the server offers, [`challenge`](Self::challenge) as
/// often as the server asks, [`outcome`](Self::outcome) at the end. An error ends it.
pub struct SaslClient {
    config: SaslClientConfig,
    security: Security,
    hostname: Option<String>,
    state: State,
}

enum State {
    /// The server's mechanisms are awaited.
    Start,
    /// The initial response said it all.
    Sent(Mechanism),
    #[cfg(feature = "scram")]
    Scram(Box<ScramClient>),
    /// Accepted, with this mechanism.
    Accepted(&'static str),
    /// Refused, or broken off; the mechanism if one was chosen.
    Failed(Option<&'static str>),
}

impl SaslClient {
    /// An exchange for a transport of which `security` is known; `hostname` is the virtual host to authenticate at.
    #[must_use]
    pub fn new(config: &SaslClientConfig, security: &Security, hostname: Option<&str>) -> Self {
        Self {
            config: config.clone(),
            security: security.clone(),
            hostname: hostname.map(str::to_owned),
            state: State::Start,
        }
    }

    /// Chooses among the mechanisms that the server offers, and gives the frame to answer with.
    ///
    /// # Errors
    /// [`SaslError::NoMechanism`] if none can be used; [`SaslError::Credentials`] if the mechanism cannot carry the
    /// username or password; [`SaslError::OutOfOrder`] the second time.
    pub fn start(&mut self, offered: &[Symbol]) -> Result<SaslInit, SaslError> {
        if !matches!(self.state, State::Start) {
            return self.fail(SaslError::OutOfOrder { frame: "sasl-mechanisms" });
        }
        let mechanism = match choose(offered, &self.config, &self.security) {
            Ok(mechanism) => mechanism,
            Err(error) => return self.fail(error),
        };
        self.state = State::Sent(mechanism);
        match self.initial_response(mechanism) {
            Ok(response) => Ok(SaslInit {
                mechanism: Symbol::from_static(mechanism.name()),
                initial_response: Some(response.into()),
                hostname: self.hostname.clone(),
            }),
            Err(error) => self.fail(error),
        }
    }

    // Only SCRAM has a state to keep.
    #[cfg_attr(not(feature = "scram"), allow(clippy::needless_pass_by_ref_mut))]
    fn initial_response(&mut self, mechanism: Mechanism) -> Result<Vec<u8>, SaslError> {
        let authorization = self.config.authorization.as_deref().unwrap_or_default();
        let username = self.config.username.as_deref().unwrap_or_default();
        match mechanism {
            #[cfg(feature = "scram")]
            Mechanism::Scram(hash) => {
                let Some(password) = &self.config.password else {
                    return Err(SaslError::Credentials { field: "password", problem: "is missing" });
                };
                let (scram, first) =
                    ScramClient::new(hash, username, password, Some(authorization), &self.security.nonce)?;
                self.state = State::Scram(Box::new(scram));
                Ok(first.into_bytes())
            }
            Mechanism::Plain => {
                let password = self.config.password.as_ref().map(Password::expose).unwrap_or_default();
                plain::message(authorization, username, password)
            }
            // Empty, not absent: an absent response would make the server ask for one.
            Mechanism::External => Ok(authorization.as_bytes().to_vec()),
            // RFC 4505 leaves room for a trace of who it is; nothing is given away.
            Mechanism::Anonymous => Ok(b"anonymous".to_vec()),
        }
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// [`SaslError::OutOfOrder`] if the mechanism has none; for SCRAM, what is wrong with the server's message:
    /// [`Malformed`](SaslError::Malformed), [`Iterations`](SaslError::Iterations),
    /// [`ServerNotVerified`](SaslError::ServerNotVerified), [`Refused`](SaslError::Refused).
    // Without SCRAM no mechanism has a challenge, and the argument has no use.
    #[cfg_attr(not(feature = "scram"), allow(unused_variables))]
    pub fn challenge(&mut self, challenge: &[u8]) -> Result<Bytes, SaslError> {
        let answer = match &mut self.state {
            #[cfg(feature = "scram")]
            State::Scram(scram) => scram.challenge(challenge).map(Bytes::from),
            _ => Err(SaslError::OutOfOrder { frame: "sasl-challenge" }),
        };
        answer.or_else(|error| self.fail(error))
    }

    /// Takes the server's verdict. `Ok(())` means that AMQP may start: the server has accepted and, with SCRAM, has
    /// proved itself.
    ///
    /// # Errors
    /// [`SaslError::Refused`]; [`SaslError::ServerNotVerified`]; [`SaslError::OutOfOrder`] before
    /// [`start`](Self::start) or after an error.
    #[cfg_attr(not(feature = "scram"), allow(unused_variables))]
    pub fn outcome(&mut self, code: SaslCode, additional: Option<&[u8]>) -> Result<(), SaslError> {
        let Some(mechanism) = self.mechanism().filter(|_| self.is_running()) else {
            return self.fail(SaslError::OutOfOrder { frame: "sasl-outcome" });
        };
        if code != SaslCode::Ok {
            let detail = additional.and_then(|text| text.strip_prefix(b"e="));
            let detail = detail.map(|text| printable(&String::from_utf8_lossy(text)));
            return self.fail(SaslError::Refused { mechanism, code, detail });
        }
        #[cfg(feature = "scram")]
        if let State::Scram(scram) = &mut self.state
            && let Err(error) = scram.finish(additional)
        {
            return self.fail(error);
        }
        self.state = State::Accepted(mechanism);
        Ok(())
    }

    /// The name of the mechanism in use, once one is chosen.
    #[must_use]
    pub fn mechanism(&self) -> Option<&'static str> {
        match &self.state {
            State::Start => None,
            State::Sent(mechanism) => Some(mechanism.name()),
            #[cfg(feature = "scram")]
            State::Scram(scram) => Some(scram.mechanism()),
            State::Accepted(mechanism) => Some(mechanism),
            State::Failed(mechanism) => *mechanism,
        }
    }

    fn is_running(&self) -> bool {
        !matches!(self.state, State::Start | State::Accepted(_) | State::Failed(_))
    }

    fn fail<T>(&mut self, error: SaslError) -> Result<T, SaslError> {
        self.state = State::Failed(self.mechanism());
        Err(error)
    }
}

impl fmt::Debug for SaslClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslClient")
            .field("config", &self.config)
            .field("mechanism", &self.mechanism())
            .finish_non_exhaustive()
    }
}
