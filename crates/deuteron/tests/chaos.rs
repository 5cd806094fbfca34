//! Wires that break at any byte, in either direction: nothing is lost, nothing hangs, nothing is left behind.
//!
//! A proxy stands between clients of both fronts and a server of this crate. It refuses connections, and cuts others
//! after a number of bytes, by a reset or by closing one direction. What it does follows from a seed. A failing run
//! names its seed; `DEUTERON_CHAOS_SEED=n` runs that one alone, and `DEUTERON_CHAOS_SEEDS=n` runs the first `n`.
//!
//! Each run checks that
//! - a message under `Recovery::Replay` is settled in the end and was received;
//! - a message under `Recovery::Report` has one fate, and that fate is true;
//! - what the server sends, and sends again when it is lost or comes back, is received by the clients;
//! - nothing hangs or panics, and no link keeps a delivery and the listener no connection when all is done.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use deuteron::{
    Ack, Backoff, ConnectOptions, Connection, Container, Context, Delivery, DeliveryTag, Error, Fate, Link,
    ListenOptions, Listener, Message, MessagingHandler, Outcome, Receiver, ReceiverOptions,
    ReceiverSettleMode, Recovery, SendOptions, Sender, SenderOptions, SessionOptions, TimerId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long a run may take before it counts as hanging. No passing run comes near.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many seeds a run of all tests tries, for each kind of client.
const SEEDS: u64 = 24;

/// Messages of each link.
const MESSAGES: u64 = 40;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// Small numbers as often as large ones.
    fn size(&mut self, bits: u64) -> u64 {
        let bits = 3 + self.below(bits - 2);
        self.below(1 << bits)
    }
}

/// What the proxy does to one connection.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Refuse,
    /// After so many bytes to the server (or to the client) the wire breaks.
    Cut {
        to_server: bool,
        after: u64,
        reset: bool,
    },
}

impl Fault {
    fn choose(dice: &mut Dice) -> Self {
        if dice.one_in(6) {
            return Self::Refuse;
        }
        Self::Cut { to_server: dice.one_in(2), after: dice.size(20), reset: dice.one_in(2) }
    }
}

/// Stands between clients and a server until it is dropped.
async fn proxy(listener: TcpListener, server: SocketAddr, mut dice: Dice, faults: u64) {
    let mut connections = JoinSet::new();
    let mut left = faults;
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let fault = if left > 0 { Fault::choose(&mut dice) } else { Fault::None };
        left = left.saturating_sub(1);
        connections.spawn(carry(client, server, fault));
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, server: SocketAddr, fault: Fault) {
    if matches!(fault, Fault::Refuse) {
        return reset(&client);
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (limit_in, limit_out, hard) = match fault {
        Fault::Cut { to_server: true, after, reset } => (after, u64::MAX, reset),
        Fault::Cut { to_server: false, after, reset } => (u64::MAX, after, reset),
        _ => (u64::MAX, u64::MAX, false),
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let inward = pass(&mut from_client, &mut to_server, limit_in);
    let outward = pass(&mut from_server, &mut to_client, limit_out);
    if hard {
        tokio::select! {
            () = inward => {}
            () = outward => {}
        }
        reset(to_client.as_ref());
        reset(to_server.as_ref());
    } else {
        // Each direction ends by itself: a peer sees the end of one while the other goes on.
        tokio::join!(inward, outward);
    }
}

/// Copies up to `limit` bytes, and then closes the direction.
async fn pass(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, mut limit: u64) {
    let mut buffer = vec![0; 16 * 1024];
    while limit > 0 {
        let room = buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let Ok(count @ 1..) = from.read(&mut buffer[..room]).await else { break };
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        limit -= count as u64;
    }
    drop(to.shutdown().await);
}

fn reset(stream: &TcpStream) {
    drop(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

/// A message that says what it is and whose bytes can be checked.
fn message(id: u64, dice: &mut Dice) -> Message {
    let length = if dice.one_in(12) { 200 * 1024 } else { dice.below(300) as usize };
    Message::new(body(id, length))
}

fn body(id: u64, length: usize) -> Vec<u8> {
    let mut body = id.to_le_bytes().to_vec();
    body.extend((0..length).map(|at| (id as usize + at) as u8));
    body
}

/// The id of a message that came, which is as it was sent.
fn id_of(delivery: &Delivery) -> u64 {
    let message = delivery.message().expect("the message is whole");
    let bytes = message.body_bytes().expect("its body is bytes");
    let id = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, body(id, bytes.len() - 8), "the message is another than the one that was sent");
    id
}

fn tagged(id: u64) -> SendOptions {
    SendOptions { tag: DeliveryTag::new(&id.to_be_bytes()), ..SendOptions::default() }
}

fn id_of_tag(delivery: &Delivery) -> u64 {
    u64::from_be_bytes(delivery.tag().as_slice().try_into().unwrap())
}

/// What the server knows; tests look at it from outside.
#[derive(Default)]
struct Books {
    received: HashSet<u64>,
    /// Of each queue: messages that no client has.
    waiting: HashMap<String, Vec<u64>>,
    /// Sent and not settled.
    under_way: HashSet<u64>,
    delivered: HashSet<u64>,
    to_deliver: usize,
}

struct Server {
    books: Arc<Mutex<Books>>,
    dice: Dice,
    senders: Vec<Sender>,
    later: Vec<Delivery>,
    listening: Option<mpsc::UnboundedSender<Listener>>,
    done: watch::Sender<bool>,
}

impl Server {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&mut self, sender: &Sender) {
        let Some(address) = sender.remote_source().and_then(|source| source.address) else { return };
        while sender.credit() > 0 {
            let Some(id) = self.books().waiting.get_mut(&address).and_then(Vec::pop) else { return };
            if sender.send_now_with(message(id, &mut self.dice), tagged(id)).is_err() {
                self.books().waiting.entry(address).or_default().push(id);
                return;
            }
            assert!(self.books().under_way.insert(id));
        }
    }

    fn settle_later(&mut self) {
        for delivery in self.later.drain(..) {
            // Its wire may be gone: then it comes again, or its sender knows that nobody knows.
            drop(delivery.accept());
        }
    }

    /// A message that no client took is for the next one that can have it.
    fn again(&mut self, delivery: &Delivery) {
        let id = id_of_tag(delivery);
        assert!(self.books().under_way.remove(&id), "a second fate for {id}");
        let address = format!("out-{}", id >> 32);
        self.books().waiting.entry(address).or_default().push(id);
        for sender in self.senders.clone() {
            self.send(&sender);
        }
    }
}

impl MessagingHandler for Server {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen(ListenOptions::new("amqp://127.0.0.1:0")).unwrap();
        self.listening.take().unwrap().send(listener).unwrap();
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, link: &Link) {
        if let Link::Sender(sender) = link {
            self.senders.push(sender.clone());
            self.send(sender);
        }
    }

    fn on_link_opening(&mut self, _: &mut Context<'_>, link: &Link) {
        if let Link::Receiver(receiver) = link {
            receiver.set_credit_window(1 + self.dice.below(20) as u32);
        }
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, connection: &Connection) {
        self.senders.retain(|sender| sender.connection() != *connection);
        self.later.retain(|delivery| delivery.connection() != *connection);
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        self.send(sender);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.books().received.insert(id_of(delivery));
        if self.dice.one_in(4) {
            if self.later.is_empty() {
                cx.schedule(Duration::from_millis(1), 0);
            }
            self.later.push(delivery.clone());
            return Ack::Later;
        }
        if self.dice.one_in(4) {
            self.settle_later();
        }
        Ack::Accept
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        let id = id_of_tag(delivery);
        let all = {
            let mut books = self.books();
            assert!(books.under_way.remove(&id), "a second fate for {id}");
            assert!(books.delivered.insert(id), "{id} was accepted twice");
            books.delivered.len() == books.to_deliver
        };
        if all {
            self.done.send_replace(true);
        }
    }

    fn on_released(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.again(delivery);
    }

    fn on_lost(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.again(delivery);
    }

    fn on_timer(&mut self, _: &mut Context<'_>, _: TimerId, _: u64) {
        self.settle_later();
    }
}

/// What a client has to do, and how far it is.
#[derive(Default)]
struct Tally {
    /// Settled by the server, or reported with a fate that says what became of it.
    fates: Mutex<HashMap<u64, Fated>>,
    received: Mutex<HashSet<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fated {
    Accepted,
    Unknown,
    NotSent,
    /// Its handle was dropped: nobody wanted to know.
    Unasked,
}

impl Tally {
    #[track_caller]
    fn note(&self, id: u64, fate: Fated) {
        let before = self.fates.lock().unwrap().insert(id, fate);
        assert_eq!(before, None, "a second fate for {id}: {fate:?}");
    }

    /// Compares with what the server has seen.
    fn check(&self, plans: &[Plan], server: &Books) {
        let fates = self.fates.lock().unwrap();
        for plan in plans {
            for id in plan.ids() {
                let fate = *fates.get(&id).unwrap_or_else(|| panic!("{id:#x} has no fate"));
                let came = server.received.contains(&id);
                match fate {
                    Fated::Accepted => assert!(came, "{id:#x} was accepted but never received"),
                    Fated::NotSent => assert!(!came, "{id:#x} was received but counts as not sent"),
                    Fated::Unasked if plan.recovery == Recovery::Replay => assert!(came, "{id:#x} was lost"),
                    Fated::Unknown => assert_eq!(plan.recovery, Recovery::Report, "{id:#x} was not replayed"),
                    Fated::Unasked => {}
                }
            }
        }
        let received = self.received.lock().unwrap();
        assert!(server.delivered.iter().all(|id| received.contains(id)), "accepted, but not by this client");
    }
}

/// One of the client's senders.
#[derive(Clone, Copy)]
struct Plan {
    link: u64,
    recovery: Recovery,
    /// The server settles after we have.
    second: bool,
}

impl Plan {
    fn ids(self) -> impl Iterator<Item = u64> {
        (0..MESSAGES).map(move |number| self.link << 32 | number)
    }

    fn options(self) -> SenderOptions {
        let options = SenderOptions::new(format!("in-{}", self.link)).recovery(self.recovery);
        options.rcv_settle_mode(mode(self.second))
    }
}

/// The links of a run: some senders, and receivers of the server's queues.
struct Scene {
    plans: Vec<Plan>,
    queues: u64,
}

impl Scene {
    fn new(dice: &mut Dice) -> Self {
        let (links, queues) = (2 + dice.below(3), 1 + dice.below(2));
        let plan = |link| Plan {
            link,
            recovery: if link % 2 == 0 { Recovery::Replay } else { Recovery::Report },
            second: dice.one_in(3),
        };
        Self { plans: (0..links).map(plan).collect(), queues }
    }

    fn books(&self) -> Books {
        let waiting = (0..self.queues).map(|queue| {
            let queue = 100 + queue;
            (format!("out-{queue}"), (0..MESSAGES).map(|number| queue << 32 | number).collect())
        });
        Books {
            waiting: waiting.collect(),
            to_deliver: (self.queues * MESSAGES) as usize,
            ..Books::default()
        }
    }

    /// With `second`, some of them settle after the server has.
    fn receivers(&self, dice: &mut Dice, second: bool) -> Vec<ReceiverOptions> {
        let mut receiver = |number| {
            let mode = mode(second && dice.one_in(3));
            let options = ReceiverOptions::new(format!("out-{}", 100 + number / 2)).rcv_settle_mode(mode);
            options.credit_window(1 + dice.below(12) as u32)
        };
        (0..self.queues * 2).map(&mut receiver).collect()
    }
}

fn mode(second: bool) -> ReceiverSettleMode {
    if second { ReceiverSettleMode::Second } else { ReceiverSettleMode::First }
}

fn session_options(dice: &mut Dice) -> SessionOptions {
    SessionOptions::new().incoming_window(1 + dice.below(30) as u32)
}

fn connect_options(proxy: SocketAddr) -> ConnectOptions {
    let backoff = Backoff::new().initial(Duration::from_millis(1)).max_delay(Duration::from_millis(4));
    ConnectOptions::new(format!("amqp://{proxy}")).backoff(backoff)
}

/// A client without callbacks.
async fn async_client(
    options: ConnectOptions,
    scene: &Scene,
    tally: Arc<Tally>,
    done: watch::Receiver<bool>,
    mut dice: Dice,
) {
    let connection = Container::new().connect(options).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..1 + dice.below(3) {
        sessions.push(connection.open_session(session_options(&mut dice)).unwrap());
    }
    let mut work = JoinSet::new();
    let mut links = Vec::new();
    for plan in &scene.plans {
        let session = &sessions[dice.below(sessions.len() as u64) as usize];
        let sender = session.sender(plan.options()).await.unwrap();
        links.push(Link::Sender(sender.clone()));
        work.spawn(send_all(sender, *plan, Arc::clone(&tally), Dice(dice.roll())));
    }
    for options in scene.receivers(&mut dice, true) {
        let session = &sessions[dice.below(sessions.len() as u64) as usize];
        let receiver = session.receiver(options).await.unwrap();
        links.push(Link::Receiver(receiver.clone()));
        work.spawn(receive_all(receiver, Arc::clone(&tally), done.clone(), Dice(dice.roll())));
    }
    while let Some(ended) = work.join_next().await {
        ended.unwrap();
    }
    for link in &links {
        eventually(|| link.unsettled() == 0 && link.queued() == 0).await;
    }
    connection.close().await.unwrap();
}

async fn send_all(sender: Sender, plan: Plan, tally: Arc<Tally>, mut dice: Dice) {
    let window = 1 + dice.below(30) as usize;
    let mut under_way = JoinSet::new();
    for id in plan.ids() {
        let transfer = sender.transfer_with(message(id, &mut dice), tagged(id));
        let delivery = if dice.one_in(10) {
            // Dropped before it is ready, it has sent nothing.
            let given_up = tokio::select! {
                biased;
                delivery = transfer => Some(delivery.unwrap()),
                () = tokio::task::yield_now() => None,
            };
            match given_up {
                Some(delivery) => delivery,
                None => {
                    tally.note(id, Fated::NotSent);
                    continue;
                }
            }
        } else {
            transfer.await.unwrap()
        };
        if dice.one_in(10) {
            tally.note(id, Fated::Unasked);
            continue;
        }
        let tally = Arc::clone(&tally);
        let shared = dice.one_in(4);
        under_way.spawn(async move {
            let other = shared.then(|| delivery.clone());
            let fate = fate_of(delivery.outcome().await);
            tally.note(id, fate);
            if let Some(other) = other {
                drop(delivery);
                assert_eq!(fate_of(other.outcome().await), fate, "the clones disagree");
            }
        });
        while under_way.len() >= window {
            under_way.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.unwrap();
    }
}

fn fate_of(outcome: Result<Outcome, Error>) -> Fated {
    match outcome {
        Ok(outcome) if outcome.is_accepted() => Fated::Accepted,
        Ok(outcome) => panic!("nobody gives the outcome {outcome:?}"),
        Err(error) if error.fate() == Some(Fate::NotSent) => Fated::NotSent,
        Err(error) => {
            assert_eq!(error.deadline(), None, "{error}");
            Fated::Unknown
        }
    }
}

async fn receive_all(receiver: Receiver, tally: Arc<Tally>, mut done: watch::Receiver<bool>, mut dice: Dice) {
    let mut kept = Vec::new();
    loop {
        let patience = Duration::from_millis(1 + dice.below(5));
        let came = tokio::select! {
            came = receiver.recv_timeout(patience) => came,
            _ = done.wait_for(|done| *done) => return,
        };
        match came {
            Ok(delivery) => {
                tally.received.lock().unwrap().insert(id_of(&delivery));
                match dice.below(10) {
                    // Released: for somebody else.
                    0 => drop(delivery),
                    1 | 2 => kept.push(delivery),
                    // Its wire may be gone: then it comes again.
                    _ => drop(delivery.accept()),
                }
            }
            Err(error) if error.deadline().is_some() => {
                kept.drain(..).for_each(|delivery| drop(delivery.accept()));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A client with callbacks.
struct Client {
    options: Option<ConnectOptions>,
    scene: Scene,
    tally: Arc<Tally>,
    dice: Dice,
    connection: Option<Connection>,
    links: Vec<Link>,
    to_send: HashMap<String, Vec<u64>>,
    open: usize,
    kept: Vec<Delivery>,
    served: bool,
}

impl Client {
    fn settled(&mut self, delivery: &Delivery, fate: Fated) {
        self.tally.note(id_of_tag(delivery), fate);
        self.open -= 1;
        self.finish();
    }

    fn finish(&mut self) {
        if self.open == 0 && self.served {
            for link in self.links.drain(..) {
                assert_eq!((link.unsettled(), link.queued()), (0, 0), "{link:?} keeps deliveries");
            }
            if let Some(connection) = self.connection.take() {
                drop(connection.close());
            }
        }
    }
}

impl MessagingHandler for Client {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.options.take().unwrap()).unwrap();
        let mut sessions = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            sessions.push(connection.open_session(session_options(&mut self.dice)).unwrap());
        }
        for plan in &self.scene.plans {
            let session = &sessions[self.dice.below(sessions.len() as u64) as usize];
            let sender = session.open_sender(plan.options()).unwrap();
            self.to_send.insert(sender.name().to_owned(), plan.ids().collect());
            self.open += MESSAGES as usize;
            self.links.push(Link::Sender(sender));
        }
        for options in self.scene.receivers(&mut self.dice, false) {
            let session = &sessions[self.dice.below(sessions.len() as u64) as usize];
            self.links.push(Link::Receiver(session.open_receiver(options).unwrap()));
        }
        self.connection = Some(connection);
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        let Some(ids) = self.to_send.get_mut(sender.name()) else { return };
        // A little more than there is credit for: the rest waits in the link's queue.
        let mut beyond = self.dice.below(3);
        while sender.credit() > 0 || beyond > 0 {
            if sender.credit() == 0 {
                beyond -= 1;
            }
            let Some(id) = ids.pop() else { return };
            drop(sender.send_now_with(message(id, &mut self.dice), tagged(id)).unwrap());
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.settled(delivery, Fated::Accepted);
    }

    fn on_lost(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        let fate = match delivery.known_outcome() {
            Some(Outcome::NotSent) => Fated::NotSent,
            Some(Outcome::Lost) => Fated::Unknown,
            other => panic!("lost with the outcome {other:?}"),
        };
        self.settled(delivery, fate);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.tally.received.lock().unwrap().insert(id_of(delivery));
        match self.dice.below(10) {
            0 => Ack::Release,
            1 | 2 => {
                if self.kept.is_empty() {
                    cx.schedule(Duration::from_millis(1), 0);
                }
                self.kept.push(delivery.clone());
                Ack::Later
            }
            _ => Ack::Accept,
        }
    }

    fn on_timer(&mut self, _: &mut Context<'_>, _: TimerId, _: u64) {
        self.kept.drain(..).for_each(|delivery| drop(delivery.accept()));
    }

    /// The server has nothing more to send.
    fn on_injected(&mut self, _: &mut Context<'_>, _: Box<dyn std::any::Any + Send>) {
        self.kept.clear();
        self.served = true;
        self.finish();
    }
}

async fn eventually(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Runs `work` on a thread of its own, and tells when it is done or has panicked.
fn on_thread(work: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> {
    let (ended, end) = tokio::sync::oneshot::channel();
    let thread = thread::spawn(move || {
        let _ended: tokio::sync::oneshot::Sender<()> = ended;
        work();
    });
    async move {
        drop(end.await);
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn run(seed: u64, with_handler: bool) {
    let mut dice = Dice(seed);
    let scene = Scene::new(&mut dice);
    let books = Arc::new(Mutex::new(scene.books()));
    let (done, is_done) = watch::channel(false);
    let (listening, mut listener) = mpsc::unbounded_channel();
    let server = Server {
        books: Arc::clone(&books),
        dice: Dice(dice.roll()),
        senders: Vec::new(),
        later: Vec::new(),
        listening: Some(listening),
        done,
    };
    let container = Container::new();
    let serving = container.clone();
    let mut server = std::pin::pin!(on_thread(move || serving.run(server).unwrap()));
    let listener = listener.recv().await.expect("the server listens");
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = connect_options(socket.local_addr().unwrap());
    let faults = 2 + dice.below(10);
    let mut network = JoinSet::new();
    network.spawn(proxy(socket, listener.local_addr(), Dice(dice.roll()), faults));

    let tally = Arc::new(Tally::default());
    let (plans, dice) = (scene.plans.clone(), Dice(dice.roll()));
    let client = async {
        if with_handler {
            handler_client(options, scene, Arc::clone(&tally), is_done, dice).await;
        } else {
            async_client(options, &scene, Arc::clone(&tally), is_done, dice).await;
        }
        eventually(|| listener.connections() == 0).await;
    };
    tokio::select! {
        () = client => {}
        () = &mut server => panic!("the server ended"),
    }
    container.stop();
    server.await;
    let books = books.lock().unwrap();
    assert_eq!((books.delivered.len(), books.under_way.len()), (books.to_deliver, 0));
    tally.check(&plans, &books);
}

async fn handler_client(
    options: ConnectOptions,
    scene: Scene,
    tally: Arc<Tally>,
    mut done: watch::Receiver<bool>,
    dice: Dice,
) {
    let container = Container::new();
    let injector = container.injector();
    let client = Client {
        options: Some(options),
        scene,
        tally,
        dice,
        connection: None,
        links: Vec::new(),
        to_send: HashMap::new(),
        open: 0,
        kept: Vec::new(),
        served: false,
    };
    let client = on_thread(move || container.run(client).unwrap());
    let served = async move {
        done.wait_for(|done| *done).await.unwrap();
        injector.inject(());
    };
    tokio::join!(client, served);
}

/// Runs all seeds, or those that the environment names.
fn seeds(with_handler: bool) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("DEUTERON_CHAOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DEUTERON_CHAOS_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        // Every other run with threads, so that handles and drivers meet in the middle of things.
        let mut builder = match seed % 2 {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let named = Named(seed);
        let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, run(seed, with_handler)).await });
        assert!(ended.is_ok(), "it hangs");
        drop(named);
    }
}

/// Says which seed failed.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the failing run was that of DEUTERON_CHAOS_SEED={}", self.0);
        }
    }
}

#[test]
fn no_message_is_lost_on_breaking_wires_without_a_handler() {
    seeds(false);
}

#[test]
fn no_message_is_lost_on_breaking_wires_with_a_handler() {
    seeds(true);
}
