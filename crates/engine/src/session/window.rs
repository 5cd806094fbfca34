//! Session flow control (2.5.6): transfer numbers and windows, in both directions.

use deuteron_codec::{Begin, Flow};

use crate::serial::Serial;

/// The peer sent a transfer that the incoming window did not allow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WindowViolation;

#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) next_outgoing: Serial,
    initial_outgoing: Serial,
    next_incoming: Serial,
    incoming: u32,
    incoming_max: u32,
    remote_incoming: u32,
    remote_outgoing: u32,
}

impl Window {
    pub(crate) fn new(next_outgoing_id: u32, incoming_max: u32) -> Self {
        let first = Serial(next_outgoing_id);
        Self {
            next_outgoing: first,
            initial_outgoing: first,
            incoming: incoming_max,
            incoming_max,
            ..Self::default()
        }
    }

    pub(crate) fn on_begin(&mut self, begin: &Begin) {
        self.next_incoming = Serial(begin.next_outgoing_id);
        self.remote_incoming = begin.incoming_window;
        self.remote_outgoing = begin.outgoing_window;
    }

    /// What the peer says of its windows, seen from what we have sent since (2.5.6).
    pub(crate) fn on_flow(&mut self, flow: &Flow) {
        let seen = flow.next_incoming_id.map_or(self.initial_outgoing, Serial);
        self.remote_incoming = self.next_outgoing.left_of(flow.incoming_window, seen);
        self.remote_outgoing = flow.outgoing_window;
    }

    pub(crate) fn on_transfer(&mut self) -> Result<(), WindowViolation> {
        let left = self.incoming.checked_sub(1).ok_or(WindowViolation)?;
        self.incoming = left;
        self.next_incoming = self.next_incoming.add(1);
        self.remote_outgoing = self.remote_outgoing.saturating_sub(1);
        Ok(())
    }

    /// Frames that we may send now.
    #[inline]
    pub(crate) fn sendable(&self) -> u32 {
        self.remote_incoming
    }

    #[inline]
    pub(crate) fn on_sent(&mut self) {
        self.next_outgoing = self.next_outgoing.add(1);
        self.remote_incoming = self.remote_incoming.saturating_sub(1);
    }

    pub(crate) fn half_used(&self) -> bool {
        self.incoming <= self.incoming_max / 2
    }

    /// Allows the peer so many frames from now on, or as many as it has been allowed before.
    pub(crate) fn refill(&mut self, frames: u32) {
        self.incoming = self.incoming.max(frames);
    }

    /// How many frames the first Begin allows.
    pub(crate) fn limit(&mut self, frames: u32) {
        (self.incoming, self.incoming_max) = (frames, frames);
    }

    pub(crate) fn incoming(&self) -> u32 {
        self.incoming
    }

    /// The session's part of a flow; `begun` is whether the peer's Begin is here (2.7.4, next-incoming-id).
    pub(crate) fn fill(&self, flow: &mut Flow, begun: bool, outgoing_window: u32) {
        flow.next_incoming_id = begun.then_some(self.next_incoming.0);
        flow.incoming_window = self.incoming;
        flow.next_outgoing_id = self.next_outgoing.0;
        flow.outgoing_window = outgoing_window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(next_incoming_id: Option<u32>, incoming_window: u32) -> Flow {
        Flow { next_incoming_id, incoming_window, ..Flow::default() }
    }

    #[test]
    fn a_flow_counts_what_was_sent_since_the_peer_wrote_it() {
        let mut window = Window::new(0, 10);
        window.on_begin(&Begin { incoming_window: 5, ..Begin::default() });
        for _ in 0..3 {
            window.on_sent();
        }
        assert_eq!(window.sendable(), 2);
        window.on_flow(&flow(Some(2), 5));
        assert_eq!(window.sendable(), 4);
        window.on_flow(&flow(None, 5));
        assert_eq!(window.sendable(), 2);
        window.on_flow(&flow(Some(1), 0));
        assert_eq!(window.sendable(), 0);
    }

    #[test]
    fn numbers_wrap() {
        let mut window = Window::new(u32::MAX, 10);
        window.on_begin(&Begin { incoming_window: 5, ..Begin::default() });
        window.on_sent();
        assert_eq!(window.next_outgoing, Serial(0));
        window.on_flow(&flow(Some(0), 5));
        assert_eq!(window.sendable(), 5);
    }

    #[test]
    fn one_transfer_too_many_is_a_violation() {
        let mut window = Window::new(0, 2);
        assert_eq!(window.on_transfer(), Ok(()));
        assert!(window.half_used());
        assert_eq!(window.on_transfer(), Ok(()));
        assert_eq!(window.on_transfer(), Err(WindowViolation));
        window.refill(2);
        assert_eq!(window.on_transfer(), Ok(()));
    }
}
