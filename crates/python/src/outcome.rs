//! The states that programs give to deliveries: numbers, with what is on `local`, or dispositions.

use deuteron_codec::{Decode, DeliveryState, Reader};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::delivery::Delivery;
use crate::state::{self, LocalState};

/// The state that a disposition of a class of its own stands for; None if the object is none.
fn state_of(disposition: &Bound<'_, PyAny>) -> PyResult<Option<DeliveryState>> {
    let Some(described) = disposition.getattr_opt(pyo3::intern!(disposition.py(), "_described"))? else {
        return Ok(None);
    };
    let bytes: Vec<u8> = described.extract()?;
    DeliveryState::decode(&mut Reader::new(&bytes))
        .map(Some)
        .map_err(|error| PyErr::new::<PyValueError, _>(error.to_string()))
}

impl Delivery {
    /// Puts a disposition, or nothing, in the place of what `local` is.
    pub(crate) fn put_local(&self, disposition: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        if let Some(disposition) = disposition
            && state_of(disposition)?.is_none()
        {
            let kind = disposition.get_type().name()?;
            return Err(PyErr::new::<PyTypeError, _>(format!("{kind} is no disposition that can be given")));
        }
        let fresh = disposition.map(|disposition| disposition.clone().unbind());
        let old = std::mem::replace(&mut self.progress().local, fresh);
        drop(old);
        Ok(())
    }

    /// The number of the state that `update` is called with. None is for what is on `local`.
    pub(crate) fn chosen(&self, state: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
        let Some(state) = state else { return self.chosen_before() };
        match state.extract::<u64>() {
            Ok(number) => self.choose(state.py(), number),
            Err(no_number) => {
                if !state.hasattr(pyo3::intern!(state.py(), "_described"))? {
                    return Err(no_number);
                }
                self.put_local(Some(state))?;
                self.give(state)
            }
        }
    }

    fn chosen_before(&self) -> PyResult<u64> {
        Python::attach(|py| {
            let local = self.progress().local.as_ref().map(|local| local.bind(py).clone());
            match local {
                Some(local) => self.give(&local),
                None => Ok(self.progress().local_state),
            }
        })
    }

    fn give(&self, disposition: &Bound<'_, PyAny>) -> PyResult<u64> {
        let given = state_of(disposition)?;
        let mut progress = self.progress();
        let number = given.as_ref().map_or(progress.local_state, state::code);
        progress.given = given;
        Ok(number)
    }

    /// A number goes with the disposition on `local` if that is of its kind, else it takes its place.
    pub(crate) fn choose(&self, py: Python<'_>, number: u64) -> PyResult<u64> {
        let local = {
            let mut progress = self.progress();
            progress.given = None;
            progress.local.as_ref().map(|local| local.bind(py).clone())
        };
        let Some(given) = local.as_ref().map(state_of).transpose()?.flatten() else { return Ok(number) };
        if state::code(&given) == number {
            self.progress().given = Some(given);
        } else {
            let old = self.progress().local.take();
            drop(old);
        }
        Ok(number)
    }

    /// The state with this number as the peer is told it.
    pub(crate) fn to_state(&self, py: Python<'_>, code: u64) -> PyResult<Option<DeliveryState>> {
        let (given, local) = {
            let progress = self.progress();
            (progress.given.clone(), progress.local.as_ref().map(|local| local.clone_ref(py)))
        };
        match local {
            _ if given.is_some() => Ok(given),
            Some(local) if code != state::ACCEPTED && code != state::RELEASED => {
                local.bind(py).extract::<LocalState>()?.into_state(code)
            }
            _ => Ok(state::plain(code)),
        }
    }

    pub(crate) fn set_state(slf: &Bound<'_, Self>, state: u64) -> PyResult<()> {
        let this = slf.get();
        let known = {
            let mut progress = this.progress();
            progress.local_state = state;
            let waits = std::mem::replace(&mut progress.due, true);
            waits || progress.id.is_none()
        };
        let connection = this.core(slf.py())?.get().connection().get();
        if !known {
            connection.tell_later(slf);
        }
        connection.modified(slf.py());
        Ok(())
    }

    /// Gives an outcome, and settles.
    pub(crate) fn settle_with(slf: &Bound<'_, Self>, outcome: u64) -> PyResult<()> {
        slf.get().core(slf.py())?.get().check(slf.py())?;
        if !slf.get().progress().locally_settled {
            let outcome = slf.get().choose(slf.py(), outcome)?;
            Self::set_state(slf, outcome)?;
        }
        Self::settle(slf)
    }
}
