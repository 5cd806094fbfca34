//! Arguments of `deuteron receive` and `deuteron browse`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::units::some_time;
use super::{ConnectArgs, EXIT_CODES, NodeArgs, RunArgs, SettleMode, TransactionArgs};

/// What is said of a message that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AckMode {
    /// It was taken.
    #[default]
    Accept,
    /// It is invalid.
    Reject,
    /// It was not touched; anybody may have it.
    Release,
    /// It could not be processed; this counts as a failed delivery.
    Modify,
    /// As modify, and it shall not come here again.
    ModifyUndeliverable,
}

/// Which messages are wanted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Only messages for which this expression holds, as in "colour = 'green' AND size > 5".
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) selector: Option<String>,
    /// A filter of another kind: its descriptor and its value in JSON. May be given several times.
    #[arg(long, value_name = "DESCRIPTOR=JSON")]
    pub(crate) filter: Vec<String>,
    /// A capability of the source; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) capability: Vec<String>,
    /// The link's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) link_name: Option<String>,
}

/// How messages are shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Prints all of each message as a line of JSON, as `send --json` reads them.
    #[arg(long, conflicts_with_all = ["full", "raw", "quiet", "output_dir"])]
    pub(crate) json: bool,
    /// Prints all of each message, to read.
    #[arg(long, conflicts_with_all = ["raw", "quiet", "output_dir"])]
    pub(crate) full: bool,
    /// Prints the bytes of the bodies as they are, without ends of lines between them.
    #[arg(long, conflicts_with_all = ["quiet", "output_dir"])]
    pub(crate) raw: bool,
    /// Prints no messages.
    #[arg(long, short, conflicts_with = "output_dir")]
    pub(crate) quiet: bool,
    /// Writes each body to a file of its own in this directory: message-1, message-2 and so on.
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
}

/// What `receive` and `browse` have in common.
#[derive(Debug, Args)]
pub(crate) struct TakingArgs {
    /// Messages that the server may send ahead.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) credit: u32,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ReceiveArgs {
    /// Where from: amqp://user:password@host:port/address. Several, separated by commas, are a failover list.
    pub(crate) url: String,
    /// How many messages. Default: until it is interrupted.
    #[arg(long, short, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// Ends after this time.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) duration: Option<Duration>,
    /// Ends when no message comes for this long; with --count that is a failure.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) timeout: Option<Duration>,
    /// Ends when there are no more messages.
    #[arg(long)]
    pub(crate) until_empty: bool,
    /// How messages are settled.
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) settle_mode: SettleMode,
    /// What is said of each message.
    #[arg(long, value_name = "OUTCOME", value_enum, default_value_t)]
    pub(crate) ack: AckMode,
    /// Takes copies: the messages stay in the queue.
    #[arg(long, conflicts_with_all = ["durable", "shared"])]
    pub(crate) browse: bool,
    /// A durable subscription of this name, which goes on collecting when this command has ended. It belongs to
    /// the client called --container-id.
    #[arg(long, value_name = "NAME", requires = "container_id", conflicts_with = "link_name")]
    pub(crate) durable: Option<String>,
    /// A subscription of this name that several receivers share.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["durable", "link_name"])]
    pub(crate) shared: Option<String>,
    /// With --shared: receivers of all clients share it, not only those of one --container-id.
    #[arg(long, requires = "shared")]
    pub(crate) global: bool,
    /// With --shared: the subscription is durable too.
    #[arg(long, requires = "shared")]
    pub(crate) keep: bool,
    /// Ends the subscription --durable or --shared after the messages that were asked for; alone, at once.
    #[arg(long)]
    pub(crate) unsubscribe: bool,
    /// No messages that were sent by the same connection.
    #[arg(long)]
    pub(crate) no_local: bool,
    #[command(flatten)]
    pub(crate) transaction: TransactionArgs,
    /// Receives from a new, temporary address, and prints it on standard error.
    #[arg(long, conflicts_with_all = ["address", "durable", "shared", "browse"])]
    pub(crate) dynamic: bool,
    #[command(flatten)]
    pub(crate) taking: TakingArgs,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct BrowseArgs {
    /// Where: amqp://user:password@host:port/address. Several, separated by commas, are a failover list.
    pub(crate) url: String,
    /// How many messages at most. Default: all that are there.
    #[arg(long, short, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// How long the server may be silent.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "30s")]
    pub(crate) timeout: Duration,
    /// Goes on with messages that come later.
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) taking: TakingArgs,
}
