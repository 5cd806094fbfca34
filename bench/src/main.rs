//! One side of a measurement over loopback; `bench/run.py` starts two of them.
//!
//! ```text
//! deuteron-bench --front handler|async recv PORT COUNT SIZE settled|unsettled       listens and receives COUNT messages
//! deuteron-bench --front handler|async send HOST:PORT COUNT SIZE settled|unsettled  sends them, as credit allows
//! deuteron-bench --front handler|async echo PORT                                   answers each message
//! deuteron-bench --front handler|async rtt HOST:PORT COUNT SIZE settled|unsettled   one message in flight at a time
//! ```
//!
//! Each prints one JSON object: rate, processor time and memory from its first message to its last.

mod front_async;
mod front_handler;
mod meter;

use meter::Plan;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan =
        plan(&arguments).ok_or("usage: --front handler|async recv|send|echo|rtt WHERE [COUNT SIZE MODE]")?;
    match plan.front {
        "handler" => front_handler::run(plan),
        _ => front_async::run(plan),
    }
}

fn plan(arguments: &[String]) -> Option<Plan> {
    let [option, front, role, place, rest @ ..] = arguments else { return None };
    if option != "--front" {
        return None;
    }
    let number = |at: usize| rest.get(at).map_or(Some(0), |text: &String| text.parse().ok());
    let url =
        if place.contains(':') { format!("amqp://{place}") } else { format!("amqp://127.0.0.1:{place}") };
    Some(Plan {
        front: ["handler", "async"].into_iter().find(|name| name == front)?,
        role: ["recv", "send", "echo", "rtt"].into_iter().find(|name| name == role)?,
        url,
        count: number(0)?,
        size: number(1)?,
        settled: rest.get(2).is_some_and(|mode| mode == "settled"),
    })
}
