//! Takes a message from one address and sends an answer to another, both or neither.
//!
//! `transaction_async [URL] [FROM] [TO]`

use deuteron::{Connection, Error};
use std::process::ExitCode;

async fn run(url: &str, from: &str, to: &str) -> Result<(), Error> {
    let connection = Connection::connect(url).await?;
    let sender = connection.sender(to).await?;
    let receiver = connection.receiver(from).await?;
    let delivery = receiver.recv().await?;
    let text = delivery
        .message()
        .map_or_else(|_| "?".into(), |message| message.body_text().unwrap_or_default().to_owned());

    let transaction = connection.begin_transaction().await?;
    let outcome = transaction.send(&sender, format!("seen: {text}")).await?;
    transaction.accept(&delivery)?;
    // Until here nobody sees anything of it. If the connection is lost now, the message is delivered again.
    if outcome.is_accepted() {
        transaction.commit().await?;
        println!("committed");
    } else {
        transaction.rollback().await?;
        println!("rolled back: {outcome:?}");
    }
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let from = arguments.next().unwrap_or_else(|| "orders".into());
    let to = arguments.next().unwrap_or_else(|| "answers".into());
    match run(&url, &from, &to).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
