//! The error conditions of the specification, as symbols.

restricted! {
    /// 2.8.15 Errors of any endpoint.
    pub symbols AMQP_ERROR as "amqp-error" {
        /// An internal error; an operator may have to look.
        INTERNAL_ERROR = "amqp:internal-error" "internal-error",
        /// The peer asked for something that does not exist.
        NOT_FOUND = "amqp:not-found" "not-found",
        /// The peer may not do this, for security or policy reasons.
        UNAUTHORIZED_ACCESS = "amqp:unauthorized-access" "unauthorized-access",
        /// What came could not be decoded.
        DECODE_ERROR = "amqp:decode-error" "decode-error",
        /// The peer used up what it was allowed.
        RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded" "resource-limit-exceeded",
        /// A frame that the rules of the protocol forbid here.
        NOT_ALLOWED = "amqp:not-allowed" "not-allowed",
        /// An invalid field in a frame.
        INVALID_FIELD = "amqp:invalid-field" "invalid-field",
        /// Something that this implementation does not do.
        NOT_IMPLEMENTED = "amqp:not-implemented" "not-implemented",
        /// Somebody else holds exclusive access.
        RESOURCE_LOCKED = "amqp:resource-locked" "resource-locked",
        /// A precondition was not met.
        PRECONDITION_FAILED = "amqp:precondition-failed" "precondition-failed",
        /// What the peer works with was deleted.
        RESOURCE_DELETED = "amqp:resource-deleted" "resource-deleted",
        /// A frame that may not be sent in the current state.
        ILLEGAL_STATE = "amqp:illegal-state" "illegal-state",
        /// A frame that must fit would not fit into the peer's maximum frame size.
        FRAME_SIZE_TOO_SMALL = "amqp:frame-size-too-small" "frame-size-too-small",
    }
}

restricted! {
    /// 2.8.16 Errors of a connection.
    pub symbols CONNECTION_ERROR as "connection-error" {
        /// An operator closed the connection; trying again later may work.
        CONNECTION_FORCED = "amqp:connection:forced" "connection-forced",
        /// Bytes that are not valid frames.
        FRAMING_ERROR = "amqp:connection:framing-error" "framing-error",
        /// The container is to be found elsewhere; the address is in the error's info.
        CONNECTION_REDIRECT = "amqp:connection:redirect" "redirect",
    }
}

restricted! {
    /// 2.8.17 Errors of a session.
    pub symbols SESSION_ERROR as "session-error" {
        /// The peer sent more transfers than the incoming window allows.
        WINDOW_VIOLATION = "amqp:session:window-violation" "window-violation",
        /// Something arrived for a link that was detached with an error before.
        ERRANT_LINK = "amqp:session:errant-link" "errant-link",
        /// An attach with a handle that is in use.
        HANDLE_IN_USE = "amqp:session:handle-in-use" "handle-in-use",
        /// A frame with a handle that no link has.
        UNATTACHED_HANDLE = "amqp:session:unattached-handle" "unattached-handle",
    }
}

restricted! {
    /// 2.8.18 Errors of a link.
    pub symbols LINK_ERROR as "link-error" {
        /// An operator detached the link.
        DETACH_FORCED = "amqp:link:detach-forced" "detach-forced",
        /// The peer sent more messages than the link has credit for.
        TRANSFER_LIMIT_EXCEEDED = "amqp:link:transfer-limit-exceeded" "transfer-limit-exceeded",
        /// A message larger than the link allows.
        MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded" "message-size-exceeded",
        /// The address is to be found elsewhere; where is in the error's info.
        LINK_REDIRECT = "amqp:link:redirect" "redirect",
        /// Somebody attached the link elsewhere.
        STOLEN = "amqp:link:stolen" "stolen",
    }
}

restricted! {
    /// 4.5.8 Errors of a transaction.
    pub symbols TRANSACTION_ERROR as "transaction-error" {
        /// No transaction has this id.
        TRANSACTION_UNKNOWN_ID = "amqp:transaction:unknown-id" "unknown-id",
        /// The transaction was rolled back for an unspecified reason.
        TRANSACTION_ROLLBACK = "amqp:transaction:rollback" "transaction-rollback",
        /// The transaction took too long.
        TRANSACTION_TIMEOUT = "amqp:transaction:timeout" "transaction-timeout",
    }
}
