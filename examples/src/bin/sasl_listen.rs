//! Listening with users and passwords, by SCRAM: the password itself does not cross the network.
//!
//! `sasl_listen [URL] [USER] [PASSWORD]`: ends with the first connection that was open

use deuteron::sasl::{Password, Users, UsersError};
use deuteron::{Connection, Container, Context, Error, ListenOptions, Listener, MessagingHandler};
use std::process::ExitCode;
use std::sync::Arc;

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
        println!("opened by {}", connection.authenticated_identity().unwrap_or_default());
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

fn options() -> Result<ListenOptions, UsersError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into());
    let user = arguments.next().unwrap_or_else(|| "alice".into());
    let password = arguments.next().unwrap_or_else(|| "wonderland".into());
    let mut users = Users::new();
    // The salt should be random, and another one for each user.
    users.add(&user, &Password::new(password), b"sixteen rnd byte")?;
    let mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
    Ok(ListenOptions::new(url).sasl(mechanisms, Some(Arc::new(users))).require_sasl(true))
}

fn main() -> ExitCode {
    let options = options().inspect_err(|error| eprintln!("{error}")).ok();
    let mut listen = Listen { options, opened: false };
    if let Err(error) = Container::new().run(&mut listen) {
        eprintln!("{error}");
    }
    if listen.opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
