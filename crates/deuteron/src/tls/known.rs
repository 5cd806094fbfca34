//! Servers that show a certificate which is known as it is, and names in the subject of certificates.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::{subject_fields, validity};

/// Whether the name of the server is looked for in its certificate, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameCheck {
    Nowhere,
    AlternativeNames,
    /// In the common name as well, where there is no alternative DNS name.
    CommonName,
}

/// Takes certificates that are among the trusted ones themselves, whoever signed them and for what. A certificate that signed
/// itself is usually marked as that of an authority, which no server may show otherwise.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) names: NameCheck,
    /// Checks all others. It does not look at the name if `names` is the common name.
    pub(super) others: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_known = self.certificates.iter().any(|known| known == end_entity);
        if is_known {
            validity::check(end_entity, now)?;
        } else {
            self.others.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        if self.names == NameCheck::CommonName || (is_known && self.names != NameCheck::Nowhere) {
            check_name(end_entity, server_name, self.names)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.others.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.others.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.others.supported_verify_schemes()
    }
}

fn check_name(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    where_to_look: NameCheck,
) -> Result<(), rustls::Error> {
    let error = match verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let has_dns_names = webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.valid_dns_names().next().is_some());
    if where_to_look != NameCheck::CommonName || has_dns_names {
        return Err(error);
    }
    let name = name.to_str();
    let of_name =
        subject_fields(certificate).iter().any(|(field, pattern)| field == "CN" && matches(pattern, &name));
    if of_name { Ok(()) } else { Err(error) }
}

/// A star as the first label stands for any one label (RFC 6125 section 6.4.3).
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_label() {
        assert!(matches("*.example.org", "a.Example.org"));
        assert!(!matches("*.example.org", "a.b.example.org"));
        assert!(!matches("*.example.org", "example.org"));
        assert!(matches("Host", "host") && matches("127.0.0.1", "127.0.0.1"));
        assert!(!matches("*", "host"));
    }
}
