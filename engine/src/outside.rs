//! Signing outside: the bytes that an HSM, a KMS or a token signs, and its answer put in.
//!
//! Works on patches and on key sets alike; whatever signatures the file has are replaced.
//! Nothing is attached that does not hold.

use crate::keys::{PublicKey, Scheme};
use crate::{Error, ErrorClass, seal};
use deltamote_format::envelope::{Envelope, HEAD_BYTES, Purpose};
use deltamote_format::manifest::Manifest;
use deltamote_patcher::{Keys, Verifier};

/// A patch or a key set, taken apart but not checked.
struct File<'a> {
    purpose: Purpose,
    envelope: Envelope<'a>,
    rest: &'a [u8],
}

impl<'a> File<'a> {
    fn of(bytes: &'a [u8]) -> Result<File<'a>, Error> {
        let damaged = |what: &dyn std::fmt::Display| {
            Error::new(
                ErrorClass::Damaged,
                format!("{what}; give a patch or a key set"),
            )
        };
        let short = || damaged(&format!("the file ends after {} bytes", bytes.len()));
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or_else(short)?;
        let purpose = if head.starts_with(Purpose::KeySet.magic()) {
            Purpose::KeySet
        } else {
            Purpose::Patch
        };
        let len = purpose.parse_head(head).map_err(|e| damaged(&e))?;
        let (envelope, rest) = rest.split_at_checked(len).ok_or_else(short)?;
        Ok(File {
            purpose,
            envelope: Envelope::parse(envelope).map_err(|e| damaged(&e))?,
            rest,
        })
    }
}

/// What key number `which` of `keys` must sign so that the file (a patch or a key set)
/// holds under all of them: one key, or two of which the classical one comes first.
///
/// # Errors
/// Damaged files, impossible keys.
pub fn to_be_signed(file: &[u8], keys: &[PublicKey], which: usize) -> Result<Vec<u8>, Error> {
    let file = File::of(file)?;
    seal::to_be_signed(file.purpose, file.envelope.manifest, keys, which)
}

/// The file with these signatures, one for each key. Those of P-256 may be r and s or DER,
/// and s of either half.
///
/// # Errors
/// [`ErrorClass::NotAuthentic`] if a signature does not hold.
pub fn attach(file: &[u8], keys: &[PublicKey], signatures: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    if keys.len() != signatures.len() {
        let what = "give one signature for each public key, in the same order";
        return Err(Error::new(ErrorClass::Usage, what));
    }
    let file = File::of(file)?;
    let content = file.envelope.manifest;
    let mut parts = Vec::new();
    for (which, (key, signature)) in keys.iter().zip(signatures).enumerate() {
        let message = seal::to_be_signed(file.purpose, content, keys, which)?;
        let signature = canonical(key.scheme, signature);
        Keys(&[key.on_device()])
            .verify(&key.signer(), &message, &signature)
            .map_err(|_| {
                let what = format!(
                    "the signature of {} bytes does not hold under {} key {}; sign the bytes \
                     that deltamote tbs gives for this key, without hashing them first",
                    signature.len(),
                    key.scheme.name(),
                    key.id_hex()
                );
                Error::new(ErrorClass::NotAuthentic, what)
            })?;
        parts.push((key, signature));
    }
    let envelope = seal::assemble(content, &parts)?;
    if file.purpose == Purpose::Patch {
        let manifest = Manifest::parse(content)
            .map_err(|e| Error::new(ErrorClass::Damaged, format!("{e}; make the patch again")))?;
        seal::fits(envelope.len(), manifest.profile)?;
    }
    let mut out = file.purpose.emit_head(envelope.len())?.to_vec();
    out.extend_from_slice(&envelope);
    out.extend_from_slice(file.rest);
    Ok(out)
}

/// The one spelling that devices take.
fn canonical(scheme: Scheme, signature: &[u8]) -> Vec<u8> {
    use p256::ecdsa::Signature;
    if scheme != Scheme::P256 {
        return signature.to_vec();
    }
    let raw = Signature::from_slice(signature);
    match raw.or_else(|_| Signature::from_der(signature)) {
        Ok(signature) => signature.normalize_s().to_bytes().to_vec(),
        Err(_) => signature.to_vec(),
    }
}
