//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str =
    "Exit codes: 0 all went well, 1 it failed, 2 the arguments are wrong, 130 interrupted twice.";

/// AMQP 1.0 messaging: a broker for development, and programs to send and receive.
#[derive(Debug, Parser)]
#[command(name = "deuteron", version, after_help = EXIT_CODES)]
pub(crate) struct Deuteron {
    /// Says more on standard error; twice for all details.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a broker. What it holds is in memory only.
    Broker(BrokerArgs),
    /// Sends messages.
    Send(SendArgs),
    /// Receives messages and prints their bodies, one a line.
    Receive(ReceiveArgs),
    /// Shows what the library does: two servers, one of them killed, failover, nothing lost.
    Demo(DemoArgs),
}

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
    /// A file with users, one a line: name:password, or name:SCRAM-... with hashed credentials.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Offers PLAIN without TLS too: passwords cross the network readable.
    #[arg(long)]
    pub(crate) allow_insecure: bool,
    /// The certificate chain for amqps, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How much all messages may take; then producers wait. A number of bytes, or with k, M or G.
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = bytes)]
    pub(crate) max_bytes: u64,
    /// Closes connections whose clients are silent for this many seconds. Default: never.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) heartbeat: Option<u64>,
    /// Threads that connections are spread over. Default: one for each processor.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct SendArgs {
    /// Where to: amqp://user:password@host:port/address
    pub(crate) url: String,
    /// The text of the messages.
    #[arg(conflicts_with = "size")]
    pub(crate) body: Option<String>,
    /// How many.
    #[arg(long, short, default_value_t = 1)]
    pub(crate) count: u64,
    /// Sends this many bytes instead of a text. A number, or with k, M or G.
    #[arg(long, short, value_name = "BYTES", value_parser = bytes)]
    pub(crate) size: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ReceiveArgs {
    /// Where from: amqp://user:password@host:port/address
    pub(crate) url: String,
    /// How many. Default: until it is interrupted.
    #[arg(long, short)]
    pub(crate) count: Option<u64>,
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

/// A number of bytes: `500`, `64k`, `100M`, `2G`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(['k', 'K', 'M', 'G']);
    let factor: u64 = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        other => return Err(format!("'{other}' is no unit; k, M and G are")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("'{digits}' is no number of bytes"))?;
    number.checked_mul(factor).ok_or_else(|| "that is more than can be counted".to_owned())
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
    fn bytes_have_units() {
        assert_eq!(bytes("500"), Ok(500));
        assert_eq!(bytes("64k"), Ok(65_536));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        assert!(bytes("2T").is_err() && bytes("").is_err() && bytes("1kk").is_err());
        assert!(bytes("99999999999999999G").is_err());
    }
}
