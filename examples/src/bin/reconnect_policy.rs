//! Reconnect by a policy of one's own: the delay starts with 0, is then 0.1 seconds, and doubles up to 10 seconds.
//!
//! `reconnect_policy [URL] [TIMES]`: ends when the connection has been open TIMES times (default 1)

use deuteron::{ConnectOptions, Connection, Container, Context, MessagingHandler, ReconnectPolicy};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Default)]
struct MyPolicy {
    delay: Duration,
}

impl ReconnectPolicy for MyPolicy {
    fn reset(&mut self) {
        println!("reset");
        self.delay = Duration::ZERO;
    }

    /// `None` would give up.
    fn next(&mut self) -> Option<Duration> {
        let delay = self.delay;
        self.delay = if delay.is_zero() {
            Duration::from_millis(100)
        } else {
            (delay * 2).min(Duration::from_secs(10))
        };
        println!("next delay: {} s", delay.as_secs_f64());
        Some(delay)
    }
}

struct Reconnect {
    url: String,
    opened: u32,
    enough: u32,
}

impl MessagingHandler for Reconnect {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = cx.connect(ConnectOptions::new(&self.url).reconnect_policy(MyPolicy::default())) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.opened += 1;
        println!("connected to {connection}");
        if self.opened == self.enough {
            connection.close();
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let enough = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut reconnect = Reconnect { url, opened: 0, enough };
    if let Err(error) = Container::new().run(&mut reconnect) {
        eprintln!("{error}");
    }
    if reconnect.opened == enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
