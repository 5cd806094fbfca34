//! What senders and receivers have in common.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use deuteron_codec::{
    Attach, AttachTarget, Coordinator, Error as AmqpError, Map, Role, Source, Symbol, Target,
};
use deuteron_engine::{EndpointState, Guarantee, LinkMut, Recovery, Suspended};

use crate::drive::shared::{Ending, LinkFacts, Owner};
use crate::drive::waits::{Closing, Goal};
use crate::options::{source_with_symbol_keys, target_with_symbol_keys};
use crate::{Connection, Error, Receiver, Sender, Session};

/// Closes a link when the last handle made by an async call goes.
pub(crate) struct LinkGuard {
    owner: Arc<Owner>,
    facts: Arc<LinkFacts>,
}

impl Drop for LinkGuard {
    fn drop(&mut self) {
        if self.facts.ended.get().is_none() {
            self.owner.shared.end(Ending::Link { id: self.facts.id, closed: true, error: None });
        }
    }
}

/// A link: the part that a [`Sender`] and a [`Receiver`] have in common. Both dereference to it.
///
/// Cheap to clone, `Send` and `Sync`; all clones are the same link, which lives on across
/// reconnects.
#[derive(Clone)]
pub struct LinkHandle {
    pub(crate) owner: Arc<Owner>,
    pub(crate) facts: Arc<LinkFacts>,
    pub(crate) guard: Option<Arc<LinkGuard>>,
}

impl LinkHandle {
    pub(crate) fn new(owner: Arc<Owner>, facts: Arc<LinkFacts>) -> Self {
        Self { owner, facts, guard: None }
    }

    /// The link closes when all clones of the result are gone.
    pub(crate) fn guarded(mut self) -> Self {
        self.guard =
            Some(Arc::new(LinkGuard { owner: Arc::clone(&self.owner), facts: Arc::clone(&self.facts) }));
        self
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&mut LinkMut<'_>) -> R) -> Option<R> {
        let mut core = self.owner.shared.lock();
        core.engine.link(self.facts.id).map(|mut link| read(&mut link))
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut LinkMut<'_>) -> R) -> Result<R, Error> {
        self.owner
            .shared
            .command(|core| core.engine.link(self.facts.id).map(|mut link| change(&mut link)))
            .ok_or_else(|| self.gone())
    }

    /// Why the link does not exist any more.
    pub(crate) fn gone(&self) -> Error {
        if let Some(Some(error)) = self.facts.ended.get() {
            return error.clone();
        }
        self.owner.shared.lock().over().unwrap_or_else(|| {
            Error::usage(format!("the link '{}' is closed", self.facts.name)).with_advice("open a new one")
        })
    }

    fn attach<R>(&self, read: impl FnOnce(&Attach) -> Option<R>) -> Option<R> {
        self.read(|link| link.remote_attach().and_then(read)).flatten()
    }

    /// The link's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// Whether we send on it.
    #[must_use]
    pub fn is_sender(&self) -> bool {
        self.facts.role == Role::Sender
    }

    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::from_owner(Arc::clone(&self.owner))
    }

    /// Its session.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(Arc::clone(&self.owner), self.facts.session)
    }

    /// Whether both sides are attached at the moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.owner.shared.lock().link_is_open(self.facts.id)
    }

    /// Whether it is closed for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.local_state() == EndpointState::Closed
    }

    /// What we have said of it.
    #[must_use]
    pub fn local_state(&self) -> EndpointState {
        self.read(|link| link.local_state()).unwrap_or(EndpointState::Closed)
    }

    /// What the peer has said of it.
    #[must_use]
    pub fn remote_state(&self) -> EndpointState {
        self.read(|link| link.remote_state()).unwrap_or(EndpointState::Closed)
    }

    /// The error that it failed with, if it did.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        if let Some(error) = self.facts.ended.get() {
            return error.clone();
        }
        self.owner.shared.lock().links.get(&self.facts.id)?.failure.clone()
    }

    /// Our source.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        self.read(|link| link.config().and_then(|config| config.source.clone())).flatten()
    }

    /// Our target. `None` also for the coordinator of transactions.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.read(|link| match link.config()?.target.as_ref()? {
            AttachTarget::Target(target) => Some(target.clone()),
            _ => None,
        })
        .flatten()
    }

    /// The peer's source: what it really gives, where ours is what we asked for.
    #[must_use]
    pub fn remote_source(&self) -> Option<Source> {
        self.attach(|attach| attach.source.as_deref().cloned())
    }

    /// The peer's target. `None` also for the coordinator of transactions.
    #[must_use]
    pub fn remote_target(&self) -> Option<Target> {
        self.attach(|attach| match attach.target.as_deref()? {
            AttachTarget::Target(target) => Some(target.clone()),
            _ => None,
        })
    }

    /// Whether the peer's target is the coordinator of transactions (spec 4.5.1).
    #[must_use]
    pub fn targets_coordinator(&self) -> bool {
        self.attach(|attach| Some(matches!(attach.target.as_deref()?, AttachTarget::Coordinator(_))))
            .unwrap_or(false)
    }

    /// The address at the peer: the peer's source for a receiver, its target for a sender; for a
    /// dynamic node the one that the peer chose.
    #[must_use]
    pub fn remote_address(&self) -> Option<String> {
        if self.is_sender() { self.remote_target()?.address } else { self.remote_source()?.address }
    }

    /// The address that we asked for.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        if self.is_sender() { self.target()?.address } else { self.source()?.address }
    }

    /// The properties in the peer's Attach.
    #[must_use]
    pub fn remote_properties(&self) -> Option<Map> {
        self.attach(|attach| attach.properties.clone())
    }

    /// The capabilities that the peer offers on the link.
    #[must_use]
    pub fn remote_offered_capabilities(&self) -> Vec<Symbol> {
        self.attach(|attach| Some(attach.offered_capabilities.clone())).unwrap_or_default()
    }

    /// The capabilities that the peer would like us to have.
    #[must_use]
    pub fn remote_desired_capabilities(&self) -> Vec<Symbol> {
        self.attach(|attach| Some(attach.desired_capabilities.clone())).unwrap_or_default()
    }

    /// The whole of the peer's Attach (spec 2.7.3).
    #[must_use]
    pub fn remote_attach(&self) -> Option<Attach> {
        self.attach(|attach| Some(attach.clone()))
    }

    /// Senders: messages that can be written now: what the peer takes, but 0 while others wait or
    /// the output is full, after which [`on_sendable`](crate::MessagingHandler::on_sendable) is
    /// called. Receivers: messages that the peer may still send.
    #[must_use]
    pub fn credit(&self) -> u32 {
        self.read(|link| match link.role() {
            Role::Sender => link.sendable(),
            Role::Receiver => u32::try_from(link.credit()).unwrap_or(0),
        })
        .unwrap_or(0)
    }

    /// Senders: [`credit`](Self::credit), and what the flow says beside it that gave it: both of the same moment, for a broker
    /// that has to know in which transaction it sends.
    #[must_use]
    pub fn credit_and_properties(&self) -> (u32, Option<Map>) {
        self.read(|link| (link.sendable(), link.remote_flow_properties().cloned())).unwrap_or_default()
    }

    /// What the peer's last flow on the link says beside credit (spec 2.7.4, properties); `None` for nothing. A broker finds
    /// there the transaction that messages are to be acquired in (`txn-id`, 4.4.3).
    #[must_use]
    pub fn remote_flow_properties(&self) -> Option<Map> {
        self.read(|link| link.remote_flow_properties().cloned()).flatten()
    }

    /// Senders: messages not written yet. Receivers: messages that nobody has taken yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.read(|link| link.queued()).unwrap_or(0)
    }

    /// How often a message arrives on this link if wires are lost: what our options ask for, as far as the peer's
    /// Attach says that it plays along. `None` while the peer has not attached. Ask again after a reconnect: it may
    /// be another peer.
    #[must_use]
    pub fn guarantee(&self) -> Option<Guarantee> {
        self.read(|link| link.guarantee()).flatten()
    }

    /// For servers: what is unsettled on this link of the peer's is remembered when its wire is lost, until
    /// [`take_suspended`](Self::take_suspended) takes it. Counts in
    /// [`on_link_opening`](crate::MessagingHandler::on_link_opening), or before the link is accepted.
    pub fn keep_unsettled(&self) {
        drop(self.change(|link| {
            if let Some(config) = link.config_mut() {
                config.recovery = Recovery::Resume;
            }
        }));
    }

    /// For servers: what is unsettled on a link that was to [keep](Self::keep_unsettled) it, for the link that the peer
    /// attaches in its place on another connection: see [`restore`](Self::restore). To be called when the wire is lost
    /// ([`on_transport_error`](crate::MessagingHandler::on_transport_error)), when the peer detaches or closes without closing
    /// the link, or when another link takes its place; close the link then.
    #[must_use]
    pub fn take_suspended(&self) -> Option<Suspended> {
        self.change(|link| link.take_suspended()).ok().flatten()
    }

    /// For servers: goes on with what a link of this name has left. Counts in
    /// [`on_link_opening`](crate::MessagingHandler::on_link_opening), or before the link is accepted. Outcomes are told by
    /// the callbacks of this link; deliveries keep their tags.
    pub fn restore(&self, suspended: Suspended) {
        drop(self.change(|link| link.restore(suspended)));
    }

    /// Deliveries that are not settled yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.read(|link| link.unsettled()).unwrap_or(0)
    }

    /// Sets our source; counts in [`on_link_opening`](crate::MessagingHandler::on_link_opening), or
    /// before the link is accepted.
    pub fn set_source(&self, source: Source) {
        let source = source_with_symbol_keys(source);
        self.owner.shared.command(|core| {
            if let Some(mut link) = core.engine.link(self.facts.id)
                && let Some(config) = link.config_mut()
            {
                config.source = Some(source);
            }
        });
    }

    /// Sets our target; counts in [`on_link_opening`](crate::MessagingHandler::on_link_opening), or
    /// before the link is accepted.
    pub fn set_target(&self, target: Target) {
        let target = target_with_symbol_keys(target);
        self.owner.shared.command(|core| {
            if let Some(mut link) = core.engine.link(self.facts.id)
                && let Some(config) = link.config_mut()
            {
                config.target = Some(AttachTarget::Target(target));
            }
        });
    }

    /// Makes our target the coordinator of transactions, with these capabilities (spec 4.5.1, 4.5.7); counts in
    /// [`on_link_opening`](crate::MessagingHandler::on_link_opening), or before the link is accepted.
    pub fn set_coordinator<S: Into<Symbol>>(&self, capabilities: impl IntoIterator<Item = S>) {
        let capabilities = capabilities.into_iter().map(Into::into).collect();
        self.owner.shared.command(|core| {
            if let Some(mut link) = core.engine.link(self.facts.id)
                && let Some(config) = link.config_mut()
            {
                config.target = Some(AttachTarget::Coordinator(Coordinator { capabilities }));
            }
        });
    }

    /// Refuses a link that the peer attached: the peer is told the error.
    pub fn reject(&self, error: AmqpError) {
        drop(self.change(|link| link.reject(error)));
    }

    /// Answers the peer's Attach. Where no source or target was set, the peer's is mirrored.
    /// A handler need not call it.
    pub fn accept(&self) {
        self.owner.shared.command(|core| {
            if let Some(mut link) = core.engine.link(self.facts.id) {
                answer_attach(&mut link);
            }
        });
    }

    /// Closes the link and its terminus, at once or after the callback that is running. The result
    /// may be awaited: it is ready when the peer has closed too, or fails after the deadline
    /// [`detach`](crate::Deadlines::detach). Dropping it changes nothing.
    pub fn close(&self) -> Closing {
        self.finish(true, None)
    }

    /// As [`close`](Self::close), and tells the peer an error.
    pub fn close_with(&self, error: AmqpError) -> Closing {
        self.finish(true, Some(error))
    }

    /// Detaches the link and keeps its terminus, that of a durable subscription for example
    /// (spec 2.6.4). Otherwise as [`close`](Self::close).
    pub fn detach(&self) -> Closing {
        self.finish(false, None)
    }

    fn finish(&self, closed: bool, error: Option<AmqpError>) -> Closing {
        self.owner.shared.end(Ending::Link { id: self.facts.id, closed, error });
        Closing::new(&self.owner, Goal::Link(Arc::clone(&self.facts)), self.facts.deadlines.detach)
    }
}

/// Attaches our side of a link that the peer began, mirroring the termini that were not set.
pub(crate) fn answer_attach(link: &mut LinkMut<'_>) {
    if link.local_state() != EndpointState::Uninit {
        return;
    }
    let Some(attach) = link.remote_attach() else { return };
    let (source, target) = (attach.source.as_deref().cloned(), attach.target.as_deref().cloned());
    if let Some(config) = link.config_mut() {
        if config.source.is_none() {
            config.source = source;
        }
        if config.target.is_none() {
            config.target = target;
        }
    }
    link.attach();
}

impl fmt::Debug for LinkHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.facts.name)
            .field("role", &self.facts.role)
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

impl PartialEq for LinkHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for LinkHandle {}

impl std::hash::Hash for LinkHandle {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.facts).hash(state);
    }
}

/// A link of either role, as callbacks get it. Dereferences to [`LinkHandle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// We send.
    Sender(Sender),
    /// We receive.
    Receiver(Receiver),
}

impl Link {
    pub(crate) fn from_handle(handle: LinkHandle) -> Self {
        if handle.is_sender() {
            Self::Sender(Sender::from_handle(handle))
        } else {
            Self::Receiver(Receiver::from_handle(handle))
        }
    }

    /// The sender, if that is what it is.
    #[must_use]
    pub fn as_sender(&self) -> Option<&Sender> {
        match self {
            Self::Sender(sender) => Some(sender),
            Self::Receiver(_) => None,
        }
    }

    /// The receiver, if that is what it is.
    #[must_use]
    pub fn as_receiver(&self) -> Option<&Receiver> {
        match self {
            Self::Receiver(receiver) => Some(receiver),
            Self::Sender(_) => None,
        }
    }
}

impl Deref for Link {
    type Target = LinkHandle;

    fn deref(&self) -> &LinkHandle {
        match self {
            Self::Sender(sender) => sender,
            Self::Receiver(receiver) => receiver,
        }
    }
}
