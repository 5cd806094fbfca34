//! SASL for both sides: who the peer is, before AMQP starts (specification, part 5, 5.3).
//!
//! [`SaslClient`] and [`SaslServer`] are exchanges without sockets: frames in, frames out. They compute SCRAM where
//! they stand, which takes the caller some milliseconds.
//!
//! | mechanism | client uses it if | server offers it if it is configured and |
//! |---|---|---|
//! | `SCRAM-SHA-512`, `-256`, `-1` | there are a username and a password | there is an authenticator |
//! | `PLAIN` | there are a username and a password, and the connection is encrypted or `allow_insecure` is set | there is an authenticator, and the connection is encrypted or `allow_insecure` is set |
//! | `EXTERNAL` | it has a client certificate, or `EXTERNAL` is allowed by name | the client has a verified certificate |
//! | `ANONYMOUS` | there is neither username nor password, or `ANONYMOUS` is allowed, by name or by `allow_anonymous` | always |
//!
//! A client takes the strongest that it can use. With a username or password, the order is that of the table: what
//! the user typed comes before a certificate that happens to be configured. Without, `EXTERNAL` comes before
//! `ANONYMOUS`. A client with credentials never falls back to `ANONYMOUS` by itself, and naming `PLAIN` among the
//! allowed mechanisms does not allow it in the clear: a list that restricts must not weaken.
//!
//! The SCRAM mechanisms and [`Users`] need the cargo feature `scram`, which is on by default.

mod authenticator;
mod choice;
mod client;
mod error;
mod mechanism;
mod password;
mod plain;
#[cfg(feature = "scram")]
mod scram;
mod server;
#[cfg(feature = "scram")]
mod users;

pub use authenticator::{Authenticator, Decision};
pub use client::{SaslClient, SaslClientConfig};
pub use error::{SaslError, Unusable};
pub use password::Password;
#[cfg(feature = "scram")]
pub use scram::{DEFAULT_ITERATIONS, InvalidCredentials, ScramCredentials, ScramHash};
pub use server::{SaslServer, SaslServerConfig, ServerStep};
#[cfg(feature = "scram")]
pub use users::{Users, UsersError};

/// The fewest SCRAM iterations that a client accepts: the least that RFC 7677 allows. A server that asks for fewer
/// would make the password easy to guess from what the client sends.
pub const MIN_ITERATIONS: u32 = 4096;

/// The most SCRAM iterations that a client accepts. A server that asks for more would keep the client computing for
/// seconds; the highest number in common advice is 1,300,000.
pub const MAX_ITERATIONS: u32 = 2_000_000;

#[cfg(test)]
mod tests;
