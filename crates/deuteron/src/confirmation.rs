//! Accepting a message, and waiting until its sender knows.

use std::future::poll_fn;
use std::sync::Arc;

use deuteron_engine::DeliveryId;

use crate::drive::shared::{Core, Owner};
use crate::drive::waiters::Waiter;
use crate::drive::waits::{Bound, poll_core};
use crate::{Delivery, Error, Fate, Outcome, Phase, Scope};

/// What is known of the confirmation is noted as long as this is there.
struct Note {
    owner: Arc<Owner>,
    id: DeliveryId,
}

impl Drop for Note {
    fn drop(&mut self) {
        self.owner.shared.lock().confirmations.remove(&self.id);
    }
}

impl Delivery {
    /// For a message that came: accepts it, and waits until the sender has settled it, which is to say that it will not be
    /// delivered again (spec 2.8.3, second). On a link that settles first there is nothing to wait for.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept); the deadline [`settle`](crate::Deadlines::settle); or that the link, or what its peer
    /// knew of it, is gone: with [`Fate::Unknown`], as the message may come again or not. On a link that
    /// [resumes](crate::ReceiverOptions::resume) it waits through a reconnect.
    ///
    /// # Cancel safety
    /// Dropped at any time, the message stays accepted, and nobody waits.
    pub async fn accept_confirmed(&self) -> Result<(), Error> {
        let shared = &self.owner.shared;
        shared.lock().confirmations.insert(self.id, None);
        let _note = Note { owner: Arc::clone(&self.owner), id: self.id };
        self.accept()?;
        {
            let mut core = shared.lock();
            let untold = matches!(core.confirmations.get(&self.id), Some(None));
            if untold && core.engine.delivery(self.id).is_none() {
                return Ok(());
            }
        }
        let bound = Bound::new(self.settle_deadline(), Scope::Delivery, Phase::Settle);
        let what = || "the sender did not settle the message".to_owned();
        poll_fn(|cx| poll_core(shared, cx, &bound, what, |core, waiter| look(core, self.id, waiter)))
            .await
            .map_err(|error| error.with_fate(Fate::Unknown))
    }
}

fn look(core: &mut Core, id: DeliveryId, waiter: &Waiter<'_>) -> Option<Result<(), Error>> {
    let unknown = "whether the sender has heard of the outcome is not known";
    match core.confirmations.get(&id) {
        Some(Some(Outcome::Lost)) => return Some(Err(Error::new(Scope::Delivery, unknown))),
        Some(Some(_)) => return Some(Ok(())),
        _ => {}
    }
    if let Some(over) = core.over() {
        return Some(Err(Error::new(Scope::Delivery, unknown).with_source(over)));
    }
    if core.engine.delivery(id).is_none() {
        return Some(Err(Error::new(Scope::Delivery, unknown)));
    }
    core.deliveries.entry(id).or_default().register(waiter);
    None
}
