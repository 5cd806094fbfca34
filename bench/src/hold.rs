//! Programs that open many of something, say so, and hold it until they are killed: for measuring memory.

use crate::Outcome;
use crate::meter::{Held, Plan};
use bytes::Bytes;
use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Delivery, Error, Link, Listener, Message,
    MessagingHandler, Receiver, Sender, SenderOptions,
};
use std::io::Write;

/// So many connections or links are being opened at a time.
const AT_ONCE: usize = 100;

/// Tells who measures that all is there.
fn ready() {
    println!("READY");
    // Whoever started us reads it through a pipe.
    drop(std::io::stdout().flush());
}

fn message(plan: &Plan) -> Message {
    Message::new(Bytes::from(vec![b'x'; plan.size]))
}

/// On callbacks: both sides.
pub(crate) fn on_callbacks(plan: Plan, held: Held) -> Outcome {
    Container::new().run(Holder {
        message: message(&plan),
        plan,
        held,
        open: 0,
        sent: 0,
        connections: Vec::new(),
        deliveries: Vec::new(),
        listener: None,
    })?;
    Ok(())
}

/// What is held, on callbacks.
struct Holder {
    plan: Plan,
    held: Held,
    message: Message,
    /// Links that are open.
    open: usize,
    sent: usize,
    connections: Vec<Connection>,
    deliveries: Vec<Delivery>,
    listener: Option<Listener>,
}

impl Holder {
    fn is_server(&self) -> bool {
        self.plan.role == "hold-recv"
    }

    /// Opens one more of what is held; the first of them also where only one is needed.
    fn open_one(&mut self, cx: &mut Context<'_>) {
        if self.connections.is_empty() || self.held == Held::Connections {
            let options = ConnectOptions::new(self.plan.url.as_str()).reconnect(false);
            self.connections.push(cx.connect(options).expect("the address is one"));
        }
        let connection = self.connections.last().expect("there is one");
        connection.open_sender("q").expect("the connection is open");
    }

    fn links(&self) -> usize {
        if self.held == Held::Messages { 1 } else { self.plan.count }
    }
}

impl MessagingHandler for Holder {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if self.is_server() {
            self.listener = Some(cx.listen(self.plan.url.as_str()).expect("the port is free"));
            return;
        }
        for _ in 0..self.links().min(AT_ONCE) {
            self.open_one(cx);
        }
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: &Link) {
        self.open += 1;
        if let Some(receiver) = link.as_receiver()
            && self.held == Held::Messages
        {
            receiver.add_credit(u32::try_from(self.plan.count).unwrap_or(u32::MAX));
        }
        if !self.is_server() && self.open + AT_ONCE <= self.links() {
            self.open_one(cx);
        }
        if self.held != Held::Messages && self.open == self.plan.count {
            ready();
        }
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while self.held == Held::Messages && self.sent < self.plan.count && sender.credit() > 0 {
            self.deliveries.push(sender.send_now(&self.message).expect("there is credit"));
            self.sent += 1;
            if self.sent == self.plan.count {
                ready();
            }
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.deliveries.push(delivery.clone());
        if self.deliveries.len() == self.plan.count {
            ready();
        }
        Ack::Later
    }

    fn on_gave_up(&mut self, _: &mut Context<'_>, _: &Connection, error: &Error, _: u32) {
        panic!("{error}");
    }
}

/// On futures: both sides.
pub(crate) fn on_futures(plan: Plan, held: Held) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kept =
            if plan.role == "hold-recv" { accept(&plan, held).await? } else { open(&plan, held).await? };
        ready();
        // Until somebody kills us.
        std::future::pending::<()>().await;
        drop(kept);
        Ok(())
    })
}

/// What is held, on futures.
#[derive(Default)]
struct Kept {
    connections: Vec<Connection>,
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    deliveries: Vec<Delivery>,
}

async fn open(plan: &Plan, held: Held) -> Result<Kept, Box<dyn std::error::Error>> {
    let mut kept = Kept::default();
    let links = if held == Held::Messages { 1 } else { plan.count };
    while kept.senders.len() < links {
        if kept.connections.is_empty() || held == Held::Connections {
            let options = ConnectOptions::new(plan.url.as_str()).reconnect(false);
            kept.connections.push(Connection::connect(options).await?);
        }
        let connection = kept.connections.last().ok_or("there is none")?;
        kept.senders.push(connection.sender(SenderOptions::new("q")).await?);
    }
    if held == Held::Messages {
        let message = message(plan);
        for _ in 0..plan.count {
            kept.deliveries.push(kept.senders[0].transfer(&message).await?);
        }
    }
    Ok(kept)
}

async fn accept(plan: &Plan, held: Held) -> Result<Kept, Box<dyn std::error::Error>> {
    let listener = Container::new().listen(plan.url.as_str()).await?;
    let mut kept = Kept::default();
    let links = if held == Held::Messages { 1 } else { plan.count };
    while kept.receivers.len() < links {
        if kept.connections.is_empty() || held == Held::Connections {
            kept.connections.push(listener.accept().await?);
        }
        let connection = kept.connections.last().ok_or("there is none")?;
        if let Link::Receiver(receiver) = connection.accept_link().await? {
            receiver.accept();
            kept.receivers.push(receiver);
        }
    }
    if held == Held::Messages {
        kept.receivers[0].add_credit(u32::try_from(plan.count)?);
        for _ in 0..plan.count {
            kept.deliveries.push(kept.receivers[0].recv().await?);
        }
    }
    Ok(kept)
}
