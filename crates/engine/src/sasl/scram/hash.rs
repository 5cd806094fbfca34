//! The hash functions of SCRAM, chosen at run time.

use hmac::digest::common::Key;
use hmac::digest::{Digest, KeyInit, Mac};
use hmac::{EagerHash, Hmac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The hash function of a SCRAM mechanism. The order is by strength.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ScramHash {
    /// SCRAM-SHA-1, RFC 5802.
    Sha1,
    /// SCRAM-SHA-256, RFC 7677.
    Sha256,
    /// SCRAM-SHA-512, by the same rules with SHA-512.
    Sha512,
}

impl ScramHash {
    /// All of them, the strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512, Self::Sha256, Self::Sha1];

    /// The name of the mechanism that uses this hash function.
    #[must_use]
    pub const fn mechanism(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// How many bytes a hash is.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// `H(message)` of RFC 5802.
    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// `HMAC(key, message)` of RFC 5802, the message in parts.
    pub(super) fn hmac(self, key: &[u8], message: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1 => hmac::<Sha1>(key, message),
            Self::Sha256 => hmac::<Sha256>(key, message),
            Self::Sha512 => hmac::<Sha512>(key, message),
        }
    }

    /// `Hi(password, salt, iterations)` of RFC 5802, which is PBKDF2 with one block.
    pub(super) fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut salted = vec![0; self.size()];
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), salt, iterations, &mut salted),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, iterations, &mut salted),
        }
        salted
    }
}

fn hmac<D: EagerHash + Digest>(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    // A key of exactly one block cannot fail. RFC 2104 makes one: hash what is longer, pad with zeros.
    let mut block = Key::<Hmac<D>>::default();
    let short = if key.len() > block.len() { D::digest(key).to_vec() } else { key.to_vec() };
    block.iter_mut().zip(short).for_each(|(to, from)| *to = from);
    let mut mac = <Hmac<D> as KeyInit>::new(&block);
    message.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hmac_vectors() {
        // RFC 2202 and RFC 4231: short key, and key longer than a block.
        let long = [0xaa; 131];
        let message: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex(&ScramHash::Sha1.hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            hex(&ScramHash::Sha256.hmac(&long, &[message])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        assert_eq!(
            hex(&ScramHash::Sha512.hmac(&long, &[message])),
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
             6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
        );
    }

    #[test]
    fn salted_password_vector() {
        // RFC 6070.
        assert_eq!(
            hex(&ScramHash::Sha1.salted_password("password", b"salt", 4096)),
            "4b007901b765489abead49d926f721d065a429c1"
        );
    }

    #[test]
    fn sizes_are_those_of_the_hashes() {
        for hash in ScramHash::ALL {
            assert_eq!(hash.digest(b"").len(), hash.size());
            assert_eq!(hash.hmac(b"", &[]).len(), hash.size());
            assert_eq!(hash.salted_password("", b"", 1).len(), hash.size());
        }
    }
}
