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
    let table = readme.find("<!-- block codecs from ").expect("the codecs");
    let (before, codecs) = readme.split_at(table);
    let wrong = format!("{before}{}", codecs.replacen(" B, ", "9 B, ", 1));
    assert_ne!(wrong, readme);
    assert_eq!(figures::renewed(&wrong, &root, record).expect(record), made);
}

/// Issue: manifest, signature and chain add at most 220 bytes and 0.8 % of the payload, signed
/// as by default, on every pair of the record that the README names.
#[test]
fn what_trust_adds_is_bounded_on_every_pair() {
    use deltamote_bench::record::Record;
    use deltamote_format::Profile;
    use deltamote_format::chain::Layout;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let record = figures::record_of(&readme).expect("the README names a record");
    let path = Record(root.join(record)).sizes();
    let mut rows = csv::Reader::from_path(&path).expect("sizes.csv");
    let columns = rows.headers().expect("a heading").clone();
    let column = |name: &str| columns.iter().position(|c| c == name).expect(name);
    let (profile, payload, shipped) = (
        column("profile"),
        column("payload_bytes"),
        column("shipped_bytes"),
    );
    let mut pairs = 0;
    for row in rows.records() {
        let row = row.expect("a row");
        if row[profile] != *Profile::Small.name() {
            continue;
        }
        let [payload, shipped] = [payload, shipped].map(|c| row[c].parse::<u32>().expect("bytes"));
        let chunk = Profile::Small.limits().chunk_bytes as u32;
        let data = Layout::new(payload, chunk).expect("a payload").data_size();
        let added = f64::from(shipped - data);
        assert!(added <= 220.0 + 0.008 * f64::from(data), "{row:?}: {added}");
        pairs += 1;
    }
    assert!(pairs > 100, "{pairs} pairs");
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
