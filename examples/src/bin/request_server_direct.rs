//! A server without a broker: clients connect to it, and each has its answers sent to an address that the server makes up.
//! The answer is the text of the request in capitals.
//!
//! `request_server_direct [URL] [COUNT]`: ends after COUNT answers (default: never)

use deuteron::codec::{Error as AmqpError, condition};
use deuteron::{Ack, Container, Context, Delivery, Link, Message, MessagingHandler, Sender, Source};
use std::collections::HashMap;
use std::process::ExitCode;

#[derive(Default)]
struct Server {
    url: String,
    left: Option<u32>,
    listening: bool,
    names: u64,
    answers: HashMap<String, Sender>,
}

impl MessagingHandler for Server {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        match cx.listen(&self.url) {
            Ok(listener) => {
                println!("listening on {}", listener.local_addr());
                self.listening = true;
            }
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_link_opening(&mut self, _: &mut Context<'_>, link: &Link) {
        let Some(sender) = link.as_sender() else { return };
        if !sender.remote_source().is_some_and(|source| source.dynamic) {
            return link
                .reject(AmqpError::new(condition::NOT_FOUND, "only dynamic addresses can be received from"));
        }
        self.names += 1;
        let address = format!("answers-{}", self.names);
        link.set_source(Source { dynamic: true, ..Source::new(&address) });
        self.answers.insert(address, sender.clone());
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let Ok(request) = delivery.message() else { return Ack::Reject(None) };
        let Some(answers) = request.reply_to().and_then(|address| self.answers.get(address)) else {
            return Ack::Reject(Some(AmqpError::new(
                condition::NOT_FOUND,
                "there is nobody at the reply-to address",
            )));
        };
        let text = request.body_text().unwrap_or_default();
        println!("request: {text}");
        let mut answer = Message::new(text.to_uppercase());
        answer.properties_mut().correlation_id = request.correlation_id().or_else(|| request.id()).cloned();
        if answers.send_now(answer).is_ok() { Ack::Accept } else { Ack::Release }
    }

    fn on_settled(&mut self, cx: &mut Context<'_>, delivery: &Delivery) {
        if delivery.sender().is_some() {
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        if self.left == Some(0) {
            cx.stop();
        }
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, link: &Link) {
        self.answers.retain(|_, sender| Some(&*sender) != link.as_sender());
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let left = arguments.next().and_then(|count| count.parse().ok());
    let mut server = Server { url, left, ..Server::default() };
    if let Err(error) = Container::new().run(&mut server) {
        eprintln!("{error}");
    }
    if server.listening { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
