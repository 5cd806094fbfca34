use std::fmt;

use crate::wire::{Frame, Incoming};

/// One line of a script.
pub(super) enum Step {
    Expect(Expectation),
    ExpectEof,
    Send(Vec<u8>),
    DropWire,
}

/// What kind of thing is expected.
pub(super) enum Kind {
    Header([u8; 8]),
    Frame(&'static str),
}

/// A test of a frame, with the words for it.
pub(super) struct Check {
    pub(super) text: String,
    pub(super) test: Box<dyn Fn(&Frame) -> bool + Send>,
}

/// Makes the bytes of an answer from what was received.
pub(super) type Reply = Box<dyn Fn(&Incoming) -> Vec<u8> + Send>;

pub(super) struct Expectation {
    pub(super) kind: Kind,
    pub(super) checks: Vec<Check>,
    pub(super) replies: Vec<Reply>,
}

impl Expectation {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, checks: Vec::new(), replies: Vec::new() }
    }

    /// Whether what came is what is expected; if not, the first thing that is wrong with it.
    pub(super) fn matches(&self, incoming: &Incoming) -> Result<(), String> {
        match (&self.kind, incoming) {
            (Kind::Header(wanted), Incoming::Header(bytes)) if wanted == bytes => Ok(()),
            (Kind::Frame(name), Incoming::Frame(frame)) if *name == frame.name() => self.matches_frame(frame),
            _ => Err(format!("not a {}", self.kind)),
        }
    }

    fn matches_frame(&self, frame: &Frame) -> Result<(), String> {
        match self.checks.iter().find(|check| !(check.test)(frame)) {
            Some(check) => Err(format!("{} does not hold", check.text)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(bytes) => write!(f, "header \"{}\"", bytes.escape_ascii()),
            Self::Frame(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expect(expectation) => {
                write!(f, "expect {}", expectation.kind)?;
                for check in &expectation.checks {
                    write!(f, ", {}", check.text)?;
                }
                Ok(())
            }
            Self::ExpectEof => f.write_str("expect the end of the stream"),
            Self::Send(bytes) => write!(f, "send {} bytes", bytes.len()),
            Self::DropWire => f.write_str("drop the wire"),
        }
    }
}
