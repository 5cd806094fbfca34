//! Answers that a command gives.

use std::process::Stdio;
use std::time::Duration;

use deuteron::{Body, Message, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

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
    if status.success() { Ok(output) } else { Err(format!("the command failed: {status}")) }
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").arg(command);
    shell
}
