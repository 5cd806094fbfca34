//! How events are handed to handlers.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::calls::CallOut;
use crate::collector::Collector;
use crate::event::Kind;
use crate::names;

/// Calls `handler.<method>(event)`, or `on_unhandled`, then the same for each of `handler.handlers`: the parent first.
#[pyfunction]
pub(crate) fn dispatch(
    handler: &Bound<'_, PyAny>,
    event: &Bound<'_, PyAny>,
    method: &Bound<'_, PyString>,
) -> PyResult<()> {
    let py = handler.py();
    call(handler, method, event)?;
    for_each_child(py, handler, |child| dispatch(child, event, method))
}

/// Calls one method of a handler, or its `on_unhandled` if it has no such method; not those of its children.
pub(crate) fn call(
    handler: &Bound<'_, PyAny>,
    method: &Bound<'_, PyString>,
    event: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if let Some(callback) = handler.getattr_opt(method)? {
        callback.call_out((event,))?;
    } else if let Some(callback) = handler.getattr_opt(pyo3::intern!(handler.py(), "on_unhandled"))? {
        callback.call_out((method, event))?;
    }
    Ok(())
}

/// The list may change under the call: what is added during it is called too.
fn for_each_child<'py>(
    py: Python<'py>,
    handler: &Bound<'py, PyAny>,
    mut action: impl FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    let Some(children) = handler.getattr_opt(pyo3::intern!(py, "handlers"))? else { return Ok(()) };
    let mut index = 0;
    if let Ok(children) = children.cast_exact::<PyList>() {
        while index < children.len() {
            action(&children.get_item(index)?)?;
            index += 1;
        }
        return Ok(());
    }
    while index < children.len()? {
        action(&children.get_item(index)?)?;
        index += 1;
    }
    Ok(())
}

/// One turn of the loop: the news of messages and credit that came in one piece from the wire.
///
/// Handlers that have no method for them are noted: to look for what is not there takes longer than to call what is.
struct Turn<'py> {
    py: Python<'py>,
    on_delivery: Bound<'py, PyString>,
    on_link_flow: Bound<'py, PyString>,
    do_nothing: Bound<'py, PyAny>,
    absent: Vec<(Kind, Bound<'py, PyAny>)>,
}

/// More handlers than that are looked at each time: to search the list would take as long.
const MOST_ABSENT: usize = 8;

impl<'py> Turn<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        Ok(Self {
            py,
            on_delivery: pyo3::intern!(py, "on_delivery").clone(),
            on_link_flow: pyo3::intern!(py, "on_link_flow").clone(),
            do_nothing: names::get(py, "Handler.on_unhandled")?,
            absent: Vec::new(),
        })
    }

    fn dispatch(
        &mut self,
        handler: &Bound<'py, PyAny>,
        event: &Bound<'py, PyAny>,
        kind: Kind,
    ) -> PyResult<()> {
        if !self.absent.iter().any(|(of, absent)| *of == kind && absent.is(handler)) {
            let method = if kind == Kind::Delivery { &self.on_delivery } else { &self.on_link_flow };
            match handler.getattr_opt(method)? {
                Some(callback) => drop(callback.call_out((event,))?),
                None => self.unhandled(handler, event, kind)?,
            }
        }
        let py = self.py;
        for_each_child(py, handler, |child| self.dispatch(child, event, kind))
    }

    fn unhandled(
        &mut self,
        handler: &Bound<'py, PyAny>,
        event: &Bound<'py, PyAny>,
        kind: Kind,
    ) -> PyResult<()> {
        let py = self.py;
        let callback = handler.getattr_opt(pyo3::intern!(py, "on_unhandled"))?;
        if let Some(callback) = callback {
            let function = callback.getattr_opt(pyo3::intern!(py, "__func__"))?;
            if !function.is_some_and(|function| function.is(&self.do_nothing)) {
                let method = if kind == Kind::Delivery { &self.on_delivery } else { &self.on_link_flow };
                callback.call_out((method, event))?;
                return Ok(());
            }
        }
        if self.absent.len() < MOST_ABSENT {
            self.absent.push((kind, handler.clone()));
        }
        Ok(())
    }
}

/// Dispatches the events of messages and credit at the front of the queue, to the handlers of their links, sessions and
/// connections or else to `handler`. Ends before an event of another kind, and when it is interrupted.
pub(crate) fn dispatch_traffic<'py>(
    collector: &Bound<'py, Collector>,
    handler: Option<&Bound<'py, PyAny>>,
) -> PyResult<()> {
    let py = collector.py();
    let collector = collector.get();
    let mut turn = None;
    while let Some((kind, event)) = collector.first_of_traffic(py)? {
        let turn = match &mut turn {
            Some(turn) => turn,
            None => turn.insert(Turn::new(py)?),
        };
        let own = event.get().handler_of(py)?;
        if let Some(handler) = own.as_ref().or(handler) {
            turn.dispatch(handler, event.as_any(), kind)?;
        }
        collector.pop_exactly(&event);
    }
    Ok(())
}
