//! Program and broker, the wires between them, and what is true in the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deuteron_engine::sasl::{Authenticator, Decision, Password, SaslClientConfig, SaslServerConfig};
use deuteron_engine::{ConnectionConfig, ConnectionRole, EndpointState, Recovery, SaslConfig};
use deuteron_testkit::{Answers, Pair, Side};

use crate::broker::Broker;
use crate::program::{Fate, Program, Transaction};

/// Messages each way.
const MESSAGES: u32 = 20;
/// The message that does not fit one frame.
const LONG: u32 = 7;
/// The message that is posted in the transaction.
pub(crate) const POSTED: u32 = 100_000;
/// Messages that show that the links are alive.
const ALIVE: u32 = 600;
/// What the broker sends begins here.
pub(crate) const FROM_BROKER: u32 = 1_000_000;
/// Rounds after which something that never comes to an end hangs.
const PATIENCE: usize = 2_000;

/// Where a wire is cut: after so many bytes from one side, which end as they should or are lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) from: Side,
    pub(crate) after: usize,
    pub(crate) resets: bool,
    /// How long bytes are under way.
    pub(crate) latency: Duration,
}

/// What is found when all is over.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) hung: bool,
    pub(crate) untrue: Vec<String>,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) unknown: usize,
    pub(crate) twice: usize,
}

/// What the program does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Exchange,
    Transaction,
    Alive,
    Closing,
    Done,
    Hung,
}

pub(crate) struct World {
    pair: Pair,
    program: Program,
    broker: Broker,
    recovery: Recovery,
    cut: Option<Cut>,
    /// Cuts of the wires that follow, the next one last.
    pub(crate) later: Vec<Cut>,
    stage: Stage,
    pub(crate) wires: usize,
}

/// The bytes of a message.
pub(crate) fn payload(number: u32) -> Bytes {
    let length = if number % FROM_BROKER % 50 == LONG { 3000 } else { 40 };
    let mut bytes = vec![b'.'; length];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

/// The number of a message that has come.
pub(crate) fn number(payload: &[u8]) -> u32 {
    let number = u32::from_be_bytes(payload[..4].try_into().expect("it has four bytes"));
    assert_eq!(payload, self::payload(number), "it came whole");
    number
}

#[derive(Debug)]
struct Anybody;

impl Authenticator for Anybody {
    fn plain(&self, _: Option<&str>, user: &str, password: &str) -> Decision {
        if (user, password) == ("ada", "lovelace") { Decision::Accept } else { Decision::Reject }
    }
}

pub(crate) fn config(role: ConnectionRole) -> ConnectionConfig {
    let sasl = match role {
        ConnectionRole::Client => SaslConfig::Client(SaslClientConfig {
            username: Some("ada".into()),
            password: Some(Password::from("lovelace")),
            allow_insecure: true,
            ..SaslClientConfig::default()
        }),
        ConnectionRole::Server => SaslConfig::Server(SaslServerConfig {
            mechanisms: vec!["PLAIN".into()],
            authenticator: Some(Arc::new(Anybody)),
            allow_insecure: true,
            ..SaslServerConfig::default()
        }),
    };
    ConnectionConfig {
        role,
        sasl,
        container_id: "me".into(),
        max_frame_size: 1024,
        ..ConnectionConfig::default()
    }
}

impl World {
    pub(crate) fn new(recovery: Recovery, latency: Duration) -> Self {
        let mut pair = Pair::new(config(ConnectionRole::Client), config(ConnectionRole::Server));
        pair.latency = latency;
        pair.server_answers = Answers::none();
        let mut program = Program::new(&mut pair.client, recovery);
        let mut broker = Broker::default();
        (0..MESSAGES).for_each(|number| program.send(&mut pair.client, number));
        broker.enqueue((0..MESSAGES).map(|number| FROM_BROKER + number));
        pair.bind();
        Self {
            pair,
            program,
            broker,
            recovery,
            cut: None,
            later: Vec::new(),
            stage: Stage::Exchange,
            wires: 1,
        }
    }

    pub(crate) fn cut(&mut self, cut: Cut) {
        self.cut = Some(cut);
        self.pair.resets = cut.resets;
        self.pair.cut_after(cut.from, cut.after);
    }

    pub(crate) fn frame_ends(&self, from: Side) -> &[usize] {
        self.pair.frame_ends(from)
    }

    /// Runs until all is over.
    pub(crate) fn run(&mut self) {
        for _ in 0..PATIENCE {
            self.pair.drive();
            let mut moved = false;
            for event in self.pair.events(Side::Server) {
                moved = true;
                self.broker.react(&mut self.pair.server, event);
            }
            for event in self.pair.events(Side::Client) {
                moved = true;
                self.program.react(&mut self.pair.client, event);
            }
            if moved {
                continue;
            }
            if self.pair.is_cut() {
                self.go_on();
            } else if self.program.has_kept() {
                self.program.accept_kept(&mut self.pair.client);
            } else {
                self.advance();
            }
            if matches!(self.stage, Stage::Done | Stage::Hung) {
                return;
            }
        }
        self.stage = Stage::Hung;
    }

    /// The wire is gone.
    fn go_on(&mut self) {
        if self.stage == Stage::Closing {
            self.pair.client.unbind(None, self.pair.now);
            self.stage = Stage::Done;
            return;
        }
        self.pair.resets = false;
        let mut old = self.pair.rebind();
        self.broker.carry(&mut old);
        if let Some(next) = self.later.pop() {
            self.cut(next);
        }
        self.wires += 1;
    }

    /// Everything is silent: what comes next?
    fn advance(&mut self) {
        let received = |numbers: std::ops::Range<u32>, broker: &Broker| {
            numbers.into_iter().all(|number| broker.acknowledged.contains(&number))
        };
        match self.stage {
            Stage::Exchange
                if self.program.is_idle() && received(FROM_BROKER..FROM_BROKER + MESSAGES, &self.broker) =>
            {
                self.program.declare(&mut self.pair.client);
                self.stage = Stage::Transaction;
            }
            Stage::Transaction if self.program.is_idle() => {
                self.program.send(&mut self.pair.client, ALIVE);
                self.broker.enqueue([FROM_BROKER + ALIVE]);
                self.broker.send(&mut self.pair.server);
                self.stage = Stage::Alive;
            }
            Stage::Alive
                if self.program.is_idle() && self.broker.acknowledged.contains(&(FROM_BROKER + ALIVE)) =>
            {
                // All is settled: neither side remembers anything of it.
                let left = self.pair.client.unsettled() + self.pair.server.unsettled();
                if left > 0 {
                    self.stage = Stage::Hung;
                    return;
                }
                self.pair.client.close(None);
                self.stage = Stage::Closing;
            }
            Stage::Closing if self.pair.client.remote_state() == EndpointState::Closed => {
                self.stage = Stage::Done;
            }
            _ => self.stage = Stage::Hung,
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict { hung: self.stage != Stage::Done, ..Verdict::default() };
        for number in (0..MESSAGES).chain([ALIVE]) {
            let copies = self.broker.stored.get(&number).copied().unwrap_or(0);
            let fate = self.program.fates.get(&number);
            let is_true = match fate {
                Some(Fate::Accepted) => copies > 0,
                Some(Fate::NotSent) => copies == 0,
                Some(Fate::Unknown) => true,
                None => false,
            };
            if !is_true {
                verdict.untrue.push(format!("{number} is told as {fate:?} and was stored {copies} times"));
            }
            verdict.lost += usize::from(copies == 0 && self.recovery != Recovery::Report);
            verdict.doubled += usize::from(copies > 1 && self.recovery != Recovery::Replay);
            verdict.twice += usize::from(copies > 1);
            verdict.unknown += usize::from(fate == Some(&Fate::Unknown));
        }
        for number in (0..MESSAGES).chain([ALIVE]).map(|number| FROM_BROKER + number) {
            let copies = self.program.received.get(&number).copied().unwrap_or(0);
            verdict.lost += usize::from(copies == 0);
            verdict.doubled += usize::from(copies > 1 && self.recovery == Recovery::Resume);
        }
        let posted = self.broker.stored.get(&POSTED).copied().unwrap_or(0);
        let is_true = match &self.program.transaction {
            Transaction::Over(Fate::Accepted) => posted == 1,
            Transaction::Over(Fate::NotSent) => posted == 0,
            Transaction::Over(Fate::Unknown) => posted <= 1,
            _ => false,
        };
        if !is_true {
            verdict.untrue.push(format!("{:?}, and {posted} stored", self.program.transaction));
        }
        verdict
    }
}
