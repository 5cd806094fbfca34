//! An outgoing connection: it is made when the loop starts, and told of when it is open.
//!
//! `connect [URL]`

use deuteron::{Connection, Container, Context, Error, MessagingHandler};
use std::process::ExitCode;
use std::time::Duration;

struct Connect {
    url: String,
    opened: bool,
}

impl MessagingHandler for Connect {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        match cx.connect(&self.url) {
            Ok(_) => drop(cx.schedule(Duration::from_secs(30), 0)),
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        let server = connection.remote_container_id().unwrap_or_default();
        println!("connected to {connection}, container {server}");
        self.opened = true;
        connection.close();
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, will_retry: bool) {
        eprintln!("{error}{}", if will_retry { "; trying again" } else { "" });
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        println!("closed");
        cx.stop();
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: deuteron::TimerId, _: u64) {
        eprintln!("no connection within 30 seconds");
        cx.stop();
    }
}

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://127.0.0.1".into());
    let mut connect = Connect { url, opened: false };
    if let Err(error) = Container::new().run(&mut connect) {
        eprintln!("{error}");
    }
    if connect.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
