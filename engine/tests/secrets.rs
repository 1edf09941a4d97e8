//! Secrets leave no copy on the heap once their keys are dropped.
//!
//! On Linux a process can read its own memory: a child of this test reads a key, signs with
//! it and drops it, and then looks for the secret's bytes. The child gets them masked, so
//! that it has no copy of its own. What moves on the stack is beyond a library's reach (the
//! next calls write over it), so the stack is not looked at.

use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::image::Image;
use deltamote_engine::keys::{self, Height, RecipientKey, Scheme, Sign};
use deltamote_engine::{DiffOptions, Level, NoProgress, Profile, diff};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

const MASK: u8 = 0xa5;
/// Bytes looked for: too many to be there by chance.
const LEN: usize = 8;
/// Bytes of memory read at a time.
const PAGE: usize = 4096;
/// What the child finds if the check of the check is asked for.
const HOLD: &str = "HOLD";

fn main() {
    if !cfg!(target_os = "linux") {
        println!("secrets: not looked at on this system");
        return;
    }
    match std::env::var("SECRETS_CHILD") {
        Ok(work) => child(&work),
        Err(_) => parent(),
    }
}

fn parent() {
    let dir = tempfile::tempdir().expect("a folder");
    for scheme in Scheme::ALL {
        let path = dir.path().join(scheme.name());
        keys::generate(&path, scheme, Height::H5).expect("a key");
        both(&path);
    }
    let path = dir.path().join("x25519");
    keys::generate_recipient(&path).expect("a key");
    both(&path);
    println!("test result: ok. 5 passed; 0 failed; no copy of a secret is left on the heap");
}

/// Dropped, nothing may be found of the key at `path`; held, something must.
fn both(path: &Path) {
    let dropped = found(path, "");
    assert_eq!(dropped, 0, "{}: copies on the heap", path.display());
    let held = found(path, HOLD);
    assert!(
        held > 0,
        "{}: a key that is there is not seen",
        path.display()
    );
    println!("{}: 0 copies, {held} while it is held", path.display());
}

fn found(path: &Path, hold: &str) -> usize {
    let masked: Vec<String> = needles(path)
        .iter()
        .map(|n| n.iter().map(|b| format!("{:02x}", b ^ MASK)).collect())
        .collect();
    let work = [&[path.display().to_string(), hold.to_owned()][..], &masked].concat();
    let me = std::env::current_exe().expect("this program");
    let out = Command::new(me)
        .env("SECRETS_CHILD", work.join(","))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}{errors}");
    let line = said.lines().find_map(|l| l.strip_prefix("found "));
    line.and_then(|n| n.parse().ok()).expect("a count")
}

/// Pieces of the secret in the key file: of its bytes, of them turned around (big numbers lie
/// in memory so), and of its text.
fn needles(path: &Path) -> Vec<Vec<u8>> {
    let pem = fs::read_to_string(path).expect("a key file");
    let text: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
    let der = base64(&text);
    // The octet string of 32 bytes (of LMS: the seed, which is the end).
    let start = der
        .windows(2)
        .position(|w| w == [0x04, 0x20] || w == [0x80, 0x20]);
    let secret = match start {
        Some(at) => &der[at + 2..at + 34],
        None => &der[der.len() - 24..],
    };
    let tail = secret[secret.len() - LEN..].to_vec();
    let turned: Vec<u8> = secret[..LEN].iter().rev().copied().collect();
    let digits = text.trim_end_matches('=').as_bytes();
    let digits = match start {
        // Of the digits that spell the middle of the secret.
        Some(at) => &digits[(at + 12) * 4 / 3 + 1..][..2 * LEN],
        None => &digits[digits.len() - 2 * LEN..],
    };
    vec![tail, turned, digits.to_vec()]
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for c in text.bytes().filter(|c| *c != b'=') {
        bits = bits << 6 | u32::from(digit(c));
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// What a key is used for, and after it the count of what is left.
fn child(work: &str) {
    let mut words = work.split(',');
    let path = Path::new(words.next().expect("a path"));
    let hold = words.next() == Some(HOLD);
    let masked: Vec<Vec<u8>> = words.map(unhex).collect();
    let mut maps = String::with_capacity(256 << 10);
    let old = vec![0x11; 3000];
    let new = [&old[..1000], b"something else", &old[1000..]].concat();
    let images = [old, new].map(|bytes| Image::from_bytes(bytes).expect("an image"));
    let mut options = DiffOptions {
        profile: Profile::Medium,
        level: Level::Fast,
        ..DiffOptions::default()
    };
    let mut make = |encrypt_to: Option<EncryptTo>, key: Option<&dyn Sign>| {
        options.encrypt_to = encrypt_to;
        let [old, new] = &images;
        diff(old, new, &options, key, &NoProgress).expect("a patch");
        options.encrypt_to = None;
    };
    // Twice: what was freed is soon written over, by `diff` most of all.
    let mut count = 0;
    for patch in [false, true] {
        count += if path.ends_with("x25519") {
            let key: RecipientKey = keys::read_recipient(path).expect("a key");
            if patch {
                make(EncryptTo::random(key.public()).ok(), None);
            }
            look(key, hold, &masked, &mut maps)
        } else {
            let key = keys::read_secret(path).expect("a key").key;
            let recipient = RecipientKey::new([0x33; 32].into()).expect("a key");
            let material = key.keying_material().expect("it can be encoded");
            let public = recipient.public();
            let to = EncryptTo::derived(public, Secret::SigningKey, &material);
            drop(material);
            if patch {
                make(Some(to), Some(&key));
            } else {
                key.sign(0, b"message").expect("a signature");
                drop(to);
            }
            look(key, hold, &masked, &mut maps)
        };
    }
    println!("found {count}");
}

/// Counts with `key` still there, or dropped.
fn look<K>(key: K, hold: bool, masked: &[Vec<u8>], maps: &mut String) -> usize {
    if hold {
        let key = Box::new(key);
        let count = copies(masked, maps);
        drop(key);
        count
    } else {
        drop(key);
        copies(masked, maps)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("digits");
    (0..text.len()).step_by(2).map(pair).collect()
}

/// How often what is masked in `masked` is on the heap. Allocates nothing, or it would write
/// over what it looks for: `maps` has room for the map of the memory.
fn copies(masked: &[Vec<u8>], maps: &mut String) -> usize {
    maps.clear();
    let mut file = File::open("/proc/self/maps").expect("a map of the memory");
    file.read_to_string(maps).expect("text");
    let heap = maps.lines().find(|l| l.ends_with("[heap]"));
    let range = heap.and_then(|l| l.split(' ').next()?.split_once('-'));
    let (start, end) = range.expect("a heap");
    let [start, end] = [start, end].map(|n| u64::from_str_radix(n, 16).expect("an address"));
    let mut memory = File::open("/proc/self/mem").expect("the memory");
    let is = |window: &[u8], needle: &[u8]| window.iter().zip(needle).all(|(a, b)| a ^ MASK == *b);
    let mut count = 0;
    // Pages, each with the front of the next, for what lies across.
    let mut bytes = [0; PAGE + 2 * LEN];
    for at in (start..end).step_by(PAGE) {
        let room = ((end - at) as usize).min(bytes.len());
        memory.seek(SeekFrom::Start(at)).expect("it is there");
        memory
            .read_exact(&mut bytes[..room])
            .expect("it can be read");
        for needle in masked {
            let windows = bytes[..room].windows(needle.len()).take(PAGE);
            count += windows.filter(|window| is(window, needle)).count();
        }
    }
    count
}
