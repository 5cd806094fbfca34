//! Prints the table of failures as it stands in `docs/reliability.md`.

use deuteron_engine::TABLE;

fn main() {
    println!("| where | what happened | what is done | because |\n|---|---|---|---|");
    for row in TABLE {
        let symptom = row.symptom.to_string();
        let symptom = if symptom.contains(':') { format!("`{symptom}`") } else { symptom };
        println!("| {} | {symptom} | {} | {} |", row.place, row.remedy, row.because);
    }
}
