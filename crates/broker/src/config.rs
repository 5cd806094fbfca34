//! What a broker is told before it starts.

use std::sync::Arc;
use std::time::Duration;

use deuteron::sasl::{Password, Users};
use deuteron::{Error, Limits as EngineLimits, ListenOptions, Scope, TlsServerConfig, Url};

use crate::router::Limits;

/// Settings of a [`Broker`](crate::Broker). Plain fields with usable defaults:
///
/// ```
/// use deuteron_broker::BrokerConfig;
/// let config = BrokerConfig { max_bytes: 64 << 20, ..BrokerConfig::listening(["amqp://127.0.0.1:0"]) };
/// assert_eq!(config.listen.len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where to listen: `amqp://host:port` or `amqps://host:port`. Port 0 lets the system choose.
    /// Default `amqp://127.0.0.1:5672`.
    pub listen: Vec<String>,
    /// The name in each Open. Default `deuteron-broker`.
    pub container_id: String,
    /// Certificate and key, for `amqps` URLs.
    pub tls: Option<TlsServerConfig>,
    /// Who may connect: by SCRAM, and over TLS by PLAIN too. Default `None`: anybody.
    pub users: Option<Users>,
    /// Offers PLAIN without TLS as well, for clients that know nothing better. Default false.
    pub allow_insecure: bool,
    /// Closes connections whose clients say nothing for this long, not even that they are there.
    /// Default `None`: never; a client whose machine is gone then keeps its messages.
    pub heartbeat: Option<Duration>,
    /// How much all messages together may take, in bytes; each counts for 128 more than its size.
    /// Default 1 GiB. When it is reached, producers wait for credit; what they have credit for
    /// already is still taken.
    pub max_bytes: u64,
    /// The same for each queue. Default 512 MiB.
    pub max_queue_bytes: u64,
    /// How many messages a queue may hold. Default 10,000,000.
    pub max_queue_messages: u64,
    /// How many queues there may be; further ones are refused. Default 100,000.
    pub max_queues: usize,
    /// How many topics there may be; further ones are refused. Default 100,000.
    pub max_topics: usize,
    /// How many subscriptions there may be, to all topics together; further ones are refused. Default 100,000.
    pub max_subscriptions: usize,
    /// Queues that are there from the start, and stay.
    pub queues: Vec<String>,
    /// Topics that are there from the start, and stay.
    pub topics: Vec<String>,
    /// Makes queues and topics when they are first used. Default true. If false, only [`queues`](Self::queues),
    /// [`topics`](Self::topics) and dynamic nodes can be used; a link to anything else is refused.
    pub on_demand: bool,
    /// How many transactions a connection may have open; further ones are refused. Default 1,000.
    pub max_transactions: usize,
    /// How long a transaction may take, from its declaration to its discharge; then it is rolled back. Default 5 minutes;
    /// `None` for ever.
    pub transaction_timeout: Option<Duration>,
    /// A queue for what consumers reject, and for what was delivered `max_deliveries` times in vain. Default none: it is
    /// dropped, and counted.
    pub dead_letter: Option<String>,
    /// A queue for what has expired. Default none: it is dropped, and counted.
    pub expiry: Option<String>,
    /// How often the delivery of a message may fail before it is given up. Default 0: as often as it takes.
    pub max_deliveries: u32,
    /// How many connections there may be; further ones are closed with the reason. Default 100,000; the system's limit on
    /// open files may be lower.
    pub max_connections: usize,
    /// How many sessions a connection may have; one that begins more is closed with the reason. Default 1,024.
    pub max_sessions: usize,
    /// How many links a connection may have, on all its sessions together; further ones are refused. Default 100,000.
    pub max_links: usize,
    /// How many links may have a terminus that outlives their connections, so that they can be resumed, attached ones
    /// included; to further ones that is not granted, which their attach says. Default 10,000.
    pub max_kept_links: usize,
    /// How many bytes of messages that were under way on such links may be held for them while they are away. Beyond it they
    /// are not kept: what was under way goes back to its queue. Default 256 MiB.
    pub max_kept_bytes: usize,
    /// The longest time for which the broker remembers what is unsettled on a link to a queue; who asks for longer gets
    /// this. Default 1 hour.
    pub max_kept_time: Duration,
    /// Prints every frame of every connection on standard error, passwords masked, as
    /// [`ListenOptions::trace`] does. Default false.
    pub trace: bool,
    /// Credit that each producer has at most, in messages. Default 1,000.
    pub credit_window: u32,
    /// For [`Broker::start_on_thread`](crate::Broker::start_on_thread): threads that connections are
    /// spread over. Default 1.
    pub threads: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listen: vec!["amqp://127.0.0.1:5672".into()],
            container_id: "deuteron-broker".into(),
            tls: None,
            users: None,
            allow_insecure: false,
            heartbeat: None,
            max_bytes: 1 << 30,
            max_queue_bytes: 512 << 20,
            max_queue_messages: 10_000_000,
            max_queues: 100_000,
            max_topics: 100_000,
            max_subscriptions: 100_000,
            max_transactions: 1000,
            max_connections: 100_000,
            max_sessions: 1024,
            max_links: 100_000,
            max_kept_links: 10_000,
            max_kept_bytes: 256 << 20,
            max_kept_time: Duration::from_secs(3600),
            dead_letter: None,
            expiry: None,
            max_deliveries: 0,
            transaction_timeout: Some(Duration::from_secs(300)),
            queues: Vec::new(),
            topics: Vec::new(),
            on_demand: true,
            trace: false,
            credit_window: 1000,
            threads: 1,
        }
    }
}

impl BrokerConfig {
    /// The defaults, listening at `urls`.
    #[must_use]
    pub fn listening<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        Self { listen: urls.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Lets a user in, from now on only users. The password is kept as SCRAM keeps it.
    ///
    /// # Errors
    /// If name or password have characters that cannot be in one, or there are no random numbers.
    pub fn add_user(&mut self, name: &str, password: &str) -> Result<(), Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| {
            Error::new(Scope::Config, format!("the system gives no random salt: {error}"))
        })?;
        self.users
            .get_or_insert_default()
            .add(name, &Password::from(password), &salt)
            .map_err(|error| Error::new(Scope::Config, format!("the user '{name}' cannot be added: {error}")))
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            bytes: self.max_bytes.max(1),
            queue_bytes: self.max_queue_bytes.clamp(1, self.max_bytes.max(1)),
            queue_messages: self.max_queue_messages.max(1),
            queues: self.max_queues,
            topics: self.max_topics,
            subscriptions: self.max_subscriptions,
            transactions: self.max_transactions,
            deliveries: self.max_deliveries,
            window: self.credit_window.max(1),
        }
    }

    /// Where to listen, and how, for each URL.
    pub(crate) fn listeners(&self) -> Result<Vec<(Url, ListenOptions)>, Error> {
        if self.listen.is_empty() {
            return Err(Error::new(Scope::Config, "the broker has no URL to listen at; give one or more"));
        }
        self.listen
            .iter()
            .map(|text| {
                let url = text.parse::<Url>().map_err(|error| {
                    let text = format!("{error}; the form is amqp://host:port or amqps://host:port");
                    Error::new(Scope::Config, text)
                })?;
                Ok((url.clone(), self.listener(url)))
            })
            .collect()
    }

    fn listener(&self, url: Url) -> ListenOptions {
        let default = EngineLimits::default();
        // A message that no queue could ever hold is refused by the engine while it comes.
        let message_size = default.message_size.min(self.limits().queue_bytes);
        let options = ListenOptions::new(url)
            .container_id(self.container_id.as_str())
            .offered_capabilities(["ANONYMOUS-RELAY"])
            .trace(self.trace)
            // A client that goes by the channel-max that it is told (2.4.1) does not get as far as the limit.
            .channel_max(u16::try_from(self.max_sessions.max(1) - 1).unwrap_or(u16::MAX))
            .limits(EngineLimits { message_size, sessions: self.max_sessions.max(1), ..default });
        let options = match &self.users {
            None => options.sasl(["EXTERNAL", "ANONYMOUS"], None),
            Some(users) => options
                .sasl(
                    ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "EXTERNAL"],
                    Some(Arc::new(users.clone())),
                )
                .require_sasl(true)
                .allow_insecure_mechanisms(self.allow_insecure),
        };
        let options = match self.heartbeat {
            Some(heartbeat) => options.heartbeat(heartbeat),
            None => options,
        };
        match &self.tls {
            Some(tls) => options.tls(tls.clone()),
            None => options,
        }
    }
}
