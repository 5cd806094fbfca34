//! `deuteron respond`: answers requests.

mod exec;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use deuteron::{
    AmqpError, Body, Connection, Delivery, Message, Receiver, ReceiverOptions, Sender, SenderOptions, Source,
    Symbol, Value, condition,
};

use crate::args::{Answer, RespondArgs};
use crate::connect::Destination;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pace;
use crate::progress::Progress;
use crate::runtime;
use crate::send::tally::describe;
use crate::summary::{Summary, counted};

/// Senders to addresses for answers that are kept, where the server is no anonymous relay.
const KEPT: usize = 256;

pub(crate) fn run(args: &RespondArgs) -> Result<(), Failure> {
    let destination = Destination::new(&args.url, &args.connect, None)?;
    let address = destination.address(args.node.address.as_deref())?;
    let interrupt = Interrupt::watch();
    runtime(1)?.block_on(async {
        let connection = destination.connect(&interrupt).await?;
        let start = Instant::now();
        let mut tally = Tally::default();
        let answered = respond(&connection, args, &address, &interrupt, &mut tally).await;
        let closed = connection.close().await;
        let text =
            format!("{} of {} at {address} answered", tally.answered, counted(tally.received, "request"));
        Summary::new("respond", text)
            .field("received", tally.received)
            .field("answered", tally.answered)
            .field("failed", tally.failed)
            .time(start.elapsed(), tally.answered)
            .print(&args.run, false);
        answered?;
        Ok(closed?)
    })
}

#[derive(Default)]
struct Tally {
    received: u64,
    answered: u64,
    failed: u64,
}

async fn respond(
    connection: &Connection,
    args: &RespondArgs,
    address: &str,
    interrupt: &Interrupt,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let capabilities = args.node.capabilities().into_iter().map(Symbol::from_static).collect();
    let options = ReceiverOptions::new(address)
        .source(Source { capabilities, ..Source::new(address) })
        .credit_window(args.credit);
    let requests = connection.receiver(options).await?;
    let mut replies = Replies::open(connection).await?;
    let mut progress = Progress::new(args.count, !args.run.no_progress);
    let mut flying: VecDeque<(Delivery, Delivery)> = VecDeque::new();
    let result = loop {
        if args.count.is_some_and(|count| tally.received >= count) {
            break Ok(());
        }
        let request = match next(&requests, args, interrupt, &mut flying, tally).await? {
            Next::Request(request) => request,
            Next::Settled => continue,
            Next::Over(result) => break result,
        };
        tally.received += 1;
        let answer = tokio::select! {
            answer = answer(&request, args) => answer,
            // The request goes back.
            () = interrupt.come() => continue,
        };
        let sent = match answer {
            Ok((reply_to, answer)) => replies.send(reply_to, answer).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(reply) => flying.push_back((request, reply)),
            Err(error) => {
                eprintln!("deuteron: a request was rejected: {error}");
                tally.failed += 1;
                request.reject(Some(error))?;
            }
        }
        progress.set(tally.answered, None);
    };
    while let Some(pair) = flying.pop_front() {
        settle(pair, tally).await?;
    }
    progress.finish();
    requests.close().await?;
    result
}

enum Next {
    Request(Delivery),
    Settled,
    Over(Result<(), Failure>),
}

/// The next request; while there is none, answers are settled.
async fn next(
    requests: &Receiver,
    args: &RespondArgs,
    interrupt: &Interrupt,
    flying: &mut VecDeque<(Delivery, Delivery)>,
    tally: &mut Tally,
) -> Result<Next, Failure> {
    if interrupt.has_come() {
        return Ok(Next::Over(if args.count.is_some() { Err(Failure::interrupted()) } else { Ok(()) }));
    }
    let full = flying.len() >= args.credit as usize;
    let oldest = async {
        match flying.front() {
            Some((_, reply)) => drop(reply.outcome().await),
            None => std::future::pending().await,
        }
    };
    let idle = args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    tokio::select! {
        biased;
        () = oldest => {
            if let Some(pair) = flying.pop_front() {
                settle(pair, tally).await?;
            }
            Ok(Next::Settled)
        }
        request = requests.recv(), if !full => Ok(Next::Request(request?)),
        () = interrupt.come() => Ok(Next::Over(if args.count.is_some() { Err(Failure::interrupted()) } else { Ok(()) })),
        () = pace::over(idle) => Ok(Next::Over(match args.count {
            Some(count) => Err(Failure::timeout(format!("{} of {} came in time", tally.received, counted(count, "request")))),
            None => Ok(()),
        })),
    }
}

/// Settles a request when its answer is.
async fn settle((request, reply): (Delivery, Delivery), tally: &mut Tally) -> Result<(), Failure> {
    let outcome = reply.outcome().await;
    match &outcome {
        Ok(outcome) if outcome.is_accepted() || *outcome == deuteron::Outcome::Settled => {
            tally.answered += 1;
            request.accept()?;
        }
        // Nobody waits for the answer any more, perhaps: doing the work again would not help.
        _ => {
            let why = outcome.as_ref().map_or_else(ToString::to_string, describe);
            eprintln!("deuteron: an answer was not accepted: {why}");
            tally.failed += 1;
            request.accept()?;
        }
    }
    Ok(())
}

/// The answer to a request, and where it goes.
async fn answer(request: &Delivery, args: &RespondArgs) -> Result<(String, Message), AmqpError> {
    let message =
        request.message().map_err(|error| AmqpError::new(condition::DECODE_ERROR, error.to_string()))?;
    let reply_to = message.reply_to().map(str::to_owned);
    let reply_to =
        reply_to.ok_or_else(|| AmqpError::new(condition::INVALID_FIELD, "the request has no reply-to"))?;
    let correlation = message.correlation_id().or_else(|| message.id()).cloned();
    let body = match &args.exec {
        Some(command) => exec::run(command, &message, args.exec_timeout)
            .await
            .map_err(|error| AmqpError::new(condition::INTERNAL_ERROR, error))?,
        None if args.answer == Answer::Upper => upper(message.body),
        None => message.body,
    };
    let mut answer = Message { body, ..Message::default() }.with_to(reply_to.as_str());
    answer.properties_mut().correlation_id = correlation;
    Ok((reply_to, answer))
}

fn upper(body: Body) -> Body {
    match body {
        Body::Value(Value::String(text)) => Body::from(text.to_uppercase()),
        Body::Data(sections) => match Body::Data(sections.clone()).as_text() {
            Some(text) => Body::from(text.to_uppercase().into_bytes()),
            None => Body::Data(sections),
        },
        other => other,
    }
}

/// Where answers go: to the anonymous relay, or by a link for each address.
enum Replies {
    Relay(Sender),
    Links { connection: Connection, links: HashMap<String, Sender> },
}

impl Replies {
    async fn open(connection: &Connection) -> Result<Self, Failure> {
        let offered = connection.remote_offered_capabilities();
        if offered.iter().any(|name| name.as_str() == "ANONYMOUS-RELAY") {
            return Ok(Self::Relay(connection.sender(SenderOptions::anonymous()).await?));
        }
        Ok(Self::Links { connection: connection.clone(), links: HashMap::new() })
    }

    async fn send(&mut self, address: String, answer: Message) -> Result<Delivery, AmqpError> {
        let sender = match self {
            Self::Relay(sender) => sender.clone(),
            Self::Links { connection, links } => match links.get(&address).filter(|link| !link.is_closed()) {
                Some(sender) => sender.clone(),
                None => {
                    let sender =
                        connection.sender(address.as_str()).await.map_err(|error| error.to_amqp())?;
                    if links.len() >= KEPT {
                        links.clear();
                    }
                    links.insert(address, sender.clone());
                    sender
                }
            },
        };
        sender.transfer(&answer).await.map_err(|error| error.to_amqp())
    }
}
