//! A shared subscription: the messages of a topic are shared out among all receivers that name it.
//!
//! `shared_subscription [URL] [ADDRESS]`

use deuteron::{Container, Error, ReceiverOptions};
use std::process::ExitCode;

async fn run(url: &str, address: &str) -> Result<(), Error> {
    let connection = Container::with_id("client-1").connect(url).await?;
    let receiver = connection.receiver(ReceiverOptions::new(address).shared("sub-2")).await?;
    println!("attached {}", receiver.name());
    // Messages are taken here with receiver.recv().await.
    receiver.close().await?;
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "news".into());
    match run(&url, &address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
