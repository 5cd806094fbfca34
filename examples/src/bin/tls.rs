//! TLS: a server whose certificate an authority of one's own has signed. Without CA-FILE the authorities of the system
//! are trusted. The certificate must be for the host in the URL.
//!
//! `tls [URL] [CA-FILE]`

use deuteron::{ConnectOptions, Connection, Container, Context, Error, MessagingHandler, TlsConfig};
use std::process::ExitCode;

struct Connect {
    options: Option<ConnectOptions>,
    opened: bool,
}

impl MessagingHandler for Connect {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let Some(options) = self.options.take() else { return };
        if let Err(error) = cx.connect(options.reconnect(false)) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        println!("connected to {connection}");
        self.opened = true;
        connection.close();
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _attempts: u32) {
        eprintln!("{error}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqps://localhost".into());
    let mut tls = TlsConfig::new();
    if let Some(authority) = arguments.next() {
        tls = tls.ca_file(authority);
    }
    let mut connect = Connect { options: Some(ConnectOptions::new(url).tls(tls)), opened: false };
    if let Err(error) = Container::new().run(&mut connect) {
        eprintln!("{error}");
    }
    if connect.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
