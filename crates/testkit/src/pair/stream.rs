use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use deuteron_engine::Connection;

use crate::conversation::transmit;

/// One direction of the wire between two engines.
#[derive(Debug, Default)]
pub(super) struct Stream {
    in_flight: VecDeque<(Instant, Vec<u8>)>,
    input: BytesMut,
    /// Bytes that went in so far.
    carried: usize,
    /// Where the frames and headers end that the writer has written so far.
    ends: Vec<usize>,
    pub(super) cut_at: Option<usize>,
    /// The writer has ended.
    ended: bool,
    /// The reader was told.
    end_seen: bool,
}

impl Stream {
    /// Takes what the writer has to say. True if there was anything.
    pub(super) fn fill(&mut self, writer: &mut Connection, now: Instant, latency: Duration) -> bool {
        let mut bytes = transmit(writer, now);
        let moved = !bytes.is_empty();
        self.note_ends(&bytes);
        if let Some(cut_at) = self.cut_at {
            bytes.truncate(cut_at.saturating_sub(self.carried));
        }
        self.carried += bytes.len();
        if !bytes.is_empty() {
            self.in_flight.push_back((now + latency, bytes));
        }
        if writer.output_done() && !self.ended {
            self.ended = true;
            return true;
        }
        moved
    }

    /// Engines write whole frames.
    fn note_ends(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some([a, b, c, d]) = bytes.get(at..at + 4) {
            let length = if [*a, *b, *c, *d] == *b"AMQP" { 8 } else { u32::from_be_bytes([*a, *b, *c, *d]) };
            at += length.max(8) as usize;
            self.ends.push(self.carried + at);
        }
    }

    /// Where the frames and headers end that were written.
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// What is under way never arrives.
    pub(super) fn lose(&mut self) {
        self.in_flight.clear();
    }

    /// Hands the reader what has arrived, in chunks. True if there was anything.
    pub(super) fn empty(&mut self, reader: &mut Connection, now: Instant, chunk: usize) -> bool {
        let mut moved = false;
        while self.in_flight.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, bytes)) = self.in_flight.pop_front() else { break };
            for chunk in bytes.chunks(chunk) {
                self.input.extend_from_slice(chunk);
                reader.handle_input(&mut self.input, now);
            }
            moved = true;
        }
        if self.is_over() && !self.end_seen {
            self.end_seen = true;
            reader.handle_eof(now);
            return true;
        }
        moved
    }

    /// When the next bytes arrive.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.front().map(|(at, _)| *at)
    }

    /// Bytes that went in so far.
    pub(super) fn carried(&self) -> usize {
        self.carried
    }

    /// Whether the stream was cut at the byte where it should be.
    pub(super) fn is_cut(&self) -> bool {
        self.cut_at.is_some_and(|cut_at| self.carried >= cut_at)
    }

    /// The cable is pulled: what is under way still arrives, then the stream ends.
    pub(super) fn cut(&mut self) {
        self.cut_at = Some(self.carried);
        self.ended = true;
    }

    fn is_over(&self) -> bool {
        (self.ended || self.is_cut()) && self.in_flight.is_empty()
    }
}
