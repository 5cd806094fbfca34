//! The client's side of SCRAM.

use super::credentials::iterations_in_bounds;
use super::{
    SaslError, ScramHash, attribute, base64, escape, is_nonce, nonce_text, prepare, same, unbase64, xor,
};
use crate::sasl::Password;
use crate::sasl::error::printable;
use deuteron_codec::SaslCode;

/// One exchange: `new` gives the first message, `challenge` the second, and `finish` checks the server.
pub(in crate::sasl) struct ScramClient {
    hash: ScramHash,
    state: State,
}

enum State {
    /// The first message is sent.
    First { password: String, gs2_header: String, first_bare: String, nonce: String },
    /// The proof is sent; this is what the server must answer with.
    Proved { server_signature: Vec<u8> },
    /// The server has proved that it knows the password.
    Verified,
    /// Something was wrong.
    Failed,
}

impl ScramClient {
    /// An exchange and its first message.
    pub(in crate::sasl) fn new(
        hash: ScramHash,
        username: &str,
        password: &Password,
        authorization: Option<&str>,
        nonce: &[u8; 24],
    ) -> Result<(Self, String), SaslError> {
        Self::with_nonce(hash, username, password, authorization, nonce_text(nonce))
    }

    /// `new` with the nonce as text, so that the examples of the RFCs can be tests.
    pub(super) fn with_nonce(
        hash: ScramHash,
        username: &str,
        password: &Password,
        authorization: Option<&str>,
        nonce: String,
    ) -> Result<(Self, String), SaslError> {
        let username = prepare("username", username)?;
        if username.is_empty() {
            return Err(SaslError::Credentials { field: "username", problem: "is empty" });
        }
        let password = prepare("password", password.expose())?.into_owned();
        let gs2_header = match authorization {
            Some(name) if !name.is_empty() => format!("n,a={},", escape(&prepare("authorization", name)?)),
            _ => "n,,".to_owned(),
        };
        let first_bare = format!("n={},r={nonce}", escape(&username));
        let message = format!("{gs2_header}{first_bare}");
        Ok((Self { hash, state: State::First { password, gs2_header, first_bare, nonce } }, message))
    }

    pub(in crate::sasl) fn mechanism(&self) -> &'static str {
        self.hash.mechanism()
    }

    /// Answers a challenge: the server's first message with the proof, its final one with nothing.
    pub(in crate::sasl) fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::First { password, gs2_header, first_bare, nonce } => {
                let first = ServerFirst::parse(self.hash, challenge, &nonce)?;
                let (response, server_signature) =
                    self.prove(&password, &gs2_header, &first_bare, challenge, &first);
                self.state = State::Proved { server_signature };
                Ok(response)
            }
            State::Proved { server_signature } => {
                self.check_final(challenge, &server_signature)?;
                self.state = State::Verified;
                Ok(Vec::new())
            }
            State::Verified | State::Failed => Err(SaslError::OutOfOrder { frame: "sasl-challenge" }),
        }
    }

    /// Checks, when the server has accepted, that it has proved itself, here or in a challenge before.
    pub(in crate::sasl) fn finish(&mut self, additional: Option<&[u8]>) -> Result<(), SaslError> {
        match (std::mem::replace(&mut self.state, State::Failed), additional) {
            (State::Verified, _) => {}
            (State::Proved { server_signature }, Some(message)) => {
                self.check_final(message, &server_signature)?;
            }
            _ => return Err(SaslError::ServerNotVerified { mechanism: self.mechanism() }),
        }
        self.state = State::Verified;
        Ok(())
    }

    /// The client's final message and the signature that the server must send.
    fn prove(
        &self,
        password: &str,
        gs2_header: &str,
        first_bare: &str,
        server_first: &[u8],
        first: &ServerFirst,
    ) -> (Vec<u8>, Vec<u8>) {
        let hash = self.hash;
        let without_proof = format!("c={},r={}", base64(gs2_header.as_bytes()), first.nonce);
        let auth_message: [&[u8]; 5] =
            [first_bare.as_bytes(), b",", server_first, b",", without_proof.as_bytes()];
        let salted = hash.salted_password(password, &first.salt, first.iterations);
        let client_key = hash.hmac(&salted, &[b"Client Key"]);
        let client_signature = hash.hmac(&hash.digest(&client_key), &auth_message);
        let server_key = hash.hmac(&salted, &[b"Server Key"]);
        let proof = base64(&xor(client_key, &client_signature));
        (format!("{without_proof},p={proof}").into_bytes(), hash.hmac(&server_key, &auth_message))
    }

    fn check_final(&self, message: &[u8], server_signature: &[u8]) -> Result<(), SaslError> {
        let mechanism = self.mechanism();
        let malformed = |problem| SaslError::Malformed { mechanism, problem };
        let text = std::str::from_utf8(message).map_err(|_| malformed("its final message is not UTF-8"))?;
        let first = text.split(',').next();
        if let Some(error) = attribute(first, 'e') {
            let detail = Some(printable(error));
            return Err(SaslError::Refused { mechanism, code: SaslCode::Auth, detail });
        }
        let signature = attribute(first, 'v')
            .and_then(unbase64)
            .ok_or_else(|| malformed("its final message has no signature"))?;
        if same(&signature, server_signature) {
            Ok(())
        } else {
            Err(SaslError::ServerNotVerified { mechanism })
        }
    }
}

/// The server's first message: `r=<nonce>,s=<salt>,i=<iterations>`, perhaps with extensions.
struct ServerFirst {
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
}

impl ServerFirst {
    fn parse(hash: ScramHash, message: &[u8], client_nonce: &str) -> Result<Self, SaslError> {
        let mechanism = hash.mechanism();
        let malformed = |problem| SaslError::Malformed { mechanism, problem };
        let text = std::str::from_utf8(message).map_err(|_| malformed("its first message is not UTF-8"))?;
        let mut attributes = text.split(',');
        let first = attributes.next();
        if attribute(first, 'm').is_some() {
            return Err(malformed("it demands an extension that is not known here"));
        }
        let nonce = attribute(first, 'r')
            .ok_or_else(|| malformed("its first message does not start with a nonce"))?;
        // A server that repeats an old nonce, or none of ours, could replay an old exchange.
        if !nonce.strip_prefix(client_nonce).is_some_and(is_nonce) {
            return Err(malformed("its nonce does not continue ours"));
        }
        let salt = attribute(attributes.next(), 's')
            .and_then(unbase64)
            .filter(|salt| !salt.is_empty())
            .ok_or_else(|| malformed("its first message has no salt"))?;
        let iterations = attribute(attributes.next(), 'i')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| malformed("its first message has no iteration count"))?;
        let iterations = iterations_in_bounds(mechanism, iterations)?;
        Ok(Self { nonce: nonce.to_owned(), salt, iterations })
    }
}
