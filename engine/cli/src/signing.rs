//! `keygen`, `tbs`, `attach`, `keyset`: keys, and signatures made here or elsewhere.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use deltamote_engine::key_sets::{self, Draft, KeySetTrust, Role, SetKey};
use deltamote_engine::keys::{self, Pair, PublicKey, Scheme, SecretKey, Sign};
use deltamote_engine::ram::{self, Work};
use deltamote_engine::{Profile, Trust, outside};

use crate::args;
use crate::failure::Failure;
use crate::input;
use crate::key_args as options;
use crate::output::Output;
use crate::say;

/// `deltamote keygen`
pub fn keygen(args: &args::Keygen) -> Result<(), Failure> {
    let scheme = match args.scheme {
        options::Kind::Signer(scheme) => scheme,
        options::Kind::Recipient => return keygen_recipient(&args.out),
    };
    let (public, public_path) = keys::generate(&args.out, scheme, args.lms_height)?;
    let mut text = format!(
        "secret key  {}  (keep it secret; whoever has it can update your devices)\n\
         public key  {}  (goes into the device)\n\
         scheme      {}\n\
         key id      {}\n\
         devices     {}\n",
        args.out.display(),
        public_path.display(),
        scheme.name(),
        public.id_hex(),
        devices(Work::Signature(scheme))
    );
    if scheme == Scheme::Lms {
        text += &format!(
            "state       {}.state  (signs {} times; never copy or restore it)\n",
            args.out.display(),
            args.lms_height.leaves()
        );
    }
    say(&text)
}

/// What a device must be to do `work` in software.
fn devices(work: Work) -> String {
    let Some(profile) = ram::smallest(work) else {
        return "none without hardware for it".into();
    };
    if profile == Profile::Tiny {
        return "all profiles".into();
    }
    format!(
        "profile {}; smaller ones with hardware for it, or {} bytes of stack",
        profile.name(),
        work.stack_bytes()
    )
}

/// `deltamote keygen --scheme x25519`
fn keygen_recipient(out: &Path) -> Result<(), Failure> {
    let (_, public_path) = keys::generate_recipient(out)?;
    say(&format!(
        "secret key  {}  (goes into the device; keep it secret: whoever has it can read its patches)\n\
         public key  {}  (for diff --encrypt-to)\n\
         devices     {}\n",
        out.display(),
        public_path.display(),
        devices(Work::ContentKey)
    ))
}

/// The secret keys at `paths`, warnings told.
pub fn secrets(paths: &[PathBuf]) -> Result<Vec<SecretKey>, Failure> {
    let mut out = Vec::new();
    for path in paths {
        let file = keys::read_secret(path)?;
        if let Some(warning) = file.warning {
            eprintln!("warning: {warning}");
        }
        out.push(file.key);
    }
    Ok(out)
}

/// Signs with the keys of `secrets`, none to two.
pub fn with_signer<T>(
    secrets: &[SecretKey],
    f: impl FnOnce(Option<&dyn Sign>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match secrets {
        [] => f(None),
        [one] => f(Some(one)),
        [one, two] => f(Some(&Pair(one, two))),
        _ => Err(Failure::usage("a patch has two signatures at most")),
    }
}

fn publics(paths: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let read = paths.iter().map(|path| keys::read_public(path));
    Ok(read.collect::<Result<_, _>>()?)
}

/// `deltamote tbs`
pub fn tbs(args: &args::Tbs) -> Result<(), Failure> {
    let keys = publics(&args.public)?;
    let which = args
        .signer
        .checked_sub(1)
        .filter(|n| *n < keys.len())
        .ok_or_else(|| Failure::usage("--signer names none of the keys"))?;
    let output = args.output.as_deref();
    let output = output
        .map(|path| Output::at(path, &[&args.file]))
        .transpose()?;
    let file = input::bytes(&args.file, "a patch or a key set")?;
    let message = outside::to_be_signed(&file, &keys, which)?;
    match output {
        Some(output) => output.write(&message),
        None if args.hex => say(&(hex(&message) + "\n")),
        None => std::io::stdout()
            .write_all(&message)
            .map_err(|e| Failure::failed(format!("the bytes cannot be written ({e})"))),
    }
}

/// `deltamote attach`
pub fn attach(args: &args::Attach) -> Result<(), Failure> {
    let mut inputs = vec![args.file.as_path()];
    inputs.extend(args.signature.iter().map(PathBuf::as_path));
    let output = Output::at(&args.output, &inputs)?;
    let keys = publics(&args.public)?;
    let file = input::bytes(&args.file, "a patch or a key set")?;
    let read = args
        .signature
        .iter()
        .map(|path| input::bytes(path, "a signature"));
    let signatures = read.collect::<Result<Vec<_>, _>>()?;
    let signed = outside::attach(&file, &keys, &signatures)?;
    output.write(&signed)?;
    if let Ok(patch) = deltamote_engine::inspect(&signed) {
        for note in patch.notes {
            eprintln!("note: {note}");
        }
    }
    let ids: Vec<String> = keys.iter().map(PublicKey::id_hex).collect();
    say(&format!(
        "{}: signed by {}\n",
        args.output.display(),
        ids.join(" and ")
    ))
}

/// `deltamote keyset`
pub fn keyset(args: &args::Keyset) -> Result<(), Failure> {
    use args::KeysetCommand as Command;
    match &args.command {
        Command::New(args) => new(args),
        Command::Add(args) => change(&args.set, args.output.as_deref(), |draft| {
            Ok(draft.add(SetKey {
                key: keys::read_public(&args.public)?,
                role: args.role.into(),
                first: args.from,
                last: args.to.unwrap_or(u64::MAX),
            })?)
        }),
        Command::Revoke(args) => change(&args.set, args.output.as_deref(), |draft| {
            let id = match (&args.public, args.id) {
                (Some(path), _) => keys::read_public(path)?.id(),
                (None, Some(id)) => id,
                (None, None) => return Err(Failure::usage("say which key")),
            };
            Ok(draft.revoke(id)?)
        }),
        Command::Sign(args) => sign(args),
        Command::Show(args) => show(args),
        Command::Verify(args) => verify(args),
        Command::Front(args) => front(args),
    }
}

fn read_set(path: &Path) -> Result<Vec<u8>, Failure> {
    input::bytes(path, "a key set")
}

fn new(args: &options::KeysetNew) -> Result<(), Failure> {
    let inputs: Vec<&Path> = args.public.iter().map(PathBuf::as_path).collect();
    let output = Output::at(&args.output, &inputs)?;
    let mut draft = Draft {
        version: args.version,
        ..Draft::default()
    };
    for key in publics(&args.public)? {
        draft.add(SetKey {
            key,
            role: Role::Release,
            first: 0,
            last: u64::MAX,
        })?;
    }
    output.write(&draft.emit(None)?)?;
    say(&text(&draft, &[]))
}

/// Changes the set at `path`; gives devices a version to tell it by.
fn change(
    path: &Path,
    output: Option<&Path>,
    f: impl FnOnce(&mut Draft) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let output = Output::at(output.unwrap_or(path), &[])?;
    let (mut draft, _) = Draft::parse(&read_set(path)?)?;
    f(&mut draft)?;
    draft.version += 1;
    output.write(&draft.emit(None)?)?;
    say(&text(&draft, &[]))
}

fn sign(args: &options::KeysetSign) -> Result<(), Failure> {
    let inputs: Vec<&Path> = args.key.iter().map(PathBuf::as_path).collect();
    let output = Output::at(args.output.as_deref().unwrap_or(&args.set), &inputs)?;
    let (draft, _) = Draft::parse(&read_set(&args.set)?)?;
    let root = secrets(&args.key)?;
    let in_set = |key: &SecretKey| draft.keys.iter().any(|k| k.key == *key.public());
    if root.iter().any(in_set) {
        return Err(Failure::usage(
            "the root key is in the set; it must sign nothing but key sets",
        ));
    }
    let signed = with_signer(&root, |signer| Ok(draft.emit(signer)?))?;
    output.write(&signed)?;
    let (draft, signers) = Draft::parse(&signed)?;
    let ids: Vec<String> = signers.iter().map(|s| hex(&s.kid)).collect();
    say(&text(&draft, &ids))
}

fn show(args: &options::KeysetShow) -> Result<(), Failure> {
    let (draft, signers) = Draft::parse(&read_set(&args.set)?)?;
    let ids: Vec<String> = signers.iter().map(|s| hex(&s.kid)).collect();
    if !args.json {
        return say(&text(&draft, &ids));
    }
    let keys: Vec<serde_json::Value> = draft
        .keys
        .iter()
        .map(|k| {
            serde_json::json!({
                "id": k.key.id_hex(),
                "scheme": k.key.scheme.name(),
                "key": hex(&k.key.bytes),
                "role": role(k.role),
                "first": k.first,
                "last": k.last,
            })
        })
        .collect();
    let revoked: Vec<String> = draft.revoked.iter().map(|id| hex(id)).collect();
    let all = serde_json::json!({
        "version": draft.version,
        "signed_by": ids,
        "keys": keys,
        "revoked": revoked,
    });
    say(&format!("{all:#}\n"))
}

fn verify(args: &options::KeysetVerify) -> Result<(), Failure> {
    let roots = publics(&args.root)?;
    let trust = if args.both {
        Trust::Both(roots)
    } else {
        Trust::Keys(roots)
    };
    let file = read_set(&args.set)?;
    // Nothing may follow a set that stands alone.
    let (draft, _) = Draft::parse(&file)?;
    KeySetTrust::accept(&file, &trust, args.floor)?;
    say(&format!(
        "good: version {} with {} keys, signed by the root\n",
        draft.version,
        draft.keys.len()
    ))
}

fn front(args: &options::KeysetFront) -> Result<(), Failure> {
    let output = Output::at(&args.output, &[&args.set, &args.patch])?;
    let set = read_set(&args.set)?;
    let (draft, signers) = Draft::parse(&set)?;
    if signers.is_empty() {
        return Err(Failure::usage(format!(
            "{}: is not signed; sign it with the root key first",
            args.set.display()
        )));
    }
    let patch = input::patch(&args.patch)?;
    output.write(&[set, patch].concat())?;
    say(&format!(
        "{}: key set version {} in front of the patch\n",
        args.output.display(),
        draft.version
    ))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Release => "release",
        Role::Test => "test",
    }
}

fn text(draft: &Draft, signers: &[String]) -> String {
    let signed = if signers.is_empty() {
        "not signed".to_owned()
    } else {
        format!("signed by {}", signers.join(" and "))
    };
    let mut out = format!("key set version {}, {signed}\n", draft.version);
    for key in &draft.keys {
        let last = match key.last {
            u64::MAX => "on".to_owned(),
            last => format!("to {last}"),
        };
        out += &format!(
            "  {}  {:<9}  {:<7}  sequence {} {last}\n",
            key.key.id_hex(),
            key.key.scheme.name(),
            role(key.role),
            key.first
        );
    }
    for id in &draft.revoked {
        out += &format!("  {}  revoked\n", hex(id));
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The trust that the options state, for what is in `front` of a patch.
pub fn trust(args: &args::TrustArgs, front: &[u8]) -> Result<Trust, Failure> {
    if args.allow_unsigned {
        return Ok(Trust::AllowUnsigned);
    }
    if args.root.is_empty() {
        if !front.is_empty() {
            eprintln!("note: the key set in front of the patch is not used; --root uses it");
        }
        let keys = publics(&args.public)?;
        return Ok(if args.both {
            Trust::Both(keys)
        } else {
            Trust::Keys(keys)
        });
    }
    let set = match &args.keyset {
        Some(path) => fs::read(path)
            .map_err(|e| Failure::failed(format!("{}: cannot be read ({e})", path.display())))?,
        None if front.is_empty() => {
            let what = "no key set is in front of the patch; give one with --keyset";
            return Err(Failure::usage(what));
        }
        None => front.to_vec(),
    };
    if key_sets::in_front(&set) != set.len() {
        // Says what is wrong with it.
        Draft::parse(&set)?;
    }
    let roots = Trust::Keys(publics(&args.root)?);
    let mut trust = KeySetTrust::accept(&set, &roots, args.keyset_floor)?;
    trust.both = args.both;
    trust.test_device = args.test_device;
    Ok(Trust::KeySet(trust))
}
