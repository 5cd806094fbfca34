//! `deuteron send`

use std::collections::VecDeque;

use bytes::Bytes;
use deuteron::{ConnectOptions, Connection, Delivery, Encoded, Message, Outcome, Sender, Url};

use crate::args::SendArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::{progress, runtime};

/// Messages on their way at once.
const IN_FLIGHT: usize = 1000;

/// Reads a URL that must have an address.
pub(crate) fn address(url: &str) -> Result<(Url, String), Failure> {
    let url: Url = url.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    match url.address() {
        Some(address) if !address.is_empty() => Ok((url.clone(), address.to_owned())),
        _ => Err(Failure::usage(format!("{url} has no address; put it behind the port: {url}/examples"))),
    }
}

pub(crate) fn run(args: SendArgs) -> Result<(), Failure> {
    let (url, address) = address(&args.url)?;
    let body = body(&args)?;
    let mut interrupt = Interrupt::watch();
    runtime(1)?.block_on(async {
        let options = ConnectOptions::new(url).reconnect(false);
        let connection = tokio::select! {
            connection = Connection::connect(options) => connection?,
            () = interrupt.come() => return Err(Failure::new("interrupted before it was connected")),
        };
        let sender = connection.sender(address.as_str()).await?;
        let mut tally = Tally::default();
        let sent = tokio::select! {
            sent = send_all(&sender, &body, args.count, &mut tally) => sent,
            () = interrupt.come() => Err(Failure::new("interrupted")),
        };
        connection.close().await?;
        eprintln!("deuteron: {} of {} messages accepted by {address}", tally.accepted, args.count);
        sent?;
        match tally.other {
            None => Ok(()),
            Some(outcome) => {
                let not = args.count - tally.accepted;
                Err(Failure::new(format!("{not} messages were not accepted, the last with {outcome:?}")))
            }
        }
    })
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    /// The last outcome that was something else.
    other: Option<Outcome>,
}

async fn send_all(sender: &Sender, body: &Bytes, count: u64, tally: &mut Tally) -> Result<(), Failure> {
    let bar = progress::bar(count);
    let mut in_flight: VecDeque<Delivery> = VecDeque::new();
    for _ in 0..count {
        if in_flight.len() >= IN_FLIGHT {
            settle(&mut in_flight, tally).await?;
            bar.inc(1);
        }
        in_flight.push_back(sender.transfer(Encoded(body.clone())).await?);
    }
    while !in_flight.is_empty() {
        settle(&mut in_flight, tally).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn settle(in_flight: &mut VecDeque<Delivery>, tally: &mut Tally) -> Result<(), Failure> {
    let Some(delivery) = in_flight.pop_front() else { return Ok(()) };
    let outcome = delivery.outcome().await?;
    if outcome.is_accepted() {
        tally.accepted += 1;
    } else {
        tally.other = Some(outcome);
    }
    Ok(())
}

/// The encoded message: they are all the same.
fn body(args: &SendArgs) -> Result<Bytes, Failure> {
    let message = match args.size {
        Some(size) => {
            let size =
                usize::try_from(size).map_err(|_| Failure::usage("--size is more than memory can hold"))?;
            Message::new(vec![b'x'; size])
        }
        None => Message::new(args.body.as_deref().unwrap_or("Hello World!")),
    };
    Ok(message.to_bytes())
}
