//! Arguments of `deuteron broker`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::units::{bytes, some_time};
use super::{EXIT_CODES, IdentityArgs};

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct BrokerArgs {
    /// Where to listen, amqp://host:port or amqps://host:port; port 0 lets the system choose. May be
    /// given several times.
    #[arg(long, value_name = "URL", default_value = "amqp://127.0.0.1:5672")]
    pub(crate) listen: Vec<String>,
    /// Lets this user in, and no anonymous clients. May be given several times. Others on this machine
    /// can see it in the list of processes; a file is safer.
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(crate) user: Vec<String>,
    /// A file with users, one a line: name:password, or what `deuteron user hash` prints.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Offers PLAIN without TLS too: passwords cross the network readable.
    #[arg(long)]
    pub(crate) allow_insecure: bool,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Asks clients on amqps for a certificate of an authority in this PEM file, which lets them in without a
    /// password (EXTERNAL). May be given several times.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_client_ca: Vec<PathBuf>,
    /// Takes clients without a certificate too.
    #[arg(long, requires = "tls_client_ca")]
    pub(crate) tls_client_optional: bool,
    /// How much all messages may take; then producers wait. A number of bytes, or with k, M or G.
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = bytes)]
    pub(crate) max_bytes: u64,
    /// How much the messages of one queue may take. Default: as much as all.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_queue_bytes: Option<u64>,
    /// How many messages a queue may hold; then its producers wait. Default: 10,000,000.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_queue_messages: Option<u64>,
    /// How many queues there may be; further ones are refused. Default: 100,000.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_queues: Option<usize>,
    /// How many connections there may be; further ones are closed. Default: 100,000.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<usize>,
    /// How many sessions a connection may have; one that begins more is closed. Default: 1,024.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_sessions: Option<u16>,
    /// How many links a connection may have; further ones are refused. Default: 100,000.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_links: Option<usize>,
    /// How many topics there may be; further ones are refused. Default: 100,000.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_topics: Option<usize>,
    /// How many subscriptions there may be, to all topics together; further ones are refused. Default: 100,000.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_subscriptions: Option<usize>,
    /// How many transactions a connection may have open; further ones are refused. Default: 1,000.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_transactions: Option<usize>,
    /// How long a transaction may take; then it is rolled back. Default: 5 minutes.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) transaction_timeout: Option<Duration>,
    /// A queue for what consumers reject, and for what was delivered too often. Default: it is dropped.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dead_letter: Option<String>,
    /// A queue for messages that have expired. Default: they are dropped.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) expiry: Option<String>,
    /// How often the delivery of a message may fail before it is given up. Default: as often as it takes.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_deliveries: Option<u32>,
    /// A queue that is there from the start. May be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) queue: Vec<String>,
    /// A topic that is there from the start, and what its address means when a client does not say. May be given
    /// several times.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) topic: Vec<String>,
    /// Makes no queues and topics on demand: what is not named by --queue or --topic is refused, temporary addresses
    /// apart.
    #[arg(long)]
    pub(crate) no_on_demand: bool,
    /// Messages that each producer may send ahead. Default: 1,000.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) credit: Option<u32>,
    /// Closes connections whose clients are silent for this long. Default: never.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) heartbeat: Option<Duration>,
    /// Prints every frame on standard error, passwords masked. Each line begins with the number of its connection.
    #[arg(long)]
    pub(crate) trace: bool,
    /// The name of the broker in each connection.
    #[arg(long, value_name = "ID")]
    pub(crate) container_id: Option<String>,
    /// Threads that connections are spread over. Default: one for each processor.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) threads: Option<usize>,
}
