//! The command as a process.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

/// The command with these arguments.
pub(crate) fn deuteron(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deuteron"));
    command.args(args);
    command
}

/// What a run of the command has printed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(mut command: Command) -> Self {
        Self::with_input(&mut command, b"")
    }

    pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_vec();
        // It may end without having read it all.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the command ends");
        writer.join().expect("the writer ends");
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It has ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }
}

/// Runs the command with these arguments.
pub(crate) fn run(args: &[&str]) -> Run {
    Run::of(deuteron(args))
}

/// Standard output of a run that must go well.
#[track_caller]
pub(crate) fn good(args: &[&str]) -> String {
    run(args).expect(0).out
}

/// The same, with something on standard input.
#[track_caller]
pub(crate) fn good_with_input(args: &[&str], input: &[u8]) -> String {
    Run::with_input(&mut deuteron(args), input).expect(0).out
}

/// The frames that a run prints with `--trace`.
#[track_caller]
pub(crate) fn trace(args: &[&str]) -> String {
    let run = Run::of(deuteron(&[args, &["--trace"]].concat())).expect(0);
    let frames: Vec<_> =
        run.err.lines().filter(|line| line.contains("-> ") || line.contains("<- ")).collect();
    frames.join("\n")
}

/// The JSON of each line.
#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// The summary in JSON, on standard error.
#[track_caller]
pub(crate) fn summary(args: &[&str]) -> serde_json::Value {
    let run = run(&[args, &["--summary", "json"]].concat());
    let line = run.err.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{run:?}"));
    serde_json::from_str(line).expect("it is JSON")
}

/// A directory that is gone with this value.
pub(crate) struct Directory(pub(crate) std::path::PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("deuteron-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is a directory for temporary files");
        Self(path)
    }

    /// Writes a file; returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("it is writable");
        path.to_str().expect("it is UTF-8").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A broker in a process of its own, on a free port. It is killed when this is dropped.
pub(crate) struct Broker {
    pub(crate) child: Child,
    url: String,
}

impl Broker {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_at("amqp://127.0.0.1:0", args)
    }

    pub(crate) fn start_at(listen: &str, args: &[&str]) -> Self {
        let mut child = deuteron(&["broker", "--listen", listen])
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

    /// The URL of an address, with a user.
    pub(crate) fn url_as(&self, user: &str, address: &str) -> String {
        self.url(address).replacen("://", &format!("://{user}@"), 1)
    }

    /// The URL without an address.
    pub(crate) fn bare_url(&self) -> &str {
        &self.url
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
