//! The command line: every option once, with the words that `--help` prints.
//!
//! Names are a contract (scripts and benchmarks rely on them). Values arrive in the
//! commands as the engine's own types.

use std::num::NonZeroUsize;
use std::path::PathBuf;

pub use crate::key_args::{
    Attach, KEYGEN_NOTES, KEYSET_EXAMPLES, Keygen, Keyset, KeysetCommand, OUTSIDE_EXAMPLES, Tbs,
    TrustArgs,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use deltamote_engine::simulate::Cuts;
use deltamote_engine::{Isa, Level, Profile, UpdateClass};
use deltamote_sim::{PRESETS, Preset, Start, preset};

const EXAMPLES: &str = "\
Examples:
  deltamote demo                                     see all of it once, on a built-in pair
  deltamote keygen --out release.key                 make release.key and release.key.pub
  deltamote diff old.bin new.bin -o update.dmp --key release.key
  deltamote inspect update.dmp                       what is in it, and what takes the space
  deltamote verify old.bin update.dmp --pub release.key.pub
  deltamote apply old.bin update.dmp -o restored.bin --pub release.key.pub

Images may be raw binaries, Intel HEX, S-record, UF2, GBL or ELF files; the format is
told from the content. Keep the secret key off the build server if you can; the device
needs the .pub file only.

Exit codes: 0 good, 1 the operation failed, 2 wrong usage, 3 not authentic,
            4 wrong base or wrong device, 5 damaged or unsupported patch";

const DIFF_EXAMPLES: &str = "\
Examples:
  deltamote diff v1.bin v2.bin -o v1-v2.dmp --key release.key
  deltamote diff v1.hex v2.hex -o v1-v2.dmp --key release.key --profile tiny --sequence 7
  deltamote diff v1.bin v2.bin -o test.dmp --unsigned --json > report.json

A patch is applied by the real device code and compared byte by byte before it is written:
a patch that would not restore NEW exactly is an error, never a file.";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  deltamote simulate old.bin update.dmp --pub release.key.pub --flash stm32l4
  deltamote simulate old.bin update.dmp --pub release.key.pub --cuts each --json > power.json
  deltamote simulate old.bin update.dmp --allow-unsigned --cuts random:1000 --state dirty-slot

Each run is the real device code on a simulated flash that is stricter than any chip, from
the first boot to the bootloader's flag. The exit code is 0 only if every run ended in the
new image and no rule of flash was broken on the way.";

/// Small, signed, power-safe firmware updates.
#[derive(Parser)]
#[command(name = "deltamote", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show the whole story on a built-in pair of images
    Demo(Demo),
    /// Make a key pair: KEY (secret) and KEY.pub
    #[command(after_help = KEYGEN_NOTES)]
    Keygen(Keygen),
    /// Make a patch that turns OLD into NEW
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),
    /// Make the patch again that a provenance is about, and compare
    Reproduce(Reproduce),
    /// Check a patch and restore NEW from OLD and it
    Apply(Apply),
    /// Tell what is in a patch, and why it is as large as it is
    Inspect(Inspect),
    /// Do all the checks that apply does, and write nothing
    Verify(Verify),
    /// Print the exact bytes that an HSM or KMS has to sign
    #[command(after_help = OUTSIDE_EXAMPLES)]
    Tbs(Tbs),
    /// Put in a signature that was made elsewhere, after checking it
    #[command(after_help = OUTSIDE_EXAMPLES)]
    Attach(Attach),
    /// Make, change, sign and check key sets: which keys may sign patches
    #[command(after_help = KEYSET_EXAMPLES)]
    Keyset(Keyset),
    /// Update a simulated device under power cuts, and tell what that costs
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(Simulate),
}

#[derive(Args)]
pub struct Demo {}

#[derive(Args)]
#[command(group = ArgGroup::new("signing").required(true))]
pub struct Diff {
    /// The image the devices run now
    pub old: PathBuf,
    /// The image they shall run
    pub new: PathBuf,
    /// Where the patch goes
    #[arg(short, long, value_name = "PATCH")]
    pub output: PathBuf,
    /// Secret key to sign with; given twice (a classical key, then a post-quantum one),
    /// both sign and a device can want both
    #[arg(long, value_name = "KEY", group = "signing")]
    pub key: Vec<PathBuf>,
    /// Do not sign: devices refuse such a patch unless built to take it, or until a
    /// signature made elsewhere is put in (see tbs and attach)
    #[arg(long, group = "signing")]
    pub unsigned: bool,
    /// Memory class of the device: RAM for patching is 8 KiB (tiny), 16 KiB (small),
    /// 64 KiB (medium) or 8 MiB (large)
    #[arg(long, default_value = "small", value_parser = profiles())]
    pub profile: Profile,
    /// Payload codec, for profile large: deltamote is smaller, zstd decodes faster; auto
    /// takes the smaller payload of both
    #[arg(long, default_value = "auto", value_parser = ["auto", "deltamote", "zstd"])]
    pub codec: String,
    /// With --codec auto: the smaller payload of those that decode at least so many MB
    /// (10^6 bytes) of NEW a second (machine and figures: README, "Codecs")
    #[arg(long, value_name = "MB/S")]
    pub decode_speed: Option<u32>,
    /// Instruction set of the images; auto finds out
    #[arg(long, default_value = "auto", value_parser = isas())]
    pub isa: IsaChoice,
    /// How long to search for a small patch
    #[arg(long, value_enum, default_value = "default")]
    pub level: LevelName,
    /// Threads to use [default: one per core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Address the images are loaded at, if the files do not say or say wrong
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub base: Option<u32>,
    /// Do without the built-in trained state: for devices whose patcher leaves it out
    #[arg(long)]
    pub no_prior: bool,
    /// Sequence number: devices refuse a lower one than they have seen
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub sequence: u64,
    /// Vendor the patch is for: other devices refuse it
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub vendor_id: Option<Uuid>,
    /// Device class the patch is for: other devices refuse it
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub class_id: Option<Uuid>,
    /// Why the update is made
    #[arg(long, value_enum, value_name = "CLASS", visible_alias = "class")]
    pub update_class: Option<UpdateClassName>,
    /// Advisory that the update answers (CVE-..., repeatable)
    #[arg(long, value_name = "ID")]
    pub advisory: Vec<String>,
    /// Bill of materials of OLD (CycloneDX JSON); its digest is signed in
    #[arg(long, value_name = "FILE")]
    pub sbom_old: Option<PathBuf>,
    /// Bill of materials of NEW (CycloneDX JSON); its digest is signed in
    #[arg(long, value_name = "FILE")]
    pub sbom_new: Option<PathBuf>,
    /// Where to state how the patch was made (in-toto, SLSA provenance v1), so that
    /// reproduce can make it again
    #[arg(long, value_name = "FILE")]
    pub provenance: Option<PathBuf>,
    /// Encrypt the payload for the device with this public key (keygen --scheme x25519)
    #[arg(long, value_name = "KEY.pub")]
    pub encrypt_to: Option<PathBuf>,
    /// Derive the content key from this file (32 bytes or more, secret) [default: from the
    /// signing key; unsigned: random]
    #[arg(long, value_name = "FILE", requires = "encrypt_to")]
    pub encrypt_seed: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Reproduce {
    /// What diff --provenance wrote
    pub provenance: PathBuf,
    /// The old image, the same file as then
    #[arg(long, value_name = "OLD")]
    pub old: PathBuf,
    /// The new image, the same file as then
    #[arg(long, value_name = "NEW")]
    pub new: PathBuf,
    /// The secret keys that signed it, in the same order; none for an unsigned patch
    #[arg(long, value_name = "KEY")]
    pub key: Vec<PathBuf>,
    /// The seed that it was encrypted with, if there was one
    #[arg(long, value_name = "FILE")]
    pub encrypt_seed: Option<PathBuf>,
    /// Threads to use [default: one per core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Where the patch goes
    #[arg(short, long, value_name = "PATCH")]
    pub output: PathBuf,
}

/// The key for patches that are encrypted.
#[derive(Args)]
pub struct RecipientArgs {
    /// Secret key of the device that the patch is encrypted for
    #[arg(long = "decrypt-with", value_name = "KEY")]
    pub decrypt_with: Option<PathBuf>,
}

#[derive(Args)]
pub struct Apply {
    /// The image the patch was made from
    pub old: PathBuf,
    /// The patch
    pub patch: PathBuf,
    /// Where the restored image goes, as a raw binary
    #[arg(short, long, value_name = "NEW")]
    pub output: PathBuf,
    #[command(flatten)]
    pub trust: TrustArgs,
    #[command(flatten)]
    pub recipient: RecipientArgs,
}

#[derive(Args)]
pub struct Inspect {
    /// The patch
    pub patch: PathBuf,
    /// The image it was made from: tells all kinds of bytes apart, and where in the new
    /// image they are spent
    #[arg(long, value_name = "OLD")]
    pub old: Option<PathBuf>,
    /// Draw the new image, and what each part of it was made from, in an HTML file
    #[arg(long, value_name = "PAGE", requires = "old")]
    pub html: Option<PathBuf>,
    /// The ELF file that the new image was made of: names for its parts
    #[arg(long, value_name = "ELF", requires = "html")]
    pub elf_new: Option<PathBuf>,
    /// The ELF file of the old image: tells new names from known ones
    #[arg(long, value_name = "ELF", requires = "elf_new")]
    pub elf_old: Option<PathBuf>,
    /// Bill of materials of the old image: checked against the patch, and with the new
    /// one compared component by component
    #[arg(long, value_name = "FILE")]
    pub sbom_old: Option<PathBuf>,
    /// Bill of materials of the new image
    #[arg(long, value_name = "FILE")]
    pub sbom_new: Option<PathBuf>,
    #[command(flatten)]
    pub recipient: RecipientArgs,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Verify {
    /// The image the patch was made from
    pub old: PathBuf,
    /// The patch
    pub patch: PathBuf,
    #[command(flatten)]
    pub trust: TrustArgs,
    #[command(flatten)]
    pub recipient: RecipientArgs,
    /// Print what the patch says of itself as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Simulate {
    /// The image the device runs
    pub old: PathBuf,
    /// The patch
    pub patch: PathBuf,
    #[command(flatten)]
    pub trust: TrustArgs,
    #[command(flatten)]
    pub recipient: RecipientArgs,
    /// The device's flash
    #[arg(long, default_value = "nrf52840", value_parser = flashes())]
    pub flash: Preset,
    /// When power fails: none; each (in every flash operation, with everything that it may
    /// leave behind: minutes for a large image); random:N (in N updates, up to four times)
    #[arg(long, default_value = "random:200", value_parser = cuts)]
    pub cuts: Cuts,
    /// What slot and journal hold at first: clean; old-update (another one, half done);
    /// foreign-journal; dirty-slot (rubbish, some of it unreadable)
    #[arg(long, default_value = "clean", value_parser = states())]
    pub state: Start,
    /// The patch lies on the device, in full: nothing is downloaded again
    #[arg(long)]
    pub staged: bool,
    /// The transport cannot seek: after a cut the patch is sent from the front
    #[arg(long)]
    pub no_seek: bool,
    /// Bytes of patch that arrive at a time
    #[arg(long, value_name = "BYTES", default_value = "256")]
    pub piece: NonZeroUsize,
    /// Decides everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--isa`: one instruction set, or let the engine find out.
#[derive(Clone, Copy)]
pub struct IsaChoice(pub Option<Isa>);

#[derive(Clone, Copy, ValueEnum)]
pub enum LevelName {
    /// Seconds, a few percent larger
    Fast,
    /// The usual trade
    Default,
    /// As small as we know how
    Best,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Level {
        match name {
            LevelName::Fast => Level::Fast,
            LevelName::Default => Level::Default,
            LevelName::Best => Level::Best,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum UpdateClassName {
    /// Closes vulnerabilities only
    Security,
    /// Adds or changes features only
    Feature,
    /// Both
    Mixed,
}

impl From<UpdateClassName> for UpdateClass {
    fn from(name: UpdateClassName) -> UpdateClass {
        match name {
            UpdateClassName::Security => UpdateClass::Security,
            UpdateClassName::Feature => UpdateClass::Feature,
            UpdateClassName::Mixed => UpdateClass::Mixed,
        }
    }
}

/// A UUID as 16 bytes, big-endian as it is written.
pub type Uuid = [u8; 16];

pub fn profiles() -> impl TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(Profile::ALL.map(Profile::name)).map(|name| {
        let found = Profile::ALL.into_iter().find(|p| p.name() == name);
        found.expect("clap lets only these names through")
    })
}

fn flashes() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(PRESETS.map(|p| p.name))
        .map(|name| preset(&name).expect("clap lets only these names through"))
}

fn states() -> impl TypedValueParser<Value = Start> {
    PossibleValuesParser::new(Start::ALL.map(|(name, _)| name)).map(|name| {
        let found = Start::ALL.into_iter().find(|(n, _)| *n == name);
        found.expect("clap lets only these names through").1
    })
}

fn cuts(text: &str) -> Result<Cuts, String> {
    let wrong = || "give none, each or random:N, such as random:1000".to_owned();
    match text {
        "none" => Ok(Cuts::None),
        "each" => Ok(Cuts::Each),
        _ => {
            let n = text.strip_prefix("random:").ok_or_else(wrong)?;
            n.parse().map(Cuts::Random).map_err(|_| wrong())
        }
    }
}

fn isas() -> impl TypedValueParser<Value = IsaChoice> {
    let names = ["auto"].into_iter().chain(Isa::ALL.map(Isa::name));
    PossibleValuesParser::new(names)
        .map(|name| IsaChoice(Isa::ALL.into_iter().find(|i| i.name() == name)))
}

fn address(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "give an address below 4 GiB, such as 0x08000000".into())
}

fn uuid(text: &str) -> Result<Uuid, String> {
    let wrong = || "give a UUID, such as 6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned();
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if !matches!(groups[..], [32] | [8, 4, 4, 4, 12])
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Err(wrong());
    }
    let value = u128::from_str_radix(&digits, 16).map_err(|_| wrong())?;
    Ok(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses() {
        assert_eq!(address("0x08000000"), Ok(0x0800_0000));
        assert_eq!(address("4096"), Ok(4096));
        for bad in ["", "0x", "08000000h", "0x100000000", "-1"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cut_schedules() {
        assert_eq!(cuts("none"), Ok(Cuts::None));
        assert_eq!(cuts("each"), Ok(Cuts::Each));
        assert_eq!(cuts("random:7"), Ok(Cuts::Random(7)));
        for bad in ["", "random", "random:", "random:-1", "all"] {
            assert!(cuts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn uuids() {
        let parsed = uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
        assert_eq!(parsed[..4], [0x6b, 0xa7, 0xb8, 0x10]);
        assert_eq!(uuid("6ba7b8109dad11d180b400c04fd430c8"), Ok(parsed));
        for bad in [
            "",
            "6ba7b810",
            "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
            "+ba7b8109dad11d180b400c04fd430c8",
        ] {
            assert!(uuid(bad).is_err(), "{bad}");
        }
    }
}
