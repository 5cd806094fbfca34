//! Primitive types that Rust does not have: decimals, timestamps, UUIDs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 1.6.13 An IEEE 754-2008 decimal of 32 bits, as its big-endian bytes. It is carried, not computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal32(pub [u8; 4]);

/// 1.6.14 An IEEE 754-2008 decimal of 64 bits, as its big-endian bytes. It is carried, not computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal64(pub [u8; 8]);

/// 1.6.15 An IEEE 754-2008 decimal of 128 bits, as its big-endian bytes. It is carried, not computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal128(pub [u8; 16]);

/// 1.6.17 A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Rounds down to milliseconds; what does not fit becomes the nearest that does.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => {
                let nanoseconds = before.duration().as_nanos();
                Self(i64::try_from(nanoseconds.div_ceil(1_000_000)).map_or(i64::MIN, |millis| -millis))
            }
        }
    }
}

impl Timestamp {
    /// The same point in time; `None` if it is too far away for the operating system.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// 1.6.18 A universally unique id, RFC 4122.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}
