//! The `deuteron` command.

mod args;
mod broker;
mod demo;
mod descriptors;
mod failure;
mod interrupt;
mod log;
mod progress;
mod receive;
mod send;
mod users;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, Deuteron};
use failure::Failure;

fn main() -> ExitCode {
    let Deuteron { verbose, command } = Deuteron::parse();
    log::start(verbose, matches!(command, Command::Broker(_)));
    let result = match command {
        Command::Broker(args) => broker::run(args),
        Command::Send(args) => send::run(args),
        Command::Receive(args) => receive::run(args),
        Command::Demo(args) => demo::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("deuteron: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// A runtime for a command on the async API.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let built = match threads {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        threads => tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    };
    built.map_err(|error| Failure::new(format!("the system refuses a runtime: {error}")))
}
