//! `deuteron receive`

use std::io::Write as _;

use deuteron::{ConnectOptions, Connection, Delivery, Receiver, ReceiverOptions};

use crate::args::ReceiveArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::{runtime, send};

/// Messages that the peer may send ahead.
const AHEAD: u64 = 1000;

pub(crate) fn run(args: ReceiveArgs) -> Result<(), Failure> {
    let (url, address) = send::address(&args.url)?;
    let mut interrupt = Interrupt::watch();
    runtime(1)?.block_on(async {
        let options = ConnectOptions::new(url).reconnect(false);
        let connection = tokio::select! {
            connection = Connection::connect(options) => connection?,
            () = interrupt.come() => return Err(Failure::new("interrupted before it was connected")),
        };
        let receiver = connection.receiver(ReceiverOptions::new(address.as_str()).manual_credit()).await?;
        let mut received = 0;
        let end = tokio::select! {
            end = receive_all(&receiver, args.count, &mut received) => end,
            // Without a count there is no other end.
            () = interrupt.come() => match args.count {
                None => Ok(()),
                Some(_) => Err(Failure::new("interrupted")),
            },
        };
        connection.close().await?;
        eprintln!("deuteron: {received} messages received from {address}");
        end
    })
}

async fn receive_all(receiver: &Receiver, count: Option<u64>, received: &mut u64) -> Result<(), Failure> {
    let count = count.unwrap_or(u64::MAX);
    let mut allowed = 0;
    while *received < count {
        // Never more than are wanted, so that none has to go back.
        if allowed - *received <= AHEAD / 2 {
            let credit = (AHEAD - (allowed - *received)).min(count - allowed);
            receiver.add_credit(u32::try_from(credit).unwrap_or(u32::MAX));
            allowed += credit;
        }
        let delivery = receiver.recv().await?;
        print(&delivery)?;
        delivery.accept()?;
        *received += 1;
    }
    Ok(())
}

/// Prints the body: a text as it is, other bytes by their number, other values as they are in Rust.
fn print(delivery: &Delivery) -> Result<(), Failure> {
    let message =
        delivery.message().map_err(|error| Failure::new(format!("what came is no message: {error}")))?;
    let mut out = std::io::stdout().lock();
    let printed = match message.body_text() {
        Some(text) => writeln!(out, "{text}"),
        None => match message.body_bytes() {
            Some(bytes) => writeln!(out, "({} bytes)", bytes.len()),
            None => writeln!(out, "{:?}", message.body),
        },
    };
    printed.map_err(|error| Failure::new(format!("standard output: {error}")))
}
