//! What goes over the loopback, read by Wireshark's programs: `dumpcap` writes it down, `tshark` takes it apart.

use crate::{Folder, is_installed};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the capture may take to show what was sent: far beyond what it takes, and no part of any claim.
const PATIENCE: Duration = Duration::from_secs(60);
/// The last bytes of a capture, sent by us on a connection of their own.
const MARKER: &str = "the end of the capture";

/// A capture that runs. It is stopped when this value is dropped.
#[derive(Debug)]
pub struct Capture {
    dumpcap: Child,
    folder: Folder,
    ports: Vec<u16>,
}

impl Capture {
    /// Starts to capture what goes from and to some ports; `None`, and a line that says so, where that cannot be done.
    ///
    /// # Panics
    /// When it cannot be done though the environment has `CI`.
    pub fn start(ports: &[u16]) -> Option<Self> {
        if !is_installed("tshark", "works") {
            return None;
        }
        let folder = Folder::new();
        let filter = ports.iter().map(|port| format!("tcp port {port}")).collect::<Vec<_>>().join(" or ");
        let file = folder.file("capture.pcapng");
        let mut dumpcap = Command::new("dumpcap")
            .args(["-q", "-i", "lo", "-B", "64", "-f", &filter, "-w", &file])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dumpcap starts");
        // It names its file when it captures.
        let said = BufReader::new(dumpcap.stderr.take().expect("it is a pipe")).lines();
        let line = said.map_while(Result::ok).find(|line| line.starts_with("File: "));
        assert!(line.is_some(), "dumpcap ended before it captured anything");
        Some(Self { dumpcap, folder, ports: ports.to_owned() })
    }

    /// Ends the capture once it has all that was sent until now, and reads it.
    ///
    /// # Panics
    /// When nobody listens at the first port any more, or the capture does not show what was sent.
    pub fn finish(mut self) -> Frames {
        let mut marker = TcpStream::connect(("127.0.0.1", self.ports[0])).expect("it is listened on");
        marker.write_all(MARKER.as_bytes()).expect("the marker is sent");
        let deadline = Instant::now() + PATIENCE;
        while self.tshark(&format!("tcp contains \"{MARKER}\""), &["frame.number"]).is_empty() {
            assert!(Instant::now() < deadline, "the capture does not show the marker");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.stop();
        let ours = format!("!(tcp contains \"{MARKER}\")");
        let faults = format!("amqp && {ours} && (_ws.malformed || _ws.expert.severity >= 0x600000)");
        let faults = self.tshark(&faults, &["frame.number", "tcp.port", "_ws.expert.message"]);
        let mut counts = BTreeMap::new();
        for line in
            self.tshark(&format!("amqp && {ours}"), &["amqp.performative", "amqp.sasl.method"]).lines()
        {
            for (column, name) in line.split('\t').zip(["amqp", "sasl"]) {
                for code in column.split(',').filter(|code| !code.is_empty()) {
                    *counts.entry(format!("{name} {code}")).or_default() += 1;
                }
            }
        }
        Frames { faults, counts }
    }

    fn stop(&mut self) {
        // Interrupted, it closes its file; `kill` is a program, since sending a signal needs unsafe code.
        let _ = Command::new("kill").args(["-INT", &self.dumpcap.id().to_string()]).status();
        let _ = self.dumpcap.wait();
    }

    /// Runs tshark over the file, with a filter. What it says of a file that is still written is of no interest.
    fn tshark(&self, filter: &str, fields: &[&str]) -> String {
        let mut command = Command::new("tshark");
        // What TCP itself makes of a full window is none of our frames' faults.
        command.args(["-o", "tcp.analyze_sequence_numbers:FALSE"]);
        command.args(["-r", &self.folder.file("capture.pcapng"), "-Y", filter, "-T", "fields"]);
        for port in &self.ports {
            command.args(["-d", &format!("tcp.port=={port},amqp")]);
        }
        for field in fields {
            command.args(["-e", field]);
        }
        let output = command.stderr(Stdio::null()).output().expect("tshark runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.dumpcap.kill();
        let _ = self.dumpcap.wait();
    }
}

/// What tshark found in a capture.
#[derive(Debug)]
pub struct Frames {
    /// A line for each frame that it finds wrong; empty if there is none.
    pub faults: String,
    /// How often each performative and SASL frame is in it.
    pub counts: BTreeMap<String, usize>,
}
