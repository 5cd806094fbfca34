//! Which of the offered mechanisms a client uses.

use deuteron_codec::Symbol;

use super::error::printable;
use super::mechanism::Mechanism;
use super::{SaslClientConfig, SaslError, Unusable};
use crate::security::Security;

/// How many offered mechanisms an error lists; a peer may send many.
const LISTED: usize = 20;

/// The strongest mechanism that the server offers and that can be used, in the order that the module `sasl` documents.
pub(super) fn choose(
    offered: &[Symbol],
    config: &SaslClientConfig,
    security: &Security,
) -> Result<Mechanism, SaslError> {
    let usable = |mechanism: &&Mechanism| {
        offered.iter().any(|name| name.as_str().eq_ignore_ascii_case(mechanism.name()))
            && check(**mechanism, config, security).is_ok()
    };
    if let Some(mechanism) = Mechanism::ALL.iter().find(usable) {
        return Ok(*mechanism);
    }
    let reason = |name: &Symbol| match Mechanism::named(name.as_str()) {
        Some(mechanism) => check(mechanism, config, security).err().unwrap_or(Unusable::Unsupported),
        None => Unusable::Unsupported,
    };
    Err(SaslError::NoMechanism {
        offered: offered.iter().take(LISTED).map(|name| (printable(name.as_str()), reason(name))).collect(),
        allowed: config.allowed_mechanisms.clone(),
    })
}

fn check(mechanism: Mechanism, config: &SaslClientConfig, security: &Security) -> Result<(), Unusable> {
    let listed = config
        .allowed_mechanisms
        .as_ref()
        .map(|allowed| allowed.iter().any(|name| name.eq_ignore_ascii_case(mechanism.name())));
    if listed == Some(false) {
        return Err(Unusable::NotAllowed);
    }
    let named = listed == Some(true);
    match mechanism {
        #[cfg(feature = "scram")]
        Mechanism::Scram(_) if security.nonce == [0; 24] => Err(Unusable::NoNonce),
        #[cfg(feature = "scram")]
        Mechanism::Scram(_) => has_credentials(config),
        Mechanism::Plain if security.encrypted || config.allow_insecure => has_credentials(config),
        Mechanism::Plain => has_credentials(config).and(Err(Unusable::Insecure)),
        Mechanism::External if named || security.external_identity.is_some() => Ok(()),
        Mechanism::External => Err(Unusable::NoIdentity),
        Mechanism::Anonymous
            if named
                || config.allow_anonymous
                || (config.username.is_none() && config.password.is_none()) =>
        {
            Ok(())
        }
        Mechanism::Anonymous => Err(Unusable::IgnoresCredentials),
    }
}

fn has_credentials(config: &SaslClientConfig) -> Result<(), Unusable> {
    match (&config.username, &config.password) {
        (None, _) => Err(Unusable::NoUsername),
        (Some(_), None) => Err(Unusable::NoPassword),
        (Some(_), Some(_)) => Ok(()),
    }
}
