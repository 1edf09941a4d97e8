//! `inspect --html`: the page of a patch.

use crate::workbench::Workbench;

/// An ELF file of one segment (`bytes`, at `address`) with function symbols of these
/// names, offsets in the segment and lengths: as small as the format lets it be.
fn elf(bytes: &[u8], address: u32, functions: &[(&str, u32, u32)]) -> Vec<u8> {
    let mut names = vec![0u8];
    let mut symbols = vec![0u8; 16];
    for (name, offset, len) in functions {
        for word in [names.len() as u32, address + offset, *len] {
            symbols.extend(word.to_le_bytes());
        }
        // Global function, in section 3.
        symbols.extend([0x12, 0, 3, 0]);
        names.extend(name.bytes().chain([0]));
    }
    let data_at = 52 + 32;
    let symbols_at = data_at + bytes.len() as u32;
    let names_at = symbols_at + symbols.len() as u32;
    let sections_at = names_at + names.len() as u32;
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, v: u16| file.extend(v.to_le_bytes());
    let words = |file: &mut Vec<u8>, list: &[u32]| {
        list.iter().for_each(|v| file.extend(v.to_le_bytes()));
    };
    half(&mut file, 2);
    half(&mut file, 40);
    words(&mut file, &[1, address, 52, sections_at, 0x0500_0000]);
    for v in [52, 32, 1, 40, 4, 2] {
        half(&mut file, v);
    }
    let len = bytes.len() as u32;
    words(&mut file, &[1, data_at, address, address, len, len, 5, 4]);
    file.extend(bytes);
    file.extend(&symbols);
    file.extend(&names);
    words(&mut file, &[0; 10]);
    let count = symbols.len() as u32;
    words(&mut file, &[0, 2, 0, 0, symbols_at, count, 2, 1, 4, 16]);
    words(
        &mut file,
        &[0, 3, 0, 0, names_at, names.len() as u32, 0, 0, 1, 0],
    );
    words(&mut file, &[0, 1, 6, address, data_at, len, 0, 0, 4, 0]);
    file
}

#[test]
fn the_page_shows_the_new_image_and_stands_alone() {
    let bench = Workbench::new();
    let run = bench.good("inspect good.dmp --old old.bin --html page.html");
    assert!(run.stdout.contains("where the payload bytes go"));
    let page = String::from_utf8(bench.get("page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for word in [
        "literal",
        "reference corrected",
        "The largest changed parts",
        "<svg",
    ] {
        assert!(page.contains(word), "{word}");
    }
    for word in ["<script", "<link", "src=", "href=", "url("] {
        assert!(!page.contains(word), "{word}: the page is not alone");
    }
    bench.good("inspect good.dmp --old old.bin --html again.html");
    assert_eq!(bench.get("again.html"), bench.get("page.html"));
}

#[test]
fn parts_have_the_names_of_the_elf_file() {
    let bench = Workbench::new();
    let (old, new) = (bench.get("old.bin"), bench.get("new.bin"));
    let whole = new.len() as u32;
    bench.put(
        "new.elf",
        &elf(&new, 0x0800_4000, &[("everything<T>", 0, whole)]),
    );
    bench.put("old.elf", &elf(&old, 0x0800_4000, &[("nothing", 0, 8)]));
    bench.good(
        "inspect good.dmp --old old.bin --html page.html --elf-new new.elf --elf-old old.elf",
    );
    let page = String::from_utf8(bench.get("page.html")).unwrap();
    assert!(page.contains("everything&lt;T&gt; (new)"));
    let run = bench.run("inspect good.dmp --old old.bin --html page.html --elf-new old.bin");
    assert!(
        run.code == 1 && run.stderr.contains("has no symbols"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_page_needs_the_old_image() {
    let bench = Workbench::new();
    let run = bench.run("inspect good.dmp --html page.html");
    assert_eq!(run.code, 2);
    let run = bench.run("inspect good.dmp --old new.bin --html page.html");
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(!bench.names().contains("page.html"));
}
