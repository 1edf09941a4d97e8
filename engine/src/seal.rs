//! From a payload to a patch file: chunk chain, manifest, signature.
//!
//! Fed by the encoder; feeds the proof. All layouts are the format crate's.

use crate::encrypt::Encrypted;
use crate::keys::{PublicKey, Sign};
use crate::{Error, Identity};
use deltamote_format::Profile;
use deltamote_format::chain::{self, Layout, Link};
use deltamote_format::codec::Header;
use deltamote_format::envelope::{
    Envelope, Form, MAX_ENVELOPE, Purpose, emit_head, emit_sig_structure,
};
use deltamote_format::manifest::{Advisories, MAX_ADVISORIES, MAX_ADVISORY_BYTES, Manifest};
use deltamote_format::model::Prior;
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
pub struct Contents<'a> {
    /// The images.
    pub old: &'a [u8],
    /// The images.
    pub new: &'a [u8],
    /// The coded bytes.
    pub payload: &'a [u8],
    /// Number of the codec that they are for.
    pub codec: u32,
    /// The payload's header, for the facts that the manifest repeats.
    pub header: &'a Header,
    /// Tables of the decoder.
    pub profile: Profile,
    /// Trained state that the decoder must have.
    pub prior: Option<&'a Prior<'a>>,
    /// For whom it is.
    pub identity: &'a Identity,
    /// The payload encrypted, instead of as it is.
    pub encrypted: Option<&'a Encrypted>,
}

/// Makes the patch file.
pub fn seal(contents: &Contents<'_>, key: Option<&dyn Sign>) -> Result<Vec<u8>, Error> {
    let mut manifest = Manifest::new(contents.profile);
    let (layout, data) = match contents.encrypted {
        Some(encrypted) => (encrypted.layout, &encrypted.data[..]),
        None => {
            let layout = u32::try_from(contents.payload.len())
                .ok()
                .and_then(|len| Layout::for_data(len, manifest.chunk_size))
                .ok_or_else(|| Error::internal("the payload is too large"))?;
            (layout, contents.payload)
        }
    };
    manifest.codec = contents.codec;
    manifest.encryption = contents.encrypted.map(Encrypted::field);
    let mut chunks = vec![0; layout.payload_size() as usize];
    manifest.first_chunk = chain::seal(data, layout, &mut chunks, link)
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
    manifest.sbom_old = identity.sbom_old;
    manifest.sbom_new = identity.sbom_new;
    let mut advisories = Advisories::default();
    for id in &identity.advisories {
        let wrong = if !id.bytes().all(|b| b.is_ascii_graphic()) {
            "has other than visible ASCII characters".into()
        } else if id.is_empty() || id.len() > MAX_ADVISORY_BYTES {
            format!(
                "has {} bytes; 1 to {MAX_ADVISORY_BYTES} are possible",
                id.len()
            )
        } else if !advisories.push(id) {
            format!("is one too many; {MAX_ADVISORIES} are possible")
        } else {
            continue;
        };
        return Err(Error::new(
            crate::ErrorClass::Usage,
            format!("advisory id {id:?} {wrong}"),
        ));
    }
    manifest.advisories = advisories;
    Ok(())
}

fn envelope(manifest: &Manifest<'_>, key: Option<&dyn Sign>) -> Result<Vec<u8>, Error> {
    let mut bytes = [0; MAX_ENVELOPE];
    let len = manifest.emit(&mut bytes)?;
    let envelope = sign(Purpose::Patch, &bytes[..len], key)?;
    fits(envelope.len(), manifest.profile)?;
    Ok(envelope)
}

/// Fails if the workspace of a device of `profile` does not hold an envelope of `len`
/// bytes.
pub(crate) fn fits(len: usize, profile: Profile) -> Result<(), Error> {
    let most = profile.max_envelope();
    if len <= most {
        return Ok(());
    }
    let name = profile.name();
    Err(Error::new(
        crate::ErrorClass::Usage,
        format!(
            "manifest and signatures have {len} bytes, a {name} device holds {most}; \
             choose a scheme with a smaller signature, or a larger profile"
        ),
    ))
}

/// An envelope around `content`, signed by each key of `key`.
pub(crate) fn sign(
    purpose: Purpose,
    content: &[u8],
    key: Option<&dyn Sign>,
) -> Result<Vec<u8>, Error> {
    let keys = key.map_or(Vec::new(), Sign::public_keys);
    let mut signatures = Vec::new();
    for (which, public) in keys.iter().enumerate() {
        let message = to_be_signed(purpose, content, &keys, which)?;
        let signature = key.map(|k| k.sign(which, &message)).transpose()?;
        signatures.push((public, signature.unwrap_or_default()));
    }
    assemble(content, &signatures)
}

/// What key number `which` of `keys` signs.
pub(crate) fn to_be_signed(
    purpose: Purpose,
    content: &[u8],
    keys: &[PublicKey],
    which: usize,
) -> Result<Vec<u8>, Error> {
    let post_quantum = |key: &PublicKey| key.signer().algorithm.is_post_quantum();
    let form = match keys {
        [_] => Form::One,
        [a, b] if !post_quantum(a) && post_quantum(b) => Form::Two,
        _ => {
            return Err(Error::new(
                crate::ErrorClass::Usage,
                "give one key, or a classical one and then a post-quantum one",
            ));
        }
    };
    let signer = keys
        .get(which)
        .map(PublicKey::signer)
        .ok_or_else(|| Error::internal("no such key"))?;
    let mut message = vec![0; 2 * MAX_ENVELOPE];
    let len = emit_sig_structure(purpose, form, signer, content, &mut message)?;
    message.truncate(len);
    Ok(message)
}

/// An envelope around `content` with signatures that are there already; unsigned without.
pub(crate) fn assemble(
    content: &[u8],
    signatures: &[(&PublicKey, Vec<u8>)],
) -> Result<Vec<u8>, Error> {
    let part = |n: usize| signatures.get(n).map(|(k, s)| (k.signer(), s.as_slice()));
    let mut out = vec![0; 2 * MAX_ENVELOPE];
    let len = Envelope {
        signer: part(0).map(|p| p.0),
        manifest: content,
        signature: part(0).map_or(&[], |p| p.1),
        second: part(1),
    }
    .emit(&mut out)?;
    out.truncate(len);
    Ok(out)
}
