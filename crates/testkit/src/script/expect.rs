use std::fmt;

use super::replies;
use super::step::{Check, Expectation};
use crate::wire::{Composite, Frame, Incoming, Plain};

/// An expectation that is being written: first what must hold, then what to answer.
pub struct Expect<'a> {
    expectation: &'a mut Expectation,
}

impl fmt::Debug for Expect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expect {}", self.expectation.kind)
    }
}

impl<'a> Expect<'a> {
    pub(super) fn new(expectation: &'a mut Expectation) -> Self {
        Self { expectation }
    }

    // What must hold --------------------------------------------------------------------------------------------

    /// Any test of the frame; `text` says what it tests.
    pub fn is(self, text: impl Into<String>, test: impl Fn(&Frame) -> bool + Send + 'static) -> Self {
        self.expectation.checks.push(Check { text: text.into(), test: Box::new(test) });
        self
    }

    /// A field has exactly this value; number types count.
    pub fn field(self, name: &'static str, value: impl Into<Plain>) -> Self {
        let value = value.into();
        self.is(format!("{name}={value}"), move |frame| *frame.get(name) == value)
    }

    /// A field passes a test.
    pub fn field_is(
        self,
        name: &'static str,
        text: impl Into<String>,
        test: impl Fn(&Plain) -> bool + Send + 'static,
    ) -> Self {
        self.is(format!("{name} {}", text.into()), move |frame| test(frame.get(name)))
    }

    /// A field is absent or null.
    pub fn absent(self, name: &'static str) -> Self {
        self.is(format!("no {name}"), move |frame| frame.get(name).is_null())
    }

    /// A field is there.
    pub fn present(self, name: &'static str) -> Self {
        self.is(format!("some {name}"), move |frame| !frame.get(name).is_null())
    }

    /// A boolean field with default false: absent or false, or else true.
    pub fn flag(self, name: &'static str, value: bool) -> Self {
        self.is(format!("{name}={value}"), move |frame| frame.get(name).as_bool().unwrap_or(false) == value)
    }

    /// The frame is on this channel.
    pub fn channel(self, channel: u16) -> Self {
        self.is(format!("on channel {channel}"), move |frame| frame.channel == channel)
    }

    /// The bytes after the performative.
    pub fn payload(self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let text =
            format!("{} bytes of payload b\"{}\"", bytes.len(), bytes[..bytes.len().min(40)].escape_ascii());
        self.is(text, move |frame| frame.payload == bytes)
    }

    /// `container-id` of an open.
    pub fn container_id(self, id: &str) -> Self {
        self.field("container-id", id)
    }

    /// `name` of an attach.
    pub fn name(self, name: &str) -> Self {
        self.field("name", name)
    }

    /// `handle` of an attach, flow, transfer or detach.
    pub fn handle(self, handle: u32) -> Self {
        self.field("handle", handle)
    }

    /// `role` is sender.
    pub fn role_sender(self) -> Self {
        self.field("role", false)
    }

    /// `role` is receiver.
    pub fn role_receiver(self) -> Self {
        self.field("role", true)
    }

    /// `link-credit` of a flow.
    pub fn credit(self, credit: u32) -> Self {
        self.field("link-credit", credit)
    }

    /// The range of a disposition; one delivery if both are the same, with or without `last`.
    pub fn range(self, first: u32, last: u32) -> Self {
        self.is(format!("first={first}, last={last}"), move |frame| {
            let found = frame.get("last").as_u32().or_else(|| frame.get("first").as_u32());
            frame.get("first").as_u32() == Some(first) && found == Some(last)
        })
    }

    /// `state` of a transfer or disposition is of this type (`"accepted"`).
    pub fn state(self, name: &'static str) -> Self {
        self.is(format!("state {name}"), move |frame| {
            frame.get("state").as_composite().is_some_and(|state| state.name() == name)
        })
    }

    /// `error` has this condition.
    pub fn error(self, condition: &'static str) -> Self {
        self.is(format!("error {condition}"), move |frame| {
            let error = frame.get("error").as_composite();
            error.is_some_and(|error| error.get("condition").as_text() == Some(condition))
        })
    }

    /// The description of `error` contains this text.
    pub fn describing(self, text: &'static str) -> Self {
        self.is(format!("error that mentions {text:?}"), move |frame| {
            let error = frame.get("error").as_composite();
            let description = error.and_then(|error| error.get("description").as_text().map(str::to_owned));
            description.is_some_and(|description| description.contains(text))
        })
    }

    // What to answer --------------------------------------------------------------------------------------------

    /// Answers with the natural reply: the same header; open, begin, attach (other role, same termini), detach,
    /// end, close to the same; `accepted` and settled to a transfer; settled to a disposition.
    ///
    /// # Panics
    /// When it is time to answer, if there is no natural reply to what came.
    pub fn respond(self) {
        self.respond_with(|reply| reply);
    }

    /// As [`respond`](Self::respond), with a change to the reply.
    pub fn respond_with(self, change: impl Fn(Composite) -> Composite + Send + 'static) {
        self.reply_bytes(move |incoming| match incoming {
            Incoming::Header(bytes) => bytes.to_vec(),
            Incoming::Frame(frame) => Frame::new(frame.channel, change(replies::natural(frame))).bytes(),
        });
    }

    /// Answers a transfer with a disposition of this state.
    pub fn dispose(self, state: Composite, settled: bool) {
        self.respond_with(move |reply| reply.set("state", state.clone()).set("settled", settled));
    }

    /// Answers with a frame made from the one that came.
    pub fn reply(self, make: impl Fn(&Frame) -> Frame + Send + 'static) {
        self.reply_bytes(move |incoming| match incoming {
            Incoming::Frame(frame) => make(frame).bytes(),
            Incoming::Header(_) => panic!("a header has no frame to make a reply from"),
        });
    }

    fn reply_bytes(self, make: impl Fn(&Incoming) -> Vec<u8> + Send + 'static) {
        self.expectation.replies.push(Box::new(make));
    }
}
