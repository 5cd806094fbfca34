//! `deuteron completions` and `deuteron man`: made from the arguments.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::{CompletionsArgs, Deuteron, ManArgs};
use crate::failure::Failure;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Deuteron::command(), "deuteron", &mut script);
    print(&script)
}

pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let command = Deuteron::command();
    match &args.directory {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.map_err(|error| Failure::new(format!("the manual page: {error}")))?;
            print(&page)
        }
        Some(directory) => write(directory, command),
    }
}

fn write(directory: &Path, command: clap::Command) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory)).map_err(
        |error| Failure::new(format!("cannot write manual pages to {}: {error}", directory.display())),
    )
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let written = std::io::stdout().lock().write_all(bytes);
    written.map_err(|error| Failure::new(format!("standard output: {error}")))
}
