//! What clients ask of a source or target, and what of it they get.

use std::sync::Arc;

use deuteron::codec::{DeleteOnClose, Described};
use deuteron::{
    AmqpError, DeliveryState, Map, Outcome, Receiver, Sender, SenderSettleMode, Source, Symbol, Target,
    TerminusDurability, TerminusExpiryPolicy, Value, condition,
};

use crate::router::{ConnectionId, Node};

/// The terminus capability of queues; the broker has no other nodes.
const QUEUE: Symbol = Symbol::from_static("queue");

/// What a client that receives asks for.
pub(crate) struct WantedSource {
    pub(crate) source: Source,
    pub(crate) snd_settle_mode: SenderSettleMode,
    pub(crate) browses: bool,
    /// The longest message that it takes.
    pub(crate) longest: u64,
}

/// What a client that sends asks for.
pub(crate) struct WantedTarget {
    target: Target,
}

/// What the client on the other side of `sender` asks for.
pub(crate) fn source(sender: &Sender) -> Result<WantedSource, AmqpError> {
    let attach = sender.remote_attach();
    let (longest, snd_settle_mode) =
        attach.as_ref().map_or((None, SenderSettleMode::Mixed), |a| (a.max_message_size, a.snd_settle_mode));
    let Some(source) = attach.and_then(|attach| attach.source) else {
        return Err(AmqpError::new(condition::INVALID_FIELD, "a link to receive on needs a source"));
    };
    let browses = source.distribution_mode.as_ref().is_some_and(|mode| mode.as_str() == "copy");
    let longest = longest.filter(|bytes| *bytes > 0).unwrap_or(u64::MAX);
    Ok(WantedSource { source: *source, snd_settle_mode, browses, longest })
}

impl WantedSource {
    /// The node to attach to.
    pub(crate) fn node(&self, connection: ConnectionId) -> Result<Node<'_>, AmqpError> {
        if self.source.dynamic {
            return Ok(Node::Temporary(connection));
        }
        self.source.address.as_deref().map(Node::Address).ok_or_else(|| {
            AmqpError::new(condition::INVALID_FIELD, "a source needs an address, unless it is dynamic")
        })
    }

    /// The source as it is granted (3.5.3): filters, subscriptions and durability are not.
    pub(crate) fn granted(&self, address: &Arc<str>) -> Source {
        Source {
            address: Some(address.to_string()),
            durable: TerminusDurability::None,
            expiry_policy: TerminusExpiryPolicy::LinkDetach,
            timeout: 0,
            dynamic: self.source.dynamic,
            dynamic_node_properties: self.source.dynamic.then(lifetime),
            distribution_mode: Some(Symbol::from_static(if self.browses { "copy" } else { "move" })),
            filter: None,
            default_outcome: Some(match &self.source.default_outcome {
                Some(outcome) if outcome.is_terminal() => outcome.clone(),
                _ => DeliveryState::Released,
            }),
            outcomes: ["accepted", "rejected", "released", "modified"]
                .map(|outcome| Symbol::from(format!("amqp:{outcome}:list")))
                .into(),
            capabilities: capabilities(&self.source.capabilities),
        }
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
    if receiver.targets_coordinator() {
        return Err(AmqpError::new(condition::NOT_IMPLEMENTED, "this broker has no transactions"));
    }
    match receiver.remote_target() {
        Some(target) => Ok(WantedTarget { target }),
        None => Err(AmqpError::new(condition::INVALID_FIELD, "a link to send on needs a target")),
    }
}

impl WantedTarget {
    /// The node to attach to; `None` for the anonymous relay.
    pub(crate) fn node(&self, connection: ConnectionId) -> Option<Node<'_>> {
        if self.target.dynamic {
            return Some(Node::Temporary(connection));
        }
        self.target.address.as_deref().map(Node::Address)
    }

    /// The target as it is granted (3.5.4).
    pub(crate) fn granted(&self, address: Option<&str>) -> Target {
        Target {
            address: address.map(str::to_owned),
            durable: TerminusDurability::None,
            expiry_policy: TerminusExpiryPolicy::LinkDetach,
            timeout: 0,
            dynamic: self.target.dynamic,
            dynamic_node_properties: self.target.dynamic.then(lifetime),
            capabilities: capabilities(&self.target.capabilities),
        }
    }
}

/// Of the capabilities asked for, those that are there.
fn capabilities(wanted: &[Symbol]) -> Vec<Symbol> {
    wanted.iter().filter(|wanted| **wanted == QUEUE).cloned().collect()
}

/// 3.5.9 How long a dynamic node lives.
fn lifetime() -> Map {
    let descriptor = Value::Ulong(DeleteOnClose::CODE);
    let policy = Described { descriptor, value: Value::List(Vec::new()) };
    let mut properties = Map::new();
    properties.insert(Symbol::from_static("lifetime-policy"), Value::Described(Box::new(policy)));
    properties
}
