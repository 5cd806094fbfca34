//! Scripted peers behind a loopback socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::ScriptedPeer;

/// How long a script waits for the other side before it fails with the step it is at. It only bounds how long a
/// failing test hangs; no passing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs [`ScriptedPeer`]s over TCP on a thread.
///
/// When its script is done, a peer ends its side of the stream and reads on until the other side has ended too;
/// a script that must see the other side end first says [`expect_eof`](ScriptedPeer::expect_eof).
#[derive(Debug)]
pub struct TcpScript;

impl TcpScript {
    /// Listens on a free loopback port and serves one connection with the script.
    ///
    /// # Panics
    /// If no loopback port can be had.
    pub fn serve(script: ScriptedPeer) -> (SocketAddr, ScriptHandle) {
        Self::serve_each([script])
    }

    /// Listens on a free loopback port and serves connections one after the other, each with the next script.
    ///
    /// # Panics
    /// If no loopback port can be had.
    pub fn serve_each(scripts: impl IntoIterator<Item = ScriptedPeer>) -> (SocketAddr, ScriptHandle) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        (address, Self::serve_on(listener, scripts))
    }

    /// Listens on an address of this machine, and serves connections one after the other, each with the next script.
    ///
    /// # Panics
    /// If the address cannot be had.
    pub fn listen(address: SocketAddr, scripts: impl IntoIterator<Item = ScriptedPeer>) -> ScriptHandle {
        let listener = TcpListener::bind(address);
        Self::serve_on(listener.unwrap_or_else(|error| panic!("{address}: {error}")), scripts)
    }

    fn serve_on(listener: TcpListener, scripts: impl IntoIterator<Item = ScriptedPeer>) -> ScriptHandle {
        let scripts: Vec<_> = scripts.into_iter().collect();
        let thread = thread::spawn(move || {
            let mut finished = Vec::new();
            for script in scripts {
                let (stream, _) = listener.accept().map_err(|error| format!("accept: {error}"))?;
                finished.push(run(stream, script)?);
            }
            Ok(finished)
        });
        ScriptHandle { thread }
    }

    /// Connects to an address and plays the script as the client.
    pub fn connect(address: SocketAddr, script: ScriptedPeer) -> ScriptHandle {
        let thread = thread::spawn(move || {
            let stream =
                TcpStream::connect(address).map_err(|error| format!("connect to {address}: {error}"))?;
            Ok(vec![run(stream, script)?])
        });
        ScriptHandle { thread }
    }
}

/// A script that runs on its thread.
#[derive(Debug)]
pub struct ScriptHandle {
    thread: JoinHandle<Result<Vec<ScriptedPeer>, String>>,
}

impl ScriptHandle {
    /// Waits for the scripts to end and returns the peers, so that what they received can be looked at.
    ///
    /// # Panics
    /// With the step that failed and what came instead, if one did.
    #[track_caller]
    pub fn join(self) -> Vec<ScriptedPeer> {
        match self.thread.join() {
            Ok(Ok(peers)) => peers,
            Ok(Err(text)) => panic!("{text}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Whether all scripts have ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

fn run(mut stream: TcpStream, mut script: ScriptedPeer) -> Result<ScriptedPeer, String> {
    let outcome = converse(&mut stream, &mut script);
    let _ = stream.shutdown(Shutdown::Both);
    match (script.failure(), outcome) {
        (Some(failure), _) => Err(format!("the script failed {failure}\n{}", script.transcript())),
        (None, Err(error)) => Err(format!("{error}, script {}\n{}", script.position(), script.transcript())),
        (None, Ok(())) if !script.is_done() => {
            Err(format!("the stream ended, script {}\n{}", script.position(), script.transcript()))
        }
        (None, Ok(())) => Ok(script),
    }
}

fn converse(stream: &mut TcpStream, script: &mut ScriptedPeer) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    let mut write_open = true;
    loop {
        let output = script.output();
        if write_open {
            stream.write_all(&output)?;
        }
        if script.has_dropped_wire() || script.failure().is_some() {
            return Ok(());
        }
        if script.is_done() && write_open {
            stream.shutdown(Shutdown::Write)?;
            write_open = false;
        }
        match stream.read(&mut buffer) {
            Ok(0) => {
                script.input_end();
                let output = script.output();
                return if write_open { stream.write_all(&output) } else { Ok(()) };
            }
            Ok(count) => script.input(&buffer[..count]),
            Err(error) if script.is_done() && error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TcpScript;
    use crate::ScriptedPeer;

    #[test]
    fn two_scripts_talk_over_loopback() {
        let mut server = ScriptedPeer::new();
        server.accepts_session().accepts_close();
        let mut client = ScriptedPeer::new();
        client.opens_session().send_close();
        client.expect_close();
        let (address, server) = TcpScript::serve(server);
        let client = TcpScript::connect(address, client);
        assert_eq!(server.join()[0].frames("begin").len(), 1);
        client.join();
    }
}
