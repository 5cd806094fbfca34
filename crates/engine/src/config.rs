//! What an application declares about its connections, sessions and links. Plain fields, documented defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deuteron_codec::{
    AttachTarget, DeliveryState, DeliveryTag, Map, ReceiverSettleMode, Role, SenderSettleMode, Source,
    Symbol, Target, TerminusExpiryPolicy,
};

use crate::reconnect::Backoff;
use crate::remedy::Remedies;
use crate::sasl::{SaslClientConfig, SaslServerConfig};

/// Which side of the connection we are: it decides who sends the first header and who authenticates whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConnectionRole {
    /// We connected.
    #[default]
    Client,
    /// The peer connected to us.
    Server,
}

/// Whether and how SASL (part 5) comes before Open.
#[derive(Clone, Debug, Default)]
pub enum SaslConfig {
    /// No SASL layer: the AMQP header comes first.
    #[default]
    Disabled,
    /// We authenticate to the peer.
    Client(SaslClientConfig),
    /// The peer authenticates to us. Without `require`, a peer that skips SASL is taken as anonymous.
    Server(SaslServerConfig),
}

/// Bounds on what a peer can make us hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at once. Default 1,024; beyond it a Begin closes the connection with `amqp:resource-limit-exceeded`.
    pub sessions: usize,
    /// Links at once, over all sessions. Default 65,536.
    pub links: usize,
    /// Bytes of one incoming message where the link sets no `max_message_size`. Default 512 MiB.
    pub message_size: u64,
    /// Deliveries that the peer may leave unsettled in a session. Default 1,000,000.
    pub unsettled: usize,
    /// Buffered output in bytes above which sends wait in their link's queue. Default 1 MiB.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1024,
            links: 65_536,
            message_size: 512 << 20,
            unsettled: 1_000_000,
            output: 256 << 10,
        }
    }
}

/// Receives one line for each frame that crosses, in the form of `PN_TRACE_FRM`; secrets are masked.
#[derive(Clone)]
pub struct Trace(pub Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace(..)")
    }
}

/// What we say in Open (2.7.1), and our own limits and deadlines.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// Client or server.
    pub role: ConnectionRole,
    /// Open's container-id: who we are.
    pub container_id: String,
    /// Open's hostname: the virtual host we want. `None` leaves it out.
    pub hostname: Option<String>,
    /// The largest frame that we take, in bytes. Default 65,536; less than 512 becomes 512 (2.7.1).
    pub max_frame_size: u32,
    /// The highest channel that the peer may use. Default 32,767.
    pub channel_max: u16,
    /// The highest handle that the peer may use in a session. Default 65,535.
    pub handle_max: u32,
    /// When nothing came for this long, the connection is closed. Default none. Half of it is told to the peer (2.4.5).
    pub idle_timeout: Option<Duration>,
    /// Open's offered-capabilities.
    pub offered_capabilities: Vec<Symbol>,
    /// Open's desired-capabilities.
    pub desired_capabilities: Vec<Symbol>,
    /// Open's properties.
    pub properties: Option<Map>,
    /// The security layer before Open.
    pub sasl: SaslConfig,
    /// From `bind` to the peer's Open, SASL included. Default 30 s.
    pub handshake_timeout: Option<Duration>,
    /// For the answer to Begin. Default 30 s.
    pub begin_timeout: Option<Duration>,
    /// For the answer to Attach. Default 30 s.
    pub attach_timeout: Option<Duration>,
    /// For the answers to Detach and End. Default 30 s.
    pub detach_timeout: Option<Duration>,
    /// For the answer to Close. Default 10 s.
    pub close_timeout: Option<Duration>,
    /// What is done about links and sessions that the peer ends: see [`LinkConfig::reattach`] and
    /// [`SessionConfig::rebegin`].
    pub remedies: Remedies,
    /// Bounds on what the peer can make us hold.
    pub limits: Limits,
    /// Told of each frame.
    pub trace: Option<Trace>,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        const HALF_A_MINUTE: Option<Duration> = Some(Duration::from_secs(30));
        Self {
            role: ConnectionRole::Client,
            container_id: String::new(),
            hostname: None,
            max_frame_size: 65_536,
            channel_max: 32_767,
            handle_max: 65_535,
            idle_timeout: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: None,
            sasl: SaslConfig::Disabled,
            handshake_timeout: HALF_A_MINUTE,
            begin_timeout: HALF_A_MINUTE,
            attach_timeout: HALF_A_MINUTE,
            detach_timeout: HALF_A_MINUTE,
            close_timeout: Some(Duration::from_secs(10)),
            remedies: Remedies::default(),
            limits: Limits::default(),
            trace: None,
        }
    }
}

/// What we say in Begin (2.7.2).
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Transfer frames that the peer may send before we say more. Default 2,048.
    pub incoming_window: u32,
    /// What we announce as our outgoing window. Default 2,147,483,647.
    pub outgoing_window: u32,
    /// Bytes of whole messages that the application has not taken, above which the window is not widened. Default 64 MiB.
    pub incoming_capacity: usize,
    /// The window is never wider than what is free of the capacity, in frames of the longest kind, and parts of messages count
    /// as soon as they are here, on links with [`partial_events`](LinkConfig::partial_events). Default false.
    pub strict_capacity: bool,
    /// The first transfer-id and delivery-id on each wire. Default 0.
    pub next_outgoing_id: u32,
    /// When the peer ends the session and [`Remedies`] say that it can be begun again: the delays before that. Default
    /// none: it stays ended.
    pub rebegin: Option<Backoff>,
    /// Begin's offered-capabilities.
    pub offered_capabilities: Vec<Symbol>,
    /// Begin's desired-capabilities.
    pub desired_capabilities: Vec<Symbol>,
    /// Begin's properties.
    pub properties: Option<Map>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            incoming_window: 2048,
            outgoing_window: 0x7fff_ffff,
            incoming_capacity: 64 << 20,
            strict_capacity: false,
            next_outgoing_id: 0,
            rebegin: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: None,
        }
    }
}

/// What becomes of a link's unsettled messages when the wire is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Recovery {
    /// They are reported lost: [`Event::DeliveryLost`](crate::Event::DeliveryLost).
    #[default]
    Report,
    /// They are sent again with the same tag on the next wire: at least once, so the receiver may see one twice.
    Replay,
    /// Both sides remember what is unsettled, and compare it when the link is attached again (2.6.13): what the peer has
    /// decided is the outcome, what it has is gone on with, what never reached it is sent again. Exactly once, where the
    /// peer plays along: see [`LinkMut::guarantee`](crate::LinkMut::guarantee). Where it does not, what cannot be known
    /// is reported lost as with [`Report`](Self::Report), and nothing is sent twice. Of use to receivers as well;
    /// [`LinkConfig::resuming`] sets what it needs.
    Resume,
}

/// What we say in Attach (2.7.3), and how the engine treats the link.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// The link's name: with the containers and the role it identifies the link (2.6.1).
    pub name: String,
    /// Whether we send or receive.
    pub role: Role,
    /// Where messages come from.
    pub source: Option<Source>,
    /// Where messages go, or the coordinator of transactions.
    pub target: Option<AttachTarget>,
    /// Which settlement the sender uses. Default mixed.
    pub snd_settle_mode: SenderSettleMode,
    /// Which settlement the receiver uses. Default first.
    pub rcv_settle_mode: ReceiverSettleMode,
    /// The largest message that we take, in bytes. Default 0: only the connection's limit.
    pub max_message_size: u64,
    /// Attach's properties.
    pub properties: Option<Map>,
    /// Attach's offered-capabilities.
    pub offered_capabilities: Vec<Symbol>,
    /// Attach's desired-capabilities.
    pub desired_capabilities: Vec<Symbol>,
    /// Receivers: credit kept in the peer's hands, counting messages not taken yet. Default 0: credit by hand.
    pub credit_window: u32,
    /// Receivers: messages beyond the credit that are taken, until more credit is given, before the link is closed for them. Some
    /// servers count wrongly when they are fast. Default 0; with a `credit_window` at least as many as that.
    pub overdraft: u32,
    /// What happens to unsettled messages when the wire is lost. To receivers only [`Recovery::Resume`] means something.
    pub recovery: Recovery,
    /// When the peer detaches the link and [`Remedies`] say that it can be attached again: the delays before that. Default
    /// none: it stays detached.
    pub reattach: Option<Backoff>,
    /// Receivers: an event for each part of a message. Default false.
    pub partial_events: bool,
    /// Senders: give unused credit back by itself when the peer drains and nothing is queued. Default true.
    pub auto_drained: bool,
    /// Senders: an event when the peer has not settled a sent message in this time. Default none.
    pub settle_timeout: Option<Duration>,
    /// Receivers: an event when a drain was not answered in this time. Default 30 s.
    pub drain_timeout: Option<Duration>,
}

impl LinkConfig {
    /// A sender to an address.
    pub fn sender(name: impl Into<String>, address: impl Into<String>) -> Self {
        let target = Target { address: Some(address.into()), ..Target::default() };
        Self {
            source: Some(Source::default()),
            target: Some(AttachTarget::Target(target)),
            ..Self::new(name, Role::Sender)
        }
    }

    /// A receiver from an address, with credit given by hand until `credit_window` is set.
    pub fn receiver(name: impl Into<String>, address: impl Into<String>) -> Self {
        let source = Source { address: Some(address.into()), ..Source::default() };
        Self {
            source: Some(source),
            target: Some(AttachTarget::Target(Target::default())),
            ..Self::new(name, Role::Receiver)
        }
    }

    /// The link's unsettled messages are resumed on the next wire: [`Recovery::Resume`], the settlement that it needs
    /// (sent unsettled, settled by the sender first), and the wish that the peer keeps its terminus for `seconds` after
    /// the link was cut off. A terminus that is to last for ever anyway stays so.
    #[must_use]
    pub fn resuming(mut self, seconds: u32) -> Self {
        self.recovery = Recovery::Resume;
        self.snd_settle_mode = SenderSettleMode::Unsettled;
        self.rcv_settle_mode = ReceiverSettleMode::Second;
        if let Some(source) = &mut self.source
            && source.expiry_policy != TerminusExpiryPolicy::Never
        {
            source.expiry_policy = TerminusExpiryPolicy::LinkDetach;
            source.timeout = seconds;
        }
        if let Some(AttachTarget::Target(target)) = &mut self.target
            && target.expiry_policy != TerminusExpiryPolicy::Never
        {
            target.expiry_policy = TerminusExpiryPolicy::LinkDetach;
            target.timeout = seconds;
        }
        self
    }

    /// A link with no terminus yet.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self {
            name: name.into(),
            role,
            source: None,
            target: None,
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: ReceiverSettleMode::First,
            max_message_size: 0,
            properties: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            credit_window: 0,
            overdraft: 0,
            recovery: Recovery::Report,
            reattach: None,
            partial_events: false,
            auto_drained: true,
            settle_timeout: None,
            drain_timeout: Some(Duration::from_secs(30)),
        }
    }
}

/// What a single send says in its transfer (2.7.5).
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// The delivery tag. Default: a counter of the link.
    pub tag: Option<DeliveryTag>,
    /// Sent settled or not. Default: settled if the link's sender settle mode says so.
    pub settled: Option<bool>,
    /// Default 0, the format of the specification (3.2.16).
    pub message_format: u32,
    /// A state sent with the message, as for a transactional post (4.4.1).
    pub state: Option<DeliveryState>,
    /// Asks for a settle mode other than the link's for this delivery.
    pub rcv_settle_mode: Option<ReceiverSettleMode>,
    /// A hint that the settlement may wait to be sent with others.
    pub batchable: bool,
}
