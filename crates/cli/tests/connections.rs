//! How all commands connect: users, TLS, failover, reconnecting, and what is told of it.

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use common::{Broker, Directory, Run, deuteron, good, run, trace};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

const PASSWORD: &str = "wonder:l@nd";

fn with_users() -> Broker {
    Broker::start(&["--user", &format!("alice:{PASSWORD}")])
}

#[test]
fn passwords_come_from_url_file_and_environment() {
    let broker = with_users();
    let directory = Directory::new("passwords");
    let file = directory.file("password", format!("{PASSWORD}\nnot this\n"));
    let empty = directory.file("empty", "\n");
    let url = broker.url("q");
    good(&["send", &broker.url_as("alice:wonder%3Al%40nd", "q")]);
    good(&["send", &url, "--user", "alice", "--password-file", &file]);
    good(&["send", &broker.url_as("alice", "q"), "--password-file", &file]);
    let from_environment = |password: &str, args: &[&str]| {
        let mut command = deuteron(&[&["send", &url], args].concat());
        command.env("DEUTERON_PASSWORD", password);
        Run::of(command)
    };
    from_environment(PASSWORD, &["--user", "alice"]).expect(0);
    let wrong = from_environment("nonsense", &["--user", "alice"]).expect(3);
    assert!(wrong.err.contains("authentication") && !wrong.err.contains("nonsense"), "{}", wrong.err);
    // Without a user there is nothing that the password could be for.
    from_environment(PASSWORD, &[]).expect(3);
    assert!(
        run(&["send", &url, "--user", "alice", "--password-file", &empty])
            .expect(2)
            .err
            .contains("first line")
    );
    run(&["send", &url, "--user", "alice", "--password-file", "/nowhere"]).expect(2);
    let asked = run(&["send", &url, "--user", "alice", "--ask-password"]).expect(2);
    assert!(asked.err.contains("no terminal"), "{}", asked.err);
}

#[test]
fn no_output_has_a_password() {
    let broker = with_users();
    let url = broker.url_as("alice:wonder%3Al%40nd", "q");
    let shows = |run: Run| {
        let all = format!("{}{}", run.out, run.err);
        assert!(!all.contains("wonder") && !all.contains("l@nd"), "{all}");
        all
    };
    let traced = shows(run(&["send", &url, "--trace", "-vvv"]).expect(0));
    assert!(traced.contains("@sasl-init"), "{traced}");
    shows(run(&["receive", &url, "--count", "1", "--json"]).expect(0));
    // As an argument in the wrong place, at a server that is not there, in a URL that is none.
    shows(run(&["send", &url, "body", &url]).expect(2));
    shows(run(&["receive", &url.replace("/q", "/"), "--count", "1"]).expect(2));
    shows(run(&["send", "amqp://alice:wonder@127.0.0.1:1/q"]).expect(3));
    shows(run(&["send", "amqp://alice:wonder@127.0.0.1:port/q"]).expect(2));
    shows(run(&["bench", &url, "--count", "1"]).expect(0));
    drop(broker);
    shows(run(&["broker", "--listen", "amqp://127.0.0.1:0", "--user", ":wonderland"]).expect(2));
}

#[test]
fn mechanisms_can_be_chosen() {
    let broker = Broker::start(&["--user", "alice:secret", "--allow-insecure"]);
    let url = broker.url_as("alice:secret", "q");
    assert!(trace(&["send", &url]).contains("mechanism=:SCRAM-SHA-512"));
    assert!(
        trace(&["send", &url, "--sasl-mechanisms", "SCRAM-SHA-1,SCRAM-SHA-256"])
            .contains("mechanism=:SCRAM-SHA-256")
    );
    // Naming it does not allow it in the clear.
    run(&["send", &url, "--sasl-mechanisms", "plain"]).expect(3);
    let plain = trace(&["send", &url, "--sasl-mechanisms", "plain", "--allow-insecure"]);
    assert!(plain.contains("mechanism=:PLAIN") && !plain.contains("secret"), "{plain}");
    let open = Broker::start(&[]);
    assert!(trace(&["send", &open.url("q")]).contains("@sasl-init"));
    assert!(!trace(&["send", &open.url("q"), "--no-sasl"]).contains("SASL"));
}

#[test]
fn the_open_frame_says_what_was_asked_for() {
    let broker = Broker::start(&[]);
    let open = |args: &[&str]| {
        let frames = trace(&[&["send", &broker.url("q")], args].concat());
        frames.lines().find(|line| line.contains("-> @open")).expect("an open").to_owned()
    };
    assert!(open(&["--container-id", "me"]).contains("container-id=\"me\""));
    assert!(open(&["--hostname", "virtual"]).contains("hostname=\"virtual\""));
    assert!(open(&["--heartbeat", "7s"]).contains("idle-time-out=3500"));
    assert!(open(&["--max-frame-size", "4096"]).contains("max-frame-size=4096"));
    assert!(!open(&[]).contains("idle-time-out"));
}

#[test]
fn the_next_server_is_taken() {
    let broker = Broker::start(&[]);
    let dead = "amqp://127.0.0.1:1/q";
    good(&["send", dead, "--failover", broker.bare_url(), "x"]);
    good(&["send", &format!("{dead},{}", broker.bare_url()), "y", "--no-reconnect"]);
    assert_eq!(good(&["receive", &broker.url("q"), "--count", "2"]), "x\ny\n");
    let wrong = run(&["send", &format!("amqp://a/x,{}", broker.url("y"))]).expect(2);
    assert!(wrong.err.contains("different addresses"), "{}", wrong.err);
}

#[test]
fn attempts_are_repeated_only_if_that_is_wanted() {
    let once = run(&["send", "amqp://127.0.0.1:1/q"]).expect(3);
    assert!(once.err.contains("attempt 1]") && once.err.lines().count() == 1, "{}", once.err);
    let quick = ["--reconnect-attempts", "3", "--reconnect-delay", "1ms", "--reconnect-max-delay", "2ms"];
    let thrice = run(&[&["send", "amqp://127.0.0.1:1/q"], &quick[..]].concat()).expect(3);
    assert!(thrice.err.contains("attempt 3"), "{}", thrice.err);
    run(&["send", "amqp://127.0.0.1:1/q", "--reconnect", "--no-reconnect"]).expect(2);
    // The time for connecting bounds it all.
    let late = run(&["send", "amqp://127.0.0.1:1/q", "--reconnect", "--connect-timeout", "300ms"]).expect(3);
    assert!(late.err.contains("establish") || late.err.contains("300"), "{}", late.err);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("amqp://{}/q", silent.local_addr().expect("it is bound"));
    let late = run(&["send", &url, "--connect-timeout", "100ms"]).expect(3);
    assert!(late.err.contains("in time") || late.err.contains("deadline"), "{}", late.err);
}

#[test]
fn receivers_go_on_with_the_next_broker_at_the_same_place() {
    for counted in [true, false] {
        let first = Broker::start(&[]);
        let listen = first.bare_url().to_owned();
        let url = first.url("q");
        let quick = ["--reconnect-delay", "10ms", "--reconnect-max-delay", "50ms"];
        let count = if counted { &["--count", "2"][..] } else { &[] };
        let mut receiver = deuteron(&[&["receive", &url], &quick[..], count].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut output = BufReader::new(receiver.stdout.take().expect("it is piped"));
        let mut exchange = |text: &str| {
            good(&["send", &url, text]);
            let mut line = String::new();
            output.read_line(&mut line).expect("it is written");
            assert_eq!(line.trim_end(), text);
        };
        exchange("one");
        drop(first);
        let _second = Broker::start_at(&listen, &[]);
        exchange("two");
        // The last acknowledgement may be lost with the broker; that is no failure of ours.
        receiver.kill().expect("it runs or has ended");
        let told = receiver.wait_with_output().expect("it ends").stderr;
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains("deuteron: info: reconnecting attempt="), "{told}");
    }
}

#[test]
fn a_lost_connection_is_a_failure_without_reconnecting() {
    let broker = Broker::start(&[]);
    let url = format!("{},amqp://127.0.0.1:1", broker.url("q"));
    let receiver = deuteron(&["receive", &url, "--no-reconnect", "--trace"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut receiver = receiver;
    let mut errors = BufReader::new(receiver.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("-> @flow") {
        line.clear();
        assert_ne!(errors.read_line(&mut line).expect("it is written"), 0, "it ended before it received");
    }
    drop(broker);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut errors, &mut rest).expect("it is written");
    assert_eq!(receiver.wait().expect("it ends").code(), Some(1), "{rest}");
}

/// An authority, and files with certificates that it has signed.
struct Certificates {
    directory: Directory,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it signs itself");
        let directory = Directory::new(name);
        directory.file("ca.pem", authority.pem());
        Self { directory, authority }
    }

    fn path(&self, name: &str) -> String {
        self.directory.0.join(name).to_str().expect("it is UTF-8").to_owned()
    }

    /// Files `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str, host: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a good name");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("it is signed");
        (
            self.directory.file(&format!("{name}.pem"), certificate.pem()),
            self.directory.file(&format!("{name}.key"), key.serialize_pem()),
        )
    }
}

#[test]
fn certificates_are_checked_unless_that_is_turned_off() {
    let certificates = Certificates::new("tls");
    let (chain, key) = certificates.issue("server", "broker.example", ExtendedKeyUsagePurpose::ServerAuth);
    let broker = Broker::start_at("amqps://127.0.0.1:0", &["--tls-cert", &chain, "--tls-key", &key]);
    let url = broker.url("q");
    let authority = certificates.path("ca.pem");
    let unknown = run(&["send", &url]).expect(3);
    assert!(unknown.err.contains("TLS"), "{}", unknown.err);
    // The certificate is for another name than that of the URL.
    run(&["send", &url, "--tls-ca", &authority]).expect(3);
    good(&["send", &url, "--tls-ca", &authority, "--sni", "broker.example"]);
    good(&["send", &url, "--danger-tls-no-verify"]);
    run(&["send", &url, "--tls-ca", "/nowhere"]).expect(2);
    run(&["send", &url, "--tls-cert", &chain]).expect(2);
}

#[test]
fn a_client_certificate_is_as_good_as_a_password() {
    let certificates = Certificates::new("external");
    let (chain, key) = certificates.issue("server", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let (own_chain, own_key) = certificates.issue("client", "client", ExtendedKeyUsagePurpose::ClientAuth);
    let authority = certificates.path("ca.pem");
    let tls = ["--tls-cert", &chain, "--tls-key", &key, "--tls-client-ca", &authority];
    let strict = Broker::start_at("amqps://127.0.0.1:0", &[&tls[..], &["--user", "alice:secret"]].concat());
    let own = ["--tls-ca", &authority, "--tls-cert", &own_chain, "--tls-key", &own_key];
    let frames = trace(&[&["send", &strict.url("q")], &own[..]].concat());
    assert!(frames.contains("mechanism=:EXTERNAL"), "{frames}");
    run(&["send", &strict.url_as("alice:secret", "q"), "--tls-ca", &authority]).expect(3);
    let lenient = [&tls[..], &["--user", "alice:secret", "--tls-client-optional"]].concat();
    let lenient = Broker::start_at("amqps://127.0.0.1:0", &lenient);
    good(&["send", &lenient.url_as("alice:secret", "q"), "--tls-ca", &authority]);
}

#[test]
fn encrypted_keys_need_their_password() {
    let keys = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deuteron/tests/keys");
    let path = |name: &str| keys.join(name).to_str().expect("it is UTF-8").to_owned();
    let (chain, key) = (path("certificate.pem"), path("pbkdf2.pem"));
    let directory = Directory::new("key-password");
    let password = directory.file("password", "open sesame\n");
    let wrong = directory.file("wrong", "close sesame\n");
    let tls = ["--tls-cert", &chain, "--tls-key", &key];
    let locked = |args: &[&str], problem: &str| {
        let listen = ["broker", "--listen", "amqps://127.0.0.1:0"];
        let failed = run(&[&listen, &tls[..], args].concat()).expect(2);
        assert!(failed.err.contains(problem) && failed.err.contains(&key), "{}", failed.err);
        assert!(!failed.err.contains("sesame"), "{}", failed.err);
    };
    locked(&[], "there is no password for it");
    locked(&["--tls-key-password-file", &wrong], "the password does not fit");
    run(&["broker", "--tls-key-password-file", &password]).expect(2);
    let none = run(&["broker", "--listen", "amqps://127.0.0.1:0"]).expect(2);
    assert!(none.err.contains("needs a certificate: --tls-cert FILE"), "{}", none.err);
    let open = ["--tls-key-password-file", &password];
    let strict = [&tls[..], &open, &["--tls-client-ca", &chain]].concat();
    let broker = Broker::start_at("amqps://127.0.0.1:0", &strict);
    let url = broker.url("q");
    let send = [&["send", &url, "--tls-ca", &chain], &tls[..]].concat();
    good(&[&send[..], &open].concat());
    let mut command = deuteron(&send);
    command.env("DEUTERON_TLS_KEY_PASSWORD", "open sesame");
    Run::of(command).expect(0);
    let failed = run(&send).expect(2);
    assert!(failed.err.contains("private key of the client certificate"), "{}", failed.err);
}

#[test]
fn hashed_users_are_let_in() {
    let directory = Directory::new("users");
    let mut lines = String::from("# made by deuteron user hash\n");
    for (name, password) in [("alice", "wonderland"), ("b:b", "builder")] {
        let hashed =
            Run::with_input(&mut deuteron(&["user", "hash", name]), format!("{password}\r\n").as_bytes())
                .expect(0);
        assert!(!format!("{}{}", hashed.out, hashed.err).contains(password), "{hashed:?}");
        assert_eq!(
            hashed.out.lines().filter(|line| line.starts_with(&format!("{name}:SCRAM-SHA-"))).count(),
            3
        );
        lines += &hashed.out;
    }
    let broker = Broker::start(&["--users", &directory.file("users", lines)]);
    good(&["send", &broker.url_as("alice:wonderland", "q")]);
    good(&["send", &broker.url_as("b%3Ab:builder", "q")]);
    run(&["send", &broker.url_as("alice:builder", "q")]).expect(3);
    let other = |iterations: &str| {
        Run::with_input(&mut deuteron(&["user", "hash", "a", "--iterations", iterations]), b"x\n")
    };
    assert!(other("5000").expect(0).out.contains("$5000:"));
    other("1").expect(2);
    Run::with_input(&mut deuteron(&["user", "hash", "a"]), b"\n").expect(2);
    Run::with_input(&mut deuteron(&["user", "hash", "#a"]), b"x\n").expect(2);
}
