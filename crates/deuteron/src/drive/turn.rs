//! One turn of a bound connection: read, handle, dispatch, transmit, write, sleep.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deuteron_engine::EndpointState;

use super::shared::Core;
use super::wire::{Wire, keep_output, lend_output};
use super::{Driver, Handler, Overdue, SharedWire, failure, lock_wire, route, shutdown};
use crate::{Error, Phase, Scope};

/// Turns in one poll, before others get theirs.
const TURNS: usize = 16;

/// How long a connection that is never idle may go without having its deadlines looked at.
const PATIENCE: Duration = Duration::from_millis(50);

thread_local! {
    /// A batch that nobody uses: sleeping connections hold none.
    static SPARE: Cell<Vec<route::Notice>> = const { Cell::new(Vec::new()) };
}

/// How a wire ended.
#[derive(Debug)]
pub(super) enum WireEnd {
    /// Both sides have closed.
    Closed,
    /// Something failed.
    Failed(Error),
}

impl Driver {
    /// Runs turns until nothing is left to be done, or the wire has ended.
    pub(super) fn turns(
        &mut self,
        cx: &mut Context<'_>,
        handler: &mut Handler<'_>,
        wire: &SharedWire,
    ) -> Poll<WireEnd> {
        for _ in 0..TURNS {
            let now = Instant::now();
            if let Some(poll) = self.turn(cx, handler, wire, now) {
                return poll;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One turn. `None`: there may be more to do.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        handler: &mut Handler<'_>,
        shared_wire: &SharedWire,
        now: Instant,
    ) -> Option<Poll<WireEnd>> {
        let shared = Arc::clone(&self.shared);
        let mut wire = lock_wire(shared_wire);
        let has_read = wire.read(cx);
        let mut core = shared.lock();
        core.driver = None;
        self.take_in(&mut core, &mut wire, has_read, now);
        let has_batch = !self.batch.is_empty();
        if has_batch {
            core.dispatching = handler.is_some();
            drop(core);
            drop(wire);
            self.wake();
            self.dispatch(handler, now, Some((cx, shared_wire)));
            wire = lock_wire(shared_wire);
            core = shared.lock();
            self.conclude(&mut core);
        }
        if core.shutdown.is_some() {
            shutdown::look(&mut core, now);
        }
        let has_output = core.engine.poll_transmit(now, &mut wire.out);
        let idle = !has_read && !has_batch && !has_output && !core.engine.has_events();
        let blocked = wire.stalled.is_some();
        if idle && (wire.out.is_empty() || blocked) {
            return self.rest(cx, core, wire, now);
        }
        drop(core);
        if !wire.out.is_empty() {
            wire.write(cx, now);
        }
        drop(wire);
        self.wake();
        None
    }

    /// Gives the engine what was read, and takes what has happened.
    fn take_in(&mut self, core: &mut Core, wire: &mut Wire, has_read: bool, now: Instant) {
        if has_read {
            lend_output(&mut core.engine);
            if !wire.input.is_empty() {
                core.engine.handle_input(&mut wire.input, now);
            }
            if wire.ended {
                core.engine.handle_eof(now);
            }
        }
        match self.overdue {
            Overdue::No if core.engine.poll_timeout().is_some_and(|at| at <= now) => {
                self.overdue = Overdue::Suspected(now);
            }
            // A peer that never stops talking may be late all the same.
            Overdue::Suspected(since) if now.duration_since(since) > PATIENCE => {
                self.overdue = Overdue::Confirmed;
            }
            _ => {}
        }
        if self.overdue == Overdue::Confirmed {
            core.engine.handle_timeout(now);
            self.overdue = Overdue::No;
        }
        core.alarms.fire(now, &mut self.woken);
        if self.batch.capacity() == 0 && core.engine.has_events() {
            self.batch = SPARE.take();
        }
        route::route_all(core, &mut self.batch, &mut self.woken);
    }

    /// There is nothing to do: sleeps, unless the wire has ended.
    fn rest(
        &mut self,
        cx: &mut Context<'_>,
        mut core: MutexGuard<'_, Core>,
        mut wire: MutexGuard<'_, Wire>,
        now: Instant,
    ) -> Option<Poll<WireEnd>> {
        if let Some(end) = self.wire_end(&mut core, &mut wire, now) {
            drop(core);
            self.wake();
            // TLS has a farewell to say. Whether it arrives is nobody's concern.
            let _ = wire.shut_down(cx);
            return Some(Poll::Ready(end));
        }
        let shutdown = core.shutdown.as_ref().map(|shutdown| shutdown.until);
        let until = [core.engine.poll_timeout(), core.alarms.first(), self.write_deadline(&wire), shutdown];
        let until = match self.overdue {
            Overdue::Suspected(_) => Some(now + Duration::from_millis(1)),
            _ => until.into_iter().flatten().min(),
        };
        core.driver = Some(cx.waker().clone());
        core.driver_until = until;
        keep_output(core.engine.reclaim());
        drop(core);
        if self.batch.capacity() > 0 {
            SPARE.set(std::mem::take(&mut self.batch));
        }
        self.acks.shrink_to(16);
        wire.rest();
        // The socket may have become writable since; its waker was left by the last write.
        if wire.stalled.is_some() && wire.write(cx, now) {
            return None;
        }
        drop(wire);
        self.wake();
        if self.sleep_until(cx, until).is_pending() {
            return Some(Poll::Pending);
        }
        if matches!(self.overdue, Overdue::Suspected(_)) {
            self.overdue = Overdue::Confirmed;
        }
        None
    }

    /// Whether the wire has ended, when there is nothing left to be read, handled or written.
    fn wire_end(&mut self, core: &mut Core, wire: &mut Wire, now: Instant) -> Option<WireEnd> {
        if let Some(error) = self.failure.take() {
            return Some(WireEnd::Failed(error));
        }
        if let Some(error) = core.abort.take() {
            return Some(WireEnd::Failed(error));
        }
        if let Some(at) = self.write_deadline(wire)
            && at <= now
        {
            let length = self.shared.deadlines.write.unwrap_or_default();
            let text = format!("the peer took nothing of what we write for {length:?}");
            return Some(WireEnd::Failed(Error::deadline_passed(Scope::Connection, Phase::Write, text)));
        }
        // A client that never opened was let go of before it did: there is nobody to wait for.
        let abandoned = !self.shared.outgoing
            && core.engine.local_state() == EndpointState::Closed
            && core.engine.remote_open().is_none();
        if abandoned {
            return Some(WireEnd::Closed);
        }
        let done = core.engine.output_done() || (wire.ended && wire.error.is_some());
        if !done || (!wire.out.is_empty() && !wire.ended) {
            return None;
        }
        wire.farewell = core.engine.output_done();
        let socket = wire.error.take();
        if let Some(refused) = socket.as_ref().and_then(failure::from_tls) {
            return Some(WireEnd::Failed(refused));
        }
        Some(match core.engine.transport_failure() {
            Some(error) => WireEnd::Failed(failure::from_failure(error, socket)),
            None if core.engine.output_done() => WireEnd::Closed,
            None => {
                let error = Error::new(Scope::Connect, "the connection was lost").retryable(true);
                WireEnd::Failed(match socket {
                    Some(socket) => error.with_source(socket),
                    None => error,
                })
            }
        })
    }

    fn write_deadline(&self, wire: &Wire) -> Option<Instant> {
        wire.stalled?.checked_add(self.shared.deadlines.write?)
    }

    /// Arms the timer. Ready if the time has come.
    pub(super) fn sleep_until(&mut self, cx: &mut Context<'_>, until: Option<Instant>) -> Poll<()> {
        let Some(until) = until else { return Poll::Pending };
        // A timer that fires early costs one turn; setting it costs more, and is needed seldom.
        let armed = self.armed.is_some_and(|armed| armed <= until);
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !armed {
                    sleep.as_mut().reset(until.into());
                    self.armed = Some(until);
                }
                sleep
            }
            None => {
                self.armed = Some(until);
                self.sleep.insert(Box::pin(tokio::time::sleep_until(until.into())))
            }
        };
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.armed = None;
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
