//! Where messages come from and go to (3.5).

use crate::error::DecodeError;
use crate::skip::{Descriptor, unexpected_descriptor};
use crate::{Coordinator, Decode, DeliveryState, Encode, Map, Reader, Symbol, Writer};

composite! {
    /// 3.5.3 Where messages come from.
    pub struct Source = 0x28 "amqp:source:list" {
        /// The address of the node; absent if the peer is to make one up (`dynamic`).
        address: Option<String> as "*" [optional],
        /// What outlives the link's endpoints.
        durable: TerminusDurability as "terminus-durability" [default TerminusDurability::None],
        /// When the terminus starts to expire.
        expiry_policy: TerminusExpiryPolicy as "terminus-expiry-policy" [default TerminusExpiryPolicy::SessionEnd],
        /// How many seconds later it is gone.
        timeout: u32 as "seconds" [default 0],
        /// Whether the sending end is to create a node for this link.
        dynamic: bool as "boolean" [default false],
        /// Properties of the node that is created.
        dynamic_node_properties: Option<Map> as "node-properties" [optional],
        /// Whether messages are moved away from the node or copied: [`MOVE`] or [`COPY`].
        distribution_mode: Option<Symbol> as "symbol" [optional],
        /// Which messages are wanted: names with described values.
        filter: Option<Map> as "filter-set" [optional],
        /// What becomes of deliveries that the receiver settles without an outcome.
        default_outcome: Option<DeliveryState> as "*" [optional],
        /// The outcomes that may be used: their symbolic descriptors.
        outcomes: Vec<Symbol> as "symbol" [multiple],
        /// Extensions of the source.
        capabilities: Vec<Symbol> as "symbol" [multiple],
    }
}

composite! {
    /// 3.5.4 Where messages go to.
    pub struct Target = 0x29 "amqp:target:list" {
        /// The address of the node; absent if the peer is to make one up (`dynamic`).
        address: Option<String> as "*" [optional],
        /// What outlives the link's endpoints.
        durable: TerminusDurability as "terminus-durability" [default TerminusDurability::None],
        /// When the terminus starts to expire.
        expiry_policy: TerminusExpiryPolicy as "terminus-expiry-policy" [default TerminusExpiryPolicy::SessionEnd],
        /// How many seconds later it is gone.
        timeout: u32 as "seconds" [default 0],
        /// Whether the receiving end is to create a node for this link.
        dynamic: bool as "boolean" [default false],
        /// Properties of the node that is created.
        dynamic_node_properties: Option<Map> as "node-properties" [optional],
        /// Extensions of the target.
        capabilities: Vec<Symbol> as "symbol" [multiple],
    }
}

restricted! {
    /// 3.5.5 What outlives the endpoints of a link.
    #[derive(Default)]
    pub enum TerminusDurability: uint as "terminus-durability" {
        /// Nothing. The default.
        #[default]
        None = 0 "none",
        /// That the terminus exists, and how it is configured.
        Configuration = 1 "configuration",
        /// The state of unsettled deliveries too.
        UnsettledState = 2 "unsettled-state",
    }
}

restricted! {
    /// 3.5.6 When a terminus starts to expire.
    #[derive(Default)]
    pub enum TerminusExpiryPolicy: symbol as "terminus-expiry-policy" {
        /// When the link is detached.
        LinkDetach = "link-detach" "link-detach",
        /// When the last session that used it ends. The default.
        #[default]
        SessionEnd = "session-end" "session-end",
        /// When the last connection that used it is closed.
        ConnectionClose = "connection-close" "connection-close",
        /// Never.
        Never = "never" "never",
    }
}

restricted! {
    /// 3.5.7 What happens to messages that a source distributes.
    pub symbols STD_DIST_MODE as "std-dist-mode" {
        /// A message that is sent on one link is not available to others.
        MOVE = "move" "move",
        /// A message that is sent stays available to others.
        COPY = "copy" "copy",
    }
}

composite! {
    /// 3.5.10 A dynamic node lives until the link that made it is closed.
    pub struct DeleteOnClose = 0x2b "amqp:delete-on-close:list" {}
}

composite! {
    /// 3.5.11 A dynamic node lives while it has links.
    pub struct DeleteOnNoLinks = 0x2c "amqp:delete-on-no-links:list" {}
}

composite! {
    /// 3.5.12 A dynamic node lives while it has messages.
    pub struct DeleteOnNoMessages = 0x2d "amqp:delete-on-no-messages:list" {}
}

composite! {
    /// 3.5.13 A dynamic node lives while it has links or messages.
    pub struct DeleteOnNoLinksOrMessages = 0x2e "amqp:delete-on-no-links-or-messages:list" {}
}

impl Source {
    /// A source with this address.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }
}

impl Target {
    /// A target with this address.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }
}

/// What an attach may name as target: a node, or the coordinator of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachTarget {
    /// A node.
    Target(Target),
    /// The coordinator of transactions (4.2).
    Coordinator(Coordinator),
}

impl AttachTarget {
    /// The node's address, if the target is a node and has one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Target(target) => target.address.as_deref(),
            Self::Coordinator(_) => None,
        }
    }
}

impl Default for AttachTarget {
    fn default() -> Self {
        Self::Target(Target::default())
    }
}

impl From<Target> for AttachTarget {
    fn from(target: Target) -> Self {
        Self::Target(target)
    }
}

impl From<Coordinator> for AttachTarget {
    fn from(coordinator: Coordinator) -> Self {
        Self::Coordinator(coordinator)
    }
}

impl<'a> Decode<'a> for AttachTarget {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        match reader.read_known_descriptor("a target or coordinator")? {
            Target::CODE => Target::decode_list(reader).map(Self::Target),
            Coordinator::CODE => Coordinator::decode_list(reader).map(Self::Coordinator),
            code => Err(unexpected_descriptor("a target or coordinator", Descriptor::Code(code), at)),
        }
    }
}

impl Encode for AttachTarget {
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Target(target) => target.encode(writer),
            Self::Coordinator(coordinator) => coordinator.encode(writer),
        }
    }
}
