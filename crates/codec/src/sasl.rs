//! The frames of the SASL layer (5.3), as tables. What may hold a password prints as `***`.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::skip::{Descriptor, unexpected_descriptor};
use crate::{Decode, Encode, Reader, Symbol, Writer};

composite! {
    /// 5.3.3.1 The mechanisms that the server offers.
    pub struct SaslMechanisms = 0x40 "amqp:sasl-mechanisms:list" {
        /// Their names, best first.
        sasl_server_mechanisms: Vec<Symbol> as "symbol" [mandatory multiple],
    }
}

composite! {
    /// 5.3.3.2 The client's choice.
    pub struct SaslInit = 0x41 "amqp:sasl-init:list" {
        /// The name of the mechanism.
        mechanism: Symbol as "symbol" [mandatory],
        /// What the mechanism says first.
        initial_response: Option<Bytes> as "binary" [optional secret],
        /// The host that the client wants to reach.
        hostname: Option<String> as "string" [optional],
    }
}

composite! {
    /// 5.3.3.3 What the server asks.
    pub struct SaslChallenge = 0x42 "amqp:sasl-challenge:list" {
        /// The mechanism's bytes.
        challenge: Bytes as "binary" [mandatory secret],
    }
}

composite! {
    /// 5.3.3.4 What the client answers.
    pub struct SaslResponse = 0x43 "amqp:sasl-response:list" {
        /// The mechanism's bytes.
        response: Bytes as "binary" [mandatory secret],
    }
}

composite! {
    /// 5.3.3.5 How it ended.
    pub struct SaslOutcome = 0x44 "amqp:sasl-outcome:list" {
        /// Whether the client is let in.
        code: SaslCode as "sasl-code" [mandatory],
        /// What the mechanism says last.
        additional_data: Option<Bytes> as "binary" [optional secret],
    }
}

restricted! {
    /// 5.3.3.6 How authentication ended.
    #[derive(Default)]
    pub enum SaslCode: ubyte as "sasl-code" {
        /// The client is let in.
        #[default]
        Ok = 0 "ok",
        /// The credentials are wrong.
        Auth = 1 "auth",
        /// The server could not decide.
        Sys = 2 "sys",
        /// The server could not decide, and never will.
        SysPerm = 3 "sys-perm",
        /// The server could not decide; trying again later may work.
        SysTemp = 4 "sys-temp",
    }
}

/// 5.3.3 The body of a SASL frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslFrame {
    /// The mechanisms that the server offers.
    Mechanisms(SaslMechanisms),
    /// The client's choice.
    Init(SaslInit),
    /// What the server asks.
    Challenge(SaslChallenge),
    /// What the client answers.
    Response(SaslResponse),
    /// How it ended.
    Outcome(SaslOutcome),
}

impl SaslFrame {
    /// The frame's name, like `sasl-init`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mechanisms(_) => "sasl-mechanisms",
            Self::Init(_) => "sasl-init",
            Self::Challenge(_) => "sasl-challenge",
            Self::Response(_) => "sasl-response",
            Self::Outcome(_) => "sasl-outcome",
        }
    }
}

impl<'a> Decode<'a> for SaslFrame {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        Ok(match reader.read_known_descriptor("a SASL frame")? {
            SaslMechanisms::CODE => Self::Mechanisms(SaslMechanisms::decode_list(reader)?),
            SaslInit::CODE => Self::Init(SaslInit::decode_list(reader)?),
            SaslChallenge::CODE => Self::Challenge(SaslChallenge::decode_list(reader)?),
            SaslResponse::CODE => Self::Response(SaslResponse::decode_list(reader)?),
            SaslOutcome::CODE => Self::Outcome(SaslOutcome::decode_list(reader)?),
            code => return Err(unexpected_descriptor("a SASL frame", Descriptor::Code(code), at)),
        })
    }
}

impl Encode for SaslFrame {
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Mechanisms(mechanisms) => mechanisms.encode(writer),
            Self::Init(init) => init.encode(writer),
            Self::Challenge(challenge) => challenge.encode(writer),
            Self::Response(response) => response.encode(writer),
            Self::Outcome(outcome) => outcome.encode(writer),
        }
    }
}
