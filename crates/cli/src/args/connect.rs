//! How to connect: the same for all commands that do.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::IdentityArgs;
use super::units::some_time;

/// Settings of a connection.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// Another server to fail over to; may be given several times. URLs can also stand in one list, separated by
    /// commas. With more than one server reconnecting is on.
    #[arg(long, value_name = "URL")]
    pub(crate) failover: Vec<String>,
    /// The user. One in the URL wins.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The first line of this file is the password. Without it: the URL's, or that in the environment variable
    /// DEUTERON_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Asks for the password at the terminal.
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) ask_password: bool,
    /// Only these mechanisms: SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, EXTERNAL, ANONYMOUS. Default: the
    /// strongest that both sides have.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) sasl_mechanisms: Vec<String>,
    /// No authentication layer at all.
    #[arg(long, conflicts_with_all = ["user", "sasl_mechanisms"])]
    pub(crate) no_sasl: bool,
    /// Sends a password in the clear if the server has nothing better (PLAIN without TLS).
    #[arg(long)]
    pub(crate) allow_insecure: bool,
    /// Trusts the certificate authorities in this PEM file, and no longer those of the system. May be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Takes any certificate: everybody on the way can then read and change all that is sent, passwords too. For
    /// tests only.
    #[arg(long)]
    pub(crate) danger_tls_no_verify: bool,
    /// The name that the server's certificate has to have, and that it is asked for (SNI). Default: the host.
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    /// The virtual host. Default: the host of the URL.
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// The name of this client; with it durable subscriptions are found again. Default: a random one.
    #[arg(long, value_name = "ID")]
    pub(crate) container_id: Option<String>,
    /// Gives the connection up when the server is silent for this long. Default: never.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) heartbeat: Option<Duration>,
    /// How long connecting may take, for each server.
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "30s")]
    pub(crate) connect_timeout: Duration,
    /// The largest frame that we take, in bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(512..))]
    pub(crate) max_frame_size: Option<u32>,
    /// Connects again when the connection is lost or cannot be made at first. Without it, or one of the options
    /// below, each server is tried once.
    #[arg(long)]
    pub(crate) reconnect: bool,
    /// Does not connect again, though there are several servers.
    #[arg(long, conflicts_with_all = ["reconnect", "reconnect_delay", "reconnect_max_delay", "reconnect_attempts"])]
    pub(crate) no_reconnect: bool,
    /// The second attempt waits for this long, each further one twice as long. Default: 100ms.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) reconnect_delay: Option<Duration>,
    /// But not longer than this. Default: 10s.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) reconnect_max_delay: Option<Duration>,
    /// Gives up after so many rounds through the list of servers. Default: never.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) reconnect_attempts: Option<u32>,
    /// Prints every frame on standard error, passwords masked.
    #[arg(long)]
    pub(crate) trace: bool,
}

impl ConnectArgs {
    /// Whether one of the flags asks for reconnecting.
    pub(crate) fn wants_reconnect(&self) -> bool {
        self.reconnect
            || self.reconnect_delay.is_some()
            || self.reconnect_max_delay.is_some()
            || self.reconnect_attempts.is_some()
    }
}
