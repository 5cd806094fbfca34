//! Incoming connections. Port 0 lets the system choose; `amqp://0.0.0.0` is all IPv4 interfaces, `amqp://[::]` all IPv6.
//!
//! `listen [URL] [COUNT]`: ends when COUNT connections have come and gone (default: never)

use deuteron::{Connection, Container, Context, MessagingHandler};
use std::process::ExitCode;

struct Listen {
    url: String,
    left: Option<u32>,
    listening: bool,
}

impl MessagingHandler for Listen {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        match cx.listen(&self.url) {
            Ok(listener) => {
                println!("listening on {}", listener.local_addr());
                self.listening = true;
            }
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        println!("opened by container {}", connection.remote_container_id().unwrap_or_default());
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        println!("closed");
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            cx.stop();
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let left = arguments.next().and_then(|count| count.parse().ok());
    let mut listen = Listen { url, left, listening: false };
    if let Err(error) = Container::new().run(&mut listen) {
        eprintln!("{error}");
    }
    if listen.listening { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
