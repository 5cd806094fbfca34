//! Sockets: how a byte stream to a peer comes about, by [`dial`] or by [`listen`], and the [`Stream`] itself.
//!
//! Nothing here knows AMQP. All waits are bounded by what the caller says, and all futures can be dropped at any
//! time.

mod accept;
mod dial;
mod dial_error;
mod listen;
mod race;
mod stream;

pub(crate) use accept::Incoming;
pub(crate) use dial::{DialOptions, dial};
pub(crate) use dial_error::{DialError, DialPhase};
pub(crate) use listen::{Bound, listen};
pub(crate) use stream::{PeerInfo, Stream};
