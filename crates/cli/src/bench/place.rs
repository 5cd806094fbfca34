//! What is measured: a server, a broker in this process, or nothing between senders and receivers.

use std::time::Duration;

use deuteron::{
    Connection, Container, Link, Listener, Receiver, ReceiverOptions, Sender, SenderSettleMode, Source,
    Symbol,
};
use deuteron_broker::{Broker, BrokerConfig, BrokerThread};

use crate::args::{BenchArgs, SettleMode};
use crate::connect::Destination;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::send;

/// How long the broker in this process may take to stop.
const FAREWELL: Duration = Duration::from_secs(5);

enum Kind {
    Server(String),
    Broker(BrokerThread),
    Direct,
}

pub(super) struct Place {
    kind: Kind,
}

/// All links, with their connections.
#[derive(Default)]
pub(super) struct Links {
    pub(super) receivers: Vec<(Connection, Receiver)>,
    pub(super) senders: Vec<(Connection, Sender)>,
    /// What the senders are connected to, if there is no server.
    _listener: Option<Listener>,
}

impl Place {
    /// Starts the broker, if there shall be one.
    pub(super) fn new(args: &BenchArgs, threads: usize) -> Result<Self, Failure> {
        let kind = match &args.url {
            Some(url) => Kind::Server(url.clone()),
            None if args.direct => Kind::Direct,
            None => {
                let config = BrokerConfig { threads, ..BrokerConfig::listening(["amqp://127.0.0.1:0"]) };
                Kind::Broker(Broker::start_on_thread(config)?)
            }
        };
        Ok(Self { kind })
    }

    /// What it is, to read. URLs have no passwords any more.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Server(url) => {
                url.parse::<deuteron::Url>().map_or_else(|_| "servers".into(), |url| url.to_string())
            }
            Kind::Broker(_) => "a broker in this process".into(),
            Kind::Direct => "no broker".into(),
        }
    }

    /// Connects and attaches, receivers first.
    pub(super) async fn links(&self, args: &BenchArgs, interrupt: &Interrupt) -> Result<Links, Failure> {
        let url = match &self.kind {
            Kind::Server(url) => url,
            Kind::Broker(broker) => broker.url(),
            Kind::Direct => return direct(args, interrupt).await,
        };
        let destination = Destination::new(url, &args.connect, Some(args.timeout))?;
        // Nobody else's messages are there.
        let address = args.node.address.clone().or_else(|| destination.address.clone());
        let address = address.unwrap_or_else(|| format!("bench-{}", Container::new().id()));
        let mut links = Links::default();
        for _ in 0..args.receivers {
            let connection = destination.connect(interrupt).await?;
            let receiver = connection.receiver(receiver_options(args, &address)).await?;
            links.receivers.push((connection, receiver));
        }
        for _ in 0..args.senders {
            let connection = destination.connect(interrupt).await?;
            let sender = connection.sender(sender_options(args, &address)).await?;
            links.senders.push((connection, sender));
        }
        Ok(links)
    }

    /// Stops what was started.
    pub(super) fn stop(self) -> Result<(), Failure> {
        match self.kind {
            Kind::Broker(broker) => Ok(broker.stop(FAREWELL)?),
            Kind::Server(_) | Kind::Direct => Ok(()),
        }
    }
}

fn sender_options(args: &BenchArgs, address: &str) -> deuteron::SenderOptions {
    let mode = if args.settled { SettleMode::Settled } else { SettleMode::Unsettled };
    send::options(Some(address), &args.node, mode)
}

fn receiver_options(args: &BenchArgs, address: &str) -> ReceiverOptions {
    let capabilities = args.node.capabilities().into_iter().map(Symbol::from_static).collect();
    let options = ReceiverOptions::new(address)
        .source(Source { capabilities, ..Source::new(address) })
        .credit_window(args.credit);
    if args.settled { options.snd_settle_mode(SenderSettleMode::Settled) } else { options }
}

/// Each sender is connected to a receiver of its own.
async fn direct(args: &BenchArgs, interrupt: &Interrupt) -> Result<Links, Failure> {
    let listener = Container::with_id("bench").listen("amqp://127.0.0.1:0").await?;
    let url = format!("amqp://{}", listener.local_addr());
    let destination = Destination::new(&url, &args.connect, Some(args.timeout))?;
    let mut links = Links::default();
    for _ in 0..args.senders {
        let accept = async { Ok::<_, Failure>(listener.accept().await?) };
        let (connection, accepted) = tokio::try_join!(destination.connect(interrupt), accept)?;
        let attach = async { Ok::<_, Failure>(connection.sender(sender_options(args, "bench")).await?) };
        let answer = async {
            let link = accepted.accept_link().await?;
            if let Link::Receiver(receiver) = &link {
                receiver.set_credit_window(args.credit);
            }
            link.accept();
            Ok::<_, Failure>(link)
        };
        let (sender, link) = tokio::try_join!(attach, answer)?;
        if let Link::Receiver(receiver) = link {
            links.receivers.push((accepted, receiver));
        }
        links.senders.push((connection, sender));
    }
    Ok(Links { _listener: Some(listener), ..links })
}
