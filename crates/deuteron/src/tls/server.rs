//! From [`TlsServerConfig`] to rustls.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;

use super::server_config::TlsServerConfig;
use super::{TlsError, load};

pub(super) fn build(config: &TlsServerConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = load::provider();
    let Some(identity) = &config.identity else {
        return Err(TlsError::new("server certificate", "none was given", "give a certificate and its key"));
    };
    let key = load::identity(identity, config.key_password.as_ref(), "server certificate", &provider)?;
    let verifier = client_verifier(config, &provider)?;
    let rustls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new("TLS settings", error.to_string(), "see the cause").because(error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    Ok(Arc::new(rustls))
}

fn client_verifier(
    config: &TlsServerConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    const ROLE: &str = "CA certificates for clients";
    if config.client_roots.is_empty() {
        if config.client_optional {
            let advice = "name the authorities that client certificates may be from";
            return Err(TlsError::new(ROLE, "client certificates are asked for and no CA is given", advice));
        }
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let (roots, _) = load::roots(&config.client_roots, ROLE)?;
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    if config.client_optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| TlsError::new(ROLE, error.to_string(), "give other ones").because(error))
}
