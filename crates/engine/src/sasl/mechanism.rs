//! The mechanisms that are built in.

#[cfg(feature = "scram")]
use super::ScramHash;

/// A mechanism that is built in.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Mechanism {
    #[cfg(feature = "scram")]
    Scram(ScramHash),
    Plain,
    External,
    Anonymous,
}

impl Mechanism {
    /// Those that use a password, then EXTERNAL, then ANONYMOUS; the strongest first.
    pub(super) const ALL: &'static [Self] = &[
        #[cfg(feature = "scram")]
        Self::Scram(ScramHash::Sha512),
        #[cfg(feature = "scram")]
        Self::Scram(ScramHash::Sha256),
        #[cfg(feature = "scram")]
        Self::Scram(ScramHash::Sha1),
        Self::Plain,
        Self::External,
        Self::Anonymous,
    ];

    /// The registered name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "scram")]
            Self::Scram(hash) => hash.mechanism(),
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// The mechanism of a registered name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}
