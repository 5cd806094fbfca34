//! From a new wire to the first Open: protocol headers (2.2) and the SASL exchange (5.3).

use std::time::Instant;

use deuteron_codec::frame::{AMQP_HEADER, ProtocolHeader, SASL_HEADER};
use deuteron_codec::{
    Error, SaslChallenge, SaslCode, SaslFrame, SaslMechanisms, SaslOutcome, SaslResponse, condition,
};

use super::Connection;
use crate::config::{ConnectionRole, SaslConfig};
use crate::error::Cause;
use crate::event::Event;
use crate::sasl::{SaslClient, SaslServer, ServerStep};
use crate::security::Security;
use crate::wire::{Phase, SaslMachine, Wire};

impl Connection {
    /// A new transport: headers, SASL, and then Open and all that is open on our side.
    ///
    /// A wire that is still bound is unbound first.
    pub fn bind(&mut self, security: Security, now: Instant) {
        if self.wire.is_some() {
            self.unbind(None, now);
        }
        self.failure = None;
        self.remote_open = None;
        let client = self.config.role == ConnectionRole::Client;
        let (phase, sasl) = match &self.config.sasl {
            SaslConfig::Client(config) => {
                let machine = SaslClient::new(config, &security, self.config.hostname.as_deref());
                (Phase::SaslHeader, SaslMachine::Client(Box::new(machine)))
            }
            SaslConfig::Server(config) => {
                (Phase::AnyHeader, SaslMachine::Server(Box::new(SaslServer::new(config, &security))))
            }
            SaslConfig::Disabled if client => (Phase::AmqpHeader, SaslMachine::None),
            SaslConfig::Disabled => (Phase::AnyHeader, SaslMachine::None),
        };
        let mut wire = Wire::new(phase, security, sasl, now);
        wire.handshake_deadline = self.config.handshake_timeout.and_then(|timeout| now.checked_add(timeout));
        self.wire = Some(Box::new(wire));
        match phase {
            Phase::SaslHeader => self.write_header(SASL_HEADER),
            Phase::AmqpHeader => self.write_amqp_header(),
            _ => {}
        }
    }

    fn write_header(&mut self, header: ProtocolHeader) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        wire.out.tail().extend_from_slice(&header.bytes());
        if let Some(trace) = &self.config.trace {
            (trace.0)(&super::input::trace_header(true, header));
        }
    }

    fn write_amqp_header(&mut self) {
        self.write_header(AMQP_HEADER);
        if let Some(wire) = self.wire.as_deref_mut() {
            wire.header_sent = true;
        }
        self.write_open();
    }

    /// The peer's protocol header arrived.
    pub(crate) fn on_header(&mut self, header: [u8; 8], now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        let phase = wire.phase;
        let parsed = ProtocolHeader::parse(header);
        if let (Some(trace), Ok(header)) = (&self.config.trace, &parsed) {
            (trace.0)(&super::input::trace_header(false, *header));
        }
        match (phase, parsed) {
            (Phase::AmqpHeader, Ok(AMQP_HEADER)) => {
                wire.phase = Phase::Frames;
                if !wire.header_sent {
                    self.write_amqp_header();
                }
            }
            (Phase::SaslHeader, Ok(SASL_HEADER)) => wire.phase = Phase::SaslFrames,
            (Phase::AnyHeader, Ok(SASL_HEADER)) => self.offer_mechanisms(now),
            (Phase::AnyHeader, Ok(AMQP_HEADER)) => self.skip_sasl(now),
            (_, parsed) => self.refuse_header(phase, header, parsed.ok(), now),
        }
    }

    fn offer_mechanisms(&mut self, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        let SaslMachine::Server(server) = &wire.sasl else {
            self.refuse_header(Phase::AmqpHeader, SASL_HEADER.bytes(), Some(SASL_HEADER), now);
            return;
        };
        let sasl_server_mechanisms = server.mechanisms();
        if sasl_server_mechanisms.is_empty() {
            let what = "no SASL mechanism can be offered on this transport: PLAIN needs TLS, or insecure mechanisms allowed";
            self.write_header(SASL_HEADER);
            self.fail(Error::new(condition::UNAUTHORIZED_ACCESS, what), Cause::Authentication, now);
            return;
        }
        wire.phase = Phase::SaslFrames;
        self.write_header(SASL_HEADER);
        self.write_sasl(&SaslMechanisms { sasl_server_mechanisms });
    }

    fn skip_sasl(&mut self, now: Instant) {
        if matches!(&self.config.sasl, SaslConfig::Server(config) if !config.admits_without_sasl()) {
            // 5.3.2: say which header would have been right, then close.
            self.write_header(SASL_HEADER);
            let error = Error::new(
                condition::UNAUTHORIZED_ACCESS,
                "the client skipped SASL, which this listener requires",
            );
            self.fail(error, Cause::Authentication, now);
            return;
        }
        if let Some(wire) = self.wire.as_deref_mut() {
            wire.phase = Phase::Frames;
            self.write_amqp_header();
        }
    }

    fn refuse_header(&mut self, phase: Phase, header: [u8; 8], parsed: Option<ProtocolHeader>, now: Instant) {
        let wanted = if phase == Phase::SaslHeader { SASL_HEADER } else { AMQP_HEADER };
        let description = describe_header(phase, header, parsed);
        if self.config.role == ConnectionRole::Server {
            // 2.2: the answer to a wrong header is the right one.
            self.write_header(wanted);
        }
        self.fail(Error::new(condition::FRAMING_ERROR, description), Cause::PeerViolation, now);
    }

    /// A SASL frame arrived.
    pub(crate) fn on_sasl(&mut self, frame: SaslFrame, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        match (&mut wire.sasl, frame) {
            (SaslMachine::Client(client), SaslFrame::Mechanisms(frame)) => {
                match client.start(&frame.sasl_server_mechanisms) {
                    Ok(init) => self.write_sasl(&init),
                    Err(error) => self.refused(error.to_string(), now),
                }
            }
            (SaslMachine::Client(client), SaslFrame::Challenge(frame)) => {
                match client.challenge(&frame.challenge) {
                    Ok(response) => self.write_sasl(&SaslResponse { response }),
                    Err(error) => self.refused(error.to_string(), now),
                }
            }
            (SaslMachine::Client(client), SaslFrame::Outcome(frame)) => {
                let verdict = client.outcome(frame.code, frame.additional_data.as_deref());
                let mechanism = client.mechanism();
                self.on_outcome(frame.code, verdict.map_err(|error| error.to_string()), mechanism, now);
            }
            (SaslMachine::Server(server), SaslFrame::Init(frame)) => {
                let step = server.init(&frame);
                self.on_step(step, now);
            }
            (SaslMachine::Server(server), SaslFrame::Response(frame)) => {
                let step = server.response(&frame.response);
                self.on_step(step, now);
            }
            _ => {
                self.violation(condition::NOT_ALLOWED, "a SASL frame that only the other side may send", now);
            }
        }
    }

    /// The answer that [`Event::SaslPending`] asks for. Without a pending exchange nothing happens.
    pub fn sasl_decide(&mut self, accept: bool, now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if let (Phase::SaslFrames, SaslMachine::Server(server)) = (wire.phase, &mut wire.sasl) {
            let step = server.decide(accept);
            self.on_step(step, now);
        }
    }

    fn on_outcome(
        &mut self,
        code: SaslCode,
        verdict: Result<(), String>,
        mechanism: Option<&'static str>,
        now: Instant,
    ) {
        if let Some(wire) = self.wire.as_deref_mut() {
            // A server that lets us in without a proof of its own is not believed.
            wire.outcome = Some(code).filter(|code| verdict.is_ok() || *code != SaslCode::Ok);
        }
        if let Err(why) = verdict {
            match code {
                SaslCode::Sys | SaslCode::SysTemp => {
                    let error = Error::new(condition::UNAUTHORIZED_ACCESS, why);
                    self.fail(error, Cause::AuthenticationUnavailable, now);
                }
                _ => self.refused(why, now),
            }
            return;
        }
        let identity = match &self.config.sasl {
            SaslConfig::Client(config) => config.username.clone(),
            _ => None,
        };
        let Some(wire) = self.wire.as_deref_mut() else { return };
        wire.mechanism = mechanism.map(str::to_owned);
        wire.identity = identity.filter(|_| mechanism != Some("ANONYMOUS"));
        wire.phase = Phase::AmqpHeader;
        self.raise(Event::Authenticated);
        self.write_amqp_header();
    }

    fn on_step(&mut self, step: ServerStep, now: Instant) {
        match step {
            ServerStep::Challenge(challenge) => self.write_sasl(&SaslChallenge { challenge }),
            ServerStep::Pending => self.raise(Event::SaslPending),
            ServerStep::Reject => {
                self.write_sasl(&SaslOutcome { code: SaslCode::Auth, additional_data: None });
                if let Some(wire) = self.wire.as_deref_mut() {
                    wire.outcome = Some(SaslCode::Auth);
                }
                let mechanism = self.server_mechanism().unwrap_or_else(|| "none".to_owned());
                let why = format!("Failed to authenticate client [mech={mechanism}]");
                self.fail(Error::new(condition::UNAUTHORIZED_ACCESS, why), Cause::Authentication, now);
            }
            ServerStep::Accept { identity, data } => {
                self.write_sasl(&SaslOutcome { code: SaslCode::Ok, additional_data: data });
                let mechanism = self.server_mechanism();
                let Some(wire) = self.wire.as_deref_mut() else { return };
                wire.outcome = Some(SaslCode::Ok);
                wire.identity = identity;
                wire.mechanism = mechanism;
                wire.phase = Phase::AmqpHeader;
                self.raise(Event::Authenticated);
            }
        }
    }

    fn server_mechanism(&self) -> Option<String> {
        match &self.wire.as_ref()?.sasl {
            SaslMachine::Server(server) => server.mechanism().map(str::to_owned),
            _ => None,
        }
    }

    fn refused(&mut self, why: String, now: Instant) {
        if let Some(wire) = self.wire.as_deref_mut() {
            wire.outcome.get_or_insert(SaslCode::SysPerm);
        }
        let error = Error::new(condition::UNAUTHORIZED_ACCESS, why);
        self.fail(error, Cause::Authentication, now);
    }
}

fn describe_header(phase: Phase, header: [u8; 8], parsed: Option<ProtocolHeader>) -> String {
    let wanted = if phase == Phase::SaslHeader { "a SASL header" } else { "an AMQP 1.0 header" };
    let came = match parsed {
        Some(AMQP_HEADER) => {
            "the peer does no SASL and went straight to AMQP: connect with SASL turned off".to_owned()
        }
        Some(SASL_HEADER) => "the peer insists on SASL: connect with SASL turned on".to_owned(),
        Some(ProtocolHeader { id: 2, .. }) => {
            "the peer asks for TLS inside AMQP, which is not supported: use amqps".to_owned()
        }
        Some(other) => format!(
            "the peer speaks AMQP protocol {} version {}.{}.{}, not 1.0.0",
            other.id, other.major, other.minor, other.revision
        ),
        None if header.starts_with(&[0x16, 3]) => {
            "a TLS hello came on a port without TLS: use amqp, or listen with amqps".to_owned()
        }
        None if header.starts_with(&[0x15, 3]) => {
            "a TLS alert came: the port speaks TLS, use amqps".to_owned()
        }
        None if header.starts_with(b"HTTP") || header.starts_with(b"GET ") => {
            "the peer speaks HTTP".to_owned()
        }
        None => format!("the peer does not speak AMQP; it began with {:?}", String::from_utf8_lossy(&header)),
    };
    format!("expected {wanted}: {came}")
}
