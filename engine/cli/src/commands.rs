//! The commands, one short function each: read, let the engine work, write, tell.

use std::path::Path;

use deltamote_engine::{self as engine, DiffOptions, Identity, prior};

use crate::args;
use crate::drawn;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::Bar;
use crate::report;
use crate::say;
use crate::signing;

/// `deltamote diff`
pub fn diff(args: &args::Diff) -> Result<(), Failure> {
    let mut inputs = vec![args.old.as_path(), args.new.as_path()];
    inputs.extend(args.key.iter().map(|p| p.as_path()));
    let output = Output::at(&args.output, &inputs)?;
    let secrets = signing::secrets(&args.key)?;
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
    let patch = signing::with_signer(&secrets, |signer| {
        Ok(engine::diff(&old, &new, &options, signer, &Bar::new())?)
    })?;
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
    inputs.extend(
        [&args.trust.root, &args.trust.keyset]
            .into_iter()
            .flatten()
            .map(|p| p.as_path()),
    );
    let output = Output::at(&args.output, &inputs)?;
    let (front, patch) = input::received(&args.patch)?;
    let trust = signing::trust(&args.trust, &front)?;
    let old = input::image(&args.old)?;
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
    let (front, patch) = input::received(&args.patch)?;
    let trust = signing::trust(&args.trust, &front)?;
    let old = input::image(&args.old)?;
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
