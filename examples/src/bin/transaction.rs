//! Sends a batch of messages in a transaction, so that all of them arrive or none.
//!
//! `transaction [URL] [ADDRESS] [COUNT]`

use deuteron::{Connection, Container, Context, Error, MessagingHandler, Sender, Transaction};
use std::process::ExitCode;

struct Batch {
    url: String,
    address: String,
    count: u32,
    sender: Option<Sender>,
    transaction: Option<Transaction>,
    committed: bool,
}

impl MessagingHandler for Batch {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str()).expect("a good URL");
        self.sender = Some(connection.open_sender(self.address.as_str()).expect("the connection is new"));
        self.transaction = Some(connection.declare_transaction().expect("the connection is new"));
    }

    fn on_transaction_declared(&mut self, _: &mut Context<'_>, transaction: &Transaction) {
        let sender = self.sender.as_ref().expect("it was opened at the start");
        for number in 1..=self.count {
            transaction.send_now(sender, format!("message {number}")).expect("the link is open");
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, _: &deuteron::Delivery) {
        self.count -= 1;
        if self.count == 0 {
            // The last of them is there: now all of them happen.
            drop(self.transaction.as_ref().expect("it was declared").commit());
        }
    }

    fn on_transaction_committed(&mut self, _: &mut Context<'_>, transaction: &Transaction) {
        println!("committed");
        self.committed = true;
        drop(transaction.connection().close());
    }

    fn on_transaction_commit_failed(
        &mut self,
        _: &mut Context<'_>,
        transaction: &Transaction,
        error: &Error,
    ) {
        eprintln!("not committed: {error}");
        drop(transaction.connection().close());
    }

    fn on_transaction_declare_failed(
        &mut self,
        _: &mut Context<'_>,
        transaction: &Transaction,
        error: &Error,
    ) {
        eprintln!("no transaction: {error}");
        drop(transaction.connection().close());
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _: u32) {
        eprintln!("{error}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut batch = Batch {
        url: arguments.next().unwrap_or_else(|| "amqp://127.0.0.1".into()),
        address: arguments.next().unwrap_or_else(|| "orders".into()),
        count: arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10),
        sender: None,
        transaction: None,
        committed: false,
    };
    if let Err(error) = Container::new().run(&mut batch) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if batch.committed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
