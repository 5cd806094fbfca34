use crate::{is_installed, root};
use std::fmt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long a peer may stay silent before a test gives up on it: far beyond what anything takes, and no part of any claim.
const PATIENCE: Duration = Duration::from_secs(90);

/// One of the programs of `interop/peers/`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `proton_peer.py`: Qpid Proton's Python package.
    Proton,
    /// `rhea_peer.js`: rhea, on node.
    Rhea,
    /// `go_amqp/`: Azure's go-amqp. It is a client only.
    GoAmqp,
    /// `fe2o3/`: fe2o3-amqp, in Rust.
    Fe2o3,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Proton, Self::Rhea, Self::GoAmqp, Self::Fe2o3];

    /// The name that `types.json` and `.peers/missing` know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proton => "proton",
            Self::Rhea => "rhea",
            Self::GoAmqp => "go-amqp",
            Self::Fe2o3 => "fe2o3",
        }
    }

    /// The name and the version that the interop table shows.
    pub fn title(self) -> &'static str {
        match self {
            Self::Proton => "Proton 0.40.0",
            Self::Rhea => "rhea 3.0.5",
            Self::GoAmqp => "go-amqp 1.7.0",
            Self::Fe2o3 => "fe2o3-amqp 0.18.4",
        }
    }

    /// Another one, with a server.
    pub fn other(self) -> Self {
        match self {
            Self::Proton => Self::Rhea,
            Self::Rhea | Self::GoAmqp | Self::Fe2o3 => Self::Proton,
        }
    }

    /// Whether its library keeps the pairs of a map in their order. (Go's maps have none.)
    pub fn keeps_order(self) -> bool {
        self != Self::GoAmqp
    }

    /// Whether it is installed. If not, says so, and that the test is left out.
    ///
    /// # Panics
    /// When it is not there though the environment has `CI`: there, nothing may be left out.
    pub fn is_installed(self) -> bool {
        let file = match self {
            Self::Proton => "bin/python",
            Self::Rhea => "node_modules/rhea",
            Self::GoAmqp => "peer",
            Self::Fe2o3 => "peer",
        };
        is_installed(self.name(), file)
    }

    fn command(self) -> Command {
        let root = root();
        let peers = root.join("interop/peers");
        match self {
            Self::Proton => {
                let mut command = Command::new(root.join(".peers/proton/bin/python"));
                command.arg(peers.join("proton_peer.py"));
                command
            }
            Self::Rhea => {
                let mut command = Command::new("node");
                command
                    .env("NODE_PATH", root.join(".peers/rhea/node_modules"))
                    .arg(peers.join("rhea_peer.js"));
                command
            }
            Self::GoAmqp | Self::Fe2o3 => {
                let mut command = Command::new(root.join(format!(".peers/{}/peer", self.name())));
                command.arg("--table").arg(peers.join("types.json"));
                command
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line that a peer printed.
#[derive(Clone, Debug)]
pub struct Event(serde_json::Value);

impl Event {
    /// What happened: `listening`, `received`, …
    pub fn name(&self) -> &str {
        self.text("event")
    }

    /// A field, or null.
    pub fn field(&self, name: &str) -> &serde_json::Value {
        &self.0[name]
    }

    /// A field that is text; empty when it is absent or something else.
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A field that is a number; 0 when it is absent or something else.
    pub fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_default()
    }
}

/// A running peer. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Peer {
    kind: Kind,
    child: Child,
    // The peer ends when its input does; so it cannot outlive this process even if that is killed.
    _input: ChildStdin,
    output: mpsc::UnboundedReceiver<Event>,
    complaints: JoinHandle<String>,
    seen: Vec<Event>,
}

impl Peer {
    /// Starts a peer in a role; `interop/peers/README.md` lists roles and options.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start<S: AsRef<str>>(kind: Kind, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = kind.command();
        command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env_remove("PN_TRACE_FRM");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{kind} cannot be started: {error}"));
        let input = child.stdin.take().expect("its input is a pipe");
        let output = read_events(child.stdout.take().expect("its output is a pipe"));
        let mut errors = child.stderr.take().expect("its errors are a pipe");
        let complaints = tokio::spawn(async move {
            let mut text = String::new();
            // What is not text is no message either.
            let _ = errors.read_to_string(&mut text).await;
            text
        });
        Self { kind, child, _input: input, output, complaints, seen: Vec::new() }
    }

    /// Starts the server role with some options, and waits until it listens. Returns it with its port.
    pub async fn listen<S: AsRef<str>>(kind: Kind, options: impl IntoIterator<Item = S>) -> (Self, u16) {
        let options = options.into_iter().map(|option| option.as_ref().to_owned());
        let mut peer = Self::start(kind, std::iter::once("listen".to_owned()).chain(options));
        let port = peer.wait("listening").await.number("port");
        (peer, u16::try_from(port).expect("a port has 16 bits"))
    }

    /// Which program it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Everything it printed so far, as far as it was waited for.
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// The next event, or `None` when it has ended.
    async fn next(&mut self) -> Option<Event> {
        match tokio::time::timeout(PATIENCE, self.output.recv()).await {
            Ok(event) => {
                self.seen.extend(event.clone());
                event
            }
            Err(_) => panic!("{} says nothing any more; so far: {}", self.kind, self.story()),
        }
    }

    /// Waits for an event of that name, past all others.
    ///
    /// # Panics
    /// When the peer ends first, or is silent for long.
    pub async fn wait(&mut self, name: &str) -> Event {
        self.wait_until(name, |event| event.name() == name).await
    }

    /// Waits for an event that meets a condition; `what` names it in the failure.
    ///
    /// # Panics
    /// As [`Peer::wait`].
    pub async fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&Event) -> bool) -> Event {
        loop {
            match self.next().await {
                Some(event) if condition(&event) => return event,
                Some(_) => {}
                None => {
                    let complaints = (&mut self.complaints).await.unwrap_or_default();
                    panic!("{} ended before {what}; it said: {}\n{complaints}", self.kind, self.story());
                }
            }
        }
    }

    /// Waits until it ends by itself, and requires that it found nothing wrong. Returns all it printed.
    ///
    /// # Panics
    /// When its exit status is not 0, or it does not end.
    pub async fn succeed(mut self) -> Vec<Event> {
        while self.next().await.is_some() {}
        let status = self.child.wait().await.expect("its status can be read");
        let complaints = (&mut self.complaints).await.unwrap_or_default();
        assert!(
            status.success(),
            "{} ended with {status}; it said: {}\n{complaints}",
            self.kind,
            self.story()
        );
        std::mem::take(&mut self.seen)
    }

    /// Waits until it ends by itself. Returns all it printed, and whether it found nothing wrong.
    pub async fn end(mut self) -> (Vec<Event>, bool) {
        while self.next().await.is_some() {}
        let status = self.child.wait().await.expect("its status can be read");
        (std::mem::take(&mut self.seen), status.success())
    }

    /// Kills it, as a crash would, and returns all it had printed.
    pub async fn kill(mut self) -> Vec<Event> {
        self.child.kill().await.expect("it can be killed");
        while self.next().await.is_some() {}
        std::mem::take(&mut self.seen)
    }

    fn story(&self) -> String {
        let tail = self.seen.iter().rev().take(20).rev();
        tail.map(|event| event.0.to_string().chars().take(300).collect::<String>())
            .collect::<Vec<_>>()
            .join("\n  ")
    }
}

/// Reads a peer's output all the time: one that cannot print stands still. A library's own chatter is let by.
fn read_events(output: ChildStdout) -> mpsc::UnboundedReceiver<Event> {
    let (read, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(value) = serde_json::from_str(&line) else { continue };
            if read.send(Event(value)).is_err() {
                return;
            }
        }
    });
    events
}
