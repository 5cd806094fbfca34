use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to start: far beyond what any needs, and no part of any claim.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server's process. It is killed when this value is dropped, and also when this process ends in any other way.
#[derive(Debug)]
pub struct Program {
    child: Child,
    guard: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it. What it prints goes to the end of a file, `log`. When this process has ended, it is killed and
    /// `folders`, where everything is that belongs to it, are removed.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(command: &mut Command, folders: &[&Path], log: &Path) -> Self {
        let output = |log: &Path| -> std::io::Result<(File, File)> {
            let file = OpenOptions::new().create(true).append(true).open(log)?;
            Ok((file.try_clone()?, file))
        };
        let (out, err) = output(log).expect("the log of a server can be written");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        // The guard reads a pipe whose other end only this process has: it sees the end of it, whatever that is.
        let guard = Command::new("sh")
            .args([
                "-c",
                "trap '' INT; read -r _; kill -KILL \"$1\"; shift; rm -rf \"$@\"",
                "guard",
                &child.id().to_string(),
            ])
            .args(folders)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        Self { child, guard, log: log.to_owned() }
    }

    /// Waits until it takes connections at all these ports of 127.0.0.1. Blocks.
    ///
    /// # Panics
    /// When it ends first, or takes minutes; with the end of its log.
    pub fn wait_until_it_listens(&mut self, ports: &[u16]) {
        let begin = Instant::now();
        for port in ports {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
            while TcpStream::connect(address).is_err() {
                let ended = self.child.try_wait().expect("its status can be read");
                let late = begin.elapsed() > PATIENCE;
                assert!(
                    ended.is_none() && !late,
                    "the server does not listen ({ended:?}):\n{}",
                    self.log_tail()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The guard first: the number of a process that nobody has waited for is not given to another one.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
