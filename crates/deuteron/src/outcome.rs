//! What became of a sent message.

use deuteron_codec::{DeliveryState, Error as AmqpError, Map};

/// What the receiver made of a message (spec 3.4), as far as it can be known.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use]
pub enum Outcome {
    /// The receiver has taken responsibility for it.
    Accepted,
    /// It was invalid; the receiver may say why.
    Rejected(Option<AmqpError>),
    /// It was not and will not be acted on.
    Released,
    /// As released, with changes.
    Modified {
        /// It counts as a failed attempt.
        delivery_failed: bool,
        /// Do not send it to this link again.
        undeliverable_here: bool,
        /// To be merged into the message annotations.
        annotations: Option<Map>,
    },
    /// Settled without an outcome: it was sent settled, or the peer settled it without a word.
    Settled,
    /// The wire, the session or the link went before the peer had settled it: it may have been
    /// processed or not.
    Lost,
    /// It was not sent: the link or connection ended first.
    NotSent,
    /// A state of another specification.
    Other(Box<DeliveryState>),
}

impl Outcome {
    /// Whether the receiver accepted it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }

    /// What it will be when its transaction, if it has one, is committed (4.4.1).
    pub(crate) fn provisional(self) -> Self {
        match self {
            Self::Other(state) => match *state {
                DeliveryState::Transactional(state) => Self::from_state(state.outcome.as_ref()),
                _ => Self::Other(state),
            },
            known => known,
        }
    }

    pub(crate) fn from_state(state: Option<&DeliveryState>) -> Self {
        match state {
            None | Some(DeliveryState::Received(_)) => Self::Settled,
            Some(DeliveryState::Accepted) => Self::Accepted,
            Some(DeliveryState::Rejected(error)) => Self::Rejected(error.as_deref().cloned()),
            Some(DeliveryState::Released) => Self::Released,
            Some(DeliveryState::Modified(modified)) => Self::Modified {
                delivery_failed: modified.delivery_failed,
                undeliverable_here: modified.undeliverable_here,
                annotations: modified.message_annotations.clone(),
            },
            Some(other) => Self::Other(Box::new(other.clone())),
        }
    }
}

/// Whether a peer's state tells what becomes of a message, if only should its transaction be committed.
pub(crate) fn has_outcome(state: &DeliveryState) -> bool {
    match state {
        DeliveryState::Transactional(state) => state.outcome.is_some(),
        state => state.is_terminal(),
    }
}
