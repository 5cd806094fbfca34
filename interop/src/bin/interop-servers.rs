//! Runs a server for tests that are not Rust: `interop-servers artemis|rabbitmq4|rabbitmq3`.
//!
//! It prints a line of JSON about the server, then one for each line that it reads: `queue NAME` and `topic NAME` make a node and
//! say how links name it, `kill` and `start` are a crash and what follows, `pass FEATURE` writes a row of the table. The server
//! ends with the input.

use deuteron_interop::server::{Artemis, Node, PASSWORD, RabbitMq, Server, USER, Version};
use deuteron_interop::table::Row;
use serde_json::{Value as Json, json};
use std::error::Error;
use std::io::BufRead;

fn main() -> Result<(), Box<dyn Error>> {
    let rabbitmq = |version| move || RabbitMq::launch(version);
    match std::env::args().nth(1).as_deref() {
        Some("artemis") => serve(Artemis::launch),
        Some("rabbitmq4") => serve(rabbitmq(Version::V4)),
        Some("rabbitmq3") => serve(rabbitmq(Version::V3)),
        _ => Err("usage: interop-servers artemis|rabbitmq4|rabbitmq3".into()),
    }
}

fn serve<S: Server>(launch: impl FnOnce() -> Option<S>) -> Result<(), Box<dyn Error>> {
    let Some(server) = launch() else {
        println!("{}", json!({ "missing": true }));
        return Ok(());
    };
    println!(
        "{}",
        json!({
            "title": server.title(), "url": server.url(), "tls_url": server.tls_url(),
            "authority": server.certificates().authority(), "user": USER, "password": PASSWORD,
        })
    );
    let runtime = tokio::runtime::Runtime::new()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match command {
            "queue" => named(&runtime.block_on(server.queue(argument))),
            "topic" => named(&runtime.block_on(server.topic(argument))),
            "kill" => {
                server.kill();
                json!({})
            }
            "start" => {
                server.start();
                json!({})
            }
            "pass" => {
                Row::our_python(server.title(), argument).pass();
                json!({})
            }
            _ => return Err(format!("unknown command: {line}").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn named(node: &Node) -> Json {
    json!({ "address": node.address, "capability": node.capability, "durable": node.durable })
}
