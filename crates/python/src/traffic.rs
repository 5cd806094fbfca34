//! What is under way on a link.

use std::collections::VecDeque;

use pyo3::prelude::*;

use crate::delivery::Delivery;

/// The messages of a link that the program is busy with.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Made or arrived, and not advanced past: the first is the current one.
    pub(crate) waiting: VecDeque<Py<Delivery>>,
    /// Advanced past, and not handed to the engine: the end of the turn does that.
    pub(crate) outbox: u32,
    /// A receiver's credit that the peer has not used.
    pub(crate) granted: u32,
    pub(crate) drained: u32,
    pub(crate) unsettled: u32,
    pub(crate) local_detached: bool,
    pub(crate) pre_settled: bool,
}
