//! Receives without a broker: it listens, and takes what clients send. `send` is such a client.
//!
//! `direct_receive [URL] [COUNT]`: ends after COUNT messages (default: never)

use deuteron::{Ack, Container, Context, Delivery, MessagingHandler};
use std::process::ExitCode;

struct Receive {
    url: String,
    left: Option<u32>,
    listening: bool,
}

impl MessagingHandler for Receive {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        match cx.listen(&self.url) {
            Ok(listener) => {
                println!("listening on {}", listener.local_addr());
                self.listening = true;
            }
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let Ok(message) = delivery.message() else { return Ack::Reject(None) };
        let address =
            delivery.receiver().and_then(|receiver| receiver.target()).and_then(|target| target.address);
        println!("{}: {}", address.unwrap_or_default(), message.body_text().unwrap_or("(not a text)"));
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            cx.stop();
        }
        Ack::Accept
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let left = arguments.next().and_then(|count| count.parse().ok());
    let mut receive = Receive { url, left, listening: false };
    if let Err(error) = Container::new().run(&mut receive) {
        eprintln!("{error}");
    }
    if receive.listening { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
