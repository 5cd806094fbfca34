//! Transactions (4.5), as tables.

use bytes::Bytes;

use crate::{DeliveryState, Symbol, Value};

composite! {
    /// 4.5.1 The target of a link that controls transactions.
    pub struct Coordinator = 0x30 "amqp:coordinator:list" {
        /// What the coordinator can do, or is wanted to.
        capabilities: Vec<Symbol> as "symbol" [multiple],
    }
}

composite! {
    /// 4.5.2 Asks for a new transaction; the body of a message to the coordinator.
    pub struct Declare = 0x31 "amqp:declare:list" {
        /// Names a global transaction that this one is a part of.
        global_id: Option<Value> as "*" [optional],
    }
}

composite! {
    /// 4.5.3 Ends a transaction; the body of a message to the coordinator.
    pub struct Discharge = 0x32 "amqp:discharge:list" {
        /// The transaction.
        txn_id: Bytes as "*" [mandatory],
        /// Whether it failed and is to be rolled back.
        fail: bool as "boolean" [stated],
    }
}

composite! {
    /// 4.5.5 The outcome of a declare.
    pub struct Declared = 0x33 "amqp:declared:list" {
        /// The new transaction.
        txn_id: Bytes as "*" [mandatory],
    }
}

composite! {
    /// 4.5.6 The state of a delivery inside a transaction.
    pub struct TransactionalState = 0x34 "amqp:transactional-state:list" {
        /// The transaction.
        txn_id: Bytes as "*" [mandatory],
        /// What becomes of the delivery if the transaction succeeds.
        outcome: Option<DeliveryState> as "*" [optional],
    }
}

restricted! {
    /// 4.5.7 What a coordinator can do.
    pub symbols TXN_CAPABILITY as "txn-capability" {
        /// Local transactions.
        LOCAL_TRANSACTIONS = "amqp:local-transactions" "local-transactions",
        /// Distributed transactions.
        DISTRIBUTED_TRANSACTIONS = "amqp:distributed-transactions" "distributed-transactions",
        /// Local transactions that can become distributed ones.
        PROMOTABLE_TRANSACTIONS = "amqp:promotable-transactions" "promotable-transactions",
        /// Several transactions on one session.
        MULTI_TXNS_PER_SSN = "amqp:multi-txns-per-ssn" "multi-txns-per-ssn",
        /// One transaction on several sessions.
        MULTI_SSNS_PER_TXN = "amqp:multi-ssns-per-txn" "multi-ssns-per-txn",
    }
}
