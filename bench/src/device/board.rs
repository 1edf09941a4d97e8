//! The emulated boards: what they are called, built for and started with.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use deltamote_format::Profile;

/// An emulated board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Board {
    /// microbit: nRF51822, Cortex-M0, 16 KiB of RAM.
    M0,
    /// mps2-an385: Cortex-M3.
    M3,
    /// mps2-an386: Cortex-M4.
    M4,
    /// mps2-an505, secure state: Cortex-M33.
    M33,
    /// virt: RV32IMAC.
    Rv32,
}

impl Board {
    /// All boards.
    pub const ALL: [Board; 5] = [Board::M0, Board::M3, Board::M4, Board::M33, Board::Rv32];

    /// Name on the command line; feature of the demo.
    pub const fn name(self) -> &'static str {
        match self {
            Board::M0 => "m0",
            Board::M3 => "m3",
            Board::M4 => "m4",
            Board::M33 => "m33",
            Board::Rv32 => "rv32",
        }
    }

    /// rustc's name of the target.
    pub const fn target(self) -> &'static str {
        match self {
            Board::M0 => "thumbv6m-none-eabi",
            Board::M3 => "thumbv7m-none-eabi",
            Board::M4 => "thumbv7em-none-eabihf",
            Board::M33 => "thumbv8m.main-none-eabihf",
            Board::Rv32 => "riscv32imac-unknown-none-elf",
        }
    }

    /// The emulator, up to the machine.
    pub fn emulator(self) -> Command {
        let (program, machine): (_, &[&str]) = match self {
            Board::M0 => ("qemu-system-arm", &["microbit"]),
            Board::M3 => ("qemu-system-arm", &["mps2-an385"]),
            Board::M4 => ("qemu-system-arm", &["mps2-an386"]),
            Board::M33 => ("qemu-system-arm", &["mps2-an505"]),
            Board::Rv32 => ("qemu-system-riscv32", &["virt", "-bios", "none"]),
        };
        let mut command = Command::new(program);
        command.arg("-M").args(machine);
        command
    }

    /// What is not installed that building for the board and running it needs: the line
    /// that installs it.
    pub fn missing(self) -> Option<&'static str> {
        if self.emulator().arg("--version").output().is_err() {
            return Some(
                "apt-get install --no-install-recommends qemu-system-arm qemu-system-misc",
            );
        }
        let libraries = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", self.target()])
            .output();
        let there = libraries.is_ok_and(|said| {
            let folder = String::from_utf8_lossy(&said.stdout);
            Path::new(folder.trim()).is_dir()
        });
        (!there).then_some(
            "rustup target add thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabihf \
             thumbv8m.main-none-eabihf riscv32imac-unknown-none-elf",
        )
    }

    /// Whether the board has the RAM that `profile` is for.
    pub fn has_room_for(self, profile: Profile) -> bool {
        self != Board::M0 || profile == Profile::Tiny
    }
}

impl FromStr for Board {
    type Err = String;

    fn from_str(name: &str) -> Result<Board, String> {
        let found = Board::ALL.into_iter().find(|b| b.name() == name);
        found.ok_or_else(|| "one of m0, m3, m4, m33, rv32".to_owned())
    }
}
