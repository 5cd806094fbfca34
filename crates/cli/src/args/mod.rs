//! The arguments.

mod bench;
mod broker;
mod connect;
mod identity;
mod message;
mod receive;
mod request;
mod send;
pub(crate) mod units;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use bench::BenchArgs;
pub(crate) use broker::BrokerArgs;
pub(crate) use connect::ConnectArgs;
pub(crate) use identity::IdentityArgs;
pub(crate) use message::{BodyType, MessageArgs};
pub(crate) use receive::{AckMode, BrowseArgs, OutputArgs, ReceiveArgs, SourceArgs};
pub(crate) use request::{Answer, RequestArgs, RespondArgs};
pub(crate) use send::{NodeArgs, PaceArgs, SendArgs};

const EXIT_CODES: &str = "Exit codes: 0 all went well, 1 it failed, 2 the arguments are wrong, 3 no connection could \
    be made (network, TLS, authentication), 4 messages were not accepted, 5 it took too long, 130 interrupted twice.";

/// AMQP 1.0 messaging: a broker for development, and programs to send, receive and measure.
#[derive(Debug, Parser)]
#[command(name = "deuteron", version, after_help = EXIT_CODES)]
pub(crate) struct Deuteron {
    /// Says more on standard error; twice for all details.
    #[arg(short, long, global = true, display_order = 999, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a broker. What it holds is in memory only.
    Broker(Box<BrokerArgs>),
    /// Sends messages.
    Send(Box<SendArgs>),
    /// Receives messages and prints their bodies, one a line.
    Receive(Box<ReceiveArgs>),
    /// Sends requests and prints the answers.
    Request(Box<RequestArgs>),
    /// Answers requests.
    Respond(Box<RespondArgs>),
    /// Prints the messages of a queue, and leaves them there.
    Browse(Box<BrowseArgs>),
    /// Shows what the library does: two servers, one of them killed, failover, nothing lost.
    Demo(DemoArgs),
    /// Measures throughput and latency.
    Bench(Box<BenchArgs>),
    /// Manages files with users for the broker.
    User(UserArgs),
    /// Prints a script that completes commands and options in a shell.
    Completions(CompletionsArgs),
    /// Writes the manual pages.
    Man(ManArgs),
}

impl Command {
    /// What it tells of trouble as it happens, and not only at its end.
    pub(crate) fn log_level(&self) -> Option<tracing::Level> {
        let reconnects = |url: &str, connect: &ConnectArgs| {
            let several = !connect.failover.is_empty() || url.contains(",amqp");
            !connect.no_reconnect && (several || connect.wants_reconnect())
        };
        let comes_back = match self {
            Self::Broker(_) => return Some(tracing::Level::WARN),
            Self::Send(args) => reconnects(&args.url, &args.connect),
            Self::Receive(args) => reconnects(&args.url, &args.taking.connect),
            Self::Request(args) => reconnects(&args.url, &args.connect),
            Self::Respond(args) => reconnects(&args.url, &args.connect),
            Self::Browse(args) => reconnects(&args.url, &args.taking.connect),
            _ => false,
        };
        comes_back.then_some(tracing::Level::INFO)
    }
}

/// Prints help, or what is wrong with the arguments: without passwords, should one be in a URL in the wrong place.
pub(crate) fn tell(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        eprint!("{}", masked(&text));
    } else {
        print!("{text}");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The text with `***` for what stands between `://user:` and `@`.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let word = after.find(char::is_whitespace).unwrap_or(after.len());
        match (after[..word].find(':'), after[..word].rfind('@')) {
            (Some(colon), Some(sign)) if colon < sign => {
                out.push_str(&after[..=colon]);
                out.push_str("***");
                rest = &after[sign..];
            }
            _ => rest = after,
        }
    }
    out + rest
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DemoArgs {
    /// How many messages.
    #[arg(long, short, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
    pub(crate) count: u64,
    /// Messages a second. Default: at a terminal so many that it takes four seconds and can be
    /// watched, otherwise as fast as it goes.
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Prints the lines for a file with users that let somebody in, without the password itself. The password is
    /// asked for, or read from standard input.
    Hash {
        /// The user's name.
        name: String,
        /// How often the password is hashed; more makes guessing dearer, and logging in too.
        #[arg(long, value_name = "NUMBER", default_value_t = deuteron::sasl::DEFAULT_ITERATIONS,
            value_parser = clap::value_parser!(u32).range(4096..=2_000_000))]
        iterations: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory for a page for each command. Without it, that of `deuteron` itself is printed.
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// How the summary is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryForm {
    /// A line to read.
    Text,
    /// A line of JSON.
    Json,
    /// Nothing.
    None,
}

/// What all long commands have.
#[derive(Debug, Args)]
#[command(next_help_heading = "Progress and summary")]
pub(crate) struct RunArgs {
    /// The form of the summary on standard error. Default: text, or json with --json.
    #[arg(long, value_name = "FORM")]
    pub(crate) summary: Option<SummaryForm>,
    /// Shows no progress bar at a terminal.
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// Transactions over batches of messages.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct TransactionArgs {
    /// Works in transactions of so many messages each; the last may have fewer.
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) transaction: Option<u64>,
    /// Rolls the transactions back instead of committing them.
    #[arg(long, requires = "transaction")]
    pub(crate) rollback: bool,
}

/// How messages are settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SettleMode {
    /// The receiver acknowledges each message: at least once.
    #[default]
    Unsettled,
    /// Nobody acknowledges: at most once.
    Settled,
    /// The receiver settles only when the sender has (rcv-settle-mode second), if both sides can.
    ExactlyOnce,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Deuteron::command().debug_assert();
    }

    #[test]
    fn passwords_in_wrong_arguments_are_masked() {
        let text =
            "error: unexpected argument 'amqp://a:se:cr@et@host:1/q' found\n\nUsage: x://y z:1 amqp://b@c";
        let shown = "error: unexpected argument 'amqp://a:***@host:1/q' found\n\nUsage: x://y z:1 amqp://b@c";
        assert_eq!(masked(text), shown);
    }

    const PAGE: &str = include_str!("../../../../docs/command.md");

    /// The words of a line for a shell.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quote = None;
        for letter in line.chars() {
            match (quote, letter) {
                (Some(open), letter) if open == letter => quote = None,
                (None, '"' | '\'') => quote = Some(letter),
                (None, ' ') => words.push(String::new()),
                (_, letter) => words.last_mut().expect("there is one").push(letter),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// A line for a shell has good arguments for us.
    fn works(line: &str, page: &std::path::Path) {
        let line = &line[line.find("deuteron ").expect("it has it")..];
        let line = line.split(" #").next().expect("a part").replace("URL", "amqp://host/q");
        let end = ["|", ">", "<", ">>", "&"];
        let words: Vec<_> =
            words(&line).into_iter().take_while(|word| !end.contains(&word.as_str())).collect();
        if let Err(error) = Deuteron::try_parse_from(&words) {
            panic!("{}: {line}: {error}", page.display());
        }
    }

    #[test]
    fn all_pages_show_lines_that_work() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let pages =
            ["docs", "docs/servers"].map(|folder| std::fs::read_dir(root.join(folder)).expect("it is there"));
        let pages = pages.into_iter().flatten().map(|entry| entry.expect("it is readable").path());
        let pages = pages
            .filter(|path| path.extension().is_some_and(|name| name == "md"))
            .chain([root.join("README.md")]);
        let mut seen = 0;
        for page in pages {
            let text = std::fs::read_to_string(&page).expect("it is text").replace("\\\n", " ");
            let shown = |line: &&str| {
                line.trim_start().starts_with("deuteron ")
                    || !line.starts_with('|') && line.contains("| deuteron ")
            };
            for line in text.lines().filter(shown) {
                works(line, &page);
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn the_page_has_every_option_and_no_other() {
        let mut known = std::collections::BTreeSet::new();
        let command = Deuteron::command();
        let commands: Vec<_> = command
            .get_subcommands()
            .flat_map(|command| command.get_subcommands().chain([command]))
            .collect();
        known.extend(
            commands
                .iter()
                .flat_map(|command| command.get_arguments())
                .filter_map(|argument| argument.get_long()),
        );
        let mentioned: std::collections::BTreeSet<_> = PAGE
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
            .filter_map(|word| word.strip_prefix("--"))
            .filter(|word| !word.is_empty() && !word.starts_with('-'))
            .collect();
        let unknown: Vec<_> = mentioned.difference(&known).filter(|name| **name != "help").collect();
        assert!(unknown.is_empty(), "the page has options that do not exist: {unknown:?}");
        // Those that each command explains by itself well enough.
        let left_out =
            ["container-id", "threads", "iterations", "verbose", "capability", "link-name", "body-type"];
        let missing: Vec<_> = known.difference(&mentioned).filter(|name| !left_out.contains(name)).collect();
        assert!(missing.is_empty(), "the page leaves out {missing:?}");
    }
}
