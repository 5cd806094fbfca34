//! Reconnect turned off, with async and await: one attempt, and a lost connection stays lost.
//!
//! `reconnect_off_async [URL]`

use deuteron::{ConnectOptions, Connection, Error};
use std::process::ExitCode;

async fn run(url: &str) -> Result<(), Error> {
    let connection = Connection::connect(ConnectOptions::new(url).reconnect(false)).await?;
    println!("connected to {connection}");
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://127.0.0.1".into());
    match run(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("gave up: {error}");
            ExitCode::FAILURE
        }
    }
}
