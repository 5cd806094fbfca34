//! What chapter 6 of the guide promises, proven over loopback sockets.
//!
//! Each test is named by the statement that it proves. The peers are this crate's own listeners, scripted peers
//! of the testkit with a codec of their own, and plain sockets. Nothing here waits for a time to pass: waits end
//! with an event, and [`support::PATIENCE`] only bounds how long a failing test hangs.

mod away;
mod deadlines;
mod duplicates;
mod endings;
mod extremes;
mod failover;
mod hostile;
mod incoming;
mod links;
mod many;
mod messages;
mod outgoing;
mod reconnect;
mod recovery;
mod restart;
mod servers;
mod shutdown;
mod support;
mod trace;
