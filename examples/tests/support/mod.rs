//! Runs the programs, and what they connect to.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file uses its part")]

mod certificates;
mod line;
mod process;
mod server;

pub use certificates::Certificates;
pub use line::Line;
pub use process::Program;
pub use server::Server;

use std::time::Duration;

/// How long a test waits for what should happen: far beyond what anything takes, and no part of any claim.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Starts a program of `src/bin/` with these arguments.
macro_rules! program {
    ($name:literal $(, $argument:expr)* $(,)?) => {
        $crate::support::Program::start(env!(concat!("CARGO_BIN_EXE_", $name)), &[$(&$argument.to_string()),*])
    };
}
pub(crate) use program;
