//! Dispositions on their way out: neighbours with one outcome become one ranged frame (2.7.6).

use deuteron_codec::{DeliveryState, Disposition, Role};

use crate::serial::Serial;

#[derive(Debug)]
pub(crate) struct Pending {
    first: Serial,
    last: Serial,
    settled: bool,
    state: Option<DeliveryState>,
}

/// The range that is still growing, for one role.
#[derive(Debug, Default)]
pub(crate) struct Dispositions {
    pending: Option<Pending>,
}

impl Dispositions {
    /// Adds one delivery. If it does not continue the growing range, that range is handed back to be written.
    #[inline]
    pub(crate) fn add(
        &mut self,
        number: Serial,
        state: Option<DeliveryState>,
        settled: bool,
    ) -> Option<Pending> {
        if let Some(pending) = &mut self.pending
            && pending.last.add(1) == number
            && pending.settled == settled
            && pending.state == state
        {
            pending.last = number;
            return None;
        }
        self.pending.replace(Pending { first: number, last: number, settled, state })
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Pending> {
        self.pending.take()
    }
}

impl Pending {
    pub(crate) fn into_frame(self, role: Role) -> Disposition {
        Disposition {
            role,
            first: self.first.0,
            last: (self.last != self.first).then_some(self.last.0),
            settled: self.settled,
            state: self.state,
            batchable: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_with_one_outcome_are_one_frame() {
        let mut open = Dispositions::default();
        for n in [u32::MAX, 0, 1] {
            assert!(open.add(Serial(n), Some(DeliveryState::Accepted), true).is_none());
        }
        let broken =
            open.add(Serial(2), Some(DeliveryState::Released), true).map(|p| p.into_frame(Role::Receiver));
        let frame = broken.expect("another outcome breaks the range");
        assert_eq!((frame.first, frame.last, frame.settled), (u32::MAX, Some(1), true));
        assert!(open.add(Serial(4), Some(DeliveryState::Released), true).is_some(), "a gap breaks the range");
        let last = open.take().map(|p| p.into_frame(Role::Receiver)).expect("the last one is still open");
        assert_eq!((last.first, last.last), (4, None));
    }
}
