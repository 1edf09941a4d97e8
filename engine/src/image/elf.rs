//! ELF files: kept in file form, program headers say what lives where.
//!
//! Fed with the file; feeds [`super::Image`] with segments, machine and entry, and on
//! request with symbols. Only facts that hold for the bytes as they lie are taken.

use deltamote_format::isa::Isa;
use object::{Architecture, Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use super::{Reading, Segment};

/// A function or data object of an ELF file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Where it lives; the Thumb bit is cleared.
    pub address: u64,
    /// Its length in bytes; zero where the file does not say.
    pub len: u64,
    /// Name as the file spells it, mangled.
    pub name: String,
    /// Whether it is code.
    pub code: bool,
}

/// Segments, machine and entry of `file`, or what is wrong with it as an ELF file.
pub(super) fn read(file: &[u8]) -> Result<Reading, String> {
    let elf = object::File::parse(file).map_err(|e| e.to_string())?;
    let mut segments = Vec::new();
    for s in elf.segments() {
        let (offset, len) = s.file_range();
        let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) else {
            return Err("a segment is larger than memory".into());
        };
        if file.get(offset..).and_then(|f| f.get(..len)).is_none() {
            return Err(format!("the segment at {:#x} is cut off", s.address()));
        }
        // A segment without file bytes (.bss) is not part of the image.
        if len > 0 {
            segments.push(Segment {
                address: s.address(),
                offset,
                len,
                executable: s.permissions().executable(),
            });
        }
    }
    segments.sort_by_key(|s| s.offset);
    Ok(Reading {
        base: segments.iter().find(|s| s.offset == 0).map(|s| s.address),
        segments,
        isa: isa(&elf),
        entry: Some(elf.entry()).filter(|&e| e != 0),
        ..Reading::default()
    })
}

/// The instruction set, for machines we know. Big-endian code is none of them.
fn isa(elf: &object::File<'_>) -> Option<Isa> {
    if !elf.is_little_endian() {
        return None;
    }
    match elf.architecture() {
        Architecture::Arm => Some(if is_thumb(elf) { Isa::Thumb } else { Isa::A32 }),
        Architecture::Aarch64 | Architecture::Aarch64_Ilp32 => Some(Isa::A64),
        Architecture::Riscv32 | Architecture::Riscv64 => Some(Isa::RiscV),
        Architecture::Xtensa => Some(Isa::Xtensa),
        Architecture::Avr => Some(Isa::Avr),
        _ => None,
    }
}

/// Arm machine code comes in two instruction sets under one machine number: mapping
/// symbols say which one prevails, without symbols the entry point does.
fn is_thumb(elf: &object::File<'_>) -> bool {
    let (mut thumb, mut arm) = (0u32, 0u32);
    for symbol in elf.symbols() {
        match symbol.name_bytes() {
            Ok(n) if n == b"$t" || n.starts_with(b"$t.") => thumb += 1,
            Ok(n) if n == b"$a" || n.starts_with(b"$a.") => arm += 1,
            _ => {}
        }
    }
    if thumb == arm {
        return elf.entry() & 1 == 1
            || elf
                .section_by_name(".vectors")
                .is_some_and(|s| s.size() > 0);
    }
    thumb > arm
}

/// Function and object symbols, by address. Nothing where the file has none.
pub(super) fn symbols(file: &[u8]) -> Vec<Symbol> {
    let Ok(elf) = object::File::parse(file) else {
        return Vec::new();
    };
    let thumb_bit = u64::from(elf.architecture() == Architecture::Arm);
    let mut symbols: Vec<Symbol> = elf
        .symbols()
        .chain(elf.dynamic_symbols())
        .filter(|s| s.is_definition() && matches!(s.kind(), SymbolKind::Text | SymbolKind::Data))
        .filter_map(|s| {
            let code = s.kind() == SymbolKind::Text;
            Some(Symbol {
                address: s.address() & !(thumb_bit & u64::from(code)),
                len: s.size(),
                name: s.name().ok().filter(|n| !n.is_empty())?.to_owned(),
                code,
            })
        })
        .collect();
    symbols.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
    symbols.dedup();
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 32-bit Arm executable: header, two program headers (code, .bss), 8 bytes of code.
    fn tiny(entry: u32) -> Vec<u8> {
        let mut f = b"\x7fELF\x01\x01\x01".to_vec();
        f.resize(16, 0);
        let half = |f: &mut Vec<u8>, v: u16| f.extend(v.to_le_bytes());
        let word = |f: &mut Vec<u8>, v: u32| f.extend(v.to_le_bytes());
        half(&mut f, 2);
        half(&mut f, 40);
        for v in [1, entry, 52, 0, 0x0500_0000] {
            word(&mut f, v);
        }
        for v in [52, 32, 2, 40, 0, 0] {
            half(&mut f, v);
        }
        for v in [1, 116, 0x0800_0000, 0x0800_0000, 8, 8, 5, 4] {
            word(&mut f, v);
        }
        for v in [1, 0, 0x2000_0000, 0x2000_0000, 0, 64, 6, 4] {
            word(&mut f, v);
        }
        f.extend([0; 8]);
        f
    }

    #[test]
    fn segments_machine_and_entry() {
        let r = read(&tiny(0x0800_0005)).unwrap();
        let code = Segment {
            address: 0x0800_0000,
            offset: 116,
            len: 8,
            executable: true,
        };
        assert_eq!(r.segments, [code]);
        assert_eq!((r.isa, r.entry), (Some(Isa::Thumb), Some(0x0800_0005)));
        assert_eq!(read(&tiny(0x0800_0004)).unwrap().isa, Some(Isa::A32));
    }

    #[test]
    fn a_cut_off_file_is_said_to_be_one() {
        let file = tiny(0);
        let why = read(&file[..120]).err().unwrap();
        assert!(why.contains("cut off"), "{why}");
        assert!(read(&file[..40]).is_err());
    }
}
