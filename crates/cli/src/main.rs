//! The `deuteron` command.

mod args;
mod bench;
mod broker;
mod connect;
mod demo;
mod descriptors;
mod failure;
mod generate;
mod interrupt;
mod latency;
mod log;
mod message;
mod pace;
mod progress;
mod receive;
mod request;
mod respond;
mod send;
mod summary;
mod transaction;
mod user;
mod users;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, Deuteron};
use failure::Failure;

fn main() -> ExitCode {
    let Deuteron { verbose, command } = match Deuteron::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return args::tell(&error),
    };
    // What runs for long, or comes back by itself, tells of trouble as it happens.
    log::start(verbose, command.log_level());
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("deuteron: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Broker(args) => broker::run(*args),
        Command::Send(args) => send::run(&args),
        Command::Receive(args) => receive::run(&args),
        Command::Request(args) => request::run(&args),
        Command::Respond(args) => respond::run(&args),
        Command::Browse(args) => receive::browse(&args),
        Command::Demo(args) => demo::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::User(args) => user::run(&args.command),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
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
