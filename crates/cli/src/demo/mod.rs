//! `deuteron demo`: listening, connecting with a list of URLs, failing over, reconnecting, in one run.
//!
//! Two servers listen on loopback. A client connects with the list of both and sends. In the middle
//! the first server is killed: its sockets are dropped, and what it had not acknowledged is sent again
//! to the second one. Then the first one comes back. The last line says what became of the messages,
//! from the records of both sides.

mod client;
mod record;
mod server;
mod timeline;

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use deuteron::{ConnectOptions, Connection};

use crate::args::DemoArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::runtime;
use client::Client;
use record::{Ids, Report};
use server::{Plan, Server};
use timeline::Timeline;

/// The whole demonstration ends after this, one way or the other.
const DEADLINE: Duration = Duration::from_secs(50);

/// How many seconds sending takes where somebody watches.
const WATCHED: u64 = 4;

/// What the parts of the demonstration tell the one who directs it.
pub(crate) enum Cue {
    /// The client is connected to another server than before.
    FailedOver,
    /// The client has ended.
    Ended,
}

pub(crate) fn run(args: DemoArgs) -> Result<(), Failure> {
    let count = args.count;
    let timeline = Arc::new(Timeline::new(count));
    let plan = Plan { received: Arc::new(Mutex::new(Ids::new(count))), timeline: Arc::clone(&timeline) };
    let first = Server::start("first", "amqp://127.0.0.1:0", Some(count / 2), plan.clone())?;
    let second = match Server::start("second", "amqp://[::1]:0", None, plan.clone()) {
        Ok(server) => server,
        Err(error) => {
            timeline.say(format_args!("no IPv6 here ({error}): the second server takes 127.0.0.1 as well"));
            Server::start("second", "amqp://127.0.0.1:0", None, plan.clone())?
        }
    };
    let urls = [first.url().to_owned(), second.url().to_owned()];
    let (cue, cues) = mpsc::channel();
    let client = Client::new(urls.clone(), count, rate(&args), Arc::clone(&timeline), cue);
    let running = client.start(DEADLINE, Interrupt::watch())?;
    let mut first = Some(first);
    while let Ok(cue) = cues.recv() {
        match cue {
            Cue::FailedOver => first = come_back(first.take(), &urls[0], &plan)?,
            Cue::Ended => break,
        }
    }
    let sender = running.finish()?;
    if let Some(first) = &first {
        check_back(first, &timeline);
    }
    timeline.finish();
    first.into_iter().chain([second]).for_each(Server::stop);
    let received = plan.received.lock().map_err(|_| Failure::new("a server has panicked"))?;
    let report = Report::new(count, sender.sent, &sender.settled, &received, sender.failovers);
    println!("{report}");
    report.verdict()
}

/// Messages a second; `None` is as fast as it goes.
fn rate(args: &DemoArgs) -> Option<u64> {
    let watched = std::io::stderr().is_terminal();
    args.rate.or_else(|| watched.then(|| args.count.div_ceil(WATCHED)))
}

/// Starts a server that was killed again, at the address that it had.
fn come_back(server: Option<Server>, url: &str, plan: &Plan) -> Result<Option<Server>, Failure> {
    let Some(server) = server else { return Ok(None) };
    if !server.was_killed() {
        return Ok(Some(server));
    }
    server.stop();
    Server::start("first", url, None, plan.clone()).map(Some)
}

/// Shows that the first server is there again by connecting to it.
fn check_back(server: &Server, timeline: &Timeline) {
    let url = server.url();
    let connected = runtime(1).and_then(|runtime| {
        runtime.block_on(async {
            let connection = Connection::connect(ConnectOptions::new(url).reconnect(false)).await?;
            Ok(connection.close().await?)
        })
    });
    match connected {
        Ok(()) => timeline.say(format_args!("first server: is back, it took a new connection at {url}")),
        Err(error) => timeline.say(format_args!("first server: is NOT back: {error}")),
    }
}
