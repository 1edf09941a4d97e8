//! Envelope and manifest: what strangers send first.

use deltamote_format::envelope::{Envelope, MAX_ENVELOPE};
use deltamote_format::key_set::{KeySet, emit};
use deltamote_format::manifest::Manifest;

/// An envelope that is accepted is the one that emitting it gives.
pub fn envelope_is_canonical(data: &[u8]) {
    let Ok(envelope) = Envelope::parse(data) else {
        return;
    };
    let mut out = [0; MAX_ENVELOPE];
    let len = envelope
        .emit(&mut out)
        .expect("what was parsed can be emitted");
    assert_eq!(&out[..len], data);
}

/// A manifest that is accepted is the one that emitting it gives, and its payload can be
/// cut into chunks of its profile.
pub fn manifest_is_canonical(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(data) else {
        return;
    };
    let mut out = [0; 1024];
    let len = manifest
        .emit(&mut out)
        .expect("what was parsed can be emitted");
    assert_eq!(&out[..len], data);
    let layout = manifest.layout().expect("an accepted size has chunks");
    assert_eq!(layout.payload_size(), manifest.payload_size);
    let largest = manifest.profile.limits().chunk_bytes;
    assert!(manifest.chunk_size as usize <= largest);
    assert!(manifest.new_size > 0);
}

/// A key set that is accepted is the one that emitting it gives; cut short or with a byte
/// behind it, it is refused.
pub fn key_set_is_canonical(data: &[u8]) {
    let Ok(set) = KeySet::parse(data) else {
        return;
    };
    let entries: Vec<_> = set.entries().collect();
    let revoked: Vec<_> = set.revoked().copied().collect();
    assert!(revoked.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(revoked.iter().all(|kid| set.is_revoked(kid)));
    let mut out = vec![0; data.len() + 64];
    let len =
        emit(set.version, &entries, &revoked, &mut out).expect("what was parsed can be emitted");
    assert_eq!(&out[..len], data);
    assert!(KeySet::parse(&data[..data.len() - 1]).is_err());
    out[len] = 0;
    assert!(KeySet::parse(&out[..=len]).is_err());
}
