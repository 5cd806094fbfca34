//! Reads private keys, encrypted ones too: PKCS#8 with a password (RFC 5958 section 3), by PBES2 (RFC 8018).

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::SecretDocument;
use pkcs8::pkcs5;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use super::load::damage;
use super::source::KeyPassword;

/// What to give instead of something that is no key.
pub(super) const FORMS: &str = "give a PEM file with a PKCS#8, PKCS#1 or SEC1 private key; \
                                openssl pkey -in FILE -out NEW_FILE writes one";
const CONVERT: &str = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW_FILE writes one that can be read, with \
                       a password too";

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// The private key in a PEM text. `subject` names the setting in errors.
pub(super) fn read(
    text: &[u8],
    password: Option<&KeyPassword>,
    subject: &str,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    // A header of RFC 1421 below a BEGIN line of PKCS#1 or SEC1. Its key derivation is a single round of MD5.
    if find(text, "Proc-Type: 4,ENCRYPTED").is_some() {
        return Err(TlsError::new(subject, "the key is encrypted in the old form of OpenSSL", CONVERT));
    }
    if let Some(start) = find(text, BEGIN) {
        return decrypt(&text[start..], password, subject);
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::new(subject, "no private key in it", FORMS),
        error => TlsError::new(subject, format!("damaged PEM text: {}", damage(&error)), FORMS),
    })
}

fn find(text: &[u8], words: &str) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words.as_bytes())
}

/// The key in the section that `text` begins with.
fn decrypt(
    text: &[u8],
    password: Option<&KeyPassword>,
    subject: &str,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let Some(password) = password else {
        return Err(TlsError::new(
            subject,
            "the key is encrypted, and there is no password for it",
            "give its password, or decrypt it with openssl pkey -in FILE -out NEW_FILE",
        ));
    };
    let damaged = |problem: &str| TlsError::new(subject, format!("damaged PEM text: {problem}"), FORMS);
    let end = find(text, END).ok_or_else(|| damaged("an END line is missing"))?;
    let section = std::str::from_utf8(&text[..end + END.len()]).map_err(|_| damaged("not base64"))?;
    // What these errors say is about the encoding, never about the content.
    let (_, document) = SecretDocument::from_pem(section).map_err(|error| damaged(&error.to_string()))?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| {
        TlsError::new(subject, format!("encrypted in a way that cannot be read: {error}"), CONVERT)
    })?;
    let decrypted = encrypted.decrypt(password.as_bytes()).map_err(|error| refused(&error, subject))?;
    Ok(PrivatePkcs8KeyDer::from(decrypted.as_bytes().to_vec()).into())
}

fn refused(error: &pkcs8::Error, subject: &str) -> TlsError {
    use pkcs5::Error as Scheme;
    match error {
        // A wrong password shows in the padding, and where that fits by chance, in what it makes of the key.
        pkcs8::Error::EncryptedPrivateKey(Scheme::DecryptFailed) | pkcs8::Error::Asn1(_) => TlsError::new(
            subject,
            "the password does not fit",
            "give the password that the key was encrypted with",
        ),
        error => TlsError::new(subject, format!("encrypted in a way that cannot be read: {error}"), CONVERT),
    }
}
