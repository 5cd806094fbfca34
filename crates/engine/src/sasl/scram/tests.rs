use super::*;
use crate::sasl::{Authenticator, MAX_ITERATIONS, MIN_ITERATIONS, Password, ServerStep, Users};
use deuteron_codec::SaslCode;

/// One published exchange of user `user`, password `pencil`.
struct Vector {
    hash: ScramHash,
    client_nonce: &'static str,
    server_nonce: &'static str,
    salt: &'static str,
    proof: &'static str,
    signature: &'static str,
}

/// RFC 5802, 5 and RFC 7677, 3. There is none for SHA-512 in an RFC: computed with Python's `hashlib` and `hmac` from
/// the nonces of RFC 7677.
const VECTORS: [Vector; 3] = [
    Vector {
        hash: ScramHash::Sha1,
        client_nonce: "fyko+d2lbbFgONRv9qkxdawL",
        server_nonce: "3rfcNHYJY1ZVvWVs7j",
        salt: "QSXCR+Q6sek8bf92",
        proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        signature: "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    Vector {
        hash: ScramHash::Sha256,
        client_nonce: "rOprNGfwEbeRWgbNEkqO",
        server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
    Vector {
        hash: ScramHash::Sha512,
        client_nonce: "rOprNGfwEbeRWgbNEkqO",
        server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        proof: "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
        signature: "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
    },
];

impl Vector {
    fn client_first(&self) -> String {
        format!("n,,n=user,r={}", self.client_nonce)
    }

    fn server_first(&self) -> String {
        format!("r={}{},s={},i=4096", self.client_nonce, self.server_nonce, self.salt)
    }

    fn client_final(&self) -> String {
        format!("c=biws,r={}{},p={}", self.client_nonce, self.server_nonce, self.proof)
    }

    fn server_final(&self) -> String {
        format!("v={}", self.signature)
    }

    fn client(&self) -> ScramClient {
        self.client_of("user", None).0
    }

    fn client_of(&self, user: &str, authorization: Option<&str>) -> (ScramClient, String) {
        let nonce = self.client_nonce.to_owned();
        ScramClient::with_nonce(self.hash, user, &Password::from("pencil"), authorization, nonce).unwrap()
    }

    fn server(&self) -> ScramServer {
        ScramServer::with_nonce(self.hash, self.server_nonce.to_owned())
    }

    fn users(&self, name: &str) -> Users {
        let salt = unbase64(self.salt).unwrap();
        let kept = ScramCredentials::derive(&Password::from("pencil"), &salt, 4096, self.hash).unwrap();
        let mut users = Users::new();
        users.insert(name, kept).unwrap();
        users
    }
}

fn challenge(step: ServerStep) -> String {
    match step {
        ServerStep::Challenge(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("expected a challenge: {other:?}"),
    }
}

#[test]
fn published_exchanges_as_client() {
    for vector in VECTORS {
        let (mut client, first) = vector.client_of("user", None);
        assert_eq!(first, vector.client_first());
        let response = client.challenge(vector.server_first().as_bytes()).unwrap();
        assert_eq!(String::from_utf8(response).unwrap(), vector.client_final());
        client.finish(Some(vector.server_final().as_bytes())).unwrap();
    }
}

#[test]
fn the_servers_proof_may_come_as_a_challenge() {
    let mut client = VECTORS[0].client();
    client.challenge(VECTORS[0].server_first().as_bytes()).unwrap();
    assert_eq!(client.challenge(VECTORS[0].server_final().as_bytes()).unwrap(), b"");
    client.finish(None).unwrap();
}

#[test]
fn published_exchanges_as_server() {
    for vector in VECTORS {
        let users = vector.users("user");
        let mut server = vector.server();
        assert_eq!(challenge(server.step(vector.client_first().as_bytes(), &users)), vector.server_first());
        let accept = ServerStep::Accept {
            identity: Some("user".to_owned()),
            data: Some(vector.server_final().into_bytes().into()),
        };
        assert_eq!(server.step(vector.client_final().as_bytes(), &users), accept);
        assert_eq!(server.step(vector.client_final().as_bytes(), &users), ServerStep::Reject, "only once");
    }
}

#[test]
fn credentials_in_the_text_form() {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let salt = unbase64(VECTORS[1].salt).unwrap();
    let derived =
        ScramCredentials::derive(&Password::from("pencil"), &salt, 4096, ScramHash::Sha256).unwrap();
    assert_eq!(derived.to_text(), text);
    let read: ScramCredentials = text.parse().unwrap();
    assert_eq!(read, derived);
    assert_eq!((read.hash(), read.iterations(), read.salt()), (ScramHash::Sha256, 4096, salt.as_slice()));
    assert!(read.verify("pencil"));
    for wrong in ["", "Pencil", "pencil ", "pen\0cil"] {
        assert!(!read.verify(wrong), "{wrong:?}");
    }
    assert_eq!(format!("{read:?}"), "ScramCredentials { hash: Sha256, iterations: 4096, .. }");
}

#[test]
fn credentials_that_cannot_be_read() {
    let key = base64(&[7; 20]);
    let table = [
        (String::new(), "expected the form"),
        (format!("SCRAM-SHA-1$4096:c2FsdA==${key}"), "expected the form"),
        (format!("SCRAM-SHA-1$4096:c2FsdA==${key}:{key}$"), "expected the form"),
        (format!("SCRAM-MD5$4096:c2FsdA==${key}:{key}"), "the mechanism is none of"),
        (format!("SCRAM-SHA-1$many:c2FsdA==${key}:{key}"), "not a number"),
        (format!("SCRAM-SHA-1$4095:c2FsdA==${key}:{key}"), "not between 4096 and 2000000"),
        (format!("SCRAM-SHA-1$2000001:c2FsdA==${key}:{key}"), "not between 4096 and 2000000"),
        (format!("SCRAM-SHA-1$4096:c2FsdA=${key}:{key}"), "not base64"),
        (format!("SCRAM-SHA-1$4096:${key}:{key}"), "the salt is empty"),
        (format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key}"), "not the size of the hash"),
    ];
    for (text, problem) in table {
        let error = text.parse::<ScramCredentials>().unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
        assert!(!error.contains(&key));
    }
}

#[test]
fn credentials_that_cannot_be_derived() {
    let derive = |password, salt: &[u8], iterations| {
        ScramCredentials::derive(&Password::from(password), salt, iterations, ScramHash::Sha1)
            .unwrap_err()
            .to_string()
    };
    assert!(derive("pencil", b"", 4096).contains("the salt is empty"));
    assert!(derive("pen\ncil", b"salt", 4096).contains("control character"));
    assert!(derive("pencil", b"salt", MIN_ITERATIONS - 1).contains("iterations"));
    assert!(derive("pencil", b"salt", MAX_ITERATIONS + 1).contains("iterations"));
}

#[test]
fn server_first_messages_that_a_client_refuses() {
    let vector = &VECTORS[0];
    let nonce = format!("{}{}", vector.client_nonce, vector.server_nonce);
    let table = [
        (String::new(), "does not start with a nonce"),
        ("e=no".to_owned(), "does not start with a nonce"),
        (format!("m=x,r={nonce},s=AAAA,i=4096"), "extension"),
        ("r=another,s=AAAA,i=4096".to_owned(), "does not continue ours"),
        (format!("r={},s=AAAA,i=4096", vector.client_nonce), "does not continue ours"),
        (format!("r={nonce} x,s=AAAA,i=4096"), "does not continue ours"),
        (format!("r={nonce}"), "no salt"),
        (format!("r={nonce},s=,i=4096"), "no salt"),
        (format!("r={nonce},s=A,i=4096"), "no salt"),
        (format!("r={nonce},i=4096,s=AAAA"), "no salt"),
        (format!("r={nonce},s=AAAA"), "no iteration count"),
        (format!("r={nonce},s=AAAA,i="), "no iteration count"),
        (format!("r={nonce},s=AAAA,i=+4096"), "no iteration count"),
        (format!("r={nonce},s=AAAA,i=-1"), "no iteration count"),
        (format!("r={nonce},s=AAAA,i=0"), "0 iterations"),
        (format!("r={nonce},s=AAAA,i=4095"), "4095 iterations"),
        (format!("r={nonce},s=AAAA,i=2000001"), "2000001 iterations"),
        (format!("r={nonce},s=AAAA,i=4294971392"), "4294971392 iterations"),
    ];
    for (message, problem) in table {
        let mut client = vector.client();
        let error = client.challenge(message.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(problem), "{message}: {error}");
        assert!(error.is_permanent());
        assert!(client.challenge(vector.server_first().as_bytes()).is_err(), "an error ends the exchange");
        assert!(client.finish(Some(vector.server_final().as_bytes())).is_err());
    }
    assert!(vector.client().challenge(b"r=\xff").unwrap_err().to_string().contains("not UTF-8"));
}

#[test]
fn extensions_at_the_end_are_ignored() {
    let vector = &VECTORS[1];
    let mut client = vector.client();
    assert!(client.challenge(format!("{},x=unknown", vector.server_first()).as_bytes()).is_ok());
}

#[test]
fn a_server_that_does_not_prove_itself() {
    let not_verified = SaslError::ServerNotVerified { mechanism: "SCRAM-SHA-1" };
    let started = || {
        let mut client = VECTORS[0].client();
        client.challenge(VECTORS[0].server_first().as_bytes()).unwrap();
        client
    };
    assert_eq!(VECTORS[0].client().finish(None), Err(not_verified.clone()), "accepted before any proof");
    assert_eq!(VECTORS[0].client().finish(Some(b"v=")), Err(not_verified.clone()));
    assert_eq!(started().finish(None), Err(not_verified.clone()));
    for wrong in ["v=", "v=AAAA", "v=rmF9pqV8S7suAoZWja4dJRkFsKR=", "v=rmF9pqV8S7suAoZWja4dJRkFsKA="] {
        assert!(started().finish(Some(wrong.as_bytes())).is_err(), "{wrong}");
        assert!(started().challenge(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(started().challenge(b"v=rmF9pqV8S7suAoZWja4dJRkFsKA="), Err(not_verified));
    let refused = started().challenge(b"e=invalid-proof\x1b[2J").unwrap_err();
    let detail = Some("invalid-proof?[2J".to_owned());
    assert_eq!(refused, SaslError::Refused { mechanism: "SCRAM-SHA-1", code: SaslCode::Auth, detail });
}

#[test]
fn names_are_escaped_and_prepared() {
    let vector = &VECTORS[0];
    for (name, sent) in [("a,b=c", "a=2Cb=3Dc"), ("=2C", "=3D2C"), ("I\u{AD}X", "IX"), ("\u{2168}", "IX")] {
        let (_, first) = vector.client_of(name, None);
        assert_eq!(first, format!("n,,n={sent},r={}", vector.client_nonce));
    }
    let (_, first) = vector.client_of("user", Some("boss,1"));
    assert!(first.starts_with("n,a=boss=2C1,n=user,r="), "{first}");
    for (text, name) in [("a=2Cb=3Dc", Some("a,b=c")), ("=3D2C", Some("=2C")), ("a=2c", None), ("a=", None)] {
        assert_eq!(unescape(text).as_deref(), name, "{text}");
    }
    for (user, field) in [("", "username"), ("a\0b", "username"), ("\u{AD}", "username")] {
        let nonce = "n".to_owned();
        let client = ScramClient::with_nonce(ScramHash::Sha1, user, &Password::from("x"), None, nonce);
        assert!(
            matches!(client.err(), Some(SaslError::Credentials { field: found, .. }) if found == field),
            "{user:?}"
        );
    }
}

/// Both sides against each other.
fn exchange(
    user: &str,
    password: &str,
    authorization: Option<&str>,
    users: &Users,
) -> Result<Option<String>, SaslError> {
    let hash = ScramHash::Sha256;
    let password = Password::from(password);
    let (mut client, first) = ScramClient::new(hash, user, &password, authorization, &[1; 24])?;
    let mut server = ScramServer::new(hash, &[2; 24]);
    let mut message = first.into_bytes();
    loop {
        match server.step(&message, users) {
            ServerStep::Challenge(challenge) => message = client.challenge(&challenge)?,
            ServerStep::Accept { identity, data } => {
                client.finish(data.as_deref())?;
                return Ok(identity);
            }
            ServerStep::Reject | ServerStep::Pending => return Ok(None),
        }
    }
}

#[test]
fn both_sides_together() {
    let odd = "o=d,d \u{E9}";
    let users = VECTORS[1].users(odd);
    assert_eq!(exchange(odd, "pencil", None, &users), Ok(Some(odd.to_owned())));
    assert_eq!(exchange("o=d,d e\u{301}", "pencil", None, &users), Ok(Some(odd.to_owned())), "decomposed");
    assert_eq!(exchange(odd, "pencil", Some(odd), &users), Ok(Some(odd.to_owned())));
    assert_eq!(exchange(odd, "pencil", Some("root"), &users), Ok(None), "may not act as another");
    assert_eq!(exchange(odd, "crayon", None, &users), Ok(None));
    assert_eq!(exchange("nobody", "pencil", None, &users), Ok(None));
    assert_eq!(exchange(odd, "pencil", None, &Users::new()), Ok(None));
}

#[test]
fn an_unknown_user_looks_like_a_known_one() {
    let vector = &VECTORS[1];
    let users = vector.users("user");
    let first = |user: &str, users: &Users| {
        challenge(vector.server().step(format!("n,,n={user},r=abc").as_bytes(), users))
    };
    let shape = |message: &str| {
        let parts: Vec<_> = message.split(',').map(str::to_owned).collect();
        (parts[0].clone(), parts[1].len(), parts[2].clone(), parts.len())
    };
    let (known, unknown, other) = (first("user", &users), first("nobody", &users), first("noone", &users));
    assert_eq!(shape(&known), shape(&unknown), "size of the salt and iterations too");
    assert_eq!(unknown, first("nobody", &users), "the salt stays the same");
    assert_eq!(unknown, first("nobody", &users.to_text().parse().unwrap()), "even after a restart");
    assert_ne!(unknown, other, "each name has its own");
    assert_eq!(first("nobody", &Users::new()), first("nobody", &Users::new()));
    assert_ne!(first("nobody", &VECTORS[2].users("user")), unknown, "the salt hangs on a secret");
    let sha1 = users.scram_decoy("nobody", ScramHash::Sha1);
    assert_ne!(sha1.salt(), users.scram_decoy("nobody", ScramHash::Sha256).salt());
}

#[test]
fn a_decoy_never_verifies() {
    // Its keys are no images of a password, so nothing can be proved with them.
    let decoy = ScramCredentials::decoy(&[0; 32], "nobody", ScramHash::Sha256, 4096, 100);
    assert_eq!(decoy.salt().len(), 100);
    assert!(!decoy.verify("") && !decoy.verify("pencil"));
}

#[test]
fn client_messages_that_a_server_rejects() {
    let vector = &VECTORS[0];
    let users = vector.users("user");
    let firsts: [&[u8]; 18] = [
        b"",
        b"n",
        b"n,,",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"n,,n=user,r=",
        b"n,,n=user,r=a b",
        b"n,,n=us=er,r=abc",
        b"n,,n=user\x01,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"p=tls-unique,,n=user,r=abc",
        b"x,,n=user,r=abc",
        b"n,b=user,n=user,r=abc",
        b"n,a=other,n=user,r=abc",
        b"n,a=us=er,n=user,r=abc",
        b"n,,user,r=abc",
        b"n,,n=user,abc",
        b"n,,n=\xff,r=abc",
    ];
    for first in firsts {
        let mut server = vector.server();
        let text = String::from_utf8_lossy(first);
        assert_eq!(server.step(first, &users), ServerStep::Reject, "{text}");
        assert_eq!(server.step(vector.client_first().as_bytes(), &users), ServerStep::Reject, "after {text}");
    }
    let (nonce, proof) = (format!("{}{}", vector.client_nonce, vector.server_nonce), vector.proof);
    let finals = [
        String::new(),
        format!("c=biws,r={nonce}"),
        format!("c=biws,r={nonce},p="),
        format!("c=biws,r={nonce},p=AAAA"),
        format!("c=biws,r={nonce},p={proof},x=1"),
        format!("c=biws,r={nonce}x,p={proof}"),
        format!("c=biws,r={},p={proof}", vector.client_nonce),
        format!("c=eSws,r={nonce},p={proof}"),
        format!("c=,r={nonce},p={proof}"),
        format!("r={nonce},c=biws,p={proof}"),
        format!("c=biws,r={nonce},x=1,p={proof}"),
        vector.client_final().replace("p=v", "p=w"),
    ];
    for last in finals {
        let mut server = vector.server();
        let _ = challenge(server.step(vector.client_first().as_bytes(), &users));
        assert_eq!(server.step(last.as_bytes(), &users), ServerStep::Reject, "{last}");
        assert_eq!(server.step(vector.client_final().as_bytes(), &users), ServerStep::Reject, "after {last}");
    }
}

#[test]
fn every_byte_of_the_proof_counts() {
    let vector = &VECTORS[1];
    let users = vector.users("user");
    let rejected = |message: &[u8]| {
        let mut server = vector.server();
        let _ = challenge(server.step(vector.client_first().as_bytes(), &users));
        server.step(message, &users) == ServerStep::Reject
    };
    let whole = vector.client_final().into_bytes();
    assert!(!rejected(&whole));
    for at in 0..whole.len() {
        assert!(rejected(&whole[..at]), "cut to {at}");
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert!(rejected(&changed), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_client_that_could_bind_to_the_channel_is_welcome() {
    let users = VECTORS[0].users("user");
    let mut server = VECTORS[0].server();
    let first = VECTORS[0].client_first().replacen('n', "y", 1);
    assert_eq!(challenge(server.step(first.as_bytes(), &users)), VECTORS[0].server_first());
}

#[test]
fn empty_secrets_are_never_the_same() {
    assert!(same(b"a", b"a"));
    assert!(!same(b"", b""));
    assert!(!same(b"a", b"b") && !same(b"a", b"ab"));
}
