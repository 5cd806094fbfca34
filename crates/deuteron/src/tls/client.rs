//! From [`TlsConfig`] to rustls.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::client_config::{ClientTls, TlsConfig, Verification};
use super::known::{Known, NameCheck};
use super::{TlsError, load, subject_of};

pub(super) fn build(config: &TlsConfig) -> Result<ClientTls, TlsError> {
    let provider = load::provider();
    let verifier = verifier(config, &provider)?;
    let identity = match &config.identity {
        Some(identity) => {
            Some(load::identity(identity, config.key_password.as_ref(), "client certificate", &provider)?)
        }
        None => None,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let own_name = identity.as_ref().and_then(|key| key.end_entity_cert().ok()).and_then(subject_of);
    let rustls = match identity {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    Ok(ClientTls { rustls: Arc::new(rustls), identity: own_name })
}

fn unusable(error: rustls::Error) -> TlsError {
    TlsError::new("TLS settings", error.to_string(), "see the cause").because(error)
}

fn verifier(
    config: &TlsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let (mut roots, certificates) = load::roots(&config.roots, "CA certificates")?;
    if config.verification == Verification::Nothing {
        return Ok(Arc::new(Lenient { roots: None, provider: provider.clone() }));
    }
    if config.system_roots.unwrap_or(config.roots.is_empty()) {
        load::system_roots(&mut roots)?;
    }
    if roots.is_empty() {
        return Err(TlsError::new(
            "CA certificates",
            "none are trusted, so that no server could be",
            "give a CA file, or trust the system's authorities",
        ));
    }
    let (names, others): (_, Arc<dyn ServerCertVerifier>) = match config.verification {
        Verification::Full if !config.common_name => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build();
            let verifier = verifier.map_err(|error| {
                TlsError::new("CA certificates", error.to_string(), "give other ones").because(error)
            })?;
            (NameCheck::AlternativeNames, verifier)
        }
        verification => {
            let names =
                if verification == Verification::Full { NameCheck::CommonName } else { NameCheck::Nowhere };
            (names, Arc::new(Lenient { roots: Some(roots), provider: provider.clone() }))
        }
    };
    Ok(Arc::new(Known { certificates, names, others }))
}

/// Checks who signed the certificate (or, without roots, nothing at all), and never the name in it. That the server
/// has the key of the certificate is checked all the same: without that the handshake means nothing.
#[derive(Debug)]
struct Lenient {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
