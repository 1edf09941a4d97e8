//! One patch made, applied and compared: the only place that calls the engine.
//!
//! Runs in a child process of its own (`worker` starts it), so that a crash costs one
//! row and the memory high-water mark belongs to this diff alone. Writes its figures
//! as JSON on standard output. The engine proves every patch before it returns it; it
//! is applied here once more, because a measurement that trusts what it measures is
//! none.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use deltamote_engine::image::Image;
use deltamote_engine::{DiffOptions, NoProgress, SigningKey, Trust};
use serde::{Deserialize, Serialize};

use crate::setting::Setting;

/// The figures of one patch.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Instruction set that the engine settled on.
    pub isa: String,
    /// Coded bytes: map, ops, literals, chunk links.
    pub payload_bytes: u64,
    /// The whole file, manifest and signature included.
    pub shipped_bytes: u64,
    /// Working RAM that the patch asks of a device.
    pub ram_bytes: u64,
    /// Binary decisions that decoding takes.
    pub decisions: u64,
    /// Bytes per kind, by name.
    pub breakdown: BTreeMap<String, u64>,
    /// Wall time of opening the images and making the patch, proof included.
    pub encode_seconds: f64,
    /// Wall time of applying it on this host.
    pub decode_seconds: f64,
    /// High-water mark of resident memory when the patch was done.
    pub peak_bytes: Option<u64>,
}

/// Makes the patch from `old` to `new`, applies it and compares.
///
/// Models start from the states in folder `priors`, or from those built in.
pub fn measure(
    old: &Path,
    new: &Path,
    setting: Setting,
    jobs: Option<usize>,
    priors: Option<&Path>,
) -> Result<Measured> {
    // A fixed key: the signature's length is what counts, and runs stay comparable.
    let key = SigningKey::from_bytes(&[0x5a; 32]);
    let trust = Trust::key(key.verifying_key());
    let options = DiffOptions {
        profile: setting.profile,
        level: setting.level.of_engine(),
        jobs,
        priors: match priors {
            Some(dir) => crate::priors::read(dir)?,
            None => deltamote_engine::prior::BUILT_IN,
        },
        ..Default::default()
    };

    let started = Instant::now();
    let old = Image::open(old).with_context(|| format!("{}", old.display()))?;
    let new = Image::open(new).with_context(|| format!("{}", new.display()))?;
    let patch = deltamote_engine::diff(&old, &new, &options, Some(&key), &NoProgress)?;
    let encode_seconds = started.elapsed().as_secs_f64();
    let peak_bytes = peak_resident_bytes();

    let started = Instant::now();
    let back = deltamote_engine::apply_with(
        old.bytes(),
        &patch.bytes,
        &trust,
        options.priors,
        &NoProgress,
    )?;
    let decode_seconds = started.elapsed().as_secs_f64();
    ensure!(
        back == new.bytes(),
        "the applied patch does not give the new image"
    );

    let summary = &patch.summary;
    ensure!(
        summary.total_bytes == patch.bytes.len() as u64,
        "total_bytes is {}, the patch has {} bytes",
        summary.total_bytes,
        patch.bytes.len()
    );
    Ok(Measured {
        isa: summary.isa.join("+"),
        payload_bytes: summary.payload_bytes,
        shipped_bytes: summary.total_bytes,
        ram_bytes: summary.ram_bytes,
        decisions: summary.decisions,
        breakdown: summary
            .breakdown
            .iter()
            .map(|(kind, n)| (kind.to_string(), n.round() as u64))
            .collect(),
        encode_seconds,
        decode_seconds,
        peak_bytes,
    })
}

/// `VmHWM` of this process; only Linux tells.
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
