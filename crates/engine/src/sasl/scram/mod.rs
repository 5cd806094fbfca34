//! SCRAM, RFC 5802 and RFC 7677: both sides prove that they know the password without sending it.
//!
//! Without channel binding: the client's GS2 header is `n,,`, or `n,a=<name>,` to act as another user. The mechanisms
//! ending in `-PLUS` are neither offered nor used.

mod client;
mod credentials;
mod hash;
mod prepare;
mod server;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) use super::SaslError;
pub(super) use client::ScramClient;
pub(super) use credentials::process_secret;
pub use credentials::{DEFAULT_ITERATIONS, InvalidCredentials, ScramCredentials};
pub use hash::ScramHash;
pub(super) use prepare::prepare;
pub(super) use server::ScramServer;

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn xor(mut left: Vec<u8>, right: &[u8]) -> Vec<u8> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
    left
}

/// Whether two secrets are the same, in a time that does not depend on where they differ. Empty is never equal.
fn same(left: &[u8], right: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    !left.is_empty() && bool::from(left.ct_eq(right))
}

/// The text of one side's random part: base64, so printable and without commas.
fn nonce_text(nonce: &[u8; 24]) -> String {
    base64(nonce)
}

/// A user name as RFC 5802 writes it, where a comma ends an attribute.
fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The opposite of `escape`; `None` if there is a `=` that is no escape.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (replaced, rest) = match part.strip_prefix("2C") {
            Some(rest) => (',', rest),
            None => ('=', part.strip_prefix("3D")?),
        };
        plain.push(replaced);
        plain.push_str(rest);
    }
    Some(plain)
}

/// The value of an attribute such as `r=value`.
fn attribute(text: Option<&str>, name: char) -> Option<&str> {
    text?.strip_prefix(name)?.strip_prefix('=')
}

/// Whether a nonce has only the characters that RFC 5802 allows: printable ASCII but the comma, at least one.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests;
