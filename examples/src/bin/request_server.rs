//! A server behind a broker: it takes requests from a queue, and sends each answer to the address that the request names.
//! The answer is the text of the request in capitals.
//!
//! `request_server [URL] [ADDRESS] [COUNT]`: ends after COUNT requests (default: never)

use deuteron::{
    Ack, Connection, Container, Context, Delivery, Error, Message, MessagingHandler, Sender, SenderOptions,
};
use std::process::ExitCode;

struct Server {
    url: String,
    address: String,
    left: Option<u32>,
    answers: Option<Sender>,
}

impl Server {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let connection = cx.connect(&self.url)?;
        connection.open_receiver(&self.address)?;
        // The anonymous relay: each message goes where its `to` says.
        self.answers = Some(connection.open_sender(SenderOptions::anonymous())?);
        Ok(())
    }
}

impl MessagingHandler for Server {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.start(cx) {
            eprintln!("{error}");
        }
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &deuteron::Link) {
        if link.as_receiver().is_some() {
            println!("waiting for requests at {}", self.address);
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let Ok(request) = delivery.message() else { return Ack::Reject(None) };
        let (Some(text), Some(reply_to)) = (request.body_text(), request.reply_to()) else {
            return Ack::Reject(None);
        };
        println!("request: {text}");
        let mut answer = Message::new(text.to_uppercase()).with_to(reply_to);
        answer.properties_mut().correlation_id = request.correlation_id().or_else(|| request.id()).cloned();
        match self.answers.as_ref().map(|answers| answers.send_now(answer)) {
            Some(Ok(_)) => Ack::Accept,
            _ => Ack::Release,
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, answer: &Delivery) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            answer.connection().close();
        }
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _will_retry: bool) {
        eprintln!("{error}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "requests".into());
    let left = arguments.next().and_then(|count| count.parse().ok());
    let mut server = Server { url, address, left, answers: None };
    if let Err(error) = Container::new().run(&mut server) {
        eprintln!("{error}");
    }
    if server.left == Some(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
