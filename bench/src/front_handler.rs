//! The roles on callbacks.

use crate::Outcome;
use crate::meter::{Latencies, Meter, Plan};
use bytes::Bytes;
use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Delivery, Error, Link, Listener, Message,
    MessagingHandler, Sender, SenderOptions,
};
use std::time::Instant;

pub(crate) fn run(plan: Plan) -> Outcome {
    let container = Container::new();
    match plan.role {
        "recv" => container.run(Receive { plan, received: 0, meter: None, listener: None })?,
        "send" => container.run(Send { message: message(&plan), plan, sent: 0, accepted: 0, meter: None })?,
        "echo" => container.run(Echo { plan, answers: None })?,
        _ => container.run(RoundTrip {
            message: message(&plan),
            plan,
            sender: None,
            meter: None,
            sent_at: Instant::now(),
            latencies: Latencies::default(),
        })?,
    }
    Ok(())
}

fn message(plan: &Plan) -> Message {
    Message::new(Bytes::from(vec![b'x'; plan.size]))
}

fn sender_options(plan: &Plan) -> SenderOptions {
    let options = SenderOptions::new("q");
    if plan.settled { options.presettled() } else { options }
}

/// The body of a message that came.
fn body(delivery: &Delivery) -> Option<Bytes> {
    let view = delivery.view().ok()?;
    view.data().map(|data| delivery.payload().slice_ref(data))
}

struct Receive {
    plan: Plan,
    received: usize,
    meter: Option<Meter>,
    listener: Option<Listener>,
}

impl MessagingHandler for Receive {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        self.listener = Some(cx.listen(self.plan.url.as_str()).expect("the port is free"));
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let meter = self.meter.get_or_insert_with(Meter::start);
        assert_eq!(
            body(delivery).map(|body| body.len()),
            Some(self.plan.size),
            "a body of another size came"
        );
        self.received += 1;
        if self.received == self.plan.count {
            meter.report(&self.plan, "");
            if self.plan.settled {
                drop(delivery.connection().close());
            }
        }
        Ack::Accept
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        cx.stop();
    }
}

struct Send {
    plan: Plan,
    message: Message,
    sent: usize,
    accepted: usize,
    meter: Option<Meter>,
}

impl MessagingHandler for Send {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let options = ConnectOptions::new(self.plan.url.as_str()).reconnect(false);
        let connection = cx.connect(options).expect("the address is one");
        connection.open_sender(sender_options(&self.plan)).expect("the connection is new");
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        self.meter.get_or_insert_with(Meter::start);
        while self.sent < self.plan.count && sender.credit() > 0 {
            sender.send_now(&self.message).expect("there is credit");
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.accepted += 1;
        if self.accepted == self.plan.count {
            self.report();
            drop(delivery.connection().close());
        }
    }

    fn on_connection_closing(&mut self, _: &mut Context<'_>, _: &Connection) {
        // Nobody acknowledges what was sent settled: the receiver closes when it has it all.
        if self.plan.settled {
            self.report();
        }
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _: u32) {
        panic!("{error}");
    }
}

impl Send {
    fn report(&self) {
        self.meter.as_ref().expect("there was credit").report(&self.plan, "");
    }
}

struct Echo {
    plan: Plan,
    answers: Option<Sender>,
}

impl MessagingHandler for Echo {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen(self.plan.url.as_str()).expect("the port is free");
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        if let Some(sender) = link.as_sender() {
            self.answers = Some(sender.clone());
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        if let (Some(sender), Some(body)) = (&self.answers, body(delivery)) {
            sender.send_now(Message::new(body)).expect("the link is open");
        }
        Ack::Accept
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, _: &Connection) {
        cx.stop();
    }
}

struct RoundTrip {
    plan: Plan,
    message: Message,
    sender: Option<Sender>,
    meter: Option<Meter>,
    sent_at: Instant,
    latencies: Latencies,
}

impl MessagingHandler for RoundTrip {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let options = ConnectOptions::new(self.plan.url.as_str()).reconnect(false);
        let connection = cx.connect(options).expect("the address is one");
        connection.open_receiver("rep").expect("the connection is new");
        self.sender =
            Some(connection.open_sender(sender_options(&self.plan)).expect("the connection is new"));
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, _: &Sender) {
        if self.meter.is_none() {
            self.meter = Some(Meter::start());
            self.go();
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        assert_eq!(
            body(delivery).map(|body| body.len()),
            Some(self.plan.size),
            "a body of another size came"
        );
        self.latencies.add(self.sent_at.elapsed());
        if self.latencies.len() == self.plan.count {
            let fields = self.latencies.fields();
            self.meter.as_ref().expect("it began").report(&self.plan, &fields);
            drop(delivery.connection().close());
        } else {
            self.go();
        }
        Ack::Accept
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _: u32) {
        panic!("{error}");
    }
}

impl RoundTrip {
    fn go(&mut self) {
        self.sent_at = Instant::now();
        let sender = self.sender.as_ref().expect("the link was opened at the start");
        sender.send_now(&self.message).expect("the link is open");
    }
}
