//! The commands, one short function each: read, let the engine work, write, tell.

use std::path::Path;

use deltamote_engine::{self as engine, DiffOptions, Identity, keys, prior};

use crate::args;
use crate::drawn;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::Bar;
use crate::report;
use crate::say;

/// `deltamote keygen`
pub fn keygen(args: &args::Keygen) -> Result<(), Failure> {
    let (public, public_path) = keys::generate(&args.out)?;
    let id: String = keys::key_id(&public)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    say(&format!(
        "secret key  {}  (keep it secret; whoever has it can update your devices)\n\
         public key  {}  (goes into the device)\n\
         key id      {id}\n",
        args.out.display(),
        public_path.display()
    ))
}

/// `deltamote diff`
pub fn diff(args: &args::Diff) -> Result<(), Failure> {
    let mut inputs = vec![args.old.as_path(), args.new.as_path()];
    inputs.extend(args.key.as_deref());
    let output = Output::at(&args.output, &inputs)?;
    let signer = args.key.as_deref().map(keys::read_secret).transpose()?;
    if let Some(warning) = signer.as_ref().and_then(|s| s.warning.as_ref()) {
        eprintln!("warning: {warning}");
    }
    let (old, new) = (input::image(&args.old)?, input::image(&args.new)?);
    if old.bytes() == new.bytes() {
        eprintln!("note: the two images are equal; the patch changes nothing");
    }
    let options = DiffOptions {
        profile: args.profile,
        isa: args.isa.0,
        level: args.level.into(),
        jobs: args.jobs.map(Into::into),
        base: args.base,
        priors: if args.no_prior { &[] } else { prior::BUILT_IN },
        identity: Identity {
            sequence: args.sequence,
            vendor: args.vendor_id,
            class: args.class_id,
            update_class: args.update_class.map(Into::into),
            advisories: args.advisory.clone(),
        },
    };
    let signing_key = signer.as_ref().map(|s| &s.key);
    let patch = engine::diff(&old, &new, &options, signing_key, &Bar::new())?;
    // Nothing is handed out that was made from files that moved under us.
    old.check_unchanged()?;
    new.check_unchanged()?;
    output.write(&patch.bytes)?;
    if args.json {
        return say(&(report::json(&patch.summary)? + "\n"));
    }
    say(&format!(
        "{}: {}\n",
        args.output.display(),
        report::headline(&patch.summary)
    ))
}

/// `deltamote apply`
pub fn apply(args: &args::Apply) -> Result<(), Failure> {
    let mut inputs = vec![args.old.as_path(), args.patch.as_path()];
    inputs.extend(args.trust.public.iter().map(|p| p.as_path()));
    let output = Output::at(&args.output, &inputs)?;
    let trust = input::trust(&args.trust)?;
    let old = input::image(&args.old)?;
    let patch = input::patch(&args.patch)?;
    input::check_profile(&engine::inspect(&patch)?, args.trust.profile)?;
    let new = engine::apply(old.bytes(), &patch, &trust, &Bar::new())?;
    output.write(&new)?;
    say(&format!(
        "{}: {} bytes, as the patch promises\n",
        args.output.display(),
        report::thousands(new.len() as u64)
    ))
}

/// `deltamote inspect`
pub fn inspect(args: &args::Inspect) -> Result<(), Failure> {
    let patch = input::patch(&args.patch)?;
    let inspection = match (&args.old, &args.html) {
        (Some(old), Some(html)) => draw(args, &patch, old, html)?,
        (Some(old), None) => engine::inspect_with_old(&patch, input::image(old)?.bytes())?,
        (None, _) => engine::inspect(&patch)?,
    };
    if args.json {
        return say(&(report::json(&inspection)? + "\n"));
    }
    say(&report::text(&inspection))
}

/// The page of `inspect --html`, written; the facts come back.
fn draw(
    args: &args::Inspect,
    patch: &[u8],
    old: &Path,
    html: &Path,
) -> Result<engine::Inspection, Failure> {
    let elves = [args.elf_new.as_deref(), args.elf_old.as_deref()];
    let mut inputs = vec![old, args.patch.as_path()];
    inputs.extend(elves.into_iter().flatten());
    let output = Output::at(html, &inputs)?;
    let old = input::image(old)?;
    let [elf_new, elf_old] = elves.map(|elf| elf.map(input::image).transpose());
    let explained = engine::explain(patch, old.bytes())?;
    let names = drawn::Names::of(elf_new?.as_ref(), elf_old?.as_ref(), &explained.new)?;
    let title = args.patch.file_name().unwrap_or(args.patch.as_os_str());
    let page = drawn::page(&title.to_string_lossy(), &explained, &names)?;
    output.write(page.as_bytes())?;
    Ok(explained.inspection)
}

/// `deltamote verify`
pub fn verify(args: &args::Verify) -> Result<(), Failure> {
    let trust = input::trust(&args.trust)?;
    let old = input::image(&args.old)?;
    let patch = input::patch(&args.patch)?;
    let inspection = engine::verify(old.bytes(), &patch, &trust)?;
    input::check_profile(&inspection, args.trust.profile)?;
    if args.json {
        return say(&(report::json(&inspection)? + "\n"));
    }
    let authentic = match &inspection.key_id {
        Some(id) if !args.trust.allow_unsigned => format!("signed by trusted key {id}"),
        _ => "signature not checked, as asked".into(),
    };
    say(&format!(
        "good: {authentic}; made for this old image; restores the new one exactly\n"
    ))
}
