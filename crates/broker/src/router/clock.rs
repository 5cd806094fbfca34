//! The time, for what expires.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time, in milliseconds since 1970.
pub(crate) type Clock = Box<dyn Fn() -> u64 + Send>;

/// The system's.
pub(super) fn since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
