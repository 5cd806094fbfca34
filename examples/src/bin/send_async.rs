//! Sends messages, many in flight at once, and waits for all their outcomes.
//!
//! `send_async [URL] [ADDRESS] [COUNT]`

use deuteron::{Connection, Error, Message};
use std::process::ExitCode;

async fn run(url: &str, address: &str, count: u64) -> Result<bool, Error> {
    let connection = Connection::connect(url).await?;
    let sender = connection.sender(address).await?;
    let mut flying = Vec::new();
    for number in 1..=count {
        let message = Message::new(format!("message {number}")).with_id(number);
        flying.push(sender.transfer(message).await?);
    }
    let mut accepted = 0;
    for delivery in flying {
        match delivery.outcome().await? {
            outcome if outcome.is_accepted() => accepted += 1,
            outcome => eprintln!("{outcome:?}"),
        }
    }
    connection.close().await?;
    println!("{count} sent, {accepted} accepted");
    Ok(accepted == count)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "examples".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    match run(&url, &address, count).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
