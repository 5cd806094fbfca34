//! A durable subscription: it goes on collecting messages while the program does not run. The server finds it again by the
//! container id and the link name, so both are fixed; the link is detached, not closed, which would end the subscription.
//!
//! `durable_subscription [URL] [ADDRESS]`

use deuteron::{Connection, Container, Context, Error, Link, MessagingHandler, ReceiverOptions};
use std::process::ExitCode;

struct Subscribe {
    url: String,
    address: String,
    attached: bool,
}

impl MessagingHandler for Subscribe {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let options = ReceiverOptions::new(&self.address).durable("sub-1");
        let opened = cx.connect(&self.url).and_then(|connection| connection.open_receiver(options));
        if let Err(error) = opened {
            eprintln!("{error}");
        }
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        println!("attached {}", link.name());
        self.attached = true;
        link.detach();
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, link: &Link) {
        println!("gone {}", link.name());
        link.connection().close();
    }

    fn on_disconnected(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _will_retry: bool) {
        eprintln!("{error}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let address = arguments.next().unwrap_or_else(|| "news".into());
    let mut subscribe = Subscribe { url, address, attached: false };
    if let Err(error) = Container::with_id("client-1").run(&mut subscribe) {
        eprintln!("{error}");
    }
    if subscribe.attached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
