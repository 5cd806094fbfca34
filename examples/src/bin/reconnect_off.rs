//! Reconnect turned off: one attempt, and a lost connection stays lost.
//!
//! `reconnect_off [URL]`

use deuteron::{ConnectOptions, Connection, Container, Context, Error, MessagingHandler};
use std::process::ExitCode;

struct Once {
    url: String,
    opened: bool,
}

impl MessagingHandler for Once {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = cx.connect(ConnectOptions::new(&self.url).reconnect(false)) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        println!("connected to {connection}");
        self.opened = true;
        connection.close();
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, attempts: u32) {
        println!("gave up after {attempts} attempt: {error}");
    }
}

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://127.0.0.1".into());
    let mut once = Once { url, opened: false };
    if let Err(error) = Container::new().run(&mut once) {
        eprintln!("{error}");
    }
    if once.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
