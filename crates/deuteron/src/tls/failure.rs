//! What a failed TLS handshake means in words, and whether trying again can help.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// A failure of TLS with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFailure {
    /// What happened.
    pub problem: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Whether the same attempt may work later, without a change of settings or of certificates.
    pub heals: bool,
}

/// The failure of TLS in an error of a stream, if it is one. With TLS 1.3 a client learns only by its first read that
/// the server refuses its certificate, so errors of a stream that looks established are worth a question too.
pub(crate) fn failure(error: &io::Error) -> Option<TlsFailure> {
    error.get_ref()?.downcast_ref::<Error>().map(explain)
}

/// What an error of rustls means: for drivers that run the TLS protocol themselves, as the Python package does.
#[must_use]
pub fn explain(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(_) if super::load::is_version_1(error) => lasting(
            "the peer's certificate is one of X.509 version 1, which cannot be accepted",
            "have one of version 3 made, with the name of the host as subjectAltName",
        ),
        Error::InvalidCertificate(problem) => certificate(problem),
        Error::AlertReceived(alert) => refused(*alert),
        Error::NoCertificatesPresented => lasting(
            "the client showed no certificate",
            "give the client a certificate, or make certificates optional in the listener's TLS settings",
        ),
        Error::InvalidMessage(problem) => not_tls(problem),
        Error::PeerIncompatible(problem) => lasting(
            format!("the peer cannot agree with us: {problem:?}"),
            "let both sides have TLS 1.2 or 1.3 with a common cipher suite",
        ),
        other => TlsFailure {
            problem: other.to_string(),
            advice: "look at the log of the peer for its side of the story",
            heals: true,
        },
    }
}

fn lasting(problem: impl Into<String>, advice: &'static str) -> TlsFailure {
    TlsFailure { problem: problem.into(), advice, heals: false }
}

/// The first bytes were not TLS. A server may speak TLS later, after its own restart, so this may heal.
fn not_tls(problem: &InvalidMessage) -> TlsFailure {
    TlsFailure {
        problem: format!(
            "the peer does not speak TLS on this port (its answer is not a TLS record: {problem:?})"
        ),
        advice: "use the peer's TLS port (5671 as a rule), or amqp:// for a port without TLS",
        heals: true,
    }
}

fn certificate(problem: &CertificateError) -> TlsFailure {
    match problem {
        CertificateError::UnknownIssuer => lasting(
            "the peer's certificate was not signed by an authority that is trusted here",
            "give the authority's certificate as the CA file",
        ),
        CertificateError::BadSignature => lasting(
            "the peer's certificate was not signed by an authority that is trusted here: the name fits, the signature does not",
            "give the authority's certificate as it is now; it may have been made anew under the same name",
        ),
        CertificateError::NotValidForName => {
            lasting("the peer's certificate is not for this name", NAME_ADVICE)
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") };
            lasting(
                format!("the peer's certificate is not for {}; it is for {names}", expected.to_str()),
                NAME_ADVICE,
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => lasting(
            "the peer's certificate has expired",
            "have it renewed, and check the date of this machine",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => lasting(
            "the peer's certificate is not valid yet",
            "check the date of this machine, and the dates in the certificate",
        ),
        CertificateError::Revoked => lasting("the peer's certificate was revoked", "have a new one made"),
        other => lasting(
            format!("the peer's certificate cannot be accepted: {other}"),
            "look at it with openssl s_client -connect HOST:PORT -showcerts",
        ),
    }
}

const NAME_ADVICE: &str =
    "connect by a name that is in the certificate, or set the server name in the TLS settings";

/// The peer broke off with an alert (RFC 8446 section 6.2).
fn refused(alert: AlertDescription) -> TlsFailure {
    match alert {
        AlertDescription::CertificateRequired => lasting(
            "the peer requires a client certificate and got none",
            "set a client certificate and its key in the TLS settings",
        ),
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => lasting(
            format!("the peer refused our certificate ({alert:?})"),
            "use a certificate that the peer trusts; the log of the peer may say more",
        ),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => lasting(
            format!("the peer cannot agree with us ({alert:?})"),
            "let both sides have TLS 1.2 or 1.3 with a common cipher suite, and set a client certificate if the peer wants one",
        ),
        AlertDescription::UnrecognisedName => lasting(
            "the peer does not know the host name that we asked for",
            "set the server name in the TLS settings to a name that the peer serves",
        ),
        other => TlsFailure {
            problem: format!("the peer broke off ({other:?})"),
            advice: "look at the log of the peer for the reason",
            heals: true,
        },
    }
}
