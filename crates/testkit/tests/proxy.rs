//! Each fault of the proxy, at bytes, frames and kinds of frames, with plain sockets at both ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use deuteron_testkit::wire::{AMQP, Frame, composite, header};
use deuteron_testkit::{Action, Door, Fault, Proxy};

/// How long a failing test hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a side has heard until its stream ended, and how it ended.
type Heard = (Vec<u8>, Option<ErrorKind>);

fn listen_to(mut stream: TcpStream) -> Heard {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (heard, None),
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
            Err(error) => return (heard, Some(error.kind())),
        }
    }
}

/// A server that says something to each who comes, and tells what it hears.
struct Server {
    proxy: Proxy,
    heard: Receiver<Heard>,
}

impl Server {
    fn saying(says: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy::to(listener.local_addr().expect("it is bound")).expect("a proxy");
        let (tell, heard) = channel();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                stream.write_all(&says).expect("the proxy takes it");
                let tell = tell.clone();
                thread::spawn(move || tell.send(listen_to(stream)));
            }
        });
        Self { proxy, heard }
    }

    fn with(faults: &[&str]) -> Self {
        let server = Self::saying(Vec::new());
        faults.iter().for_each(|fault| server.proxy.add(fault.parse().expect("it is a fault")));
        server
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).expect("the proxy listens")
    }

    fn heard(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("the stream ends")
    }

    fn struck(&self, count: usize) {
        self.proxy.wait("the fault", PATIENCE, |seen| seen.struck.len() == count).expect("it strikes");
    }
}

/// A header, and frames of these kinds; where each ends.
fn frames(kinds: &[&str]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header(AMQP).to_vec();
    let mut ends = vec![bytes.len()];
    for kind in kinds {
        let frame = match *kind {
            "empty" => Frame::empty(),
            "transfer" => {
                Frame::new(0, composite("transfer").set("handle", 0_u32)).with_payload(vec![7; 100])
            }
            kind => Frame::new(0, composite(kind)),
        };
        bytes.extend(frame.bytes());
        ends.push(bytes.len());
    }
    (bytes, ends)
}

const KINDS: [&str; 6] = ["open", "transfer", "empty", "transfer", "transfer", "close"];

/// How much of the frames arrives with a fault, and how the stream ends on either side.
fn with_fault(fault: &str) -> (usize, Option<ErrorKind>, Option<ErrorKind>) {
    let server = Server::with(&[fault]);
    let (bytes, _) = frames(&KINDS);
    let mut client = server.connect();
    client.write_all(&bytes).expect("the proxy takes it");
    server.struck(1);
    let (_, end) = listen_to(client);
    let (heard, there) = server.heard();
    assert_eq!(heard, bytes[..heard.len()]);
    (heard.len(), there, end)
}

#[test]
fn a_cut_is_at_its_place_and_in_order() {
    let (_, ends) = frames(&KINDS);
    for (fault, expected) in [
        ("cut at byte 0 from client", 0),
        ("cut at byte 11 from client", 11),
        ("cut before frame 1 from client", 0),
        ("cut after frame 1 from client", 8),
        ("cut after header 1 from client", 8),
        ("cut before open 1 from client", 8),
        ("cut after open 1 from client", ends[1]),
        ("cut before transfer 2 from client", ends[3]),
        ("cut within transfer 3 from client", ends[4] + (ends[5] - ends[4]) / 2),
        ("cut after empty 1 from client", ends[3]),
        ("cut after frame 7 from client", ends[6]),
    ] {
        assert_eq!(with_fault(fault), (expected, None, None), "{fault}");
    }
}

#[test]
fn a_reset_is_one_for_both_sides() {
    let (_, there, end) = with_fault("reset after transfer 1 from client");
    assert_eq!((there, end), (Some(ErrorKind::ConnectionReset), Some(ErrorKind::ConnectionReset)));
}

#[test]
fn a_fault_strikes_once_on_its_connection() {
    let server = Server::with(&["cut at byte 3 from client on connection 2", "cut at byte 5 from client"]);
    for (connection, expected) in [(1, 5), (2, 3), (3, 10)] {
        let mut client = server.connect();
        client.write_all(b"0123456789").expect("the proxy takes it");
        client.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(server.heard().0.len(), expected, "connection {connection}");
    }
    assert_eq!(server.proxy.counts().struck.len(), 2);
}

#[test]
fn a_stalled_connection_stays_open_until_it_is_told_otherwise() {
    let server = Server::saying(b"from the server".to_vec());
    let mut client = server.connect();
    let mut greeting = [0; 15];
    client.read_exact(&mut greeting).expect("the server speaks");
    server.proxy.add("stall at byte 4 from client".parse().expect("a fault"));
    client.write_all(b"0123456789").expect("the proxy takes it");
    server.struck(1);
    assert_eq!(server.proxy.counts().open, 1);
    server.proxy.strike(Action::Cut);
    assert_eq!(server.heard(), (b"0123".to_vec(), None));
    assert_eq!(listen_to(client), (Vec::new(), None));
    server.proxy.wait("the end", PATIENCE, |seen| seen.open == 0).expect("it ends");
}

#[test]
fn half_open_is_dead_in_one_direction_only() {
    let server = Server::with(&["half-open at byte 2 from client"]);
    let mut client = server.connect();
    client.write_all(b"0123456789").expect("the proxy takes it");
    server.struck(1);
    client.shutdown(Shutdown::Write).expect("it is open");
    server.proxy.strike(Action::Reset);
    assert_eq!(server.heard(), (b"01".to_vec(), Some(ErrorKind::ConnectionReset)));
}

#[test]
fn a_byte_is_corrupted_where_it_was_told() {
    for (fault, place) in [("corrupt at byte 4 from client", 4), ("corrupt after header 1 from client", 8)] {
        let server = Server::with(&[fault]);
        let (mut bytes, _) = frames(&["open", "close"]);
        let mut client = server.connect();
        client.write_all(&bytes).expect("the proxy takes it");
        client.shutdown(Shutdown::Write).expect("it is open");
        bytes[place] = !bytes[place];
        assert_eq!(server.heard().0, bytes, "{fault}");
    }
}

#[test]
fn delays_and_rates_take_their_time_and_lose_nothing() {
    for fault in ["delay 30 ms at byte 0 from client", "throttle 10000 at byte 0 from client"] {
        let server = Server::with(&[fault]);
        let began = Instant::now();
        let mut client = server.connect();
        client.write_all(&[b'x'; 1000]).expect("the proxy takes it");
        client.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(server.heard().0.len(), 1000);
        assert!(began.elapsed() >= Duration::from_millis(30), "{fault}: {:?}", began.elapsed());
    }
}

#[test]
fn the_server_side_is_counted_by_itself() {
    let (bytes, ends) = frames(&["open", "begin", "close"]);
    let server = Server::saying(bytes.clone());
    server.proxy.add("cut after begin 1 from server".parse().expect("a fault"));
    let client = server.connect();
    assert_eq!(listen_to(client), (bytes[..ends[2]].to_vec(), None));
    let seen = server.proxy.counts();
    assert_eq!((seen.bytes, seen.connections), ([0, ends[2] as u64], 1));
}

#[test]
fn bytes_that_are_no_frames_pass_as_well() {
    let server = Server::with(&[]);
    let mut client = server.connect();
    let hello = [0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5];
    client.write_all(&hello).expect("the proxy takes it");
    client.write_all(b"x").expect("the proxy takes it");
    client.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(server.heard(), ([hello.as_slice(), b"x"].concat(), None));
}

#[test]
fn the_door_may_be_shut_and_opened_again() {
    let server = Server::with(&[]);
    server.proxy.set_door(Door::Refuse);
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(server.proxy.address()).is_ok() {
        assert!(Instant::now() < end, "it is never refused");
    }
    server.proxy.set_door(Door::Open);
    let mut client = loop {
        if let Ok(client) = TcpStream::connect(server.proxy.address()) {
            break client;
        }
        assert!(Instant::now() < end, "it is always refused");
    };
    client.write_all(b"again").expect("the proxy takes it");
    client.shutdown(Shutdown::Write).expect("it is open");
    let heard = std::iter::repeat_with(|| server.heard().0).find(|heard| !heard.is_empty());
    assert_eq!(heard.as_deref(), Some(b"again".as_slice()));
}

#[test]
fn a_black_hole_takes_everything_and_says_nothing() {
    let server = Server::saying(b"never heard".to_vec());
    server.proxy.set_door(Door::BlackHole);
    let mut client = server.connect();
    client.write_all(b"hello?").expect("it is taken");
    server.proxy.wait("the connection", PATIENCE, |seen| seen.connections == 1).expect("it is taken");
    server.proxy.strike(Action::Reset);
    let (heard, end) = listen_to(client);
    assert_eq!((heard, end), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(server.proxy.counts().bytes, [0, 0]);
}

#[test]
fn faults_that_make_no_sense_are_told() {
    for (text, expected) in [
        ("", "there is no action"),
        ("explode at byte 1 from client", "\"explode\" is no action"),
        ("cut at frame 1 from client", "is no place"),
        ("cut after frames 1 from client", "\"frames\" is no kind of frame"),
        ("cut after frame 0 from client", "counted from 1"),
        ("cut after frame one from client", "\"one\" is no number"),
        ("cut after frame 1", "there is no side"),
        ("cut after frame 1 from me", "'from me' is no side"),
        ("cut after frame 1 from client again", "more than a fault"),
        ("throttle 0 at byte 0 from client", "throttle needs a number"),
        ("delay 3 s at byte 0 from client", "a delay is in ms"),
    ] {
        let error = text.parse::<Fault>().expect_err(text);
        assert!(error.contains(expected) && error.contains("the form is"), "{text}: {error}");
    }
}
