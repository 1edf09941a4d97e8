//! Builds the demo's firmware and reads sizes out of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use deltamote_format::Profile;
use object::{Object, ObjectSection, ObjectSymbol};

use super::board::Board;

/// Builds `program` for `board` and `profile` with the further `features`; gives the ELF
/// file, which lies in `work` under a name of its own.
pub(super) fn build(
    board: Board,
    profile: Profile,
    program: &str,
    features: &[&str],
    work: &Path,
) -> Result<PathBuf> {
    let mut all = vec![board.name(), profile.name()];
    all.extend(features);
    let target_dir = work.join("build");
    // In the demo's folder: its `.cargo/config.toml` is found from there. Flags of the
    // environment would take the place of those in it.
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(super::demo_folder())
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--quiet", "--release", "--no-default-features"])
        .args(["--bin", program, "--target", board.target()])
        .args(["--features", &all.join(",")])
        .arg("--target-dir")
        .arg(&target_dir)
        .status()
        .context("cargo")?;
    ensure!(
        status.success(),
        "{program} for {} does not build with {all:?}",
        board.name()
    );
    let built = target_dir
        .join(board.target())
        .join("release")
        .join(program);
    let kept = work.join(format!("{program}.{}.elf", all.join("-")));
    fs::copy(&built, &kept).with_context(|| format!("{}", built.display()))?;
    Ok(kept)
}

/// Bytes of a firmware in flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sizes {
    /// Code and constants.
    pub text: u64,
    /// Of these: SHA-256 and what drives it.
    pub sha256: u64,
}

/// Path components of symbols (with their length, as they are mangled) that make up
/// SHA-256: the crate, the crates under it, and the patcher's module around it.
const SHA256: [&str; 6] = [
    "4sha2",
    "6digest",
    "12block_buffer",
    "12hybrid_array",
    "6crypto",
    "6hashes",
];

pub(super) fn sizes(elf: &Path) -> Result<Sizes> {
    let bytes = fs::read(elf).with_context(|| format!("{}", elf.display()))?;
    let file = object::File::parse(&*bytes)?;
    let text = file
        .sections()
        .filter(|s| {
            matches!(
                s.name(),
                Ok(".text" | ".rodata" | ".vector_table" | ".data")
            )
        })
        .map(|s| s.size())
        .sum();
    let sha256 = file
        .symbols()
        .filter(|s| s.is_definition())
        .filter(|s| {
            s.name()
                .is_ok_and(|n| SHA256.iter().any(|part| n.contains(part)))
        })
        .map(|s| s.size())
        .sum();
    Ok(Sizes { text, sha256 })
}
