//! Opening and closing the connection, and ending a wire that went wrong.

use std::time::Instant;

use deuteron_codec::{Close, Error, Open, condition};

use super::Connection;
use crate::config::ConnectionConfig;
use crate::endpoint::EndpointState;
use crate::error::{Cause, Failure};
use crate::event::Event;
use crate::id::{LinkId, SessionId};
use crate::wire::Phase;

impl Connection {
    /// Opens the connection: at once if a wire is ready for it, or as soon as one is (2.4.1).
    pub fn open(&mut self) {
        if self.endpoint.local == EndpointState::Uninit {
            self.endpoint.local = EndpointState::Open;
            self.write_open();
        }
    }

    /// Closes the connection for good (2.4.3). Without a wire that is all; with one, the peer's Close is awaited.
    pub fn close(&mut self, error: Option<Error>) {
        if self.endpoint.local == EndpointState::Closed {
            return;
        }
        for id in self.sessions.keys() {
            self.flush_session_dispositions(id);
        }
        let unopened = self.endpoint.local == EndpointState::Uninit;
        self.endpoint.local = EndpointState::Closed;
        self.endpoint.error = error.map(Box::new);
        if unopened && self.wire.as_ref().is_some_and(|wire| wire.open_received) {
            // The peer's Open is refused: it has to be answered before Close can follow (2.4.1).
            self.write_open_frame();
        }
        self.write_close();
    }

    /// Writes Open if the wire's handshake has come so far, and after it all that is open on our side.
    pub(crate) fn write_open(&mut self) {
        let ready = self.wire.as_ref().is_some_and(|wire| wire.header_sent && !wire.open_sent);
        if !ready || self.endpoint.local == EndpointState::Uninit {
            return;
        }
        self.write_open_frame();
        if self.endpoint.local == EndpointState::Closed {
            self.write_close();
        } else {
            self.write_endpoints();
        }
    }

    fn write_open_frame(&mut self) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if !wire.header_sent || std::mem::replace(&mut wire.open_sent, true) {
            return;
        }
        let open = open_frame(&self.config);
        self.write(0, &open);
    }

    fn write_close(&mut self) {
        if !self.wire.as_ref().is_some_and(|wire| wire.is_writable()) {
            return;
        }
        let error = self.endpoint.error.as_deref().cloned();
        self.write(0, &Close { error });
        let Some(wire) = self.wire.as_deref_mut() else { return };
        wire.close_sent = true;
        if wire.close_received {
            self.finish();
        }
    }

    /// Answers the peer's Close (2.4.3) without giving up what is open on our side: it is opened again on the next wire.
    pub fn answer_close(&mut self) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if !wire.close_received || wire.close_sent || !wire.open_sent {
            return;
        }
        self.write(0, &Close { error: None });
        if let Some(wire) = self.wire.as_deref_mut() {
            wire.close_sent = true;
        }
        self.finish();
    }

    /// Both Closes have crossed, or the wire is of no use any more: nothing more is written or read.
    pub(crate) fn finish(&mut self) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        wire.finished = true;
        wire.phase = Phase::Discarding;
        wire.handshake_deadline = None;
        self.close_tail();
    }

    pub(crate) fn close_tail(&mut self) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if std::mem::replace(&mut wire.tail_closed, true) {
            return;
        }
        let both = wire.head_closed;
        self.raise(Event::TailClosed);
        if both {
            self.raise(Event::TransportClosed);
        }
    }

    /// The peer has closed its direction of the socket.
    pub fn handle_eof(&mut self, now: Instant) {
        let Some(wire) = self.wire.as_deref() else { return };
        if wire.tail_closed {
            return;
        }
        if !wire.close_received {
            let what = match wire.phase {
                Phase::Frames => "connection aborted",
                Phase::SaslFrames => "connection aborted during the SASL exchange",
                _ => "Expected AMQP protocol header: no protocol header found (connection aborted)",
            };
            self.fail(Error::new(condition::FRAMING_ERROR, what), Cause::Lost, now);
            return;
        }
        self.close_tail();
    }

    /// The wire has failed. The peer is told with a Close if it can still hear it; endpoints stay as they are.
    pub(crate) fn fail(&mut self, error: Error, cause: Cause, _now: Instant) {
        let Some(wire) = self.wire.as_deref_mut() else { return };
        if wire.finished {
            return;
        }
        let tell = !matches!(cause, Cause::Lost | Cause::Authentication | Cause::AuthenticationUnavailable);
        if tell && wire.header_sent && !wire.close_sent {
            self.write_open_frame();
            self.write(0, &Close { error: Some(error.clone()) });
            if let Some(wire) = self.wire.as_deref_mut() {
                wire.close_sent = true;
            }
        }
        if self.failure.is_none() {
            self.failure = Some(Box::new(Failure { error, cause }));
        }
        self.raise(Event::TransportError);
        self.finish();
    }

    /// The peer broke a rule of the whole connection.
    pub(crate) fn violation(
        &mut self,
        condition: deuteron_codec::Symbol,
        description: impl Into<String>,
        now: Instant,
    ) {
        self.fail(Error::new(condition, description), Cause::PeerViolation, now);
    }

    /// The peer broke a rule of a session: it is ended with the error (2.5.4).
    pub(crate) fn session_violation(
        &mut self,
        id: SessionId,
        condition: deuteron_codec::Symbol,
        description: impl Into<String>,
    ) {
        let error = Error::new(condition, description);
        if !self.renews_session(id, &error) {
            self.end_session(id, Some(error));
        }
    }

    /// The peer broke a rule of a link: it is closed with the error (2.6.5).
    pub(crate) fn link_violation(
        &mut self,
        id: LinkId,
        condition: deuteron_codec::Symbol,
        description: impl Into<String>,
    ) {
        let error = Error::new(condition, description);
        if !self.renews_link(id, &error) {
            self.detach_link(id, true, Some(error));
        }
    }
}

fn open_frame(config: &ConnectionConfig) -> Open {
    // 2.4.5: a peer that counts exactly would be late if it were told all of what we allow ourselves.
    let half =
        |timeout: std::time::Duration| u32::try_from(timeout.as_millis() / 2).unwrap_or(u32::MAX).max(1);
    Open {
        container_id: config.container_id.clone(),
        hostname: config.hostname.clone(),
        max_frame_size: config.max_frame_size.max(512),
        channel_max: config.channel_max,
        idle_time_out: config.idle_timeout.map(half),
        outgoing_locales: Vec::new(),
        incoming_locales: Vec::new(),
        offered_capabilities: config.offered_capabilities.clone(),
        desired_capabilities: config.desired_capabilities.clone(),
        properties: config.properties.clone(),
    }
}
