//! The interop table that the tests have filled: `interop-table print`, `check` or `write`.
//!
//! `print` shows it. `check` fails, and says where, when `docs/interop.md` has another one; `write` puts it there.

use deuteron_interop::table;
use std::error::Error;
use std::process::ExitCode;

const BEGIN: &str = "<!-- The table is written by `make interop-table`. -->\n";
const END: &str = "<!-- End of the table. -->\n";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md");
    let table = table::markdown();
    match std::env::args().nth(1).as_deref() {
        Some("print") => print!("{table}"),
        Some("check") => {
            let page = std::fs::read_to_string(path)?;
            if let Some(difference) = difference(parts(&page)?[1], &table) {
                eprintln!(
                    "docs/interop.md is not what the tests found; `make interop-table` writes it anew.\n{difference}"
                );
                return Ok(ExitCode::FAILURE);
            }
        }
        Some("write") => {
            let page = std::fs::read_to_string(path)?;
            let [before, _, after] = parts(&page)?;
            std::fs::write(path, [before, &table, after].concat())?;
        }
        _ => return Err("usage: interop-table print|check|write".into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The page up to the table, the table, and the rest.
fn parts(page: &str) -> Result<[&str; 3], &'static str> {
    let missing = "docs/interop.md has lost the two comments around its table";
    let begin = page.find(BEGIN).ok_or(missing)? + BEGIN.len();
    let end = page[begin..].find(END).ok_or(missing)? + begin;
    Ok([&page[..begin], &page[begin..end], &page[end..]])
}

/// The lines that only one of the two has, if there are any.
fn difference(written: &str, found: &str) -> Option<String> {
    if written == found {
        return None;
    }
    let only = |mark: char, these: &str, others: &str| {
        let lines = these.lines().filter(|line| !others.lines().any(|other| other == *line));
        lines.map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    Some(only('-', written, found) + &only('+', found, written))
}
