//! `deuteron broker`

use std::time::Duration;

use deuteron::TlsServerConfig;
use deuteron_broker::{Broker, BrokerConfig};

use crate::args::BrokerArgs;
use crate::connect::key_password;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::summary::counted;
use crate::{descriptors, runtime, users};

/// How long clients have to answer when the broker stops.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) fn run(args: BrokerArgs) -> Result<(), Failure> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let interrupt = Interrupt::watch();
    let config = config(args)?;
    descriptors::raise_limit();
    let runtime = runtime(threads.max(1))?;
    runtime.block_on(async {
        let broker = Broker::start(config).await?;
        eprintln!("deuteron: a broker in memory only: its messages are gone when it stops (Ctrl-C)");
        for url in broker.urls() {
            println!("listening at {url}");
        }
        interrupt.come().await;
        let stats = broker.stats();
        eprintln!(
            "deuteron: stopping; {} received, {} delivered, {} rejected, {} held and lost now",
            counted(stats.received, "message"),
            stats.sent,
            stats.rejected,
            stats.messages
        );
        broker.stop(FAREWELL).await?;
        Ok(())
    })
}

fn config(args: BrokerArgs) -> Result<BrokerConfig, Failure> {
    let default = BrokerConfig::default();
    let tls = tls(&args)?;
    let mut config = BrokerConfig {
        container_id: args.container_id.unwrap_or(default.container_id),
        max_bytes: args.max_bytes,
        max_queue_bytes: args.max_queue_bytes.unwrap_or(args.max_bytes),
        max_queue_messages: args.max_queue_messages.unwrap_or(default.max_queue_messages),
        max_queues: args.max_queues.unwrap_or(default.max_queues),
        max_connections: args.max_connections.unwrap_or(default.max_connections),
        max_sessions: args.max_sessions.map_or(default.max_sessions, usize::from),
        max_links: args.max_links.unwrap_or(default.max_links),
        max_topics: args.max_topics.unwrap_or(default.max_topics),
        max_subscriptions: args.max_subscriptions.unwrap_or(default.max_subscriptions),
        max_transactions: args.max_transactions.unwrap_or(default.max_transactions),
        transaction_timeout: args.transaction_timeout.or(default.transaction_timeout),
        dead_letter: args.dead_letter,
        expiry: args.expiry,
        max_deliveries: args.max_deliveries.unwrap_or(default.max_deliveries),
        queues: args.queue,
        topics: args.topic,
        on_demand: !args.no_on_demand,
        trace: args.trace,
        credit_window: args.credit.unwrap_or(default.credit_window),
        heartbeat: args.heartbeat,
        allow_insecure: args.allow_insecure,
        tls,
        ..BrokerConfig::listening(args.listen)
    };
    if let Some(path) = &args.users {
        users::read(&mut config, path)?;
    }
    for user in &args.user {
        users::add(&mut config, user, "--user")?;
    }
    Ok(config)
}

fn tls(args: &BrokerArgs) -> Result<Option<TlsServerConfig>, Failure> {
    let Some((chain, key)) = args.identity.files() else {
        let needs = |url: &&String| url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("amqps:"));
        return match args.listen.iter().find(needs) {
            None => Ok(None),
            Some(url) => {
                Err(Failure::usage(format!("{url} needs a certificate: --tls-cert FILE --tls-key FILE")))
            }
        };
    };
    let tls = TlsServerConfig::files(chain, key);
    let mut tls = args.tls_client_ca.iter().fold(tls, TlsServerConfig::client_ca_file);
    if args.tls_client_optional {
        tls = tls.client_certificate_optional();
    }
    if let Some(password) = key_password(&args.identity)? {
        tls = tls.key_password(password);
    }
    tls.check().map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Some(tls))
}
