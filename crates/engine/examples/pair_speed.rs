//! How many messages a second cross between two engines without sockets: `cargo run --release --example pair_speed`.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::Instant;

use bytes::{Buf, BytesMut};
use deuteron_engine::codec::DeliveryState;
use deuteron_engine::{
    Connection, ConnectionConfig, ConnectionRole, DeliveryId, Event, LinkConfig, LinkId, OutBuf, Payload,
    Security, SendOptions, SessionConfig,
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

fn main() {
    let now = Instant::now();
    let side = |role| Side {
        engine: Connection::new(ConnectionConfig {
            role,
            container_id: "x".into(),
            ..ConnectionConfig::default()
        }),
        input: BytesMut::new(),
        out: OutBuf::new(),
    };
    let (mut client, mut server) = (side(ConnectionRole::Client), side(ConnectionRole::Server));
    client.engine.open();
    let session = client.engine.begin(SessionConfig::default());
    let link = client.engine.attach(session, LinkConfig::sender("l", "q")).unwrap();
    client.engine.bind(Security::default(), now);
    server.engine.bind(Security::default(), now);
    let body = {
        let mut body = vec![0, 0x53, 0x75, 0xa0, 100];
        body.extend([b'x'; 100]);
        body
    };
    let (mut sent, mut settled) = (0u64, 0u64);
    let mut deliveries: Vec<DeliveryId> = Vec::new();
    let start = Instant::now();
    loop {
        let mut moved = carry(&mut client, &mut server, now);
        while let Some(event) = server.engine.poll_event() {
            match event {
                Event::ConnectionOpened => server.engine.open(),
                Event::SessionBegun(id) => server.engine.session(id).unwrap().begin(),
                Event::LinkAttached(id) => {
                    let mut link = server.engine.link(id).unwrap();
                    link.config_mut().unwrap().credit_window = 1000;
                    link.attach();
                }
                Event::Delivered(id) => deliveries.push(id),
                _ => {}
            }
        }
        for id in deliveries.drain(..) {
            let mut delivery = server.engine.delivery(id).unwrap();
            assert_eq!(delivery.take().len(), 105);
            delivery.disposition(Some(DeliveryState::Accepted), true);
        }
        moved |= carry(&mut server, &mut client, now);
        let mut sendable: Option<LinkId> = None;
        while let Some(event) = client.engine.poll_event() {
            match event {
                Event::LinkFlow(id) => sendable = Some(id),
                Event::DeliveryUpdated(id) => {
                    client.engine.delivery(id).unwrap().settle();
                    settled += 1;
                }
                _ => {}
            }
        }
        if sendable.is_some() {
            while sent < COUNT && client.engine.link(link).unwrap().credit() > 0 {
                client
                    .engine
                    .link(link)
                    .unwrap()
                    .send(Payload::Slice(&body), SendOptions::default())
                    .unwrap();
                sent += 1;
                moved = true;
            }
        }
        if settled == COUNT {
            break;
        }
        assert!(moved, "stalled at sent={sent} settled={settled}");
    }
    let took = start.elapsed();
    println!("{COUNT} messages, {:.0} ns each, both sides", took.as_nanos() as f64 / COUNT as f64);
}
