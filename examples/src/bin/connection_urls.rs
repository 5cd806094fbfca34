//! Connection URLs: what is in them, and what is said about those that cannot be used. Nothing is connected.
//!
//! `connection_urls [URL ...]`

use deuteron::Url;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls = [
            "amqps://example.com",
            "amqps://example.net:56720",
            "amqp://127.0.0.1",
            "amqp://[::1]:2000",
            "amqps://alice:secret@example.com/orders",
        ]
        .map(String::from)
        .into();
    }
    let mut status = ExitCode::SUCCESS;
    for text in urls {
        match text.parse::<Url>() {
            Ok(url) => println!(
                "{url}: {}, host {}, port {}, user {}, address {}",
                if url.is_tls() { "TLS" } else { "plain TCP" },
                url.host(),
                url.port(),
                url.user().unwrap_or("(none)"),
                url.address().unwrap_or("(none)"),
            ),
            Err(error) => {
                eprintln!("{error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
