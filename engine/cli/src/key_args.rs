//! The options about keys and trust, with the words that `--help` prints.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use deltamote_engine::Profile;
use deltamote_engine::key_sets::Role;
use deltamote_engine::keys::{Height, Scheme};

use crate::args::profiles;

pub const KEYGEN_NOTES: &str = "\
Schemes:
  ed25519    what every device verifies; the default
  p256       what most HSMs and secure elements have
  lms        post-quantum, small enough for microcontrollers; signs a limited number of
             patches. KEY.state counts them: never copy or restore it, or the key is lost
  ml-dsa-65  post-quantum, for Linux-class devices
  x25519     signs nothing: for a device that gets its patches encrypted (diff --encrypt-to)";

pub const OUTSIDE_EXAMPLES: &str = "\
Examples:
  deltamote diff v1.bin v2.bin -o unsigned.dmp --unsigned
  deltamote tbs unsigned.dmp --pub hsm.pub -o message
  pkcs11-tool --sign --mechanism EDDSA --id 01 -i message -o signature
  deltamote attach unsigned.dmp signature --pub hsm.pub -o update.dmp

For ECDSA use the mechanism that hashes (ECDSA-SHA256), or hash the message yourself.
Works on key sets as well.";

pub const KEYSET_EXAMPLES: &str = "\
Examples:
  deltamote keyset new --pub release.key.pub -o keys.dmk
  deltamote keyset add keys.dmk --pub next.key.pub --from 200
  deltamote keyset revoke keys.dmk --pub release.key.pub
  deltamote keyset sign keys.dmk --key root.key
  deltamote keyset verify keys.dmk --root root.key.pub
  deltamote keyset front keys.dmk update.dmp -o update-with-keys.dmp
  deltamote verify old.bin update-with-keys.dmp --root root.key.pub

Each change makes the version grow and drops the signature. The root key signs key sets
and nothing else: keep it offline.";

/// What a key pair is for.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Signs patches and key sets.
    Signer(Scheme),
    /// Receives encrypted patches.
    Recipient,
}

#[derive(Args)]
pub struct Keygen {
    /// Where the secret key goes (mode 0600); the public key goes beside it, with .pub
    /// appended. Neither may exist
    #[arg(long, value_name = "KEY")]
    pub out: PathBuf,
    /// Signature scheme, or x25519
    #[arg(long, default_value = "ed25519", value_parser = schemes())]
    pub scheme: Kind,
    /// For lms: how many signatures the key can make, as a power of two
    #[arg(long, value_name = "H", default_value = "10", value_parser = heights())]
    pub lms_height: Height,
}

/// Which patches are believed; the same for every command that checks one.
#[derive(Args)]
#[command(group = ArgGroup::new("trust").required(true))]
pub struct TrustArgs {
    /// Public key to trust (repeatable: any of them suffices; for a patch with two
    /// signatures one of each kind)
    #[arg(long = "pub", value_name = "KEY.pub", group = "trust")]
    pub public: Vec<PathBuf>,
    /// Public root key to trust: it says by a key set which keys may sign (repeatable: any
    /// of them suffices; for a set with two signatures one of each kind)
    #[arg(
        long,
        value_name = "ROOT.pub",
        group = "trust",
        conflicts_with = "public"
    )]
    pub root: Vec<PathBuf>,
    /// The key set, where it is not in front of the patch
    #[arg(long, value_name = "SET", requires = "root")]
    pub keyset: Option<PathBuf>,
    /// Refuse a key set older than this version
    #[arg(long, value_name = "N", requires = "root", default_value_t = 0)]
    pub keyset_floor: u64,
    /// Take what test keys of the key set sign, as a test device does
    #[arg(long, requires = "root")]
    pub test_device: bool,
    /// Want two signatures: a classical one and a post-quantum one
    #[arg(long, conflicts_with = "allow_unsigned")]
    pub both: bool,
    /// Take the patch without a signature. Never in production
    #[arg(long, group = "trust", conflicts_with_all = ["public", "root"])]
    pub allow_unsigned: bool,
    /// Refuse a patch that needs more RAM than this class of device has
    #[arg(long, value_parser = profiles())]
    pub profile: Option<Profile>,
}

#[derive(Args)]
pub struct Tbs {
    /// The patch or key set, signed or not
    pub file: PathBuf,
    /// Public key of the signer; given twice, for two signatures: the classical one first
    #[arg(long = "pub", value_name = "KEY.pub", required = true)]
    pub public: Vec<PathBuf>,
    /// Which of the keys is to sign, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub signer: usize,
    /// Where the bytes go [default: standard output]
    #[arg(short, long, value_name = "FILE", conflicts_with = "hex")]
    pub output: Option<PathBuf>,
    /// Print them as hexadecimal digits
    #[arg(long)]
    pub hex: bool,
}

#[derive(Args)]
pub struct Attach {
    /// The patch or key set that tbs was given
    pub file: PathBuf,
    /// The signature, as the signer wrote it; for P-256 r and s or DER. One for each key
    #[arg(required = true)]
    pub signature: Vec<PathBuf>,
    /// Public key that the signature must hold under; the same keys as for tbs
    #[arg(long = "pub", value_name = "KEY.pub", required = true)]
    pub public: Vec<PathBuf>,
    /// Where the signed file goes
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct Keyset {
    #[command(subcommand)]
    pub command: KeysetCommand,
}

#[derive(Subcommand)]
pub enum KeysetCommand {
    /// Make a set of version 1, unsigned
    New(KeysetNew),
    /// Add a key; the set is unsigned then, and its version one higher
    Add(KeysetAdd),
    /// Take a key out for good; the set is unsigned then, and its version one higher
    Revoke(KeysetRevoke),
    /// Sign a set with the root key
    Sign(KeysetSign),
    /// Tell what is in a set; checks nothing
    Show(KeysetShow),
    /// Check a set as a device does
    Verify(KeysetVerify),
    /// Put a signed set in front of a patch
    Front(KeysetFront),
}

#[derive(Args)]
pub struct KeysetNew {
    /// Public key that may sign (repeatable)
    #[arg(long = "pub", value_name = "KEY.pub", required = true)]
    pub public: Vec<PathBuf>,
    /// Version of the set: above that of any set that devices have
    #[arg(long = "set-version", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub version: u64,
    /// Where the set goes
    #[arg(short, long, value_name = "SET")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct KeysetAdd {
    /// The set
    pub set: PathBuf,
    /// Public key that may sign
    #[arg(long = "pub", value_name = "KEY.pub")]
    pub public: PathBuf,
    /// What the key is for: release, or test (devices of customers refuse it)
    #[arg(long, value_enum, default_value = "release")]
    pub role: RoleName,
    /// Smallest sequence number that it may sign
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,
    /// Largest sequence number that it may sign [default: no limit]
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// Where the changed set goes [default: in its place]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct KeysetRevoke {
    /// The set
    pub set: PathBuf,
    /// The key's public half
    #[arg(long = "pub", value_name = "KEY.pub", group = "which")]
    pub public: Option<PathBuf>,
    /// The key's id, 16 hexadecimal digits
    #[arg(long, value_name = "ID", group = "which", value_parser = key_id)]
    pub id: Option<KeyId>,
    /// Where the changed set goes [default: in its place]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct KeysetSign {
    /// The set
    pub set: PathBuf,
    /// Secret root key; given twice, both sign
    #[arg(long, value_name = "ROOT", required = true)]
    pub key: Vec<PathBuf>,
    /// Where the signed set goes [default: in its place]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct KeysetShow {
    /// The set
    pub set: PathBuf,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct KeysetVerify {
    /// The set
    pub set: PathBuf,
    /// Public root key
    #[arg(long, value_name = "ROOT.pub", required = true)]
    pub root: Vec<PathBuf>,
    /// Want two signatures: a classical one and a post-quantum one
    #[arg(long)]
    pub both: bool,
    /// Refuse a set older than this version
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub floor: u64,
}

#[derive(Args)]
pub struct KeysetFront {
    /// The signed set
    pub set: PathBuf,
    /// The patch
    pub patch: PathBuf,
    /// Where both go
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum RoleName {
    /// Signs what every device takes
    Release,
    /// Signs what only test devices take
    Test,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::Release => Role::Release,
            RoleName::Test => Role::Test,
        }
    }
}

/// A key id.
pub type KeyId = [u8; 8];

fn key_id(text: &str) -> Result<KeyId, String> {
    let wrong = || "give the 16 hexadecimal digits of a key id".to_owned();
    if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let value = u64::from_str_radix(text, 16).map_err(|_| wrong())?;
    Ok(value.to_be_bytes())
}

fn schemes() -> impl TypedValueParser<Value = Kind> {
    let names = Scheme::ALL.map(Scheme::name).into_iter().chain(["x25519"]);
    PossibleValuesParser::new(names).map(|name| {
        let found = Scheme::ALL.into_iter().find(|s| s.name() == name);
        found.map_or(Kind::Recipient, Kind::Signer)
    })
}

fn heights() -> impl TypedValueParser<Value = Height> {
    PossibleValuesParser::new(Height::ALL.map(Height::name)).map(|name| {
        let found = Height::ALL.into_iter().find(|h| h.name() == name);
        found.expect("clap lets only these names through")
    })
}
