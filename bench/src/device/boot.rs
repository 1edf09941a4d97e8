//! The A/B demonstration: version 1 of a firmware updates itself to version 2, and is back
//! when version 2 fails.
//!
//! Builds the boot stage and both versions of the application, makes the patch between
//! their images, and boots an emulated Cortex-M4 again and again on the same flash files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use deltamote_engine::image::Image;
use deltamote_engine::{DiffOptions, NoProgress, SigningKey};
use deltamote_format::Profile;
use object::{Object, ObjectSegment};
use sha2::{Digest, Sha256};

use super::board::Board;
use super::firmware;

/// Bytes of a slot, its trailer included.
const SLOT: usize = 256 << 10;
const TRAILER: usize = 4096;
const HEADER: usize = 1024;
/// Statuses of the application.
const DONE: i32 = 0;
const RESET: i32 = 10;
const WATCHDOG: i32 = 11;

/// Runs the demonstration in `work`; gives what the boards said, boot by boot.
///
/// # Errors
/// A boot went otherwise than it must.
pub fn demonstrate(work: &Path) -> Result<String> {
    let work = &std::path::absolute(work)?;
    fs::create_dir_all(work)?;
    let build = |program, features: &[&str]| {
        firmware::build(Board::M4, Profile::Small, program, features, work)
    };
    let boot = build("boot", &["ab"])?;
    let app = ["ab", "loaded", "ed25519", "thumb"];
    let one = image(&build("app", &app)?, 1)?;
    let two = image(&build("app", &[&app[..], &["v2"]].concat())?, 2)?;
    let key = SigningKey::from_bytes(&[0x5a; 32]);
    let (old, new) = (work.join("version1.bin"), work.join("version2.bin"));
    fs::write(&old, &one)?;
    fs::write(&new, &two)?;
    let options = DiffOptions {
        profile: Profile::Small,
        ..Default::default()
    };
    let (old, new) = (Image::open(&old)?, Image::open(&new)?);
    let patch = deltamote_engine::diff(&old, &new, &options, Some(&key), &NoProgress)?;

    let mut story = format!(
        "version 1: {} bytes, version 2: {} bytes, patch: {} bytes\n",
        one.len(),
        two.len(),
        patch.bytes.len()
    );
    for fails in [false, true] {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes);
        write("slot_a.bin", &slot(&one))?;
        write("slot_b.bin", &vec![0xff; SLOT])?;
        write("journal.bin", &vec![0xff; 8192])?;
        write("patch.dmp", &patch.bytes)?;
        write("key.bin", key.verifying_key().as_bytes())?;
        let mut boot = |words: &[&str], status: i32, says: &[&str]| -> Result<()> {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            let output = super::update::boot(dir.path(), Board::M4, &boot, &words)?;
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text += &String::from_utf8_lossy(&output.stderr);
            story += &format!("boot {words:?}: {}\n", text.trim().replace('\n', "; "));
            ensure!(
                output.status.code() == Some(status),
                "{story}the board ended with {}, not {status}",
                output.status
            );
            for line in says {
                ensure!(text.contains(line), "{story}the board did not say {line:?}");
            }
            Ok(())
        };
        boot(&["update"], RESET, &["app: version 1"])?;
        if fails {
            boot(&["fail"], WATCHDOG, &["boot: on trial", "app: version 2"])?;
            // Rolled back, and there it stays.
            boot(&[], DONE, &["app: version 1"])?;
            boot(&[], DONE, &["app: version 1"])?;
            // The same update once more, and well this time.
            boot(&["update"], RESET, &["app: version 1"])?;
        }
        boot(
            &[],
            DONE,
            &["boot: on trial", "app: version 2", "app: confirmed"],
        )?;
        boot(&[], DONE, &["app: version 2"])?;
        let taken = fs::read(dir.path().join("slot_b.bin"))?;
        ensure!(taken.starts_with(&two), "slot B does not hold version 2");
        // A slot whose digest does not hold is not started.
        let mut damaged = taken;
        damaged[HEADER + 100] ^= 1;
        fs::write(dir.path().join("slot_b.bin"), damaged)?;
        boot(
            &[],
            DONE,
            &["boot: a digest does not hold", "app: version 1"],
        )?;
    }
    Ok(story)
}

/// Slot content as the factory leaves it: the image, handed over and confirmed.
fn slot(image: &[u8]) -> Vec<u8> {
    let mut slot = image.to_vec();
    slot.resize(SLOT, 0xff);
    slot[SLOT - 16..].copy_from_slice(&deltamote_patcher::hand_over::magic(8));
    slot[SLOT - 24] = 1;
    slot
}

/// The image of an ELF file: its loaded bytes behind a header.
fn image(elf: &Path, version: u32) -> Result<Vec<u8>> {
    let bytes = fs::read(elf).with_context(|| format!("{}", elf.display()))?;
    let file = object::File::parse(&*bytes)?;
    let mut parts = Vec::new();
    for segment in file.segments() {
        let data = segment.data()?;
        // Read-only data and code follow each other; statics start as zeros.
        if !data.is_empty() && segment.address() >= 0x2100_0000 {
            parts.push((segment.address(), data));
        }
    }
    parts.sort_by_key(|(address, _)| *address);
    let start = parts.first().context("no code in the file")?.0;
    let mut body = Vec::new();
    for (address, data) in parts {
        body.resize((address - start) as usize, 0);
        body.extend_from_slice(data);
    }
    ensure!(
        HEADER + body.len() + TRAILER <= SLOT,
        "the image does not fit a slot"
    );
    let mut image = b"DMAB".to_vec();
    image.extend(deltamote_format::le::word_bytes(version));
    image.extend(deltamote_format::le::word_bytes(body.len() as u32));
    image.extend(Sha256::digest(&body));
    image.resize(HEADER, 0);
    image.extend(body);
    Ok(image)
}
