use crate::Folder;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::path::Path;

/// A certificate authority of a test's own, with a server certificate for `localhost` and a client certificate.
/// The files are in a folder that goes away with this value.
#[derive(Debug)]
pub struct Certificates {
    folder: Folder,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When keys cannot be made or files cannot be written.
    pub fn new() -> Self {
        let folder = Folder::new();
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "Deuteron test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority can be made");
        write(&folder, "ca.pem", &authority.pem());
        for (name, subject) in [("server", "localhost"), ("client", "alice")] {
            let mut params = CertificateParams::new([subject.to_owned()]).expect("the name is valid");
            params.distinguished_name.push(DnType::CommonName, subject);
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = key();
            let certificate = params.signed_by(&key, &authority).expect("a certificate can be signed");
            write(&folder, &format!("{name}.pem"), &certificate.pem());
            write(&folder, &format!("{name}.key"), &key.serialize_pem());
        }
        Self { folder }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority's certificate.
    pub fn authority(&self) -> String {
        self.folder.file("ca.pem")
    }

    /// The certificate and the key of a server that is called `localhost`.
    pub fn server(&self) -> (String, String) {
        (self.folder.file("server.pem"), self.folder.file("server.key"))
    }

    /// The certificate and the key of a client whose common name is `alice`.
    pub fn client(&self) -> (String, String) {
        (self.folder.file("client.pem"), self.folder.file("client.key"))
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

fn write(folder: &Folder, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).expect("a certificate can be written");
}
