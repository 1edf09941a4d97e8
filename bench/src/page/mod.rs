//! The report: one HTML file drawn from a record.
//!
//! ```text
//! runs.csv ─── sizes (against peers, per product, per instruction set, failures)
//! kinds.csv ── kinds (where our bytes go)
//! speed.csv ── speed (size against time, threads, growth)
//! device.json ─ device (RAM, text, instructions)
//! ```
//! What a record does not have is said to be not measured; nothing is left out silently.

mod device;
mod kinds;
mod sizes;
mod speed;

use anyhow::{Context, Result};
use deltamote_draw::{Page, Table};

use crate::record::Record;
use crate::record::kinds as kinds_file;
use crate::record::setup::Setup;
use crate::{runs, speed as speed_file};

/// A drawing beside others: title, HTML, what is to be seen.
type Figure = (String, String, String);

/// The whole page of `record`.
///
/// # Errors
/// Files of the record that cannot be read; a record without `runs.csv`.
pub fn page(record: &Record) -> Result<String> {
    let runs = runs::read(&record.runs())?;
    let mut page = Page::new("Deltamote beside its peers");
    page.paragraph(
        "Patches between real firmware images, each applied and compared before it counted. \
         A ratio is our payload over the peer's patch: below 1 ours is smaller. Means are \
         geometric, first within a product, then over the products.",
    );
    sizes::draw(&mut page, &runs)?;
    match record.kinds().exists() {
        true => kinds::draw(&mut page, &kinds_file::read(&record.kinds())?)?,
        false => missing(
            &mut page,
            "Where our bytes go",
            "deltamote-bench sizes --record DIR",
        ),
    }
    match record.speed().exists() {
        true => speed::draw(&mut page, &speed_file::read(&record.speed())?)?,
        false => missing(
            &mut page,
            "Time and memory",
            "deltamote-bench speed --record DIR",
        ),
    }
    match record.device().exists() {
        true => {
            let path = record.device();
            let json = std::fs::read(&path).with_context(|| path.display().to_string())?;
            device::draw(&mut page, &json).with_context(|| path.display().to_string())?;
        }
        false => missing(
            &mut page,
            "On the device",
            "deltamote-bench device --json > DIR/device.json",
        ),
    }
    sizes::pairs(&mut page, &runs);
    page.heading("What it was measured with");
    match Setup::read(record)? {
        Some(setup) => about(&mut page, &setup),
        None => page.paragraph("The record does not say (no setup.json)."),
    }
    Ok(page.finish())
}

fn missing(page: &mut Page, heading: &str, command: &str) {
    page.heading(heading);
    page.paragraph(&format!("Not measured. {command} does it."));
}

fn about(page: &mut Page, setup: &Setup) {
    let mut table = Table::new(&["", ""]);
    for (name, value) in setup.facts() {
        table.row(&[name.to_owned(), value]);
    }
    page.html(&table.finish());
    let mut table = Table::new(&["peer", "version"]);
    for (name, version) in &setup.peers {
        let version = version.clone().unwrap_or_else(|| "not installed".into());
        table.row(&[name.clone(), version]);
    }
    page.details("Versions of the peers", &table.finish());
    let mut table = Table::new(&["commands"]);
    for command in &setup.commands {
        table.row(std::slice::from_ref(command));
    }
    page.details("Commands", &table.finish());
}

/// `n` with its thousands set apart.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in words, for axes and cells.
fn bytes(n: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut n = n;
    let mut unit = 0;
    while n >= 1024.0 && unit + 1 < UNITS.len() {
        n /= 1024.0;
        unit += 1;
    }
    let places = usize::from(n < 9.95 && n.fract() > 0.05);
    format!("{n:.places$} {}", UNITS[unit])
}

/// Seconds in words.
fn seconds(s: f64) -> String {
    match s {
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 9.95 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_words() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [512.0, 1536.0, 65536.0, 1048576.0].map(bytes),
            ["512 B", "1.5 KiB", "64 KiB", "1 MiB"]
        );
        assert_eq!([0.012, 0.5, 12.3].map(seconds), ["12 ms", "500 ms", "12 s"]);
    }

    const RUNS: &str = "pair,product,isa,kind,old_bytes,new_bytes,tool,version,setting,status,bytes,file_bytes,\
        diff_seconds,diff_cpu_seconds,diff_peak_bytes,apply_seconds,apply_cpu_seconds,apply_peak_bytes,\
        ram_bytes,decisions,reason\n\
        a<b__1__2,a<b,thumb,patch,1000,1000,deltamote,0.1.0,small default,ok,50,250,1,,,1,,,10,10,\n\
        a<b__1__2,a<b,thumb,patch,1000,1000,bsdiff,4.3,,ok,100,100,1,1,1,1,1,1,,,\n\
        a<b__1__2,a<b,thumb,patch,1000,1000,liar,1,,wrong,10,10,1,1,1,1,1,1,,,another image\n\
        a<b__1__2,a<b,thumb,patch,1000,1000,absent,,,missing,,,,,,,,,,,install: get absent\n";

    #[test]
    fn a_record_of_sizes_alone_says_what_is_not_measured() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record(dir.path().into());
        std::fs::write(record.runs(), RUNS).unwrap();
        let html = page(&record).unwrap();
        assert_eq!(html.matches("Not measured.").count(), 3, "{html}");
        assert!(html.contains("0.500") && !html.contains("a<b"), "{html}");
        // A wrong and an absent peer are named, not dropped.
        for word in ["another image", "install: get absent", "wrong", "missing"] {
            assert!(html.contains(word), "{word}");
        }
        assert!(!html.contains("<script") && !html.contains("<link"));
        assert_eq!(page(&record).unwrap(), html);
    }

    #[test]
    fn no_record_is_an_error() {
        assert!(page(&Record("/nowhere".into())).is_err());
    }
}
