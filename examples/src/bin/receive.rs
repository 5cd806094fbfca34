//! Receives messages and prints them. What `on_message` returns settles the message.
//!
//! `receive [URL] [ADDRESS] [COUNT]`

use deuteron::{
    Ack, Connection, Container, Context, Delivery, Error, Link, MessagingHandler, ReceiverOptions, TimerId,
};
use std::process::ExitCode;
use std::time::Duration;

struct Receive {
    url: String,
    address: String,
    count: u32,
    received: u32,
}

impl MessagingHandler for Receive {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let options = ReceiverOptions::new(&self.address).manual_credit();
        match cx.connect(&self.url).and_then(|connection| connection.open_receiver(options)) {
            Ok(_) => drop(cx.schedule(Duration::from_secs(60), 0)),
            Err(error) => eprintln!("{error}"),
        }
    }

    /// Again after each reconnect, which takes back what credit was left.
    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        // Credit for no more messages than are wanted: the rest stays at the server.
        if let Some(receiver) = link.as_receiver() {
            receiver.add_credit(self.count - self.received);
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let Ok(message) = delivery.message() else { return Ack::Reject(None) };
        println!("{}", message.body_text().unwrap_or("(not a text)"));
        self.received += 1;
        if self.received == self.count {
            delivery.connection().close();
        }
        Ack::Accept
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _will_retry: bool) {
        eprintln!("{error}");
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        cx.stop();
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: TimerId, _: u64) {
        eprintln!("only {} of {} messages in a minute", self.received, self.count);
        cx.stop();
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "examples".into());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10);
    let mut receive = Receive { url, address, count, received: 0 };
    if let Err(error) = Container::new().run(&mut receive) {
        eprintln!("{error}");
    }
    if receive.received == count { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
