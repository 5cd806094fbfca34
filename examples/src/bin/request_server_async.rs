//! A server behind a broker, with async and await.
//!
//! `request_server_async [URL] [ADDRESS] [COUNT]`: ends after COUNT requests (default: never)

use deuteron::{Connection, Message, SenderOptions};
use std::error::Error;
use std::process::ExitCode;

async fn run(url: &str, address: &str, count: u32) -> Result<(), Box<dyn Error>> {
    let connection = Connection::connect(url).await?;
    let requests = connection.receiver(address).await?;
    // The anonymous relay: each message goes where its `to` says.
    let answers = connection.sender(SenderOptions::anonymous()).await?;
    println!("waiting for requests at {address}");
    for _ in 0..count {
        let delivery = requests.recv().await?;
        let request = delivery.message()?;
        let (Some(text), Some(reply_to)) = (request.body_text(), request.reply_to()) else {
            delivery.reject(None)?;
            continue;
        };
        println!("request: {text}");
        let mut answer = Message::new(text.to_uppercase()).with_to(reply_to);
        answer.properties_mut().correlation_id = request.correlation_id().or_else(|| request.id()).cloned();
        let outcome = answers.send(answer).await?;
        if !outcome.is_accepted() {
            eprintln!("the answer was not accepted: {outcome:?}");
        }
        delivery.accept()?;
    }
    connection.close().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "requests".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(u32::MAX);
    match run(&url, &address, count).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
