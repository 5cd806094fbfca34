use std::sync::Arc;

use bytes::Bytes;
use deuteron_codec::{SaslCode, SaslInit, Symbol};

use super::*;
use crate::security::Security;

fn symbols(names: &str) -> Vec<Symbol> {
    names.split_whitespace().map(Symbol::from).collect()
}

fn security(encrypted: bool, identity: Option<&str>) -> Security {
    Security { encrypted, external_identity: identity.map(str::to_owned), nonce: [7; 24] }
}

fn credentials(user: &str, password: &str) -> SaslClientConfig {
    SaslClientConfig { username: Some(user.into()), password: Some(password.into()), ..Default::default() }
}

fn allowed(config: SaslClientConfig, names: &str) -> SaslClientConfig {
    let names = names.split_whitespace().map(str::to_owned).collect();
    SaslClientConfig { allowed_mechanisms: Some(names), ..config }
}

fn insecure(config: SaslClientConfig) -> SaslClientConfig {
    SaslClientConfig { allow_insecure: true, ..config }
}

/// What a client chooses of an offer, or its error as text.
fn choice(offered: &str, config: &SaslClientConfig, security: &Security) -> String {
    let mut client = SaslClient::new(config, security, None);
    match client.start(&symbols(offered)) {
        Ok(init) => {
            assert_eq!(client.mechanism(), Some(init.mechanism.as_str()));
            init.mechanism.as_str().to_owned()
        }
        Err(error) => error.to_string(),
    }
}

fn init(mechanism: &str, response: Option<&[u8]>) -> SaslInit {
    SaslInit {
        mechanism: Symbol::from(mechanism),
        initial_response: response.map(Bytes::copy_from_slice),
        hostname: None,
    }
}

/// An authenticator with one user and a decision for everything.
#[derive(Debug)]
struct Always(Decision);

impl Authenticator for Always {
    fn plain(&self, authorization: Option<&str>, user: &str, password: &str) -> Decision {
        assert_eq!((authorization, user, password), (Some("boss"), "tim", "secret"));
        self.0
    }

    fn external(&self, identity: &str, authorization: Option<&str>) -> Decision {
        assert_eq!((identity, authorization), ("CN=tim", Some("boss")));
        self.0
    }
}

fn server_config(names: &str, authenticator: Option<Arc<dyn Authenticator>>) -> SaslServerConfig {
    let mechanisms = names.split_whitespace().map(str::to_owned).collect();
    SaslServerConfig { mechanisms, authenticator, ..Default::default() }
}

#[test]
fn the_mechanism_that_a_client_chooses() {
    let (none, user) = (SaslClientConfig::default, || credentials("tim", "secret"));
    let (clear, tls, cert) = (security(false, None), security(true, None), security(true, Some("CN=tim")));
    let table = [
        ("ANONYMOUS PLAIN", none(), &clear, "ANONYMOUS"),
        ("ANONYMOUS EXTERNAL", none(), &cert, "EXTERNAL"),
        ("ANONYMOUS EXTERNAL", none(), &tls, "ANONYMOUS"),
        ("ANONYMOUS EXTERNAL", allowed(none(), "EXTERNAL"), &clear, "EXTERNAL"),
        ("ANONYMOUS PLAIN", user(), &tls, "PLAIN"),
        ("ANONYMOUS PLAIN", insecure(user()), &clear, "PLAIN"),
        ("ANONYMOUS PLAIN EXTERNAL", user(), &cert, "PLAIN"),
        ("ANONYMOUS EXTERNAL", user(), &cert, "EXTERNAL"),
        ("ANONYMOUS PLAIN", allowed(user(), "ANONYMOUS"), &tls, "ANONYMOUS"),
        ("ANONYMOUS PLAIN", allowed(user(), "anonymous plain"), &tls, "PLAIN"),
        ("ANONYMOUS PLAIN", SaslClientConfig { allow_anonymous: true, ..user() }, &tls, "PLAIN"),
        ("ANONYMOUS PLAIN", SaslClientConfig { allow_anonymous: true, ..user() }, &clear, "ANONYMOUS"),
        ("PLAIN EXTERNAL", allowed(user(), "EXTERNAL"), &cert, "EXTERNAL"),
    ];
    for (offered, config, security, expected) in table {
        assert_eq!(choice(offered, &config, security), expected, "{offered} with {config:?}");
    }
}

#[cfg(feature = "scram")]
#[test]
fn the_strongest_hash_comes_first() {
    let user = credentials("tim", "secret");
    let all = "ANONYMOUS EXTERNAL PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512";
    let cert = security(true, Some("CN=tim"));
    assert_eq!(choice(all, &user, &cert), "SCRAM-SHA-512");
    assert_eq!(choice("PLAIN SCRAM-SHA-1 SCRAM-SHA-256", &user, &cert), "SCRAM-SHA-256");
    assert_eq!(choice("PLAIN SCRAM-SHA-1", &user, &security(false, None)), "SCRAM-SHA-1");
    assert_eq!(choice(all, &allowed(user.clone(), "PLAIN SCRAM-SHA-1"), &cert), "SCRAM-SHA-1");
    assert_eq!(choice(all, &SaslClientConfig::default(), &cert), "EXTERNAL");
    assert_eq!(choice(all, &user, &Security { encrypted: true, ..Default::default() }), "PLAIN", "no nonce");
    let without_nonce = choice("SCRAM-SHA-256", &user, &Security::default());
    assert!(without_nonce.contains("fill Security::nonce"), "{without_nonce}");
}

#[test]
fn errors_say_what_was_offered_and_what_to_do() {
    let (none, user) = (SaslClientConfig::default, || credentials("tim", "secret"));
    let nameless = SaslClientConfig { password: Some("secret".into()), ..none() };
    let wordless = SaslClientConfig { username: Some("tim".into()), ..none() };
    let (clear, tls) = (security(false, None), security(true, None));
    let none_usable = "none of the SASL mechanisms that the server offers can be used: ";
    let table = [
        (
            "PLAIN",
            user(),
            &clear,
            "the server offers PLAIN only (the connection is not encrypted): use amqps or allow insecure mechanisms"
                .to_owned(),
        ),
        // A list that restricts does not weaken.
        (
            "PLAIN",
            allowed(user(), "PLAIN"),
            &clear,
            "the server offers PLAIN only (the connection is not encrypted); allowed: PLAIN: \
             use amqps or allow insecure mechanisms"
                .to_owned(),
        ),
        (
            "PLAIN ANONYMOUS",
            user(),
            &clear,
            format!(
                "{none_usable}PLAIN (the connection is not encrypted), ANONYMOUS (would ignore the given \
                 credentials): use amqps or allow insecure mechanisms"
            ),
        ),
        (
            "ANONYMOUS",
            user(),
            &tls,
            "the server offers ANONYMOUS only (would ignore the given credentials): \
             connect without credentials or allow ANONYMOUS by name"
                .to_owned(),
        ),
        (
            "ANONYMOUS",
            nameless.clone(),
            &tls,
            "the server offers ANONYMOUS only (would ignore the given credentials): \
             connect without credentials or allow ANONYMOUS by name"
                .to_owned(),
        ),
        (
            "PLAIN ANONYMOUS",
            wordless,
            &tls,
            format!(
                "{none_usable}PLAIN (needs a password), ANONYMOUS (would ignore the given credentials): \
                 give the user's password"
            ),
        ),
        ("PLAIN", nameless, &tls, "the server offers PLAIN only (needs a username): give a username and password".into()),
        ("PLAIN", none(), &clear, "the server offers PLAIN only (needs a username): give a username and password".into()),
        (
            "GSSAPI EXTERNAL",
            none(),
            &tls,
            format!(
                "{none_usable}GSSAPI (not supported), EXTERNAL (needs a client certificate): \
                 configure a client certificate"
            ),
        ),
        (
            "ANONYMOUS PLAIN",
            allowed(user(), "EXTERNAL GSSAPI"),
            &tls,
            format!(
                "{none_usable}ANONYMOUS (not among the allowed mechanisms), PLAIN (not among the allowed \
                 mechanisms); allowed: EXTERNAL, GSSAPI: allow one of the offered mechanisms"
            ),
        ),
        ("", none(), &tls, "the server offers no SASL mechanism: check the server's configuration".to_owned()),
        (
            "\u{1b}[2J",
            allowed(none(), ""),
            &tls,
            "the server offers ?[2J only (not supported); allowed: none: enable another mechanism on the server".into(),
        ),
    ];
    for (offered, config, security, expected) in table {
        let error = choice(offered, &config, security);
        assert_eq!(error, expected, "{offered} with {config:?}");
        assert!(!error.contains("secret"));
    }
}

#[test]
fn a_long_offer_is_cut_in_the_error() {
    let offered: Vec<String> = (0..1000).map(|n| format!("{n}{}", "X".repeat(500))).collect();
    let error = choice(&offered.join(" "), &SaslClientConfig::default(), &security(false, None));
    assert!(error.len() < 2000, "{}", error.len());
}

#[test]
fn initial_responses() {
    let tls = security(true, Some("CN=tim"));
    let user = SaslClientConfig { authorization: Some("boss".into()), ..credentials("tim", "secret") };
    let start = |config: &SaslClientConfig, offered| {
        SaslClient::new(config, &tls, Some("vhost")).start(&symbols(offered))
    };
    let plain = start(&user, "PLAIN").unwrap();
    assert_eq!(plain.initial_response.as_deref(), Some(b"boss\0tim\0secret".as_slice()));
    assert_eq!(plain.hostname.as_deref(), Some("vhost"));
    let external = start(&allowed(user, "EXTERNAL"), "EXTERNAL").unwrap();
    assert_eq!(external.initial_response.as_deref(), Some(b"boss".as_slice()));
    let external = start(&SaslClientConfig::default(), "EXTERNAL").unwrap();
    assert_eq!(external.initial_response.as_deref(), Some(b"".as_slice()), "empty, not absent");
    let anonymous = start(&SaslClientConfig::default(), "ANONYMOUS").unwrap();
    assert_eq!(anonymous.initial_response.as_deref(), Some(b"anonymous".as_slice()));
    let error = start(&credentials("t\0m", "secret"), "PLAIN").unwrap_err();
    assert_eq!(error, SaslError::Credentials { field: "username", problem: "contains a NUL character" });
}

#[test]
fn frames_out_of_order_at_the_client() {
    let out_of_order = |frame| Err(SaslError::OutOfOrder { frame });
    let new = || SaslClient::new(&SaslClientConfig::default(), &security(false, None), None);
    let started = || {
        let mut client = new();
        client.start(&symbols("ANONYMOUS")).unwrap();
        client
    };
    assert_eq!(new().outcome(SaslCode::Ok, None), out_of_order("sasl-outcome"));
    assert!(matches!(new().challenge(b""), Err(SaslError::OutOfOrder { frame: "sasl-challenge" })));
    assert!(
        matches!(started().challenge(b""), Err(SaslError::OutOfOrder { .. })),
        "ANONYMOUS has no challenge"
    );
    let mut twice = started();
    assert!(matches!(
        twice.start(&symbols("ANONYMOUS")),
        Err(SaslError::OutOfOrder { frame: "sasl-mechanisms" })
    ));
    assert_eq!(twice.outcome(SaslCode::Ok, None), out_of_order("sasl-outcome"), "an error ends the exchange");
    let mut client = started();
    assert_eq!(client.outcome(SaslCode::Ok, None), Ok(()));
    assert_eq!(client.mechanism(), Some("ANONYMOUS"));
    assert_eq!(client.outcome(SaslCode::Ok, None), out_of_order("sasl-outcome"));
}

#[test]
fn refusals() {
    let table = [
        (SaslCode::Auth, true, "the server refused the credentials [mech=PLAIN]"),
        (
            SaslCode::Sys,
            false,
            "the server refused the request because of a system error; try again later [mech=PLAIN]",
        ),
        (
            SaslCode::SysPerm,
            true,
            "the server refused the request because of a lasting system error; ask its administrator [mech=PLAIN]",
        ),
        (
            SaslCode::SysTemp,
            false,
            "the server refused the request because of a passing system error; try again later [mech=PLAIN]",
        ),
    ];
    for (code, permanent, text) in table {
        let mut client = SaslClient::new(&credentials("tim", "secret"), &security(true, None), None);
        client.start(&symbols("PLAIN")).unwrap();
        let error = client.outcome(code, None).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_permanent()), (text, permanent));
        assert_eq!(client.mechanism(), Some("PLAIN"));
        assert!(client.outcome(SaslCode::Ok, None).is_err(), "refused stays refused");
    }
}

#[test]
fn what_a_server_offers() {
    let everyone = "ANONYMOUS PLAIN EXTERNAL GSSAPI";
    let with = |names| server_config(names, Some(Arc::new(Always(Decision::Accept))));
    let offered = |config: &SaslServerConfig, security: &Security| {
        let names = SaslServer::new(config, security).mechanisms();
        names.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ")
    };
    let (clear, tls, cert) = (security(false, None), security(true, None), security(true, Some("CN=tim")));
    assert_eq!(offered(&SaslServerConfig::default(), &clear), "ANONYMOUS");
    assert_eq!(offered(&with(everyone), &clear), "ANONYMOUS");
    assert_eq!(
        offered(&SaslServerConfig { allow_insecure: true, ..with(everyone) }, &clear),
        "ANONYMOUS PLAIN"
    );
    assert_eq!(offered(&with(everyone), &tls), "ANONYMOUS PLAIN");
    assert_eq!(offered(&with(everyone), &cert), "ANONYMOUS PLAIN EXTERNAL");
    assert_eq!(offered(&server_config(everyone, None), &cert), "ANONYMOUS EXTERNAL");
    assert_eq!(offered(&with("PLAIN"), &clear), "");
}

#[cfg(feature = "scram")]
#[test]
fn scram_is_offered_with_an_authenticator_and_a_nonce_only() {
    let names = "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1";
    let with = server_config(names, Some(Arc::new(Users::new())));
    assert_eq!(SaslServer::new(&with, &security(false, None)).mechanisms(), symbols(names));
    assert_eq!(SaslServer::new(&with, &Security::default()).mechanisms(), symbols(""));
    assert_eq!(
        SaslServer::new(&server_config(names, None), &security(false, None)).mechanisms(),
        symbols("")
    );
}

#[test]
fn skipping_sasl_gives_no_more_than_anonymous() {
    assert!(SaslServerConfig::default().admits_without_sasl());
    assert!(!SaslServerConfig { require: true, ..Default::default() }.admits_without_sasl());
    assert!(!server_config("PLAIN", None).admits_without_sasl());
    assert!(server_config("PLAIN anonymous", None).admits_without_sasl());
}

#[test]
fn a_server_accepts_rejects_and_waits() {
    let accept = ServerStep::Accept { identity: Some("boss".to_owned()), data: None };
    for (mechanism, response) in [("PLAIN", b"boss\0tim\0secret".as_slice()), ("EXTERNAL", b"boss")] {
        let server = |decision| {
            let config = server_config(mechanism, Some(Arc::new(Always(decision))));
            SaslServer::new(&config, &security(true, Some("CN=tim")))
        };
        let begin = init(mechanism, Some(response));
        let mut accepting = server(Decision::Accept);
        assert_eq!(accepting.init(&begin), accept);
        assert_eq!(accepting.mechanism(), Some(mechanism));
        assert_eq!(accepting.init(&begin), ServerStep::Reject, "once only");
        assert_eq!(accepting.decide(true), ServerStep::Reject, "nothing to decide");
        let mut rejecting = server(Decision::Reject);
        assert_eq!(rejecting.init(&begin), ServerStep::Reject);
        assert_eq!(rejecting.init(&begin), ServerStep::Reject);
        assert_eq!(rejecting.decide(true), ServerStep::Reject);
        for (verdict, step) in [(true, accept.clone()), (false, ServerStep::Reject)] {
            let mut pending = server(Decision::Pending);
            assert_eq!(pending.init(&begin), ServerStep::Pending);
            assert_eq!(pending.decide(verdict), step);
            assert_eq!(pending.decide(true), ServerStep::Reject, "decided already");
        }
        let mut impatient = server(Decision::Pending);
        assert_eq!(impatient.init(&begin), ServerStep::Pending);
        assert_eq!(impatient.response(response), ServerStep::Reject, "nothing was asked");
        assert_eq!(impatient.decide(true), ServerStep::Reject);
        let mut silent = server(Decision::Accept);
        assert_eq!(silent.init(&init(mechanism, None)), ServerStep::Challenge(Bytes::new()), "asked for it");
        assert_eq!(silent.response(response), accept);
    }
}

#[test]
fn what_a_server_rejects() {
    let config = server_config("PLAIN ANONYMOUS", Some(Arc::new(Always(Decision::Accept))));
    let new = || SaslServer::new(&config, &security(false, None));
    assert_eq!(
        new().init(&init("PLAIN", Some(b"boss\0tim\0secret"))),
        ServerStep::Reject,
        "not offered in the clear"
    );
    assert_eq!(new().init(&init("GSSAPI", None)), ServerStep::Reject);
    assert_eq!(new().init(&init("", None)), ServerStep::Reject);
    assert_eq!(new().response(b"boss\0tim\0secret"), ServerStep::Reject, "no init");
    let tls = security(true, None);
    assert_eq!(SaslServer::new(&config, &tls).init(&init("PLAIN", Some(b"tim"))), ServerStep::Reject);
    let anonymous = ServerStep::Accept { identity: None, data: None };
    assert_eq!(new().init(&init("ANONYMOUS", None)), anonymous);
    assert_eq!(new().init(&init("ANONYMOUS", Some(b"\xff\xfe"))), anonymous);
}

#[test]
fn external_without_an_authenticator() {
    let config = server_config("EXTERNAL", None);
    let step = |response: &[u8]| {
        SaslServer::new(&config, &security(true, Some("CN=tim"))).init(&init("EXTERNAL", Some(response)))
    };
    let accept = ServerStep::Accept { identity: Some("CN=tim".to_owned()), data: None };
    assert_eq!(step(b""), accept);
    assert_eq!(step(b"CN=tim"), accept);
    assert_eq!(step(b"CN=root"), ServerStep::Reject);
    assert_eq!(step(b"\xff"), ServerStep::Reject);
}

#[test]
fn nothing_prints_a_secret() {
    let config = credentials("tim", "hunter2");
    let mut client = SaslClient::new(&config, &security(true, None), None);
    client.start(&symbols("PLAIN")).unwrap();
    let challenge = ServerStep::Challenge(Bytes::from_static(b"hunter2"));
    let server = SaslServer::new(&SaslServerConfig::default(), &security(true, None));
    let printed = format!("{config:?} {client:?} {challenge:?} {server:?}");
    assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
}

#[cfg(feature = "scram")]
mod with_scram {
    use super::*;

    fn users() -> Users {
        let mut users = Users::new();
        for hash in ScramHash::ALL {
            let kept = ScramCredentials::derive(&"pencil".into(), b"salt of sixteen.", 4096, hash).unwrap();
            users.insert("tim", kept).unwrap();
        }
        users
    }

    /// A whole login over TLS with one mechanism; the identity if the server accepts.
    fn login(mechanism: &str, user: &str, password: &str) -> Result<Option<String>, SaslError> {
        let server = server_config(mechanism, Some(Arc::new(users())));
        let mut server = SaslServer::new(&server, &Security { nonce: [9; 24], ..security(true, None) });
        let mut client = SaslClient::new(&credentials(user, password), &security(true, None), None);
        let begin = client.start(&server.mechanisms())?;
        assert_eq!(begin.mechanism.as_str(), mechanism);
        let mut step = server.init(&begin);
        loop {
            match step {
                ServerStep::Challenge(challenge) => step = server.response(&client.challenge(&challenge)?),
                ServerStep::Accept { identity, data } => {
                    client.outcome(SaslCode::Ok, data.as_deref())?;
                    return Ok(identity);
                }
                ServerStep::Reject => return client.outcome(SaslCode::Auth, None).map(|()| None),
                ServerStep::Pending => panic!("nobody decides"),
            }
        }
    }

    #[test]
    fn whole_logins() {
        for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] {
            assert_eq!(login(mechanism, "tim", "pencil"), Ok(Some("tim".to_owned())), "{mechanism}");
            for (user, password) in [("tim", "crayon"), ("tom", "pencil"), ("tim", "PENCIL")] {
                let error = login(mechanism, user, password).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!("the server refused the credentials [mech={mechanism}]")
                );
            }
        }
    }

    #[test]
    fn an_accepting_impostor_is_found_out() {
        let mut client = SaslClient::new(&credentials("tim", "pencil"), &security(false, None), None);
        client.start(&symbols("SCRAM-SHA-256 ANONYMOUS")).unwrap();
        let error = client.outcome(SaslCode::Ok, None).unwrap_err();
        assert_eq!(error, SaslError::ServerNotVerified { mechanism: "SCRAM-SHA-256" });
        assert!(error.to_string().contains("impostor"));
    }

    #[test]
    fn a_refusal_with_a_reason() {
        let mut client = SaslClient::new(&credentials("tim", "pencil"), &security(false, None), None);
        client.start(&symbols("SCRAM-SHA-256")).unwrap();
        let error = client.outcome(SaslCode::Auth, Some(b"e=unknown-user")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server refused the credentials [mech=SCRAM-SHA-256]: unknown-user"
        );
    }

    #[test]
    fn users_answer_plain() {
        let users = users();
        let table = [
            (None, "tim", "pencil", Decision::Accept),
            (Some("tim"), "tim", "pencil", Decision::Accept),
            (Some("root"), "tim", "pencil", Decision::Reject),
            (None, "tim", "crayon", Decision::Reject),
            (None, "tom", "pencil", Decision::Reject),
            (None, "", "", Decision::Reject),
            (None, "t\0m", "pencil", Decision::Reject),
        ];
        for (authorization, user, password, decision) in table {
            assert_eq!(
                users.plain(authorization, user, password),
                decision,
                "{authorization:?} {user} {password}"
            );
        }
        assert_eq!(Users::new().plain(None, "tim", "pencil"), Decision::Reject);
    }

    #[test]
    fn users_in_the_text_form() {
        let mut users = users();
        let kept = users.scram("tim", ScramHash::Sha256).unwrap();
        users.insert("with:colon:SCRAM-x", kept.clone()).unwrap();
        let text = users.to_text();
        let read: Users = format!("# users\n\n  {}\r\n", text.replace('\n', "\r\n")).parse().unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!(read.names().collect::<Vec<_>>(), ["tim", "with:colon:SCRAM-x"]);
        assert_eq!((read.len(), read.is_empty(), Users::new().is_empty()), (2, false, true));
        assert_eq!(read.plain(None, "with:colon:SCRAM-x", "pencil"), Decision::Accept);
        assert_eq!(format!("{read:?}"), "Users(2)");
        assert!(users.remove("tim") && !users.remove("tim"));
        assert_eq!(users.scram("tim", ScramHash::Sha256), None);
        let line = format!("tim:{}", kept.to_text());
        let table = [
            (
                format!("{line}\n{line}"),
                "line 2 of the users: this user and mechanism are in the list already",
            ),
            ("tim:secret".to_owned(), "line 1 of the users: expected the form user:SCRAM"),
            ("\n#\ntim:SCRAM-SHA-1$".to_owned(), "line 3 of the users: SCRAM credentials: expected the form"),
            (format!(":{}", kept.to_text()), "line 1 of the users: the user name is empty"),
        ];
        for (text, expected) in table {
            let error = text.parse::<Users>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn user_names_that_cannot_be_stored() {
        let kept = users().scram("tim", ScramHash::Sha1).unwrap();
        for name in ["", "#tim", " tim", "tim ", "t\nm", "\u{AD}"] {
            assert!(Users::new().insert(name, kept.clone()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn adding_a_user_replaces_it() {
        let mut users = users();
        users.add("tim", &"crayon".into(), b"another salt....").unwrap();
        assert_eq!(users.len(), 1);
        for hash in ScramHash::ALL {
            assert!(users.scram("tim", hash).unwrap().verify("crayon"), "{hash:?}");
        }
        assert!(users.add("tim", &"crayon".into(), b"").is_err());
        assert!(users.add("", &"crayon".into(), b"salt").is_err());
    }
}
