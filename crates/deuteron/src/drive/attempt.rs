//! From one wire to the next: dial, bind, lose, retry, give up, end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deuteron_engine::reconnect::Next;
use deuteron_engine::{EndpointState, Remedy, Security};

use super::attempts::Attempts;
use super::servers::{self, KnownServer};
use super::shared::Status;
use super::turn::WireEnd;
use super::wire::Wire;
use super::{Driver, Handler, SharedWire, interrupted, route, shutdown, transactions};
use crate::io::Stream;
use crate::{Error, Phase as Wait, Scope};

/// A transport that is ready for AMQP.
pub(crate) struct Transport {
    pub(crate) stream: Stream,
    pub(crate) security: Security,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
}

pub(crate) type Dialling = Pin<Box<dyn Future<Output = Result<Transport, Error>> + Send>>;

/// What a driver is at.
pub(crate) enum Phase {
    Start,
    Waiting(Instant),
    Dialling { future: Dialling, since: Instant },
    Bound(SharedWire),
    Done,
}

impl Driver {
    /// Runs the connection. Ready when it is over for good.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, handler: &mut Handler<'_>) -> Poll<()> {
        loop {
            match &self.phase {
                Phase::Done => return Poll::Ready(()),
                Phase::Bound(wire) => {
                    let wire = Arc::clone(wire);
                    match self.turns(cx, handler, &wire) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(end) => {
                            drop(wire);
                            self.wire_ended(handler, end);
                        }
                    }
                }
                Phase::Start | Phase::Waiting(_) | Phase::Dialling { .. } => {
                    if self.poll_unbound(cx, handler).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn poll_unbound(&mut self, cx: &mut Context<'_>, handler: &mut Handler<'_>) -> Poll<()> {
        let now = Instant::now();
        let (closed, alarm, abort) = {
            let mut core = self.shared.lock();
            core.driver = Some(cx.waker().clone());
            // Not known yet: whoever sets an alarm before it is wakes us.
            core.driver_until = None;
            core.alarms.fire(now, &mut self.woken);
            shutdown::look(&mut core, now);
            route::route_all(&mut core, &mut self.batch, &mut self.woken);
            let shutdown = core.shutdown.as_ref().map(|shutdown| shutdown.until);
            let alarm = core.alarms.first().into_iter().chain(shutdown).min();
            (core.engine.local_state() == EndpointState::Closed, alarm, core.abort.take())
        };
        self.wake();
        let has_news = !self.batch.is_empty();
        self.dispatch_rest(handler);
        if let Some(error) = abort {
            self.failed(handler, error);
            return Poll::Ready(());
        }
        if closed {
            self.finish(handler, None);
            return Poll::Ready(());
        }
        if has_news {
            // Callbacks may have changed anything.
            return Poll::Ready(());
        }
        let until = match &mut self.phase {
            Phase::Start => {
                self.next_attempt(handler, None);
                return Poll::Ready(());
            }
            Phase::Waiting(until) if *until <= now => {
                self.next_attempt(handler, None);
                return Poll::Ready(());
            }
            Phase::Waiting(until) => Some(*until),
            Phase::Dialling { future, since } => match future.as_mut().poll(cx) {
                Poll::Ready(Ok(transport)) => {
                    let since = *since;
                    self.bind(transport, since, now);
                    return Poll::Ready(());
                }
                Poll::Ready(Err(error)) => {
                    self.failed(handler, error);
                    return Poll::Ready(());
                }
                Poll::Pending => None,
            },
            Phase::Bound(_) | Phase::Done => return Poll::Ready(()),
        };
        let until = until.into_iter().chain(alarm).min();
        self.shared.lock().driver_until = until;
        // Ready means: look again.
        self.sleep_until(cx, until)
    }

    /// Asks the reconnector what comes next. `error` is why the last attempt or wire ended.
    fn next_attempt(&mut self, handler: &mut Handler<'_>, error: Option<Error>) {
        let now = Instant::now();
        let changed = self.shared.lock().servers.take();
        let redirect = match &mut self.attempts {
            Attempts::Outgoing(outgoing) => {
                if let Some(servers) = changed {
                    outgoing.set_servers(servers);
                }
                outgoing.redirect.take()
            }
            Attempts::Incoming(_) => None,
        };
        let next = match &mut self.attempts {
            Attempts::Outgoing(_) if redirect.is_some() => Next::Dial(usize::MAX),
            Attempts::Outgoing(outgoing) => outgoing.reconnector.next(now),
            Attempts::Incoming(incoming) => {
                if let Some(future) = incoming.dialling.take() {
                    self.phase = Phase::Dialling { future, since: now };
                    return;
                }
                Next::GiveUp { attempts: 0 }
            }
        };
        if let Some(error) = &error {
            let will_retry = !matches!(next, Next::GiveUp { .. });
            self.tell(handler, |h, cx, connection| h.on_disconnected(cx, connection, error, will_retry));
            if self.shared.lock().engine.local_state() == EndpointState::Closed {
                self.finish(handler, None);
                return;
            }
        }
        match next {
            Next::Dial(address) => {
                if error.is_some() {
                    self.tell_reconnecting(handler, Duration::ZERO, u32::from(redirect.is_some()));
                }
                match redirect {
                    Some(server) => self.dial_to(server, now),
                    None => self.dial(address, now),
                }
            }
            Next::Wait { until, .. } => {
                self.tell_reconnecting(handler, until.saturating_duration_since(now), 1);
                self.phase = Phase::Waiting(until);
            }
            Next::GiveUp { attempts } => {
                let error =
                    error.unwrap_or_else(|| Error::new(Scope::Connect, "there is nothing to connect to"));
                tracing::error!(%error, attempts, "gave up connecting");
                self.tell(handler, |h, cx, connection| h.on_gave_up(cx, connection, &error, attempts));
                self.finish(handler, Some(error));
            }
        }
    }

    fn tell_reconnecting(&self, handler: &mut Handler<'_>, delay: Duration, ahead: u32) {
        let Attempts::Outgoing(outgoing) = &self.attempts else { return };
        // The reconnector counts an attempt when it says `Dial`.
        let attempt = outgoing.reconnector.attempts() + ahead;
        tracing::info!(attempt, ?delay, "reconnecting");
        self.tell(handler, |h, cx, connection| h.on_reconnecting(cx, connection, attempt, delay));
    }

    fn dial(&mut self, address: usize, now: Instant) {
        let Attempts::Outgoing(outgoing) = &mut self.attempts else { return };
        let Some(server) = outgoing.servers.get(address).cloned() else { return };
        outgoing.attempt = outgoing.reconnector.attempts();
        self.dial_to(server, now);
    }

    fn dial_to(&mut self, server: KnownServer, now: Instant) {
        let Attempts::Outgoing(outgoing) = &mut self.attempts else { return };
        outgoing.url = server.url.to_string();
        let options = server.options(&outgoing.options);
        {
            let mut core = self.shared.lock();
            core.url = Some(outgoing.url.clone());
            let config = core.engine.config_mut();
            config.hostname = servers::virtual_host(&options, &server.url);
            config.sasl = servers::sasl(&options, &server.url);
        }
        tracing::debug!(url = %outgoing.url, attempt = outgoing.attempt, "dialling");
        let future = super::dial::dial(server.url.clone(), &options, self.surroundings.container.tls());
        outgoing.present = Some(server);
        self.phase = Phase::Dialling { future, since: now };
    }

    fn bind(&mut self, transport: Transport, since: Instant, now: Instant) {
        let Transport { stream, security, local, remote } = transport;
        let spent = now.saturating_duration_since(since);
        let deadlines = self.shared.deadlines;
        let (whole, own) = match &self.attempts {
            Attempts::Outgoing(_) => (deadlines.establish, deadlines.open),
            Attempts::Incoming(incoming) => (incoming.handshake, None),
        };
        let rest = whole.map(|whole| whole.saturating_sub(spent).max(Duration::from_millis(1)));
        let mut core = self.shared.lock();
        core.remote_addr = remote;
        core.local_addr = local;
        core.engine.config_mut().handshake_timeout = rest.into_iter().chain(own).min();
        core.wires += 1;
        core.engine.bind(security, now);
        drop(core);
        let wire = Arc::new(Mutex::new(Wire::new(stream)));
        self.phase = Phase::Bound(wire);
    }

    fn wire_ended(&mut self, handler: &mut Handler<'_>, end: WireEnd) {
        let now = Instant::now();
        // The socket goes before anybody is told: who listens on its port may come back at once.
        if let Phase::Bound(wire) = std::mem::replace(&mut self.phase, Phase::Start)
            && let Some(wire) = Arc::into_inner(wire)
        {
            wire.into_inner().unwrap_or_else(PoisonError::into_inner).release();
        }
        let closed = {
            let mut core = self.shared.lock();
            core.engine.unbind(None, now);
            core.end_what_went_with_the_wire(&mut self.woken);
            route::route_all(&mut core, &mut self.batch, &mut self.woken);
            transactions::wire_lost(&mut core, &mut self.woken);
            self.batch.append(&mut core.unheard);
            core.engine.local_state() == EndpointState::Closed
        };
        self.wake();
        self.dispatch_rest(handler);
        match end {
            WireEnd::Closed => {
                let error = self.attempts.take_end().flatten();
                self.finish(handler, error);
            }
            WireEnd::Failed(error) if closed => {
                // We had closed. That the peer did not answer matters, how its socket went does not.
                let own = (error.deadline() == Some(Wait::Close)).then_some(error);
                let error = self.attempts.take_end().flatten().or(own);
                self.finish(handler, error);
            }
            WireEnd::Failed(error) => self.failed(handler, error),
        }
    }

    /// An attempt has failed, or the wire was lost.
    fn failed(&mut self, handler: &mut Handler<'_>, error: Error) {
        let error = self.attempts.label_error(error);
        {
            let mut core = self.shared.lock();
            core.status = Status::Connecting(Some(error.clone()));
            core.forget_undelivered();
        }
        if let Attempts::Incoming(incoming) = &self.attempts
            && !self.announced
        {
            tracing::debug!(%error, "an incoming connection failed before it was open");
            incoming.permit.report(error.clone());
            self.finish(handler, Some(error));
            return;
        }
        tracing::debug!(%error, "transport failed");
        self.tell(handler, |h, cx, connection| h.on_transport_error(cx, connection, &error));
        match &mut self.attempts {
            Attempts::Outgoing(outgoing) => {
                let remedies = &outgoing.options.remedies;
                let was_open = outgoing.reconnector.is_connected();
                match interrupted::remedy(remedies, &error, was_open) {
                    Remedy::GiveUp if was_open => outgoing.reconnector.stop(),
                    Remedy::GiveUp => outgoing.reconnector.strike(),
                    Remedy::Retry => outgoing.reconnector.stay(),
                    Remedy::NextAddress => outgoing.reconnector.skip(),
                    _ => {}
                }
                self.next_attempt(handler, Some(error));
            }
            Attempts::Incoming(_) => {
                self.tell(handler, |h, cx, connection| h.on_disconnected(cx, connection, &error, false));
                self.finish(handler, Some(error));
            }
        }
    }

    /// The connection is over for good.
    pub(super) fn finish(&mut self, handler: &mut Handler<'_>, error: Option<Error>) {
        self.phase = Phase::Done;
        self.lose_what_waits();
        self.dispatch_rest(handler);
        self.end(error);
        if self.announced || self.shared.outgoing {
            self.tell(handler, |h, cx, connection| h.on_connection_closed(cx, connection));
        }
    }

    /// What a handler has sent and nobody has settled, or that was never written, is reported before its link goes.
    /// Futures that wait for an outcome are told why instead, by [`end`](Self::end).
    fn lose_what_waits(&mut self) {
        let mut core = self.shared.lock();
        core.engine.close(None);
        let coordinator = core.transactions.coordinator;
        let links = core.links.values().map(|link| &link.facts);
        let handled: Vec<_> = links
            .filter(|facts| !facts.pull || coordinator == Some(facts.id))
            .map(|facts| facts.id)
            .collect();
        for link in handled {
            if let Some(mut link) = core.engine.link(link) {
                link.abandon();
            }
        }
        route::route_all(&mut core, &mut self.batch, &mut self.woken);
    }

    /// Tells all handles that the connection is over.
    fn end(&mut self, error: Option<Error>) {
        let mut core = self.shared.lock();
        core.engine.close(None);
        core.status = Status::Over(error);
        let over = core.over();
        let links: Vec<_> = core.links.keys().copied().collect();
        for link in links {
            core.forget_link(link, over.clone(), &mut self.woken);
        }
        core.wake_all(&mut self.woken);
        core.alarms.fire_all(&mut self.woken);
        let kept = transactions::take_kept(&mut core);
        drop(core);
        drop(kept);
        self.wake();
    }

    pub(super) fn label(&self) -> String {
        match &self.attempts {
            Attempts::Outgoing(outgoing) => outgoing.url.clone(),
            Attempts::Incoming(_) => self
                .shared
                .lock()
                .remote_addr
                .map_or_else(|| "incoming".into(), |address| address.to_string()),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Done) {
            self.phase = Phase::Done;
            let error = Error::new(Scope::Connection, "what ran the connection has stopped")
                .with_advice("keep the runtime, or the container's loop, running");
            self.end(Some(error));
        }
    }
}
