//! What clients ask of a source or target, and what of it they get.

use std::sync::Arc;

use deuteron::codec::{
    DeleteOnClose, DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages, Described,
};
use deuteron::{
    AmqpError, DeliveryState, Map, Outcome, Receiver, ReceiverSettleMode, Sender, SenderSettleMode, Source,
    Symbol, Target, TerminusDurability, TerminusExpiryPolicy, Value, condition,
};

use crate::filter::Filters;
use crate::router::{
    ConnectionId, Expiry, Filter, Granted, Kind, Lifetime, Node, Subscribing, SubscriptionName,
};

/// What a client that receives asks for.
pub(crate) struct WantedSource {
    pub(crate) source: Source,
    pub(crate) snd_settle_mode: SenderSettleMode,
    rcv_settle_mode: ReceiverSettleMode,
    /// The longest message that it takes.
    pub(crate) longest: u64,
    pub(crate) filters: Filters,
    link: String,
}

/// What the client on the other side of `sender` asks for. `None` if it only names its link, to come back to a
/// subscription or to end it.
///
/// # Errors
/// What cannot be understood.
pub(crate) fn source(sender: &Sender) -> Result<Option<WantedSource>, AmqpError> {
    let Some(attach) = sender.remote_attach() else { return Ok(None) };
    let Some(source) = attach.source else { return Ok(None) };
    let filters = Filters::read(source.filter.as_ref())?;
    let longest = attach.max_message_size.filter(|bytes| *bytes > 0).unwrap_or(u64::MAX);
    let (snd_settle_mode, rcv_settle_mode) = (attach.snd_settle_mode, attach.rcv_settle_mode);
    let link = attach.name;
    Ok(Some(WantedSource { source: *source, snd_settle_mode, rcv_settle_mode, longest, filters, link }))
}

/// What a client that sends asks for.
pub(crate) struct WantedTarget {
    target: Target,
    rcv_settle_mode: ReceiverSettleMode,
    snd_settle_mode: SenderSettleMode,
}

/// The subscription that a link alone names. Shared ones have more behind a bar, as clients of JMS do it.
pub(crate) fn subscription_name(link: &str, container: &str, shared: bool, global: bool) -> SubscriptionName {
    let (name, rest) = link.split_once('|').unwrap_or((link, ""));
    let name = if shared || !rest.is_empty() { name } else { link };
    let global = global || rest.contains("global");
    SubscriptionName { container: (!global).then(|| container.to_owned()), name: name.to_owned() }
}

impl WantedSource {
    /// The node to attach to.
    ///
    /// # Errors
    /// If there is no address.
    pub(crate) fn node(&self, connection: ConnectionId) -> Result<Node<'_>, AmqpError> {
        let kind = kind(&self.source.capabilities);
        if self.source.dynamic {
            return Ok(temporary(connection, kind, self.source.dynamic_node_properties.as_ref()));
        }
        let address = self.source.address.as_deref().ok_or_else(|| {
            AmqpError::new(condition::INVALID_FIELD, "a source needs an address, unless it is dynamic")
        })?;
        // Who subscribes means a topic. A timeout alone may be there for the link to be resumed.
        let outlasts = self.timeout() > 0 && !self.resumes();
        let subscribes =
            self.has("shared") || expiry(self.source.expiry_policy) != Expiry::Detach || outlasts;
        Ok(Node::Address { address, kind, new: if subscribes { Kind::Topic } else { Kind::Queue } })
    }

    /// It wants to be resumed when its connection is lost.
    pub(crate) fn resumes(&self) -> bool {
        let outlives = outlives(self.source.expiry_policy, self.source.timeout);
        outlives
            && !self.browses()
            && !self.source.dynamic
            && settles_later(self.snd_settle_mode, self.rcv_settle_mode)
    }

    /// It wants copies of what is in a queue.
    pub(crate) fn browses(&self) -> bool {
        self.source.distribution_mode.as_ref().is_some_and(|mode| mode.as_str() == "copy")
    }

    /// How it would subscribe to a topic.
    pub(crate) fn subscribing(&self, connection: ConnectionId, container: &str) -> Subscribing {
        let shared = self.has("shared");
        let expiry = expiry(self.source.expiry_policy);
        let named = shared || expiry != Expiry::Detach || self.timeout() > 0;
        Subscribing {
            name: named.then(|| subscription_name(&self.link, container, shared, self.has("global"))),
            shared,
            expiry,
            timeout: self.timeout(),
            filter: Filter {
                selector: self.filters.selector.clone(),
                text: self.filters.text.clone(),
                granted: self.filters.granted(),
                not_from: self.filters.no_local.then_some(connection),
            },
        }
    }

    /// How many seconds a subscription outlasts the end of what it lasts as long as; one that never ends has no use for it.
    fn timeout(&self) -> u32 {
        if self.source.expiry_policy == TerminusExpiryPolicy::Never { 0 } else { self.source.timeout }
    }

    fn has(&self, capability: &str) -> bool {
        self.source.capabilities.iter().any(|wanted| wanted.as_str() == capability)
    }

    /// The source as it is granted (3.5.3): what is not in it is not there.
    ///
    /// A link to a queue outlives its connection for at most `keep` seconds, if it does.
    pub(crate) fn granted(&self, address: &Arc<str>, found: Kind, keep: Option<u32>) -> Source {
        let topic = found == Kind::Topic;
        let expiry = if topic || keep.is_some() { expiry(self.source.expiry_policy) } else { Expiry::Detach };
        let durable = if expiry == Expiry::Never { self.source.durable } else { TerminusDurability::None };
        let mode = if topic || self.browses() { "copy" } else { "move" };
        Source {
            address: Some(address.to_string()),
            durable,
            expiry_policy: policy(expiry),
            timeout: if topic { self.timeout() } else { keep.map_or(0, |most| self.timeout().min(most)) },
            dynamic: self.source.dynamic,
            dynamic_node_properties: granted_properties(
                self.source.dynamic,
                self.source.dynamic_node_properties.as_ref(),
            ),
            distribution_mode: Some(Symbol::from_static(mode)),
            filter: self.filters.granted(),
            default_outcome: Some(match &self.source.default_outcome {
                Some(outcome) if outcome.is_terminal() => outcome.clone(),
                _ => DeliveryState::Released,
            }),
            outcomes: outcomes(),
            capabilities: capabilities(&self.source.capabilities, found),
        }
    }
}

/// The source of a subscription that was asked for by its name alone.
pub(crate) fn resumed(address: &Arc<str>, subscription: Subscribing) -> Source {
    let expires = subscription.expiry;
    let never = expires == Expiry::Never;
    Source {
        address: Some(address.to_string()),
        durable: if never { TerminusDurability::UnsettledState } else { TerminusDurability::None },
        expiry_policy: policy(expires),
        timeout: subscription.timeout,
        distribution_mode: Some(Symbol::from_static("copy")),
        filter: subscription.filter.granted,
        default_outcome: Some(DeliveryState::Released),
        outcomes: outcomes(),
        capabilities: vec![Symbol::from_static("topic")],
        ..Source::default()
    }
}

fn outcomes() -> Vec<Symbol> {
    ["accepted", "rejected", "released", "modified"]
        .map(|outcome| Symbol::from(format!("amqp:{outcome}:list")))
        .into()
}

/// Whether a terminus is to be there after its link.
fn outlives(policy: TerminusExpiryPolicy, timeout: u32) -> bool {
    timeout > 0 || matches!(policy, TerminusExpiryPolicy::Never | TerminusExpiryPolicy::ConnectionClose)
}

/// Whether the receiver settles after the sender, without which nothing can be resumed with certainty.
fn settles_later(sender: SenderSettleMode, receiver: ReceiverSettleMode) -> bool {
    sender != SenderSettleMode::Settled && receiver == ReceiverSettleMode::Second
}

/// A session's end counts as that of its link: subscriptions that outlive a link outlive its session.
fn expiry(wanted: TerminusExpiryPolicy) -> Expiry {
    match wanted {
        TerminusExpiryPolicy::LinkDetach | TerminusExpiryPolicy::SessionEnd => Expiry::Detach,
        TerminusExpiryPolicy::ConnectionClose => Expiry::Connection,
        TerminusExpiryPolicy::Never => Expiry::Never,
    }
}

fn policy(granted: Expiry) -> TerminusExpiryPolicy {
    match granted {
        Expiry::Detach => TerminusExpiryPolicy::LinkDetach,
        Expiry::Connection => TerminusExpiryPolicy::ConnectionClose,
        Expiry::Never => TerminusExpiryPolicy::Never,
    }
}

/// The outcome of deliveries that the client settles without one.
pub(crate) fn default_outcome(source: &Source) -> Option<Outcome> {
    match source.default_outcome.as_ref()? {
        DeliveryState::Accepted => Some(Outcome::Accepted),
        DeliveryState::Rejected(error) => Some(Outcome::Rejected(error.as_deref().cloned())),
        DeliveryState::Modified(modified) => Some(Outcome::Modified {
            delivery_failed: modified.delivery_failed,
            undeliverable_here: modified.undeliverable_here,
            annotations: modified.message_annotations.clone(),
        }),
        _ => None,
    }
}

/// What the client on the other side of `receiver` asks for.
pub(crate) fn target(receiver: &Receiver) -> Result<WantedTarget, AmqpError> {
    match receiver.remote_target() {
        Some(target) => {
            let modes =
                receiver.remote_attach().map(|attach| (attach.snd_settle_mode, attach.rcv_settle_mode));
            let (snd_settle_mode, rcv_settle_mode) = modes.unwrap_or_default();
            Ok(WantedTarget { target, rcv_settle_mode, snd_settle_mode })
        }
        None => Err(AmqpError::new(condition::INVALID_FIELD, "a link to send on needs a target")),
    }
}

impl WantedTarget {
    /// The node to attach to; `None` for the anonymous relay.
    pub(crate) fn node(&self, connection: ConnectionId) -> Option<Node<'_>> {
        let kind = kind(&self.target.capabilities);
        if self.target.dynamic {
            return Some(temporary(connection, kind, self.target.dynamic_node_properties.as_ref()));
        }
        self.target.address.as_deref().map(|address| Node::Address { address, kind, new: Kind::Queue })
    }

    /// It wants to be resumed when its connection is lost.
    pub(crate) fn resumes(&self) -> bool {
        let outlives = outlives(self.target.expiry_policy, self.target.timeout);
        outlives && !self.target.dynamic && settles_later(self.snd_settle_mode, self.rcv_settle_mode)
    }

    /// The target as it is granted (3.5.4). It outlives its connection for at most `keep` seconds, if it does.
    pub(crate) fn granted(&self, found: Option<&Granted>, keep: Option<u32>) -> Target {
        let expiry = if keep.is_some() { expiry(self.target.expiry_policy) } else { Expiry::Detach };
        Target {
            address: found.map(|(address, _)| address.to_string()),
            durable: TerminusDurability::None,
            expiry_policy: policy(expiry),
            timeout: keep.map_or(0, |most| self.target.timeout.min(most)),
            dynamic: self.target.dynamic,
            dynamic_node_properties: granted_properties(
                self.target.dynamic,
                self.target.dynamic_node_properties.as_ref(),
            ),
            capabilities: found
                .map_or_else(Vec::new, |(_, kind)| capabilities(&self.target.capabilities, *kind)),
        }
    }
}

/// What kind of node the capabilities of a terminus ask for.
fn kind(capabilities: &[Symbol]) -> Option<Kind> {
    capabilities.iter().find_map(|capability| match capability.as_str() {
        "queue" | "temporary-queue" => Some(Kind::Queue),
        "topic" | "temporary-topic" => Some(Kind::Topic),
        _ => None,
    })
}

/// Of the capabilities asked for, those that are there.
fn capabilities(wanted: &[Symbol], found: Kind) -> Vec<Symbol> {
    let granted = |capability: &&Symbol| match capability.as_str() {
        "queue" | "temporary-queue" => found == Kind::Queue,
        "topic" | "temporary-topic" | "shared" | "global" => found == Kind::Topic,
        _ => false,
    };
    wanted.iter().filter(granted).cloned().collect()
}

const LIFETIME_POLICY: Symbol = Symbol::from_static("lifetime-policy");

fn temporary<'a>(owner: ConnectionId, kind: Option<Kind>, properties: Option<&Map>) -> Node<'a> {
    Node::Temporary { owner, kind: kind.unwrap_or(Kind::Queue), lifetime: lifetime(properties) }
}

/// How long a dynamic node is wanted to live (3.5.9).
fn lifetime(properties: Option<&Map>) -> Lifetime {
    let policy = properties.and_then(|properties| properties.get(LIFETIME_POLICY.as_str()));
    let Some(Value::Described(described)) = policy else { return Lifetime::OnClose };
    match &described.descriptor {
        Value::Ulong(DeleteOnNoLinks::CODE) => Lifetime::NoLinks,
        Value::Ulong(DeleteOnNoMessages::CODE) => Lifetime::NoMessages,
        Value::Ulong(DeleteOnNoLinksOrMessages::CODE) => Lifetime::NoLinksOrMessages,
        Value::Symbol(name) => match name.as_str() {
            DeleteOnNoLinks::NAME => Lifetime::NoLinks,
            DeleteOnNoMessages::NAME => Lifetime::NoMessages,
            DeleteOnNoLinksOrMessages::NAME => Lifetime::NoLinksOrMessages,
            _ => Lifetime::OnClose,
        },
        _ => Lifetime::OnClose,
    }
}

/// What is told of a dynamic node: how long it lives.
fn granted_properties(dynamic: bool, wanted: Option<&Map>) -> Option<Map> {
    let code = match lifetime(wanted) {
        Lifetime::OnClose => DeleteOnClose::CODE,
        Lifetime::NoLinks => DeleteOnNoLinks::CODE,
        Lifetime::NoMessages => DeleteOnNoMessages::CODE,
        Lifetime::NoLinksOrMessages => DeleteOnNoLinksOrMessages::CODE,
    };
    let policy = Described { descriptor: Value::Ulong(code), value: Value::List(Vec::new()) };
    let mut properties = Map::new();
    properties.insert(LIFETIME_POLICY, Value::Described(Box::new(policy)));
    dynamic.then_some(properties)
}
