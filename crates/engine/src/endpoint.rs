//! The state that connections, sessions and links share: a local half, a remote half, and an error for each.

use deuteron_codec::Error;

/// One half of an endpoint: what we have said, or what the peer has said.
///
/// The two halves together give the states of the specification (2.4.6 for connections): `(Open, Uninit)` is OPEN SENT,
/// `(Uninit, Open)` OPEN RCVD, `(Open, Open)` OPENED, `(Closed, Open)` CLOSE SENT, `(Open, Closed)` CLOSE RCVD and
/// `(Closed, Closed)` END.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EndpointState {
    /// Nothing was said yet.
    #[default]
    Uninit,
    /// Opened, begun or attached.
    Open,
    /// A link that was detached but not closed: its terminus lives on (2.6.4).
    Detached,
    /// Closed or ended, for good.
    Closed,
}

impl EndpointState {
    /// Whether the half is neither untouched nor over.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// Whether the half was detached or closed.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Detached | Self::Closed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    pub(crate) local: EndpointState,
    pub(crate) remote: EndpointState,
    pub(crate) error: Option<Box<Error>>,
    pub(crate) remote_error: Option<Box<Error>>,
}

impl Endpoint {
    pub(crate) fn both_open(&self) -> bool {
        self.local.is_open() && self.remote.is_open()
    }

    /// The wire is gone: what the peer has said no longer holds.
    pub(crate) fn forget_remote(&mut self) {
        self.remote = EndpointState::Uninit;
        self.remote_error = None;
    }
}
