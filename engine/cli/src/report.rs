//! What a patch is, in words and figures for people. `--json` has the same for programs.

use std::fmt::Write;

use deltamote_engine::sbom::SbomChanges;
use deltamote_engine::{Inspection, PlacesBy};

use crate::failure::Failure;

/// The report for programs.
pub fn json(patch: &Inspection) -> Result<String, Failure> {
    serde_json::to_string_pretty(patch)
        .map_err(|e| Failure::failed(format!("the report cannot be written as JSON ({e})")))
}

/// One line: how large, and how much that saves.
pub fn headline(patch: &Inspection) -> String {
    format!(
        "{} bytes, {} of the new image ({} bytes)",
        thousands(patch.total_bytes),
        percent(patch.total_bytes, patch.new_size),
        thousands(patch.new_size)
    )
}

/// The whole report.
pub fn text(patch: &Inspection) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<14} {value}");
    };
    line("patch", headline(patch));
    line(
        "payload",
        format!(
            "{} bytes in {} chunk{}",
            thousands(patch.payload_bytes),
            patch.chunks,
            if patch.chunks == 1 { "" } else { "s" }
        ),
    );
    line("old image", format!("{} bytes", thousands(patch.old_size)));
    line("new image", format!("{} bytes", thousands(patch.new_size)));
    line(
        "device",
        format!(
            "{} ({} bytes of RAM)",
            patch.profile.name(),
            thousands(patch.ram_bytes)
        ),
    );
    line("codec", codec(patch));
    line("code", patch.isa.join(", "));
    line(
        "signature",
        match &patch.key_id {
            Some(id) => format!(
                "{}, key {id} (not checked here; see deltamote verify)",
                patch.schemes.join(" and ")
            ),
            None => "none".into(),
        },
    );
    line("sequence", patch.sequence.to_string());
    if let Some(id) = &patch.encrypted_for {
        line("encrypted", format!("for the recipient with key {id}"));
    }
    if let Some(id) = &patch.vendor_id {
        line("vendor", id.clone());
    }
    if let Some(id) = &patch.class_id {
        line("class", id.clone());
    }
    if let Some(class) = &patch.update_class {
        line("update", class.clone());
    }
    if !patch.advisories.is_empty() {
        // Whoever made the patch chose them: nothing in them reaches the terminal as is.
        let ids = patch
            .advisories
            .iter()
            .map(|id| id.escape_debug().to_string());
        line("advisories", ids.collect::<Vec<_>>().join(", "));
    }
    for (which, digest) in [("old", &patch.sbom_old), ("new", &patch.sbom_new)] {
        if let Some(digest) = digest {
            line(&format!("SBOM of {which}"), format!("SHA-256 {digest}"));
        }
    }
    for note in &patch.notes {
        line("note", note.clone());
    }
    if let Some(changes) = &patch.sbom_changes {
        sboms(&mut out, changes);
    }
    out.push_str("\nwhere the payload bytes go\n");
    let most = patch.breakdown.values().copied().fold(0.0, f64::max);
    for (kind, bytes) in &patch.breakdown {
        let bar = "#".repeat(if most > 0.0 {
            (bytes / most * 40.0) as usize
        } else {
            0
        });
        let _ = writeln!(out, "  {kind:<13} {bytes:>9.0}  {bar}");
    }
    places(&mut out, patch);
    out
}

/// The payload codec, and how fast it decodes.
pub fn codec(patch: &Inspection) -> String {
    match patch.decode_mb_per_s {
        Some(speed) => format!("{} (decodes about {speed} MB/s)", patch.codec),
        None => patch.codec.clone(),
    }
}

/// The components that are not the same in both bills of materials.
fn sboms(out: &mut String, changes: &SbomChanges) {
    let shown = |versions: &[String]| match versions {
        [] => "-".into(),
        _ => versions
            .iter()
            .map(|v| match v.as_str() {
                "" => "(no version)".into(),
                v => v.escape_debug().to_string(),
            })
            .collect::<Vec<_>>()
            .join(", "),
    };
    let _ = writeln!(
        out,
        "\ncomponents, {} before and {} now (both files are those that the patch was made with)",
        changes.old_components, changes.new_components
    );
    let mut line = |sign: char, name: &str, what: String| {
        let _ = writeln!(out, "  {sign} {} {what}", name.escape_debug());
    };
    for c in &changes.added {
        line('+', &c.name, shown(&c.versions));
    }
    for c in &changes.removed {
        line('-', &c.name, shown(&c.versions));
    }
    for c in &changes.changed {
        line(
            '~',
            &c.name,
            format!("{} -> {}", shown(&c.old), shown(&c.new)),
        );
    }
    if changes.added.is_empty() && changes.removed.is_empty() && changes.changed.is_empty() {
        out.push_str("  none changed\n");
    }
}

/// The places that cost most, in ascending offset.
fn places(out: &mut String, patch: &Inspection) {
    let mut costly: Vec<_> = patch.places.iter().collect();
    costly.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    costly.truncate(MOST_PLACES);
    costly.sort_by_key(|p| p.start);
    let Some(most) = costly.iter().map(|p| p.bytes).reduce(f64::max) else {
        out.push_str("(deltamote inspect --old OLD tells more, and where they are spent)\n");
        return;
    };
    out.push_str("\nthe places in the new image that cost most\n");
    if let Some(by @ (PlacesBy::Blocks | PlacesBy::Shares)) = patch.places_by {
        let _ = writeln!(out, "({})", by.words());
    }
    for place in costly {
        let bar = "#".repeat((place.bytes / most.max(1.0) * 40.0) as usize);
        let (start, end, bytes) = (place.start, place.end, place.bytes);
        let _ = writeln!(out, "  {start:#08x}..{end:#08x} {bytes:>8.0}  {bar}");
    }
}

/// Places listed.
const MOST_PLACES: usize = 12;

/// `n` with its thousands set apart.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `part` of `whole`, to the tenth.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    format!("{:.1} %", part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let shown = [0, 999, 1000, 231_608, 1_000_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "231,608", "1,000,000"]);
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(1, 0), "-");
    }
}
