//! Failover, with async and await: the list goes through once, and then the program gives up.
//!
//! `failover_async [URL ...]`

use deuteron::{ConnectOptions, Connection, Error};
use std::process::ExitCode;

async fn run(urls: Vec<String>) -> Result<(), Error> {
    let connection = Connection::connect(ConnectOptions::from(urls).reconnect(false)).await?;
    println!("connected to {connection}");
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls = vec!["amqp://127.0.0.1:5672".into(), "amqp://127.0.0.1:5673".into()];
    }
    match run(urls).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("none of them: {error}");
            ExitCode::FAILURE
        }
    }
}
