//! No program goes without a test.

use std::fs;
use std::path::Path;

#[test]
fn each_program_is_run_by_a_test_and_named_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let files = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let tests: String = files("tests").filter(|path| path.is_file()).map(|path| read(&path)).collect();
    let readme = read(&root.join("../README.md"));
    let manifest = read(&root.join("Cargo.toml"));
    let programs: Vec<_> = files("src/bin").collect();
    assert!(programs.len() > 30);
    for program in programs {
        let name = program.file_stem().unwrap().to_str().unwrap();
        let run = [format!("program!(\"{name}\""), format!("CARGO_BIN_EXE_{name}\"")];
        assert!(run.iter().any(|run| tests.contains(run)), "no test runs {name}");
        assert!(manifest.contains(&format!("\"{name}\", test = false")), "Cargo.toml does not list {name}");
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
        assert!(read(&program).contains(&format!("//! `{name}")), "{name} does not say how it is called");
    }
}
