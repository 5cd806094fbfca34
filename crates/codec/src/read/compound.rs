//! Going into lists, maps and arrays, and out again.

use super::{Reader, unexpected};
use crate::codes;
use crate::error::{DecodeError, DecodeErrorKind};

/// Values are visited by recursion; this keeps it away from the end of the stack whatever [`Limits::depth`] says.
const DEEPEST: u16 = 256;

/// A list, map or array that is being read; give it back to [`Reader::end`].
#[must_use = "the reader stays inside the compound value until Reader::end"]
#[derive(Debug)]
pub struct Compound<'a> {
    after: &'a [u8],
    count: u32,
}

impl Compound<'_> {
    /// How many elements it has; a map's keys and values each count.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl<'a> Reader<'a> {
    /// Goes into a list (1.6.22); read [`Compound::count`] values, then call [`end`](Self::end).
    ///
    /// # Errors
    /// If no list stands here, its size is wrong, or a limit is exceeded.
    #[inline]
    pub fn begin_list(&mut self) -> Result<Compound<'a>, DecodeError> {
        let at = self.offset();
        let code = self.byte()?;
        self.enter_list(code, at)
    }

    /// Goes into a list whose constructor has been read.
    #[inline]
    pub(crate) fn enter_list(&mut self, code: u8, at: usize) -> Result<Compound<'a>, DecodeError> {
        match code {
            codes::LIST8 => {
                let [size, count] = self.bytes()?;
                self.enter(usize::from(size), 1, u32::from(count), true, at)
            }
            codes::LIST0 => self.enter(0, 0, 0, true, at),
            codes::LIST32 => self.enter32(true, at),
            code => Err(unexpected("list", code, at)),
        }
    }

    /// Goes into a map (1.6.23); its [`Compound::count`] is even, keys and values take turns.
    ///
    /// # Errors
    /// If no map stands here, its size is wrong, its count is odd, or a limit is exceeded.
    pub fn begin_map(&mut self) -> Result<Compound<'a>, DecodeError> {
        let at = self.offset();
        let code = self.byte()?;
        self.enter_map(code, at)
    }

    pub(crate) fn enter_map(&mut self, code: u8, at: usize) -> Result<Compound<'a>, DecodeError> {
        let map = match code {
            codes::MAP8 => {
                let [size, count] = self.bytes()?;
                self.enter(usize::from(size), 1, u32::from(count), true, at)?
            }
            codes::MAP32 => self.enter32(true, at)?,
            code => return Err(unexpected("map", code, at)),
        };
        if map.count % 2 == 1 {
            return Err(DecodeError::new(DecodeErrorKind::OddMap(map.count), at));
        }
        Ok(map)
    }

    /// Goes into an array (1.6.24), up to its element constructor.
    pub(crate) fn enter_array(&mut self, code: u8, at: usize) -> Result<Compound<'a>, DecodeError> {
        match code {
            codes::ARRAY8 => {
                let [size, count] = self.bytes()?;
                self.enter(usize::from(size), 1, u32::from(count), false, at)
            }
            codes::ARRAY32 => self.enter32(false, at),
            code => Err(unexpected("array", code, at)),
        }
    }

    fn enter32(&mut self, weighty: bool, at: usize) -> Result<Compound<'a>, DecodeError> {
        let size = u32::from_be_bytes(self.bytes()?);
        let count = u32::from_be_bytes(self.bytes()?);
        self.enter(size as usize, 4, count, weighty, at)
    }

    /// Narrows the reader to the body of a compound value. `width` is that of the count, which the size includes;
    /// `weighty` says that each element takes at least a byte.
    #[inline]
    fn enter(
        &mut self,
        size: usize,
        width: usize,
        count: u32,
        weighty: bool,
        at: usize,
    ) -> Result<Compound<'a>, DecodeError> {
        if size < width || (weighty && count as usize > size - width) {
            return Err(DecodeError::new(DecodeErrorKind::InvalidSize { size, count }, at));
        }
        if count > self.limits.count
            || size > self.limits.size
            || self.depth >= self.limits.depth.min(DEEPEST)
        {
            return Err(self.refuse(size, count, at));
        }
        let Some((inside, after)) = self.rest.split_at_checked(size - width) else {
            return Err(self.truncated(size - width));
        };
        self.rest = inside;
        self.end -= after.len();
        self.depth += 1;
        Ok(Compound { after, count })
    }

    #[cold]
    fn refuse(&self, size: usize, count: u32, at: usize) -> DecodeError {
        let kind = if count > self.limits.count {
            DecodeErrorKind::CountLimit { limit: self.limits.count, found: count }
        } else if size > self.limits.size {
            DecodeErrorKind::SizeLimit { limit: self.limits.size, found: size }
        } else {
            DecodeErrorKind::DepthLimit(self.limits.depth.min(DEEPEST))
        };
        DecodeError::new(kind, at)
    }

    /// Leaves a compound value.
    ///
    /// # Errors
    /// If bytes of it are left.
    #[inline]
    pub fn end(&mut self, compound: Compound<'a>) -> Result<(), DecodeError> {
        if !self.rest.is_empty() {
            return Err(self.error(DecodeErrorKind::TrailingBytes(self.rest.len())));
        }
        self.rest = compound.after;
        self.end += compound.after.len();
        self.depth -= 1;
        Ok(())
    }

    /// Goes one level deeper for a described value, which has no size of its own; `ascend` comes back.
    pub(crate) fn descend(&mut self) -> Result<(), DecodeError> {
        if self.depth >= self.limits.depth.min(DEEPEST) {
            return Err(self.refuse(0, 0, self.offset()));
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Pays for elements that take no bytes.
    pub(crate) fn charge_weightless(&mut self, count: u32) -> Result<(), DecodeError> {
        match self.weightless.checked_sub(count) {
            Some(left) => {
                self.weightless = left;
                Ok(())
            }
            None => Err(self.error(DecodeErrorKind::CountLimit { limit: self.limits.count, found: count })),
        }
    }
}
