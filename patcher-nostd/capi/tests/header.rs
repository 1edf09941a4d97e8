//! `include/deltamote.h` is what the code says.
//!
//! `DELTAMOTE_BLESS=1` writes it instead of comparing.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

/// The header as cbindgen makes it, with shorter names of constants.
fn header() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut sources = cbindgen::Builder::new().with_config(config);
    for name in ["types", "status", "context", "api", "key_set"] {
        sources = sources.with_src(root.join("src").join(name).with_extension("rs"));
    }
    let mut bytes = Vec::new();
    sources.generate().unwrap().write(&mut bytes);
    String::from_utf8(bytes)
        .unwrap()
        .replace("DELTAMOTE_STATUS_T_", "DELTAMOTE_")
        .replace("DELTAMOTE_PROFILE_T_", "DELTAMOTE_PROFILE_")
        .replace("DELTAMOTE_CLASS_T_", "DELTAMOTE_CLASS_")
        .replace(" * # Safety\n *\n * ", " * What the caller promises: ")
}

#[test]
fn the_header_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/deltamote.h");
    let made = header();
    if std::env::var_os("DELTAMOTE_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    for (n, (made, found)) in made.lines().zip(found.lines()).enumerate() {
        assert_eq!(
            made,
            found,
            "deltamote.h, line {}: run with DELTAMOTE_BLESS=1 if the change is meant",
            n + 1
        );
    }
    assert_eq!(made, found, "deltamote.h has another length");
}
