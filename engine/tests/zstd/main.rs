//! The second payload codec under everything that the first one is held to: round trips,
//! any split, power cuts, tampered and hostile payloads, and which of both is chosen.

mod choice;
#[path = "../../../patcher-nostd/sim/tests/common/mod.rs"]
mod common;
mod device;
#[path = "../pairs/mod.rs"]
mod pairs;
mod payloads;

use deltamote_engine::encode;
use deltamote_engine::image::Image;
use deltamote_engine::plan::Plan;
use deltamote_engine::planner::{self, Settings};
use deltamote_engine::{Level, NoProgress, embedded};
use deltamote_format::Profile;
use deltamote_format::manifest::{CODEC_DELTAMOTE, CODEC_ZSTD, Manifest};
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::{Device, Distrust, Error, Verifier};
use deltamote_sim::{ApplyError, Options, apply_with};
use deltamote_zstd::Zstd;

/// Two images and the payloads of both codecs between them.
pub struct Pair {
    pub old: Vec<u8>,
    pub new: Vec<u8>,
    pub plan: Plan,
    pub payload: Vec<u8>,
}

/// A payload of zstd in blocks of `1 << log2`, so that small images have several.
pub fn pair(old: &[u8], new: &[u8], log2: u8) -> Pair {
    let image = |bytes: &[u8]| Image::from_bytes(bytes.to_vec()).expect("raw bytes");
    let settings = Settings {
        profile: Profile::Large,
        level: Level::Fast,
        isa: None,
        base: None,
        prior: None,
    };
    let planned = planner::plan(&image(old), &image(new), &settings, &NoProgress);
    let plan = planned.expect("a plan").plan;
    Pair {
        old: old.to_vec(),
        new: new.to_vec(),
        payload: payload(&plan, (old, new), log2),
        plan,
    }
}

/// `plan` as a payload of zstd.
pub fn payload(plan: &Plan, images: (&[u8], &[u8]), log2: u8) -> Vec<u8> {
    let plan = plan.in_blocks(log2);
    let mut header = plan.header.clone();
    header.map_len = plan.count_map();
    let mut cursor = plan.cursor(images.1);
    deltamote_zstd::encode(header, images, &mut cursor, 12).expect("a payload")
}

impl Pair {
    /// The patch, unsigned, around any payload.
    pub fn sealed(&self, payload: &[u8], codec: u32) -> Vec<u8> {
        let manifest = Manifest {
            codec,
            // So that there are several.
            chunk_size: 256,
            isa_mask: self.plan.header.isa_mask(),
            ..common::manifest(&self.old, &self.new, Profile::Large)
        };
        common::seal(manifest, payload, None)
    }

    pub fn patch(&self) -> Vec<u8> {
        self.sealed(&self.payload, CODEC_ZSTD)
    }

    /// The same plan by our coder.
    pub fn ours(&self) -> Vec<u8> {
        let images = (&self.old[..], &self.new[..]);
        let payload = encode::encode(&self.plan, images, Profile::Large, None);
        self.sealed(&payload.expect("a payload"), CODEC_DELTAMOTE)
    }
}

/// `len` bytes of real firmware, from two releases.
pub fn firmware(len: usize, log2: u8) -> Pair {
    let old = &embedded::OLD[0x18c00..0x18c00 + len + 1024];
    pair(old, &embedded::NEW[0x19000..0x19000 + len], log2)
}

/// The patches of these tests are not signed.
pub struct Unasked;

impl Verifier for Unasked {
    fn verify(
        &self,
        _: &deltamote_format::envelope::Signer,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), Distrust> {
        Err(Distrust::UnknownKey)
    }
}

pub fn options() -> Options {
    Options {
        device: Device {
            allow_unsigned: true,
            ..Device::new(Profile::Large)
        },
        ..Options::default()
    }
}

/// What a device with codec `C` makes of it.
pub fn apply<C: Codec>(old: &[u8], patch: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    match apply_with::<C, _>(old, patch, &Unasked, options) {
        Ok(outcome) => Ok(outcome.new_image),
        Err(ApplyError::Patch(e)) => Err(e),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn a_device_without_the_codec_refuses_it_by_name() {
    let pair = firmware(5000, 0);
    let asks = |patch: &[u8]| {
        (
            apply::<Zstd>(&pair.old, patch, &options()),
            apply::<Deltamote>(&pair.old, patch, &options()),
        )
    };
    let new = Ok(pair.new.clone());
    assert_eq!(asks(&pair.patch()), (new.clone(), Err(Error::CodecUnknown)));
    assert_eq!(asks(&pair.ours()), (Err(Error::CodecUnknown), new));
}
