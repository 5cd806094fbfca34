//! How messages are shown.

use std::fmt;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use deuteron::{Delivery, Message};

use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::message::{json_write, show};

/// From this size on it is written to standard output.
const FULL: usize = 64 * 1024;

#[derive(Debug)]
enum Form {
    Lines,
    Json,
    Full,
    Raw,
    Quiet,
    Files(PathBuf),
}

/// Whether what was written has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Out,
    /// Standard output is a pipe that nobody reads any more.
    ReaderGone,
}

/// Why a message could not be shown.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is none.
    Unreadable(String),
    /// It could not be written.
    Write(String),
}

impl Problem {
    /// Whether it is the message's fault.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(text) | Self::Write(text) => f.write_str(text),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(problem.to_string())
    }
}

/// Where messages are written, and how.
#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
    buffer: Vec<u8>,
    number: u64,
}

impl Output {
    /// Reads the arguments, and makes the directory for files.
    pub(crate) fn new(args: &OutputArgs) -> Result<Self, Failure> {
        let form = match args {
            OutputArgs { json: true, .. } => Form::Json,
            OutputArgs { full: true, .. } => Form::Full,
            OutputArgs { raw: true, .. } => Form::Raw,
            OutputArgs { quiet: true, .. } => Form::Quiet,
            OutputArgs { output_dir: Some(path), .. } => {
                std::fs::create_dir_all(path).map_err(|error| {
                    Failure::usage(format!("cannot make the directory {}: {error}", path.display()))
                })?;
                Form::Files(path.clone())
            }
            _ => Form::Lines,
        };
        Ok(Self { form, buffer: Vec::new(), number: 0 })
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json)
    }

    /// Whether a progress bar can be shown beside it.
    pub(crate) fn leaves_the_terminal_alone(&self) -> bool {
        matches!(self.form, Form::Quiet | Form::Files(_)) || !std::io::stdout().is_terminal()
    }

    /// Writes a message into the buffer, or its file.
    pub(crate) fn write(&mut self, delivery: &Delivery) -> Result<(), Problem> {
        self.number += 1;
        let unreadable = |error: deuteron::codec::DecodeError| Problem::Unreadable(error.to_string());
        if matches!(self.form, Form::Quiet | Form::Lines) {
            // The usual text is not taken apart further.
            let view = delivery.view().map_err(unreadable)?;
            if matches!(self.form, Form::Quiet) {
                return Ok(());
            }
            if let Some(text) = view.text() {
                self.buffer.extend_from_slice(text.as_bytes());
                self.buffer.push(b'\n');
                return Ok(());
            }
        }
        let message = delivery.message().map_err(unreadable)?;
        self.write_message(&message)
    }

    fn write_message(&mut self, message: &Message) -> Result<(), Problem> {
        match &self.form {
            Form::Quiet => {}
            Form::Lines => {
                show::body(&mut self.buffer, &message.body);
                self.buffer.push(b'\n');
            }
            Form::Json => {
                json_write::message(&mut self.buffer, message);
                self.buffer.push(b'\n');
            }
            Form::Full => show::full(&mut self.buffer, self.number, message),
            Form::Raw => show::bytes(&mut self.buffer, &message.body),
            Form::Files(directory) => {
                let path = directory.join(format!("message-{}", self.number));
                let mut bytes = Vec::new();
                show::bytes(&mut bytes, &message.body);
                std::fs::write(&path, bytes)
                    .map_err(|error| Problem::Write(format!("cannot write {}: {error}", path.display())))?;
            }
        }
        Ok(())
    }

    /// Whether it should be flushed.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= FULL
    }

    /// Hands over what was written so far.
    pub(crate) fn flush(&mut self) -> Result<Written, Failure> {
        if self.buffer.is_empty() {
            return Ok(Written::Out);
        }
        let mut out = std::io::stdout().lock();
        let result = out.write_all(&self.buffer).and_then(|()| out.flush());
        self.buffer.clear();
        match result {
            Ok(()) => Ok(Written::Out),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Written::ReaderGone),
            Err(error) => Err(Failure::new(format!("standard output: {error}"))),
        }
    }
}
