//! How a server decides who may come in.

use std::fmt::Debug;

#[cfg(feature = "scram")]
use super::scram::process_secret;
#[cfg(feature = "scram")]
use super::{DEFAULT_ITERATIONS, ScramCredentials, ScramHash};

/// What an [`Authenticator`] says to a client's claim.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is who it claims to be.
    Accept,
    /// It is not, or may not come in.
    Reject,
    /// Not known yet: the answer follows through [`SaslServer::decide`](super::SaslServer::decide), for example when
    /// a directory has been asked.
    Pending,
}

/// Decides for a server who may come in. It is called from the connection's own thread of control and must not block
/// for long; for slow answers there is [`Decision::Pending`].
pub trait Authenticator: Send + Sync + Debug {
    /// Whether a user has this password, and may act as `authorization` if that is given and another name. A decision
    /// should take as long for an unknown user as for a known one.
    fn plain(&self, authorization: Option<&str>, user: &str, password: &str) -> Decision;

    /// What is kept of a user's password for this hash function. `None`, the default: there is no such user, or
    /// nothing kept for the hash function; the client cannot tell that from a wrong password. The name has been
    /// through SASLprep.
    #[cfg(feature = "scram")]
    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramCredentials> {
        let (_, _) = (user, hash);
        None
    }

    /// What to show a client that names a user who does not exist: a salt that is always the same for the name, and
    /// as many iterations as real users have. By default with a secret of this process, 16 bytes of salt and
    /// [`DEFAULT_ITERATIONS`]; give your own with [`ScramCredentials::decoy`] if users have other numbers, or if
    /// the salts should stay the same through a restart or among servers.
    #[cfg(feature = "scram")]
    fn scram_decoy(&self, user: &str, hash: ScramHash) -> ScramCredentials {
        ScramCredentials::decoy(process_secret(), user, hash, DEFAULT_ITERATIONS, 16)
    }

    /// Whether the peer with this certificate may come in, and act as `authorization` if that is given. By default it
    /// may come in as itself only: the certificate has been verified before.
    fn external(&self, identity: &str, authorization: Option<&str>) -> Decision {
        match authorization {
            Some(name) if name != identity => Decision::Reject,
            _ => Decision::Accept,
        }
    }
}
