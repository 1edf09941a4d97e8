//! Every input that a fuzzer found worth keeping, and every one that ever broke a law.

use deltamote_laws::{LAWS, named};
use std::fs;
use std::path::{Path, PathBuf};

/// Inputs of one kind; `DELTAMOTE_INPUTS` names a folder of more (`fuzz/run.sh coverage`).
fn inputs(kind: &str, law: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = files(&fuzz.join(kind).join(law));
    if let Some(more) = std::env::var_os("DELTAMOTE_INPUTS").filter(|more| !more.is_empty()) {
        files.extend(self::files(&Path::new(&more).join(law)));
    }
    files
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let mut files: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// Whether to replay the inputs of `law`: all of them, or that in `DELTAMOTE_LAWS`
/// (`fuzz/controls.sh`).
fn is_asked_for(law: &str) -> bool {
    std::env::var("DELTAMOTE_LAWS").map_or(true, |laws| laws.is_empty() || laws == law)
}

#[test]
fn kept_inputs_keep_their_laws() {
    for law in LAWS.iter().filter(|law| is_asked_for(law.name)) {
        let kept = inputs("corpus", law.name);
        assert!(kept.len() >= 5, "{}: {} inputs kept", law.name, kept.len());
        for path in kept.iter().chain(&inputs("regressions", law.name)) {
            println!("{}", path.display());
            (law.check)(&fs::read(path).expect("a readable file"));
        }
    }
}

/// The laws hold for what no fuzzer would bother with, too.
#[test]
fn short_and_dull_inputs_keep_all_laws() {
    for law in LAWS {
        for fill in [0, 1, 0x55, 0xff] {
            for len in (0..40).chain([400]) {
                (law.check)(&vec![fill; len]);
            }
        }
    }
}

/// One target per law, under its name, with its words.
#[test]
fn every_law_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let readme = fs::read_to_string(root.join("README.md")).expect("fuzz/README.md");
    for law in LAWS {
        let target = root.join(format!("fuzz_targets/{}.rs", law.name));
        let target = fs::read_to_string(&target).expect("a target per law");
        assert!(target.contains(&format!("::{}(data)", law.name)));
        assert!(manifest.contains(&format!("name = \"{}\"", law.name)));
        assert!(readme.contains(&format!("| `{}` |", law.name)));
    }
    for entry in fs::read_dir(root.join("fuzz_targets")).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
        assert!(named(name).is_some(), "{name} is no law");
    }
}
