//! Reconnect, with async and await: the program sends on, whatever becomes of the connection. What was not settled when a
//! wire was lost is sent again: each message arrives at least once.
//!
//! `reconnect_async [URL] [ADDRESS] [COUNT]`

use deuteron::{Connection, Error};
use std::process::ExitCode;

async fn run(url: &str, address: &str, count: u32) -> Result<(), Error> {
    let connection = Connection::connect(url).await?;
    let sender = connection.sender(address).await?;
    for number in 1..=count {
        let outcome = sender.send(format!("message {number}")).await?;
        println!("message {number}: {outcome:?}");
    }
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "examples".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    match run(&url, &address, count).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
