//! Incoming connections, with async and await: one task for each.
//!
//! `listen_async [URL] [COUNT]`: ends when COUNT connections have come and gone (default: never)

use deuteron::{Container, Error};
use std::process::ExitCode;

async fn run(url: &str, count: usize) -> Result<(), Error> {
    let listener = Container::new().listen(url).await?;
    println!("listening on {}", listener.local_addr());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let connection = listener.accept().await?;
        tasks.spawn(async move {
            println!("opened by container {}", connection.remote_container_id().unwrap_or_default());
            match connection.closed().await {
                Ok(()) => println!("closed"),
                Err(error) => println!("lost: {error}"),
            }
        });
    }
    tasks.join_all().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    match run(&url, count).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
