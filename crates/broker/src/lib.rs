//! A small AMQP 1.0 broker, in memory, for development and tests.

mod message;
mod queue;
mod router;
mod slots;
mod stats;

pub use stats::BrokerStats;
