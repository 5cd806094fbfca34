//! `deuteron user`: lines for files with users.

use std::io::{BufRead as _, IsTerminal as _};

use deuteron::sasl::{Password, ScramCredentials, ScramHash, Users};

use crate::args::UserCommand;
use crate::connect::ask_password;
use crate::failure::Failure;

/// Random bytes in front of a password before it is hashed.
const SALT: usize = 16;

pub(crate) fn run(command: &UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Hash { name, iterations } => hash(name, *iterations),
    }
}

fn hash(name: &str, iterations: u32) -> Result<(), Failure> {
    let password = Password::from(read_password()?);
    let mut users = Users::new();
    let wrong = |error: String| Failure::usage(format!("the user '{name}' cannot be added: {error}"));
    for kind in ScramHash::ALL {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt)
            .map_err(|error| Failure::new(format!("the system gives no random salt: {error}")))?;
        let credentials = ScramCredentials::derive(&password, &salt, iterations, kind)
            .map_err(|error| wrong(error.to_string()))?;
        users.insert(name, credentials).map_err(|error| wrong(error.to_string()))?;
    }
    print!("{}", users.to_text());
    Ok(())
}

/// The first line of standard input; a terminal is asked twice, and shows nothing.
fn read_password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let password = ask_password("Password: ")?;
        if ask_password("Again: ")? != password {
            return Err(Failure::usage("the two passwords differ"));
        }
        return Some(password)
            .filter(|password| !password.is_empty())
            .ok_or_else(|| Failure::usage("the password is empty"));
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("standard input: {error}")))?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::usage("standard input has no password in its first line"));
    }
    Ok(password.to_owned())
}
