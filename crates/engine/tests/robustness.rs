//! Whatever a peer sends: no panic, the engine falls silent, and a wire that failed ends.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use deuteron_engine::codec::DeliveryState;
use deuteron_engine::{
    Connection, ConnectionConfig, ConnectionRole, Event, Limits, LinkConfig, OutBuf, Security, SessionConfig,
};
use deuteron_testkit::wire::{Composite, Frame, Plain, composite, header, symbols};
use deuteron_testkit::{Conversation, ScriptedPeer};
use proptest::prelude::*;

/// A small number is likely to hit something that exists; the large ones are at the ends of the type.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..4u32, 1 => Just(u32::MAX), 1 => Just(0x7fff_ffff), 1 => any::<u32>()]
}

fn state() -> impl Strategy<Value = Plain> {
    prop_oneof![
        Just(Plain::Null),
        Just(composite("accepted").into()),
        Just(composite("rejected").into()),
        Just(composite("modified").set("delivery-failed", true).into()),
        Just(composite("received").set("section-number", 0u32).set("section-offset", 0u64).into()),
    ]
}

fn begin() -> impl Strategy<Value = Composite> {
    (prop::option::of(0..3u16), number(), number()).prop_map(|(remote, id, window)| {
        composite("begin")
            .set("remote-channel", remote)
            .set("next-outgoing-id", id)
            .set("incoming-window", window)
            .set("outgoing-window", window)
    })
}

fn attach() -> impl Strategy<Value = Composite> {
    (0..3u8, 0..3u32, any::<bool>(), number()).prop_map(|(name, handle, role, count)| {
        composite("attach")
            .set("name", format!("l{name}"))
            .set("handle", handle)
            .set("role", role)
            .set("source", composite("source").set("address", "a"))
            .set("target", composite("target").set("address", "b"))
            .set("initial-delivery-count", count)
    })
}

fn flow() -> impl Strategy<Value = Composite> {
    let link = (prop::option::of(0..3u32), number(), number(), any::<bool>(), any::<bool>());
    (number(), number(), link).prop_map(|(id, window, (handle, count, credit, drain, echo))| {
        composite("flow")
            .set("next-incoming-id", id)
            .set("incoming-window", window)
            .set("next-outgoing-id", id)
            .set("outgoing-window", window)
            .set("handle", handle)
            .set("delivery-count", count)
            .set("link-credit", credit)
            .set("drain", drain)
            .set("echo", echo)
    })
}

fn transfer() -> impl Strategy<Value = Composite> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (0..3u32, prop::option::of(number()), state(), flags).prop_map(
        |(handle, id, state, (settled, more, aborted))| {
            let tag = id.map(|id| Plain::binary(id.to_be_bytes()));
            composite("transfer")
                .set("handle", handle)
                .set("delivery-id", id)
                .set("delivery-tag", tag)
                .set("settled", settled)
                .set("more", more)
                .set("state", state)
                .set("aborted", aborted && more)
        },
    )
}

fn disposition() -> impl Strategy<Value = Composite> {
    (any::<bool>(), number(), prop::option::of(number()), any::<bool>(), state()).prop_map(
        |(role, first, last, settled, state)| {
            composite("disposition")
                .set("role", role)
                .set("first", first)
                .set("last", last)
                .set("settled", settled)
                .set("state", state)
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    let body = prop_oneof![
        1 => begin(),
        2 => attach(),
        4 => flow(),
        6 => transfer(),
        4 => disposition(),
        1 => (0..3u32, any::<bool>())
            .prop_map(|(handle, closed)| composite("detach").set("handle", handle).set("closed", closed)),
    ];
    (prop_oneof![9 => Just(0u16), 1 => 0..3u16], body, prop::collection::vec(any::<u8>(), 0..20)).prop_map(
        |(channel, body, payload)| {
            let payload = if body.name() == "transfer" { payload } else { Vec::new() };
            Frame::new(channel, body).with_payload(payload)
        },
    )
}

/// An application that answers everything, sends on each sender that it has, and settles what comes.
fn act(engine: &mut Connection, event: Event) {
    match event {
        Event::SessionBegun(id) => engine.session(id).into_iter().for_each(|mut session| session.begin()),
        Event::ConnectionClosed => engine.close(None),
        Event::SessionEnded(id) => engine.session(id).into_iter().for_each(|mut session| session.free()),
        Event::LinkAttached(id) => {
            let Some(mut link) = engine.link(id) else { return };
            link.attach();
            link.set_credit_window(2);
            let _ = link.send(deuteron_engine::Payload::Slice(&[1; 700]), Default::default());
        }
        Event::LinkFlow(id) => {
            let Some(mut link) = engine.link(id) else { return };
            if link.credit() > 0 {
                let _ = link.send(deuteron_engine::Payload::Slice(b"x"), Default::default());
            }
        }
        Event::LinkDetached(id) | Event::LinkClosed(id) => {
            engine.link(id).into_iter().for_each(|mut link| link.free());
        }
        Event::Delivered(id) => {
            let Some(mut delivery) = engine.delivery(id) else { return };
            delivery.take();
            delivery.disposition(Some(DeliveryState::Accepted), true);
        }
        Event::DeliveryAborted(id) | Event::DeliveryUpdated(id) | Event::DeliveryLost(id) => {
            engine.delivery(id).into_iter().for_each(|mut delivery| delivery.settle());
        }
        _ => {}
    }
}

struct Rig {
    engine: Connection,
    now: std::time::Instant,
    input: BytesMut,
    written: Vec<u8>,
}

impl Rig {
    fn new(role: ConnectionRole) -> Self {
        let limits = Limits { output: 5000, links: 50, sessions: 5, ..Limits::default() };
        let config = ConnectionConfig { role, limits, ..ConnectionConfig::default() };
        let now = Conversation::client(1).now;
        let mut engine = Connection::new(config);
        engine.bind(Security::default(), now);
        engine.open();
        Self { engine, now, input: BytesMut::new(), written: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.engine.handle_input(&mut self.input, self.now);
        self.turn();
    }

    fn turn(&mut self) {
        let mut out = OutBuf::new();
        for _ in 0..2000 {
            let mut moved = false;
            while let Some(event) = self.engine.poll_event() {
                act(&mut self.engine, event);
                moved = true;
            }
            if self.engine.poll_transmit(self.now, &mut out) {
                moved = true;
                while out.has_remaining() {
                    self.written.extend_from_slice(out.chunk());
                    let count = out.chunk().len();
                    out.advance(count);
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the engine never falls silent: {:?}", self.engine);
    }

    /// Time goes on until nothing is due; what the engine wrote must be AMQP.
    fn end(mut self) {
        for _ in 0..50 {
            let Some(next) = self.engine.poll_timeout() else { break };
            self.now = self.now.max(next) + Duration::from_millis(1);
            self.engine.handle_timeout(self.now);
            self.turn();
        }
        self.engine.handle_eof(self.now);
        self.turn();
        assert!(self.engine.output_done() && self.engine.input_done());
        let mut reader = ScriptedPeer::new();
        for name in ["open", "begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"] {
            reader.tolerate(name);
        }
        reader.tolerate("empty frame");
        let header = self.written.len().min(8);
        reader.input(&self.written[header..]);
        reader.check();
        self.engine.unbind(None, self.now);
        while self.engine.poll_event().is_some() {}
    }
}

fn client_with_links() -> Rig {
    let mut rig = Rig::new(ConnectionRole::Client);
    let session = rig.engine.begin(SessionConfig { incoming_window: 8, ..SessionConfig::default() });
    rig.engine.attach(session, LinkConfig::sender("l0", "q")).expect("a fresh session");
    rig.engine.attach(session, LinkConfig::receiver("l1", "q")).expect("a fresh session");
    rig.turn();
    let mut peer = ScriptedPeer::new();
    peer.send_header(0).send_open();
    rig.feed(&peer.output());
    rig
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_in_any_order(frames in prop::collection::vec(frame(), 1..80), server in any::<bool>()) {
        let mut rig = if server {
            let mut rig = Rig::new(ConnectionRole::Server);
            let mut peer = ScriptedPeer::new();
            peer.send_header(0).send_open().send_begin(0);
            rig.feed(&peer.output());
            rig
        } else {
            client_with_links()
        };
        if !server {
            let begin = composite("begin")
                .set("remote-channel", 0u16)
                .set("next-outgoing-id", 0u32)
                .set("incoming-window", 10u32)
                .set("outgoing-window", 10u32);
            rig.feed(&Frame::new(0, begin).bytes());
        }
        for frame in frames {
            rig.feed(&frame.bytes());
        }
        rig.end();
    }

    #[test]
    fn a_conversation_with_damaged_bytes(
        damage in prop::collection::vec((0..600usize, any::<u8>()), 1..5),
        cut in prop::option::of(0..600usize),
        chunk in 1..40usize,
    ) {
        let mut peer = ScriptedPeer::new();
        let begin = composite("begin")
            .set("remote-channel", 0u16)
            .set("next-outgoing-id", 0u32)
            .set("incoming-window", 10u32)
            .set("outgoing-window", 10u32);
        peer.send(0, begin).send_attach_receiver("l0", 0).send_attach_sender("l1", 1).send_credit(0, 3);
        peer.send_transfer(1, 0, b"one").send_transfer(1, 1, b"two").send_outcome_of(0, 0, "accepted", true);
        peer.send_attach_sender("new", 2).send_detach(2).send_end(0).send_close();
        let mut bytes = peer.output();
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        let mut rig = client_with_links();
        for chunk in bytes.chunks(chunk) {
            rig.feed(chunk);
        }
        rig.end();
    }

    #[test]
    fn any_bytes_at_all(bytes in prop::collection::vec(any::<u8>(), 0..200), sasl in any::<bool>(), after in any::<bool>()) {
        let mut rig = Rig::new(ConnectionRole::Server);
        if sasl {
            rig.engine.unbind(None, rig.now);
            rig.engine.config_mut().sasl = deuteron_engine::SaslConfig::Server(Default::default());
            rig.engine.bind(Security::default(), rig.now);
        }
        if after {
            rig.feed(&header(if sasl { 3 } else { 0 }));
        }
        rig.feed(&bytes);
        rig.engine.handle_eof(rig.now);
        rig.turn();
        prop_assert!(rig.engine.output_done());
    }
}

#[test]
fn sasl_frames_with_damaged_bytes() {
    let mut peer = ScriptedPeer::new();
    peer.send_mechanisms(["PLAIN", "ANONYMOUS"]).send_outcome(0);
    peer.send(0, composite("sasl-mechanisms").set("sasl-server-mechanisms", symbols(["X"; 40])));
    let bytes = peer.output();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x40, 0x7f, 0x80, 0xc0, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let mut rig = Rig::new(ConnectionRole::Client);
            rig.engine.unbind(None, rig.now);
            rig.engine.config_mut().sasl = deuteron_engine::SaslConfig::Client(Default::default());
            rig.engine.bind(Security::default(), rig.now);
            rig.feed(&header(3));
            rig.feed(&damaged);
            rig.engine.handle_eof(rig.now);
            rig.turn();
            assert!(rig.engine.output_done(), "byte {at} set to {value}");
        }
    }
}
