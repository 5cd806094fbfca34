//! Arguments of `deuteron send`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::units::{bytes, rate, some_time};
use super::{ConnectArgs, EXIT_CODES, MessageArgs, RunArgs, SettleMode, TransactionArgs};

/// What the node at an address is.
#[derive(Debug, Default, Args)]
pub(crate) struct NodeArgs {
    /// The address, where it is not in the URL.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// Asks for a queue (capability queue).
    #[arg(long, conflicts_with = "topic")]
    pub(crate) queue: bool,
    /// Asks for a topic (capability topic).
    #[arg(long)]
    pub(crate) topic: bool,
}

impl NodeArgs {
    /// The capabilities that the flags ask for.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        [(self.queue, "queue"), (self.topic, "topic")]
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name)
            .collect()
    }
}

/// How fast, and for how long.
#[derive(Debug, Args)]
pub(crate) struct PaceArgs {
    /// How long to send.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) duration: Option<Duration>,
    /// Messages a second, at most. Default: as fast as it goes.
    #[arg(long, short, value_name = "NUMBER", value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct SendArgs {
    /// Where to: amqp://user:password@host:port/address. Several, separated by commas, are a failover list.
    pub(crate) url: String,
    /// The body of the messages. A single - reads it from standard input. Default: Hello World!
    #[arg(conflicts_with_all = ["size", "file", "lines", "json"])]
    pub(crate) body: Option<String>,
    /// The body is what is in this file.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["size", "lines", "json"])]
    pub(crate) file: Option<PathBuf>,
    /// Sends each line of standard input as a message.
    #[arg(long, short, conflicts_with_all = ["size", "json"])]
    pub(crate) lines: bool,
    /// Each line of standard input is a whole message in JSON, as `receive --json` prints them.
    #[arg(long, conflicts_with = "size", conflicts_with = "body_type")]
    pub(crate) json: bool,
    /// The body is this many bytes, made up. A number, or with k, M or G.
    #[arg(long, short, value_name = "BYTES", value_parser = bytes)]
    pub(crate) size: Option<u64>,
    /// How many messages. Default: 1, or as many as there are lines, or as --duration has time for.
    #[arg(long, short, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Numbers the messages from 1 on, in the application property `sequence` (ulong).
    #[arg(long)]
    pub(crate) sequence: bool,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Sends to no address of its own; the server goes by --to (anonymous relay).
    #[arg(long, conflicts_with_all = ["address", "queue", "topic"])]
    pub(crate) anonymous: bool,
    /// How messages are settled.
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) settle_mode: SettleMode,
    /// Messages on their way at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// How long the server may take to give credit, or to acknowledge a message.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "60s")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) transaction: TransactionArgs,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
