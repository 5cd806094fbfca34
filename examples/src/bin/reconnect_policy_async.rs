//! Reconnect by a policy of one's own, with async and await: a fixed list of delays.
//!
//! `reconnect_policy_async [URL]`

use deuteron::{ConnectOptions, Connection, Error, ReconnectPolicy};
use std::process::ExitCode;
use std::time::Duration;

struct Three {
    left: u32,
}

impl ReconnectPolicy for Three {
    fn reset(&mut self) {
        self.left = 3;
    }

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        println!("one more attempt, then {}", self.left);
        Some(Duration::from_millis(50))
    }
}

async fn run(url: &str) -> Result<(), Error> {
    let options = ConnectOptions::new(url).reconnect_policy(Three { left: 3 });
    let connection = Connection::connect(options).await?;
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
