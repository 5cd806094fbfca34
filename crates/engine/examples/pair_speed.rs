//! How many messages a second cross between two engines without sockets: `cargo run --release --example pair_speed`.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::Instant;

use bytes::{Buf, BytesMut};
use deuteron_engine::codec::DeliveryState;
use deuteron_engine::{
    Connection, ConnectionConfig, ConnectionRole, DeliveryId, Event, LinkConfig, OutBuf, Payload, Security,
    SendOptions, SessionConfig,
};

const COUNT: u64 = 2_000_000;

struct Side {
    engine: Connection,
    input: BytesMut,
    out: OutBuf,
}

fn carry(from: &mut Side, to: &mut Side, now: Instant) -> bool {
    let mut moved = false;
    while from.engine.poll_transmit(now, &mut from.out) {
        while from.out.has_remaining() {
            let chunk = from.out.chunk();
            let len = chunk.len();
            to.input.extend_from_slice(chunk);
            from.out.advance(len);
        }
        to.engine.handle_input(&mut to.input, now);
        moved = true;
    }
    moved
}

impl Side {
    fn new(role: ConnectionRole, now: Instant) -> Self {
        let config = ConnectionConfig { role, container_id: "x".into(), ..ConnectionConfig::default() };
        let mut engine = Connection::new(config);
        engine.bind(Security::default(), now);
        Self { engine, input: BytesMut::new(), out: OutBuf::new() }
    }
}

/// Answers the client's endpoints and accepts its messages.
fn serve(server: &mut Connection, arrived: &mut Vec<DeliveryId>) {
    while let Some(event) = server.poll_event() {
        match event {
            Event::ConnectionOpened => server.open(),
            Event::SessionBegun(id) => server.session(id).unwrap().begin(),
            Event::LinkAttached(id) => {
                let mut link = server.link(id).unwrap();
                link.config_mut().unwrap().credit_window = 1000;
                link.attach();
            }
            Event::Delivered(id) => arrived.push(id),
            _ => {}
        }
    }
    for id in arrived.drain(..) {
        let mut delivery = server.delivery(id).unwrap();
        assert_eq!(delivery.take().len(), 105);
        delivery.disposition(Some(DeliveryState::Accepted), true);
    }
}

/// Settles what the server has settled. How many that were, and whether there may be new credit.
fn settle(client: &mut Connection) -> (u64, bool) {
    let (mut settled, mut sendable) = (0, false);
    while let Some(event) = client.poll_event() {
        match event {
            Event::LinkFlow(_) => sendable = true,
            Event::DeliveryUpdated(id) => {
                client.delivery(id).unwrap().settle();
                settled += 1;
            }
            _ => {}
        }
    }
    (settled, sendable)
}

fn main() {
    let now = Instant::now();
    let (mut client, mut server) =
        (Side::new(ConnectionRole::Client, now), Side::new(ConnectionRole::Server, now));
    client.engine.open();
    let session = client.engine.begin(SessionConfig::default());
    let link = client.engine.attach(session, LinkConfig::sender("l", "q")).unwrap();
    let mut body = vec![0, 0x53, 0x75, 0xa0, 100];
    body.extend([b'x'; 100]);
    let (mut sent, mut settled) = (0, 0);
    let mut arrived = Vec::new();
    let start = Instant::now();
    while settled < COUNT {
        let mut moved = carry(&mut client, &mut server, now);
        serve(&mut server.engine, &mut arrived);
        moved |= carry(&mut server, &mut client, now);
        let (more, sendable) = settle(&mut client.engine);
        settled += more;
        while sendable && sent < COUNT && client.engine.link(link).unwrap().credit() > 0 {
            client.engine.link(link).unwrap().send(Payload::Slice(&body), SendOptions::default()).unwrap();
            sent += 1;
            moved = true;
        }
        assert!(moved, "stalled at sent={sent} settled={settled}");
    }
    let took = start.elapsed();
    println!("{COUNT} messages, {:.0} ns each, both sides", took.as_nanos() as f64 / COUNT as f64);
}
