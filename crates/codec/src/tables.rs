//! All tables of the crate in one place, for tracing, look-ups by name and comparison with the specification.

use crate::composite::{CompositeInfo, RestrictedInfo};
use crate::condition;
use crate::sections::section;
use crate::*;

/// Every composite type of the specification.
pub const COMPOSITES: &[CompositeInfo] = &[
    Open::INFO,
    Begin::INFO,
    Attach::INFO,
    Flow::INFO,
    Transfer::INFO,
    Disposition::INFO,
    Detach::INFO,
    End::INFO,
    Close::INFO,
    Error::INFO,
    Received::INFO,
    Accepted::INFO,
    Rejected::INFO,
    Released::INFO,
    Modified::INFO,
    Source::INFO,
    Target::INFO,
    DeleteOnClose::INFO,
    DeleteOnNoLinks::INFO,
    DeleteOnNoMessages::INFO,
    DeleteOnNoLinksOrMessages::INFO,
    Coordinator::INFO,
    Declare::INFO,
    Discharge::INFO,
    Declared::INFO,
    TransactionalState::INFO,
    SaslMechanisms::INFO,
    SaslInit::INFO,
    SaslChallenge::INFO,
    SaslResponse::INFO,
    SaslOutcome::INFO,
    Header::INFO,
    Properties::INFO,
];

/// Every restricted type of the specification that lists choices.
pub const RESTRICTED: &[RestrictedInfo] = &[
    Role::INFO,
    SenderSettleMode::INFO,
    ReceiverSettleMode::INFO,
    condition::AMQP_ERROR,
    condition::CONNECTION_ERROR,
    condition::SESSION_ERROR,
    condition::LINK_ERROR,
    condition::TRANSACTION_ERROR,
    TerminusDurability::INFO,
    TerminusExpiryPolicy::INFO,
    terminus::STD_DIST_MODE,
    transactions::TXN_CAPABILITY,
    SaslCode::INFO,
];

/// The sections of a message that are not composites: symbolic and numeric descriptors (3.2).
pub const SECTIONS: &[(&str, u64)] = &[
    ("amqp:delivery-annotations:map", section::DELIVERY_ANNOTATIONS),
    ("amqp:message-annotations:map", section::MESSAGE_ANNOTATIONS),
    ("amqp:application-properties:map", section::APPLICATION_PROPERTIES),
    ("amqp:data:binary", section::DATA),
    ("amqp:amqp-sequence:list", section::AMQP_SEQUENCE),
    ("amqp:amqp-value:*", section::AMQP_VALUE),
    ("amqp:footer:map", section::FOOTER),
];

/// The table of the composite type with this numeric descriptor.
#[must_use]
pub fn composite(code: u64) -> Option<&'static CompositeInfo> {
    COMPOSITES.iter().find(|info| info.code == code)
}
