//! What goes wrong, and when; and the words for it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Side;

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// It ends in order, both ways (FIN). What was passed on before arrives.
    Cut,
    /// It is torn (RST), both ways: what is under way may be lost.
    Reset,
    /// Nothing is passed on any more, either way. Both sockets stay open.
    Stall,
    /// Nothing is passed on from this side any more; the other way goes on.
    HalfOpen,
    /// Each piece that comes from this side is passed on so much later, one after the other.
    Delay(Duration),
    /// So many bytes a second are passed on from this side.
    Throttle(u32),
    /// All bits of the next byte are turned.
    Corrupt,
}

/// Where it happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// After so many bytes.
    Byte(u64),
    /// Before a frame is passed on.
    Before(Which),
    /// When half of a frame is passed on.
    Within(Which),
    /// After a frame is passed on.
    After(Which),
}

/// A frame of one direction of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Which {
    /// The name of its performative, `header` for a protocol header, `empty` for a heartbeat; `None` counts all.
    pub kind: Option<String>,
    /// How many of those there were, this one included: 1 is the first.
    pub number: u64,
}

/// Something that goes wrong, once. From text:
///
/// ```
/// use deuteron_testkit::Fault;
/// for text in [
///     "cut after transfer 3 from client",
///     "reset within frame 7 from server on connection 2",
///     "stall at byte 100 from client",
///     "delay 50 ms before frame 1 from server",
///     "throttle 1000 before frame 1 from client",
/// ] {
///     assert_eq!(text.parse::<Fault>()?.to_string(), text);
/// }
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What.
    pub action: Action,
    /// Where.
    pub place: Place,
    /// Counted from this side.
    pub from: Side,
    /// On the connection of this number, 1 being the first; `None`: on the first that comes so far.
    pub connection: Option<u64>,
}

/// The kinds of frames by which [`Which`] counts.
pub const KINDS: [&str; 16] = [
    "header",
    "sasl-mechanisms",
    "sasl-init",
    "sasl-challenge",
    "sasl-response",
    "sasl-outcome",
    "open",
    "begin",
    "attach",
    "flow",
    "transfer",
    "disposition",
    "detach",
    "end",
    "close",
    "empty",
];

const FORM: &str = "the form is ACTION at byte N|(before|within|after) (frame|KIND) N from client|server [on connection N], \
                    like 'cut after transfer 3 from client'";

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what} in the fault {text:?}: {FORM}");
        let mut words = text.split_whitespace();
        let mut next = |what: &str| words.next().ok_or_else(|| wrong(&format!("there is no {what}")));
        let action = action(&mut next, &wrong)?;
        let number = |word: &str| {
            word.parse::<u64>().map_err(|_| wrong(&format!("{word:?} is no number"))).and_then(|number| {
                if number == 0 { Err(wrong("frames and connections are counted from 1")) } else { Ok(number) }
            })
        };
        let relation = next("place")?;
        let what = next("place")?;
        let place = match (relation, what) {
            ("at", "byte") => {
                let word = next("number")?;
                Place::Byte(word.parse().map_err(|_| wrong(&format!("{word:?} is no number")))?)
            }
            ("before" | "within" | "after", kind) => {
                if kind != "frame" && !KINDS.contains(&kind) {
                    return Err(wrong(&format!(
                        "{kind:?} is no kind of frame (frame, {})",
                        KINDS.join(", ")
                    )));
                }
                let kind = (kind != "frame").then(|| kind.to_owned());
                let which = Which { kind, number: number(next("number")?)? };
                match relation {
                    "before" => Place::Before(which),
                    "within" => Place::Within(which),
                    _ => Place::After(which),
                }
            }
            _ => return Err(wrong(&format!("{relation:?} {what:?} is no place"))),
        };
        let from = match (next("side")?, next("side")?) {
            ("from", "client") => Side::Client,
            ("from", "server") => Side::Server,
            (first, second) => return Err(wrong(&format!("'{first} {second}' is no side"))),
        };
        let connection = match (words.next(), words.next(), words.next(), words.next()) {
            (None, ..) => None,
            (Some("on"), Some("connection"), Some(word), None) => Some(number(word)?),
            _ => return Err(wrong("there is more than a fault")),
        };
        Ok(Self { action, place, from, connection })
    }
}

/// Reads what is done.
fn action<'a>(
    next: &mut impl FnMut(&str) -> Result<&'a str, String>,
    wrong: &impl Fn(&str) -> String,
) -> Result<Action, String> {
    Ok(match next("action")? {
        "cut" => Action::Cut,
        "reset" => Action::Reset,
        "stall" => Action::Stall,
        "half-open" => Action::HalfOpen,
        "corrupt" => Action::Corrupt,
        "throttle" => match next("rate")?.parse() {
            Ok(rate) if rate > 0 => Action::Throttle(rate),
            _ => return Err(wrong("throttle needs a number of bytes a second")),
        },
        "delay" => {
            let length = next("length")?.parse().map_err(|_| wrong("delay needs a number of ms"))?;
            if next("unit")? != "ms" {
                return Err(wrong("a delay is in ms"));
            }
            Action::Delay(Duration::from_millis(length))
        }
        other => {
            let known = "cut, reset, stall, half-open, corrupt, delay N ms, throttle N";
            return Err(wrong(&format!("{other:?} is no action (there are {known})")));
        }
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            Action::Cut => f.write_str("cut")?,
            Action::Reset => f.write_str("reset")?,
            Action::Stall => f.write_str("stall")?,
            Action::HalfOpen => f.write_str("half-open")?,
            Action::Corrupt => f.write_str("corrupt")?,
            Action::Delay(length) => write!(f, "delay {} ms", length.as_millis())?,
            Action::Throttle(rate) => write!(f, "throttle {rate}")?,
        }
        match &self.place {
            Place::Byte(number) => write!(f, " at byte {number}")?,
            Place::Before(which) => write!(f, " before {which}")?,
            Place::Within(which) => write!(f, " within {which}")?,
            Place::After(which) => write!(f, " after {which}")?,
        }
        f.write_str(if self.from == Side::Client { " from client" } else { " from server" })?;
        match self.connection {
            Some(number) => write!(f, " on connection {number}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_deref().unwrap_or("frame"), self.number)
    }
}
