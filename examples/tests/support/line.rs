use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A TCP connection in the middle, which a test can cut: a port that stays the same while the server behind it seems to
/// come and go.
#[derive(Clone)]
pub struct Line {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    server: Option<SocketAddr>,
    streams: Vec<TcpStream>,
}

impl Line {
    /// A line to the server with this port of the loopback interface. It is up.
    pub fn to(port: u16) -> Self {
        let line = Self::down();
        line.up(port);
        line
    }

    /// A line that is down: it breaks every connection at once.
    pub fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { server: None, streams: Vec::new() }));
        let line = Self { address: listener.local_addr().unwrap(), state: Arc::clone(&state) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut state = state.lock().unwrap();
                // Dropping the stream closes it.
                let (Ok(client), Some(server)) = (client, state.server) else { continue };
                let server = TcpStream::connect(server).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    state.streams.push(from.try_clone().unwrap());
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || copy(from, to));
                }
            }
        });
        line
    }

    pub fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Breaks all connections; the next ones go through.
    pub fn cut(&self) {
        for stream in self.state.lock().unwrap().streams.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through to this port.
    pub fn up(&self, port: u16) {
        self.state.lock().unwrap().server = Some(([127, 0, 0, 1], port).into());
    }

    /// Breaks all connections, and all that come.
    pub fn take_down(&self) {
        self.state.lock().unwrap().server = None;
        self.cut();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 8192];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
        && to.write_all(&buffer[..count]).is_ok()
    {}
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
