//! Whatever the order of commands, outcomes and cuts: each send ends settled or lost, never both, never neither.

use std::collections::HashMap;

use bytes::Bytes;
use deuteron_engine::codec::{DeliveryState, Role};
use deuteron_engine::{
    ConnectionConfig, DeliveryId, EndpointState, Event, Limits, LinkConfig, LinkId, Payload, Recovery,
    SendOptions, SessionConfig, SessionId,
};
use deuteron_testkit::{Answers, Pair, Side};
use proptest::prelude::*;

/// Links that the tests use: the first reports losses, the second replays.
const LINKS: usize = 2;

#[derive(Clone, Debug)]
enum Operation {
    Send { link: usize, settled: bool, len: usize },
    Start(usize),
    Stream { link: usize, len: usize },
    Finish(usize),
    Abort(usize),
    Cancel(usize),
    Forget(usize),
    Outcome { which: usize, accept: bool, settled: bool },
    Credit(usize),
    Drive,
    Cut { from: Side, bytes: usize },
    Rebind,
    Detach(usize),
    Attach(usize),
    CloseByServer(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let link = 0..LINKS;
    let side = prop_oneof![Just(Side::Client), Just(Side::Server)];
    prop_oneof![
        6 => (link.clone(), any::<bool>(), 0..1500usize)
            .prop_map(|(link, settled, len)| Operation::Send { link, settled: settled && len % 3 == 0, len }),
        1 => link.clone().prop_map(Operation::Start),
        2 => (link.clone(), 0..1500usize).prop_map(|(link, len)| Operation::Stream { link, len }),
        1 => link.clone().prop_map(Operation::Finish),
        1 => link.clone().prop_map(Operation::Abort),
        1 => (0..20usize).prop_map(Operation::Cancel),
        1 => (0..20usize).prop_map(Operation::Forget),
        4 => (0..20usize, any::<bool>(), any::<bool>())
            .prop_map(|(which, accept, settled)| Operation::Outcome { which, accept, settled }),
        2 => link.clone().prop_map(Operation::Credit),
        5 => Just(Operation::Drive),
        2 => (side, 0..3000usize).prop_map(|(from, bytes)| Operation::Cut { from, bytes }),
        2 => Just(Operation::Rebind),
        1 => link.clone().prop_map(Operation::Detach),
        2 => link.clone().prop_map(Operation::Attach),
        1 => link.prop_map(Operation::CloseByServer),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Open,
    Settled,
    Lost {
        was_sent: bool,
    },
    /// We do not want to know any more, or the engine does not tell: cancelled, aborted, forgotten, sent settled.
    Waived {
        at_most: usize,
    },
}

struct Sent {
    id: DeliveryId,
    link: usize,
    fate: Fate,
}

struct World {
    pair: Pair,
    session: SessionId,
    links: Vec<LinkId>,
    closed: [bool; LINKS],
    streams: [Option<usize>; LINKS],
    sent: Vec<Sent>,
    /// Messages that a server has and did not settle.
    held: Vec<DeliveryId>,
    /// How often each message arrived whole.
    arrived: HashMap<u32, usize>,
}

impl World {
    fn new(chunk: usize) -> Self {
        let limits = Limits { output: 2000, ..Limits::default() };
        let config = || ConnectionConfig { max_frame_size: 512, limits, ..ConnectionConfig::default() };
        let mut pair = Pair::new(config(), config());
        pair.chunk = chunk;
        pair.server_answers = Answers { credit: 3, settle_with: None, ..Answers::all() };
        pair.client.open();
        let session = pair.client.begin(SessionConfig::default());
        let recoveries = [Recovery::Report, Recovery::Replay];
        let links = recoveries.map(|recovery| {
            let name = format!("{recovery:?}");
            let config = LinkConfig { recovery, ..LinkConfig::sender(name, "queue") };
            pair.client.attach(session, config).expect("the session is fresh")
        });
        pair.bind();
        pair.drive();
        Self {
            pair,
            session,
            links: links.to_vec(),
            closed: [false; LINKS],
            streams: [None; LINKS],
            sent: Vec::new(),
            held: Vec::new(),
            arrived: HashMap::new(),
        }
    }

    /// The number of a message and filling up to its length.
    fn payload(&self, len: usize) -> Vec<u8> {
        let mut payload = (self.sent.len() as u32).to_be_bytes().to_vec();
        payload.resize(4 + len, 0xaa);
        payload
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Send { link, settled, len } => self.send(link, settled, len),
            Operation::Start(link) => self.start(link),
            Operation::Stream { link, len } => {
                if let Some(mut delivery) = self.stream(link) {
                    delivery.stream(Bytes::from(vec![0xbb; len])).expect("it is not finished");
                }
            }
            Operation::Finish(link) => self.finish(link),
            Operation::Abort(link) => self.abort(link),
            Operation::Cancel(which) => self.waive(which, |delivery| delivery.cancel().then_some(0)),
            Operation::Forget(which) => self.waive(which, |delivery| {
                delivery.forget();
                Some(usize::MAX)
            }),
            Operation::Outcome { which, accept, settled } => self.outcome(which, accept, settled),
            Operation::Credit(link) => {
                let name = self.pair.client.link(self.links[link]).map(|link| link.name().to_owned());
                for id in self.pair.server.links() {
                    let Some(mut link) = self.pair.server.link(id) else { continue };
                    if link.role() == Role::Receiver && Some(link.name()) == name.as_deref() {
                        link.add_credit(2);
                    }
                }
            }
            Operation::Drive => self.drive(),
            Operation::Cut { from, bytes } => self.pair.cut_after(from, bytes),
            Operation::Rebind => self.rebind(),
            Operation::Detach(link) => {
                self.pair.client.link(self.links[link]).into_iter().for_each(|mut link| link.detach(None));
            }
            Operation::Attach(link) => self.attach(link),
            Operation::CloseByServer(which) => {
                let ids = self.pair.server.links();
                if let Some(mut link) = ids.get(which).and_then(|id| self.pair.server.link(*id)) {
                    link.close(None);
                }
            }
        }
        self.look();
    }

    fn send(&mut self, link: usize, settled: bool, len: usize) {
        let payload = self.payload(len);
        let options = SendOptions { settled: Some(settled), ..SendOptions::default() };
        let Some(mut sender) = self.pair.client.link(self.links[link]) else { return };
        if let Ok(id) = sender.send(Payload::Slice(&payload), options) {
            let fate = if settled { Fate::Waived { at_most: 1 } } else { Fate::Open };
            self.sent.push(Sent { id, link, fate });
        }
    }

    fn start(&mut self, link: usize) {
        let payload = self.payload(0);
        let Some(mut sender) = self.pair.client.link(self.links[link]) else { return };
        if let Ok(id) = sender.start(SendOptions::default()) {
            let mut delivery = self.pair.client.delivery(id).expect("just started");
            delivery.stream(payload.into()).expect("just started");
            self.streams[link] = Some(self.sent.len());
            self.sent.push(Sent { id, link, fate: Fate::Open });
        }
    }

    /// The stream that is open on the link, unless it was lost meanwhile.
    fn stream(&mut self, link: usize) -> Option<deuteron_engine::DeliveryMut<'_>> {
        let number = self.streams[link]?;
        if matches!(self.sent[number].fate, Fate::Lost { .. }) {
            self.streams[link] = None;
            return None;
        }
        self.pair.client.delivery(self.sent[number].id)
    }

    fn finish(&mut self, link: usize) {
        if let Some(mut delivery) = self.stream(link) {
            delivery.finish().expect("it is not finished");
        }
        self.streams[link] = None;
    }

    fn abort(&mut self, link: usize) {
        let Some(mut delivery) = self.stream(link) else { return };
        // A long stream may have been settled by the peer already; it is aborted all the same.
        if delivery.abort().is_ok() {
            let number = self.streams[link].take().expect("there was a stream");
            if self.sent[number].fate == Fate::Open {
                self.sent[number].fate = Fate::Waived { at_most: 0 };
            }
        }
    }

    fn waive(&mut self, which: usize, how: impl Fn(&mut deuteron_engine::DeliveryMut<'_>) -> Option<usize>) {
        let streams = self.streams;
        let Some(sent) = self.sent.get_mut(which) else { return };
        if sent.fate != Fate::Open || streams.contains(&Some(which)) {
            return;
        }
        let Some(mut delivery) = self.pair.client.delivery(sent.id) else { return };
        if let Some(at_most) = how(&mut delivery) {
            sent.fate = Fate::Waived { at_most };
        }
    }

    fn outcome(&mut self, which: usize, accept: bool, settled: bool) {
        if self.held.is_empty() {
            return;
        }
        let which = which % self.held.len();
        let state = if accept { DeliveryState::Accepted } else { DeliveryState::Released };
        if let Some(mut delivery) = self.pair.server.delivery(self.held[which]) {
            delivery.disposition(Some(state), settled);
        }
        if settled {
            self.held.remove(which);
        }
    }

    fn attach(&mut self, link: usize) {
        if let Some(mut link) = self.pair.client.link(self.links[link])
            && link.local_state() == EndpointState::Detached
            && link.remote_state() != EndpointState::Open
        {
            link.attach();
        }
    }

    fn drive(&mut self) {
        self.pair.drive();
        self.look();
    }

    fn rebind(&mut self) {
        self.look();
        self.held.clear();
        self.pair.rebind();
        self.look();
    }

    /// Looks at what both sides have reported.
    fn look(&mut self) {
        for event in self.pair.events(Side::Server) {
            match event {
                Event::Delivered(id) => {
                    let Some(mut delivery) = self.pair.server.delivery(id) else { continue };
                    let payload = delivery.take();
                    let number =
                        u32::from_be_bytes(payload[..4].try_into().expect("every message has a number"));
                    *self.arrived.entry(number).or_default() += 1;
                    self.held.push(id);
                }
                Event::DeliveryAborted(id) | Event::DeliveryUpdated(id) => {
                    let Some(mut delivery) = self.pair.server.delivery(id) else { continue };
                    if delivery.remotely_settled() {
                        delivery.settle();
                        self.held.retain(|held| *held != id);
                    }
                }
                _ => {}
            }
        }
        for event in self.pair.events(Side::Client) {
            match event {
                Event::DeliveryUpdated(id) => self.updated(id),
                Event::DeliveryLost(id) => self.lost(id),
                Event::LinkClosed(id) => {
                    let index = self.links.iter().position(|link| *link == id).expect("there are no others");
                    self.closed[index] = true;
                    self.pair.client.link(id).expect("never freed").close(None);
                }
                _ => {}
            }
        }
    }

    fn updated(&mut self, id: DeliveryId) {
        let Some(mut delivery) = self.pair.client.delivery(id) else { return };
        let decided = delivery.remote_state().is_some_and(DeliveryState::is_terminal);
        if decided || delivery.remotely_settled() {
            delivery.settle();
            let sent = self.sent.iter_mut().find(|sent| sent.id == id).expect("we have sent it");
            assert_eq!(sent.fate, Fate::Open, "settled a second time");
            sent.fate = Fate::Settled;
        }
    }

    fn lost(&mut self, id: DeliveryId) {
        let mut delivery = self.pair.client.delivery(id).expect("kept until it is settled here");
        let was_sent = delivery.was_sent();
        delivery.settle();
        let sent = self.sent.iter_mut().find(|sent| sent.id == id).expect("we have sent it");
        assert_eq!(sent.fate, Fate::Open, "lost as well");
        sent.fate = Fate::Lost { was_sent };
    }

    /// A new wire to a willing server; then everything is closed. Checks what became of each send.
    fn end(mut self) -> Vec<(Fate, usize)> {
        self.rebind();
        self.pair.server_answers.settle_with = Some(DeliveryState::Accepted);
        for link in 0..LINKS {
            self.finish(link);
            self.attach(link);
        }
        self.drive();
        for link in 0..LINKS {
            self.attach(link);
        }
        self.drive();
        for payload in std::mem::take(&mut self.pair.inbox[1]) {
            let number = u32::from_be_bytes(payload[..4].try_into().expect("every message has a number"));
            *self.arrived.entry(number).or_default() += 1;
        }
        for (number, sent) in self.sent.iter().enumerate() {
            let replays = sent.link == 1 && !self.closed[1];
            assert!(
                !replays || !matches!(sent.fate, Fate::Open | Fate::Lost { .. }),
                "{number}: {:?}",
                sent.fate
            );
        }
        self.pair.client.session(self.session).expect("never freed").end(None);
        self.drive();
        self.check()
    }

    fn check(&self) -> Vec<(Fate, usize)> {
        let mut fates = Vec::new();
        for (number, sent) in self.sent.iter().enumerate() {
            let arrived = self.arrived.get(&(number as u32)).copied().unwrap_or(0);
            let (least, most) = match sent.fate {
                Fate::Open => panic!("{number} is neither settled nor lost"),
                Fate::Settled => (1, usize::MAX),
                Fate::Lost { was_sent: true } => (0, usize::MAX),
                Fate::Lost { was_sent: false } => (0, 0),
                Fate::Waived { at_most } => (0, at_most),
            };
            assert!((least..=most).contains(&arrived), "{number}: {:?}, arrived {arrived} times", sent.fate);
            assert!(sent.link == 1 || arrived <= 1, "{number} was sent twice on a link that does not replay");
            fates.push((sent.fate, arrived));
        }
        assert_eq!(self.pair.client.unsettled(), 0, "nothing is left behind");
        fates
    }
}

fn run(operations: &[Operation], chunk: usize) -> Vec<(Fate, usize)> {
    let mut world = World::new(chunk);
    operations.iter().for_each(|operation| world.apply(operation));
    world.end()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_send_ends_settled_or_lost(operations in prop::collection::vec(operation(), 1..60)) {
        let fates = run(&operations, usize::MAX);
        // The size of the pieces in which bytes arrive changes nothing at all.
        prop_assert_eq!(&run(&operations, 1), &fates);
        prop_assert_eq!(&run(&operations, 7), &fates);
    }
}
