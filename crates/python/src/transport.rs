//! Transports: the bytes of a connection, without sockets.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Buf;
use deuteron::tls::{subject_fields, subject_of};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use crate::connection::ConnectionCore;
use crate::event::Kind;
use crate::names::lock;
use crate::state::ConditionParts;
use crate::tls::{Tls, TlsDomain};
use crate::trace::Tracing;
use crate::wire::Wire;

/// What Python's `Transport` is built on.
#[pyclass(subclass, dict, weakref, module = "proton", frozen)]
pub(crate) struct TransportCore {
    pub(crate) server: bool,
    pub(crate) wire: Arc<Mutex<Wire>>,
}

/// DER, subject, parts of the subject.
type PeerCertificate<'py> = (Bound<'py, PyBytes>, Option<String>, Vec<(String, String)>);

/// How many bytes may be pushed at once.
pub(crate) const CAPACITY: usize = 64 << 10;
const FIRST_CAPACITY: usize = 8192;

impl TransportCore {
    pub(crate) fn wire(&self) -> MutexGuard<'_, Wire> {
        lock(&self.wire)
    }

    pub(crate) fn bound_to<'py>(&self, py: Python<'py>) -> Option<Bound<'py, ConnectionCore>> {
        self.wire().connection.as_ref().map(|connection| connection.bind(py).clone())
    }

    pub(crate) fn tell_connection(&self, py: Python<'_>, kind: Kind) {
        if let Some(connection) = self.bound_to(py) {
            connection.get().raise(py, kind, connection.as_any());
        }
    }

    pub(crate) fn tell(slf: &Bound<'_, Self>, kind: Kind) {
        if let Some(connection) = slf.get().bound_to(slf.py()) {
            connection.get().raise(slf.py(), kind, slf.as_any());
        }
    }

    /// Nothing more will be read.
    pub(crate) fn end_tail(slf: &Bound<'_, Self>) {
        if !std::mem::replace(&mut slf.get().wire().tail_closed, true) {
            Self::tell(slf, Kind::TransportTailClosed);
            Self::maybe_closed(slf);
        }
    }

    /// Nothing more will be written.
    pub(crate) fn end_head(slf: &Bound<'_, Self>) {
        let head_closed = {
            let mut wire = slf.get().wire();
            wire.heartbeat = None;
            std::mem::replace(&mut wire.head_closed, true)
        };
        if !head_closed {
            Self::tell(slf, Kind::TransportHeadClosed);
            Self::maybe_closed(slf);
        }
    }

    fn maybe_closed(slf: &Bound<'_, Self>) {
        let closed = {
            let mut wire = slf.get().wire();
            wire.head_closed && wire.tail_closed && !std::mem::replace(&mut wire.closed, true)
        };
        if closed {
            Self::tell(slf, Kind::TransportClosed);
        }
    }

    /// The engine gave the wire up.
    pub(crate) fn failed(slf: &Bound<'_, Self>, condition: Option<ConditionParts>) {
        let told = {
            let mut wire = slf.get().wire();
            if wire.condition.is_none() {
                wire.condition = condition;
            }
            std::mem::replace(&mut wire.error_told, true)
        };
        if !told {
            Self::tell(slf, Kind::TransportError);
            Self::end_tail(slf);
        }
    }
}

#[pymethods]
impl TransportCore {
    #[new]
    #[pyo3(signature = (server=false))]
    fn new(server: bool) -> Self {
        Self { server, wire: Arc::default() }
    }

    fn _is_server(&self) -> bool {
        self.server
    }

    /// The connection that the transport is bound to, if any.
    #[getter]
    fn connection<'py>(&self, py: Python<'py>) -> Option<Bound<'py, ConnectionCore>> {
        self.bound_to(py)
    }

    /// Binds; false if one of the two is bound already.
    fn _bind(slf: &Bound<'_, Self>, connection: &Bound<'_, ConnectionCore>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        if this.wire().connection.is_some() || connection.get().transport(py).is_some() {
            return Ok(false);
        }
        this.wire().connection = Some(connection.clone().unbind());
        connection.get().set_transport(Some(slf.as_any().clone().unbind()));
        connection.get().raise(py, Kind::ConnectionBound, connection.as_any());
        let waiting = this.wire().input.clone();
        if !waiting.is_empty() && Self::detect(slf, &waiting) {
            Self::read(slf)?;
        }
        Ok(true)
    }

    /// Parts transport and connection; the connection's endpoints stay.
    fn unbind(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(connection) = this.bound_to(py) else { return Ok(()) };
        this.look(&connection);
        connection.get().flush(py)?;
        let now = this.wire().clock.now;
        connection.get().unbound(py, now)?;
        this.wire().connection = None;
        connection.get().set_transport(None);
        connection.get().raise(py, Kind::ConnectionUnbound, connection.as_any());
        Ok(())
    }

    /// How many bytes may be pushed; -1 at the end of the stream.
    fn capacity(&self) -> i64 {
        let wire = self.wire();
        if wire.tail_closed {
            return -1;
        }
        let capacity = if wire.received.frames == 0 { FIRST_CAPACITY } else { CAPACITY };
        // What cannot be read before a connection is bound has to fit as well.
        if wire.connection.is_none() {
            capacity.saturating_sub(wire.input.len()) as i64
        } else {
            capacity as i64
        }
    }

    /// Lets time pass, but not yet matter: what the peer has said until then is read first.
    fn _set_now(&self, now: f64) {
        self.wire().clock.set(now);
    }

    /// Says through which socket the bytes go. Heartbeats use it, too.
    fn _use_socket(&self, socket: Bound<'_, PyAny>) {
        let old = self.wire().socket.replace(socket.unbind());
        drop(old);
    }

    /// Takes bytes that came from the peer.
    fn _push(slf: &Bound<'_, Self>, bytes: &[u8]) -> PyResult<usize> {
        {
            let wire = slf.get().wire();
            if wire.tail_closed {
                return Ok(0);
            }
            drop(wire);
            if !Self::detect(slf, bytes) {
                return Ok(bytes.len());
            }
            let taken = slf.get().wire().take_in(bytes);
            if let Err(why) = taken {
                Self::refused(slf, why);
                return Ok(bytes.len());
            }
        }
        Self::read(slf)?;
        if slf.get().wire().tls.as_ref().is_some_and(|tls| tls.peer_ended) {
            Self::close_tail(slf)?;
        }
        Ok(bytes.len())
    }

    /// How many bytes there are to write; -1 at the end of the stream.
    fn pending(slf: &Bound<'_, Self>) -> PyResult<i64> {
        Self::write(slf)?;
        let mut wire = slf.get().wire();
        Ok(match wire.outgoing().len() {
            0 if wire.head_closed => -1,
            length => length as i64,
        })
    }

    /// At most so many of the bytes to write, which stay; None at the end of the stream.
    fn peek<'py>(slf: &Bound<'py, Self>, size: usize) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        Self::write(slf)?;
        let mut wire = slf.get().wire();
        let head_closed = wire.head_closed;
        let outgoing = wire.outgoing();
        if outgoing.is_empty() && head_closed {
            return Ok(None);
        }
        let bytes = PyByteArray::new(slf.py(), &outgoing[..size.min(outgoing.len())]);
        wire.lent = true;
        Ok(Some(bytes))
    }

    /// Drops bytes that have been written.
    fn pop(slf: &Bound<'_, Self>, size: usize) -> PyResult<()> {
        {
            let mut wire = slf.get().wire();
            wire.lent = false;
            if let (Some(heartbeat), 1..) = (&mut wire.heartbeat, size) {
                heartbeat.wrote();
            }
            let outgoing = wire.outgoing();
            outgoing.advance(size.min(outgoing.len()));
        }
        Self::write(slf)
    }

    /// Nothing can be written any more.
    fn close_head(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().wire().outgoing().clear();
        Self::end_head(slf);
        Ok(())
    }

    /// Nothing can be read any more.
    fn close_tail(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.wire().tail_closed {
            return Ok(());
        }
        Self::start(slf)?;
        this.note_broken_handshake();
        let preset = this.wire().condition.is_some();
        if preset {
            this.wire().error_told = true;
            Self::end_tail(slf);
            Self::tell(slf, Kind::TransportError);
        }
        let Some(connection) = this.bound_to(py) else {
            Self::end_tail(slf);
            return Ok(());
        };
        this.wire().error_told = true;
        let now = this.wire().clock.now;
        if this.wire().started {
            connection.get().with(|engine| engine.handle_eof(now));
        }
        connection.get().pump(py)?;
        if !preset && this.wire().condition.is_some() {
            let mut wire = this.wire();
            wire.output.clear();
            let spoken = wire.condition.as_ref().and_then(|condition| condition.1.as_deref());
            let silent = spoken.is_some_and(|text| text.starts_with("Expected AMQP"));
            drop(wire);
            // As Proton has it: a peer that has not said a word is an error of the connection as long as it is bound.
            if !silent {
                Self::end_head(slf);
            }
            Self::end_tail(slf);
            Self::tell(slf, Kind::TransportError);
            Self::end_head(slf);
        }
        Self::end_tail(slf);
        Ok(())
    }

    /// Whether both directions have ended.
    #[getter]
    fn closed(&self) -> bool {
        self.wire().closed
    }

    /// Lets time pass until `now`, in seconds; gives the next time at which to call it again, or 0.
    fn tick(slf: &Bound<'_, Self>, now: f64) -> PyResult<f64> {
        let (py, this) = (slf.py(), slf.get());
        let Some(connection) = this.bound_to(py) else { return Ok(0.0) };
        let (instant, beats) = {
            let mut wire = this.wire();
            wire.clock.set(now);
            (wire.clock.now, std::mem::take(&mut wire.beats))
        };
        connection.get().with(|engine| {
            for _ in 0..beats {
                engine.kept_alive(instant);
            }
            engine.handle_timeout(instant);
        });
        this.tell_tracer(py);
        connection.get().pump(py)?;
        let next = connection.get().with(|engine| engine.poll_timeout());
        Ok(next.map_or(0.0, |next| this.wire().clock.seconds(next)))
    }

    #[getter]
    fn _condition(&self) -> Option<ConditionParts> {
        self.wire().condition.clone()
    }

    #[setter(_condition)]
    fn set_condition(&self, condition: Option<ConditionParts>) {
        self.wire().condition = condition;
    }

    #[getter]
    fn _max_frame_size(&self) -> u32 {
        self.wire().settings.max_frame_size
    }

    #[setter(_max_frame_size)]
    fn set_max_frame_size(&self, size: u32) {
        self.wire().settings.max_frame_size = if size == 0 { 0 } else { size.max(512) };
    }

    #[getter]
    fn _channel_max(&self) -> u16 {
        self.wire().settings.channel_max
    }

    #[setter(_channel_max)]
    fn set_channel_max(&self, max: u16) {
        self.wire().settings.channel_max = max;
    }

    /// Milliseconds without a byte from the peer after which the connection is given up; 0 for never.
    #[getter]
    fn _idle_timeout(&self) -> u64 {
        self.wire().settings.idle_timeout.as_millis() as u64
    }

    #[setter(_idle_timeout)]
    fn set_idle_timeout(&self, milliseconds: u64) {
        self.wire().settings.idle_timeout = Duration::from_millis(milliseconds);
    }

    /// What the peer's Open says of frame size, channels and idle time, in milliseconds.
    fn _remote_limits(&self, py: Python<'_>) -> (u32, u16, u32) {
        let Some(connection) = self.bound_to(py) else { return (u32::MAX, u16::MAX, 0) };
        connection.get().with(|engine| {
            engine.remote_open().map_or((u32::MAX, u16::MAX, 0), |open| {
                (open.max_frame_size, open.channel_max, open.idle_time_out.unwrap_or(0))
            })
        })
    }

    /// Whether Open has gone out: what it says cannot be changed any more.
    fn _is_started(&self) -> bool {
        self.wire().started
    }

    /// Frames received and sent.
    fn _frames(&self) -> (u64, u64) {
        let wire = self.wire();
        (wire.received.frames, wire.sent.frames)
    }

    /// Refuses clients that do not authenticate.
    #[pyo3(signature = (r#bool))]
    fn require_auth(&self, r#bool: bool) {
        self.wire().settings.require_auth = r#bool;
    }

    /// Refuses clients without TLS.
    #[pyo3(signature = (r#bool))]
    fn require_encryption(&self, r#bool: bool) {
        self.wire().settings.require_encryption = r#bool;
    }

    fn _use_sasl(&self) {
        self.wire().sasl.get_or_insert_default();
    }

    fn _allow_mechanisms(&self, names: Vec<String>) {
        self.wire().sasl.get_or_insert_default().allowed = Some(names);
    }

    #[getter]
    fn _allow_insecure(&self) -> bool {
        self.wire().sasl.as_ref().is_some_and(|sasl| sasl.allow_insecure)
    }

    #[setter(_allow_insecure)]
    fn set_allow_insecure(&self, allowed: bool) {
        self.wire().sasl.get_or_insert_default().allow_insecure = allowed;
    }

    /// The mechanism that was chosen, who the client is, and how the exchange ended.
    fn _sasl_result(&self) -> (Option<String>, Option<String>, Option<u8>) {
        let wire = self.wire();
        let exchange = &wire.exchange;
        (exchange.mechanism.clone(), exchange.identity.clone(), exchange.outcome)
    }

    /// Puts TLS under the transport; false if it is there already with other settings.
    fn _use_tls(&self, domain: &Bound<'_, TlsDomain>, session_id: Option<String>) -> bool {
        let mut wire = self.wire();
        if let Some(tls) = &wire.tls {
            return tls.is_of(domain, session_id.as_deref());
        }
        wire.tls = Some(Tls::new(domain.clone().unbind(), session_id));
        true
    }

    /// The name that the peer's certificate has to be for.
    #[getter]
    fn _tls_hostname(&self) -> Option<String> {
        self.wire().tls.as_ref()?.hostname.clone()
    }

    #[setter(_tls_hostname)]
    fn set_tls_hostname(&self, name: Option<String>) {
        if let Some(tls) = &mut self.wire().tls {
            tls.hostname = name;
        }
    }

    /// Whether TLS is established; protocol, cipher suite, and whether the session is an earlier one.
    fn _tls_result(&self) -> (bool, Option<&'static str>, Option<String>, bool) {
        self.wire().tls.as_ref().map_or((false, None, None, false), |tls| {
            (tls.is_ready(), tls.protocol(), tls.cipher(), tls.is_resumed())
        })
    }

    /// Who a client is by its certificate, if that has been verified and SASL says nothing.
    fn _verified_subject(&self) -> Option<String> {
        let wire = self.wire();
        wire.tls.as_ref().filter(|_| self.server && wire.exchange.mechanism.is_none())?.external_identity()
    }

    /// The peer's certificate as DER, its subject, and the parts of that.
    fn _peer_certificate<'py>(&self, py: Python<'py>) -> Option<PeerCertificate<'py>> {
        let wire = self.wire();
        let certificate = wire.tls.as_ref()?.peer_certificate()?;
        Some((PyBytes::new(py, certificate), subject_of(certificate), subject_fields(certificate)))
    }

    /// Calls `write(level, line)` with each frame from now on, and with all bytes; None for no more.
    #[pyo3(signature = (write, frames=false, raw=false))]
    fn _trace(&self, write: Option<Py<PyAny>>, frames: bool, raw: bool) {
        let old = {
            let trace = write.map(|write| Tracing::new(write, frames, raw));
            std::mem::replace(&mut self.wire().settings.trace, trace)
        };
        drop(old);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.wire.try_lock() {
            Ok(wire) => {
                visit.call(&wire.socket)?;
                visit.call(wire.settings.trace.as_ref().map(|trace| &trace.write))?;
                visit.call(&wire.connection)
            }
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let dropped = {
            let mut wire = self.wire();
            (wire.connection.take(), wire.socket.take(), wire.settings.trace.take())
        };
        drop(dropped);
    }
}
