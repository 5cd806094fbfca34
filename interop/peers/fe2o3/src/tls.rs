//! TLS with certificates from files.

use crate::{Failure, Options};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn chain(file: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    Ok(CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?)
}

fn authorities(file: &str) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// A client that knows one authority, and may have a certificate of its own.
pub fn connector(options: &Options, authority: &str) -> Result<TlsConnector, Failure> {
    let config = ClientConfig::builder().with_root_certificates(authorities(authority)?);
    let config = match (options.get("cert"), options.get("key")) {
        (Some(certificate), Some(key)) => {
            config.with_client_auth_cert(chain(certificate)?, PrivateKeyDer::from_pem_file(key)?)?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A server with a certificate, which asks for the client's where it knows an authority.
pub fn acceptor(options: &Options) -> Result<Option<TlsAcceptor>, Failure> {
    let (Some(certificate), Some(key)) = (options.get("cert"), options.get("key")) else { return Ok(None) };
    let config = ServerConfig::builder();
    let config = match options.get("ca") {
        Some(file) => config
            .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(authorities(file)?)).build()?),
        None => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(chain(certificate)?, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
