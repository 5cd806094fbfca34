//! `deuteron broker`

use std::time::Duration;

use deuteron::TlsServerConfig;
use deuteron_broker::{Broker, BrokerConfig};

use crate::args::BrokerArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::{descriptors, runtime, users};

/// How long clients have to answer when the broker stops.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) fn run(args: BrokerArgs) -> Result<(), Failure> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut interrupt = Interrupt::watch();
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
            "deuteron: stopping; {} messages received, {} delivered, {} rejected, {} held and lost now",
            stats.received, stats.sent, stats.rejected, stats.messages
        );
        broker.stop(FAREWELL).await?;
        Ok(())
    })
}

fn config(args: BrokerArgs) -> Result<BrokerConfig, Failure> {
    let mut config = BrokerConfig {
        max_bytes: args.max_bytes,
        max_queue_bytes: args.max_bytes,
        heartbeat: args.heartbeat.map(Duration::from_secs),
        allow_insecure: args.allow_insecure,
        tls: args.tls_cert.zip(args.tls_key).map(|(chain, key)| TlsServerConfig::files(chain, key)),
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
