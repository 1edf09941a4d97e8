//! Picks the memory layout of the board.

use std::path::PathBuf;
use std::{env, fs};

const BOARDS: [&str; 5] = ["M0", "M3", "M4", "M33", "RV32"];

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let has = |board: &&&str| env::var_os(format!("CARGO_FEATURE_{board}")).is_some();
    let board = BOARDS
        .iter()
        .find(has)
        .expect("name a board as a feature: see README.md");
    let loaded = match env::var_os("CARGO_FEATURE_LOADED") {
        Some(_) => "-loaded",
        None => "",
    };
    let layout = root
        .join("boards")
        .join(format!("{}{loaded}.x", board.to_lowercase()));
    fs::copy(&layout, out.join("memory.x")).expect("boards/ has a layout for each board");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg=--nmagic");
    let script = if *board == "RV32" {
        "memory.x"
    } else {
        "link.x"
    };
    println!("cargo:rustc-link-arg=-T{script}");

    // Crates in which the linker sees a panic: the cipher's unwraps the end of its key stream
    // (256 GiB away), p256 and ml-dsa check what their types hold. With these, and only then,
    // the handler's missing function gets an address.
    let linked = |feature: &str| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    if ["ENCRYPTION", "P256", "ML_DSA"].into_iter().any(linked) {
        println!("cargo:rustc-link-arg=--defsym=a_panic_is_reachable=0");
    }

    println!("cargo:rerun-if-changed=boards");
}
