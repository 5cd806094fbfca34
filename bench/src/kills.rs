//! A program that a server's crashes hit: it sends numbered messages, 50 of them under way at once, and takes them again from
//! the same queue. It never sends one a second time by itself. `stop` on its standard input ends the sending; when nothing has
//! happened for some seconds it closes, and prints what it has seen as one line of JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::BufRead;
use std::thread;
use std::time::Duration;

use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Delivery, Message, MessagingHandler, Outcome,
    ReceiverOptions, Recovery, Sender, SenderOptions, Source, Symbol, Target, TerminusDurability, TimerId,
};

const WINDOW: usize = 50;
const QUIET: Duration = Duration::from_secs(8);

struct Program {
    url: String,
    address: String,
    capabilities: Vec<Symbol>,
    durable: TerminusDurability,
    recovery: Recovery,
    detects: bool,
    connection: Option<Connection>,
    /// Numbers by the tags of their deliveries.
    pending: BTreeMap<Vec<u8>, u64>,
    sent: u64,
    connections: u32,
    accepted: BTreeSet<u64>,
    refused: u64,
    unknown: u64,
    received: BTreeMap<u64, u64>,
    stopping: bool,
    news: u64,
    seen: Option<u64>,
}

/// `URL ADDRESS CAPABILITY DURABLE POLICY`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [url, address, capability, durable, policy] = arguments else {
        return Err("kills URL ADDRESS CAPABILITY DURABLE report|replay|detect".into());
    };
    let durable = durable == "durable";
    let mut program = Program {
        url: url.clone(),
        address: address.clone(),
        capabilities: (!capability.is_empty())
            .then(|| Symbol::from(capability.as_str()))
            .into_iter()
            .collect(),
        durable: if durable { TerminusDurability::UnsettledState } else { TerminusDurability::None },
        recovery: if policy == "report" { Recovery::Report } else { Recovery::Replay },
        detects: policy == "detect",
        connection: None,
        pending: BTreeMap::new(),
        sent: 0,
        connections: 0,
        accepted: BTreeSet::new(),
        refused: 0,
        unknown: 0,
        received: BTreeMap::new(),
        stopping: false,
        news: 0,
        seen: None,
    };
    let container = Container::new();
    let injector = container.injector();
    drop(thread::spawn(move || {
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).is_ok() {
            injector.inject(());
        }
    }));
    container.run(&mut program)?;
    program.report();
    Ok(())
}

impl Program {
    fn fill(&mut self, sender: &Sender) {
        while !self.stopping && sender.credit() > 0 && self.pending.len() < WINDOW {
            let message = Message::new(self.sent.to_string()).with_durable(true);
            let Ok(delivery) = sender.send_now(message) else { return };
            self.pending.insert(delivery.tag().as_ref().to_vec(), self.sent);
            self.sent += 1;
        }
    }

    fn report(&self) {
        let doubled: u64 = self.received.values().map(|count| count - 1).sum();
        let lost = self.accepted.iter().filter(|number| !self.received.contains_key(number)).count();
        let told = self.accepted.len() as u64 + self.refused + self.unknown;
        println!(
            "{{\"connections\": {}, \"sent\": {}, \"accepted\": {}, \"refused\": {}, \"unknown\": {}, \"untold\": {}, \
             \"received\": {}, \"doubled\": {doubled}, \"accepted, not received\": {lost}}}",
            self.connections,
            self.sent,
            self.accepted.len(),
            self.refused,
            self.unknown,
            self.sent - told,
            self.received.len(),
        );
    }
}

impl MessagingHandler for Program {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let backoff = deuteron::Backoff::new().max_delay(Duration::from_millis(100));
        let options = ConnectOptions::new(self.url.as_str()).backoff(backoff);
        let connection = cx.connect(options).expect("the URL is good");
        let source = Source {
            address: Some(self.address.clone()),
            capabilities: self.capabilities.clone(),
            durable: self.durable,
            ..Source::default()
        };
        let target = Target {
            address: Some(self.address.clone()),
            capabilities: self.capabilities.clone(),
            durable: self.durable,
            ..Target::default()
        };
        let receiver = ReceiverOptions::new("").source(source).credit_window(WINDOW as u32);
        connection.open_receiver(receiver).expect("it is open");
        let mut sender = SenderOptions::new("").target(target).recovery(self.recovery);
        if self.detects {
            sender = sender.duplicate_detection();
        }
        connection.open_sender(sender).expect("it is open");
        self.connection = Some(connection);
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, _: &Connection) {
        self.connections += 1;
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        self.fill(sender);
    }

    fn on_settled(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        let Some(number) = self.pending.remove(delivery.tag().as_ref()) else { return };
        self.news += 1;
        match delivery.known_outcome() {
            Some(Outcome::Accepted) => drop(self.accepted.insert(number)),
            _ => self.refused += 1,
        }
        if let Some(link) = delivery.link()
            && let Some(sender) = link.as_sender()
        {
            self.fill(sender);
        }
    }

    fn on_lost(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        if self.pending.remove(delivery.tag().as_ref()).is_some() {
            self.unknown += 1;
        }
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.news += 1;
        if let Ok(message) = delivery.message()
            && let Some(number) = message.body_text().and_then(|text| text.parse().ok())
        {
            *self.received.entry(number).or_default() += 1;
        }
        Ack::Accept
    }

    fn on_injected(&mut self, cx: &mut Context<'_>, _: Box<dyn std::any::Any + Send>) {
        self.stopping = true;
        cx.schedule(QUIET, 0);
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: TimerId, _: u64) {
        if self.seen == Some(self.news) {
            if let Some(connection) = self.connection.take() {
                drop(connection.close());
            }
            return;
        }
        self.seen = Some(self.news);
        cx.schedule(QUIET, 0);
    }
}
