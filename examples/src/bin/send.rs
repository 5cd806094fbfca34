//! Sends messages and waits until the server has settled them all.
//!
//! `send [URL] [ADDRESS] [COUNT]`

use deuteron::{Connection, Container, Context, Delivery, Error, Message, MessagingHandler, Sender, TimerId};
use std::process::ExitCode;
use std::time::Duration;

struct Send {
    url: String,
    address: String,
    count: u64,
    sent: u64,
    accepted: u64,
}

impl MessagingHandler for Send {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        match cx.connect(&self.url).and_then(|connection| connection.open_sender(&self.address)) {
            Ok(_) => drop(cx.schedule(Duration::from_secs(60), 0)),
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while sender.credit() > 0 && self.sent < self.count {
            let message = Message::new(format!("message {}", self.sent + 1)).with_id(self.sent + 1);
            if let Err(error) = sender.send_now(message) {
                return eprintln!("{error}");
            }
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.accepted += 1;
        if self.accepted == self.count {
            delivery.connection().close();
        }
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {
        eprintln!("rejected: {:?}", delivery.rejection());
        cx.stop();
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _will_retry: bool) {
        eprintln!("{error}");
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        cx.stop();
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: TimerId, _: u64) {
        eprintln!("not done after a minute");
        cx.stop();
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "examples".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    let mut send = Send { url, address, count, sent: 0, accepted: 0 };
    if let Err(error) = Container::new().run(&mut send) {
        eprintln!("{error}");
    }
    println!("{} sent, {} accepted", send.sent, send.accepted);
    if send.accepted == count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
