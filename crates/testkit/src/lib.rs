//! Test peers for AMQP 1.0 programs.
//!
//! - [`wire`]: a codec of its own, so that an error in the codec under test cannot cancel out.
//! - [`ScriptedPeer`]: one side of a conversation written down in advance; bytes in, bytes out, no sockets.
//! - [`TcpScript`]: the same over a loopback socket, on a thread.
//! - [`Proxy`]: between a client and a server, with faults at bytes, frames or kinds of frames.
//! - [`Conversation`]: an engine talking to a [`ScriptedPeer`] in virtual time.
//! - [`Pair`]: two engines back to back in virtual time.

pub mod wire;

mod conversation;
mod pair;
mod proxy;
mod script;
mod tcp;

pub use conversation::{CHUNKS, Conversation};
pub use pair::{Answers, Pair, Side};
pub use proxy::{Action, Counts, Door, Fault, KINDS, Place, Proxy, Which};
pub use script::{Expect, ScriptedPeer};
pub use tcp::{ScriptHandle, TcpScript};
