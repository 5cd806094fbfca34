//! Where certificates and keys come from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// One place that PEM text is read from.
#[derive(Clone)]
pub(super) enum PemSource {
    File(PathBuf),
    /// All files in it.
    Directory(PathBuf),
    Memory(Arc<[u8]>),
}

impl fmt::Display for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Directory(path) => write!(f, "directory {}", path.display()),
            Self::Memory(_) => f.write_str("PEM text in memory"),
        }
    }
}

impl fmt::Debug for PemSource {
    /// As `Display`: the text may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an encrypted private key is decrypted with. Nothing shows it.
#[derive(Clone)]
pub(super) struct KeyPassword(Arc<[u8]>);

impl KeyPassword {
    pub(super) fn new(password: impl AsRef<[u8]>) -> Self {
        Self(password.as_ref().into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A certificate chain, the own certificate first, and the private key of that certificate.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) chain: PemSource,
    pub(super) key: PemSource,
}

impl Identity {
    pub(super) fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { chain: PemSource::File(chain.into()), key: PemSource::File(key.into()) }
    }

    pub(super) fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self { chain: PemSource::Memory(chain.as_ref().into()), key: PemSource::Memory(key.as_ref().into()) }
    }
}
