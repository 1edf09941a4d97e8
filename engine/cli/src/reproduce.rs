//! `deltamote reproduce`: the same patch again, from what its provenance states.

use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::keys::SecretKey;
use deltamote_engine::provenance::{Inputs, Recipe, Statement, key_ids};
use deltamote_engine::{self as engine, ErrorClass};

use crate::args;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::Bar;
use crate::report;
use crate::say;
use crate::signing;

/// Makes the patch; writes it only if it is the one that the provenance is about.
pub fn run(args: &args::Reproduce) -> Result<(), Failure> {
    let mut inputs = vec![args.provenance.as_path(), &args.old, &args.new];
    inputs.extend(args.key.iter().map(|p| p.as_path()));
    inputs.extend(args.encrypt_seed.as_deref());
    let output = Output::at(&args.output, &inputs)?;
    let shown = args.provenance.display();
    let json = std::fs::read_to_string(&args.provenance)
        .map_err(|e| Failure::failed(format!("{shown}: cannot be read ({e}); check the path")))?;
    let mut recipe = Statement::parse(&json)?.recipe()?;
    recipe.check_inputs(&Inputs {
        old: input::digest(&args.old)?,
        new: input::digest(&args.new)?,
    })?;
    let secrets = secrets(args, &recipe)?;
    recipe.options.encrypt_to = match recipe.encryption {
        None => None,
        Some((recipient, origin)) => Some(match (origin, secrets.first(), &args.encrypt_seed) {
            (Secret::SigningKey, Some(key), _) => {
                EncryptTo::derived(recipient, origin, &key.keying_material()?)
            }
            (Secret::Seed, _, Some(seed)) => {
                EncryptTo::derived(recipient, origin, &input::seed(seed)?)
            }
            (Secret::Seed, _, None) => {
                return Err(Failure::usage(
                    "the patch was encrypted from a seed; give it with --encrypt-seed",
                ));
            }
            _ => {
                return Err(Failure::failed(
                    "the patch was encrypted with a random key that nobody has kept; patches \
                     made with --encrypt-seed or a signing key can be made again",
                ));
            }
        }),
    };
    recipe.options.jobs = args.jobs.map(Into::into);
    let (old, new) = (input::image(&args.old)?, input::image(&args.new)?);
    let patch = signing::with_signer(&secrets, |signer| {
        Ok(engine::diff(
            &old,
            &new,
            &recipe.options,
            signer,
            &Bar::new(),
        )?)
    })?;
    old.check_unchanged()?;
    new.check_unchanged()?;
    recipe.check_patch(&patch.bytes)?;
    output.write(&patch.bytes)?;
    say(&format!(
        "{}: the same {} bytes\n",
        args.output.display(),
        report::thousands(patch.bytes.len() as u64)
    ))
}

/// The keys that the patch was signed with.
fn secrets(args: &args::Reproduce, recipe: &Recipe) -> Result<Vec<SecretKey>, Failure> {
    let secrets = signing::secrets(&args.key)?;
    let (said, given) = (
        recipe.key_ids.join(" and "),
        key_ids(&secrets).join(" and "),
    );
    if said.is_empty() && !given.is_empty() {
        return Err(Failure::usage("the patch was not signed; leave --key out"));
    }
    if !said.is_empty() && given.is_empty() {
        return Err(Failure::usage(format!(
            "the patch was signed with key {said}; give it with --key"
        )));
    }
    if said != given {
        return Err(Failure::new(
            ErrorClass::NotAuthentic,
            format!("the patch was signed with key {said}, this is {given}; give that key"),
        ));
    }
    // Before one of its signatures is spent.
    if secrets.iter().any(|key| key.capacity().is_some()) {
        return Err(Failure::failed(
            "an LMS key never signs twice alike, so the same bytes cannot come out; compare \
             unsigned patches instead",
        ));
    }
    Ok(secrets)
}
