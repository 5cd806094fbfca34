//! The settings by themselves; how they do in handshakes is tested in `io`.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::test_certificates::{Authority, Directory, Pem};
use super::*;

/// The error's text, checked to name the file.
fn client_error(config: &TlsConfig, file: &Path) -> String {
    let text = config.check().unwrap_err().to_string();
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    text
}

fn server_error(config: &TlsServerConfig, file: &Path) -> String {
    let text = config.check().unwrap_err().to_string();
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    text
}

#[test]
fn ca_from_file_directory_and_memory() {
    let authority = Authority::new("ca");
    let directory = Directory::new();
    let file = directory.file("ca.pem", authority.pem());
    directory.file("README", "not a certificate");
    directory.file("damaged.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    TlsConfig::new().ca_file(file).check().unwrap();
    TlsConfig::new().ca_directory(directory.path()).check().unwrap();
    TlsConfig::new().ca_pem(authority.pem()).check().unwrap();
}

#[test]
fn missing_file_is_named() {
    let directory = Directory::new();
    let missing = directory.path().join("nowhere.pem");
    let text = client_error(&TlsConfig::new().ca_file(&missing), &missing);
    assert!(text.starts_with("CA certificates from file"), "{text}");
    assert!(text.contains("cannot read it: No such file"), "{text}");
    let text = client_error(&TlsConfig::new().ca_directory(&missing), &missing);
    assert!(text.contains("cannot read it"), "{text}");
    let text = server_error(&TlsServerConfig::files(&missing, &missing), &missing);
    assert!(text.starts_with("server certificate from file"), "{text}");
}

#[test]
fn file_without_a_certificate_is_named() {
    let directory = Directory::new();
    let key = Authority::new("ca").server(&["localhost"]).key;
    let file = directory.file("key.pem", key);
    assert!(client_error(&TlsConfig::new().ca_file(&file), &file).contains("no certificate in it"));
    let text = client_error(&TlsConfig::new().ca_directory(directory.path()), directory.path());
    assert!(text.contains("no certificate in it"), "{text}");
    let der = directory.file("ca.der", [0x30, 0x82, 0x01, 0x0a]);
    let text = client_error(&TlsConfig::new().ca_file(&der), &der);
    assert!(text.contains("-inform der"), "{text}");
}

#[test]
fn damaged_files_are_named() {
    let directory = Directory::new();
    let pem = Authority::new("ca").pem();
    let cut = directory.file("cut.pem", &pem[..pem.len() / 2]);
    let text = client_error(&TlsConfig::new().ca_file(&cut), &cut);
    assert!(text.contains("an END line is missing"), "{text}");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let file = directory.file("nonsense.pem", nonsense);
    let text = client_error(&TlsConfig::new().ca_file(&file), &file);
    assert!(text.contains("cannot be a trust anchor"), "{text}");
    let good = Authority::new("ca").server(&["localhost"]);
    let key = directory.file("good.key", &good.key);
    let text = server_error(&TlsServerConfig::files(&file, &key), &file);
    assert!(text.contains("the first certificate is not valid"), "{text}");
}

#[test]
fn key_of_another_certificate() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let (one, other) = (authority.server(&["localhost"]), authority.server(&["localhost"]));
    let chain = directory.file("one.pem", &one.certificate);
    let key = directory.file("other.key", &other.key);
    let text = server_error(&TlsServerConfig::files(&chain, &key), &key);
    assert!(text.contains("does not match the first certificate"), "{text}");
    assert!(text.contains(chain.to_str().unwrap()), "{text}");
    let text =
        client_error(&TlsConfig::new().ca_pem(authority.pem()).client_certificate_files(&chain, &key), &key);
    assert!(text.contains("private key of the client certificate"), "{text}");
}

#[test]
fn keys_that_cannot_be_used() {
    let directory = Directory::new();
    let Pem { certificate, key } = Authority::new("ca").server(&["localhost"]);
    let both = directory.file("both.pem", format!("{certificate}{key}"));
    TlsServerConfig::files(&both, &both).check().unwrap();
    let chain = directory.file("chain.pem", &certificate);
    let text = server_error(&TlsServerConfig::files(&chain, &chain), &chain);
    assert!(text.contains("no private key in it"), "{text}");
    let file = directory.file("junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let text = server_error(&TlsServerConfig::files(&chain, &file), &file);
    assert!(text.contains("not a key that can be used"), "{text}");
}

/// A file of `tests/keys`: what OpenSSL made, for the password `open sesame`.
fn by_openssl(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

#[test]
fn encrypted_keys_open_with_their_password() {
    let chain = by_openssl("certificate.pem");
    for name in ["pbkdf2.pem", "pbkdf2-sha512.pem", "scrypt.pem", "des3.pem"] {
        let key = by_openssl(name);
        TlsServerConfig::files(&chain, &key).key_password("open sesame").check().expect(name);
        let client = TlsConfig::new().ca_file(&chain);
        client.key_password("open sesame").client_certificate_files(&chain, &key).check().expect(name);
        let text = server_error(&TlsServerConfig::files(&chain, &key), &key);
        assert!(text.contains("the key is encrypted, and there is no password"), "{text}");
        let text = server_error(&TlsServerConfig::files(&chain, &key).key_password("open"), &key);
        assert!(text.contains("the password does not fit"), "{text}");
    }
    // Certificate and key in one text, with the ends of lines of Windows.
    let text = [&chain, &by_openssl("pbkdf2.pem")].map(|path| std::fs::read_to_string(path).unwrap());
    let text = text.concat().replace('\n', "\r\n") + "what comes after\r\n";
    TlsServerConfig::pem(&text, &text).key_password("open sesame").check().unwrap();
    // A password for a key that needs none.
    let plain = Authority::new("ca").server(&["localhost"]);
    TlsServerConfig::pem(&plain.certificate, &plain.key).key_password("x").check().unwrap();
}

#[test]
fn keys_encrypted_in_other_ways_say_how_to_convert_them() {
    let chain = by_openssl("certificate.pem");
    let key = by_openssl("traditional.pem");
    for config in [
        TlsServerConfig::files(&chain, &key),
        TlsServerConfig::files(&chain, &key).key_password("open sesame"),
    ] {
        let text = server_error(&config, &key);
        let old = text.contains("in the old form of OpenSSL") && text.contains("openssl pkcs8 -topk8");
        assert!(text.contains("there is no password") || old, "{text}");
    }
    let directory = Directory::new();
    let sound = std::fs::read_to_string(by_openssl("pbkdf2.pem")).unwrap();
    for (name, pem, problem) in [
        ("cut.pem", sound[..sound.len() / 2].to_owned(), "an END line is missing"),
        (
            "empty.pem",
            sound.lines().filter(|line| line.starts_with('-')).collect::<Vec<_>>().join("\n"),
            "damaged",
        ),
        ("nonsense.pem", sound.replacen("MII", "AAA", 1).replacen("MIH", "AAA", 1), "damaged"),
    ] {
        let key = directory.file(name, pem);
        let text = server_error(&TlsServerConfig::files(&chain, &key).key_password("open sesame"), &key);
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn errors_and_debug_never_show_a_key() {
    let Pem { certificate, key } = Authority::new("ca").server(&["localhost"]);
    let secret: String = key.lines().nth(1).unwrap().into();
    let config = TlsServerConfig::pem(&certificate, format!("-----BEGIN PRIVATE KEY-----\n{secret}!\n"));
    let error = config.check().unwrap_err();
    assert!(!format!("{error} {error:?} {config:?}").contains(&secret), "{error:?}");
    let client = TlsConfig::new().client_certificate_pem(&certificate, &key);
    assert!(!format!("{client:?}").contains(&secret));
    let (client, server) = (client.key_password("guess me"), config.key_password("guess me"));
    assert!(!format!("{client:?} {server:?}").contains("guess"));
}

#[test]
fn no_roots_at_all() {
    let text = TlsConfig::new().system_roots(false).check().unwrap_err().to_string();
    assert!(text.contains("none are trusted"), "{text}");
    TlsConfig::new().system_roots(false).danger_accept_any_certificate().check().unwrap();
}

#[test]
fn optional_client_certificates_need_an_authority() {
    let Pem { certificate, key } = Authority::new("ca").server(&["localhost"]);
    let config = TlsServerConfig::pem(certificate, key).client_certificate_optional();
    let text = config.check().unwrap_err().to_string();
    assert!(text.contains("no CA is given"), "{text}");
}

#[test]
fn files_are_read_once_and_failures_are_not_kept() {
    let directory = Directory::new();
    let file = directory.path().join("late.pem");
    let config = TlsConfig::new().ca_file(&file);
    config.check().unwrap_err();
    directory.file("late.pem", Authority::new("ca").pem());
    let clone = config.clone();
    config.check().unwrap();
    std::fs::remove_file(&file).unwrap();
    clone.check().unwrap();
    clone.danger_skip_name_check().check().unwrap_err();
}

#[test]
fn subject_of_a_real_certificate() {
    let pem = Authority::new("ca").client("alice, the first");
    let der = CertificateDer::from_pem_slice(pem.certificate.as_bytes()).unwrap();
    assert_eq!(subject_of(&der).as_deref(), Some("CN=alice\\, the first,O=Example"));
    assert_eq!(subject_of(&CertificateDer::from(vec![0x30, 0])), None);
}
