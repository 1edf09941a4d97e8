//! The commands, one short function each: read, let the engine work, write, tell.

use std::path::Path;

use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::keys::SecretKey;
use deltamote_engine::provenance::{self, Inputs};
use deltamote_engine::{self as engine, CodecChoice, DiffOptions, Identity, keys, prior};

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
    for file in [
        &args.sbom_old,
        &args.sbom_new,
        &args.encrypt_to,
        &args.encrypt_seed,
    ] {
        inputs.extend(file.as_deref());
    }
    let output = Output::at(&args.output, &inputs)?;
    inputs.push(&args.output);
    let statement = match &args.provenance {
        Some(path) => Some(Output::at(path, &inputs)?),
        None => None,
    };
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
            sbom_old: input::sbom(args.sbom_old.as_deref())?.map(|s| s.digest),
            sbom_new: input::sbom(args.sbom_new.as_deref())?.map(|s| s.digest),
        },
        codec: CodecChoice::named(&args.codec, args.decode_speed)?,
        encrypt_to: encrypt_to(args, &secrets)?,
    };
    let inputs = Inputs {
        old: input::digest(&args.old)?,
        new: input::digest(&args.new)?,
    };
    let patch = signing::with_signer(&secrets, |signer| {
        Ok(engine::diff(&old, &new, &options, signer, &Bar::new())?)
    })?;
    // Nothing is handed out that was made from files that moved under us.
    old.check_unchanged()?;
    new.check_unchanged()?;
    output.write(&patch.bytes)?;
    for note in &patch.summary.notes {
        eprintln!("note: {note}");
    }
    if let Some(file) = statement {
        let name = args
            .output
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let keys = provenance::key_ids(&secrets);
        let made = (&name[..], &patch);
        let stated = provenance::state(made, &options, keys, &inputs);
        file.write(stated.to_json()?.as_bytes())?;
    }
    if args.json {
        return say(&(report::json(&patch.summary)? + "\n"));
    }
    say(&format!(
        "{}: {}\n",
        args.output.display(),
        report::headline(&patch.summary)
    ))
}

/// Whom to encrypt for, and from which secret.
fn encrypt_to(args: &args::Diff, secrets: &[SecretKey]) -> Result<Option<EncryptTo>, Failure> {
    let Some(recipient) = &args.encrypt_to else {
        return Ok(None);
    };
    let recipient = keys::read_recipient_public(recipient)?;
    Ok(Some(match (&args.encrypt_seed, secrets.first()) {
        (Some(seed), _) => EncryptTo::derived(recipient, Secret::Seed, &input::seed(seed)?),
        (None, Some(key)) => {
            EncryptTo::derived(recipient, Secret::SigningKey, &key.keying_material()?)
        }
        (None, None) => EncryptTo::random(recipient)?,
    }))
}

/// `deltamote apply`
pub fn apply(args: &args::Apply) -> Result<(), Failure> {
    let mut inputs = vec![args.old.as_path(), args.patch.as_path()];
    inputs.extend(args.trust.public.iter().map(|p| p.as_path()));
    inputs.extend(args.trust.root.iter().map(|p| p.as_path()));
    inputs.extend(args.trust.keyset.as_deref());
    inputs.extend(args.recipient.decrypt_with.as_deref());
    let output = Output::at(&args.output, &inputs)?;
    let (front, patch) = input::received(&args.patch)?;
    let trust = signing::trust(&args.trust, &front)?;
    let recipient = input::recipient(&args.recipient)?;
    let old = input::image(&args.old)?;
    input::check_profile(&engine::inspect(&patch)?, args.trust.profile)?;
    let new = engine::apply_as(old.bytes(), &patch, &trust, recipient.as_ref(), &Bar::new())?;
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
    let recipient = input::recipient(&args.recipient)?;
    let recipient = recipient.as_ref();
    let mut inspection = match (&args.old, &args.html) {
        (Some(old), Some(html)) => draw(args, &patch, old, html, recipient)?,
        (Some(old), None) => {
            engine::inspect_with_old_as(&patch, input::image(old)?.bytes(), recipient)?
        }
        (None, _) => engine::inspect_as(&patch, recipient)?,
    };
    let sbom_old = input::sbom(args.sbom_old.as_deref())?;
    let sbom_new = input::sbom(args.sbom_new.as_deref())?;
    inspection.compare_sboms(sbom_old.as_ref(), sbom_new.as_ref())?;
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
    recipient: Option<&keys::RecipientKey>,
) -> Result<engine::Inspection, Failure> {
    let elves = [args.elf_new.as_deref(), args.elf_old.as_deref()];
    let mut inputs = vec![old, args.patch.as_path()];
    inputs.extend(elves.into_iter().flatten());
    let output = Output::at(html, &inputs)?;
    let old = input::image(old)?;
    let [elf_new, elf_old] = elves.map(|elf| elf.map(input::image).transpose());
    let explained = engine::explain(patch, old.bytes(), recipient)?;
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
    let recipient = input::recipient(&args.recipient)?;
    let inspection = engine::verify_as(old.bytes(), &patch, &trust, recipient.as_ref())?;
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
