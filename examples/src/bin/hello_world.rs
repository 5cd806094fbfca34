//! Hello World in one program, without a broker: it listens, connects to itself, sends a message and receives it.
//!
//! `hello_world [URL]`: where to listen; the default is a free port

use deuteron::{Ack, Connection, Container, Context, Delivery, MessagingHandler, Sender};
use std::process::ExitCode;

struct Hello {
    url: String,
    sent: bool,
    received: bool,
}

impl Hello {
    fn start(&self, cx: &mut Context<'_>) -> Result<(), deuteron::Error> {
        let listener = cx.listen(&self.url)?;
        let connection = cx.connect(format!("amqp://{}", listener.local_addr()))?;
        connection.open_sender("examples")?;
        Ok(())
    }
}

impl MessagingHandler for Hello {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.start(cx) {
            eprintln!("{error}");
        }
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        if !self.sent {
            match sender.send_now("Hello World!") {
                Ok(_) => self.sent = true,
                Err(error) => eprintln!("{error}"),
            }
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let message = delivery.message().unwrap_or_default();
        println!("{}", message.body_text().unwrap_or_default());
        self.received = true;
        Ack::Accept
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        delivery.connection().close();
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        cx.stop();
    }
}

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://127.0.0.1:0".into());
    let mut hello = Hello { url, sent: false, received: false };
    if let Err(error) = Container::new().run(&mut hello) {
        eprintln!("{error}");
    }
    if hello.received { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
