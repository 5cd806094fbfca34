//! Receives without a broker, with async and await: takes the first link of the first client.
//!
//! `direct_receive_async [URL] [COUNT]`: ends after COUNT messages (default 10)

use deuteron::codec::{Error as AmqpError, condition};
use deuteron::{Container, Link};
use std::error::Error;
use std::process::ExitCode;

async fn run(url: &str, count: u32) -> Result<(), Box<dyn Error>> {
    let listener = Container::new().listen(url).await?;
    println!("listening on {}", listener.local_addr());
    let connection = listener.accept().await?;
    let link = connection.accept_link().await?;
    let Link::Receiver(receiver) = link else {
        link.reject(AmqpError::new(condition::NOT_FOUND, "messages can only be sent here"));
        connection.closed().await?;
        return Err("the client wanted to receive".into());
    };
    receiver.accept();
    for _ in 0..count {
        let delivery = receiver.recv().await?;
        println!("{}", delivery.message()?.body_text().unwrap_or("(not a text)"));
        delivery.accept()?;
    }
    // The client closes when all its messages are settled.
    connection.closed().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    match run(&url, count).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
