//! A sender that closes its link right after sending still hears what became of the message.

use deuteron::{Ack, Connection, Container, Context, Delivery, Link, MessagingHandler, Sender};

/// Sends to itself and closes the sender in the same callback, so that message and detach arrive together.
#[derive(Default)]
struct SendAndClose {
    sent: bool,
    fates: Vec<&'static str>,
}

impl MessagingHandler for SendAndClose {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen("amqp://127.0.0.1:0").unwrap();
        let connection = cx.connect(format!("amqp://{}", listener.local_addr())).unwrap();
        connection.open_sender("q").unwrap();
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        if !self.sent {
            self.sent = true;
            sender.send_now("the last words").unwrap();
            sender.close();
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> Ack {
        self.fates.push("received");
        Ack::Accept
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.fates.push("accepted");
    }

    fn on_lost(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.fates.push("lost");
    }

    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: &Link) {
        if matches!(link, Link::Sender(_)) {
            link.connection().close();
        }
        let _ = cx;
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        cx.stop();
    }
}

#[test]
fn the_outcome_of_a_message_comes_before_the_end_of_its_link() {
    let mut handler = SendAndClose::default();
    Container::new().run(&mut handler).unwrap();
    assert_eq!(handler.fates, ["received", "accepted"]);
}
