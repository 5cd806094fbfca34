//! Bytes on their way out: small payloads are copied behind their frame header, large ones are chained.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// From this size on a payload is chained as it is instead of copied. Copying 4 KiB costs about as much as the
/// reference count, the queue entry and the extra `iovec` of a chained segment.
pub(crate) const CHAIN_THRESHOLD: usize = 32 * 1024;

/// Output of a [`Connection`](crate::Connection), ready for a vectored write.
///
/// It implements [`bytes::Buf`]: write [`chunks_vectored`](Buf::chunks_vectored), then [`advance`](Buf::advance) by what
/// was written.
#[derive(Debug, Default)]
pub struct OutBuf {
    segments: VecDeque<Bytes>,
    tail: BytesMut,
    chained: usize,
}

impl OutBuf {
    /// An empty buffer; it allocates when first written to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes not yet written.
    #[inline]
    pub fn len(&self) -> usize {
        self.chained + self.tail.len()
    }

    /// Whether all was written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.chained == 0 && self.tail.is_empty()
    }

    /// Where frames are encoded. Frames that were begun here must be ended before [`append`](Self::append).
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends a payload without copying it.
    pub(crate) fn append(&mut self, payload: Bytes) {
        if payload.is_empty() {
            return;
        }
        if !self.tail.is_empty() {
            let head = self.tail.split().freeze();
            self.chained += head.len();
            self.segments.push_back(head);
        }
        self.chained += payload.len();
        self.segments.push_back(payload);
    }

    /// Hands out the memory of an empty buffer, to be used by another one.
    pub fn reclaim(&mut self) -> Option<Self> {
        (self.is_empty() && self.tail.capacity() > 0).then(|| std::mem::take(self))
    }

    /// Whether it has no memory to write into.
    pub(crate) fn is_bare(&self) -> bool {
        self.is_empty() && self.tail.capacity() == 0
    }
}

impl Buf for OutBuf {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(&self.tail[..], |segment| &segment[..])
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
        for (slot, chunk) in dst.iter_mut().zip(self.segments.iter().map(|segment| &segment[..]).chain(tail))
        {
            *slot = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.segments.front_mut() {
            if count < front.len() {
                front.advance(count);
                self.chained -= count;
                return;
            }
            count -= front.len();
            self.chained -= front.len();
            self.segments.pop_front();
        }
        if count >= self.tail.len() {
            // `clear` keeps the allocation for the next turn; advancing would use it up.
            self.tail.clear();
        } else {
            self.tail.advance(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_and_chained_bytes_leave_in_order() {
        let mut out = OutBuf::new();
        out.tail().extend_from_slice(b"ab");
        out.append(Bytes::from_static(b"cd"));
        out.tail().extend_from_slice(b"ef");
        assert_eq!(out.len(), 6);
        {
            let mut slices = [IoSlice::new(&[]); 4];
            assert_eq!(out.chunks_vectored(&mut slices), 3);
        }
        let mut seen = Vec::new();
        while out.has_remaining() {
            seen.push(out.chunk()[0]);
            out.advance(1);
        }
        assert_eq!(seen, b"abcdef");
        assert!(out.is_empty());
    }

    #[test]
    fn advancing_over_several_segments_at_once() {
        let mut out = OutBuf::new();
        out.append(Bytes::from_static(b"abc"));
        out.append(Bytes::from_static(b"def"));
        out.tail().extend_from_slice(b"ghi");
        out.advance(7);
        assert_eq!(out.chunk(), b"hi");
        assert_eq!(out.len(), 2);
    }
}
