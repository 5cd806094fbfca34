//! The server's side of SCRAM.

use super::xor;
use super::{
    ScramCredentials, ScramHash, attribute, base64, is_nonce, nonce_text, prepare, same, unbase64, unescape,
};
use crate::sasl::{Authenticator, ServerStep};

/// One exchange: `first`, then `proof`.
pub(in crate::sasl) struct ScramServer {
    hash: ScramHash,
    nonce: String,
    state: State,
}

enum State {
    /// Nothing has come yet.
    Start,
    /// The salt is sent, the client's proof is awaited.
    Salted(Box<Salted>),
    /// Accepted or rejected.
    Over,
}

struct Salted {
    username: String,
    /// Those of the user or, if there is no such user, a decoy: everything is computed all the same.
    credentials: ScramCredentials,
    exists: bool,
    gs2_header: String,
    nonce: String,
    /// `client-first-message-bare,server-first-message`
    auth_message: String,
}

impl ScramServer {
    pub(in crate::sasl) fn new(hash: ScramHash, nonce: &[u8; 24]) -> Self {
        Self::with_nonce(hash, nonce_text(nonce))
    }

    /// `new` with the nonce as text, so that the examples of the RFCs can be tests.
    pub(super) fn with_nonce(hash: ScramHash, nonce: String) -> Self {
        Self { hash, nonce, state: State::Start }
    }

    /// Takes the client's next message. What is not well-formed is rejected; the client learns no more than that.
    pub(in crate::sasl) fn step(&mut self, message: &[u8], authenticator: &dyn Authenticator) -> ServerStep {
        let Ok(text) = std::str::from_utf8(message) else {
            self.state = State::Over;
            return ServerStep::Reject;
        };
        let step = match std::mem::replace(&mut self.state, State::Over) {
            State::Start => self.first(text, authenticator),
            State::Salted(salted) => self.proof(text, *salted),
            State::Over => None,
        };
        step.unwrap_or(ServerStep::Reject)
    }

    /// `gs2-cbind-flag,[a=authzid],n=username,r=nonce`, answered by nonce, salt and iterations.
    fn first(&mut self, text: &str, authenticator: &dyn Authenticator) -> Option<ServerStep> {
        let mut parts = text.splitn(3, ',');
        let (flag, authorization, bare) = (parts.next()?, parts.next()?, parts.next()?);
        // "y": the client could bind to the channel, but believes that we cannot: true. "p=": it insists, we cannot.
        if !matches!(flag, "n" | "y") {
            return None;
        }
        let mut attributes = bare.split(',');
        // "m=" before the name is an extension that must be understood, so it is rejected by not being "n=".
        let username = unescape(attribute(attributes.next(), 'n')?)?;
        let username = prepare("username", &username).ok()?.into_owned();
        let client_nonce = attribute(attributes.next(), 'r').filter(|nonce| is_nonce(nonce))?;
        if !authorization.is_empty() {
            // Acting for somebody else is not supported with SCRAM; naming oneself is allowed.
            let name = unescape(attribute(Some(authorization), 'a')?)?;
            if prepare("authorization", &name).ok()? != username {
                return None;
            }
        }
        let decoy = authenticator.scram_decoy(&username, self.hash);
        let found = authenticator.scram(&username, self.hash).filter(|found| found.hash() == self.hash);
        let exists = found.is_some() && !username.is_empty();
        let credentials = found.unwrap_or(decoy);
        let nonce = format!("{client_nonce}{}", self.nonce);
        let challenge = format!("r={nonce},s={},i={}", base64(credentials.salt()), credentials.iterations());
        let auth_message = format!("{bare},{challenge}");
        let gs2_header = format!("{flag},{authorization},");
        self.state = State::Salted(Box::new(Salted {
            username,
            credentials,
            exists,
            gs2_header,
            nonce,
            auth_message,
        }));
        Some(ServerStep::Challenge(challenge.into()))
    }

    /// `c=<gs2 header>,r=<nonce>,...,p=<proof>`, answered by our signature.
    fn proof(&self, text: &str, salted: Salted) -> Option<ServerStep> {
        let hash = self.hash;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let header = unbase64(attribute(attributes.next(), 'c')?)?;
        let nonce = attribute(attributes.next(), 'r')?;
        if header != salted.gs2_header.as_bytes() || nonce != salted.nonce {
            return None;
        }
        let proof = unbase64(proof).filter(|proof| proof.len() == hash.size())?;
        let auth_message: [&[u8]; 3] = [salted.auth_message.as_bytes(), b",", without_proof.as_bytes()];
        let signature = hash.hmac(salted.credentials.stored_key(), &auth_message);
        let proved = same(&hash.digest(&xor(proof, &signature)), salted.credentials.stored_key());
        let server_signature = hash.hmac(salted.credentials.server_key(), &auth_message);
        (proved && salted.exists).then(|| ServerStep::Accept {
            identity: Some(salted.username),
            data: Some(format!("v={}", base64(&server_signature)).into()),
        })
    }
}
