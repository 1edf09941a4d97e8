//! Which patches the device takes, and in which order that is checked.
//!
//! Stands between the envelope and everything else: nothing of a patch is interpreted
//! before its signatures hold ([`crate::signature`]), nothing is erased before the rest
//! holds (`fitness`, then the digest of the old image). SPEC §4.2 has the order.

use crate::codec::Codec;
use crate::error::Error;
use crate::flash::Geometry;
use crate::signature::{Distrust, Verifier};
use crate::workspace::{workspace_bytes, workspace_words};
use deltamote_format::Profile;
use deltamote_format::envelope::{Opened, Purpose};
use deltamote_format::isa::Isa;
use deltamote_format::manifest::View;
use deltamote_format::model::Prior;

/// What the device is, and what it accepts.
#[derive(Clone, Copy, Debug)]
pub struct Device<'p> {
    /// Largest profile accepted.
    pub profile: Profile,
    /// Vendor id; a patch that names one must name this one.
    pub vendor: Option<[u8; 16]>,
    /// Class id; a patch that names one must name this one.
    pub class: Option<[u8; 16]>,
    /// Slot number of the new slot; a patch that names one must name this one.
    pub slot: Option<u32>,
    /// Where the new slot is mapped; a patch that names an address must name this one.
    pub load_address: Option<u64>,
    /// Smallest sequence number accepted.
    pub sequence_floor: u64,
    /// Accept patches without signature. For development.
    pub allow_unsigned: bool,
    /// First byte of the old image in its flash.
    pub old_offset: u32,
    /// First byte of the new image in its slot; begins an erase block (MCUboot
    /// swap-offset: the second one).
    pub new_offset: u32,
    /// Bytes at the end of the slot that belong to the bootloader (MCUboot trailer).
    pub reserved_tail: u32,
    /// Trained initial states that are built in.
    pub priors: &'p [Prior<'p>],
}

impl Device<'_> {
    /// A device with nothing special about it.
    pub const fn new(profile: Profile) -> Self {
        Device {
            profile,
            vendor: None,
            class: None,
            slot: None,
            load_address: None,
            sequence_floor: 0,
            allow_unsigned: false,
            old_offset: 0,
            new_offset: 0,
            reserved_tail: 0,
            priors: &[],
        }
    }
}

/// Check 1: the signature, or both of two.
pub(crate) fn signature<V: Verifier>(
    buf: &mut [u8],
    opened: &Opened,
    allow_unsigned: bool,
    verifier: &V,
) -> Result<(), Error> {
    if opened.signer.is_none() {
        return if allow_unsigned {
            Ok(())
        } else {
            Err(Error::NotSigned)
        };
    }
    signatures(buf, opened, Purpose::Patch, verifier).map_err(Error::from)
}

/// Whether every signature there is holds, and whether they are as many as wanted.
pub(crate) fn signatures<V: Verifier>(
    buf: &mut [u8],
    opened: &Opened,
    purpose: Purpose,
    verifier: &V,
) -> Result<(), Distrust> {
    if verifier.needs_second() && !opened.has_second() {
        return Err(Distrust::SecondMissing);
    }
    let signer = opened.signer.as_ref().ok_or(Distrust::UnknownKey)?;
    let none = Distrust::BadSignature;
    let message = buf.get(opened.message()).ok_or(none)?;
    let signature = buf.get(opened.signature()).ok_or(none)?;
    verifier.verify(signer, message, signature)?;
    if opened.has_second() {
        second(buf, opened, purpose, verifier)?;
    }
    Ok(())
}

/// Not inlined: what the second needs is not on the stack while the first is checked.
#[inline(never)]
fn second<V: Verifier>(
    buf: &mut [u8],
    opened: &Opened,
    purpose: Purpose,
    verifier: &V,
) -> Result<(), Distrust> {
    let none = Distrust::BadSignature;
    let second = opened.second(buf, purpose).ok_or(none)?;
    let message = buf.get(second.message).ok_or(none)?;
    let signature = buf.get(second.signature).ok_or(none)?;
    verifier.verify_second(&second.signer, message, signature)
}

/// Checks 3 to 7: whether this build and this device can and may apply the patch.
/// (Check 2, version and unknown fields, is the manifest's parse; check 8, the digest
/// of the old image, comes last because it takes longest.) Gives the prior to use.
pub(crate) fn fitness<'p, C: Codec>(
    manifest: &View<'_>,
    device: &Device<'p>,
    (words, bytes): (usize, usize),
    old_room: u32,
    slot: &Geometry,
) -> Result<Option<&'p Prior<'p>>, Error> {
    // 3: features.
    if manifest.codec() != C::ID {
        return Err(Error::CodecUnknown);
    }
    let built_in = |isa: &Isa| u32::from(isa.is_built_in()) << *isa as u32;
    if manifest.isa_mask() & !Isa::ALL.iter().map(built_in).sum::<u32>() != 0 {
        return Err(Error::IsaUnknown);
    }
    let prior = match manifest.prior() {
        None => None,
        Some(id) => match device.priors.iter().find(|p| p.id == id) {
            Some(prior) => Some(prior),
            None => return Err(Error::PriorMissing),
        },
    };
    if manifest.is_encrypted() && !crate::ENCRYPTION {
        return Err(Error::EncryptionUnsupported);
    }
    // 4: memory.
    let profile = manifest.profile();
    if profile > device.profile {
        return Err(Error::ProfileTooLarge);
    }
    let Some(&(words_needed, bytes_needed)) = WORKSPACES.get(profile as usize) else {
        return Err(Error::Bug);
    };
    let needed = (2 * words_needed + bytes_needed) as u32;
    let needed = needed.max(manifest.ram_bytes());
    if words < words_needed || bytes < bytes_needed || 2 * words + bytes < needed as usize {
        return Err(Error::RamTooSmall { needed });
    }
    // 5: addressee. A patch that names what the device does not know is not for it.
    if !is_for(manifest.vendor(), &device.vendor) {
        return Err(Error::WrongVendor);
    }
    if !is_for(manifest.class(), &device.class) {
        return Err(Error::WrongClass);
    }
    if manifest.slot().is_some_and(|n| device.slot != Some(n)) {
        return Err(Error::WrongSlot);
    }
    let address = manifest.load_address();
    if address.is_some_and(|at| device.load_address != Some(at)) {
        return Err(Error::WrongSlot);
    }
    // 6: rollback.
    if manifest.sequence() < device.sequence_floor {
        return Err(Error::SequenceTooOld);
    }
    // 7: sizes.
    let fits = |offset: u32, size: u32, limit: u32| {
        offset.checked_add(size).is_some_and(|end| end <= limit)
    };
    if !fits(device.old_offset, manifest.old_size(), old_room) {
        return Err(Error::OldImageMismatch);
    }
    // The last program unit is padded: the padding must not reach the bootloader's bytes
    // either. (Erasing them is right: a stale trailer must not survive.)
    let room = slot.size.saturating_sub(device.reserved_tail);
    let units = room - room.checked_rem(slot.write_size).unwrap_or(room);
    if !fits(device.new_offset, manifest.new_size(), units) {
        return Err(Error::NewImageTooLarge);
    }
    Ok(prior)
}

/// Words and bytes that each profile needs. A table: computing them takes more.
const WORKSPACES: [(usize, usize); 4] = {
    let [tiny, small, medium, large] = Profile::ALL;
    [needs(tiny), needs(small), needs(medium), needs(large)]
};

const fn needs(profile: Profile) -> (usize, usize) {
    (workspace_words(profile), workspace_bytes(profile))
}

/// Whether the patch is for a device with the id `known`: it names no id, or this one.
fn is_for(named: &[u8], known: &Option<[u8; 16]>) -> bool {
    named.is_empty() || named == known.as_slice().as_flattened()
}
