//! An outgoing connection, with async and await.
//!
//! `connect_async [URL]`

use deuteron::{Connection, Error};
use std::process::ExitCode;

async fn run(url: &str) -> Result<(), Error> {
    // Failed attempts are repeated, for at most 30 seconds (Deadlines::establish).
    let connection = Connection::connect(url).await?;
    println!("connected to {connection}, container {}", connection.remote_container_id().unwrap_or_default());
    connection.close().await?;
    println!("closed");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://127.0.0.1".into());
    match run(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
