//! Serial numbers: 32-bit counters that wrap, compared as RFC 1982 says.
//!
//! AMQP uses them for transfer ids, delivery ids and delivery counts (specification, part 2, 2.8.10
//! `sequence-no`): plain integer comparison would go wrong once a counter passes its end.

/// A 32-bit serial number, `sequence-no` in the specification.
///
/// There is no `Ord`: the order of serial numbers is not transitive. Use [`is_before`](Self::is_before) and
/// [`distance`](Self::distance), which are right as long as the two numbers are less than 2^31 apart.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Serial(pub u32);

impl Serial {
    /// The number `n` places further on; wraps after `u32::MAX`.
    ///
    /// RFC 1982 defines the result only for `n` below 2^31; for a greater `n` the sum is still modulo 2^32, but
    /// no longer compares as later.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // the operand is a count, not a serial number
    pub(crate) fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// How many places `self` is after `earlier`; negative if it is before it.
    ///
    /// For two numbers exactly 2^31 apart, whose order RFC 1982 leaves undefined, this is `i32::MIN` both ways.
    #[must_use]
    pub(crate) fn distance(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// What is left of an allowance of `count` that was given when the counter stood at `given`, now that it stands
    /// at `self`. The allowance may be of any size; `u32::MAX` is a common way to say "no limit".
    #[must_use]
    pub(crate) fn left_of(self, count: u32, given: Self) -> u32 {
        let used = self.distance(given);
        if used < 0 {
            count.saturating_add(used.unsigned_abs())
        } else {
            count.saturating_sub(used.unsigned_abs())
        }
    }

    /// Whether `self` comes before `other`.
    #[must_use]
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.distance(other) < 0
    }
}

#[cfg(test)]
mod tests {
    use super::Serial;

    #[test]
    fn add_wraps_past_the_end() {
        for (start, n, sum) in
            [(0, 0, 0), (0, 1, 1), (u32::MAX, 1, 0), (u32::MAX - 2, 5, 2), (7, u32::MAX, 6)]
        {
            assert_eq!(Serial(start).add(n), Serial(sum), "{start} + {n}");
        }
    }

    #[test]
    fn an_allowance_of_any_size_is_used_up_by_counting() {
        assert_eq!(Serial(7).left_of(5, Serial(4)), 2);
        assert_eq!(Serial(2).left_of(u32::MAX, Serial(u32::MAX)), u32::MAX - 3);
        assert_eq!(Serial(9).left_of(5, Serial(4)), 0);
        assert_eq!(Serial(10).left_of(5, Serial(4)), 0);
        assert_eq!(Serial(3).left_of(5, Serial(4)), 6, "given for what is to come");
        assert_eq!(Serial(3).left_of(u32::MAX, Serial(4)), u32::MAX);
    }

    #[test]
    fn distance_is_signed_and_wraps() {
        let half = 1 << 31;
        for (later, earlier, distance) in [
            (0, 0, 0),
            (5, 3, 2),
            (3, 5, -2),
            (0, u32::MAX, 1),
            (u32::MAX, 0, -1),
            (2, u32::MAX - 2, 5),
            (half - 1, 0, i32::MAX),
            (half, 0, i32::MIN),
            (0, half, i32::MIN),
            (half + 1, 0, i32::MIN + 1),
        ] {
            assert_eq!(Serial(later).distance(Serial(earlier)), distance, "{later} - {earlier}");
        }
    }

    #[test]
    fn order_holds_across_the_wrap() {
        for start in [0, 1, 1000, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
            let start = Serial(start);
            assert!(!start.is_before(start));
            for n in [1, 2, 1000, i32::MAX.cast_unsigned()] {
                let later = start.add(n);
                assert!(start.is_before(later) && !later.is_before(start), "{start:?} then {n} on");
                assert_eq!(later.distance(start).cast_unsigned(), n);
            }
        }
    }
}
