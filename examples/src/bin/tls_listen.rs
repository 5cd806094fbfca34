//! Listening with TLS. With CLIENT-CA-FILE, clients need a certificate that this authority has signed, and their name is
//! printed.
//!
//! `tls_listen URL CERTIFICATE-FILE KEY-FILE [CLIENT-CA-FILE]`: ends with the first connection that was open

use deuteron::{
    Connection, Container, Context, Error, ListenOptions, Listener, MessagingHandler, TlsServerConfig,
};
use std::process::ExitCode;

struct Listen {
    options: Option<ListenOptions>,
    opened: bool,
}

impl MessagingHandler for Listen {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let Some(options) = self.options.take() else { return };
        match cx.listen(options) {
            Ok(listener) => println!("listening on {}", listener.local_addr()),
            Err(error) => eprintln!("{error}"),
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        let who = connection.authenticated_identity().unwrap_or_else(|| "somebody".into());
        println!("opened by {who}");
        self.opened = true;
    }

    fn on_listener_error(&mut self, _: &mut Context<'_>, _: &Listener, error: &Error) {
        println!("not opened: {error}");
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        if self.opened {
            cx.stop();
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, certificate, key, authority @ ..] = arguments.as_slice() else {
        eprintln!("tls_listen URL CERTIFICATE-FILE KEY-FILE [CLIENT-CA-FILE]");
        return ExitCode::FAILURE;
    };
    let mut tls = TlsServerConfig::files(certificate, key);
    let mut options = ListenOptions::new(url);
    if let Some(authority) = authority.first() {
        tls = tls.client_ca_file(authority);
        options = options.sasl(["EXTERNAL"], None).require_sasl(true);
    }
    let mut listen = Listen { options: Some(options.tls(tls)), opened: false };
    if let Err(error) = Container::new().run(&mut listen) {
        eprintln!("{error}");
    }
    if listen.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
