//! Answers that a command gives.

use std::process::Stdio;
use std::time::Duration;

use deuteron::{Body, Message, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::message::show;

/// The most that a command may print.
const LONGEST: u64 = 64 << 20;

/// Runs a shell command on the body of a message; what it prints is the answer, of the same kind as the body.
///
/// # Errors
/// In words, if it cannot be run, fails, prints too much or takes too long. It is killed then.
pub(super) async fn run(command: &str, message: &Message, timeout: Duration) -> Result<Body, String> {
    let mut input = Vec::new();
    show::bytes(&mut input, &message.body);
    let output = match tokio::time::timeout(timeout, pipe(command, input)).await {
        Ok(output) => output?,
        Err(_) => return Err(format!("the command did not end within {timeout:?}")),
    };
    Ok(match (&message.body, String::from_utf8(output)) {
        (Body::Value(Value::String(_)), Ok(mut text)) => {
            // As in a shell's $(...).
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
            Body::from(text)
        }
        (_, Ok(text)) => Body::from(text.into_bytes()),
        (_, Err(error)) => Body::from(error.into_bytes()),
    })
}

async fn pipe(command: &str, input: Vec<u8>) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("the command cannot be run: {error}");
    let mut child = shell(command)
        // It has no business with it.
        .env_remove(crate::connect::PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    // With everything that it has started.
    let mut group = Group::of(&child);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command need not read all that it is given.
            drop(stdin.write_all(&input).await);
        }
    };
    let read = async {
        let mut output = Vec::new();
        match stdout {
            Some(stdout) => stdout.take(LONGEST + 1).read_to_end(&mut output).await.map(|_| output),
            None => Ok(output),
        }
    };
    let ((), output) = tokio::join!(write, read);
    let output = output.map_err(failed)?;
    if output.len() as u64 > LONGEST {
        return Err(format!("the command prints more than {LONGEST} bytes"));
    }
    let status = child.wait().await.map_err(failed)?;
    group.has_ended();
    if status.success() { Ok(output) } else { Err(format!("the command failed: {status}")) }
}

/// The processes of a command; they are killed with this, unless it has ended before.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: id.and_then(rustix::process::Pid::from_raw) }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }

    fn has_ended(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // It may have ended on its own.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    // A group of its own: Ctrl-C is for us, and the command is let end.
    shell.arg("-c").arg(command).process_group(0);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").arg(command);
    shell
}
