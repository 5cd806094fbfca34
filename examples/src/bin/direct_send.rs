//! Sends without a broker: it listens, and gives messages to clients that attach a receiver. `receive` is such a client.
//!
//! `direct_send [URL] [COUNT]`: ends when COUNT messages are accepted (default 10)

use deuteron::{Container, Context, Delivery, MessagingHandler, Sender};
use std::process::ExitCode;

struct Send {
    url: String,
    count: u32,
    sent: u32,
    accepted: u32,
}

impl MessagingHandler for Send {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        match cx.listen(&self.url) {
            Ok(listener) => println!("listening on {}", listener.local_addr()),
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while sender.credit() > 0 && self.sent < self.count {
            if let Err(error) = sender.send_now(format!("message {}", self.sent + 1)) {
                return eprintln!("{error}");
            }
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, _: &Delivery) {
        self.accepted += 1;
        if self.accepted == self.count {
            println!("{} accepted", self.accepted);
            cx.stop();
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    let mut send = Send { url, count, sent: 0, accepted: 0 };
    if let Err(error) = Container::new().run(&mut send) {
        eprintln!("{error}");
    }
    if send.accepted == count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
