//! `deuteron request`: requests, and their answers at a temporary address.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use deuteron::{Connection, Delivery, Message, MessageId, Outcome, Receiver, ReceiverOptions, Sender};

use crate::args::{RequestArgs, SettleMode};
use crate::connect::Destination;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::latency::Latencies;
use crate::message::json_write;
use crate::message::template::Template;
use crate::pace;
use crate::progress::Progress;
use crate::receive::output::{Output, Written};
use crate::send::source::{Lines, read_file, read_input};
use crate::send::tally::describe;
use crate::summary::{Summary, counted};
use crate::{runtime, send};

pub(crate) fn run(args: &RequestArgs) -> Result<(), Failure> {
    let destination = Destination::new(&args.url, &args.connect, Some(args.timeout))?;
    let address = destination.address(args.node.address.as_deref())?;
    let mut requests = Requests::new(args)?;
    let mut output = Output::new(&args.output)?;
    let interrupt = Interrupt::watch();
    runtime(1)?.block_on(async {
        let connection = destination.connect(&interrupt).await?;
        let start = Instant::now();
        let mut tally = Tally { sent: 0, answered: 0, latencies: Latencies::new() };
        let asked = tokio::select! {
            asked = ask(&connection, args, &address, &mut requests, &mut output, &mut tally) => asked,
            () = interrupt.come() => Err(Failure::interrupted()),
        };
        let flushed = output.flush();
        let closed = connection.close().await;
        let text = format!("{} of {} answered by {address}", tally.answered, counted(tally.sent, "request"));
        Summary::new("request", text)
            .field("sent", tally.sent)
            .field("answered", tally.answered)
            .time(start.elapsed(), tally.answered)
            .latencies(&tally.latencies)
            .print(&args.run, output.is_json());
        asked?;
        flushed?;
        Ok(closed?)
    })
}

/// The requests, one after the other.
enum Requests {
    These { messages: Vec<Message>, next: usize, rounds: u64 },
    Lines(Lines),
}

impl Requests {
    fn new(args: &RequestArgs) -> Result<Self, Failure> {
        let template = Template::new(&args.message)?;
        if args.lines {
            if args.count != 1 {
                return Err(Failure::usage("--lines are sent once: --count does not go with it"));
            }
            return Lines::start(template, false).map(Requests::Lines);
        }
        let mut messages = Vec::new();
        for body in &args.body {
            messages.push(if body == "-" {
                template.bytes(read_input()?)
            } else {
                template.text(body.clone())
            });
        }
        if let Some(path) = &args.file {
            messages.push(template.bytes(read_file(path)?));
        }
        if messages.is_empty() {
            messages.push(template.text("Hello World!".into()));
        }
        let messages = messages.into_iter().collect::<Result<Vec<_>, _>>();
        let messages = messages.map_err(|error| Failure::usage(format!("the body: {error}")))?;
        Ok(Self::These { messages, next: 0, rounds: args.count })
    }

    /// How many there are, if that is known.
    fn count(&self) -> Option<u64> {
        match self {
            Self::These { messages, rounds, .. } => Some(messages.len() as u64 * rounds),
            Self::Lines(_) => None,
        }
    }

    /// The next one. Cancel safe.
    async fn next(&mut self) -> Result<Option<Message>, Failure> {
        match self {
            Self::Lines(lines) => lines.next().await,
            Self::These { messages, next, rounds } => {
                if *next == messages.len() {
                    (*next, *rounds) = (0, *rounds - 1);
                }
                if *rounds == 0 {
                    return Ok(None);
                }
                *next += 1;
                Ok(messages.get(*next - 1).cloned())
            }
        }
    }
}

struct Tally {
    sent: u64,
    answered: u64,
    latencies: Latencies,
}

/// A request on its way, or its answer where an earlier one is still missing.
struct Pending {
    number: u64,
    ids: [Option<MessageId>; 2],
    request: Delivery,
    accepted: bool,
    sent: Instant,
    answer: Option<Delivery>,
}

async fn ask(
    connection: &Connection,
    args: &RequestArgs,
    address: &str,
    requests: &mut Requests,
    output: &mut Output,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let answers = connection.receiver(ReceiverOptions::dynamic()).await?;
    let sender = connection.sender(send::options(Some(address), &args.node, SettleMode::Unsettled)).await?;
    let shown = !args.run.no_progress && output.leaves_the_terminal_alone();
    let mut progress = Progress::new(requests.count(), shown);
    let mut asking =
        Asking { answers, sender, timeout: args.timeout, output, tally, pending: VecDeque::new() };
    let mut more = true;
    while more || !asking.pending.is_empty() {
        if more && asking.pending.len() < args.in_flight as usize {
            tokio::select! {
                biased;
                message = requests.next() => match message? {
                    Some(message) => asking.send(message).await?,
                    None => more = false,
                },
                // The next line may be long in coming.
                answered = asking.advance(), if !asking.pending.is_empty() => answered?,
            }
        } else {
            asking.advance().await?;
        }
        progress.set(asking.tally.answered, Some(&asking.tally.latencies));
        if asking.print()? == Written::ReaderGone {
            break;
        }
    }
    progress.finish();
    Ok(())
}

struct Asking<'a> {
    answers: Receiver,
    sender: Sender,
    timeout: Duration,
    output: &'a mut Output,
    tally: &'a mut Tally,
    pending: VecDeque<Pending>,
}

impl Asking<'_> {
    async fn send(&mut self, mut message: Message) -> Result<(), Failure> {
        let number = self.tally.sent + 1;
        let reply_to = self.answers.remote_address();
        let properties = message.properties_mut();
        // After a reconnect the address is another one.
        properties.reply_to = properties.reply_to.take().or(reply_to);
        properties.message_id.get_or_insert_with(|| MessageId::from(format!("request-{number}")));
        if properties.reply_to.is_none() {
            return Err(Failure::new("the server gave no address for the answers"));
        }
        let ids = [properties.message_id.clone(), properties.correlation_id.clone()];
        let sent = Instant::now();
        let request = self.sender.transfer(&message).await?;
        self.tally.sent = number;
        self.pending.push_back(Pending { number, ids, request, accepted: false, sent, answer: None });
        Ok(())
    }

    /// Waits for an answer or an outcome. Cancel safe.
    async fn advance(&mut self) -> Result<(), Failure> {
        let Some(oldest) = self.pending.iter().position(|pending| pending.answer.is_none()) else {
            return Ok(());
        };
        let unsettled = self.pending.iter().position(|pending| !pending.accepted);
        let due = self.pending[oldest].sent.checked_add(self.timeout);
        let outcome = async {
            match unsettled.and_then(|at| self.pending.get(at)) {
                Some(pending) => pending.request.outcome().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = self.answers.recv() => self.answered(answer?),
            outcome = outcome => self.settled(unsettled.unwrap_or_default(), &outcome?),
            () = pace::over(due) => Err(Failure::timeout(format!(
                "no answer to request {} came within {:?}", self.pending[oldest].number, self.timeout
            ))),
        }
    }

    fn settled(&mut self, at: usize, outcome: &Outcome) -> Result<(), Failure> {
        let Some(pending) = self.pending.get_mut(at) else { return Ok(()) };
        pending.accepted = true;
        match outcome {
            Outcome::Settled => Ok(()),
            outcome if outcome.is_accepted() => Ok(()),
            outcome => {
                let text =
                    format!("request {} was not accepted; it was {}", pending.number, describe(outcome));
                Err(Failure::not_accepted(text))
            }
        }
    }

    fn answered(&mut self, answer: Delivery) -> Result<(), Failure> {
        let id = answer.view().ok().and_then(|view| view.to_owned().ok()?.correlation_id().cloned());
        let of = |pending: &&mut Pending| pending.answer.is_none();
        let waiting = self.pending.iter().filter(|pending| pending.answer.is_none()).count();
        let request = match &id {
            Some(id) => self
                .pending
                .iter_mut()
                .filter(of)
                .find(|pending| pending.ids.iter().flatten().any(|own| own == id)),
            // A server that copies no id answers one after the other.
            None if waiting == 1 => self.pending.iter_mut().find(of),
            None => None,
        };
        answer.accept()?;
        match request {
            Some(pending) => {
                self.tally.latencies.add(pending.sent.elapsed());
                self.tally.answered += 1;
                // Whoever answers has had the request.
                pending.accepted = true;
                pending.answer = Some(answer);
            }
            None => {
                let id = id.map_or_else(|| "missing".into(), |id| json_write::text(&id.into()));
                eprintln!("deuteron: an answer fits no request: its correlation-id is {id}");
            }
        }
        Ok(())
    }

    /// Prints the answers in the order of their requests.
    fn print(&mut self) -> Result<Written, Failure> {
        while self.pending.front().is_some_and(|pending| pending.answer.is_some()) {
            if let Some(answer) = self.pending.pop_front().and_then(|pending| pending.answer) {
                self.output.write(&answer)?;
            }
        }
        self.output.flush()
    }
}
