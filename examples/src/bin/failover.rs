//! Failover: a list of servers. When one cannot be reached the next is tried, and after the last the first again.
//!
//! `failover [URL ...]`: ends when the connection has been open twice

use deuteron::{Connection, Container, Context, Error, MessagingHandler};
use std::process::ExitCode;

struct Failover {
    urls: Vec<String>,
    opened: u32,
}

impl MessagingHandler for Failover {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = cx.connect(self.urls.as_slice()) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.opened += 1;
        println!("connected to {connection}");
        if self.opened == 2 {
            connection.close();
        }
    }

    fn on_disconnected(
        &mut self,
        _: &mut Context<'_>,
        connection: &Connection,
        error: &Error,
        _will_retry: bool,
    ) {
        println!("not connected to {connection}: {error}");
    }
}

fn main() -> ExitCode {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls = vec!["amqp://127.0.0.1:5672".into(), "amqp://127.0.0.1:5673".into()];
    }
    let mut failover = Failover { urls, opened: 0 };
    if let Err(error) = Container::new().run(&mut failover) {
        eprintln!("{error}");
    }
    if failover.opened == 2 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
