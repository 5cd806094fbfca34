//! A client that sends requests and waits for the answers, at an address that the other side makes up for it.
//!
//! `request_client [URL] [ADDRESS] [TEXT ...]`

use deuteron::{
    Ack, Connection, Container, Context, Delivery, Error, Link, Message, MessagingHandler, ReceiverOptions,
    Sender, TimerId,
};
use std::process::ExitCode;
use std::time::Duration;

struct Client {
    url: String,
    address: String,
    texts: Vec<String>,
    answered: usize,
    requests: Option<Sender>,
}

impl Client {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let connection = cx.connect(&self.url)?;
        self.requests = Some(connection.open_sender(&self.address)?);
        connection.open_receiver(ReceiverOptions::dynamic())?;
        cx.schedule(Duration::from_secs(60), 0);
        Ok(())
    }

    fn ask(&self, reply_to: &str) {
        if let (Some(requests), Some(text)) = (&self.requests, self.texts.get(self.answered)) {
            let request = Message::new(text.as_str()).with_reply_to(reply_to).with_id(self.answered as u64);
            if let Err(error) = requests.send_now(request) {
                eprintln!("{error}");
            }
        }
    }
}

impl MessagingHandler for Client {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.start(cx) {
            eprintln!("{error}");
        }
    }

    /// Also after a reconnect, and then the address for answers is another one: what has no answer yet is asked again.
    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        if let (Link::Receiver(_), Some(reply_to)) = (link, link.remote_address()) {
            self.ask(&reply_to);
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let Ok(answer) = delivery.message() else { return Ack::Reject(None) };
        println!("{} => {}", self.texts[self.answered], answer.body_text().unwrap_or("(not a text)"));
        self.answered += 1;
        if self.answered == self.texts.len() {
            delivery.connection().close();
        } else if let Some(reply_to) = delivery.receiver().and_then(|receiver| receiver.remote_address()) {
            self.ask(&reply_to);
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
        eprintln!("only {} of {} answers in a minute", self.answered, self.texts.len());
        cx.stop();
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "requests".into());
    let mut texts: Vec<String> = arguments.collect();
    if texts.is_empty() {
        texts = ["Twas brillig, and the slithy toves", "Did gyre and gimble in the wabe"]
            .map(String::from)
            .into();
    }
    let mut client = Client { url, address, texts, answered: 0, requests: None };
    if let Err(error) = Container::new().run(&mut client) {
        eprintln!("{error}");
    }
    if client.answered == client.texts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
