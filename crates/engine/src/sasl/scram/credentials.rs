//! What a server keeps of a password.

use std::fmt;
use std::hash::BuildHasher as _;
use std::str::FromStr;
use std::sync::OnceLock;

use super::super::{MAX_ITERATIONS, MIN_ITERATIONS, Password};
use super::{SaslError, ScramHash, base64, prepare, same, unbase64};

/// How many iterations to derive credentials with, unless there is a reason for another number. RFC 7677 asks for at
/// least 4096; more makes guessing a stolen password file's passwords dearer, and every login as well.
pub const DEFAULT_ITERATIONS: u32 = 15_000;

/// What a server keeps to check a password: enough to check it, not enough to log in with it elsewhere.
///
/// The text form is `SCRAM-SHA-256$4096:salt$stored:server`, with salt and keys in base64. It is written by
/// [`to_text`](Self::to_text) and read by `parse`. `Debug` does not show the keys.
///
/// ```
/// use deuteron_engine::sasl::{Password, ScramCredentials, ScramHash};
/// let password = Password::from("pencil");
/// let kept = ScramCredentials::derive(&password, b"some random salt", 4096, ScramHash::Sha256)?;
/// let read: ScramCredentials = kept.to_text().parse()?;
/// assert!(read.verify("pencil") && !read.verify("crayon"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    hash: ScramHash,
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl ScramCredentials {
    /// Computes what is to be kept of a password. The salt should be 16 or more random bytes, another for each user;
    /// for iterations see [`DEFAULT_ITERATIONS`]. Takes milliseconds of computing, in proportion to the iterations.
    ///
    /// # Errors
    /// If the password has control characters, if the salt is empty, or if the iterations are out of the bounds that
    /// clients accept, 4096 to 2,000,000.
    pub fn derive(
        password: &Password,
        salt: &[u8],
        iterations: u32,
        hash: ScramHash,
    ) -> Result<Self, InvalidCredentials> {
        if salt.is_empty() {
            return Err(InvalidCredentials("the salt is empty"));
        }
        check_iterations(iterations)?;
        let password = prepare("password", password.expose())
            .map_err(|_| InvalidCredentials("the password contains a control character"))?;
        Ok(Self::from_salted(hash.salted_password(&password, salt, iterations), salt, iterations, hash))
    }

    fn from_salted(salted: Vec<u8>, salt: &[u8], iterations: u32, hash: ScramHash) -> Self {
        let stored_key = hash.digest(&hash.hmac(&salted, &[b"Client Key"]));
        let server_key = hash.hmac(&salted, &[b"Server Key"]);
        Self { hash, iterations, salt: salt.to_vec(), stored_key, server_key }
    }

    /// Credentials of a user that does not exist, so that an unknown user looks to a client like a known one with
    /// another password. The same `secret`, which no client may know, and user always give the same salt. Iterations
    /// and size of the salt should be those that real users have.
    #[must_use]
    pub fn decoy(secret: &[u8; 32], user: &str, hash: ScramHash, iterations: u32, salt_size: usize) -> Self {
        let derive = |purpose: &[u8], block: u8| {
            let label = [purpose, hash.mechanism().as_bytes(), &[0, block], user.as_bytes()];
            hash.hmac(secret, &label)
        };
        let salt = (0..=u8::MAX).flat_map(|block| derive(b"salt ", block)).take(salt_size.max(1)).collect();
        // Nobody knows a password for these keys: that would take the inverse of a hash.
        Self { hash, iterations, salt, stored_key: derive(b"stored ", 0), server_key: derive(b"server ", 0) }
    }

    /// A secret for decoys, as lasting as these credentials.
    pub(in crate::sasl) fn decoy_secret(&self) -> [u8; 32] {
        let derived = ScramHash::Sha256.hmac(&self.server_key, &[b"decoy"]);
        let mut secret = [0; 32];
        secret.iter_mut().zip(derived).for_each(|(to, from)| *to = from);
        secret
    }

    /// Whether this is the password that the credentials were derived from. Takes as long as
    /// [`derive`](Self::derive); the comparison itself takes the same time for every wrong password.
    #[must_use]
    pub fn verify(&self, password: &str) -> bool {
        let Ok(password) = prepare("password", password) else { return false };
        let salted = self.hash.salted_password(&password, &self.salt, self.iterations);
        same(&self.hash.digest(&self.hash.hmac(&salted, &[b"Client Key"])), &self.stored_key)
    }

    /// The hash function that they were derived with.
    #[must_use]
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// How often the hash function was iterated.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The salt. Not a secret: every client that names the user is told.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The text form, for storing. Keep it from others' eyes: who has it can guess passwords at leisure, and can
    /// pretend to be the server.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (salt, stored, server) = (base64(&self.salt), base64(&self.stored_key), base64(&self.server_key));
        format!("{}${}:{salt}${stored}:{server}", self.hash.mechanism(), self.iterations)
    }

    pub(super) fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    pub(super) fn server_key(&self) -> &[u8] {
        &self.server_key
    }
}

fn check_iterations(iterations: u32) -> Result<(), InvalidCredentials> {
    if (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
        Ok(())
    } else {
        Err(InvalidCredentials("the iterations are not between 4096 and 2000000"))
    }
}

impl FromStr for ScramCredentials {
    type Err = InvalidCredentials;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: InvalidCredentials =
            InvalidCredentials("expected the form SCRAM-SHA-256$4096:salt$stored:server");
        let mut parts = text.split('$');
        let (Some(mechanism), Some(salting), Some(keys), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SHAPE);
        };
        let hash = ScramHash::ALL.into_iter().find(|hash| hash.mechanism() == mechanism).ok_or(
            InvalidCredentials("the mechanism is none of SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512"),
        )?;
        let (iterations, salt) = salting.split_once(':').ok_or(SHAPE)?;
        let (stored, server) = keys.split_once(':').ok_or(SHAPE)?;
        let iterations =
            iterations.parse().map_err(|_| InvalidCredentials("the iterations are not a number"))?;
        check_iterations(iterations)?;
        let decoded = (unbase64(salt), unbase64(stored), unbase64(server));
        let (Some(salt), Some(stored_key), Some(server_key)) = decoded else {
            return Err(InvalidCredentials("the salt or a key is not base64"));
        };
        if salt.is_empty() || stored_key.len() != hash.size() || server_key.len() != hash.size() {
            return Err(InvalidCredentials("the salt is empty or a key has not the size of the hash"));
        }
        Ok(Self { hash, iterations, salt, stored_key, server_key })
    }
}

impl fmt::Debug for ScramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredentials")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Why credentials cannot be derived or read. It does not show them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct InvalidCredentials(&'static str);

impl fmt::Display for InvalidCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SCRAM credentials: {}", self.0)
    }
}

impl std::error::Error for InvalidCredentials {}

/// A secret of this process, for decoys. It comes from the random keys that the standard library gets from the
/// operating system, so the engine needs no source of its own.
pub(in crate::sasl) fn process_secret() -> &'static [u8; 32] {
    static SECRET: OnceLock<[u8; 32]> = OnceLock::new();
    SECRET.get_or_init(|| {
        let mut secret = [0; 32];
        for (index, part) in secret.chunks_exact_mut(8).enumerate() {
            let random = std::collections::hash_map::RandomState::new().hash_one(index);
            part.copy_from_slice(&random.to_le_bytes());
        }
        secret
    })
}

pub(super) fn iterations_in_bounds(mechanism: &'static str, iterations: u64) -> Result<u32, SaslError> {
    match u32::try_from(iterations) {
        Ok(count) if check_iterations(count).is_ok() => Ok(count),
        _ => Err(SaslError::Iterations { mechanism, iterations }),
    }
}
