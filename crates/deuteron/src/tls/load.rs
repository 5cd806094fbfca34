//! Reads certificates and keys. Each error names the file and says what it lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::sign::CertifiedKey;

use super::source::{Identity, KeyPassword, PemSource};
use super::{TlsError, private_key};

const READABLE: &str = "give the path of a file that this program may read";
const PEM: &str = "give a PEM file, with a line -----BEGIN CERTIFICATE-----; \
                   openssl x509 -inform der -in FILE converts one from DER";
const EXTENSIONS: &str = "make it as version 3, which has extensions: with openssl x509 -req, give -extfile FILE \
                          with a line subjectAltName=DNS:NAME";

/// TLS without extensions in its certificates is of the last century, and rustls does not take them.
pub(super) fn is_version_1(error: &rustls::Error) -> bool {
    error.to_string().contains("UnsupportedCertVersion")
}

/// The cryptography, named here so that no process-wide choice has to be made by anybody.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of `sources` as trust anchors, and as they are. `role` names the setting in errors.
pub(super) fn roots(
    sources: &[PemSource],
    role: &str,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let mut store = RootCertStore::empty();
    let mut all = Vec::new();
    for source in sources {
        let subject = format!("{role} from {source}");
        for certificate in certificates(source, &subject)? {
            all.push(certificate.clone());
            store.add(certificate).map_err(|error| {
                let problem = format!("a certificate in it cannot be a trust anchor: {error}");
                TlsError::new(&subject, problem, "give the certificate of the authority").because(error)
            })?;
        }
    }
    Ok((store, all))
}

/// Adds the operating system's authorities to `store`.
pub(super) fn system_roots(store: &mut RootCertStore) -> Result<(), TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(());
    }
    let reason =
        found.errors.first().map_or_else(|| "none found".to_owned(), |error| format!("none: {error}"));
    Err(TlsError::new(
        "CA certificates of the operating system",
        reason,
        "install them (package ca-certificates), set SSL_CERT_FILE, or give a CA file",
    ))
}

/// A chain and its key, checked to belong together.
pub(super) fn identity(
    identity: &Identity,
    password: Option<&KeyPassword>,
    role: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain_subject = format!("{role} from {}", identity.chain);
    let chain = certificates(&identity.chain, &chain_subject)?;
    let key_subject = format!("private key of the {role} from {}", identity.key);
    let key = match &identity.key {
        PemSource::File(path) | PemSource::Directory(path) => {
            private_key::read(&read(path, &key_subject)?, password, &key_subject)
        }
        PemSource::Memory(text) => private_key::read(text, password, &key_subject),
    }?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::new(
            key_subject,
            format!("does not match the first certificate from {}", identity.chain),
            "give the key that the certificate was made for, and the chain with the own certificate first",
        )
        .because(error),
        rustls::Error::InvalidCertificate(_) if is_version_1(&error) => {
            TlsError::new(chain_subject, "the first certificate is one of X.509 version 1", EXTENSIONS)
                .because(error)
        }
        rustls::Error::InvalidCertificate(_) => {
            TlsError::new(chain_subject, format!("the first certificate is not valid: {error}"), PEM)
                .because(error)
        }
        error => {
            TlsError::new(key_subject, format!("not a key that can be used: {error}"), private_key::FORMS)
                .because(error)
        }
    })
}

fn certificates(source: &PemSource, subject: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = match source {
        PemSource::File(path) => certificates_in(&read(path, subject)?, subject)?,
        PemSource::Memory(pem) => certificates_in(pem, subject)?,
        PemSource::Directory(path) => {
            let mut found = Vec::new();
            for file in files_of(path, subject)? {
                // A directory of authorities often has other things in it: links that lead nowhere, revocation lists.
                if let Ok(text) = fs::read(&file) {
                    found.extend(certificates_in(&text, subject).unwrap_or_default());
                }
            }
            found
        }
    };
    if found.is_empty() {
        return Err(TlsError::new(subject, "no certificate in it", PEM));
    }
    Ok(found)
}

fn files_of(directory: &Path, subject: &str) -> Result<Vec<PathBuf>, TlsError> {
    let unreadable = |error: std::io::Error| {
        TlsError::new(
            subject,
            format!("cannot read it: {error}"),
            "give a directory that this program may read",
        )
        .because(error)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, subject: &str) -> Result<Vec<u8>, TlsError> {
    fs::read(path)
        .map_err(|error| TlsError::new(subject, format!("cannot read it: {error}"), READABLE).because(error))
}

fn certificates_in(text: &[u8], subject: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::new(subject, format!("damaged PEM text: {}", damage(&error)), PEM))
}

/// The error of the PEM reader without the text that it found: that may be a part of a key.
pub(super) fn damage(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "an END line is missing",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "not base64",
        _ => "it cannot be read",
    }
}
