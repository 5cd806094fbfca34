//! Hello World through a broker, with async and await. Without a URL the broker is one inside this program.
//!
//! `hello_world_async [URL]`

use deuteron::Connection;
use deuteron_broker::{Broker, BrokerConfig};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

async fn hello(url: &str) -> Result<(), Box<dyn Error>> {
    let connection = Connection::connect(url).await?;
    let sender = connection.sender("examples").await?;
    let outcome = sender.send("Hello World!").await?;
    println!("sent: {outcome:?}");

    let receiver = connection.receiver("examples").await?;
    let delivery = receiver.recv_timeout(Duration::from_secs(30)).await?;
    println!("received: {}", delivery.message()?.body_text().unwrap_or("(not a text)"));
    delivery.accept()?;
    connection.close().await?;
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    if let Some(url) = std::env::args().nth(1) {
        return hello(&url).await;
    }
    let broker = Broker::start(BrokerConfig::listening(["amqp://127.0.0.1:0"])).await?;
    hello(broker.url()).await?;
    broker.stop(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
