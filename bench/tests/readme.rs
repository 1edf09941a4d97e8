//! The figures of the README are those of a record in the repository.

use std::fs;
use std::path::Path;

use deltamote_bench::record::figures;

#[test]
fn figures_come_from_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let record = figures::record_of(&readme).expect("the README names a record");
    let made = figures::renewed(&readme, &root, record).expect(record);
    let marks = readme.matches("<!-- = ").count() + readme.matches("<!-- block ").count();
    assert!(marks > 3, "{marks} figures are marked");
    for (here, there) in readme.lines().zip(made.lines()) {
        assert_eq!(here, there, "run deltamote-bench readme");
    }
    assert_eq!(readme.lines().count(), made.lines().count());

    // The check is alive: one digit of one figure changed is noticed.
    let wrong = readme.replacen("<!-- = ", "1<!-- = ", 1);
    assert_ne!(wrong, readme);
    assert_eq!(figures::renewed(&wrong, &root, record).expect(record), made);
}

#[test]
fn profile_table_states_what_the_format_says() {
    use deltamote_format::{Profile, prior};

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let states = [
        (Profile::Tiny, Some(prior::TINY)),
        (Profile::Small, Some(prior::SMALL)),
        (Profile::Medium, Some(prior::MEDIUM)),
        (Profile::Large, None),
    ];
    for (profile, state) in states {
        let start = format!("| {}", profile.name());
        let row = readme.lines().find(|l| l.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row {start:?}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(
            cells[3],
            format!("{} MiB", profile.max_image() >> 20),
            "{row}"
        );
        let flash = state.map_or("none".to_owned(), |p| {
            format!("{:.1} KB", p.words.len() as f64 * 2.0 / 1000.0)
        });
        assert_eq!(cells[4], flash, "{row}");
    }
}
