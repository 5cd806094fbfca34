//! TLS settings of a listener.

use std::path::PathBuf;

use super::TlsError;
use super::source::{Identity, KeyPassword, PemSource};

/// How to listen at an `amqps` URL: the certificate to show, and whether clients have to show one.
///
/// ```
/// use deuteron::TlsServerConfig;
/// let tls = TlsServerConfig::files("/etc/ssl/server.pem", "/etc/ssl/server.key").client_ca_file("/etc/ssl/ca.pem");
/// let error = tls.check().unwrap_err();
/// assert!(error.to_string().contains("/etc/ssl/server.pem"));
/// ```
///
/// A certificate that a client shows is always checked, and its subject is the name that SASL EXTERNAL
/// authenticates. Files are read once, when listening starts; a listener made later from the same settings reuses
/// what was read.
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsServerConfig {
    pub(super) identity: Option<Identity>,
    pub(super) key_password: Option<KeyPassword>,
    pub(super) client_roots: Vec<PemSource>,
    pub(super) client_optional: bool,
    #[cfg(feature = "tls")]
    pub(super) built: Built,
}

impl TlsServerConfig {
    fn with_identity(identity: Option<Identity>) -> Self {
        Self {
            identity,
            key_password: None,
            client_roots: Vec::new(),
            client_optional: false,
            #[cfg(feature = "tls")]
            built: Built::default(),
        }
    }

    /// The certificate chain (the server's own certificate first) and its private key, in PEM files. Both may be the
    /// same file. The key may be PKCS#8, PKCS#1 or SEC1; if it is encrypted (PKCS#8 only),
    /// [`key_password`](Self::key_password) opens it.
    pub fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::with_identity(Some(Identity::files(chain, key)))
    }

    /// As [`files`](Self::files), from PEM text.
    pub fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self::with_identity(Some(Identity::pem(chain, key)))
    }

    /// The password of an encrypted private key (PKCS#8, `-----BEGIN ENCRYPTED PRIVATE KEY-----`). It is not looked at where
    /// the key is not encrypted, and never printed. Default: none, and an encrypted key is an error.
    pub fn key_password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.key_password = Some(KeyPassword::new(password));
        self.changed()
    }

    /// Requires of clients a certificate that an authority in this PEM file signed. More than one call adds to the
    /// list of authorities. Default: clients are not asked.
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_roots.push(PemSource::File(path.into()));
        self.changed()
    }

    /// As [`client_ca_file`](Self::client_ca_file), for all PEM files of a directory.
    pub fn client_ca_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_roots.push(PemSource::Directory(path.into()));
        self.changed()
    }

    /// As [`client_ca_file`](Self::client_ca_file), for PEM text.
    pub fn client_ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.client_roots.push(PemSource::Memory(pem.as_ref().into()));
        self.changed()
    }

    /// Lets clients without a certificate in as well. One that is shown still has to be good. Default: with client
    /// authorities given, a certificate is required.
    pub fn client_certificate_optional(mut self) -> Self {
        self.client_optional = true;
        self.changed()
    }

    /// Reads the files and checks that they fit, now and not when listening starts. Blocks for the time that takes.
    ///
    /// # Errors
    /// [`TlsError`], with the file and what is wrong with it.
    pub fn check(&self) -> Result<(), TlsError> {
        #[cfg(feature = "tls")]
        return self.build().map(drop);
        #[cfg(not(feature = "tls"))]
        Err(TlsError::not_built_in())
    }

    /// Forgets what was read for the settings as they were.
    #[cfg_attr(not(feature = "tls"), allow(unused_mut, reason = "there is nothing to forget"))]
    fn changed(mut self) -> Self {
        #[cfg(feature = "tls")]
        {
            self.built = Built::default();
        }
        self
    }
}

#[cfg(feature = "tls")]
use built::Built;

#[cfg(feature = "tls")]
mod built {
    use std::fmt;
    use std::sync::{Arc, OnceLock};

    use super::{TlsError, TlsServerConfig};

    #[derive(Clone, Default)]
    pub(in crate::tls) struct Built(Arc<OnceLock<Arc<rustls::ServerConfig>>>);

    impl fmt::Debug for Built {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if self.0.get().is_some() { "ready" } else { "not yet" })
        }
    }

    impl TlsServerConfig {
        /// Uses a rustls configuration as it is. All other settings have no effect then.
        pub fn from_rustls(config: Arc<rustls::ServerConfig>) -> Self {
            let settings = Self::with_identity(None);
            settings.built.0.get_or_init(|| config);
            settings
        }

        /// The configuration for rustls, for drivers that run the TLS protocol themselves. Blocks while it reads files, the
        /// first time.
        ///
        /// # Errors
        /// [`TlsError`], with the file and what is wrong with it.
        pub fn to_rustls(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
            self.build()
        }

        /// The configuration for rustls, from files read now unless they have been before. Blocks while it reads.
        pub(crate) fn build(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
            if let Some(built) = self.built.0.get() {
                return Ok(built.clone());
            }
            let built = crate::tls::server::build(self)?;
            Ok(self.built.0.get_or_init(|| built).clone())
        }
    }
}
