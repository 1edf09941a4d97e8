//! The table of what a cut costs, SPEC §10.3, is what `simulate` measures.
//!
//! `cargo test -p deltamote-engine --test costs -- --ignored` writes it anew.

use deltamote_engine::image::Image;
use deltamote_engine::simulate::{self, Cuts, SimulateOptions, Simulation};
use deltamote_engine::{DiffOptions, NoProgress, Trust, diff, embedded};
use deltamote_sim::{PRESETS, Start};
use std::path::PathBuf;

/// Bytes of the patch change with every better plan; so much, in percent, may the figures
/// that follow from them be off before the table must be written anew.
const DRIFT: u64 = 5;

/// How the sentence above the table begins that has two figures more.
const SENTENCE: &str = "The patch has ";

fn spec() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("../patcher-nostd/format/SPEC.md")
}

/// A row of figures; the second part follows from the patch's bytes.
struct Row {
    name: String,
    flash: [String; 6],
    patch: [u64; 2],
}

fn thousands(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        _ => format!("{},{:03}", thousands(n / 1000), n % 1000),
    }
}

impl Row {
    fn measured(streaming: &Simulation, staged: &Simulation) -> Row {
        assert_eq!(staged.download_interval_bytes, 0);
        assert_eq!(streaming.staged_bytes, 0);
        for (a, b) in [
            (streaming.programmed_bytes, staged.programmed_bytes),
            (streaming.erases, staged.erases),
            (
                [streaming.resume_interval_bytes; 2],
                [staged.resume_interval_bytes; 2],
            ),
            ([streaming.workspace_bytes; 2], [staged.workspace_bytes; 2]),
        ] {
            assert_eq!(a, b, "{}: streaming and staged", streaming.flash);
        }
        Row {
            name: streaming.flash.into(),
            flash: [
                thousands(streaming.programmed_bytes[0]),
                thousands(streaming.erases[0]),
                thousands(streaming.journal_programmed_bytes),
                thousands(streaming.checkpoint_bytes),
                thousands(streaming.resume_interval_bytes),
                format!("{:.1}", streaming.estimated_seconds),
            ],
            patch: [streaming.download_interval_bytes, staged.staged_bytes],
        }
    }

    fn parse(line: &str) -> Option<Row> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, a, b, c, d, e, download, staged, seconds] = cells[..] else {
            return None;
        };
        let number = |cell: &str| cell.replace(',', "").parse().ok();
        Some(Row {
            name: name.into(),
            flash: [a, b, c, d, e, seconds].map(String::from),
            patch: [number(download)?, number(staged)?],
        })
    }

    fn line(&self) -> String {
        let [a, b, c, d, e, seconds] = &self.flash;
        let [download, staged] = self.patch.map(thousands);
        let name = &self.name;
        format!("| {name} | {a} | {b} | {c} | {d} | {e} | {download} | {staged} | {seconds} |")
    }
}

/// The rows, and the bytes of the patch and of the workspace.
fn measured() -> (Vec<Row>, u64, u64) {
    let image = |bytes: &[u8]| Image::from_bytes(bytes.to_vec()).expect("raw bytes");
    let key = deltamote_engine::SigningKey::from_bytes(&[7; 32]);
    let patch = diff(
        &image(embedded::OLD),
        &image(embedded::NEW),
        &DiffOptions::default(),
        Some(&key),
        &NoProgress,
    )
    .expect("a patch");
    let trust = Trust::key(key.verifying_key());
    let (mut rows, mut sizes) = (Vec::new(), (0, 0));
    for flash in PRESETS {
        let run = |staged| {
            let options = SimulateOptions {
                flash,
                cuts: Cuts::None,
                start: Start::Clean,
                staged,
                seek: true,
                piece_bytes: 256,
                seed: 1,
            };
            simulate::simulate(
                embedded::OLD,
                &patch.bytes,
                &trust,
                None,
                &options,
                &NoProgress,
            )
            .expect("simulates")
        };
        let (streaming, staged) = (run(false), run(true));
        assert_eq!(streaming.failures + staged.failures, 0);
        sizes = (streaming.patch_bytes, streaming.workspace_bytes);
        rows.push(Row::measured(&streaming, &staged));
    }
    (rows, sizes.0, sizes.1)
}

/// Text of the table's rows in `spec`, and where it is.
fn table(spec: &str) -> std::ops::Range<usize> {
    let head = "| flash | programmed, no cut |";
    let begin = spec.find(head).expect("the table");
    let rows = begin + spec[begin..].find("\n| nrf52840").expect("rows") + 1;
    let end = rows + spec[rows..].find("\n\n").expect("an end") + 1;
    rows..end
}

/// The two figures of the text above the table.
fn sentence(patch: u64, workspace: u64) -> String {
    let [patch, workspace] = [patch, workspace].map(thousands);
    format!("{SENTENCE}{patch} bytes, the workspace {workspace} bytes;")
}

#[test]
fn the_table_is_what_is_measured() {
    let spec = std::fs::read_to_string(spec()).expect("SPEC.md");
    let (rows, patch, workspace) = measured();
    let written: Vec<Row> = spec[table(&spec)].lines().filter_map(Row::parse).collect();
    assert_eq!(written.len(), rows.len());
    let close = |a: u64, b: u64, what: &str| {
        let off = a.abs_diff(b) * 100;
        assert!(off <= b * DRIFT, "{what}: {a} in SPEC §10.3, {b} measured");
    };
    for (row, now) in written.iter().zip(&rows) {
        assert_eq!(row.name, now.name);
        assert_eq!(row.flash, now.flash, "{}", row.name);
        for (a, b) in row.patch.iter().zip(now.patch) {
            close(*a, b, &row.name);
        }
    }
    let begin = spec.find(SENTENCE).expect("the sentence above it");
    let said = spec[begin + SENTENCE.len()..]
        .split(' ')
        .next()
        .expect("a figure");
    let said: u64 = said.replace(',', "").parse().expect("a number");
    close(said, patch, "patch bytes");
    assert!(spec.contains(&sentence(said, workspace)));
}

#[test]
#[ignore = "writes SPEC.md"]
fn renew_the_table() {
    let mut text = std::fs::read_to_string(spec()).expect("SPEC.md");
    let (rows, patch, workspace) = measured();
    let lines: String = rows.iter().map(|row| row.line() + "\n").collect();
    let at = table(&text);
    text.replace_range(at, &lines);
    let begin = text.find(SENTENCE).expect("the sentence above it");
    let end = begin + text[begin..].find(';').expect("its end") + 1;
    text.replace_range(begin..end, &sentence(patch, workspace));
    std::fs::write(spec(), text).expect("writes");
}
