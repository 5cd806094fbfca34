//! What a receiver's link asks for, and whether it got it.

use deuteron::codec::Described;
use deuteron::{
    Receiver, ReceiverOptions, ReceiverSettleMode, SenderSettleMode, Source, Symbol, TerminusDurability,
    TerminusExpiryPolicy, Value,
};

use crate::args::{BrowseArgs, ReceiveArgs, SettleMode, SourceArgs};
use crate::connect::Destination;
use crate::failure::Failure;
use crate::message::{json_read, scalar};

const SELECTOR: &str = "apache.org:selector-filter:string";
const NO_LOCAL: &str = "apache.org:no-local-filter:list";

/// A subscription, which has a name.
#[derive(Debug)]
enum Subscription {
    Durable(String),
    Shared { name: String, global: bool, durable: bool },
}

/// What is wanted of the source.
#[derive(Debug)]
pub(super) struct Wanted {
    /// `None` for a dynamic one.
    address: Option<String>,
    capabilities: Vec<Symbol>,
    /// Their names, and the described values.
    filters: Vec<(Symbol, Value)>,
    subscription: Option<Subscription>,
    unsubscribes: bool,
    browses: bool,
    settle_mode: SettleMode,
    link_name: Option<String>,
}

impl Wanted {
    pub(super) fn of_receive(args: &ReceiveArgs, destination: &Destination) -> Result<Self, Failure> {
        let address = if args.dynamic {
            None
        } else {
            Some(destination.address(args.taking.source.node.address.as_deref())?)
        };
        let subscription = match (&args.durable, &args.shared) {
            (Some(name), _) => Some(Subscription::Durable(name.clone())),
            (None, Some(name)) => {
                Some(Subscription::Shared { name: name.clone(), global: args.global, durable: args.keep })
            }
            (None, None) => None,
        };
        if args.unsubscribe && subscription.is_none() {
            return Err(Failure::usage(
                "--unsubscribe needs the name of the subscription: --durable or --shared",
            ));
        }
        let mut wanted = Self {
            address,
            subscription,
            unsubscribes: args.unsubscribe,
            browses: args.browse,
            settle_mode: args.settle_mode,
            ..Self::of_source(&args.taking.source)?
        };
        if args.no_local {
            wanted.filters.push(filter("no-local", NO_LOCAL, Value::List(Vec::new())));
        }
        Ok(wanted)
    }

    pub(super) fn of_browse(args: &BrowseArgs, destination: &Destination) -> Result<Self, Failure> {
        let address = destination.address(args.taking.source.node.address.as_deref())?;
        Ok(Self { address: Some(address), browses: true, ..Self::of_source(&args.taking.source)? })
    }

    fn of_source(args: &SourceArgs) -> Result<Self, Failure> {
        let mut filters = Vec::new();
        if let Some(selector) = &args.selector {
            filters.push(filter("selector", SELECTOR, Value::from(selector.as_str())));
        }
        for text in &args.filter {
            let read = text
                .split_once('=')
                .ok_or_else(|| "it has no '='".to_owned())
                .and_then(|(name, value)| Ok((scalar::symbol(name)?, json_read::value_text(value)?)));
            let (name, value) = read.map_err(|error| {
                Failure::usage(format!("--filter {text}: {error}; the form is DESCRIPTOR=JSON"))
            })?;
            filters.push(filter(name.as_str(), name.as_str(), value));
        }
        let mut capabilities = Vec::new();
        for name in args.node.capabilities().into_iter().chain(args.capability.iter().map(String::as_str)) {
            let name =
                scalar::symbol(name).map_err(|error| Failure::usage(format!("--capability: {error}")))?;
            capabilities.push(name);
        }
        Ok(Self {
            address: None,
            capabilities,
            filters,
            subscription: None,
            unsubscribes: false,
            browses: false,
            settle_mode: SettleMode::Unsettled,
            link_name: args.link_name.clone(),
        })
    }

    pub(super) fn unsubscribes(&self) -> bool {
        self.unsubscribes
    }

    pub(super) fn browses(&self) -> bool {
        self.browses
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.address.is_none()
    }

    /// Whether the subscription shall outlive the link.
    pub(super) fn keeps(&self) -> bool {
        let durable = match &self.subscription {
            Some(Subscription::Durable(_)) => true,
            Some(Subscription::Shared { durable, .. }) => *durable,
            None => false,
        };
        durable && !self.unsubscribes
    }

    /// Where messages come from, for the summary.
    pub(super) fn place(&self) -> String {
        self.address.clone().unwrap_or_else(|| "a temporary address".into())
    }

    pub(super) fn options(&self, credit_window: u32) -> ReceiverOptions {
        let mut options = match &self.address {
            None => ReceiverOptions::dynamic(),
            Some(address) => ReceiverOptions::new(address).source(self.source(address)),
        };
        options = options.credit_window(credit_window);
        match &self.subscription {
            Some(Subscription::Durable(name)) => options = options.durable(name),
            Some(Subscription::Shared { name, global: true, .. }) => options = options.shared_globally(name),
            Some(Subscription::Shared { name, .. }) => options = options.shared(name),
            None => {}
        }
        if let Some(name) = &self.link_name {
            options = options.name(name);
        }
        for (name, filter) in &self.filters {
            options = options.filter(name.clone(), filter.clone());
        }
        if self.browses {
            options = options.browse();
        }
        match self.settle_mode {
            SettleMode::Unsettled => options,
            SettleMode::Settled => options.snd_settle_mode(SenderSettleMode::Settled),
            SettleMode::ExactlyOnce => options
                .snd_settle_mode(SenderSettleMode::Unsettled)
                .rcv_settle_mode(ReceiverSettleMode::Second),
        }
    }

    fn source(&self, address: &str) -> Source {
        let source = Source { capabilities: self.capabilities.clone(), ..Source::new(address) };
        match &self.subscription {
            Some(Subscription::Shared { durable: true, .. }) => Source {
                durable: TerminusDurability::UnsettledState,
                expiry_policy: TerminusExpiryPolicy::Never,
                ..source
            },
            _ => source,
        }
    }

    /// Looks at what the peer has made of it; whether it gives copies.
    ///
    /// A filter that the peer does not apply is an error: it would hand out messages that are not wanted here.
    pub(super) fn check(&self, receiver: &Receiver) -> Result<bool, Failure> {
        let source = receiver.remote_source().unwrap_or_default();
        for (name, wanted) in &self.filters {
            let descriptor = wanted.as_described().map(|described| &described.descriptor);
            let applied = source.filter.iter().flat_map(|filters| filters.iter()).any(|(key, filter)| {
                key.as_str() == Some(name.as_str())
                    || filter.as_described().map(|described| &described.descriptor) == descriptor
            });
            if !applied {
                let shown = descriptor.and_then(Value::as_str).unwrap_or(name.as_str());
                return Err(Failure::new(format!(
                    "the server does not apply the filter {shown}: nothing was received"
                )));
            }
        }
        let mode = receiver.remote_attach().map(|attach| attach.rcv_settle_mode);
        if self.settle_mode == SettleMode::ExactlyOnce && mode != Some(ReceiverSettleMode::Second) {
            eprintln!("deuteron: the server does not settle second; messages come at least once");
        }
        let copies = source.distribution_mode.as_ref().is_some_and(|mode| mode.as_str() == "copy");
        if self.browses && !copies {
            eprintln!("deuteron: the server does not say that it gives copies; messages are put back");
        }
        Ok(copies)
    }
}

fn filter(name: &str, descriptor: &str, value: Value) -> (Symbol, Value) {
    let described = Described { descriptor: Value::Symbol(descriptor.into()), value };
    (name.into(), Value::Described(Box::new(described)))
}
