//! A socket with what was read and what is to be written.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use deuteron_engine::{self as engine, OutBuf};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::timeout;

use crate::io::Stream;

/// How much is read before the engine gets it: large enough to pay for a turn, small enough that
/// other connections and the lock do not wait long.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// A read buffer that nobody uses: idle connections hold none.
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// How much memory for output a thread keeps for the next connection that wants to write.
const SPARE_OUTPUTS: usize = 2;

thread_local! {
    /// Output buffers that nobody uses, as for the input.
    static OUTPUTS: Cell<Vec<OutBuf>> = const { Cell::new(Vec::new()) };
}

/// Gives the engine memory to write into, if it has none.
pub(crate) fn lend_output(engine: &mut engine::Connection) {
    let mut outputs = OUTPUTS.take();
    let mut spare = outputs.pop();
    engine.lend(&mut spare);
    outputs.extend(spare);
    OUTPUTS.set(outputs);
}

/// Keeps memory that a connection does not use at the moment.
pub(crate) fn keep_output(spare: Option<OutBuf>) {
    let Some(spare) = spare else { return };
    let mut outputs = OUTPUTS.take();
    if outputs.len() < SPARE_OUTPUTS {
        outputs.push(spare);
    }
    OUTPUTS.set(outputs);
}

pub(crate) struct Wire {
    stream: Stream,
    pub(crate) input: BytesMut,
    pub(crate) out: OutBuf,
    /// Nothing more comes from the peer.
    pub(crate) ended: bool,
    /// When the peer last took something, while it leaves us waiting.
    pub(crate) stalled: Option<Instant>,
    pub(crate) error: Option<io::Error>,
    /// All that we had to say was said, while the peer may still be talking.
    pub(crate) farewell: bool,
}

/// How long a peer may go on talking after the last that we say.
const LINGER: Duration = Duration::from_secs(1);

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            out: OutBuf::new(),
            ended: false,
            stalled: None,
            error: None,
            farewell: false,
        }
    }

    /// Reads what is there, up to [`READ_SIZE`]. True if there was something: bytes or the end.
    pub(crate) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ended {
            return false;
        }
        if self.input.capacity() - self.input.len() < READ_SIZE / 4 {
            if self.input.is_empty()
                && let Some(spare) = SPARE.take()
            {
                self.input = spare;
            }
            self.input.reserve(READ_SIZE);
        }
        match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.ended = true,
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => {
                self.error = Some(error);
                self.ended = true;
            }
        }
        true
    }

    /// Writes what there is. False if the socket takes no more for now.
    pub(crate) fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        while self.out.has_remaining() {
            match self.write_some(cx) {
                Poll::Pending => {
                    self.stalled.get_or_insert(now);
                    return false;
                }
                Poll::Ready(Ok(0)) => {
                    self.fail(io::ErrorKind::WriteZero.into());
                    return true;
                }
                Poll::Ready(Ok(count)) => {
                    self.out.advance(count);
                    self.stalled = None;
                }
                Poll::Ready(Err(error)) => {
                    self.fail(error);
                    return true;
                }
            }
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => {
                self.stalled.get_or_insert(now);
                false
            }
            Poll::Ready(Ok(())) => {
                self.stalled = None;
                true
            }
            Poll::Ready(Err(error)) => {
                self.fail(error);
                true
            }
        }
    }

    fn write_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = self.out.chunks_vectored(&mut slices);
        if filled == 1 || !self.stream.is_write_vectored() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, self.out.chunk()))?;
            return Poll::Ready(Ok(count));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..filled])
    }

    fn fail(&mut self, error: io::Error) {
        // What could not be written never will be; what has come may still be read.
        self.out = OutBuf::new();
        self.stalled = None;
        self.ended = true;
        self.error.get_or_insert(error);
    }

    /// Ends our direction of the socket.
    pub(crate) fn shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map(drop)
    }

    /// Lets the socket go. A peer that was told the end may have more on the way, and closing at once would answer that
    /// with a reset, which makes its system forget what it has not read yet: our Close, and the reason in it. So the
    /// socket is read for a moment longer, until the peer has closed too.
    pub(crate) fn release(self) {
        if self.ended || !self.farewell {
            return;
        }
        let mut stream = self.stream;
        drop(tokio::spawn(async move {
            let drained = async {
                let mut unread = [0; 1024];
                while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
            };
            // However it ends, the socket is closed.
            drop(timeout(LINGER, drained).await);
        }));
    }

    /// Gives memory back before a sleep.
    pub(crate) fn rest(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 0 {
            let mut input = std::mem::take(&mut self.input);
            if input.try_reclaim(READ_SIZE) {
                SPARE.set(Some(input));
            }
        }
        keep_output(self.out.reclaim());
    }
}
