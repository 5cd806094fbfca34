//! What a connection keeps once its messages are settled: nothing.

use std::time::Duration;

use super::shared::Core;
use crate::{
    Ack, Connection, Container, Context, Delivery, ListenOptions, MessagingHandler, Outcome, ReceiverOptions,
};

/// In each direction.
const MESSAGES: usize = 100_000;

/// Messages of which the outcome is awaited later.
const WINDOW: usize = 500;

/// Takes messages, and sends as many to who wants some.
struct Mirror {
    left: usize,
}

impl MessagingHandler for Mirror {
    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &crate::Sender) {
        while self.left > 0 && sender.credit() > 0 {
            sender.send_now("x").unwrap();
            self.left -= 1;
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        Ack::Accept
    }
}

fn held(core: &Core) -> [usize; 8] {
    [
        core.engine.unsettled(),
        core.deliveries.len(),
        core.fates.len(),
        core.shares.len(),
        core.links.values().map(|link| link.inbox.len()).sum(),
        core.unheard.len(),
        core.endings.len(),
        // Those whose handles are dropped are closed.
        core.links.len(),
    ]
}

async fn send_all(connection: Connection) {
    let sender = connection.sender("q").await.unwrap();
    let mut under_way = std::collections::VecDeque::new();
    for number in 0..MESSAGES {
        let delivery = sender.transfer("x").await.unwrap();
        match number % 4 {
            0 => drop(delivery),
            _ => under_way.push_back((delivery.clone(), delivery)),
        }
        if under_way.len() == WINDOW {
            let (one, other) = under_way.pop_front().unwrap();
            assert_eq!(one.outcome().await.unwrap(), Outcome::Accepted);
            drop(one);
            assert_eq!(other.outcome().await.unwrap(), Outcome::Accepted);
        }
    }
    for (one, _) in under_way {
        assert_eq!(one.outcome().await.unwrap(), Outcome::Accepted);
    }
}

async fn receive_all(connection: Connection) {
    let receiver = connection.receiver(ReceiverOptions::new("q").credit_window(200)).await.unwrap();
    for number in 0..MESSAGES {
        let delivery = receiver.recv_timeout(Duration::from_secs(60)).await.unwrap();
        match number % 3 {
            0 => drop(delivery),
            1 => delivery.clone().accept().unwrap(),
            _ => delivery.accept().unwrap(),
        }
    }
}

#[test]
fn settled_messages_leave_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let container = Container::new();
        let options = ListenOptions::new("amqp://127.0.0.1:0");
        let listener = container.serve(options, || Mirror { left: MESSAGES }).await.unwrap();
        let address = format!("amqp://{}", listener.local_addr());
        let connection = Connection::connect(address.as_str()).await.unwrap();
        tokio::join!(send_all(connection.clone()), receive_all(connection.clone()));
        let shared = &connection.owner.shared;
        let nothing = async {
            while held(&shared.lock()) != [0; 8] {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), nothing).await.is_err() {
            panic!("kept: {:?}", held(&shared.lock()));
        }
        connection.close().await.unwrap();
    });
}
