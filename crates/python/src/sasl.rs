//! A server's users and mechanisms, and what came of an exchange.

use std::fmt;
use std::sync::Arc;

use deuteron_engine::Connection;
use deuteron_engine::sasl::{Authenticator, Password, SaslServerConfig, Users};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::state::ConditionParts;
use crate::transport::TransportCore;

/// What a program has set.
#[derive(Default)]
pub(crate) struct Sasl {
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) allow_insecure: bool,
}

/// What is known of an exchange; the engine forgets it with its wire.
#[derive(Default)]
pub(crate) struct Exchange {
    /// The mechanism that the client chose, also if it was refused.
    pub(crate) mechanism: Option<String>,
    /// Who the client is.
    pub(crate) identity: Option<String>,
    pub(crate) outcome: Option<u8>,
}

impl Exchange {
    pub(crate) fn note(&mut self, engine: &Connection) {
        if self.outcome.is_some() {
            return;
        }
        if let Some(mechanism) = engine.sasl_choice() {
            self.mechanism.get_or_insert_with(|| mechanism.to_owned());
        }
        self.outcome = engine.sasl_outcome().map(|code| code as u8);
        self.identity = engine.authenticated_identity().map(str::to_owned);
    }
}

/// Those who may come in, with what is kept of their passwords.
#[pyclass(name = "Users", module = "deuteron._core", frozen)]
pub(crate) struct KnownUsers(Arc<Users>);

impl fmt::Debug for KnownUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[pymethods]
impl KnownUsers {
    /// From lines with what SCRAM keeps, and from names with passwords.
    #[new]
    #[pyo3(signature = (hashed, passwords))]
    fn new(py: Python<'_>, hashed: &str, passwords: Vec<(String, String)>) -> PyResult<Self> {
        py.detach(|| {
            let mut users: Users = hashed.parse().map_err(|why| format!("{why}"))?;
            for (name, password) in passwords {
                let mut salt = [0; 16];
                getrandom::fill(&mut salt)
                    .map_err(|why| format!("the system gives no random salt: {why}"))?;
                users
                    .add(&name, &Password::new(password), &salt)
                    .map_err(|why| format!("the user {name:?} cannot be added: {why}"))?;
            }
            Ok(Self(Arc::new(users)))
        })
        .map_err(|why: String| PyValueError::new_err(why))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

/// What a server's configuration says: mechanisms, if it names any, and users, if it has a place for them.
pub(crate) struct ServerSetup {
    mechanisms: Option<Vec<String>>,
    users: Option<Arc<Users>>,
}

impl ServerSetup {
    /// Reads the configuration; an error if that asks for what is not there.
    pub(crate) fn read(transport: &Bound<'_, TransportCore>) -> Result<Self, ConditionParts> {
        type Parts<'py> = (Option<Vec<String>>, Option<Bound<'py, KnownUsers>>);
        let parts = transport.call_method0("_server_sasl");
        let parts = parts.and_then(|parts| parts.extract::<Parts<'_>>());
        parts
            .map(|(mechanisms, users)| Self { mechanisms, users: users.map(|users| users.get().0.clone()) })
            .map_err(|why| {
                let why = why.value(transport.py()).to_string();
                ("amqp:unauthorized-access".to_owned(), Some(why), None)
            })
    }

    pub(crate) fn config(self, sasl: Option<&Sasl>, require: bool) -> SaslServerConfig {
        let allowed = sasl.and_then(|sasl| sasl.allowed.as_ref());
        let mechanisms = match (self.mechanisms, &self.users) {
            (Some(named), _) => named,
            (None, Some(_)) => owned(&ALL),
            // Without a word about mechanisms or users.
            (None, None) => allowed.cloned().unwrap_or_else(|| owned(&WITHOUT_USERS)),
        };
        let is_allowed = |name: &String| {
            let by_program = allowed.is_none_or(|allowed| allowed.iter().any(|other| same(name, other)));
            by_program && !(require && same(name, ANONYMOUS))
        };
        SaslServerConfig {
            mechanisms: mechanisms.into_iter().filter(is_allowed).collect(),
            authenticator: self.users.map(|users| users as Arc<dyn Authenticator>),
            require,
            allow_insecure: sasl.is_some_and(|sasl| sasl.allow_insecure),
        }
    }
}

const ANONYMOUS: &str = "ANONYMOUS";
const WITHOUT_USERS: [&str; 2] = ["EXTERNAL", ANONYMOUS];
const ALL: [&str; 6] = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "EXTERNAL", ANONYMOUS];

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().copied().map(str::to_owned).collect()
}

fn same(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}
