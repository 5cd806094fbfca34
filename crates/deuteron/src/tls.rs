//! TLS settings of connections made ([`TlsConfig`]) and accepted ([`TlsServerConfig`]), for `amqps` URLs.
//!
//! The protocol is rustls's, TLS 1.2 and 1.3. It is there with the cargo feature `tls`, which is on by default;
//! without the feature the settings can be made, and using them is a [`TlsError`] that says so.
#![cfg_attr(not(feature = "tls"), allow(dead_code, reason = "settings that nothing can use have no reader"))]

mod client_config;
mod error;
mod server_config;
mod source;

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod failure;
#[cfg(feature = "tls")]
mod known;
#[cfg(feature = "tls")]
mod load;
#[cfg(feature = "tls")]
mod private_key;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod subject;
#[cfg(all(test, feature = "tls"))]
pub(crate) mod test_certificates;
#[cfg(all(test, feature = "tls"))]
mod tests;
#[cfg(feature = "tls")]
mod validity;

pub use client_config::TlsConfig;
pub use error::TlsError;
pub use server_config::TlsServerConfig;

#[cfg(feature = "tls")]
pub(crate) use failure::failure;
#[cfg(feature = "tls")]
pub use failure::{TlsFailure, explain};
#[cfg(feature = "tls")]
pub use subject::{subject_fields, subject_of};
