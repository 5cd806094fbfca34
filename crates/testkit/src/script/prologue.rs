use super::{Expect, ScriptedPeer};
use crate::wire::{AMQP, Plain, composite, symbols};

/// Expectations by performative.
impl ScriptedPeer {
    /// Expects an open (2.7.1).
    pub fn expect_open(&mut self) -> Expect<'_> {
        self.expect("open")
    }

    /// Expects a begin (2.7.2).
    pub fn expect_begin(&mut self) -> Expect<'_> {
        self.expect("begin")
    }

    /// Expects an attach (2.7.3).
    pub fn expect_attach(&mut self) -> Expect<'_> {
        self.expect("attach")
    }

    /// Expects a flow (2.7.4).
    pub fn expect_flow(&mut self) -> Expect<'_> {
        self.expect("flow")
    }

    /// Expects a transfer (2.7.5).
    pub fn expect_transfer(&mut self) -> Expect<'_> {
        self.expect("transfer")
    }

    /// Expects a disposition (2.7.6).
    pub fn expect_disposition(&mut self) -> Expect<'_> {
        self.expect("disposition")
    }

    /// Expects a detach (2.7.7).
    pub fn expect_detach(&mut self) -> Expect<'_> {
        self.expect("detach")
    }

    /// Expects an end (2.7.8).
    pub fn expect_end(&mut self) -> Expect<'_> {
        self.expect("end")
    }

    /// Expects a close (2.7.9).
    pub fn expect_close(&mut self) -> Expect<'_> {
        self.expect("close")
    }

    /// Expects a SASL protocol header (5.3.2).
    pub fn expect_sasl_header(&mut self) -> Expect<'_> {
        self.expect_header(SASL_PROTOCOL)
    }

    /// Expects a sasl-mechanisms frame.
    pub fn expect_mechanisms(&mut self) -> Expect<'_> {
        self.expect("sasl-mechanisms")
    }

    /// Expects a sasl-init frame.
    pub fn expect_init(&mut self) -> Expect<'_> {
        self.expect("sasl-init")
    }

    /// Expects a sasl-outcome frame with this code (0 is success).
    pub fn expect_outcome(&mut self, code: u8) -> Expect<'_> {
        self.expect("sasl-outcome").field("code", code)
    }
}

/// Protocol id of the SASL layer (5.3.1).
const SASL_PROTOCOL: u8 = 3;

/// Frames to send, with the fields that are seldom of interest filled in. Handles and delivery-ids are the peer's.
impl ScriptedPeer {
    /// Sends a SASL protocol header.
    pub fn send_sasl_header(&mut self) -> &mut Self {
        self.send_header(SASL_PROTOCOL)
    }

    /// Sends sasl-mechanisms.
    pub fn send_mechanisms<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.send(0, composite("sasl-mechanisms").set("sasl-server-mechanisms", symbols(names)))
    }

    /// Sends sasl-outcome.
    pub fn send_outcome(&mut self, code: u8) -> &mut Self {
        self.send(0, composite("sasl-outcome").set("code", code))
    }

    /// Sends an open with the container id `peer`.
    pub fn send_open(&mut self) -> &mut Self {
        self.send(0, composite("open").set("container-id", "peer"))
    }

    /// Sends a begin that asks for a new session on this channel.
    pub fn send_begin(&mut self, channel: u16) -> &mut Self {
        let begin = composite("begin")
            .set("next-outgoing-id", 0u32)
            .set("incoming-window", 2048u32)
            .set("outgoing-window", 2048u32);
        self.send(channel, begin)
    }

    /// Sends an attach in the role of the sender, on channel 0, for the address `queue`.
    pub fn send_attach_sender(&mut self, name: &str, handle: u32) -> &mut Self {
        let attach = composite("attach")
            .set("name", name)
            .set("handle", handle)
            .set("role", false)
            .set("source", composite("source").set("address", "peer"))
            .set("target", composite("target").set("address", "queue"))
            .set("initial-delivery-count", 0u32);
        self.send(0, attach)
    }

    /// Sends an attach in the role of the receiver, on channel 0, for the address `queue`.
    pub fn send_attach_receiver(&mut self, name: &str, handle: u32) -> &mut Self {
        let attach = composite("attach")
            .set("name", name)
            .set("handle", handle)
            .set("role", true)
            .set("source", composite("source").set("address", "queue"))
            .set("target", composite("target").set("address", "peer"));
        self.send(0, attach)
    }

    /// Sends a flow for a link on channel 0: the peer's credit, counted from the start of the link. The session
    /// fields are those of a peer that has sent nothing and received nothing.
    pub fn send_credit(&mut self, handle: u32, credit: u32) -> &mut Self {
        self.send_link_flow(handle, 0, credit, false)
    }

    /// Sends a flow for a link on channel 0.
    pub fn send_link_flow(
        &mut self,
        handle: u32,
        delivery_count: u32,
        credit: u32,
        drain: bool,
    ) -> &mut Self {
        let flow = composite("flow")
            .set("next-incoming-id", 0u32)
            .set("incoming-window", 2048u32)
            .set("next-outgoing-id", 0u32)
            .set("outgoing-window", 2048u32)
            .set("handle", handle)
            .set("delivery-count", delivery_count)
            .set("link-credit", credit)
            .set("drain", if drain { Plain::Bool(true) } else { Plain::Null });
        self.send(0, flow)
    }

    /// Sends a disposition in the role of the receiver, on channel 0.
    pub fn send_outcome_of(&mut self, first: u32, last: u32, state: &str, settled: bool) -> &mut Self {
        let disposition = composite("disposition")
            .set("role", true)
            .set("first", first)
            .set("last", last)
            .set("settled", settled)
            .set("state", composite(state));
        self.send(0, disposition)
    }

    /// Sends a closing detach on channel 0.
    pub fn send_detach(&mut self, handle: u32) -> &mut Self {
        self.send(0, composite("detach").set("handle", handle).set("closed", true))
    }

    /// Sends an end.
    pub fn send_end(&mut self, channel: u16) -> &mut Self {
        self.send(channel, composite("end"))
    }

    /// Sends a close.
    pub fn send_close(&mut self) -> &mut Self {
        self.send(0, composite("close"))
    }
}

/// The beginnings that most scripts share.
impl ScriptedPeer {
    /// As a server without SASL: answers the header and the open.
    pub fn accepts_open(&mut self) -> &mut Self {
        self.expect_header(AMQP).respond();
        self.expect_open().respond();
        self
    }

    /// As a server: answers header, open, and the begin of one session on channel 0.
    pub fn accepts_session(&mut self) -> &mut Self {
        self.accepts_open();
        self.expect_begin().channel(0).respond();
        self
    }

    /// As a server: answers up to the attach of a sender with handle 0, and gives it credit.
    pub fn accepts_sender(&mut self, credit: u32) -> &mut Self {
        self.accepts_session();
        self.expect_attach().role_sender().handle(0).respond();
        if credit > 0 {
            self.send_credit(0, credit);
        }
        self
    }

    /// As a server: answers up to the attach of a receiver with handle 0, and takes its first credit.
    pub fn accepts_receiver(&mut self, credit: u32) -> &mut Self {
        self.accepts_session();
        self.expect_attach().role_receiver().handle(0).respond();
        if credit > 0 {
            self.expect_flow().handle(0).credit(credit);
        }
        self
    }

    /// As a client without SASL: sends header and open, and expects the same.
    pub fn opens(&mut self) -> &mut Self {
        self.send_header(AMQP).send_open();
        self.expect_header(AMQP);
        self.expect_open();
        self
    }

    /// As a client: opens, and begins a session on channel 0.
    pub fn opens_session(&mut self) -> &mut Self {
        self.opens().send_begin(0);
        self.expect_begin().field("remote-channel", 0u16);
        self
    }

    /// As a client: opens, begins, and attaches a sender named `name` with handle 0.
    pub fn opens_sender(&mut self, name: &str) -> &mut Self {
        self.opens_session().send_attach_sender(name, 0);
        self.expect_attach().name(name).role_receiver();
        self
    }

    /// As a client: opens, begins, and attaches a receiver named `name` with handle 0.
    pub fn opens_receiver(&mut self, name: &str) -> &mut Self {
        self.opens_session().send_attach_receiver(name, 0);
        self.expect_attach().name(name).role_sender();
        self
    }

    /// Ends politely: answers a close.
    pub fn accepts_close(&mut self) -> &mut Self {
        self.expect_close().respond();
        self
    }
}
