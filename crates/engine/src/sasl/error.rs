//! Why a client could not authenticate.

use std::fmt;

use deuteron_codec::SaslCode;

/// Why authentication failed, as the client sees it. No variant holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslError {
    /// No mechanism that the server offers can be used.
    NoMechanism {
        /// What the server offers, and why each cannot be used. Names are cut and cleaned for printing.
        offered: Vec<(String, Unusable)>,
        /// The mechanisms that the configuration allows, if it names any.
        allowed: Option<Vec<String>>,
    },
    /// A user name, password or authorization identity cannot be sent with the mechanism.
    Credentials {
        /// Which: `username`, `password` or `authorization`.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server refused.
    Refused {
        /// The mechanism in use.
        mechanism: &'static str,
        /// The server's reason.
        code: SaslCode,
        /// The mechanism's own word for the reason, if the server sent one, cleaned for printing.
        detail: Option<String>,
    },
    /// The server sent something that the mechanism does not allow.
    Malformed {
        /// The mechanism in use.
        mechanism: &'static str,
        /// What was wrong.
        problem: &'static str,
    },
    /// The server asks for an iteration count that is either too weak to protect the password or so great that
    /// computing it would stop the program.
    Iterations {
        /// The mechanism in use.
        mechanism: &'static str,
        /// The count that the server asked for.
        iterations: u64,
    },
    /// The server accepted, but did not prove that it knows the password: it may be an impostor.
    ServerNotVerified {
        /// The mechanism in use.
        mechanism: &'static str,
    },
    /// A SASL frame came at a point of the exchange where it has no place.
    OutOfOrder {
        /// The frame's name.
        frame: &'static str,
    },
}

/// Why one offered mechanism cannot be used.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unusable {
    /// The configuration names the allowed mechanisms, and not this one.
    NotAllowed,
    /// This library does not have it.
    Unsupported,
    /// It would show the password to anyone on the way, and the connection is not encrypted.
    Insecure,
    /// It needs a user name.
    NoUsername,
    /// It needs a password.
    NoPassword,
    /// It needs a client certificate.
    NoIdentity,
    /// It would ignore the user name or password that was given.
    IgnoresCredentials,
    /// It needs random bytes, and the driver gave none; see [`Security::nonce`](crate::security::Security::nonce).
    NoNonce,
}

impl Unusable {
    fn reason(self) -> &'static str {
        match self {
            Self::NotAllowed => "not among the allowed mechanisms",
            Self::Unsupported => "not supported",
            Self::Insecure => "the connection is not encrypted",
            Self::NoUsername => "needs a username",
            Self::NoPassword => "needs a password",
            Self::NoIdentity => "needs a client certificate",
            Self::IgnoresCredentials => "would ignore the given credentials",
            Self::NoNonce => "the transport gave no random nonce",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Insecure => "use amqps or allow insecure mechanisms",
            Self::NoPassword => "give the user's password",
            Self::NoUsername => "give a username and password",
            Self::NotAllowed => "allow one of the offered mechanisms",
            Self::NoNonce => "fill Security::nonce with random bytes",
            Self::IgnoresCredentials => "connect without credentials or allow ANONYMOUS by name",
            Self::NoIdentity => "configure a client certificate",
            Self::Unsupported => "enable another mechanism on the server",
        }
    }

    /// The reason that the user can do most about comes first.
    const BY_USE: [Self; 8] = [
        Self::Insecure,
        Self::NoPassword,
        Self::NoUsername,
        Self::NotAllowed,
        Self::NoNonce,
        Self::IgnoresCredentials,
        Self::NoIdentity,
        Self::Unsupported,
    ];
}

impl SaslError {
    /// Whether trying again with the same settings is useless. False only if the server said that the fault is its
    /// own and may pass (`sys`, `sys-temp`).
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Refused { code: SaslCode::Sys | SaslCode::SysTemp, .. })
    }
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMechanism { offered, allowed } => no_mechanism(f, offered, allowed.as_deref()),
            Self::Credentials { field, problem } => write!(f, "the {field} {problem}"),
            Self::Refused { mechanism, code, detail } => {
                let reason = match code {
                    SaslCode::Ok => "nothing",
                    SaslCode::Auth => "the credentials",
                    SaslCode::Sys => "the request because of a system error; try again later",
                    SaslCode::SysPerm => {
                        "the request because of a lasting system error; ask its administrator"
                    }
                    SaslCode::SysTemp => "the request because of a passing system error; try again later",
                };
                write!(f, "the server refused {reason} [mech={mechanism}]")?;
                detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
            Self::Malformed { mechanism, problem } => {
                write!(f, "the server broke the rules of {mechanism}: {problem}")
            }
            Self::Iterations { mechanism, iterations } => {
                let (min, max) = (super::MIN_ITERATIONS, super::MAX_ITERATIONS);
                write!(
                    f,
                    "the server asks for {iterations} iterations of {mechanism}, \
                     which is not between {min} and {max}: change the user's settings on the server"
                )
            }
            Self::ServerNotVerified { mechanism } => write!(
                f,
                "the server did not prove with {mechanism} that it knows the password: \
                 it may be an impostor, check the address"
            ),
            Self::OutOfOrder { frame } => write!(f, "the server sent {frame} out of order"),
        }
    }
}

fn no_mechanism(
    f: &mut fmt::Formatter<'_>,
    offered: &[(String, Unusable)],
    allowed: Option<&[String]>,
) -> fmt::Result {
    match offered {
        [] => f.write_str("the server offers no SASL mechanism")?,
        [(name, why)] => write!(f, "the server offers {name} only ({})", why.reason())?,
        several => {
            f.write_str("none of the SASL mechanisms that the server offers can be used: ")?;
            for (index, (name, why)) in several.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{name} ({})", why.reason())?;
            }
        }
    }
    if let Some(allowed) = allowed {
        write!(f, "; allowed: {}", if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") })?;
    }
    let advice = Unusable::BY_USE.into_iter().find(|reason| offered.iter().any(|(_, why)| why == reason));
    write!(f, ": {}", advice.map_or("check the server's configuration", Unusable::advice))
}

impl std::error::Error for SaslError {}

/// Text of the peer's, cut and cleaned so that it cannot disturb a terminal or a log.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
