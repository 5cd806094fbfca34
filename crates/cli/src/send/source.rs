//! The messages to send.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use deuteron::Message;
use tokio::sync::mpsc;

use crate::args::SendArgs;
use crate::failure::Failure;
use crate::message::json_read;
use crate::message::template::{self, Template};

/// Lines that are handed over at once, and how many times that may wait.
const BATCH: usize = 256;
const BATCHES: usize = 4;

/// Messages, one after the other.
pub(crate) struct Messages {
    kind: Kind,
    /// How many are left; `None` if there is no limit.
    left: Option<u64>,
    bounded: bool,
    /// Numbers each, from 1 on.
    sequence: bool,
    number: u64,
}

enum Kind {
    Same(Box<Message>, Bytes),
    Lines(Lines),
}

impl Messages {
    /// Reads arguments and files; lines of standard input are read later, by a thread.
    pub(crate) fn new(args: &SendArgs, template: Template) -> Result<Self, Failure> {
        let streamed = args.lines || args.json;
        let one_by_default = !streamed && args.pace.duration.is_none();
        let left = args.count.or_else(|| one_by_default.then_some(1));
        let kind = if streamed {
            Kind::Lines(Lines::start(template, args.json)?)
        } else {
            let message = single(args, &template)?;
            let encoded = message.to_bytes();
            Kind::Same(Box::new(message), encoded)
        };
        Ok(Self { kind, left, bounded: streamed || left.is_some(), sequence: args.sequence, number: 0 })
    }

    /// How many there are, if that is known.
    pub(crate) fn count(&self) -> Option<u64> {
        match self.kind {
            Kind::Same(..) => self.left,
            Kind::Lines(_) => None,
        }
    }

    /// Whether they come to an end by themselves.
    pub(crate) fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// The next one, encoded. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let message = match &mut self.kind {
            Kind::Same(_, encoded) if !self.sequence => encoded.clone(),
            Kind::Same(message, _) => numbered(message, self.number + 1),
            Kind::Lines(lines) => match lines.next().await? {
                None => return Ok(None),
                Some(mut message) if self.sequence => numbered(&mut message, self.number + 1),
                Some(message) => message.to_bytes(),
            },
        };
        self.number += 1;
        self.left = self.left.map(|left| left - 1);
        Ok(Some(message))
    }
}

fn numbered(message: &mut Message, number: u64) -> Bytes {
    template::number(message, number);
    message.to_bytes()
}

/// The one message that the arguments describe.
fn single(args: &SendArgs, template: &Template) -> Result<Message, Failure> {
    let wrong = |error: String| Failure::usage(format!("the body: {error}"));
    match (&args.file, args.size, args.body.as_deref()) {
        (Some(path), ..) => template.bytes(read_file(path)?).map_err(wrong),
        (_, Some(size), _) => {
            let size = usize::try_from(size)
                .ok()
                .filter(|size| *size <= isize::MAX as usize)
                .ok_or_else(|| Failure::usage("--size is more than memory can hold"))?;
            template.bytes(vec![b'x'; size].into()).map_err(wrong)
        }
        (_, _, Some("-")) => template.bytes(read_input()?).map_err(wrong),
        (_, _, body) => template.text(body.unwrap_or("Hello World!").to_owned()).map_err(wrong),
    }
}

/// All of a file.
pub(crate) fn read_file(path: &Path) -> Result<Bytes, Failure> {
    let read = std::fs::read(path).map(Bytes::from);
    read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

/// All of standard input.
pub(crate) fn read_input() -> Result<Bytes, Failure> {
    let mut all = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut all);
    read.map(|_| all.into()).map_err(|error| Failure::new(format!("standard input: {error}")))
}

/// Lines of standard input, read and made messages of on a thread: reading blocks.
pub(crate) struct Lines {
    batches: mpsc::Receiver<Result<Vec<Message>, Failure>>,
    batch: std::vec::IntoIter<Message>,
}

impl Lines {
    /// Begins to read.
    pub(crate) fn start(template: Template, json: bool) -> Result<Self, Failure> {
        let (hand_over, batches) = mpsc::channel(BATCHES);
        let body = move || {
            let mut input = BufReader::with_capacity(64 * 1024, std::io::stdin().lock());
            let mut number = 0;
            loop {
                let mut messages = Vec::new();
                let read = read_batch(&mut input, &template, json, &mut number, &mut messages);
                let last = read.is_err() || messages.is_empty();
                // What comes before a wrong line is sent.
                let sent = hand_over.blocking_send(Ok(messages));
                if let (Ok(()), Err(failure)) = (&sent, read) {
                    drop(hand_over.blocking_send(Err(failure)));
                }
                if sent.is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("standard input".into()).spawn(body);
        thread.map_err(|error| Failure::new(format!("no thread to read standard input: {error}")))?;
        Ok(Self { batches, batch: Vec::new().into_iter() })
    }

    /// The next message. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            if let Some(message) = self.batch.next() {
                return Ok(Some(message));
            }
            match self.batches.recv().await {
                Some(Ok(batch)) => self.batch = batch.into_iter(),
                Some(Err(failure)) => return Err(failure),
                None => return Ok(None),
            }
        }
    }
}

/// Reads some lines, as many as are there without waiting; none at the end.
fn read_batch(
    input: &mut BufReader<impl Read>,
    template: &Template,
    json: bool,
    number: &mut u64,
    messages: &mut Vec<Message>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    while messages.len() < BATCH && (messages.is_empty() || input.buffer().contains(&b'\n')) {
        let wrong =
            |error: String, number: u64| Failure::usage(format!("standard input, line {number}: {error}"));
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::new(format!("standard input: {error}")))? == 0 {
            break;
        }
        *number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if json {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let text = std::str::from_utf8(&line).map_err(|_| wrong("it is not UTF-8".into(), *number))?;
            let message = json_read::message(text).map_err(|error| wrong(error, *number))?;
            messages.push(template.over(message));
        } else {
            messages.push(template.line(std::mem::take(&mut line)).map_err(|error| wrong(error, *number))?);
        }
    }
    Ok(())
}
