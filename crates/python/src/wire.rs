//! What a transport knows of its wire: bytes on their way, how far each direction is, and what has been set.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use deuteron_codec::{AMQP_HEADER, SASL_HEADER};
use deuteron_engine::sasl::{Password, SaslClientConfig};
use deuteron_engine::{OutBuf, SaslConfig};
use pyo3::prelude::*;

use crate::connection::ConnectionCore;
use crate::heartbeat::Heartbeat;
use crate::sasl::{Exchange, Sasl, ServerSetup};
use crate::state::ConditionParts;
use crate::tls::{Opened, Tls};
use crate::trace::{Tracing, Way};

#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) connection: Option<Py<ConnectionCore>>,
    /// Whether the engine has been given its wire, which the first byte in either direction does.
    pub(crate) started: bool,
    /// Without a connection, a client has said which protocol it speaks: whether that is SASL.
    pub(crate) greeted: Option<bool>,
    /// How much of that the engine will say again.
    pub(crate) greeting: usize,
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
    pub(crate) scratch: OutBuf,
    pub(crate) head_closed: bool,
    pub(crate) tail_closed: bool,
    pub(crate) closed: bool,
    pub(crate) condition: Option<ConditionParts>,
    pub(crate) error_told: bool,
    pub(crate) settings: Settings,
    pub(crate) sasl: Option<Sasl>,
    pub(crate) clock: Clock,
    pub(crate) received: FrameCount,
    pub(crate) sent: FrameCount,
    pub(crate) exchange: Exchange,
    pub(crate) tls: Option<Tls>,
    /// A server has looked at what its client speaks.
    pub(crate) detected: bool,
    /// What the bytes go through, where the container's loop moves them.
    pub(crate) socket: Option<Py<PyAny>>,
    /// There is one from when the peer asks for a sign of life.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Empty frames that went out without the engine.
    pub(crate) beats: u32,
    /// The loop has looked at what there is to write, and is writing it.
    pub(crate) lent: bool,
}

pub(crate) struct Settings {
    pub(crate) max_frame_size: u32,
    pub(crate) channel_max: u16,
    pub(crate) idle_timeout: Duration,
    pub(crate) require_auth: bool,
    pub(crate) require_encryption: bool,
    pub(crate) trace: Option<Tracing>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_frame_size: 32_768,
            channel_max: 32_767,
            idle_timeout: Duration::ZERO,
            require_auth: false,
            require_encryption: false,
            trace: None,
        }
    }
}

/// Time as the program tells it: only `tick` moves it.
pub(crate) struct Clock {
    pub(crate) base: Instant,
    pub(crate) first: Option<f64>,
    pub(crate) now: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        let base = Instant::now();
        Self { base, first: None, now: base }
    }
}

impl Clock {
    pub(crate) fn set(&mut self, seconds: f64) {
        let first = *self.first.get_or_insert(seconds);
        if let Ok(passed) = Duration::try_from_secs_f64(seconds - first) {
            self.now = self.now.max(self.base + passed);
        }
    }

    pub(crate) fn seconds(&self, at: Instant) -> f64 {
        self.first.unwrap_or(0.0) + at.saturating_duration_since(self.base).as_secs_f64()
    }
}

/// Counts the frames of a stream as its bytes pass.
#[derive(Default)]
pub(crate) struct FrameCount {
    pub(crate) frames: u64,
    /// Bytes until the next header, and how much of that is here.
    pub(crate) skip: usize,
    pub(crate) head: Vec<u8>,
}

impl FrameCount {
    /// Whether the last frame has passed to its end.
    pub(crate) fn is_between(&self) -> bool {
        self.skip == 0 && self.head.is_empty()
    }

    /// Gives the protocols whose headers end among the bytes.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut protocols = Vec::new();
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (8 - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if let Some(head) = self.head.first_chunk::<4>().filter(|_| self.head.len() == 8) {
                if head != b"AMQP" {
                    self.frames += 1;
                    self.skip = (u32::from_be_bytes(*head) as usize).saturating_sub(8);
                } else {
                    protocols.push(self.head[4]);
                }
                self.head.clear();
            }
        }
        protocols
    }
}

/// The condition of a transport whose TLS has failed.
pub(crate) fn of_tls(why: &str) -> ConditionParts {
    ("amqp:connection:framing-error".to_owned(), Some(format!("SSL Failure: {why}")), None)
}

/// That of a server's whose client does without TLS.
pub(crate) fn unencrypted() -> ConditionParts {
    (
        "amqp:connection:policy-error".to_owned(),
        Some("Client connection unencrypted - forbidden".to_owned()),
        None,
    )
}

impl Wire {
    /// Whether the engine can have the wire: the handshake of TLS, if there is TLS, is over.
    pub(crate) fn is_ready(&self) -> bool {
        self.tls.as_ref().is_none_or(Tls::is_ready)
    }

    /// Takes what has come from the peer. An error is the end of the wire.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) -> Result<(), ConditionParts> {
        let before = self.input.len();
        match &mut self.tls {
            None => self.input.extend_from_slice(bytes),
            Some(tls) => match tls.open(bytes, &mut self.input).map_err(|why| of_tls(&why))? {
                Opened::Records => {}
                Opened::Plain => self.tls = None,
                Opened::Forbidden => return Err(unencrypted()),
            },
        }
        let headers = self.received.pass(&self.input[before..]);
        if let Some(trace) = &mut self.settings.trace {
            trace.bytes(Way::In, &self.input[before..], &headers);
        }
        Ok(())
    }

    /// A client's protocol header, which needs no connection.
    pub(crate) fn greet(&mut self, server: bool) {
        if server || self.started || self.head_closed || self.tls.is_some() || self.greeted.is_some() {
            return;
        }
        let header = if self.sasl.is_some() { SASL_HEADER } else { AMQP_HEADER }.bytes();
        self.greeted = Some(self.sasl.is_some());
        self.greeting = header.len();
        self.output.extend_from_slice(&header);
    }

    /// Takes what the engine has written, but for what has been said before.
    pub(crate) fn put(&mut self, written: &mut OutBuf) {
        while written.has_remaining() {
            let chunk = written.chunk();
            let length = chunk.len();
            let fresh = &chunk[self.greeting.min(length)..];
            self.greeting -= length - fresh.len();
            let headers = self.sent.pass(fresh);
            if let Some(trace) = &mut self.settings.trace {
                trace.bytes(Way::Out, fresh, &headers);
            }
            self.output.extend_from_slice(fresh);
            written.advance(length);
        }
    }

    /// What can be written to the peer now.
    pub(crate) fn outgoing(&mut self) -> &mut BytesMut {
        match &mut self.tls {
            Some(tls) => &mut tls.sealed,
            None => &mut self.output,
        }
    }

    /// Makes records of what the engine has written.
    pub(crate) fn seal(&mut self) -> Result<(), ConditionParts> {
        match &mut self.tls {
            Some(tls) => tls.close_over(&mut self.output).map_err(|why| of_tls(&why)),
            None => Ok(()),
        }
    }

    /// How the engine authenticates: a client with what its connection has, a server as it is set up.
    pub(crate) fn sasl(
        &self,
        setup: Option<ServerSetup>,
        credentials: (Option<String>, Option<String>, Option<String>),
    ) -> SaslConfig {
        if let Some(setup) = setup {
            return SaslConfig::Server(setup.config(self.sasl.as_ref(), self.settings.require_auth));
        }
        let (username, password, authorization) = credentials;
        match &self.sasl {
            // It is too late for SASL.
            _ if self.greeted == Some(false) => SaslConfig::Disabled,
            Some(sasl) => SaslConfig::Client(SaslClientConfig {
                username,
                password: password.map(Password::new),
                authorization,
                allowed_mechanisms: sasl.allowed.clone(),
                allow_insecure: sasl.allow_insecure,
                // As in Proton: a server that wants no credentials is used without.
                allow_anonymous: true,
            }),
            None => SaslConfig::Disabled,
        }
    }
}
