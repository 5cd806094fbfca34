use super::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

/// A program that runs. It is killed when this value goes before it has ended.
pub struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
    errors: Option<JoinHandle<String>>,
    seen: Vec<String>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Whether its status was 0.
    pub success: bool,
    /// Whether its status was 1, rather than that of a panic or a signal.
    pub failure: bool,
    /// All lines on standard output.
    pub lines: Vec<String>,
    /// All of standard error.
    pub errors: String,
}

impl Program {
    pub fn start(path: &str, arguments: &[&String]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, errors: Some(errors), seen: Vec::new() }
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(error) => {
                self.child.kill().unwrap();
                let errors = self.errors.take().unwrap().join().unwrap();
                panic!("no further line ({error}) after {:#?}; on standard error:\n{errors}", self.seen)
            }
        }
    }

    /// Reads lines up to one that starts like this, and returns its rest.
    pub fn line_after(&mut self, start: &str) -> String {
        loop {
            if let Some(rest) = self.line().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// For a program that listens: the URL to connect to.
    pub fn url(&mut self) -> String {
        format!("amqp://{}", self.line_after("listening on "))
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("it does not end; it has said {:#?}", self.seen)
                }
            }
        }
        let status = self.child.wait().unwrap();
        Finished {
            success: status.success(),
            failure: status.code() == Some(1),
            lines: std::mem::take(&mut self.seen),
            errors: self.errors.take().unwrap().join().unwrap(),
        }
    }

    /// Waits for its end with status 0, and returns its lines.
    pub fn succeed(self) -> Vec<String> {
        let finished = self.finish();
        assert!(finished.success, "it failed: {finished:#?}");
        finished.lines
    }

    /// Waits for its end with status 1.
    pub fn fail(self) -> Finished {
        let finished = self.finish();
        assert!(finished.failure, "its status should be 1: {finished:#?}");
        finished
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
