use bytes::Bytes;
use deuteron_engine::codec::{DeliveryState, Role};
use deuteron_engine::{Connection, Event};

/// What one side of a [`Pair`](crate::Pair) does by itself.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Answers open, begin and attach.
    pub accept: bool,
    /// Answers detach, end and close.
    pub close: bool,
    /// Credit window of the receivers that it answers with.
    pub credit: u32,
    /// Reads messages into [`Pair::inbox`](crate::Pair::inbox) as they arrive, and settles them with this state.
    pub settle_with: Option<DeliveryState>,
    /// Settles a send when the peer gave it an outcome.
    pub settle_sends: bool,
}

impl Answers {
    /// Nothing happens by itself.
    pub fn none() -> Self {
        Self { accept: false, close: false, credit: 0, settle_with: None, settle_sends: false }
    }

    /// Everything is answered, and messages are accepted.
    pub fn all() -> Self {
        let settle_with = Some(DeliveryState::Accepted);
        Self { accept: true, close: true, credit: 100, settle_with, settle_sends: true }
    }

    /// Acts on one event of an engine.
    pub(super) fn act(&self, engine: &mut Connection, event: Event, inbox: &mut Vec<Bytes>) {
        match event {
            Event::ConnectionOpened if self.accept => engine.open(),
            Event::SessionBegun(id) if self.accept => {
                engine.session(id).into_iter().for_each(|mut session| session.begin());
            }
            Event::LinkAttached(id) if self.accept => {
                let Some(mut link) = engine.link(id) else { return };
                if !link.local_state().is_open() {
                    if link.role() == Role::Receiver {
                        link.set_credit_window(self.credit);
                    }
                    link.attach();
                }
            }
            Event::LinkDetached(id) if self.close => {
                engine.link(id).into_iter().for_each(|mut link| link.detach(None));
            }
            Event::LinkClosed(id) if self.close => {
                engine.link(id).into_iter().for_each(|mut link| link.close(None));
            }
            Event::SessionEnded(id) if self.close => {
                engine.session(id).into_iter().for_each(|mut session| session.end(None));
            }
            Event::ConnectionClosed if self.close => engine.close(None),
            Event::Delivered(id) => {
                let (Some(state), Some(mut delivery)) = (&self.settle_with, engine.delivery(id)) else {
                    return;
                };
                inbox.push(delivery.take());
                delivery.disposition(Some(state.clone()), true);
            }
            Event::DeliveryUpdated(id) if self.settle_sends => {
                let Some(delivery) = engine.delivery(id) else { return };
                let terminal = delivery.remote_state().is_some_and(DeliveryState::is_terminal);
                let done = terminal || delivery.remotely_settled();
                let link = delivery.link();
                let outgoing =
                    link.and_then(|id| engine.link(id)).is_some_and(|link| link.role() == Role::Sender);
                if outgoing && done {
                    engine.delivery(id).into_iter().for_each(|mut delivery| delivery.settle());
                }
            }
            _ => {}
        }
    }
}
