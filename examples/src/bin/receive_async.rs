//! Receives messages and prints them, with async and await.
//!
//! `receive_async [URL] [ADDRESS] [COUNT]`

use deuteron::Connection;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

async fn run(url: &str, address: &str, count: u32) -> Result<(), Box<dyn Error>> {
    let connection = Connection::connect(url).await?;
    let receiver = connection.receiver(address).await?;
    for _ in 0..count {
        let delivery = receiver.recv_timeout(Duration::from_secs(60)).await?;
        let message = delivery.message()?;
        println!("{}", message.body_text().unwrap_or("(not a text)"));
        delivery.accept()?;
    }
    // What was sent ahead and not taken goes back to the queue.
    connection.close().await?;
    Ok(())
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
