//! Addresses: what they say of the node they name, and which nodes there are.

use std::sync::Arc;

use deuteron::{AmqpError, condition};

use super::{ConnectionId, QueueId, TopicId};

/// Addresses of temporary nodes start with this; no other node has such an address.
pub(super) const TEMPORARY: &str = "deuteron:temporary:";

/// Longer addresses are refused, in bytes.
const MAX_ADDRESS: usize = 4096;

/// What a node does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each goes to one consumer.
    Queue,
    /// Each goes to every subscription.
    Topic,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
        }
    }
}

/// When a dynamic node goes (3.5.10 to 3.5.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// With the last link to it that is closed, and with its connection.
    #[default]
    OnClose,
    /// When no link to it is left.
    NoLinks,
    /// When its last message is gone.
    NoMessages,
    /// When neither is left.
    NoLinksOrMessages,
}

/// The node that a link is to be attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'a> {
    /// The one of this address, made if there is none: of this kind, or else as `new` says.
    Address { address: &'a str, kind: Option<Kind>, new: Kind },
    /// A new one.
    Temporary { owner: ConnectionId, kind: Kind, lifetime: Lifetime },
}

impl<'a> Node<'a> {
    /// A node of whatever kind the address is.
    #[cfg(test)]
    pub(crate) fn at(address: &'a str) -> Self {
        Self::Address { address, kind: None, new: Kind::Queue }
    }
}

/// A node that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Queue(QueueId),
    Topic(TopicId),
}

impl Found {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Queue(_) => Kind::Queue,
            Self::Topic(_) => Kind::Topic,
        }
    }
}

/// The name of a node, and what kind a prefix says it is.
///
/// # Errors
/// If nothing can be called that, or `kind` says otherwise.
pub(super) fn parse(address: &str, kind: Option<Kind>) -> Result<(&str, Option<Kind>), AmqpError> {
    let (name, said) = if let Some(name) = address.strip_prefix("queue://") {
        (name, Some(Kind::Queue))
    } else if let Some(name) = address.strip_prefix("topic://") {
        (name, Some(Kind::Topic))
    } else {
        (address, None)
    };
    if let (Some(kind), Some(said)) = (kind, said)
        && kind != said
    {
        let text =
            format!("the address '{address}' says {}, the capability says {}", said.name(), kind.name());
        return Err(AmqpError::new(condition::INVALID_FIELD, text));
    }
    if name.is_empty() || name.len() > MAX_ADDRESS {
        let text = format!("an address has 1 to {MAX_ADDRESS} bytes, this one has {}", name.len());
        return Err(AmqpError::new(condition::INVALID_FIELD, text));
    }
    Ok((name, kind.or(said)))
}

/// The error for a node that is asked for as another kind than it is.
pub(super) fn other_kind(address: &str, is: Kind) -> AmqpError {
    let text = format!("'{address}' is a {} here; use another address, or ask for a {0}", is.name());
    AmqpError::new(condition::NOT_ALLOWED, text)
}

pub(super) fn not_found(address: &str) -> AmqpError {
    let text = if address.starts_with(TEMPORARY) {
        format!("the temporary node '{address}' does not exist (any more)")
    } else {
        format!("'{address}' does not exist, and nothing is made on demand here: ask who runs the broker")
    };
    AmqpError::new(condition::NOT_FOUND, text)
}

/// The address of a temporary node.
pub(super) fn temporary(broker: &str, number: u64) -> Arc<str> {
    format!("{TEMPORARY}{broker}:{number}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_the_kind() {
        assert_eq!(parse("orders", None).unwrap(), ("orders", None));
        assert_eq!(parse("queue://orders", None).unwrap(), ("orders", Some(Kind::Queue)));
        assert_eq!(parse("topic://a/b", Some(Kind::Topic)).unwrap(), ("a/b", Some(Kind::Topic)));
        assert_eq!(parse("orders", Some(Kind::Topic)).unwrap(), ("orders", Some(Kind::Topic)));
    }

    #[test]
    fn what_contradicts_itself_or_names_nothing_is_refused() {
        let conflict = parse("queue://orders", Some(Kind::Topic)).unwrap_err();
        assert!(conflict.to_string().contains("says queue"), "{conflict}");
        assert!(parse("", None).is_err() && parse("topic://", None).is_err());
        assert!(parse(&"x".repeat(MAX_ADDRESS + 1), None).is_err());
    }
}
