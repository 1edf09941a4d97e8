//! From a payload to a patch file: chunk chain, manifest, signature.
//!
//! Fed by the encoder; feeds the proof. All layouts are the format crate's.

use crate::{Error, Identity, keys};
use deltamote_format::Profile;
use deltamote_format::chain::{self, Layout, Link};
use deltamote_format::codec::Header;
use deltamote_format::envelope::{
    Algorithm, Envelope, Form, MAX_ENVELOPE, Purpose, Signer, emit_head, emit_sig_structure,
};
use deltamote_format::manifest::{Advisories, Manifest};
use deltamote_format::model::Prior;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The link to a chunk: its SHA-256, truncated.
fn link(chunk: &[u8]) -> Link {
    let mut link = Link::default();
    let len = link.len();
    link.copy_from_slice(&digest(chunk)[..len]);
    link
}

/// What goes around a payload.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The images.
    pub old: &'a [u8],
    /// The images.
    pub new: &'a [u8],
    /// The coded bytes.
    pub payload: &'a [u8],
    /// The payload's header, for the facts that the manifest repeats.
    pub header: &'a Header,
    /// Tables of the decoder.
    pub profile: Profile,
    /// Trained state that the decoder must have.
    pub prior: Option<&'a Prior<'a>>,
    /// For whom it is.
    pub identity: &'a Identity,
}

/// Makes the patch file.
pub fn seal(contents: &Contents<'_>, key: Option<&SigningKey>) -> Result<Vec<u8>, Error> {
    let mut manifest = Manifest::new(contents.profile);
    let layout = u32::try_from(contents.payload.len())
        .ok()
        .and_then(|len| Layout::for_data(len, manifest.chunk_size))
        .ok_or_else(|| Error::internal("the payload is too large"))?;
    let mut chunks = vec![0; layout.payload_size() as usize];
    manifest.first_chunk = chain::seal(contents.payload, layout, &mut chunks, link)
        .ok_or_else(|| Error::internal("the chunk layout does not fit"))?;
    manifest.payload_size = layout.payload_size();
    manifest.old_size = contents.old.len() as u32;
    manifest.new_size = contents.new.len() as u32;
    let (old_digest, new_digest) = rayon::join(|| digest(contents.old), || digest(contents.new));
    manifest.old_digest = old_digest;
    manifest.new_digest = new_digest;
    manifest.isa_mask = contents.header.isa_mask();
    manifest.prior = contents.prior.map(|p| p.id);
    identify(&mut manifest, contents.identity)?;

    let envelope = envelope(&manifest, key)?;
    let mut file = emit_head(envelope.len())?.to_vec();
    file.extend_from_slice(&envelope);
    file.extend_from_slice(&chunks);
    Ok(file)
}

fn identify<'a>(manifest: &mut Manifest<'a>, identity: &'a Identity) -> Result<(), Error> {
    manifest.sequence = identity.sequence;
    manifest.vendor = identity.vendor;
    manifest.class = identity.class;
    manifest.update_class = identity.update_class;
    let mut advisories = Advisories::default();
    for id in &identity.advisories {
        if !advisories.push(id) {
            return Err(Error::new(
                crate::ErrorClass::Usage,
                format!(
                    "advisory id {id:?} is one too many or too long; give fewer or shorter ones"
                ),
            ));
        }
    }
    manifest.advisories = advisories;
    Ok(())
}

fn envelope(manifest: &Manifest<'_>, key: Option<&SigningKey>) -> Result<Vec<u8>, Error> {
    let mut bytes = [0; MAX_ENVELOPE];
    let len = manifest.emit(&mut bytes)?;
    let manifest = &bytes[..len];
    let signer = key.map(|key| Signer {
        algorithm: Algorithm::ED25519,
        kid: keys::key_id(&key.verifying_key()),
    });
    let mut signature = Vec::new();
    if let (Some(key), Some(signer)) = (key, signer) {
        let mut message = [0; 2 * MAX_ENVELOPE];
        let len = emit_sig_structure(Purpose::Patch, Form::One, signer, manifest, &mut message)?;
        signature = key.sign(&message[..len]).to_bytes().to_vec();
    }
    let mut out = vec![0; MAX_ENVELOPE];
    let len = Envelope {
        signer,
        manifest,
        signature: &signature,
        second: None,
    }
    .emit(&mut out)?;
    out.truncate(len);
    Ok(out)
}
