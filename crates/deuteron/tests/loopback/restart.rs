//! No message is lost when a server goes in the middle of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Delivery, MessagingHandler, Outcome, Sender,
};

use crate::support::*;

const MESSAGES: usize = 3000;

/// What all servers of a test have received.
#[derive(Debug, Default)]
struct Ledger {
    numbers: Mutex<BTreeSet<usize>>,
}

impl Ledger {
    fn is_complete(&self) -> bool {
        *self.numbers.lock().unwrap() == (0..MESSAGES).collect()
    }
}

/// A server that dies in the middle of a message when it has received so many: its sockets go without a word.
struct Mortal {
    ledger: Arc<Ledger>,
    left: usize,
    kept: Vec<Delivery>,
    dead: Arc<tokio::sync::Notify>,
    port: Option<Reserved>,
    ready: Arc<Slot<String>>,
}

impl MessagingHandler for Mortal {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = match &self.port {
            Some(port) => port.lend(|| cx.listen(port.url())),
            None => cx.listen(loopback()),
        };
        self.ready.put(url(&listener.unwrap()));
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        if self.left == 0 {
            // As good as dead: what comes until the loop notices is not answered.
            self.kept.push(delivery.clone());
            return Ack::Later;
        }
        let number = delivery.message().unwrap().body_text().unwrap().parse().unwrap();
        self.ledger.numbers.lock().unwrap().insert(number);
        self.left -= 1;
        if self.left == 0 {
            self.dead.notify_one();
        }
        Ack::Accept
    }
}

/// Runs a server, on this port or a free one, until it dies, and returns its URL.
fn serve(port: Option<Reserved>, life: usize, ledger: &Arc<Ledger>) -> (String, JoinHandle<()>) {
    let ready = Slot::new();
    let dead = Arc::new(tokio::sync::Notify::new());
    let mortal = Mortal {
        ledger: Arc::clone(ledger),
        left: life,
        kept: Vec::new(),
        dead: Arc::clone(&dead),
        port,
        ready: Arc::clone(&ready),
    };
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let container = Container::new();
        runtime.block_on(async {
            tokio::select! {
                result = container.run_async(mortal) => result.unwrap(),
                () = dead.notified() => {}
            }
        });
    });
    (ready.take(), server)
}

/// Serves on one port, again and again: each server but the last dies.
fn restarting(reserved: &Reserved, lives: &'static [usize], ledger: &Arc<Ledger>) -> JoinHandle<()> {
    let (reserved, ledger) = (reserved.clone(), Arc::clone(ledger));
    thread::spawn(move || {
        for life in lives {
            serve(Some(reserved.clone()), *life, &ledger).1.join().unwrap();
        }
        // The last goes on until the test ends.
        drop(serve(Some(reserved), usize::MAX, &ledger));
    })
}

/// Sends numbered messages as credit comes, and ends when all are accepted.
#[derive(Default)]
struct Numbering {
    options: Option<ConnectOptions>,
    sent: usize,
    accepted: usize,
    losses: usize,
}

impl MessagingHandler for Numbering {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.options.take().unwrap()).unwrap();
        connection.open_sender("q").unwrap();
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while self.sent < MESSAGES && sender.credit() > 0 {
            sender.send_now(self.sent.to_string()).unwrap();
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.accepted += 1;
        if self.accepted == MESSAGES {
            drop(delivery.connection().close());
        }
    }

    fn on_disconnected(
        &mut self,
        _: &mut Context<'_>,
        connection: &Connection,
        _: &deuteron::Error,
        _: bool,
    ) {
        // Attempts that fail while the server is away do not count.
        self.losses += usize::from(connection.remote_addr().is_some());
    }
}

fn all_accepted(options: ConnectOptions) -> Numbering {
    let mut numbering = Numbering { options: Some(options), ..Numbering::default() };
    Container::new().run(&mut numbering).unwrap();
    assert_eq!((numbering.sent, numbering.accepted), (MESSAGES, MESSAGES));
    numbering
}

#[test]
fn a_handler_loses_no_message_when_the_server_restarts_in_the_middle() {
    let (reserved, ledger) = (Reserved::new(), Arc::new(Ledger::default()));
    let servers = restarting(&reserved, &[500, 700], &ledger);
    let numbering = all_accepted(ConnectOptions::new(reserved.url()));
    assert!(ledger.is_complete());
    assert!(numbering.losses >= 2, "{} losses", numbering.losses);
    servers.join().unwrap();
}

#[test]
fn a_handler_loses_no_message_when_it_fails_over_in_the_middle() {
    let ledger = Arc::new(Ledger::default());
    let (first, one) = serve(None, 1000, &ledger);
    let (second, _two) = serve(None, usize::MAX, &ledger);
    all_accepted(ConnectOptions::from([first, second]));
    assert!(ledger.is_complete());
    one.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_lose_no_message_when_the_server_restarts_in_the_middle() {
    let (reserved, ledger) = (Reserved::new(), Arc::new(Ledger::default()));
    let servers = restarting(&reserved, &[500, 700], &ledger);
    let connection = within(Connection::connect(reserved.url())).await.unwrap();
    let sender = within(connection.sender("q")).await.unwrap();
    let mut tasks = Vec::new();
    for task in 0..10 {
        let sender = sender.clone();
        tasks.push(tokio::spawn(async move {
            for number in (0..MESSAGES).skip(task).step_by(10) {
                let outcome = within(sender.send(number.to_string())).await.unwrap();
                assert_eq!(outcome, Outcome::Accepted);
            }
        }));
    }
    for task in tasks {
        within(task).await.unwrap();
    }
    assert!(ledger.is_complete());
    within(connection.close()).await.unwrap();
    servers.join().unwrap();
}

/// A queue in a server that dies: messages are its own until they are accepted.
#[derive(Default)]
struct Stock {
    left: BTreeSet<usize>,
}

/// Gives its messages out, and takes back what was not accepted when the wire is lost.
struct Giving {
    stock: Arc<Mutex<Stock>>,
    given: Vec<(Delivery, usize)>,
    accepted: usize,
    life: usize,
    dead: Arc<tokio::sync::Notify>,
    port: Reserved,
}

impl MessagingHandler for Giving {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        self.port.lend(|| cx.listen(self.port.url())).unwrap();
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        while sender.credit() > 0 && self.accepted < self.life {
            let given: BTreeSet<_> = self.given.iter().map(|(_, number)| *number).collect();
            let next = self.stock.lock().unwrap().left.difference(&given).next().copied();
            let Some(number) = next else { return };
            self.given.push((sender.send_now(number.to_string()).unwrap(), number));
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        let place = self.given.iter().position(|(given, _)| given == delivery).unwrap();
        let (_, number) = self.given.remove(place);
        self.stock.lock().unwrap().left.remove(&number);
        self.accepted += 1;
        if self.accepted == self.life {
            self.dead.notify_one();
        }
    }
}

#[tokio::test]
async fn a_receiver_goes_on_receiving_from_a_server_that_restarts() {
    let reserved = Reserved::new();
    let stock = Arc::new(Mutex::new(Stock { left: (0..300).collect() }));
    let over = Arc::new(AtomicBool::new(false));
    let servers = thread::spawn({
        let (port, stock, over) = (reserved.clone(), Arc::clone(&stock), Arc::clone(&over));
        move || {
            for life in [100, 50, usize::MAX] {
                let giving = Giving {
                    stock: Arc::clone(&stock),
                    given: Vec::new(),
                    accepted: 0,
                    life,
                    dead: Arc::new(tokio::sync::Notify::new()),
                    port: port.clone(),
                };
                let dead = Arc::clone(&giving.dead);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let container = Container::new();
                runtime.block_on(async {
                    tokio::select! {
                        result = container.run_async(giving) => result.unwrap(),
                        () = dead.notified() => {}
                        () = eventually(|| over.load(Ordering::Relaxed)) => {}
                    }
                });
            }
        }
    });
    let connection = within(Connection::connect(reserved.url())).await.unwrap();
    let receiver =
        within(connection.receiver(deuteron::ReceiverOptions::new("q").credit_window(20))).await.unwrap();
    let mut received = BTreeSet::new();
    while received.len() < 300 {
        let delivery = within(receiver.recv()).await.unwrap();
        received.insert(delivery.message().unwrap().body_text().unwrap().parse::<usize>().unwrap());
        // The wire may have gone meanwhile: the message comes again then.
        drop(delivery.accept());
    }
    assert_eq!(received, (0..300).collect());
    within(connection.close()).await.unwrap();
    over.store(true, Ordering::Relaxed);
    servers.join().unwrap();
}
