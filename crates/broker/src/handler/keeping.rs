//! Links that are resumed: taken over from their former connection, and kept when they lose it.

use deuteron::{AmqpError, LinkHandle, Receiver, Sender, condition};

use super::{BrokerHandler, Consumer};
use crate::kept::{Former, Keep, Left, LinkKey, Reader};
use crate::ports::Outgoing;
use crate::terminus::WantedSource;

impl BrokerHandler {
    /// Who has, or had, the client's link of this name: it has lost its place (2.6.1).
    fn former(&self, key: &LinkKey) -> Option<Left> {
        let former = self.shared.kept().take(key)?;
        Some(match former {
            Former::Left(left) => left,
            Former::Attached(link, reader) => {
                // Nothing may be handed to it between the two.
                let router = self.shared.router();
                let suspended = link.take_suspended();
                let text = "another link of this name and container has taken its place";
                drop(link.close_with(AmqpError::new(condition::STOLEN, text)));
                drop(router);
                // Of what its connection is just working on, nobody knows what will be made of it.
                let suspended = suspended.filter(|suspended| suspended.undecided() == 0);
                Left { reader, suspended, ended: None }
            }
        })
    }

    /// Goes on with a consumer that this client had. `None`: it is to be made anew.
    pub(super) fn come_back(
        &mut self,
        sender: &Sender,
        container: &str,
        wanted: &WantedSource,
        outlet: impl FnOnce() -> Outgoing,
    ) -> Option<()> {
        let key = key(sender, container, true);
        let left = self.former(&key)?;
        let reader = left.reader?;
        let asked = sender.remote_attach().is_some_and(|attach| attach.unsettled.is_some());
        let is_same =
            (&wanted.source.address, &wanted.source.filter) == (&reader.asked.address, &reader.asked.filter);
        let same = wanted.resumes() && is_same && asked;
        let Some(suspended) = left.suspended.filter(|_| same) else {
            self.shared.router().forget_consumer(reader.id, left.ended);
            return None;
        };
        let outlet = outlet();
        let pause = std::sync::Arc::clone(&outlet.pause);
        if !self.shared.router().move_consumer(reader.id, self.id, outlet) {
            return None;
        }
        sender.set_source(reader.source.clone());
        sender.keep_unsettled();
        sender.restore(suspended);
        let consumer = Consumer { id: reader.id, pause, default: reader.default.clone() };
        self.consumers.insert((**sender).clone(), consumer);
        self.hold(sender, key, Some(reader.clone()), Keep::of_source(&reader.source));
        Some(())
    }

    /// A new consumer, which will be kept if the client asked for it.
    pub(super) fn keep_consumer(&mut self, sender: &Sender, container: &str, reader: Reader) {
        sender.keep_unsettled();
        let keep = Keep::of_source(&reader.source);
        self.hold(sender, key(sender, container, true), Some(reader), keep);
    }

    /// A producer's link goes on with what it has left, and will be kept.
    pub(super) fn keep_producer(&mut self, receiver: &Receiver, container: &str, keep: Option<Keep>) {
        let key = key(receiver, container, false);
        let suspended = self.former(&key).and_then(|left| left.suspended);
        let Some(keep) = keep else { return };
        receiver.keep_unsettled();
        let asked = receiver.remote_attach().is_some_and(|attach| attach.unsettled.is_some());
        if let Some(suspended) = suspended.filter(|suspended| asked && suspended.undecided() == 0) {
            receiver.restore(suspended);
        }
        self.hold(receiver, key, None, keep);
    }

    /// For how many seconds at most a link that wants to be resumed is kept. `None` if it is not.
    pub(super) fn keep_for(&self, container: &str, wants: bool) -> Option<u32> {
        let keeps = wants && !container.is_empty() && self.shared.kept().has_room();
        keeps.then(|| u32::try_from(self.shared.max_kept_time.as_secs()).unwrap_or(u32::MAX))
    }

    fn hold(&mut self, link: &LinkHandle, key: LinkKey, reader: Option<Reader>, keep: Keep) {
        self.shared.kept().attach(key.clone(), link.clone(), reader, keep);
        self.held.insert(link.clone(), key);
    }

    /// The link is off its wire. True if it is kept.
    pub(super) fn suspend(&mut self, link: &LinkHandle, over: bool) -> bool {
        let Some(key) = self.held.get(link).cloned() else { return false };
        let Some(suspended) = link.take_suspended() else { return false };
        if !self.shared.kept().suspend(&key, link, suspended, self.id, over) {
            return false;
        }
        self.held.remove(link);
        self.consumers.remove(link);
        true
    }

    /// The connection is over: its links may come back on another one.
    pub(super) fn suspend_all(&mut self) {
        let links: Vec<_> = self.held.keys().cloned().collect();
        for link in links {
            self.suspend(&link, true);
        }
        self.shared.kept().connection_over(self.id);
    }

    /// The link is over for good. True if another has taken its place: nothing of it is ours.
    pub(super) fn is_stolen(&mut self, link: &LinkHandle) -> bool {
        let Some(key) = self.held.remove(link) else { return false };
        !self.shared.kept().release(&key, link)
    }
}

fn key(link: &LinkHandle, container: &str, sends: bool) -> LinkKey {
    LinkKey { container: container.to_owned(), name: link.name().to_owned(), sends }
}
