//! `deuteron send`
//!
//! | file | what it does |
//! |---|---|
//! | source | the messages, from arguments, a file or standard input |
//! | flight | handing them over, and what became of them |
//! | flying | those whose outcomes have not come |
//! | tally | counting that |

mod flight;
pub(crate) mod flying;
pub(crate) mod source;
pub(crate) mod tally;

use deuteron::{Connection, ReceiverSettleMode, Sender, SenderOptions, SenderSettleMode, Symbol, Target};

use crate::args::{NodeArgs, SendArgs, SettleMode};
use crate::connect::Destination;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::message::template::Template;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::runtime;
use crate::summary::{Summary, counted};
use flight::Flight;
use source::Messages;
use tally::Tally;

use crate::transaction::Batches;

pub(crate) fn run(args: &SendArgs) -> Result<(), Failure> {
    let destination = Destination::new(&args.url, &args.connect, Some(args.timeout))?;
    let address =
        if args.anonymous { None } else { Some(destination.address(args.node.address.as_deref())?) };
    let template = Template::new(&args.message)?;
    let messages = Messages::new(args, template)?;
    let interrupt = Interrupt::watch();
    runtime(1)?.block_on(async {
        let connection = destination.connect(&interrupt).await?;
        let mut tally = Tally::default();
        let sent = send(&connection, args, address.as_deref(), messages, &interrupt, &mut tally).await;
        let closed = connection.close().await;
        let place = address.as_deref().unwrap_or("the anonymous relay");
        summary(&tally, args, place)
            .unless_idle(sent.is_err() && tally.sent == 0)
            .print(&args.run, args.json);
        sent?;
        closed?;
        tally.verdict()
    })
}

async fn send(
    connection: &Connection,
    args: &SendArgs,
    address: Option<&str>,
    mut messages: Messages,
    interrupt: &Interrupt,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let sender = tokio::select! {
        sender = connection.sender(options(address, &args.node, args.settle_mode)) => sender?,
        () = interrupt.come() => return Err(Failure::interrupted()),
    };
    check_modes(&sender, args.settle_mode);
    let pace = Pace::start(args.pace.rate, args.pace.duration);
    let progress = Progress::new(messages.count(), !args.run.no_progress);
    let batches = Batches::new(&args.transaction, connection);
    let mut flight = Flight::new(&sender, args.in_flight as usize, pace, progress, interrupt, tally, batches);
    let sent = flight.send_all(&mut messages).await;
    let settled = flight.land(sent.is_ok()).await;
    flight.finish();
    sent.and(settled)
}

/// Options of a sender to an address, or to the anonymous relay.
pub(crate) fn options(address: Option<&str>, node: &NodeArgs, mode: SettleMode) -> SenderOptions {
    let capabilities = node.capabilities();
    let options = match address {
        None => SenderOptions::anonymous(),
        Some(address) if capabilities.is_empty() => SenderOptions::new(address),
        Some(address) => SenderOptions::new(address).target(Target {
            capabilities: capabilities.into_iter().map(Symbol::from_static).collect(),
            ..Target::new(address)
        }),
    };
    match mode {
        SettleMode::Unsettled => options,
        SettleMode::Settled => options.presettled(),
        SettleMode::ExactlyOnce => {
            options.snd_settle_mode(SenderSettleMode::Unsettled).rcv_settle_mode(ReceiverSettleMode::Second)
        }
    }
}

/// Says so if the peer does not settle as it was asked to.
fn check_modes(sender: &Sender, mode: SettleMode) {
    let agreed = sender.remote_attach().map(|attach| attach.rcv_settle_mode);
    if mode == SettleMode::ExactlyOnce && agreed != Some(ReceiverSettleMode::Second) {
        eprintln!("deuteron: the server does not settle second; messages are sent at least once");
    }
}

fn summary(tally: &Tally, args: &SendArgs, place: &str) -> Summary {
    let text = match args.settle_mode {
        SettleMode::Settled => format!("{} sent to {place}", counted(tally.sent, "message")),
        _ => format!("{} of {} accepted by {place}", tally.accepted, counted(tally.sent, "message")),
    };
    let text = match args.transaction.transaction {
        None => text,
        Some(_) => format!("{text}, {} committed, {} rolled back", tally.committed, tally.rolled_back),
    };
    Summary::new("send", text)
        .field("committed", tally.committed)
        .field("rolled_back", tally.rolled_back)
        .field("sent", tally.sent)
        .field("accepted", tally.accepted)
        .field("rejected", tally.rejected)
        .field("released", tally.released)
        .field("modified", tally.modified)
        .field("bytes", tally.bytes)
        .time(tally.time, tally.sent)
        .latencies(&tally.latencies)
}
