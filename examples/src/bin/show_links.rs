//! Listens, and prints what each link of each client asks for. Good for seeing what options become on the wire.
//!
//! `show_links [URL] [COUNT]`: ends after COUNT links have gone (default: never)

use deuteron::{Container, Context, Link, MessagingHandler};
use std::process::ExitCode;

struct Show {
    url: String,
    left: Option<u32>,
    listening: bool,
}

impl MessagingHandler for Show {
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
        println!("link {}: the client {}", link.name(), if link.is_sender() { "receives" } else { "sends" });
        if let Some(source) = link.remote_source() {
            println!("  source address {}", source.address.as_deref().unwrap_or("(none)"));
            println!("  durable {}, expires {}", source.durable, source.expiry_policy);
            if let Some(mode) = source.distribution_mode {
                println!("  distribution mode {mode}");
            }
            for (name, filter) in source.filter.iter().flat_map(|filter| filter.iter()) {
                println!("  filter {name} = {filter}");
            }
            for capability in source.capabilities {
                println!("  capability {capability}");
            }
        }
        if let Some(address) = link.remote_target().and_then(|target| target.address) {
            println!("  target address {address}");
        }
    }

    fn on_link_detached(&mut self, _: &mut Context<'_>, link: &Link) {
        println!("link {}: detached, what it is attached to stays", link.name());
        link.detach();
    }

    fn on_link_closing(&mut self, _: &mut Context<'_>, link: &Link) {
        println!("link {}: closed", link.name());
    }

    fn on_link_closed(&mut self, cx: &mut Context<'_>, _: &Link) {
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
    let mut show = Show { url, left, listening: false };
    if let Err(error) = Container::new().run(&mut show) {
        eprintln!("{error}");
    }
    if show.listening { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
