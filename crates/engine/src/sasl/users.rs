//! Users in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::scram::{prepare, process_secret};
use super::{
    Authenticator, DEFAULT_ITERATIONS, Decision, InvalidCredentials, Password, ScramCredentials, ScramHash,
};

/// Users and what is kept of their passwords: an [`Authenticator`] for SCRAM, and for PLAIN too, without the passwords
/// themselves.
///
/// The text form, as in a file, has a line `user:credentials` for each user and hash function, the credentials as
/// [`ScramCredentials`] writes them. Empty lines and lines that start with `#` do not count.
///
/// ```
/// use deuteron_engine::sasl::{Authenticator, Decision, Password, Users};
/// let mut users = Users::new();
/// users.add("alice", &Password::from("wonderland"), b"sixteen rnd byte")?;
/// let read: Users = users.to_text().parse()?;
/// assert_eq!(read.plain(None, "alice", "wonderland"), Decision::Accept);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Users {
    users: BTreeMap<String, Vec<ScramCredentials>>,
    /// For decoys; taken from the keys of the first user, so that it outlives a restart.
    secret: Option<[u8; 32]>,
}

impl Users {
    /// No users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user by password, for PLAIN and all SCRAM mechanisms, with [`DEFAULT_ITERATIONS`]; in place of what was
    /// kept of the user before. The salt should be 16 random bytes or more, another for each user.
    ///
    /// # Errors
    /// If the name is not one that [`insert`](Self::insert) takes, the password has control characters, or the salt
    /// is empty.
    pub fn add(&mut self, user: &str, password: &Password, salt: &[u8]) -> Result<(), UsersError> {
        let derive = |hash| ScramCredentials::derive(password, salt, DEFAULT_ITERATIONS, hash);
        let kept: Vec<_> =
            ScramHash::ALL.into_iter().map(derive).collect::<Result<_, _>>().map_err(UsersError::from)?;
        self.remove(user);
        kept.into_iter().try_for_each(|credentials| self.insert(user, credentials))
    }

    /// Adds what is kept of a user's password; in place of what was kept for the same hash function before.
    ///
    /// # Errors
    /// If the name is empty, has control characters or spaces around it, or starts with `#`.
    pub fn insert(&mut self, user: &str, credentials: ScramCredentials) -> Result<(), UsersError> {
        let name = prepared(user).ok_or(UsersError::NAME)?;
        if name.starts_with('#') || name.trim() != name {
            return Err(UsersError::UNREADABLE); // it would come back from the text form as a comment or another name
        }
        self.secret.get_or_insert_with(|| credentials.decoy_secret());
        let kept = self.users.entry(name).or_default();
        kept.retain(|other| other.hash() != credentials.hash());
        kept.push(credentials);
        Ok(())
    }

    /// Forgets a user; whether there was one.
    pub fn remove(&mut self, user: &str) -> bool {
        prepared(user).is_some_and(|name| self.users.remove(&name).is_some())
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// The users' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// The text form, for storing; keep it from others' eyes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = |(name, kept): (&String, &Vec<ScramCredentials>)| {
            kept.iter().map(|credentials| format!("{name}:{}\n", credentials.to_text())).collect::<String>()
        };
        self.users.iter().map(lines).collect()
    }

    /// Credentials like those of the users, but of nobody.
    fn decoy(&self, user: &str, hash: ScramHash) -> ScramCredentials {
        let like = self.users.values().flatten().find(|credentials| credentials.hash() == hash);
        let iterations = like.map_or(DEFAULT_ITERATIONS, ScramCredentials::iterations);
        let salt_size = like.map_or(16, |credentials| credentials.salt().len());
        let secret = self.secret.as_ref().unwrap_or_else(|| process_secret());
        ScramCredentials::decoy(secret, user, hash, iterations, salt_size)
    }
}

fn prepared(user: &str) -> Option<String> {
    prepare("username", user).ok().map(|name| name.into_owned()).filter(|name| !name.is_empty())
}

impl Authenticator for Users {
    fn plain(&self, authorization: Option<&str>, user: &str, password: &str) -> Decision {
        let user = prepared(user).unwrap_or_default();
        let kept = self.users.get(&user).and_then(|kept| kept.first());
        // An unknown user costs as much computing as a known one.
        let like = self.users.values().flatten().next().map_or(ScramHash::Sha256, ScramCredentials::hash);
        let credentials = kept.cloned().unwrap_or_else(|| self.decoy(&user, like));
        let right = credentials.verify(password) && kept.is_some();
        let as_itself = authorization.is_none_or(|name| prepared(name).as_ref() == Some(&user));
        if right && as_itself { Decision::Accept } else { Decision::Reject }
    }

    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramCredentials> {
        self.users.get(user)?.iter().find(|credentials| credentials.hash() == hash).cloned()
    }

    fn scram_decoy(&self, user: &str, hash: ScramHash) -> ScramCredentials {
        self.decoy(user, hash)
    }
}

impl FromStr for Users {
    type Err = UsersError;

    fn from_str(text: &str) -> Result<Self, UsersError> {
        let mut users = Self::new();
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The name may have colons itself.
            let colon = line.rfind(":SCRAM-").ok_or(UsersError { line: number, ..UsersError::LINE })?;
            let (name, credentials) = (&line[..colon], &line[colon + 1..]);
            let credentials: ScramCredentials = credentials
                .parse()
                .map_err(|invalid| UsersError { line: number, ..UsersError::from(invalid) })?;
            if prepared(name).is_some_and(|name| users.scram(&name, credentials.hash()).is_some()) {
                return Err(UsersError { line: number, ..UsersError::TWICE });
            }
            users.insert(name, credentials).map_err(|error| UsersError { line: number, ..error })?;
        }
        Ok(users)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.users.len())
    }
}

/// Why a user cannot be added, or a list of users not be read. It shows neither name nor credentials.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct UsersError {
    /// 0 if it is not about a list.
    line: usize,
    problem: Problem,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Problem {
    Text(&'static str),
    Credentials(InvalidCredentials),
}

impl UsersError {
    const NAME: Self = Self::text("the user name is empty or contains a control character");
    const UNREADABLE: Self = Self::text("the user name starts with # or has spaces around it");
    const LINE: Self = Self::text("expected the form user:SCRAM-SHA-256$4096:salt$stored:server");
    const TWICE: Self = Self::text("this user and mechanism are in the list already");

    const fn text(problem: &'static str) -> Self {
        Self { line: 0, problem: Problem::Text(problem) }
    }
}

impl From<InvalidCredentials> for UsersError {
    fn from(invalid: InvalidCredentials) -> Self {
        Self { line: 0, problem: Problem::Credentials(invalid) }
    }
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {} of the users: ", self.line)?;
        }
        match self.problem {
            Problem::Text(text) => f.write_str(text),
            Problem::Credentials(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for UsersError {}
