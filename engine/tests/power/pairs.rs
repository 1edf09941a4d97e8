//! Small pairs of images and patches between them: of the real codec, and of the toy one
//! whose reset points lie close together.

use crate::common;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use deltamote_engine::image::Image;
use deltamote_engine::plan::{Plan, Segment};
use deltamote_engine::{DiffOptions, Level, NoProgress, diff, embedded, encode};
use deltamote_format::Profile;
use deltamote_format::chain::{self, Layout};
use deltamote_format::codec::{Header, Position};
use deltamote_format::encryption::{Encryption, nonce};
use deltamote_format::isa::Isa;
use deltamote_format::manifest::{CODEC_DELTAMOTE, Manifest};
use deltamote_patcher::encryption::{ContentKey, NoContentKey, Recipient};
use deltamote_sim::Update;

/// Two images and a patch, unsigned.
pub struct Pair {
    pub old: Vec<u8>,
    pub new: Vec<u8>,
    pub patch: Vec<u8>,
}

impl Pair {
    pub fn update(&self) -> Update<'_> {
        Update {
            patch: &self.patch,
            new: &self.new,
        }
    }
}

/// `len` bytes of real firmware, from two releases.
pub fn firmware(len: usize, profile: Profile) -> Pair {
    // A stretch of code that moved by 0x400 or so, of which about a third changed.
    let old = embedded::OLD[0x18c00..0x18c00 + len + 1024].to_vec();
    let new = embedded::NEW[0x19000..0x19000 + len].to_vec();
    let options = DiffOptions {
        profile,
        level: Level::Fast,
        jobs: Some(1),
        priors: &[],
        ..DiffOptions::default()
    };
    let image = |bytes: &[u8]| Image::from_bytes(bytes.to_vec()).expect("raw bytes");
    let patch = diff(&image(&old), &image(&new), &options, None, &NoProgress);
    let patch = patch.expect("a patch").bytes;
    Pair { old, new, patch }
}

/// Bytes of a copy during which the codec resets: so few that an interval still has the
/// payload that a reset needs.
const COPY: usize = 24;

/// The device's side of [`encrypted`]: the key as a secure element would give it.
pub struct Element;

/// Stands for what HPKE derives; that is tested where HPKE is called.
const CONTENT_KEY: [u8; 32] = [0x42; 32];

impl Recipient for Element {
    fn content_key(&self, _: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        Ok(ContentKey::new(CONTENT_KEY))
    }
}

/// [`with_resets`], encrypted in chunks so small that a resume begins in the midst of them.
pub fn encrypted(len: usize, profile: Profile) -> Pair {
    let (old, new, mut manifest, data) = plain_with_resets(len, profile);
    manifest.chunk_size = 256;
    let encryption = Encryption {
        recipient: &[1; 8],
        encapsulated: &[2; 32],
    };
    let layout = Layout::for_encrypted_data(data.len() as u32, manifest.chunk_size).expect("fits");
    let cipher = ChaCha20Poly1305::new(&CONTENT_KEY.into());
    let mut sealed = Vec::new();
    for k in 0..layout.count() {
        let from = layout.data_start(k) as usize;
        let to = match layout.is_last(k) {
            true => data.len(),
            false => layout.data_start(k + 1) as usize,
        };
        let mut part = data[from..to].to_vec();
        let tag = cipher.encrypt_inout_detached(&nonce(k).into(), &[], (&mut part[..]).into());
        sealed.extend(part);
        sealed.extend(tag.expect("short"));
    }
    let mut payload = vec![0; layout.payload_size() as usize];
    let link = |chunk: &[u8]| common::sha(chunk)[..16].try_into().expect("16 bytes");
    manifest.first_chunk = chain::seal(&sealed, layout, &mut payload, link).expect("fits");
    manifest.payload_size = layout.payload_size();
    let manifest = Manifest {
        encryption: Some(encryption),
        ..manifest
    };
    let mut buf = [0; 512];
    let n = manifest.emit(&mut buf).expect("emits");
    let patch = common::envelope(&buf[..n], &payload, None);
    Pair { old, new, patch }
}

/// New bytes enough for the real codec to reset every 4 KiB, with copies across the resets.
pub fn with_resets(len: usize, profile: Profile) -> Pair {
    let (old, new, manifest, payload) = plain_with_resets(len, profile);
    let patch = common::seal(manifest, &payload, None);
    Pair { old, new, patch }
}

/// Images, manifest and payload of [`with_resets`].
fn plain_with_resets(
    len: usize,
    profile: Profile,
) -> (Vec<u8>, Vec<u8>, Manifest<'static>, Vec<u8>) {
    let old = common::image(4096, 5);
    let mut new = common::image(len, 6);
    let mut header = Header::new(old.len() as u32, len as u32, Isa::None);
    header.reset_log2 = 12;
    let mut segments = Vec::new();
    for (k, at) in (4096 - COPY / 2..len.saturating_sub(COPY))
        .step_by(4096)
        .enumerate()
    {
        let from = 300 * k + 17;
        new[at..at + COPY].copy_from_slice(&old[from..from + COPY]);
        segments.push(Segment {
            new: at as u32,
            source: Position::Old(from as u32),
            len: COPY as u32,
            mapped: k % 2 == 0,
        });
    }
    let plan = Plan { header, segments };
    let payload = encode::encode(&plan, (&old, &new), profile, None).expect("encodes");
    let manifest = Manifest {
        codec: CODEC_DELTAMOTE,
        isa_mask: plan.header.isa_mask(),
        ..common::manifest(&old, &new, profile)
    };
    (old, new, manifest, payload)
}

/// Of the toy codec; `seed` makes another new image of the same old one.
pub fn toy(len: usize, profile: Profile, seed: u32) -> Pair {
    let (old, new) = (common::image(600, 1), common::image(len, seed));
    let data = common::toy_payload(&old, &new, 40);
    let patch = common::seal(common::manifest(&old, &new, profile), &data, None);
    Pair { old, new, patch }
}
