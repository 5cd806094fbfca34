//! How messages that came are settled, and how many handles of a delivery there are.

use deuteron_codec::{DeliveryState, Map, Modified, ReceiverSettleMode};
use deuteron_engine::{DeliveryId, LinkId};

use super::shared::Core;
use crate::Ack;
use crate::options::with_symbol_keys;

impl Core {
    /// One handle less. True if it was the last.
    pub(crate) fn forget_share(&mut self, id: DeliveryId) -> bool {
        match self.shares.get_mut(&id) {
            Some(1) => {
                self.shares.remove(&id);
                false
            }
            Some(count) => {
                *count -= 1;
                false
            }
            None => true,
        }
    }
}

/// The state that an `Ack` gives; `None` for [`Ack::Later`].
pub(crate) fn state_of(ack: Ack) -> Option<DeliveryState> {
    match ack {
        Ack::Accept => Some(DeliveryState::Accepted),
        Ack::Reject(error) => Some(DeliveryState::Rejected(error.map(Box::new))),
        Ack::Release => Some(DeliveryState::Released),
        Ack::Modify { delivery_failed, undeliverable_here, annotations } => {
            Some(modified(delivery_failed, undeliverable_here, annotations))
        }
        Ack::Later => None,
    }
}

pub(crate) fn modified(
    delivery_failed: bool,
    undeliverable_here: bool,
    annotations: Option<Map>,
) -> DeliveryState {
    DeliveryState::Modified(Box::new(Modified {
        delivery_failed,
        undeliverable_here,
        // Keys of annotations are symbols (3.2.10).
        message_annotations: annotations.map(with_symbol_keys),
    }))
}

/// Gives a message that came its outcome. `None` if it is settled already.
pub(crate) fn settle_incoming(core: &mut Core, id: DeliveryId, state: DeliveryState) -> Option<()> {
    let delivery = core.engine.delivery(id)?;
    let link = delivery.link()?;
    // Without its wire the sender's settlement will not come, unless the link is resumed.
    let awaited = delivery.is_live() || delivery.is_suspended();
    let settled = !awaited || !settles_second(core, link);
    let mut delivery = core.engine.delivery(id)?;
    delivery.disposition(Some(state), settled);
    Some(())
}

/// Whether a link's receiver settles only after the sender (2.8.3).
fn settles_second(core: &mut Core, link: LinkId) -> bool {
    core.engine.link(link).is_some_and(|link| {
        link.config().is_some_and(|config| config.rcv_settle_mode == ReceiverSettleMode::Second)
    })
}
