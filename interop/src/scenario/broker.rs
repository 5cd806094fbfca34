//! A peer's client with our broker.
