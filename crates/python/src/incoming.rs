//! What a connection's engine says, as events about its objects.

use deuteron_engine::{DeliveryId, Event, LinkId, SessionId};
use pyo3::prelude::*;

use crate::calls::CallOut;
use crate::connection::ConnectionCore;
use crate::delivery::Delivery;
use crate::event::Kind;
use crate::link::LinkCore;
use crate::names::{self, lock};
use crate::session::{SessionCore, SessionKey, link_as_in_proton};
use crate::state::{ConditionParts, condition_parts};
use crate::transport::TransportCore;

impl ConnectionCore {
    /// The engine's events as the collector's.
    pub(crate) fn pump(&self, py: Python<'_>) -> PyResult<()> {
        loop {
            let event = lock(&self.engine).poll_event();
            let Some(event) = event else { return Ok(()) };
            self.on_event(py, event)?;
        }
    }

    fn on_event(&self, py: Python<'_>, event: Event) -> PyResult<()> {
        match event {
            Event::Delivered(id) | Event::DeliveryPartial(id) => {
                self.on_arrival(py, id, matches!(event, Event::Delivered(_)))
            }
            Event::DeliveryUpdated(id) => {
                let delivery = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
                if let Some(delivery) = delivery {
                    delivery.get().refresh(&mut lock(&self.engine));
                    self.raise(py, Kind::Delivery, delivery.bind(py).as_any());
                }
                Ok(())
            }
            Event::DeliveryAborted(id) => {
                let delivery = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
                if let Some(delivery) = delivery {
                    // 2.6.14: an aborted delivery is settled.
                    let mut progress = delivery.get().progress();
                    progress.aborted = true;
                    progress.came_settled();
                    drop(progress);
                    self.raise(py, Kind::Delivery, delivery.bind(py).as_any());
                }
                Ok(())
            }
            Event::DeliveryLost(id) => self.on_lost(py, id),
            Event::LinkFlow(id) => self.on_flow(py, id, true),
            Event::LinkDrained(id) => self.on_flow(py, id, false),
            Event::LinkAttached(id) => self.on_attach(py, id),
            Event::LinkDetached(id) => self.on_link(py, id, Kind::LinkRemoteDetach),
            Event::LinkClosed(id) => {
                self.objects().closed.link(id);
                self.on_link(py, id, Kind::LinkRemoteClose)
            }
            Event::SessionBegun(id) => {
                self.session_object(py, id)?;
                self.on_session(py, id, Kind::SessionRemoteOpen);
                Ok(())
            }
            Event::SessionEnded(id) => {
                self.objects().closed.session(id);
                self.on_session(py, id, Kind::SessionRemoteClose);
                Ok(())
            }
            Event::ConnectionOpened | Event::ConnectionClosed | Event::TransportError => {
                self.on_transport(py, event)
            }
            _ => Ok(()),
        }
    }

    /// Nobody will settle the delivery. Of a message that was sent the peer may have any part: programs are told.
    fn on_lost(&self, py: Python<'_>, id: DeliveryId) -> PyResult<()> {
        let known = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
        let sent = known.as_ref().is_some_and(|delivery| {
            delivery.get().is_outgoing() && delivery.get().was_sent() && !delivery.get().is_settled()
        });
        self.forget_delivery(id);
        if let Some(mut delivery) = lock(&self.engine).delivery(id) {
            delivery.forget();
        }
        if let Some(delivery) = known.filter(|_| sent) {
            names::get(py, "delivery_unknown")?.call_out((delivery,))?;
        }
        Ok(())
    }

    fn on_transport(&self, py: Python<'_>, event: Event) -> PyResult<()> {
        let Some(transport) = self.transport(py) else { return Ok(()) };
        let core = transport.cast::<TransportCore>()?.get();
        match event {
            Event::ConnectionOpened => core.tell_connection(py, Kind::ConnectionRemoteOpen),
            Event::ConnectionClosed => {
                core.tell_connection(py, Kind::ConnectionRemoteClose);
                TransportCore::end_tail(transport.cast::<TransportCore>()?);
            }
            _ => {
                let failure = lock(&self.engine)
                    .transport_failure()
                    .map(|failure| as_in_proton(condition_parts(&failure.error)));
                TransportCore::failed(transport.cast::<TransportCore>()?, failure);
            }
        }
        Ok(())
    }

    fn on_flow(&self, py: Python<'_>, id: LinkId, news: bool) -> PyResult<()> {
        let Some(link) = self.objects().links.get(py, &id) else { return Ok(()) };
        // What messages have used up is not news.
        if link.cast::<LinkCore>()?.get().credit_drained() || news {
            self.raise(py, Kind::LinkFlow, &link);
        }
        Ok(())
    }

    fn on_link(&self, py: Python<'_>, id: LinkId, kind: Kind) -> PyResult<()> {
        let link = self.objects().links.get(py, &id);
        if let Some(link) = link {
            self.raise(py, kind, &link);
        }
        Ok(())
    }

    fn on_attach(&self, py: Python<'_>, id: LinkId) -> PyResult<()> {
        let known = self.objects().links.get(py, &id);
        if known.is_none() {
            let (session, sender) = {
                let mut engine = lock(&self.engine);
                let Some(mut link) = engine.link(id) else { return Ok(()) };
                if let Some(config) = link.config_mut() {
                    link_as_in_proton(config);
                    // What the peer asks for is a program's to answer.
                    (config.source, config.target) = (None, None);
                }
                (link.session(), link.role() == deuteron_codec::Role::Sender)
            };
            let Some(session) = session else { return Ok(()) };
            let session = self.session_object(py, session)?;
            let link = self.add_link(session.cast::<SessionCore>()?, id, sender)?;
            self.raise(py, Kind::LinkInit, &link);
        }
        self.on_link(py, id, Kind::LinkRemoteOpen)
    }

    fn on_session(&self, py: Python<'_>, id: SessionId, kind: Kind) {
        let session = self.objects().sessions.get(py, &id);
        if let Some(session) = session {
            self.raise(py, kind, &session);
        }
    }

    /// The object of a session; a new one, if the peer has begun it.
    fn session_object<'py>(&self, py: Python<'py>, id: SessionId) -> PyResult<Bound<'py, PyAny>> {
        if let Some(session) = self.objects().sessions.get(py, &id) {
            return Ok(session);
        }
        let transport = self.transport(py);
        let connection = match &transport {
            Some(transport) => transport.cast::<TransportCore>()?.get().bound_to(py),
            None => None,
        };
        let connection =
            connection.ok_or_else(|| names::error(py, "SessionException", "the connection is not bound"))?;
        self.add_session(&connection, id)
    }

    pub(crate) fn add_session<'py>(
        &self,
        connection: &Bound<'py, Self>,
        id: SessionId,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = connection.py();
        let session = names::get(py, "Session")?.call_out((connection, Py::new(py, SessionKey(id))?))?;
        self.objects().sessions.add(id, session.clone().unbind());
        self.raise(py, Kind::SessionInit, &session);
        Ok(session)
    }

    fn on_arrival(&self, py: Python<'_>, id: DeliveryId, complete: bool) -> PyResult<()> {
        let known = self.objects().deliveries.get(&id).map(|delivery| delivery.clone_ref(py));
        let delivery = match known {
            Some(delivery) => {
                let mut engine = lock(&self.engine);
                // Any of its frames may say that it is settled.
                if engine.delivery(id).is_some_and(|delivery| delivery.remotely_settled()) {
                    delivery.get().progress().came_settled();
                }
                drop(engine);
                delivery.into_bound(py)
            }
            None => {
                let found = {
                    let mut engine = lock(&self.engine);
                    let delivery = engine.delivery(id);
                    // One that we have settled before it was here whole is of no interest any more.
                    delivery.filter(|delivery| !delivery.locally_settled()).and_then(|delivery| {
                        Some((delivery.link()?, delivery.tag(), delivery.remotely_settled()))
                    })
                };
                let Some((link_id, tag, settled)) = found else { return Ok(()) };
                let Some(link) = self.objects().links.get(py, &link_id) else { return Ok(()) };
                let tag = tag.as_slice().to_vec();
                let delivery =
                    Bound::new(py, Delivery::new(&link, self.engine.clone(), false, tag, Some(id)))?;
                if settled {
                    delivery.get().progress().came_settled();
                }
                link.cast::<LinkCore>()?.get().arrived(&delivery);
                self.objects().deliveries.insert(id, delivery.clone().unbind());
                delivery
            }
        };
        delivery.get().progress().complete = complete;
        self.raise(py, Kind::Delivery, delivery.as_any());
        Ok(())
    }
}

/// Programs know a client's failure to authenticate by how the text begins, and that of a server by its condition.
fn as_in_proton((name, description, info): ConditionParts) -> ConditionParts {
    let begins = |text: &str| description.as_ref().is_some_and(|description| description.starts_with(text));
    if name != "amqp:unauthorized-access" || begins("Failed to authenticate") || begins("no SASL mechanism") {
        return (name, description, info);
    }
    if begins("the client skipped SASL") {
        let text = "Client skipped authentication - forbidden";
        return ("amqp:connection:policy-error".to_owned(), Some(text.to_owned()), info);
    }
    let description = description.map(|text| {
        let mechanism =
            text.split_once("[mech=").and_then(|(_, rest)| rest.split(']').next()).unwrap_or("none");
        format!(
            "Authentication failed [mech={mechanism}]: {}",
            text.replace(&format!(" [mech={mechanism}]"), "")
        )
    });
    (name, description, info)
}
