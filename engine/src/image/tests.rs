//! Readers against arbitrary bytes, and against the corpus where it is at hand.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

#[test]
fn raw_bytes_stay_as_they_are() {
    let image = Image::from_bytes(vec![1, 2, 3]).unwrap();
    assert_eq!(image.bytes(), [1, 2, 3]);
    assert_eq!((image.format(), image.base()), (Format::Raw, None));
    assert_eq!(image.address_of(0), None);
    image.check_unchanged().unwrap();
}

#[test]
fn a_base_given_by_hand() {
    let mut image = Image::from_bytes(vec![0; 16]).unwrap();
    image.set_base(0x0800_0000);
    assert_eq!(image.address_of(15), Some(0x0800_000f));
    assert_eq!(image.offset_of(0x0800_000f), Some(15));
    assert_eq!(image.offset_of(0x0800_0010), None);
}

#[test]
fn what_is_no_image() {
    let kind = |r: Result<Image, ImageError>| r.err().map(|e| e.kind());
    assert_eq!(
        kind(Image::from_bytes(Vec::new())),
        Some(ImageErrorKind::Empty)
    );
    assert_eq!(
        kind(Image::open("/nonexistent")),
        Some(ImageErrorKind::Unreadable)
    );
    let e = Image::open(std::env::temp_dir()).unwrap_err().to_string();
    assert!(e.contains("is a directory"), "{e}");
}

#[test]
fn large_files_are_mapped_and_changes_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.bin");
    let bytes: Vec<u8> = (0..6u32 << 20).map(|i| (i >> 8) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let image = Image::open(&path).unwrap();
    assert!(image.bytes() == bytes);
    image.check_unchanged().unwrap();
    // Longer, not shorter: a mapped file that shrinks would end this process.
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    std::io::Write::write_all(&mut file, b"more").unwrap();
    let e = image.check_unchanged().unwrap_err();
    assert_eq!(e.kind(), ImageErrorKind::Changed);
    assert!(e.to_string().contains("large.bin"), "{e}");
}

#[test]
fn packed_files_are_remarked_upon() {
    let image = Image::from_bytes(b"PK\x03\x04rest".to_vec()).unwrap();
    assert!(image.notes()[0].contains("zip"), "{:?}", image.notes());
}

/// The start of each format, so that arbitrary bytes reach every reader.
const STARTS: [&[u8]; 10] = [
    b"",
    b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0",
    b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0",
    b":0400000508000101ED\n:",
    b"S1130000285F245F2212226A000424290008237C2A\nS",
    b"UF2\nWQ\x5d\x9e",
    b"\xeb\x17\xa6\x03\x08\0\0\0\0\0\0\x03\0\0\0\0",
    b"\x3d\xb8\xf3\x96\0\0\0\0\x20\0\0\0",
    b"\xe9\x02\0\0",
    b"\xea\x04\0\0\0\0\0\0\0\0\0\0",
];

proptest! {
    #[test]
    fn no_reader_panics(start in 0..STARTS.len(), tail in prop::collection::vec(any::<u8>(), 0..1200)) {
        let file = [STARTS[start], &tail].concat();
        if let Ok(image) = Image::from_bytes(file) {
            for s in image.segments() {
                prop_assert!(s.offset + s.len <= image.bytes().len());
            }
            image.symbols();
        }
    }

    #[test]
    fn no_text_reader_panics(lines in "(:|S|)[0-9A-F]{0,40}(\n|\r\n)?[0-9A-F:S\n]{0,200}") {
        let _ = hex::read(lines.as_bytes());
        let _ = srec::read(lines.as_bytes());
    }

    #[test]
    fn damaged_files_do_not_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        for mut file in whole_files() {
            for (at, value) in &flips {
                let at = at.index(file.len());
                file[at] = *value;
            }
            if let Ok(image) = Image::from_bytes(file) {
                image.symbols();
            }
        }
    }

    #[test]
    fn hex_round_trip(base in 0u32..0xfff0_0000, bytes in prop::collection::vec(any::<u8>(), 1..3000)) {
        let base = base & !15;
        let image = Image::from_bytes(hex::emit(base, &bytes).into_bytes()).unwrap();
        prop_assert_eq!(image.base(), Some(u64::from(base)));
        prop_assert_eq!(image.bytes(), &bytes[..]);
    }
}

/// Small whole files: this test program would be too large an ELF to damage often.
fn whole_files() -> Vec<Vec<u8>> {
    let mut uf2 = b"UF2\nWQ\x5d\x9e".to_vec();
    for word in [0u32, 0x1000_0000, 256, 0, 1, 0] {
        uf2.extend(word.to_le_bytes());
    }
    uf2.resize(508, 0);
    uf2.extend(0x0ab1_6f30u32.to_le_bytes());
    vec![hex::emit(0x0800_0000, &[7; 100]).into_bytes(), uf2]
}

/// The corpus folder: `DELTAMOTE_CORPORA`, or beside the workspace.
fn corpora() -> Option<PathBuf> {
    let dir = std::env::var_os("DELTAMOTE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
        PathBuf::from,
    );
    dir.join("files.tsv").is_file().then_some(dir)
}

#[test]
fn corpus_files_give_their_raw_images() {
    let Some(dir) = corpora() else {
        println!("skipped: no corpus; set DELTAMOTE_CORPORA to its folder");
        return;
    };
    let table = std::fs::read_to_string(dir.join("files.tsv")).unwrap();
    let mut rows = table.lines().map(|l| l.split('\t').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = |name| head.iter().position(|h| *h == name).unwrap();
    let (path, sha, size, base) = (
        column("path"),
        column("raw_sha256"),
        column("raw_size"),
        column("raw_base"),
    );
    let mut checked = 0;
    for row in rows {
        let image = Image::open(dir.join(row[path])).unwrap();
        let digest: String = Sha256::digest(image.bytes())
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(image.bytes().len().to_string(), row[size], "{}", row[path]);
        assert_eq!(digest, row[sha], "{}", row[path]);
        // The table says 0x0 where it does not know.
        let said = u64::from_str_radix(row[base].trim_start_matches("0x"), 16).unwrap();
        if said != 0 {
            assert_eq!(image.base(), Some(said), "{}", row[path]);
        }
        checked += 1;
    }
    println!("{checked} files");
    assert!(checked > 70);
}

/// What the corpus holds inside its raw images, by product.
#[test]
fn corpus_containers() {
    let Some(dir) = corpora() else {
        println!("skipped: no corpus; set DELTAMOTE_CORPORA to its folder");
        return;
    };
    let open = |p: &str| Image::open(dir.join("github").join(p)).unwrap();
    let code_ranges = |i: &Image| i.segments().iter().filter(|s| s.executable).count();

    let esp = open("st7789mpy-esp32c3/20230610.bin");
    assert_eq!((esp.isa(), esp.segments().len()), (Some(Isa::RiscV), 9));
    let esp = open("arduino-nina-w102/1.4.6.bin");
    assert_eq!((esp.isa(), esp.segments().len()), (Some(Isa::Xtensa), 10));
    let esp = open("detools-micropython-esp8266/v1.10.bin");
    assert_eq!((esp.isa(), esp.segments().len()), (Some(Isa::Xtensa), 4));
    let esp = open("esp8266-nonos-at/20240626.bin");
    assert_eq!(esp.offset_of(0x4020_1010), Some(16));

    let elf = open("rk3568-bl31/1.44.elf");
    assert_eq!((elf.isa(), elf.format()), (Some(Isa::A64), Format::Elf));
    assert!(code_ranges(&elf) > 0);
    let so = open("detools-libpython-aarch64/3.7.3-1.so");
    assert_eq!((so.isa(), so.base()), (Some(Isa::A64), Some(0)));
    assert!(
        so.symbols()
            .iter()
            .any(|s| s.name == "PyObject_Repr" && s.code)
    );
}
