//! `deuteron receive` and `deuteron browse`
//!
//! | file | what it does |
//! |---|---|
//! | source | what the link asks for, and whether it got it |
//! | take | the loop: credit, messages, outcomes |
//! | output | how messages are shown |

pub(crate) mod output;
mod source;
mod take;

use std::time::Duration;

use deuteron::{Connection, Receiver};

use crate::args::{AckMode, BrowseArgs, OutputArgs, ReceiveArgs, RunArgs, TransactionArgs};
use crate::connect::Destination;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::runtime;
use crate::summary::{Summary, counted};
use crate::transaction::Batches;
use output::Output;
use source::Wanted;
use take::Taking;

/// When to stop, and what to say of each message.
#[derive(Clone, Copy, Debug)]
struct Plan {
    count: Option<u64>,
    duration: Option<Duration>,
    timeout: Option<Duration>,
    until_empty: bool,
    credit: u32,
    ack: AckMode,
    transaction: TransactionArgs,
    /// Whether the connection comes back by itself.
    reconnects: bool,
}

pub(crate) fn run(args: &ReceiveArgs) -> Result<(), Failure> {
    let destination = Destination::new(&args.url, &args.taking.connect, None)?;
    let wanted = Wanted::of_receive(args, &destination)?;
    let plan = Plan {
        // Who only ends a subscription wants no messages.
        count: args
            .count
            .or_else(|| (args.unsubscribe && !args.until_empty && args.duration.is_none()).then_some(0)),
        duration: args.duration,
        timeout: args.timeout,
        until_empty: args.until_empty,
        credit: args.taking.credit,
        ack: args.ack,
        transaction: args.transaction,
        reconnects: destination.reconnects,
    };
    receive("receive", &destination, &wanted, plan, &args.taking.output, &args.taking.run)
}

pub(crate) fn browse(args: &BrowseArgs) -> Result<(), Failure> {
    let destination = Destination::new(&args.url, &args.taking.connect, Some(args.timeout))?;
    let wanted = Wanted::of_browse(args, &destination)?;
    let plan = Plan {
        count: args.count,
        duration: None,
        timeout: None,
        until_empty: !args.follow,
        credit: args.taking.credit,
        ack: AckMode::Accept,
        transaction: TransactionArgs::default(),
        reconnects: destination.reconnects,
    };
    receive("browse", &destination, &wanted, plan, &args.taking.output, &args.taking.run)
}

fn receive(
    command: &str,
    destination: &Destination,
    wanted: &Wanted,
    plan: Plan,
    output: &OutputArgs,
    run: &RunArgs,
) -> Result<(), Failure> {
    let mut output = Output::new(output)?;
    let interrupt = Interrupt::watch();
    runtime(1)?.block_on(async {
        let connection = destination.connect(&interrupt).await?;
        let mut tally = Tally { place: wanted.place(), ..Tally::default() };
        let received = take_all(&connection, wanted, plan, &mut output, &interrupt, run, &mut tally).await;
        let closed = connection.close().await;
        let idle = received.is_err() && tally.received == 0;
        summary(command, &tally).unless_idle(idle).print(run, output.is_json());
        received?;
        closed?;
        match tally.unreadable {
            0 => Ok(()),
            unreadable => {
                let messages = counted(unreadable, "message");
                Err(Failure::new(format!("{messages} could not be read; rejected")))
            }
        }
    })
}

/// What was received.
#[derive(Debug, Default)]
struct Tally {
    received: u64,
    bytes: u64,
    unreadable: u64,
    time: Duration,
    /// In transactions that were committed, and in those that were not.
    committed: u64,
    rolled_back: u64,
    /// The subscription has ended, as it should.
    unsubscribed: bool,
    place: String,
}

fn summary(command: &str, tally: &Tally) -> Summary {
    let (verb, place) = (if command == "browse" { "found in" } else { "received from" }, &tally.place);
    let discharged = match (tally.committed, tally.rolled_back) {
        (0, 0) => String::new(),
        (committed, rolled_back) => format!(", {committed} committed, {rolled_back} rolled back"),
    };
    let messages = counted(tally.received, "message");
    let text = match (tally.unsubscribed, tally.received) {
        (true, 0) => format!("the subscription to {place} has ended"),
        (true, _) => format!("{messages} {verb} {place}{discharged}, and the subscription has ended"),
        (false, _) => format!("{messages} {verb} {place}{discharged}"),
    };
    Summary::new(command, text)
        .field("received", tally.received)
        .field("unreadable", tally.unreadable)
        .field("committed", tally.committed)
        .field("rolled_back", tally.rolled_back)
        .field("bytes", tally.bytes)
        .time(tally.time, tally.received)
}

async fn take_all(
    connection: &Connection,
    wanted: &Wanted,
    plan: Plan,
    output: &mut Output,
    interrupt: &Interrupt,
    run: &RunArgs,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let manual = plan.count.is_some() || plan.until_empty;
    let receiver = tokio::select! {
        receiver = connection.receiver(wanted.options(if manual { 0 } else { plan.credit })) => receiver?,
        () = interrupt.come() => return Err(Failure::interrupted()),
    };
    let copies = match wanted.check(&receiver) {
        Ok(copies) => copies,
        Err(failure) => {
            // A subscription that was there before stays.
            end(&receiver, wanted).await?;
            return Err(failure);
        }
    };
    if let Some(address) = receiver.remote_address().filter(|_| wanted.is_dynamic()) {
        eprintln!("deuteron: receiving from {address}");
        tally.place = address;
    }
    let pace = Pace::start(None, plan.duration);
    let shown = !run.no_progress && output.leaves_the_terminal_alone();
    let mut progress = Progress::new(plan.count, shown);
    let batches = Batches::new(&plan.transaction, connection);
    let taking = Taking::new(&receiver, plan, output, interrupt, pace, &mut progress, tally);
    let mut taking = taking.in_batches(batches);
    if wanted.browses() && !copies {
        taking.put_back();
    }
    let taken = if plan.until_empty { taking.until_empty().await } else { taking.until_enough().await };
    taking.finish();
    tally.time = pace.elapsed();
    progress.finish();
    let ended = end(&receiver, wanted).await;
    tally.unsubscribed = wanted.unsubscribes() && ended.is_ok();
    taken.and(ended)
}

/// Leaves the link as the arguments say: a durable subscription is kept, unless it shall end.
async fn end(receiver: &Receiver, wanted: &Wanted) -> Result<(), Failure> {
    if receiver.is_closed() {
        return Ok(());
    }
    Ok(if wanted.keeps() { receiver.detach().await } else { receiver.close().await }?)
}
