//! Reconnect with other delays: 0, 0.01, 0.03, 0.05, 0.05 seconds, and then no more.
//!
//! `reconnect_backoff [URL]`

use deuteron::{Backoff, ConnectOptions, Connection, Container, Context, Error, MessagingHandler};
use std::process::ExitCode;
use std::time::Duration;

struct Patient {
    url: String,
    opened: bool,
}

impl MessagingHandler for Patient {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let backoff = Backoff::new()
            .initial(Duration::from_millis(10))
            .factor(3.0)
            .max_delay(Duration::from_millis(50))
            .max_attempts(5);
        if let Err(error) = cx.connect(ConnectOptions::new(&self.url).backoff(backoff)) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        println!("connected to {connection}");
        self.opened = true;
        connection.close();
    }

    fn on_reconnecting(&mut self, _: &mut Context<'_>, _: &Connection, attempt: u32, delay: Duration) {
        println!("attempt {attempt} in {} s", delay.as_secs_f64());
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, attempts: u32) {
        println!("gave up after {attempts} attempts: {error}");
    }
}

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://127.0.0.1".into());
    let mut patient = Patient { url, opened: false };
    if let Err(error) = Container::new().run(&mut patient) {
        eprintln!("{error}");
    }
    if patient.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
