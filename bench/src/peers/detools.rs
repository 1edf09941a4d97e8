//! The peer that everybody knows: detools, run as its users run it.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use crate::peers::{Peer, command};

/// One way of calling `detools create_patch`.
pub struct Setting {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Start of the instruction sets it is for.
    isa: &'static str,
}

/// detools in one setting.
pub struct Detools(pub &'static Setting);

/// lzma: its smallest of the plain ones, decoded in megabytes. heatshrink: what its C
/// patcher is used with on microcontrollers. The data formats rewrite branches, on the
/// instruction sets that they are for.
pub const SETTINGS: &[Setting] = &[
    setting("lzma", &["-c", "lzma"], ""),
    setting("heatshrink", &["-c", "heatshrink"], ""),
    setting(
        "hdiffpatch",
        &["-t", "hdiffpatch", "-a", "hdiffpatch", "-c", "lzma"],
        "",
    ),
    setting(
        "arm-cortex-m4",
        &["-c", "lzma", "--data-format", "arm-cortex-m4"],
        "thumb",
    ),
    setting(
        "arm-cortex-m4-heatshrink",
        &["-c", "heatshrink", "--data-format", "arm-cortex-m4"],
        "thumb",
    ),
    setting(
        "aarch64",
        &["-c", "lzma", "--data-format", "aarch64"],
        "aarch64",
    ),
    setting(
        "aarch64-heatshrink",
        &["-c", "heatshrink", "--data-format", "aarch64"],
        "aarch64",
    ),
    setting(
        "xtensa-lx106",
        &["-c", "lzma", "--data-format", "xtensa-lx106"],
        "xtensa",
    ),
    setting(
        "xtensa-lx106-heatshrink",
        &["-c", "heatshrink", "--data-format", "xtensa-lx106"],
        "xtensa",
    ),
];

const fn setting(
    name: &'static str,
    arguments: &'static [&'static str],
    isa: &'static str,
) -> Setting {
    Setting {
        name,
        arguments,
        isa,
    }
}

impl Peer for Detools {
    fn tool(&self) -> &str {
        "detools"
    }

    fn setting(&self) -> &str {
        self.0.name
    }

    fn version(&self) -> Option<String> {
        // Python takes a while to start, and there are many settings.
        static VERSION: OnceLock<Option<String>> = OnceLock::new();
        let ask = || command::said(Command::new("detools").arg("--version"));
        VERSION.get_or_init(ask).clone()
    }

    fn install(&self) -> &str {
        "pip install detools"
    }

    fn suits(&self, isa: &str) -> bool {
        isa.starts_with(self.0.isa)
    }

    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>> {
        let mut create = Command::new("detools");
        create.arg("create_patch").args(self.0.arguments);
        let said = command::run(create.args([old, new, patch]))?;
        Ok(own_seconds(&said))
    }

    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()> {
        let mut apply = Command::new("detools");
        command::run(apply.arg("apply_patch").args([old, patch, back]))?;
        Ok(())
    }
}

/// The figure in "Successfully created 'PATCH' in 0.11 seconds!": the time without the
/// start of Python. Long runs are told in minutes; those have no figure here.
fn own_seconds(said: &str) -> Option<f64> {
    let (before, _) = said.rsplit_once(" seconds")?;
    before.rsplit_once(' ')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_own_clock_is_read() {
        let said = "Successfully created '/tmp/a b/p' in 0.11 seconds!\n";
        assert_eq!(own_seconds(said), Some(0.11));
        assert_eq!(own_seconds("Successfully created 'p' in 2 minutes!"), None);
        assert_eq!(own_seconds(""), None);
    }

    #[test]
    fn data_formats_are_for_their_instruction_sets() {
        let suits = |isa| -> Vec<&str> {
            let all = SETTINGS.iter().filter(|s| Detools(s).suits(isa));
            all.map(|s| s.name).collect()
        };
        let plain = ["lzma", "heatshrink", "hdiffpatch"];
        assert_eq!(suits("riscv32imc"), plain);
        assert!(suits("thumb2-m33").contains(&"arm-cortex-m4"));
        assert!(suits("xtensa-lx7").contains(&"xtensa-lx106-heatshrink"));
        assert!(!suits("aarch64").contains(&"arm-cortex-m4"));
    }
}
