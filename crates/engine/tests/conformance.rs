//! The page `docs/conformance.md` names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the sources can be read") {
        let path = entry.expect("the sources can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files that `file` of a crate may be: `tests/file.rs`, `src/**/file.rs`, `src/**/file/tests.rs`.
fn files(root: &Path, named: &str) -> Vec<PathBuf> {
    let (owner, file) = named.split_once('/').unwrap_or(("engine", named));
    let mut found = Vec::new();
    sources(&root.join("crates").join(owner), &mut found);
    let endings = [format!("/{file}.rs"), format!("/{file}/tests.rs")];
    found.retain(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    found
}

#[test]
fn every_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/conformance.md")).expect("the page is there");
    let names = page.split('`').skip(1).step_by(2).filter_map(|name| name.split_once("::"));
    let mut count = 0;
    for (file, test) in names.filter(|(file, _)| *file != "file") {
        if (file, test) == ("codec/oracle", "x") {
            continue;
        }
        let declared = |path: &PathBuf| {
            fs::read_to_string(path).expect("the sources can be read").contains(&format!("fn {test}("))
        };
        assert!(
            files(&root, file).iter().any(declared),
            "docs/conformance.md names {file}::{test}, which is not there"
        );
        count += 1;
    }
    assert!(count > 150, "only {count} tests were found on the page");
}
