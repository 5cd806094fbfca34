//! Arguments of `deuteron bench`.

use std::time::Duration;

use clap::Args;

use super::units::{bytes, some_time};
use super::{ConnectArgs, EXIT_CODES, NodeArgs, PaceArgs};

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct BenchArgs {
    /// The server and the address to measure. Without it, a broker in this process.
    pub(crate) url: Option<String>,
    /// Without a broker: senders and receivers are connected to each other directly, in this process.
    #[arg(long, conflicts_with = "url")]
    pub(crate) direct: bool,
    /// How many senders, each on a connection of its own; --count and --rate are for all of them together.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) senders: u32,
    /// How many receivers, each on a connection of its own. 0 only sends.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) receivers: u32,
    /// The size of the bodies. A number of bytes, or with k, M or G.
    #[arg(long, short, value_name = "BYTES", default_value = "100", value_parser = bytes)]
    pub(crate) size: u64,
    /// How many messages. Default: as many as there is time for, --duration or 5 seconds.
    #[arg(long, short, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Sends messages settled: nobody acknowledges them.
    #[arg(long)]
    pub(crate) settled: bool,
    /// Measures round trips: one message at a time from each sender, and the time until it was received and
    /// acknowledged.
    #[arg(long)]
    pub(crate) latency: bool,
    /// Messages on their way at once, for each sender, and messages that are sent ahead to each receiver.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) credit: u32,
    /// How long nothing may move.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "60s")]
    pub(crate) timeout: Duration,
    /// Threads that connections are spread over. Default: one for each processor.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Prints the result as a line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Shows no progress bar at a terminal.
    #[arg(long)]
    pub(crate) no_progress: bool,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}
