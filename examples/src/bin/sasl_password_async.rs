//! Authentication by user and password, with async and await.
//!
//! `sasl_password_async [URL] [USER] [PASSWORD]`

use deuteron::{ConnectOptions, Connection, Error};
use std::process::ExitCode;

async fn run(options: ConnectOptions) -> Result<(), Error> {
    let connection = Connection::connect(options).await?;
    println!("authenticated by {}", connection.sasl_mechanism().unwrap_or_default());
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let user = arguments.next().unwrap_or_else(|| "alice".into());
    let password = arguments.next().unwrap_or_else(|| "wonderland".into());
    match run(ConnectOptions::new(url).user(user).password(password)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("refused: {error}");
            ExitCode::FAILURE
        }
    }
}
