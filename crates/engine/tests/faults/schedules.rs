//! Random schedules: sends, accepts, credit, drains, detaches, ends of sessions, cuts, slow peers, transactions.
//!
//! `SCHEDULES` sets how many are run, `SEED` runs one alone and tells what it does.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use deuteron_engine::codec::{Error, Symbol, condition};
use deuteron_engine::{ConnectionRole, Recovery, Trace};
use deuteron_testkit::{Answers, Pair, Side};

use crate::broker::Broker;
use crate::program::{Fate, Program, Transaction};
use crate::world::{FROM_BROKER, POSTED, config};

/// Steps of a schedule.
const STEPS: usize = 60;
/// Rounds in which everything comes to rest once nothing goes wrong any more.
const PATIENCE: usize = 500;

/// Random numbers that follow from a seed (the SplitMix64 generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

struct Schedule {
    random: Random,
    pair: Pair,
    program: Program,
    broker: Broker,
    recovery: Recovery,
    sent: u32,
    enqueued: u32,
    tells: bool,
    faults: usize,
}

impl Schedule {
    fn new(seed: u64, tells: bool) -> Self {
        let mut random = Random(seed);
        let recovery = [Recovery::Replay, Recovery::Report, Recovery::Resume][random.below(3) as usize];
        let mut pair = Pair::new(config(ConnectionRole::Client), config(ConnectionRole::Server));
        pair.server_answers = Answers::none();
        pair.latency = Duration::from_millis(random.below(3));
        pair.chunk = [usize::MAX, 1, 7, 100][random.below(4) as usize];
        if tells {
            let print = |line: &str| println!("{line}");
            pair.client.config_mut().trace = Some(Trace(Arc::new(print)));
        }
        let program = Program::new(&mut pair.client, recovery);
        pair.bind();
        let broker = Broker::default();
        Self { random, pair, program, broker, recovery, sent: 0, enqueued: 0, tells, faults: 0 }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
            let time = Duration::from_millis(self.random.below(4));
            self.pair.pass(time);
            self.react();
        }
        self.heal();
    }

    fn step(&mut self) {
        let step = self.random.below(14);
        if self.tells {
            println!("step {step}: {} sent, {} enqueued", self.sent, self.enqueued);
        }
        match step {
            0..=2 => {
                for _ in 0..=self.random.below(4) {
                    self.program.send(&mut self.pair.client, self.sent);
                    self.sent += 1;
                }
            }
            3..=5 => {
                let count = 1 + self.random.below(4) as u32;
                self.broker
                    .enqueue((self.enqueued..self.enqueued + count).map(|number| FROM_BROKER + number));
                self.broker.send(&mut self.pair.server);
                self.enqueued += count;
            }
            6 => {
                let from = if self.random.flip() { Side::Client } else { Side::Server };
                let after = self.random.below(300) as usize;
                self.pair.resets = self.random.flip();
                self.pair.cut_after(from, after);
                self.faults += 1;
            }
            7 => self.end_link(),
            // Termini that are closed remember nothing, and so a message may come twice.
            8 if self.recovery == Recovery::Resume => {}
            8 => {
                let error = Error::new(condition::WINDOW_VIOLATION, "for a test");
                self.broker.end_session(&mut self.pair.server, error);
                self.faults += 1;
            }
            9 => {
                self.broker.keeps = !self.broker.keeps;
                if self.random.flip() {
                    self.broker.take_kept(&mut self.pair.server);
                }
            }
            10 => {
                self.program.keeps = !self.program.keeps;
                if self.random.flip() {
                    self.program.accept_kept(&mut self.pair.client);
                }
            }
            11 => self.program.credit(&mut self.pair.client, None),
            12 => {
                let window = 1 + self.random.below(20) as u32;
                self.program.credit(&mut self.pair.client, Some(window));
            }
            _ if matches!(self.program.transaction, Transaction::None | Transaction::Over(_)) => {
                self.program.declare(&mut self.pair.client);
            }
            _ => {}
        }
    }

    fn end_link(&mut self) {
        let to_the_program = self.random.flip();
        let Some(id) = self.broker.link(to_the_program) else { return };
        let Some(mut link) = self.pair.server.link(id) else { return };
        self.faults += 1;
        match self.random.below(3) {
            _ if self.recovery == Recovery::Resume => link.detach(None),
            0 => link.detach(None),
            1 => link.close(Some(Error::new(condition::DETACH_FORCED, "for a test"))),
            _ => link.close(Some(Error::new(Symbol::from_static("com.microsoft:timeout"), "for a test"))),
        }
    }

    /// Program and broker act on what has happened, and a lost wire is replaced. True if anything had.
    fn react(&mut self) -> bool {
        let mut moved = false;
        for event in self.pair.events(Side::Server) {
            moved = true;
            self.broker.react(&mut self.pair.server, event);
        }
        for event in self.pair.events(Side::Client) {
            moved = true;
            self.program.react(&mut self.pair.client, event);
        }
        if !moved && self.pair.is_cut() {
            self.pair.resets = false;
            let mut old = self.pair.rebind();
            self.broker.carry(&mut old);
            return true;
        }
        moved
    }

    /// Nothing goes wrong any more: everything comes to rest, with nothing left to be waited for.
    fn heal(&mut self) {
        self.broker.keeps = false;
        self.program.keeps = false;
        for _ in 0..PATIENCE {
            self.broker.take_kept(&mut self.pair.server);
            self.program.accept_kept(&mut self.pair.client);
            self.program.credit(&mut self.pair.client, Some(10));
            self.broker.send(&mut self.pair.server);
            self.pair.pass(Duration::from_secs(1));
            let moved = self.react();
            let all =
                (0..self.enqueued).all(|number| self.broker.acknowledged.contains(&(FROM_BROKER + number)));
            if !moved && all && self.program.is_idle() {
                return;
            }
        }
        panic!(
            "it hangs: {:?}, transaction {:?}, {} of {} acknowledged, {} fates of {}",
            self.pair.client,
            self.program.transaction,
            self.broker.acknowledged.len(),
            self.enqueued,
            self.program.fates.len(),
            self.sent
        );
    }

    fn check(&self) {
        for number in 0..self.sent {
            let copies = self.broker.stored.get(&number).copied().unwrap_or(0);
            let fate = self.program.fates.get(&number).expect("each message has its fate");
            match fate {
                Fate::Accepted => assert!(copies > 0, "{number} is told as accepted, and is not there"),
                Fate::NotSent => assert_eq!(copies, 0, "{number} is told as not sent"),
                Fate::Unknown => assert_eq!(self.recovery, Recovery::Report, "{number} is told as unknown"),
            }
            if self.recovery != Recovery::Replay {
                assert!(copies <= 1, "{number} is there {copies} times");
            }
        }
        for number in (0..self.enqueued).map(|number| FROM_BROKER + number) {
            let copies = self.program.received.get(&number).copied().unwrap_or(0);
            assert!(copies > 0, "{number} was not received");
            assert!(self.recovery != Recovery::Resume || copies == 1, "{number} was received {copies} times");
        }
        for (posted, fate) in &self.program.transactions {
            let copies = self.broker.stored.get(posted).copied().unwrap_or(0);
            let is_true = match fate {
                Fate::Accepted => copies == 1,
                Fate::NotSent => copies == 0,
                Fate::Unknown => copies <= 1,
            };
            assert!(
                is_true,
                "the transaction of {posted} is told as {fate:?}, and it is there {copies} times"
            );
        }
        assert!(self.broker.stored.keys().all(|number| *number < self.sent || *number >= POSTED));
    }
}

#[test]
fn random_schedules_end_with_true_fates() {
    let setting = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let alone = setting("SEED");
    let count = setting("SCHEDULES").unwrap_or(10_000);
    let seeds = alone.map_or(0..count, |seed| seed..seed + 1);
    let (mut faults, mut messages, mut transactions) = (0, 0, 0);
    for seed in seeds.clone() {
        let ran = std::panic::catch_unwind(|| {
            let mut schedule = Schedule::new(seed, alone.is_some());
            schedule.run();
            schedule.check();
            (schedule.faults, schedule.sent + schedule.enqueued, schedule.program.transactions.len())
        });
        let Ok(ran) = ran else { panic!("the schedule of seed {seed} fails: SEED={seed} runs it alone") };
        faults += ran.0;
        messages += ran.1;
        transactions += ran.2;
    }
    let count = seeds.count();
    println!("schedules={count} faults={faults} messages={messages} transactions={transactions}");
    assert!(faults >= 5 * count, "only {faults} faults");
}
