//! Options of a receiver.

use deuteron_codec::{
    AttachTarget, Described, Map, ReceiverSettleMode, SenderSettleMode, Source, Symbol, Target,
    TerminusDurability, TerminusExpiryPolicy, Value,
};
use deuteron_engine::LinkConfig;
use deuteron_engine::reconnect::Backoff;

use super::{Deadlines, link::link_options};

const SELECTOR: &str = "apache.org:selector-filter:string";
const NO_LOCAL: &str = "apache.org:no-local-filter:list";

/// Settings of a receiver. A `&str` or `String` converts to the options for that address.
///
/// ```
/// use deuteron::ReceiverOptions;
/// let options = ReceiverOptions::new("orders").selector("colour = 'green'").credit_window(100);
/// ```
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    pub(crate) config: LinkConfig,
    pub(crate) deadlines: Option<Deadlines>,
    pub(crate) comeback: Option<Option<Backoff>>,
}

impl ReceiverOptions {
    /// A receiver from `address` with a credit window of 1,000.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        let mut config = LinkConfig::receiver("", address);
        config.credit_window = 1000;
        Self { config, deadlines: None, comeback: None }
    }

    /// A receiver from a new node that the peer makes and names, for replies for example. Its
    /// address is [`Link::remote_address`](crate::LinkHandle::remote_address) once it is open;
    /// after a reconnect it is another one.
    #[must_use]
    pub fn dynamic() -> Self {
        Self::new("").source(Source { dynamic: true, ..Source::default() })
    }

    /// The durable subscription of that name, whatever it is to: an attach without a source, which a server answers with
    /// the source that it knows for this link name and container id, or refuses. It has no credit but what
    /// [`Receiver::add_credit`](crate::Receiver::add_credit) gives. Names of shared subscriptions end with `|global` or
    /// `|` here, as clients of JMS have it.
    #[must_use]
    pub fn subscription(name: impl Into<String>) -> Self {
        let mut options = Self::new("").manual_credit();
        options.config.source = None;
        options.name(name)
    }

    /// Messages that the peer may send ahead of their being taken. Default 1,000. It is topped up
    /// as messages are taken. 0 is manual credit.
    #[must_use]
    pub fn credit_window(mut self, messages: u32) -> Self {
        self.config.credit_window = messages;
        self
    }

    /// No credit but what [`Receiver::add_credit`](crate::Receiver::add_credit) gives.
    #[must_use]
    pub fn manual_credit(self) -> Self {
        self.credit_window(0)
    }

    /// Only messages for which this JMS selector expression holds
    /// (filter `apache.org:selector-filter:string`). A peer that does not know selectors leaves the
    /// filter out of [`remote_source`](crate::LinkHandle::remote_source).
    #[must_use]
    pub fn selector(self, expression: impl Into<String>) -> Self {
        let described = Described {
            descriptor: Value::Symbol(Symbol::from_static(SELECTOR)),
            value: Value::String(expression.into()),
        };
        self.filter("selector", Value::Described(Box::new(described)))
    }

    /// Not what this connection itself has sent (filter `apache.org:no-local-filter:list`). A peer that does not know it
    /// leaves the filter out of [`remote_source`](crate::LinkHandle::remote_source).
    #[must_use]
    pub fn no_local(self) -> Self {
        let described = Described {
            descriptor: Value::Symbol(Symbol::from_static(NO_LOCAL)),
            value: Value::List(Vec::new()),
        };
        self.filter("no-local", Value::Described(Box::new(described)))
    }

    /// A filter of any kind: a described value under a name (spec 3.5.8).
    #[must_use]
    pub fn filter(mut self, name: impl Into<Symbol>, filter: Value) -> Self {
        let source = self.source_mut();
        source.filter.get_or_insert_default().insert(name.into(), filter);
        self
    }

    /// A durable subscription called `name`: it goes on collecting messages while no receiver is
    /// attached. Detach (do not close) to keep it; close to end it.
    /// Use the same name and container id to come back to it.
    #[must_use]
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        let source = self.source_mut();
        source.durable = TerminusDurability::UnsettledState;
        source.expiry_policy = TerminusExpiryPolicy::Never;
        self.name(name)
    }

    /// A subscription that several receivers of one container share by its link name
    /// (capability `shared`).
    #[must_use]
    pub fn shared(mut self, name: impl Into<String>) -> Self {
        self.source_mut().capabilities.push(Symbol::from_static("shared"));
        self.name(name)
    }

    /// A subscription that receivers of all containers share by its link name (capabilities
    /// `shared` and `global`).
    #[must_use]
    pub fn shared_globally(mut self, name: impl Into<String>) -> Self {
        self.source_mut().capabilities.push(Symbol::from_static("global"));
        self.shared(name)
    }

    /// Capabilities of the source, such as `queue` or `topic`, added to those already there.
    #[must_use]
    pub fn source_capabilities<S: Into<Symbol>>(mut self, list: impl IntoIterator<Item = S>) -> Self {
        self.source_mut().capabilities.extend(list.into_iter().map(Into::into));
        self
    }

    /// Copies of the messages; the queue keeps them (distribution mode `copy`).
    #[must_use]
    pub fn browse(mut self) -> Self {
        self.source_mut().distribution_mode = Some(Symbol::from_static("copy"));
        self
    }

    fn source_mut(&mut self) -> &mut Source {
        self.config.source.get_or_insert_default()
    }
}

link_options!(ReceiverOptions);
