//! One patch as a page to look at: what each part of the new image was made from, and
//! which parts cost most.

use std::collections::BTreeSet;

use deltamote_draw::{Bar, Cell, DrawError, Ink, Page, Table, bars, legend, strip};
use deltamote_engine::image::Image;
use deltamote_engine::{Changed, Explanation, Inspection, Origin, Placed, PlacesBy, place_symbols};

use crate::failure::Failure;
use crate::report::{codec, headline, percent, thousands};

/// Cells that the new image is drawn as, at most.
const CELLS: u32 = 1000;
/// Changed parts closer than this many bytes are shown as one.
const APART: u32 = 32;
/// Rows of the tables.
const ROWS: usize = 40;

/// Names of places, where there are any.
#[derive(Default)]
pub struct Names {
    placed: Vec<Placed>,
    /// Names that the old image has too; `None` where its ELF file was not given.
    old: Option<BTreeSet<String>>,
}

impl From<DrawError> for Failure {
    fn from(e: DrawError) -> Failure {
        Failure::failed(format!("{e}; please report it"))
    }
}

impl Names {
    /// The names that `elf_new` gives to places of the image `new`.
    pub fn of(
        elf_new: Option<&Image>,
        elf_old: Option<&Image>,
        new: &[u8],
    ) -> Result<Names, Failure> {
        let Some(elf) = elf_new else {
            return Ok(Names::default());
        };
        if elf.symbols().is_empty() {
            let why = "--elf-new has no symbols; give the ELF file as the linker made it";
            return Err(Failure::failed(why));
        }
        let placed = place_symbols(elf, new);
        if placed.is_empty() {
            let why = "no segment of --elf-new is found in the new image; \
                give the file that this image was made of";
            return Err(Failure::failed(why));
        }
        let names = |elf: &Image| elf.symbols().into_iter().map(|s| s.name).collect();
        Ok(Names {
            placed,
            old: elf_old.map(names),
        })
    }

    /// The names in `start..end`, the largest share first, the rest counted.
    fn at(&self, start: u32, end: u32) -> String {
        let share = |p: &Placed| end.min(p.end).saturating_sub(start.max(p.start));
        let mut here: Vec<&Placed> = self.placed.iter().filter(|p| share(p) > 0).collect();
        here.sort_by_key(|p| std::cmp::Reverse(share(p)));
        let shown: Vec<String> = here.iter().take(3).map(|p| self.shown(&p.name)).collect();
        match here.len() {
            0 => "-".into(),
            n if n > 3 => format!("{} and {} more", shown.join(", "), n - 3),
            _ => shown.join(", "),
        }
    }

    fn shown(&self, name: &str) -> String {
        match &self.old {
            Some(old) if !old.contains(name) => format!("{name} (new)"),
            _ => name.to_owned(),
        }
    }
}

/// The ink of an origin.
fn ink(origin: Origin) -> Ink {
    match origin {
        Origin::Copied => Ink::Grid,
        Origin::Reference => Ink::Series(5),
        Origin::Corrected => Ink::Series(4),
        Origin::Literal => Ink::Series(1),
    }
}

/// The whole page.
pub fn page(title: &str, patch: &Explanation, names: &Names) -> Result<String, Failure> {
    let mut page = Page::new(title);
    page.paragraph(&headline(&patch.inspection));
    let cell = (patch.new.len() as u32)
        .div_ceil(CELLS)
        .next_power_of_two()
        .max(16);
    let cells: Vec<Cell> = patch
        .cells(cell)
        .iter()
        .map(|shares| {
            Origin::ALL
                .iter()
                .map(|&o| ink(o))
                .zip(shares.iter().copied())
                .collect()
        })
        .collect();
    let key = legend(Origin::ALL.iter().map(|&o| (ink(o), o.name())));
    page.wide(
        "The new image",
        &(key + &strip(&cells)?),
        &format!(
            "In reading order, {} bytes a cell; filled from the bottom by what the bytes were made from.",
            thousands(u64::from(cell))
        ),
    );
    page.figures(&[origins(patch)?, kinds(&patch.inspection)?]);
    page.heading("The largest changed parts");
    let known = patch.inspection.places_by.map_or("", PlacesBy::words);
    page.paragraph(&format!(
        "Bytes told anew (inserted, or corrected in a copy), how many of them were inserted, and the payload bytes spent. {known} Parts less than {APART} bytes apart are one."
    ));
    page.html(&parts(&patch.changed(APART), names));
    page.heading("The patch");
    page.html(&facts(&patch.inspection));
    Ok(page.finish())
}

type Figure = (String, String, String);

/// New bytes by what they were made from.
fn origins(patch: &Explanation) -> Result<Figure, Failure> {
    let total = patch.new.len() as u64;
    let rows: Vec<Bar> = Origin::ALL
        .iter()
        .zip(patch.by_origin())
        .map(|(&origin, n)| Bar {
            name: format!("{}: {} bytes", origin.name(), thousands(n)),
            parts: vec![(ink(origin), n as f64)],
            figure: percent(n, total),
        })
        .collect();
    let caption = "How much of it is copied and how much is told anew.";
    Ok((
        "New bytes by origin".into(),
        bars(&rows, None)?,
        caption.into(),
    ))
}

/// Payload bytes by kind.
fn kinds(inspection: &Inspection) -> Result<Figure, Failure> {
    let mut kinds: Vec<(&str, f64)> = inspection.breakdown.iter().map(|(&k, &n)| (k, n)).collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rows: Vec<Bar> = kinds
        .into_iter()
        .map(|(kind, n)| Bar {
            name: kind.to_owned(),
            parts: vec![(Ink::Series(0), n)],
            figure: thousands(n.round() as u64),
        })
        .collect();
    let caption = format!("{} bytes in all.", thousands(inspection.payload_bytes));
    Ok(("Payload bytes by kind".into(), bars(&rows, None)?, caption))
}

fn parts(changed: &[Changed], names: &Names) -> String {
    let mut columns = vec!["new offset", "#anew", "#inserted", "#payload"];
    if !names.placed.is_empty() {
        columns.insert(1, "in");
    }
    let mut table = Table::new(&columns);
    for part in changed.iter().take(ROWS) {
        let mut row = vec![
            format!("{:#08x}..{:#08x}", part.start, part.end),
            thousands(u64::from(part.anew)),
            thousands(u64::from(part.literal)),
            format!("{:.1}", part.bytes),
        ];
        if !names.placed.is_empty() {
            row.insert(1, names.at(part.start, part.end));
        }
        table.row(&row);
    }
    let rest: u64 = changed.iter().skip(ROWS).map(|c| u64::from(c.anew)).sum();
    let count = changed.len().saturating_sub(ROWS);
    match count {
        0 => table.finish(),
        _ => format!(
            "{}<p class=\"muted\">{} smaller parts with {} bytes told anew are not listed.</p>",
            table.finish(),
            thousands(count as u64),
            thousands(rest)
        ),
    }
}

fn facts(patch: &Inspection) -> String {
    let mut table = Table::new(&["", ""]);
    let mut row = |name: &str, value: String| table.row(&[name.to_owned(), value]);
    row("file", format!("{} bytes", thousands(patch.total_bytes)));
    row(
        "payload",
        format!("{} bytes", thousands(patch.payload_bytes)),
    );
    row(
        "old image",
        format!(
            "{} bytes, SHA-256 {}",
            thousands(patch.old_size),
            short(&patch.old_digest)
        ),
    );
    row(
        "new image",
        format!(
            "{} bytes, SHA-256 {}",
            thousands(patch.new_size),
            short(&patch.new_digest)
        ),
    );
    let ram = thousands(patch.ram_bytes);
    row(
        "device",
        format!("{} ({ram} bytes of RAM)", patch.profile.name()),
    );
    row("codec", codec(patch));
    row("code", patch.isa.join(", "));
    if patch.decisions > 0 {
        let work = format!("{} binary decisions", thousands(patch.decisions));
        row("work", work);
    }
    row(
        "signature",
        patch
            .key_id
            .as_ref()
            .map_or("none".into(), |id| format!("key {id} (not checked here)")),
    );
    row("sequence", patch.sequence.to_string());
    table.finish()
}

fn short(digest: &str) -> String {
    digest.chars().take(16).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_their_share() {
        let placed = |start, end, name: &str| Placed {
            start,
            end,
            name: name.into(),
        };
        let mut names = Names {
            placed: vec![placed(0, 10, "a"), placed(10, 50, "b"), placed(50, 60, "c")],
            old: None,
        };
        assert_eq!(names.at(5, 52), "b, a, c");
        assert_eq!(names.at(60, 70), "-");
        names.old = Some(["a".to_owned()].into());
        assert_eq!(names.at(0, 12), "a, b (new)");
    }
}
