//! Who we are in TLS: the same for the broker and for those that connect.

use std::path::{Path, PathBuf};

use clap::Args;

/// A certificate, its key, and the key's password.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    /// Our certificate chain, PEM. A broker needs one for amqps, others where the server asks for it.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The first line of this file is the password of an encrypted --tls-key. Without it: that in the environment variable
    /// DEUTERON_TLS_KEY_PASSWORD.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_key_password_file: Option<PathBuf>,
}

impl IdentityArgs {
    /// The files with chain and key.
    pub(crate) fn files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}
