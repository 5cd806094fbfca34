//! Reconnect as it is by default: a lost connection, and one that could not be made, is tried again after 0, 0.1, 0.2,
//! 0.4 ... 6.4, 10, 10 seconds, for ever. Stop the server and start it again to see it.
//!
//! `reconnect [URL] [TIMES]`: ends when the connection has been open TIMES times (default 2)

use deuteron::{Connection, Container, Context, Error, MessagingHandler};
use std::process::ExitCode;
use std::time::Duration;

struct Reconnect {
    url: String,
    opened: u32,
    enough: u32,
}

impl MessagingHandler for Reconnect {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = cx.connect(&self.url) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.opened += 1;
        println!("connected to {connection}, time {}", self.opened);
        if self.opened == self.enough {
            connection.close();
        }
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _will_retry: bool) {
        println!("disconnected: {error}");
    }

    fn on_reconnecting(&mut self, _: &mut Context<'_>, _: &Connection, attempt: u32, delay: Duration) {
        println!("attempt {attempt} in {} s", delay.as_secs_f64());
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let enough = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(2);
    let mut reconnect = Reconnect { url, opened: 0, enough };
    if let Err(error) = Container::new().run(&mut reconnect) {
        eprintln!("{error}");
    }
    if reconnect.opened == enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
