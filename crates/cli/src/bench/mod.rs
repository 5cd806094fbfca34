//! `deuteron bench`: throughput and latency.
//!
//! | file | what it does |
//! |---|---|
//! | place | what is measured: a server, a broker in this process, or none |
//! | load | senders and receivers |
//! | report | the result |

mod load;
mod place;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::runtime;
use load::{Course, Received, Sent};
use place::Place;
use report::Report;

/// How long to send, unless the arguments say how much.
const DURATION: Duration = Duration::from_secs(5);
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(processors, usize::from);
    let place = Place::new(args, threads)?;
    let interrupt = Interrupt::watch();
    let report = runtime(threads)?.block_on(async {
        tokio::select! {
            report = measure(args, &place, &interrupt) => report,
            () = given_up(&interrupt, args.timeout) => Err(Failure::interrupted()),
        }
    })?;
    let interrupted = interrupt.has_come() && args.count.is_some();
    println!("{}", if args.json { report.json().to_string() } else { report.text() });
    place.stop()?;
    report.verdict()?;
    if interrupted { Err(Failure::interrupted()) } else { Ok(()) }
}

/// Messages on their way when Ctrl-C comes are waited for, but not for ever.
async fn given_up(interrupt: &Interrupt, patience: Duration) {
    interrupt.come().await;
    tokio::time::sleep(patience).await;
}

async fn measure(args: &BenchArgs, place: &Place, interrupt: &Interrupt) -> Result<Report, Failure> {
    let course = Arc::new(Course::new(args)?);
    let mut links = place.links(args, interrupt).await?;
    let mut receivers = JoinSet::new();
    let receiving = links.receivers.len();
    for receiver in links.receivers.drain(..) {
        receivers.spawn(load::receive(Arc::clone(&course), receiver));
    }
    for (_, sender) in &links.senders {
        tokio::select! {
            ready = sender.ready() => ready?,
            () = interrupt.come() => return Err(Failure::interrupted()),
        }
    }
    let duration = args.pace.duration.or_else(|| args.count.is_none().then_some(DURATION));
    let pace = Pace::start(args.pace.rate.map(|rate| rate / f64::from(args.senders)), duration);
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for (index, (_, sender)) in links.senders.iter().enumerate() {
        let quota = args.count.map(|count| share(count, args.senders.into(), index as u64));
        senders.spawn(load::send(Arc::clone(&course), sender.clone(), quota, pace, interrupt.clone()));
    }
    let mut progress = Progress::new(args.count, !args.no_progress);
    let sent = join(&mut senders, &mut receivers, &course, &mut progress).await?;
    let arrived = if receiving == 0 { Ok(()) } else { arrive(&sent, args, &course, &mut receivers).await };
    // Without receivers, the last acknowledgement is the end.
    let end = course.last_received().unwrap_or_else(Instant::now);
    course.end();
    progress.finish();
    let mut received = Received::default();
    while let Some(joined) = receivers.join_next().await {
        received.merge(&joined.map_err(panicked)??);
    }
    for (connection, _) in &links.senders {
        connection.close().await?;
    }
    arrived.map(|()| Report::new(args, place, sent, received, end.saturating_duration_since(start)))
}

/// What one of several has to do of it all.
fn share(count: u64, of: u64, index: u64) -> u64 {
    count / of + u64::from(index < count % of)
}

/// Waits for the senders; a receiver that ends before them has failed.
async fn join(
    senders: &mut JoinSet<Result<Sent, Failure>>,
    receivers: &mut JoinSet<Result<Received, Failure>>,
    course: &Course,
    progress: &mut Progress,
) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    loop {
        tokio::select! {
            joined = senders.join_next() => match joined {
                Some(joined) => sent.merge(&joined.map_err(panicked)??),
                None => return Ok(sent),
            },
            Some(joined) = receivers.join_next() => {
                joined.map_err(panicked)??;
            }
            () = tokio::time::sleep(LOOK) => progress.set(course.progress(), None),
        }
    }
}

/// Waits until all that was sent has been received, as long as something still comes.
async fn arrive(
    sent: &Sent,
    args: &BenchArgs,
    course: &Course,
    receivers: &mut JoinSet<Result<Received, Failure>>,
) -> Result<(), Failure> {
    let expected = sent.tally.sent - sent.tally.refused();
    course.expect(expected);
    let (mut before, mut moved) = (0, Instant::now());
    loop {
        let received = course.received();
        if received >= expected {
            return Ok(());
        }
        if received != before {
            (before, moved) = (received, Instant::now());
        }
        if moved.elapsed() > args.timeout {
            return Err(Failure::timeout(format!("{received} of {expected} messages were received in time")));
        }
        tokio::select! {
            () = course.complete() => {}
            Some(joined) = receivers.join_next() => {
                joined.map_err(panicked)??;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn panicked(error: tokio::task::JoinError) -> Failure {
    Failure::new(format!("a part of the measurement has failed: {error}"))
}
