//! One side of an AMQP conversation, written down in advance.

mod expect;
mod prologue;
mod replies;
mod step;

pub use expect::Expect;
use step::{Expectation, Kind, Step};

use std::collections::VecDeque;
use std::fmt;

use crate::wire::{Composite, Frame, Incoming, Splitter, composite, header};

/// A peer that follows a script: what it expects, what it answers, what it sends of its own accord.
///
/// Steps may be added at any time; those that send run as soon as everything before them is done. The peer does
/// no I/O: feed it with [`input`](Self::input), take what it says from [`output`](Self::output), and call
/// [`check`](Self::check) at the end, which panics with the step that failed and what came instead.
///
/// ```
/// use deuteron_testkit::{ScriptedPeer, wire::{AMQP, Frame, composite, header}};
/// let mut peer = ScriptedPeer::new();
/// peer.expect_header(AMQP).respond();
/// peer.expect_open().container_id("me").respond();
///
/// peer.input(&header(AMQP));
/// peer.input(&Frame::new(0, composite("open").set("container-id", "me")).bytes());
/// assert!(peer.output().starts_with(b"AMQP"));
/// peer.check();
/// ```
#[derive(Default)]
pub struct ScriptedPeer {
    splitter: Splitter,
    steps: VecDeque<Step>,
    /// Number of steps done; the next one is `done + 1` in texts.
    done: usize,
    out: Vec<u8>,
    received: Vec<Incoming>,
    tolerated: Vec<&'static str>,
    failure: Option<String>,
    wire_dropped: bool,
    input_ended: bool,
}

impl ScriptedPeer {
    /// A peer with an empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets frames of this name (`"flow"`, `"empty frame"`) come at any time: they are logged and skipped
    /// unless the current step expects them.
    pub fn tolerate(&mut self, name: &'static str) -> &mut Self {
        self.tolerated.push(name);
        self
    }

    // What the script says --------------------------------------------------------------------------------------

    fn push(&mut self, step: Step) -> &mut Self {
        self.steps.push_back(step);
        self.advance();
        self
    }

    fn push_expectation(&mut self, kind: Kind) -> Expect<'_> {
        self.steps.push_back(Step::Expect(Expectation::new(kind)));
        let Some(Step::Expect(expectation)) = self.steps.back_mut() else { unreachable!("just pushed") };
        Expect::new(expectation)
    }

    /// Expects a protocol header with this protocol id.
    pub fn expect_header(&mut self, protocol: u8) -> Expect<'_> {
        self.push_expectation(Kind::Header(header(protocol)))
    }

    /// Expects a frame by the name of its performative.
    pub fn expect(&mut self, name: &'static str) -> Expect<'_> {
        self.push_expectation(Kind::Frame(name))
    }

    /// Expects a frame without a performative: a heartbeat.
    pub fn expect_empty_frame(&mut self) -> Expect<'_> {
        self.push_expectation(Kind::Frame("empty frame"))
    }

    /// Expects the other side to end its stream.
    pub fn expect_eof(&mut self) -> &mut Self {
        self.push(Step::ExpectEof)
    }

    /// Sends a protocol header for version 1.0.0.
    pub fn send_header(&mut self, protocol: u8) -> &mut Self {
        self.send_bytes(&header(protocol))
    }

    /// Sends a performative on a channel.
    pub fn send(&mut self, channel: u16, performative: Composite) -> &mut Self {
        self.send_frame(Frame::new(channel, performative))
    }

    /// Sends a frame.
    pub fn send_frame(&mut self, frame: Frame) -> &mut Self {
        self.send_bytes(&frame.bytes())
    }

    /// Sends a heartbeat.
    pub fn send_empty_frame(&mut self) -> &mut Self {
        self.send_frame(Frame::empty())
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.push(Step::Send(bytes.to_vec()))
    }

    /// Sends a transfer of a whole message with delivery-id and tag from `delivery_id`, on channel 0.
    pub fn send_transfer(&mut self, handle: u32, delivery_id: u32, payload: &[u8]) -> &mut Self {
        let transfer = composite("transfer")
            .set("handle", handle)
            .set("delivery-id", delivery_id)
            .set("delivery-tag", &delivery_id.to_be_bytes())
            .set("message-format", 0u32);
        self.send_frame(Frame::new(0, transfer).with_payload(payload))
    }

    /// Drops the connection: nothing that the other side sends later is looked at.
    pub fn drop_wire(&mut self) -> &mut Self {
        self.push(Step::DropWire)
    }

    // Running it ------------------------------------------------------------------------------------------------

    /// Bytes from the other side.
    pub fn input(&mut self, bytes: &[u8]) {
        if self.wire_dropped {
            return;
        }
        self.splitter.push(bytes);
        while self.failure.is_none() && !self.wire_dropped {
            match self.splitter.cut() {
                Ok(Some(incoming)) => self.received(incoming),
                Ok(None) => break,
                Err(text) => {
                    self.failure = Some(format!("{}; what came is no frame: {text}", self.position()));
                }
            }
        }
    }

    /// The other side has ended its stream.
    pub fn input_end(&mut self) {
        self.input_ended = true;
        self.advance();
    }

    /// Takes what the peer has to say.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Whether every step is done.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && self.failure.is_none()
    }

    /// Whether the script has dropped the connection.
    pub fn has_dropped_wire(&self) -> bool {
        self.wire_dropped
    }

    /// What went wrong, if anything did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What the peer is doing, for texts: the step it is at.
    pub fn position(&self) -> String {
        match self.steps.front() {
            Some(step) => format!("at step {} ({step})", self.done + 1),
            None => format!("after the last step ({})", self.done),
        }
    }

    /// Panics unless every step is done and nothing unexpected came.
    ///
    /// # Panics
    /// With the step, what it expected, and what came instead.
    #[track_caller]
    pub fn check(&self) {
        if let Some(failure) = &self.failure {
            panic!("the script failed {failure}\n{}", self.transcript());
        }
        assert!(self.steps.is_empty(), "the script still waits {}\n{}", self.position(), self.transcript());
    }

    /// All that was received, in order.
    pub fn received_all(&self) -> &[Incoming] {
        &self.received
    }

    /// All frames received with a performative of this name, in order.
    pub fn frames(&self, name: &str) -> Vec<&Frame> {
        let frames = self.received.iter().filter_map(|incoming| match incoming {
            Incoming::Frame(frame) => Some(frame),
            Incoming::Header(_) => None,
        });
        frames.filter(|frame| frame.name() == name).collect()
    }

    /// The last frame received with a performative of this name.
    ///
    /// # Panics
    /// If there was none.
    #[track_caller]
    pub fn last(&self, name: &str) -> &Frame {
        let last = self.frames(name).pop();
        last.unwrap_or_else(|| panic!("no {name} was received\n{}", self.transcript()))
    }

    /// What was received, one line each.
    pub fn transcript(&self) -> String {
        let mut text = String::from("received so far:\n");
        for incoming in &self.received {
            text.push_str(&format!("  {incoming}\n"));
        }
        if !self.splitter.rest().is_empty() {
            text.push_str(&format!("  and {} bytes of an unfinished frame\n", self.splitter.rest().len()));
        }
        text
    }

    fn received(&mut self, incoming: Incoming) {
        self.received.push(incoming.clone());
        match self.steps.front() {
            Some(Step::Expect(expectation)) => match expectation.matches(&incoming) {
                Ok(()) => self.answer(&incoming),
                Err(_) if self.is_tolerated(&incoming) => {}
                Err(reason) => self.failure = Some(format!("{}: {reason}; {incoming} came", self.position())),
            },
            _ if self.is_tolerated(&incoming) => {}
            _ => self.failure = Some(format!("{}: unexpected {incoming}", self.position())),
        }
    }

    fn is_tolerated(&self, incoming: &Incoming) -> bool {
        matches!(incoming, Incoming::Frame(frame) if self.tolerated.contains(&frame.name()))
    }

    fn answer(&mut self, incoming: &Incoming) {
        if let Some(Step::Expect(expectation)) = self.steps.pop_front() {
            self.done += 1;
            for reply in &expectation.replies {
                self.out.extend(reply(incoming));
            }
        }
        self.advance();
    }

    /// Runs the steps that need nothing from the other side.
    fn advance(&mut self) {
        while self.failure.is_none() {
            match self.steps.front() {
                Some(Step::Send(bytes)) => self.out.extend(bytes),
                Some(Step::DropWire) => self.wire_dropped = true,
                Some(Step::ExpectEof) if self.input_ended => {}
                _ => break,
            }
            self.steps.pop_front();
            self.done += 1;
        }
    }
}

impl fmt::Debug for ScriptedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptedPeer {}", self.position())
    }
}

#[cfg(test)]
mod tests;
