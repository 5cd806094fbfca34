//! A small AMQP 1.0 broker, in memory, for development and tests.
//!
//! Queues on demand, competing consumers with fair dispatch by credit, redelivery with
//! delivery-count, temporary queues, the anonymous relay. Its memory is bounded: when a queue or the
//! broker is full, producers wait for credit, and nothing is dropped or refused. What it holds is
//! gone when it stops.
//!
//! ```
//! use deuteron_broker::{Broker, BrokerConfig};
//! # use std::time::Duration;
//! # fn main() -> Result<(), deuteron::Error> {
//! let broker = Broker::start_on_thread(BrokerConfig::listening(["amqp://127.0.0.1:0"]))?;
//! println!("listening at {}", broker.url());
//! broker.stop(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it does |
//! |---|---|
//! | broker, thread | starting and stopping, in a runtime or on a thread |
//! | config, stats | what it is told, what it tells |
//! | handler, coordinator, ports, terminus, filter | the driver's side: one handler for each connection |
//! | selector | conditions on messages |
//! | router, queue, lanes, message, slots | all state, as plain data: no I/O, no driver |

mod broker;
mod config;
mod coordinator;
mod filter;
mod handler;
mod kept;
mod lanes;
mod message;
mod ports;
mod queue;
mod router;
mod selector;
mod slots;
mod stats;
mod terminus;
mod thread;

pub use broker::{Broker, BrokerHandle};
pub use config::BrokerConfig;
pub use stats::BrokerStats;
pub use thread::BrokerThread;
