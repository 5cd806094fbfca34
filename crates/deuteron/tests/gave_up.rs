//! Messages that no connection ever carried are not forgotten without a word.

use deuteron::{
    ConnectOptions, Connection, Container, Context, Delivery, Error, MessagingHandler, Outcome, Recovery,
    SenderOptions,
};

struct SendToNobody {
    recovery: Recovery,
    url: String,
    told: Vec<String>,
}

impl MessagingHandler for SendToNobody {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(ConnectOptions::new(self.url.as_str()).reconnect(false)).unwrap();
        let sender = connection.open_sender(SenderOptions::new("q").recovery(self.recovery)).unwrap();
        for _ in 0..2 {
            sender.send_now("never sent").unwrap();
        }
    }

    fn on_lost(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        let fate = delivery.known_outcome();
        self.told.push(format!("lost {}", matches!(fate, Some(Outcome::NotSent))));
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, _: &Error, _: u32) {
        self.told.push("gave up".to_owned());
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.told.push("closed".to_owned());
    }
}

#[test]
fn messages_that_wait_when_the_last_attempt_fails_are_told_as_not_sent() {
    // Bound and never listened on: nobody else gets the port, and every connect is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("amqp://127.0.0.1:{}", socket.local_addr().unwrap().port());
    for recovery in [Recovery::Replay, Recovery::Report] {
        let mut handler = SendToNobody { recovery, url: url.clone(), told: Vec::new() };
        Container::new().run(&mut handler).unwrap();
        assert_eq!(handler.told, ["gave up", "lost true", "lost true", "closed"], "{recovery:?}");
    }
}
