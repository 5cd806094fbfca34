//! The command as a process.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The command with these arguments.
pub(crate) fn deuteron(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deuteron"));
    command.args(args);
    command
}

/// A broker in a process of its own, on a free port. It is killed when this is dropped.
pub(crate) struct Broker {
    pub(crate) child: Child,
    url: String,
}

impl Broker {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = deuteron(&["broker", "--listen", "amqp://127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the broker runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it prints");
        let url = line.trim().strip_prefix("listening at ").expect("it says where it listens").to_owned();
        Self { child, url }
    }

    /// The URL of an address at this broker.
    pub(crate) fn url(&self, address: &str) -> String {
        format!("{}/{address}", self.url)
    }

    /// Files and sockets that it has open.
    pub(crate) fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).expect("the broker runs").count()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets this process open as many files as the system allows it at all. Returns how many that is.
pub(crate) fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("the soft limit may be raised to the hard one");
    limit.maximum.unwrap_or(u64::MAX)
}
