//! What a message that is to be sent says of itself.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::units::duration;

/// What becomes of the body's text or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BodyType {
    /// A string (amqp-value).
    Text,
    /// Bytes (data).
    Binary,
    /// A value of any type, written in JSON (amqp-value): see docs/command.md for the types.
    #[value(alias = "json")]
    Value,
    /// A JSON list of values (amqp-sequence).
    Sequence,
}

/// Header, properties and annotations. Where it says [:TYPE=]VALUE, the value is a string unless a type is given, as
/// in :ulong=5.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageArgs {
    /// The type of the body. Default: text, for --file and --size binary.
    #[arg(long, value_name = "TYPE")]
    pub(crate) body_type: Option<BodyType>,
    /// An application property; may be given several times. The value is a string unless the name is followed by a
    /// type, as in size:int=5. Types: null, boolean, ubyte, ushort, uint, ulong, byte, short, int, long, float,
    /// double, decimal32, decimal64, decimal128, char, timestamp, uuid, binary, string, symbol, json.
    #[arg(long, short, value_name = "NAME[:TYPE]=VALUE")]
    pub(crate) property: Vec<String>,
    /// A message annotation; as --property.
    #[arg(long, value_name = "NAME[:TYPE]=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// A delivery annotation, for the next hop only; as --property.
    #[arg(long, value_name = "NAME[:TYPE]=VALUE")]
    pub(crate) delivery_annotation: Vec<String>,
    /// An entry of the footer; as --property.
    #[arg(long, value_name = "NAME[:TYPE]=VALUE")]
    pub(crate) footer: Vec<String>,
    /// The message id; its type may be string, ulong, uuid or binary.
    #[arg(long, value_name = "[:TYPE=]VALUE")]
    pub(crate) id: Option<String>,
    /// Who made the message. Brokers may insist on the user who is logged in.
    #[arg(long, value_name = "NAME")]
    pub(crate) user_id: Option<String>,
    /// The address that the message is for.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<String>,
    /// What the message is about.
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
    /// The address for answers.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) reply_to: Option<String>,
    /// What the message belongs to; types as for --id.
    #[arg(long, value_name = "[:TYPE=]VALUE")]
    pub(crate) correlation_id: Option<String>,
    /// The MIME type of the body.
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// How the body is encoded beyond that, gzip for example.
    #[arg(long, value_name = "NAME")]
    pub(crate) content_encoding: Option<String>,
    /// When the message ceases to be of use: 2030-01-31T12:00:00Z, milliseconds since 1970, or from now on: +5m.
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) expires: Option<String>,
    /// When the message was made: as --expires, or now.
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) created: Option<String>,
    /// The group that the message belongs to.
    #[arg(long, value_name = "NAME")]
    pub(crate) group_id: Option<String>,
    /// The message's place in its group.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) group_sequence: Option<u32>,
    /// The group for answers.
    #[arg(long, value_name = "NAME")]
    pub(crate) reply_to_group_id: Option<String>,
    /// The message shall survive a restart of the broker.
    #[arg(long)]
    pub(crate) durable: bool,
    /// 0 to 255; 4 is usual, and higher goes first where the broker does that.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) priority: Option<u8>,
    /// For how long the message is of use.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
}
