//! Bytes between a transport and the engine of its connection.

use deuteron_engine::{ConnectionRole, Security};
use pyo3::prelude::*;

use crate::connection::ConnectionCore;
use crate::heartbeat::{self, Heartbeat};
use crate::sasl::ServerSetup;
use crate::state::ConditionParts;
use crate::trace::Tracing;
use crate::transport::{CAPACITY, TransportCore};
use crate::wire::{of_tls, unencrypted};

impl TransportCore {
    /// Gives the engine its wire, with all that has been set until now.
    pub(crate) fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(connection) = this.bound_to(py) else { return Ok(()) };
        if this.server && this.wire().settings.require_encryption && this.wire().tls.is_none() {
            if !this.wire().input.is_empty() {
                Self::refused(slf, unencrypted());
                Self::end_head(slf);
            }
            return Ok(());
        }
        if !this.wire().is_ready() || this.wire().started {
            return Ok(());
        }
        let setup = match this.server.then(|| ServerSetup::read(slf)).transpose() {
            Ok(setup) => setup,
            Err(why) => {
                Self::refused(slf, why);
                Self::end_head(slf);
                return Ok(());
            }
        };
        this.wire().started = true;
        type Credentials = (Option<String>, Option<String>, Option<String>);
        let credentials: Credentials = connection.getattr("_credentials")?.extract()?;
        let mut security = Security::default();
        // Without randomness SCRAM is not used.
        let _ = getrandom::fill(&mut security.nonce);
        let wire = this.wire();
        if let Some(tls) = &wire.tls {
            security.encrypted = true;
            security.external_identity = tls.external_identity();
        }
        let sasl = wire.sasl(setup, credentials);
        connection.get().with(|engine| {
            let config = engine.config_mut();
            config.role = if this.server { ConnectionRole::Server } else { ConnectionRole::Client };
            config.max_frame_size = match wire.settings.max_frame_size {
                0 => u32::MAX,
                size => size,
            };
            config.channel_max = wire.settings.channel_max;
            config.idle_timeout = Some(wire.settings.idle_timeout).filter(|timeout| !timeout.is_zero());
            config.trace = wire.settings.trace.as_ref().and_then(Tracing::of_frames);
            config.sasl = sasl;
            engine.bind(security, wire.clock.now);
        });
        drop(wire);
        connection.get().pump(py)
    }

    /// Lets the engine read what has been pushed.
    pub(crate) fn read(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        Self::start(slf)?;
        let Some(connection) = this.bound_to(py) else { return Ok(()) };
        if !this.wire().started {
            connection.get().modified(py);
            return Ok(());
        }
        let (mut input, now) = {
            let mut wire = this.wire();
            (std::mem::take(&mut wire.input), wire.clock.now)
        };
        connection.get().with(|engine| engine.handle_input(&mut input, now));
        this.wire().input = input;
        this.tell_tracer(py);
        this.look(&connection);
        connection.get().pump(py)
    }

    /// Notes what the engine knows of the peer only while it has a wire.
    pub(crate) fn look(&self, connection: &Bound<'_, ConnectionCore>) {
        let mut wire = self.wire();
        connection.get().with(|engine| wire.exchange.note(engine));
    }

    /// Lets the engine write what is due.
    pub(crate) fn write(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(connection) = this.bound_to(py) else {
            this.wire().greet(this.server);
            return Ok(());
        };
        // A server speaks second: until the client has, its program can still say how it authenticates.
        if !this.server {
            Self::start(slf)?;
        }
        if !this.wire().started {
            return Self::shake_hands(slf);
        }
        connection.get().flush(py)?;
        if this.wire().head_closed {
            return connection.get().pump(py);
        }
        let mut begins_to_beat = false;
        let ended = {
            let mut wire = this.wire();
            let now = wire.clock.now;
            let mut scratch = std::mem::take(&mut wire.scratch);
            // The end of TLS is the end of both directions for many: they would not answer our Close after it.
            let waits = wire.tls.is_some();
            let (ended, interval) = connection.get().with(|engine| {
                while wire.outgoing().len() + wire.output.len() < 2 * CAPACITY
                    && engine.poll_transmit(now, &mut scratch)
                {
                    wire.put(&mut scratch);
                }
                let ended = engine.pending_output() == 0
                    && (engine.output_done() || (engine.close_is_written() && !waits));
                (ended, engine.keep_alive_interval())
            });
            wire.scratch = scratch;
            match &mut wire.heartbeat {
                Some(heartbeat) => heartbeat.expect(interval),
                None => begins_to_beat = interval.is_some() && wire.socket.is_some(),
            }
            if let Err(why) = wire.seal() {
                drop(wire);
                Self::refused(slf, why);
                this.tell_tracer(py);
                return connection.get().pump(py);
            }
            if ended && let Some(tls) = &mut wire.tls {
                tls.end();
            }
            (ended || wire.tls.as_ref().is_some_and(|tls| tls.failed)) && wire.outgoing().is_empty()
        };
        this.tell_tracer(py);
        connection.get().pump(py)?;
        if ended {
            Self::end_head(slf);
        } else if begins_to_beat {
            this.begin_to_beat(py);
        }
        Ok(())
    }

    /// The peer asks for signs of life.
    fn begin_to_beat(&self, py: Python<'_>) {
        let Some(socket) = self.wire().socket.take() else { return };
        // Without a descriptor to spare, they come from the loop alone.
        if let Ok(heartbeat) = Heartbeat::on(socket.bind(py)) {
            self.wire().heartbeat = Some(heartbeat);
            heartbeat::keep(&self.wire);
        }
    }

    /// Before there is anything to encrypt.
    fn shake_hands(slf: &Bound<'_, Self>) -> PyResult<()> {
        let sealed = slf.get().wire().seal();
        if let Err(why) = sealed {
            Self::refused(slf, why);
        }
        let ended = {
            let mut wire = slf.get().wire();
            wire.tail_closed && wire.outgoing().is_empty()
        };
        if ended {
            Self::end_head(slf);
        }
        Ok(())
    }

    /// Nothing can be sent or received any more, but for what TLS has to say about it.
    pub(crate) fn refused(slf: &Bound<'_, Self>, why: ConditionParts) {
        if let Some(tls) = &mut slf.get().wire().tls {
            tls.failed = true;
        }
        Self::failed(slf, Some(why));
    }

    /// The peer has gone: that is an error if TLS was not there yet, and nobody has a better one.
    pub(crate) fn note_broken_handshake(&self) {
        let mut wire = self.wire();
        if wire.tls.is_some() && !wire.started && wire.condition.is_none() {
            wire.condition = Some(of_tls("the peer ended the connection within the handshake"));
        }
    }
}
