//! What the connection's transport has established before AMQP starts.

/// What a driver knows of the transport that it binds a connection to: given to `bind`, read by SASL.
///
/// A driver fills [`nonce`](Self::nonce) with fresh random bytes for each transport; the engine has no source of
/// randomness of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Whether nobody on the way can read what is sent: TLS, or a transport that never leaves the machine. Secrets
    /// in the clear (PLAIN) are sent only then, unless the configuration allows otherwise. Default false.
    pub encrypted: bool,
    /// Who one is without SASL's help, for the mechanism EXTERNAL. On a server the name in the client's verified
    /// certificate; on a client the name in its own certificate. Default none.
    pub external_identity: Option<String>,
    /// Random bytes that nobody can guess and that are used once. SCRAM needs them: with all zeros, the default, a
    /// client does not use it and a server does not offer it.
    pub nonce: [u8; 24],
}
