//! Options of a sender.

use deuteron_codec::{AttachTarget, Map, ReceiverSettleMode, SenderSettleMode, Source, Symbol, Target};
use deuteron_engine::reconnect::Backoff;
use deuteron_engine::{LinkConfig, Recovery};

use super::{Deadlines, link::link_options};

/// Settings of a sender. A `&str` or `String` converts to the options for that address.
#[derive(Clone, Debug)]
pub struct SenderOptions {
    pub(crate) config: LinkConfig,
    pub(crate) deadlines: Option<Deadlines>,
    pub(crate) comeback: Option<Option<Backoff>>,
    pub(crate) queue_limit: usize,
    pub(crate) duplicate_ids: bool,
}

impl SenderOptions {
    /// A sender to `address`.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        let mut config = LinkConfig::sender("", address);
        config.recovery = Recovery::Replay;
        Self { config, deadlines: None, comeback: None, queue_limit: 100_000, duplicate_ids: false }
    }

    /// A sender without an address of its own: the peer forwards each message by its `to` property
    /// (the anonymous terminus).
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new("").target(Target::default())
    }

    /// A sender to a new node that the peer makes and names: see
    /// [`Link::remote_target`](crate::LinkHandle::remote_target) once it is open.
    #[must_use]
    pub fn dynamic() -> Self {
        Self::new("").target(Target { dynamic: true, ..Target::default() })
    }

    /// Capabilities of the target, such as `queue` or `topic`, added to those already there: servers that make a node
    /// when it is first used go by them.
    #[must_use]
    pub fn target_capabilities<S: Into<Symbol>>(mut self, list: impl IntoIterator<Item = S>) -> Self {
        if let Some(AttachTarget::Target(target)) = &mut self.config.target {
            target.capabilities.extend(list.into_iter().map(Into::into));
        }
        self
    }

    /// Every message is sent settled: at most once, no outcome.
    #[must_use]
    pub fn presettled(self) -> Self {
        self.snd_settle_mode(SenderSettleMode::Settled)
    }

    /// What becomes of messages that were sent but not settled when the wire is lost. Default
    /// [`Recovery::Replay`]: they are sent again with the same delivery tag, so each arrives at
    /// least once, perhaps twice. With [`Recovery::Report`] their outcome is
    /// [`Outcome::Lost`](crate::Outcome::Lost), and nothing is sent twice. For [`Recovery::Resume`] use
    /// [`resume`](Self::resume), which sets the rest that it needs.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.config.recovery = recovery;
        self
    }

    /// Gives each message a name in the application property `_AMQ_DUPL_ID`, unless it has one. Artemis takes a message
    /// with a name that it has had on the address before as accepted, and keeps it no second time: with
    /// [`Recovery::Replay`] each message is then there once, for as many as its `id-cache-size` remembers. Other servers
    /// pay no heed, and none says whether it does: [`guarantee`](crate::LinkHandle::guarantee) stays what it is.
    #[must_use]
    pub fn duplicate_detection(mut self) -> Self {
        self.duplicate_ids = true;
        self
    }

    /// How many messages may wait for credit or for the wire before
    /// [`send_now`](crate::Sender::send_now) refuses more. Default 100,000.
    #[must_use]
    pub fn queue_limit(mut self, messages: usize) -> Self {
        self.queue_limit = messages;
        self
    }
}

link_options!(SenderOptions);
