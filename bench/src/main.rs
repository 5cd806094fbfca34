//! One side of a measurement over loopback; `bench/run.py` starts two of them.
//!
//! ```text
//! deuteron-bench --front handler|async recv PORT COUNT SIZE settled|unsettled       listens and receives COUNT messages
//! deuteron-bench --front handler|async send HOST:PORT COUNT SIZE settled|unsettled  sends them, as credit allows
//! deuteron-bench --front handler|async echo PORT                                   answers each message
//! deuteron-bench --front handler|async rtt HOST:PORT COUNT SIZE settled|unsettled   one message in flight at a time
//! deuteron-bench --front handler|async hold-recv PORT connections|links|messages COUNT SIZE       listens, and holds
//! deuteron-bench --front handler|async hold-send HOST:PORT connections|links|messages COUNT SIZE  opens or sends that many
//! deuteron-bench kills URL ADDRESS CAPABILITY DURABLE report|replay|detect                 works while a server is killed: see kills.py
//! ```
//!
//! Those that hold print READY when all is there, and keep it until they are killed. Each of the others prints one JSON object: rate, processor time and memory from its first message to its last.

mod front_async;
mod front_handler;
mod hold;
mod kills;
mod meter;

use meter::{Held, Plan};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const USAGE: &str = "usage: --front handler|async recv|send|echo|rtt WHERE [COUNT SIZE MODE] or hold-recv|hold-send WHERE WHAT COUNT SIZE";

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, rest @ ..] = arguments.as_slice()
        && command == "kills"
    {
        return kills::run(rest);
    }
    let (plan, held) = plan(&arguments).ok_or(USAGE)?;
    match (plan.front, held) {
        ("handler", None) => front_handler::run(plan),
        ("handler", Some(held)) => hold::on_callbacks(plan, held),
        (_, None) => front_async::run(plan),
        (_, Some(held)) => hold::on_futures(plan, held),
    }
}

fn plan(arguments: &[String]) -> Option<(Plan, Option<Held>)> {
    let [option, front, role, place, rest @ ..] = arguments else { return None };
    if option != "--front" {
        return None;
    }
    let role =
        ["recv", "send", "echo", "rtt", "hold-recv", "hold-send"].into_iter().find(|name| name == role)?;
    let (held, rest) = match rest {
        [what, rest @ ..] if role.starts_with("hold") => (Some(Held::named(what)?), rest),
        rest => (None, rest),
    };
    let number = |at: usize| rest.get(at).map_or(Some(0), |text: &String| text.parse().ok());
    let url =
        if place.contains(':') { format!("amqp://{place}") } else { format!("amqp://127.0.0.1:{place}") };
    let plan = Plan {
        front: ["handler", "async"].into_iter().find(|name| name == front)?,
        role,
        url,
        count: number(0)?,
        size: number(1)?,
        settled: rest.get(2).is_some_and(|mode| mode == "settled"),
    };
    Some((plan, held))
}
