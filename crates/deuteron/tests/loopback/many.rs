//! Many of everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deuteron::{Ack, Connection, Container, Context, Delivery, MessagingHandler, Sender};

use crate::support::*;

const CONNECTIONS: usize = 500;

/// Client and server in one loop: each connection carries one message and closes.
#[derive(Default)]
struct Crowd {
    opened: usize,
    accepted: usize,
    received: usize,
    closed: usize,
    listener: Option<deuteron::Listener>,
}

impl MessagingHandler for Crowd {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen(loopback()).unwrap();
        for _ in 0..CONNECTIONS {
            cx.connect(url(&listener)).unwrap().open_sender("q").unwrap();
        }
        self.listener = Some(listener);
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.opened += usize::from(connection.is_outgoing());
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        if sender.unsettled() == 0 {
            sender.send_now("one of many").unwrap();
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        self.received += 1;
        Ack::Accept
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.accepted += 1;
        if self.accepted == CONNECTIONS {
            // All are open at once.
            assert_eq!(self.listener.as_ref().unwrap().connections(), CONNECTIONS);
        }
    }

    fn on_settled(&mut self, cx: &mut Context<'_>, _: &Delivery) {
        if self.accepted == CONNECTIONS {
            cx.stop();
        }
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.closed += 1;
    }
}

#[test]
fn hundreds_of_connections_share_one_loop_and_stop_in_order() {
    let mut crowd = Crowd::default();
    Container::new().run(&mut crowd).unwrap();
    let Crowd { opened, accepted, received, closed, .. } = crowd;
    assert_eq!(
        (opened, accepted, received, closed),
        (CONNECTIONS, CONNECTIONS, CONNECTIONS, 2 * CONNECTIONS)
    );
}

#[test]
fn hundreds_of_links_and_sessions_share_one_connection() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let program = Program::new();
    let connection = program.connect(url(&listener));
    let mut senders = Vec::new();
    for _ in 0..100 {
        let session = connection.open_session(deuteron::SessionOptions::new()).unwrap();
        for _ in 0..5 {
            senders.push(session.open_sender("q").unwrap());
        }
    }
    for (number, sender) in senders.iter().enumerate() {
        sender.send_now(number.to_string()).unwrap();
    }
    let mut received = std::collections::BTreeSet::new();
    while received.len() < senders.len() {
        let message = server.message().message().unwrap();
        received.insert(message.body_text().unwrap().parse::<usize>().unwrap());
    }
    assert_eq!(received, (0..senders.len()).collect());
    drop(connection.close());
    program.closed();
}

#[derive(Clone)]
struct Counting(Arc<AtomicUsize>);

impl MessagingHandler for Counting {
    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ack::Accept
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_tasks_have_a_connection_each() {
    let counting = Counting(Arc::default());
    let count = Arc::clone(&counting.0);
    let listener = Container::new().serve(loopback(), move || counting.clone()).await.unwrap();
    let server = url(&listener);
    let client = |_| {
        let server = server.clone();
        tokio::spawn(async move {
            let connection = within(Connection::connect(server)).await.unwrap();
            let sender = within(connection.sender("q")).await.unwrap();
            for _ in 0..10 {
                assert!(within(sender.send("x")).await.unwrap().is_accepted());
            }
            within(connection.close()).await.unwrap();
        })
    };
    let clients: Vec<_> = (0..200).map(client).collect();
    for client in clients {
        within(client).await.unwrap();
    }
    assert_eq!(count.load(Ordering::Relaxed), 2000);
    eventually(|| listener.connections() == 0).await;
}

#[test]
fn many_threads_send_on_one_sender_of_a_handlers_program() {
    let server = Program::new();
    let listener = server.listen(loopback());
    let program = Program::new();
    let sender = program.connect(url(&listener)).open_sender("q").unwrap();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for number in 0..250 {
                    sender.send_now(format!("{thread}/{number}")).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut last = [None; 8];
    for _ in 0..2000 {
        let message = server.message().message().unwrap();
        let (thread, number) = message.body_text().unwrap().split_once('/').unwrap();
        let (thread, number): (usize, u32) = (thread.parse().unwrap(), number.parse().unwrap());
        // Those of one thread come in its order.
        assert!(last[thread].is_none_or(|last| last + 1 == number), "{thread}/{number} after {last:?}");
        last[thread] = Some(number);
    }
    assert_eq!(last, [Some(249); 8]);
}
