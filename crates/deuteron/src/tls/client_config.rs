//! TLS settings of a connection that we make.

use std::path::PathBuf;

use super::TlsError;
use super::source::{Identity, KeyPassword, PemSource};

/// How much of the peer's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    Full,
    NoName,
    Nothing,
}

/// How to connect to an `amqps` URL: whom to trust, and who to be.
///
/// As it comes, it trusts the certificate authorities of the operating system (or those that the environment
/// variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name), checks that the certificate is for the host of the URL, and
/// shows no certificate of its own.
///
/// ```
/// use deuteron::TlsConfig;
/// let tls = TlsConfig::new()
///     .ca_file("/etc/ssl/our-ca.pem")
///     .client_certificate_files("/etc/ssl/me.pem", "/etc/ssl/me.key");
/// let error = tls.check().unwrap_err();
/// assert!(error.to_string().contains("/etc/ssl/our-ca.pem"));
/// ```
///
/// Files are read when the first connection needs them, and then kept: a clone shares what was read. A file that
/// cannot be used makes connecting fail, without further attempts; [`check`](Self::check) finds out at once.
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsConfig {
    pub(super) roots: Vec<PemSource>,
    pub(super) system_roots: Option<bool>,
    pub(super) verification: Verification,
    pub(super) server_name: Option<String>,
    pub(super) common_name: bool,
    pub(super) identity: Option<Identity>,
    pub(super) key_password: Option<KeyPassword>,
    #[cfg(feature = "tls")]
    pub(super) built: Built,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsConfig {
    /// The system's authorities, the name checked, no client certificate.
    pub fn new() -> Self {
        Self {
            roots: Vec::new(),
            system_roots: None,
            verification: Verification::Full,
            server_name: None,
            common_name: false,
            identity: None,
            key_password: None,
            #[cfg(feature = "tls")]
            built: Built::default(),
        }
    }

    /// Trusts the authorities in a PEM file, and no longer those of the system. More than one call adds to the list.
    /// A server's own certificate, if it signed itself, can stand here too.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(PemSource::File(path.into()));
        self.changed()
    }

    /// Trusts the authorities in all PEM files of a directory, and no longer those of the system. Files without a
    /// certificate are passed over, but there has to be one certificate at least.
    pub fn ca_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(PemSource::Directory(path.into()));
        self.changed()
    }

    /// Trusts the authorities in a PEM text, and no longer those of the system.
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.roots.push(PemSource::Memory(pem.as_ref().into()));
        self.changed()
    }

    /// Whether the system's authorities are trusted. Default: only if no others are given.
    pub fn system_roots(mut self, trusted: bool) -> Self {
        self.system_roots = Some(trusted);
        self.changed()
    }

    /// The name to ask the server for (SNI) and to look for in its certificate, where it is not the host of the
    /// URL. Default: the host of the URL.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Looks for the name of the server in the common name (CN) of its certificate too, where the certificate has no DNS name
    /// among its alternative names. Certificates have had those for many years; some that people made themselves have not.
    /// Default: not.
    pub fn match_common_name(mut self) -> Self {
        self.common_name = true;
        self.changed()
    }

    /// The certificate chain (own certificate first) and the private key to show to a server that asks for them, in
    /// PEM files. Both may be the same file. The key may be PKCS#8, PKCS#1 or SEC1; if it is encrypted
    /// (PKCS#8 only), [`key_password`](Self::key_password) opens it.
    pub fn client_certificate_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity::files(chain, key));
        self.changed()
    }

    /// As [`client_certificate_files`](Self::client_certificate_files), from PEM text.
    pub fn client_certificate_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some(Identity::pem(chain, key));
        self.changed()
    }

    /// The password of an encrypted private key (PKCS#8, `-----BEGIN ENCRYPTED PRIVATE KEY-----`). It is not looked at where
    /// the key is not encrypted, and never printed. Default: none, and an encrypted key is an error.
    pub fn key_password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.key_password = Some(KeyPassword::new(password));
        self.changed()
    }

    /// Checks who signed the certificate, and not whose name is in it. **Everybody who has a certificate of a
    /// trusted authority can then pose as the server**: good only with an authority of one's own that signs for
    /// few.
    pub fn danger_skip_name_check(mut self) -> Self {
        self.verification = Verification::NoName;
        self.changed()
    }

    /// Takes any certificate. **Everybody on the way can then read and change what is sent**, passwords too: for
    /// tests only.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.verification = Verification::Nothing;
        self.changed()
    }

    /// Reads the files and checks that they fit, now and not when the first connection needs them. Blocks for the
    /// time that takes.
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
pub(crate) use built::ClientTls;

#[cfg(feature = "tls")]
mod built {
    use std::fmt;
    use std::sync::{Arc, OnceLock};

    use super::{TlsConfig, TlsError};

    /// The settings in the form that rustls takes.
    #[derive(Clone)]
    pub(crate) struct ClientTls {
        pub(crate) rustls: Arc<rustls::ClientConfig>,
        /// The subject of our own certificate.
        pub(crate) identity: Option<String>,
    }

    #[derive(Clone, Default)]
    pub(in crate::tls) struct Built(Arc<OnceLock<ClientTls>>);

    impl fmt::Debug for Built {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if self.0.get().is_some() { "ready" } else { "not yet" })
        }
    }

    impl TlsConfig {
        /// Uses a rustls configuration as it is. All other settings but [`server_name`](Self::server_name) have no
        /// effect then. SASL EXTERNAL has to be asked for by name with it.
        pub fn from_rustls(config: Arc<rustls::ClientConfig>) -> Self {
            let built = Built::default();
            built.0.get_or_init(|| ClientTls { rustls: config, identity: None });
            Self { built, ..Self::new() }
        }

        /// The configuration for rustls, for drivers that run the TLS protocol themselves. Blocks while it reads files, the
        /// first time.
        ///
        /// # Errors
        /// [`TlsError`], with the file and what is wrong with it.
        pub fn to_rustls(&self) -> Result<Arc<rustls::ClientConfig>, TlsError> {
            Ok(self.build()?.rustls)
        }

        /// The subject of the client certificate, which SASL EXTERNAL stands for; `None` if there is none. Reads files as
        /// [`to_rustls`](Self::to_rustls) does.
        ///
        /// # Errors
        /// [`TlsError`], with the file and what is wrong with it.
        pub fn client_subject(&self) -> Result<Option<String>, TlsError> {
            Ok(self.build()?.identity)
        }

        /// The configuration for rustls, from files read now unless they have been before. A failure is not kept, so
        /// that a file put right is seen. Blocks while it reads.
        pub(crate) fn build(&self) -> Result<ClientTls, TlsError> {
            if let Some(built) = self.built() {
                return Ok(built);
            }
            let built = crate::tls::client::build(self)?;
            Ok(self.built.0.get_or_init(|| built).clone())
        }

        /// The configuration for rustls, if it has been made already. Never blocks.
        pub(crate) fn built(&self) -> Option<ClientTls> {
            self.built.0.get().cloned()
        }

        /// The name to ask for and to check, if it is not the host of the URL.
        pub(crate) fn expected_name(&self) -> Option<&str> {
            self.server_name.as_deref()
        }
    }
}
