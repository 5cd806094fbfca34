//! A server of ours, for the peers to connect to: store and forward on a handler.

use deuteron::codec::{Error as AmqpError, Source};
use deuteron::{
    Ack, Container, Context, Delivery, Error, Injector, Link, ListenOptions, Message, MessagingHandler,
    Outcome, Sender,
};
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a test waits for something that should happen: far beyond what anything takes, and no part of any claim.
const PATIENCE: Duration = Duration::from_secs(90);

/// What happened at the server.
#[derive(Debug)]
pub enum Happening {
    /// A client's connection is open.
    Opened {
        /// Who it proved to be.
        identity: Option<String>,
        /// How.
        mechanism: Option<String>,
    },
    /// A message came.
    Received {
        /// The target's address.
        address: String,
        /// The message.
        message: Box<Message>,
    },
    /// A message that the server sent was settled.
    Settled(Outcome),
    /// A client could not get in, a connection failed, or what came was no message.
    Failed(String),
}

/// A running server; it stops when this value is dropped.
#[derive(Debug)]
pub struct OurServer {
    port: u16,
    injector: Injector,
    happenings: mpsc::Receiver<Happening>,
    thread: Option<JoinHandle<()>>,
}

impl OurServer {
    /// Starts one with options whose port is 0. Messages of `stock` wait at their addresses from the start.
    ///
    /// Addresses that begin with `reject`, `release` or `modify` answer with that outcome; messages to `echo` go to their
    /// reply-to address; all others wait for a receiver of their address.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(
        options: impl Into<ListenOptions>,
        stock: impl IntoIterator<Item = (String, Message)>,
    ) -> Self {
        let (happened, happenings) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let mut queues: HashMap<String, VecDeque<Message>> = HashMap::new();
        for (address, message) in stock {
            queues.entry(address).or_default().push_back(message);
        }
        let options = options.into();
        let desk = Desk { options: Some(options), ready, happened, queues, senders: Vec::new(), names: 0 };
        let thread = std::thread::spawn(move || Container::new().run(desk).expect("the server runs"));
        let (port, injector) = started.recv_timeout(PATIENCE).expect("the server listens");
        Self { port, injector, happenings, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next thing to happen.
    ///
    /// # Panics
    /// When nothing does.
    pub fn next(&self) -> Happening {
        self.happenings.recv_timeout(PATIENCE).expect("something happens at the server")
    }

    /// Waits for the next message, past all else; returns it with its address.
    pub fn received(&self) -> (String, Message) {
        loop {
            match self.next() {
                Happening::Received { address, message } => return (address, *message),
                Happening::Failed(error) => panic!("a connection failed: {error}"),
                _ => {}
            }
        }
    }

    /// Waits until a client has opened its connection; returns its identity and mechanism.
    pub fn opened(&self) -> (Option<String>, Option<String>) {
        loop {
            if let Happening::Opened { identity, mechanism } = self.next() {
                return (identity, mechanism);
            }
        }
    }

    /// Waits for the outcome of a message that the server sent.
    pub fn settled(&self) -> Outcome {
        loop {
            if let Happening::Settled(outcome) = self.next() {
                return outcome;
            }
        }
    }
}

impl Drop for OurServer {
    fn drop(&mut self) {
        self.injector.run(|cx| cx.stop());
        let thread = self.thread.take().expect("it is joined once");
        if thread.join().is_err() && !std::thread::panicking() {
            panic!("the server's thread panicked");
        }
    }
}

struct Desk {
    options: Option<ListenOptions>,
    ready: mpsc::Sender<(u16, Injector)>,
    happened: mpsc::Sender<Happening>,
    queues: HashMap<String, VecDeque<Message>>,
    senders: Vec<(String, Sender)>,
    names: usize,
}

impl Desk {
    fn tell(&self, happening: Happening) {
        // A test that has seen enough listens no more.
        let _ = self.happened.send(happening);
    }

    fn forward(&mut self, address: &str) {
        let Some(queue) = self.queues.get_mut(address) else { return };
        for (name, sender) in &self.senders {
            while name == address && sender.credit() > 0 {
                let Some(message) = queue.pop_front() else { return };
                sender.send_now(message).expect("there is credit");
            }
        }
    }

    fn take(&mut self, mut address: String, mut message: Message) {
        if address == "echo" {
            address = message.reply_to().expect("a request has an address for the answer").to_owned();
            let id = message.correlation_id().or_else(|| message.id()).cloned();
            let properties = message.properties_mut();
            properties.to = Some(address.clone());
            properties.correlation_id = id;
        }
        self.queues.entry(address.clone()).or_default().push_back(message);
        self.forward(&address);
    }
}

impl MessagingHandler for Desk {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let options = self.options.take().expect("it starts once");
        let listener = cx.listen(options).expect("the address can be listened on");
        let port = listener.local_addr().port();
        self.ready.send((port, cx.injector())).expect("the test waits for the port");
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, connection: &deuteron::Connection) {
        let (identity, mechanism) = (connection.authenticated_identity(), connection.sasl_mechanism());
        self.tell(Happening::Opened { identity, mechanism });
    }

    fn on_link_opening(&mut self, _: &mut Context<'_>, link: &Link) {
        if link.is_sender() && link.remote_source().is_some_and(|source| source.dynamic) {
            self.names += 1;
            let address = Some(format!("answers-{}", self.names));
            link.set_source(Source { address, dynamic: true, ..Source::default() });
        }
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        if let Link::Sender(sender) = link {
            let address = sender.source().and_then(|source| source.address).unwrap_or_default();
            self.senders.push((address, sender.clone()));
        }
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, link: &Link) {
        self.senders.retain(|(_, sender)| sender.name() != link.name());
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, connection: &deuteron::Connection) {
        self.senders.retain(|(_, sender)| sender.connection() != *connection);
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        let address = sender.source().and_then(|source| source.address).unwrap_or_default();
        self.forward(&address);
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        let message = match delivery.message() {
            Ok(message) => message,
            Err(error) => {
                self.tell(Happening::Failed(error.to_string()));
                return Ack::Reject(None);
            }
        };
        let target =
            delivery.receiver().and_then(|receiver| receiver.target()).and_then(|target| target.address);
        let address =
            target.or_else(|| message.to().map(str::to_owned)).expect("a message is for some address");
        self.tell(Happening::Received { address: address.clone(), message: Box::new(message.clone()) });
        if address.starts_with("reject") {
            return Ack::Reject(Some(AmqpError::new("example:rejected", "this address rejects")));
        }
        if address.starts_with("release") {
            return Ack::Release;
        }
        if address.starts_with("modify") {
            return Ack::Modify { delivery_failed: true, undeliverable_here: true, annotations: None };
        }
        self.take(address, message);
        Ack::Accept
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.tell(Happening::Settled(Outcome::Accepted));
    }

    fn on_rejected(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.tell(Happening::Settled(Outcome::Rejected(delivery.rejection())));
    }

    fn on_released(&mut self, _: &mut Context<'_>, _: &Delivery) {
        self.tell(Happening::Settled(Outcome::Released));
    }

    fn on_listener_error(&mut self, _: &mut Context<'_>, _: &deuteron::Listener, error: &Error) {
        self.tell(Happening::Failed(error.to_string()));
    }
}
