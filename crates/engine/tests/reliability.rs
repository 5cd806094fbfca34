//! The page `docs/reliability.md` has the table of failures that the code goes by.

use std::fs;
use std::path::Path;

use deuteron_engine::TABLE;

#[test]
fn the_page_has_the_rows_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/reliability.md")).expect("the page is there");
    let (_, after) = page.split_once("| where | what happened |").expect("the page has the table");
    let (table, _) = after.split_once("\n\n").expect("the table ends");
    let found: Vec<_> = table.lines().skip(2).map(|line| line.replace('`', "")).collect();
    let expected: Vec<_> = TABLE
        .iter()
        .map(|row| format!("| {} | {} | {} | {} |", row.place, row.symptom, row.remedy, row.because))
        .collect();
    assert_eq!(found, expected, "cargo run -p deuteron-engine --example remedies prints the table");
}
