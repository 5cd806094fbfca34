//! Arguments of `deuteron request` and `deuteron respond`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::units::some_time;
use super::{ConnectArgs, EXIT_CODES, MessageArgs, NodeArgs, OutputArgs, RunArgs};

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RequestArgs {
    /// Where to: amqp://user:password@host:port/address. Several, separated by commas, are a failover list.
    pub(crate) url: String,
    /// The body of each request: so many requests are sent. A single - reads one from standard input.
    #[arg(conflicts_with_all = ["file", "lines"])]
    pub(crate) body: Vec<String>,
    /// The body is what is in this file.
    #[arg(long, short, value_name = "FILE", conflicts_with = "lines")]
    pub(crate) file: Option<PathBuf>,
    /// Sends each line of standard input as a request.
    #[arg(long, short)]
    pub(crate) lines: bool,
    /// Sends all of them so many times.
    #[arg(long, short, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// How long an answer may take.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "30s")]
    pub(crate) timeout: Duration,
    /// Requests without an answer at once. Answers are printed in the order of the requests.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What requests are answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    /// The body of the request.
    #[default]
    Echo,
    /// Its text in capital letters.
    Upper,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RespondArgs {
    /// Where requests come from: amqp://user:password@host:port/address. Several, separated by commas, are a
    /// failover list.
    pub(crate) url: String,
    /// What requests are answered with.
    #[arg(long, value_name = "ANSWER", value_enum, default_value_t)]
    pub(crate) answer: Answer,
    /// Answers with what this shell command prints; it reads the request's body. If it fails, the request is
    /// rejected. One runs at a time, in the order of the requests.
    #[arg(long, value_name = "COMMAND", conflicts_with = "answer")]
    pub(crate) exec: Option<String>,
    /// How long such a command may run.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "60s", requires = "exec")]
    pub(crate) exec_timeout: Duration,
    /// How many requests. Default: until it is interrupted.
    #[arg(long, short, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// Ends when no request comes for this long; with --count that is a failure.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) timeout: Option<Duration>,
    /// Requests that the server may send ahead.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) credit: u32,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
