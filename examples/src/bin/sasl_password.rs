//! Authentication by user and password. The strongest mechanism that both sides have is used; PLAIN only with TLS, unless
//! `allow_insecure_mechanisms(true)` allows it. A wrong password is not tried again.
//!
//! `sasl_password [URL] [USER] [PASSWORD]`

use deuteron::{ConnectOptions, Connection, Container, Context, Error, MessagingHandler};
use std::process::ExitCode;

struct Connect {
    options: Option<ConnectOptions>,
    opened: bool,
}

impl MessagingHandler for Connect {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let Some(options) = self.options.take() else { return };
        if let Err(error) = cx.connect(options) {
            eprintln!("{error}");
        }
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        println!("authenticated by {}", connection.sasl_mechanism().unwrap_or_default());
        self.opened = true;
        connection.close();
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _attempts: u32) {
        println!("refused: {error}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let user = arguments.next().unwrap_or_else(|| "alice".into());
    let password = arguments.next().unwrap_or_else(|| "wonderland".into());
    let options = ConnectOptions::new(url).user(user).password(password);
    let mut connect = Connect { options: Some(options), opened: false };
    if let Err(error) = Container::new().run(&mut connect) {
        eprintln!("{error}");
    }
    if connect.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
