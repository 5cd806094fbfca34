//! A second, independent AMQP 1.0 codec for tests.
//!
//! It is written straight from part 1 (types) and sections 2.3 and 5.3 of the specification and shares no code
//! with `deuteron-codec`: a mistake in the codec that is being tested cannot be repeated here and cancel out.
//! It favours plainness over speed: everything is decoded into a [`Plain`] tree.

mod composite;
mod decode;
mod encode;
mod frame;
mod plain;

pub use composite::{Composite, composite};
pub use decode::{PlainError, decode, decode_one};
pub use encode::{encode, encoded};
pub use frame::{AMQP, Frame, Incoming, SASL, Splitter, TLS, header};
pub use plain::{Plain, symbols};

#[cfg(test)]
mod tests;
