//! Which format a file has, told from its first bytes alone: names lie.

use super::{Format, le};

/// The format of `file`; [`Format::Raw`] where nothing else fits.
pub(super) fn format(file: &[u8]) -> Format {
    if file.starts_with(b"\x7fELF") {
        Format::Elf
    } else if le::u32_at(file, 0) == Some(super::uf2::MAGIC_START)
        && le::u32_at(file, 4) == Some(super::uf2::MAGIC_SECOND)
    {
        Format::Uf2
    } else if le::u32_at(file, 0) == Some(super::gbl::TAG_HEADER) {
        Format::Gbl
    } else if is_text_record(file, b':', 10) {
        Format::Hex
    } else if is_text_record(file, b'S', 9) {
        Format::Srec
    } else {
        Format::Raw
    }
}

/// Whether the first line that is not blank is `mark` and then hex digits only, at
/// least `digits` of them. Damage further on is the reader's to report.
fn is_text_record(file: &[u8], mark: u8, digits: usize) -> bool {
    let text = file.trim_ascii_start();
    match text.split_first() {
        Some((&m, rest)) if m == mark => rest
            .get(..digits)
            .is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)),
        _ => false,
    }
}

/// Name of the compressed or archive format that `bytes` starts with.
pub(super) fn packed(bytes: &[u8]) -> Option<&'static str> {
    const MAGICS: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b\x08", "gzip data"),
        (b"\xfd7zXZ\x00", "xz data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"BZh", "bzip2 data"),
        (b"\x04\x22\x4d\x18", "lz4 data"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    ];
    MAGICS
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map(|&(_, name)| name)
}
