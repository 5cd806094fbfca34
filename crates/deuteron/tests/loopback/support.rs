//! Programs and peers that the tests talk to.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver as Channel, Sender as ChannelEnd};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use deuteron::sasl::{Password, Users};
use deuteron::{
    Ack, ConnectOptions, Connection, Container, Context, Deadlines, Delivery, Error, Injector, Link,
    ListenOptions, Listener, MessagingHandler, Receiver, Sender, Session, TimerId,
};
use socket2::{Domain, Socket, Type};

/// How long a wait may take before the test fails. No passing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A deadline that passes while a peer does nothing.
pub(crate) const SOON: Option<Duration> = Some(Duration::from_millis(50));

/// Awaits something that is going to happen.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    let since = Instant::now();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            // The timer looks at the future a last time before it gives up.
            Ok(_) if since.elapsed() >= PATIENCE => {
                panic!("what is awaited at {caller} has happened, but nobody was woken");
            }
            Ok(output) => output,
            Err(_) => panic!("what is awaited at {caller} does not happen"),
        }
    }
}

/// Lets other tasks run until something holds.
#[track_caller]
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

/// As [`eventually`], for tests without a runtime.
#[track_caller]
pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "what is waited for does not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Polls a future once, which has to be ready.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}

/// A value that one thread leaves for another.
#[derive(Debug, Default)]
pub(crate) struct Slot<T>(Mutex<Option<T>>, Condvar);

impl<T> Slot<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None), Condvar::new()))
    }

    pub(crate) fn put(&self, value: T) {
        *self.0.lock().unwrap() = Some(value);
        self.1.notify_all();
    }

    #[track_caller]
    pub(crate) fn take(&self) -> T {
        let guard = self.0.lock().unwrap();
        let (mut guard, _) = self.1.wait_timeout_while(guard, PATIENCE, |value| value.is_none()).unwrap();
        guard.take().expect("nobody leaves the value")
    }
}

/// A message whose body is the text `hello`, encoded.
pub(crate) const HELLO: &[u8] = b"\x00\x53\x77\xa1\x05hello";

/// Options to listen on a free loopback port.
pub(crate) fn loopback() -> ListenOptions {
    ListenOptions::new("amqp://127.0.0.1:0")
}

pub(crate) fn url(listener: &Listener) -> String {
    format!("amqp://{}", listener.local_addr())
}

/// Options to connect to a scripted peer: without SASL.
pub(crate) fn to(address: SocketAddr) -> ConnectOptions {
    ConnectOptions::new(format!("amqp://{address}")).sasl(false)
}

/// Default deadlines with one of them changed.
pub(crate) fn deadlines(change: impl FnOnce(&mut Deadlines)) -> Deadlines {
    let mut deadlines = Deadlines::default();
    change(&mut deadlines);
    deadlines
}

/// A password database with the user `alice` and the password `wonderland`.
pub(crate) fn users() -> Option<Arc<dyn deuteron::sasl::Authenticator>> {
    let mut users = Users::new();
    users.add("alice", &Password::from("wonderland"), b"sixteen rnd byte").unwrap();
    Some(Arc::new(users))
}

/// A loopback port on which nobody listens yet. Nobody else can have it.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    socket: Arc<Socket>,
    pub(crate) address: SocketAddr,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { socket: Arc::new(socket), address }
    }

    /// Lets somebody listen on the port; only then, as the system might give it to anybody otherwise who asks for
    /// any port.
    pub(crate) fn lend<R>(&self, listen: impl FnOnce() -> R) -> R {
        self.socket.set_reuse_address(true).unwrap();
        let result = listen();
        self.socket.set_reuse_address(false).unwrap();
        result
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Takes so few connections that further ones hang: the queue of those to be accepted is full.
    pub(crate) fn clogged(self) -> (Self, Vec<Socket>) {
        self.socket.listen(0).unwrap();
        let fill = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            drop(socket.connect(&self.address.into()));
            socket
        };
        let fillers = (0..4).map(|_| fill()).collect();
        (self, fillers)
    }
}

/// A server that takes connections and never says anything. Connections are read, so that what the client writes
/// does not pile up, and are closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
}

impl Silent {
    /// The system completes connections that nobody accepts: no thread is needed.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self { address: listener.local_addr().unwrap(), _listener: listener }
    }
}

/// A raw client: writes bytes and reads until the other side ends.
pub(crate) fn say(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// All that comes until the other side ends, however it does.
pub(crate) fn hear(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the other side does not end: {error}"),
    }
    heard
}

/// A callback that was called.
#[allow(dead_code, reason = "fields that no test looks at are shown when one fails")]
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    ConnectionOpening(Connection),
    ConnectionOpened(Connection),
    ConnectionClosing(Connection),
    ConnectionClosed(Connection),
    ConnectionError(Connection, Error),
    SessionOpening(Session),
    SessionOpened(Session),
    SessionClosing(Session),
    SessionClosed(Session),
    SessionError(Session, Error),
    LinkOpening(Link),
    LinkOpened(Link),
    LinkDetached(Link),
    LinkClosing(Link),
    LinkClosed(Link),
    LinkError(Link, Error),
    LinkInterrupted(Link, Error, Duration),
    SessionInterrupted(Session, Error, Duration),
    AddressChanged(Link, String, String),
    Sendable(Sender),
    Message(Delivery),
    Aborted(Delivery),
    Accepted(Delivery),
    Rejected(Delivery),
    Released(Delivery),
    Modified(Delivery),
    Settled(Delivery),
    Lost(Delivery),
    Drained(Link),
    TransportError(Connection, Error),
    Disconnected(Connection, Error, bool),
    Reconnecting(Connection, u32, Duration),
    GaveUp(Connection, Error, u32),
    Timer(TimerId, u64),
    Injected(Arc<str>),
    ListenerError(Listener, Error),
}

impl Seen {
    /// The name of the callback, without `on_`.
    pub(crate) fn name(&self) -> String {
        let text = format!("{self:?}");
        let end = text.find('(').unwrap_or(text.len());
        let mut name = String::new();
        for letter in text[..end].chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

type React = Box<dyn FnMut(&mut Context<'_>, &Seen) -> Ack + Send>;

/// A handler that tells the test of every callback, after it has reacted to it.
struct Watch {
    seen: ChannelEnd<Seen>,
    react: React,
}

impl Watch {
    fn tell(&mut self, cx: &mut Context<'_>, seen: Seen) -> Ack {
        let ack = (self.react)(cx, &seen);
        // The test may have seen enough.
        drop(self.seen.send(seen));
        ack
    }
}

macro_rules! watch {
    ($($callback:ident($name:ident: $kind:ty) => $seen:ident;)*) => {
        $(fn $callback(&mut self, cx: &mut Context<'_>, $name: $kind) {
            self.tell(cx, Seen::$seen($name.clone()));
        })*
    };
}

impl MessagingHandler for Watch {
    fn on_message(&mut self, cx: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.tell(cx, Seen::Message(delivery.clone()))
    }
    fn on_injected(&mut self, cx: &mut Context<'_>, event: Box<dyn Any + Send>) {
        let text = event.downcast_ref::<&str>().copied().unwrap_or("not a text");
        self.tell(cx, Seen::Injected(text.into()));
    }
    fn on_connection_error(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error) {
        self.tell(cx, Seen::ConnectionError(connection.clone(), error.clone()));
    }
    fn on_session_error(&mut self, cx: &mut Context<'_>, session: &Session, error: &Error) {
        self.tell(cx, Seen::SessionError(session.clone(), error.clone()));
    }
    fn on_link_error(&mut self, cx: &mut Context<'_>, link: &Link, error: &Error) {
        self.tell(cx, Seen::LinkError(link.clone(), error.clone()));
    }
    fn on_link_interrupted(&mut self, cx: &mut Context<'_>, link: &Link, error: &Error, delay: Duration) {
        self.tell(cx, Seen::LinkInterrupted(link.clone(), error.clone(), delay));
    }
    fn on_address_changed(&mut self, cx: &mut Context<'_>, link: &Link, before: &str, now: &str) {
        self.tell(cx, Seen::AddressChanged(link.clone(), before.to_owned(), now.to_owned()));
    }
    fn on_session_interrupted(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        error: &Error,
        delay: Duration,
    ) {
        self.tell(cx, Seen::SessionInterrupted(session.clone(), error.clone(), delay));
    }
    fn on_transport_error(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error) {
        self.tell(cx, Seen::TransportError(connection.clone(), error.clone()));
    }
    fn on_disconnected(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error, retry: bool) {
        self.tell(cx, Seen::Disconnected(connection.clone(), error.clone(), retry));
    }
    fn on_reconnecting(&mut self, cx: &mut Context<'_>, connection: &Connection, n: u32, delay: Duration) {
        self.tell(cx, Seen::Reconnecting(connection.clone(), n, delay));
    }
    fn on_gave_up(&mut self, cx: &mut Context<'_>, connection: &Connection, error: &Error, attempts: u32) {
        self.tell(cx, Seen::GaveUp(connection.clone(), error.clone(), attempts));
    }
    fn on_timer(&mut self, cx: &mut Context<'_>, timer: TimerId, token: u64) {
        self.tell(cx, Seen::Timer(timer, token));
    }
    fn on_listener_error(&mut self, cx: &mut Context<'_>, listener: &Listener, error: &Error) {
        self.tell(cx, Seen::ListenerError(listener.clone(), error.clone()));
    }
    watch! {
        on_connection_opening(connection: &Connection) => ConnectionOpening;
        on_connection_opened(connection: &Connection) => ConnectionOpened;
        on_connection_closing(connection: &Connection) => ConnectionClosing;
        on_connection_closed(connection: &Connection) => ConnectionClosed;
        on_session_opening(session: &Session) => SessionOpening;
        on_session_opened(session: &Session) => SessionOpened;
        on_session_closing(session: &Session) => SessionClosing;
        on_session_closed(session: &Session) => SessionClosed;
        on_link_opening(link: &Link) => LinkOpening;
        on_link_opened(link: &Link) => LinkOpened;
        on_link_detached(link: &Link) => LinkDetached;
        on_link_closing(link: &Link) => LinkClosing;
        on_link_closed(link: &Link) => LinkClosed;
        on_sendable(sender: &Sender) => Sendable;
        on_message_aborted(delivery: &Delivery) => Aborted;
        on_accepted(delivery: &Delivery) => Accepted;
        on_rejected(delivery: &Delivery) => Rejected;
        on_released(delivery: &Delivery) => Released;
        on_modified(delivery: &Delivery) => Modified;
        on_settled(delivery: &Delivery) => Settled;
        on_lost(delivery: &Delivery) => Lost;
        on_drained(link: &Link) => Drained;
    }
}

/// A container whose loop runs on a thread of its own, commanded by the test.
///
/// The test sees every callback, in order: [`next`](Self::next) is the next one, [`until`](Self::until) the next of
/// a kind. Dropping the program stops it.
pub(crate) struct Program {
    pub(crate) container: Container,
    injector: RefCell<Option<Injector>>,
    seen: Channel<Seen>,
    ended: Channel<Result<(), Error>>,
    log: RefCell<Vec<String>>,
}

impl Program {
    /// A program that accepts all messages.
    pub(crate) fn new() -> Self {
        Self::reacting(|_, _| Ack::Accept)
    }

    /// A program that does something in its callbacks.
    pub(crate) fn reacting(react: impl FnMut(&mut Context<'_>, &Seen) -> Ack + Send + 'static) -> Self {
        Self::of(Container::new(), react)
    }

    pub(crate) fn of(
        container: Container,
        react: impl FnMut(&mut Context<'_>, &Seen) -> Ack + Send + 'static,
    ) -> Self {
        let (tell, seen) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let injector = container.injector();
        let watch = Watch { seen: tell, react: Box::new(react) };
        let looped = container.clone();
        drop(thread::spawn(move || end.send(looped.run(watch))));
        Self { container, injector: RefCell::new(Some(injector)), seen, ended, log: RefCell::default() }
    }

    /// Runs something on the loop's thread and returns what it returns.
    #[track_caller]
    pub(crate) fn run<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
    ) -> R {
        let slot = Slot::new();
        let answer = Arc::clone(&slot);
        let injector = self.injector.borrow();
        injector.as_ref().expect("the program is not released").run(move |cx| answer.put(command(cx)));
        slot.take()
    }

    /// Connects.
    #[track_caller]
    pub(crate) fn connect(&self, options: impl Into<ConnectOptions>) -> Connection {
        let options = options.into();
        self.run(move |cx| cx.connect(options)).unwrap()
    }

    /// Listens.
    #[track_caller]
    pub(crate) fn listen(&self, options: impl Into<ListenOptions>) -> Listener {
        let options = options.into();
        self.run(move |cx| cx.listen(options)).unwrap()
    }

    /// The next callback.
    #[track_caller]
    pub(crate) fn next(&self) -> Seen {
        match self.seen.recv_timeout(PATIENCE) {
            Ok(seen) => {
                self.log.borrow_mut().push(format!("{seen:?}"));
                seen
            }
            Err(error) => panic!("no further callback ({error}) after {:#?}", self.log.borrow()),
        }
    }

    /// The next callback for which `pick` finds something; those before it are passed over.
    #[track_caller]
    pub(crate) fn until<R>(&self, mut pick: impl FnMut(&Seen) -> Option<R>) -> R {
        loop {
            if let Some(found) = pick(&self.next()) {
                return found;
            }
        }
    }

    /// The names of the callbacks up to and including the next one called `last`.
    #[track_caller]
    pub(crate) fn names_until(&self, last: &str) -> Vec<String> {
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != last) {
            names.push(self.next().name());
        }
        names
    }

    #[track_caller]
    pub(crate) fn opened(&self) -> Connection {
        self.until(|seen| match seen {
            Seen::ConnectionOpened(connection) => Some(connection.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn closed(&self) -> Connection {
        self.until(|seen| match seen {
            Seen::ConnectionClosed(connection) => Some(connection.clone()),
            _ => None,
        })
    }

    /// The error of the next failure of a transport, and whether there is going to be another attempt.
    #[track_caller]
    pub(crate) fn disconnected(&self) -> (Error, bool) {
        self.until(|seen| match seen {
            Seen::Disconnected(_, error, retry) => Some((error.clone(), *retry)),
            _ => None,
        })
    }

    /// The last error and the number of attempts.
    #[track_caller]
    pub(crate) fn gave_up(&self) -> (Error, u32) {
        self.until(|seen| match seen {
            Seen::GaveUp(_, error, attempts) => Some((error.clone(), *attempts)),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn link_opened(&self) -> Link {
        self.until(|seen| match seen {
            Seen::LinkOpened(link) => Some(link.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn link_error(&self) -> Error {
        self.until(|seen| match seen {
            Seen::LinkError(_, error) => Some(error.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn message(&self) -> Delivery {
        self.until(|seen| match seen {
            Seen::Message(delivery) => Some(delivery.clone()),
            _ => None,
        })
    }

    /// Waits until the loop has ended by itself, and returns the callbacks that were not looked at.
    #[track_caller]
    pub(crate) fn ends(self) -> Vec<Seen> {
        self.injector.borrow_mut().take();
        match self.ended.recv_timeout(PATIENCE) {
            Ok(result) => result.unwrap(),
            Err(_) => panic!("the loop does not end after {:#?}", self.log.borrow()),
        }
        self.seen.try_iter().collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.container.stop();
        self.injector.borrow_mut().take();
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("log", &self.log).finish_non_exhaustive()
    }
}

/// The receiver that the other side of an asynchronous connection gets.
pub(crate) async fn accept_receiver(connection: &Connection) -> Receiver {
    match within(connection.accept_link()).await.unwrap() {
        Link::Receiver(receiver) => {
            receiver.accept();
            receiver
        }
        Link::Sender(_) => panic!("expected a receiver"),
    }
}

/// The sender that the other side of an asynchronous connection gets.
pub(crate) async fn accept_sender(connection: &Connection) -> Sender {
    match within(connection.accept_link()).await.unwrap() {
        Link::Sender(sender) => {
            sender.accept();
            sender
        }
        Link::Receiver(_) => panic!("expected a sender"),
    }
}
