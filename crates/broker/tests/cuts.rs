//! A program at work through the broker, over loopback, is cut off within and after each frame that crosses: nothing hangs,
//! every message has its fate, and the fate is true. The same in virtual time is in the engine's tests; here all of it is
//! real: sockets, the driver, the broker.
//!
//! `make cuts` prints what it counts.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::{PATIENCE, broker, connect, next, next_text};
use deuteron::{
    ConnectOptions, Connection, Container, Delays, Delivery, Error, Fate, ReceiverOptions, Recovery,
    SenderOptions,
};
use deuteron_broker::BrokerHandle;
use deuteron_testkit::Proxy;
use tokio::time::timeout;

/// Messages each way.
const MESSAGES: usize = 20;
/// The message that does not fit one frame.
const LONG: usize = 7;
const KEEP: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Report,
    Replay,
    Resume,
}

#[derive(Debug, Default)]
struct Tally {
    points: usize,
    fates_true: usize,
    lost: usize,
    doubled: usize,
    hung: usize,
    unknown: usize,
}

/// What the program was told of a message.
fn fate(told: Result<deuteron::Outcome, Error>) -> Option<Fate> {
    match told {
        Ok(outcome) if outcome.is_accepted() => None,
        Ok(other) => panic!("the broker accepts everything: {other:?}"),
        Err(error) => Some(error.fate().unwrap_or_else(|| panic!("no fate in {error}"))),
    }
}

fn text(number: usize) -> String {
    let length = if number == LONG { 3000 } else { 30 };
    format!("{number}:{}", ".".repeat(length))
}

fn number(text: &str) -> usize {
    text.split(':').next().and_then(|number| number.parse().ok()).expect("a message has its number")
}

struct Run<'a> {
    broker: &'a BrokerHandle,
    policy: Policy,
    name: String,
}

impl Run<'_> {
    fn sending(&self) -> SenderOptions {
        let options = SenderOptions::new(format!("queue://{}-out", self.name)).name("s");
        match self.policy {
            Policy::Report => options.recovery(Recovery::Report),
            Policy::Replay => options.recovery(Recovery::Replay),
            Policy::Resume => options.resume(KEEP),
        }
    }

    fn receiving(&self) -> ReceiverOptions {
        let options = ReceiverOptions::new(format!("queue://{}-in", self.name)).name("r").credit_window(5);
        if self.policy == Policy::Resume { options.resume(KEEP) } else { options }
    }

    /// The program, from connecting to closing: what it was told of each message, what it received, and what it was told of
    /// its transaction.
    async fn program(&self, proxy: &Proxy) -> (Vec<Option<Fate>>, HashMap<usize, usize>, Option<Fate>) {
        let options = ConnectOptions::new(format!("amqp://{}", proxy.address()))
            .container_id(self.name.as_str())
            .max_frame_size(1024)
            .reconnect_policy(Delays::new(std::iter::repeat_n(Duration::from_millis(1), 1000)));
        let connection = Container::new().start(options).expect("the URL is good");
        let sender = connection.open_sender(self.sending()).expect("it is open");
        let receiver = connection.open_receiver(self.receiving()).expect("it is open");
        let sent: Vec<Delivery> =
            (0..MESSAGES).map(|number| sender.send_now(text(number)).expect("there is room")).collect();
        let mut received = HashMap::new();
        while received.len() < MESSAGES {
            let delivery = next(&receiver).await;
            let message = delivery.message().expect("it is a message");
            *received.entry(number(message.body_text().expect("it has a text"))).or_default() += 1;
            // Its wire may be gone: then it comes again.
            let _ = delivery.accept_confirmed().await;
        }
        let mut fates = Vec::new();
        for delivery in sent {
            fates.push(fate(delivery.outcome().await));
        }
        let transaction = self.transaction(&connection).await;
        // The end may be cut off too.
        let _ = connection.close().await;
        (fates, received, transaction)
    }

    async fn transaction(&self, connection: &Connection) -> Option<Fate> {
        let unknown = |error: Error| error.fate().or(Some(Fate::NotSent));
        let sender = match connection.sender(format!("queue://{}-posted", self.name)).await {
            Ok(sender) => sender,
            Err(error) => return unknown(error),
        };
        let Ok(transaction) = connection.begin_transaction().await else { return Some(Fate::NotSent) };
        if transaction.send(&sender, "posted").await.is_err() {
            let _ = transaction.rollback().await;
            return Some(Fate::NotSent);
        }
        transaction.commit().await.err().and_then(unknown)
    }

    /// What is in a queue, by number.
    async fn stored(&self, queue: &str) -> HashMap<usize, usize> {
        let connection = connect(self.broker).await;
        let receiver =
            connection.receiver(format!("queue://{}-{queue}", self.name)).await.expect("a receiver");
        let sender = connection.sender(format!("queue://{}-{queue}", self.name)).await.expect("a sender");
        assert!(sender.send("end").await.expect("an outcome").is_accepted());
        let mut stored = HashMap::new();
        loop {
            match next_text(&receiver).await.as_str() {
                "end" => break,
                "posted" => *stored.entry(usize::MAX).or_default() += 1,
                text => *stored.entry(number(text)).or_default() += 1,
            }
        }
        connection.close().await.expect("it is closed");
        stored
    }

    /// Runs the program with a fault. The number of frames that crossed from each side.
    async fn run(&self, fault: Option<&str>, tally: &mut Tally) -> [u64; 2] {
        let feeder = connect(self.broker).await;
        let sender = feeder.sender(format!("queue://{}-in", self.name)).await.expect("a sender");
        for number in 0..MESSAGES {
            assert!(sender.send(text(number)).await.expect("an outcome").is_accepted());
        }
        let url: deuteron::Url = self.broker.url().parse().expect("a broker has a URL");
        let proxy = Proxy::to(([127, 0, 0, 1], url.port()).into()).expect("a loopback port is free");
        if let Some(fault) = fault {
            proxy.add(fault.parse().expect("it is a fault"));
        }
        let Ok((fates, received, transaction)) = timeout(PATIENCE, self.program(&proxy)).await else {
            tally.hung += 1;
            tally.points += 1;
            println!("{:?} {fault:?}: it hangs, {:?}", self.policy, proxy.counts());
            return [0; 2];
        };
        let seen = proxy.counts();
        if seen.struck.is_empty() && fault.is_some() {
            // There were fewer frames this time.
            return seen.frames;
        }
        drop(proxy);
        let stored = self.stored("out").await;
        let posted = self.stored("posted").await.get(&usize::MAX).copied().unwrap_or(0);
        self.judge(fault, tally, (&fates, &received, transaction), (&stored, posted));
        seen.frames
    }

    fn judge(
        &self,
        fault: Option<&str>,
        tally: &mut Tally,
        (fates, received, transaction): (&[Option<Fate>], &HashMap<usize, usize>, Option<Fate>),
        (stored, posted): (&HashMap<usize, usize>, usize),
    ) {
        let mut untrue = Vec::new();
        for (number, fate) in fates.iter().enumerate() {
            let copies = stored.get(&number).copied().unwrap_or(0);
            let is_true = match fate {
                None => copies > 0,
                Some(Fate::NotSent) => copies == 0,
                Some(Fate::Unknown) => true,
            };
            if !is_true {
                untrue.push(format!("{number} is told as {fate:?} and was stored {copies} times"));
            }
            tally.unknown += usize::from(*fate == Some(Fate::Unknown));
            tally.lost += usize::from(copies == 0 && self.policy != Policy::Report);
            tally.doubled += usize::from(copies > 1 && self.policy != Policy::Replay);
        }
        tally.lost += usize::from(received.len() < MESSAGES);
        if self.policy == Policy::Resume {
            tally.doubled += received.values().filter(|copies| **copies > 1).count();
        }
        let is_true = match transaction {
            None => posted == 1,
            Some(Fate::NotSent) => posted == 0,
            Some(Fate::Unknown) => posted <= 1,
        };
        if !is_true {
            untrue.push(format!("the transaction is told as {transaction:?}, and {posted} are stored"));
        }
        tally.points += 1;
        tally.fates_true += usize::from(untrue.is_empty());
        if !untrue.is_empty() {
            println!("{:?} {fault:?}: {untrue:?}", self.policy);
        }
    }
}

async fn proven(policy: Policy) -> Tally {
    let broker = broker(|_| ()).await;
    let mut tally = Tally::default();
    let mut runs = 0;
    let mut run = || {
        runs += 1;
        Run { broker: &broker, policy, name: format!("{policy:?}-{runs}") }
    };
    let frames = run().run(None, &mut tally).await;
    for (side, count) in ["client", "server"].into_iter().zip(frames) {
        for frame in 1..=count {
            for place in ["cut within frame", "reset after frame"] {
                let fault = format!("{place} {frame} from {side}");
                run().run(Some(&fault), &mut tally).await;
            }
        }
    }
    let Tally { points, fates_true, lost, doubled, hung, unknown } = tally;
    println!("{policy:?}, over loopback through the broker: {unknown} messages told as unknown");
    println!("cuts: points={points} fates_true={fates_true} lost={lost} doubled={doubled} hung={hung}");
    assert!(points > 100, "only {points} cuts");
    assert_eq!((fates_true, lost, doubled, hung), (points, 0, 0, 0));
    tally
}

#[tokio::test]
async fn with_report_every_fate_is_told_and_true() {
    assert!(proven(Policy::Report).await.unknown > 0, "some cuts leave a message unknown");
}

#[tokio::test]
async fn with_replay_nothing_is_lost() {
    assert_eq!(proven(Policy::Replay).await.unknown, 0);
}

#[tokio::test]
async fn with_resume_nothing_is_lost_or_doubled() {
    assert_eq!(proven(Policy::Resume).await.unknown, 0);
}
