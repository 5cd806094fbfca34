//! How far a delivery is.

use bytes::Bytes;
use deuteron_codec::DeliveryState;
use deuteron_engine::{Connection, DeliveryId};
use pyo3::prelude::*;

/// How far a delivery is. What the engine has forgotten is still known here.
#[derive(Default)]
pub(crate) struct Progress {
    /// None until the engine knows of it: an outgoing one that is still being written.
    pub(crate) id: Option<DeliveryId>,
    /// Bytes that are written, and not with the engine yet.
    pub(crate) bytes: Vec<u8>,
    /// Some of them go to the engine at the end of the turn, before the message is whole.
    pub(crate) part_due: bool,
    /// Read from the wire, whole.
    pub(crate) payload: Bytes,
    pub(crate) complete: bool,
    pub(crate) advanced: bool,
    pub(crate) aborted: bool,
    pub(crate) updated: bool,
    pub(crate) locally_settled: bool,
    pub(crate) peer_settled: bool,
    pub(crate) local_state: u64,
    pub(crate) remote: Option<DeliveryState>,
    pub(crate) local: Option<Py<PyAny>>,
    /// The state that goes out instead of what the number and `local` say.
    pub(crate) given: Option<DeliveryState>,
    /// Its place among the deliveries of its link.
    pub(crate) number: u64,
    /// `update` was called, and the peer has not been told.
    pub(crate) due: bool,
}

impl Progress {
    /// The sender has settled it with the message.
    pub(crate) fn came_settled(&mut self) {
        self.peer_settled = true;
        self.updated = true;
    }

    /// Takes bytes of the message from the engine until so many are here. What stays there holds the peer back.
    pub(crate) fn fetch(&mut self, engine: &mut Connection, limit: usize) {
        let Some(mut delivery) = self.id.and_then(|id| engine.delivery(id)) else { return };
        let mut length = self.payload.len();
        let mut parts = Vec::new();
        while length < limit
            && let Some(part) = delivery.read()
        {
            length += part.len();
            parts.push(part);
        }
        if parts.is_empty() {
            return;
        }
        if !self.payload.is_empty() {
            parts.insert(0, std::mem::take(&mut self.payload));
        }
        self.payload = if parts.len() > 1 { parts.concat().into() } else { parts.remove(0) };
    }
}
