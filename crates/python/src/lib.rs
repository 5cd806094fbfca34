//! `deuteron._core`: the native half of the Python packages `proton` and `deuteron`.
//!
//! The engine's objects as Proton has them: a `Connection` with sessions, links and deliveries, a `Transport` that turns
//! them into bytes and back, and a `Collector` of events. Hot ones are whole in here; of the others the base class is, and
//! the rest is Python (`python/proton`).

use pyo3::prelude::*;

mod array;
mod calls;
mod closed;
mod collector;
mod connection;
mod decode;
mod delivery;
mod detect;
mod dispatch;
mod encode;
mod event;
mod exchange;
mod fields;
mod handlers;
mod heartbeat;
mod incoming;
mod link;
mod message;
mod names;
mod outcome;
mod outgoing;
mod owner;
mod progress;
mod registry;
mod sasl;
mod sections;
mod session;
mod state;
mod terminus;
mod tls;
mod trace;
mod traffic;
mod transport;
mod types;
mod wire;

/// What the Python sources of `proton` are built on; not for programs.
// Free-threaded interpreters turn their lock on again: what is in here is guarded by locks of its own, but the Python half changes
// several objects in a row as if no other thread ran, and no test has shown yet that it may.
#[pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use super::collector::Collector;
    #[pymodule_export]
    use super::connection::ConnectionCore;
    #[pymodule_export]
    use super::decode::decode;
    #[pymodule_export]
    use super::delivery::Delivery;
    #[pymodule_export]
    use super::dispatch::dispatch;
    #[pymodule_export]
    use super::encode::encode;
    #[pymodule_export]
    use super::event::{Event, EventBase};
    #[pymodule_export]
    use super::handlers::{FlowCore, IncomingCore, OutgoingCore};
    #[pymodule_export]
    use super::heartbeat::{forget_heartbeats, hold_heartbeats, resume_heartbeats};
    #[pymodule_export]
    use super::link::LinkCore;
    #[pymodule_export]
    use super::message::Message;
    #[pymodule_export]
    use super::names::register;
    #[pymodule_export]
    use super::sasl::KnownUsers;
    #[pymodule_export]
    use super::session::SessionCore;
    #[pymodule_export]
    use super::tls::TlsDomain;
    #[pymodule_export]
    use super::transport::TransportCore;

    /// Whether the module was built without optimization. Measurements want to know.
    #[pymodule_export]
    const DEBUG: bool = cfg!(debug_assertions);
}
