//! A client that sends requests and waits for the answers, with async and await.
//!
//! `request_client_async [URL] [ADDRESS] [TEXT ...]`

use deuteron::{Connection, Message, ReceiverOptions};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

async fn run(url: &str, address: &str, texts: Vec<String>) -> Result<(), Box<dyn Error>> {
    let connection = Connection::connect(url).await?;
    let requests = connection.sender(address).await?;
    let answers = connection.receiver(ReceiverOptions::dynamic()).await?;
    let reply_to = answers.remote_address().ok_or("the server gave no address for answers")?;
    for text in texts {
        let request = Message::new(text.as_str()).with_reply_to(reply_to.as_str());
        let outcome = requests.send(request).await?;
        if !outcome.is_accepted() {
            return Err(format!("the request was not accepted: {outcome:?}").into());
        }
        let delivery = answers.recv_timeout(Duration::from_secs(60)).await?;
        println!("{text} => {}", delivery.message()?.body_text().unwrap_or("(not a text)"));
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
    let mut texts: Vec<String> = arguments.collect();
    if texts.is_empty() {
        texts = ["Twas brillig, and the slithy toves", "Did gyre and gimble in the wabe"]
            .map(String::from)
            .into();
    }
    match run(&url, &address, texts).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
