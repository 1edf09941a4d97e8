//! The envelope: file head and COSE_Sign1 (RFC 9052) around the manifest.
//!
//! First thing the patcher reads and last thing the engine writes. It parses before
//! anything is trusted, so it does little: find the signature, the key id and the bytes
//! that were signed. Invariant (one spelling per envelope): bytes are accepted only if
//! emitting the parsed value gives the same bytes, which rules out indefinite lengths,
//! long forms, wrong order, duplicates and trailing bytes in one stroke. SPEC §4.
//!
//! ```text
//! "DMP1"  u16 LE length  d2 84          COSE_Sign1
//!                        4d a2 01 32    protected: {1: -19 (Ed25519),
//!                           04 48 kid               4: key id, 8 bytes}
//!                        a0             unprotected: empty
//!                        58 nn ...      payload: the manifest
//!                        58 40 ...      signature
//! unsigned: d2 84 40 a0 58 nn ... 40    empty protected header, empty signature
//! ```

use core::fmt;
use core::ops::Range;
use minicbor::encode::write::Cursor;
use minicbor::encode::{self, Write};
use minicbor::{Decoder, Encoder, data::Tag};

/// First bytes of a patch file.
pub const MAGIC: [u8; 4] = *b"DMP1";

/// Bytes before the envelope: magic and length.
pub const HEAD_BYTES: usize = 6;

/// Longest envelope.
pub const MAX_ENVELOPE: usize = 512;

/// External data under the signature: a signature made for another protocol with the
/// same key does not open a patch.
pub const EXTERNAL_AAD: &[u8] = b"deltamote-1";

/// Bytes of a key id: the first 8 of the SHA-256 of the public key.
pub const KID_BYTES: usize = 8;

/// Free bytes that [`open`] needs in front of an envelope.
pub const OPEN_HEADROOM: usize = 32;

/// Longest protected header this version knows: `{1: i32, 4: 8 bytes}`.
const MAX_PROTECTED: usize = 24;

/// A COSE algorithm number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Algorithm(pub i32);

impl Algorithm {
    /// Ed25519, fully specified (RFC 9864). What the engine writes.
    pub const ED25519: Algorithm = Algorithm(-19);
    /// EdDSA with the curve left to the key (RFC 9053); verified as Ed25519.
    pub const EDDSA: Algorithm = Algorithm(-8);
}

/// Who signed, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signer {
    /// Signature algorithm.
    pub algorithm: Algorithm,
    /// Key id.
    pub kid: [u8; KID_BYTES],
}

/// A rule of envelope or manifest that was broken, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireError {
    /// The rule.
    pub rule: Rule,
    /// Byte offset in the structure (or the manifest key, for rules about a field).
    pub at: u32,
}

/// The rules that envelope and manifest can break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// The file does not begin with the magic.
    Magic,
    /// The envelope is empty or longer than [`MAX_ENVELOPE`].
    EnvelopeLength,
    /// Not the CBOR that belongs here, or cut short.
    Malformed,
    /// Good CBOR in another spelling than the one allowed.
    NotCanonical,
    /// A header or manifest key that must be understood and is not.
    UnknownKey,
    /// A required field is missing.
    MissingField,
    /// A value that this version does not know.
    UnknownValue,
    /// A value outside its limits, or one that contradicts another.
    OutOfRange,
    /// Signature without key id, or key id without signature.
    HalfSigned,
    /// The buffer given for emitting is too small.
    BufferTooSmall,
}

impl WireError {
    pub(crate) const fn new(rule: Rule, at: usize) -> Self {
        WireError {
            rule,
            at: at as u32,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.rule {
            Rule::Magic => "this is not a Deltamote patch",
            Rule::EnvelopeLength => "the envelope has an impossible length",
            Rule::Malformed => "the envelope or manifest is malformed",
            Rule::NotCanonical => "the envelope or manifest is not in canonical form",
            Rule::UnknownKey => "an unknown field that must be understood",
            Rule::MissingField => "a required field is missing",
            Rule::UnknownValue => "a field has an unknown value",
            Rule::OutOfRange => "a field is out of range",
            Rule::HalfSigned => "signature and key id do not go together",
            Rule::BufferTooSmall => "the buffer is too small",
        };
        write!(f, "{what} (at {})", self.at)
    }
}

impl core::error::Error for WireError {}

/// The length of the envelope, from the first [`HEAD_BYTES`] of a patch file.
pub fn parse_head(head: &[u8; HEAD_BYTES]) -> Result<usize, WireError> {
    let mut r = crate::le::Reader(head);
    if r.array() != Some(&MAGIC) {
        return Err(WireError::new(Rule::Magic, 0));
    }
    match r.u16().map(usize::from) {
        Some(len) if (1..=MAX_ENVELOPE).contains(&len) => Ok(len),
        _ => Err(WireError::new(Rule::EnvelopeLength, 4)),
    }
}

/// The first bytes of a patch file whose envelope has `len` bytes.
pub fn emit_head(len: usize) -> Result<[u8; HEAD_BYTES], WireError> {
    let mut head = [0u8; HEAD_BYTES];
    let mut w = crate::le::Writer::new(&mut head);
    let put = u16::try_from(len)
        .ok()
        .filter(|_| (1..=MAX_ENVELOPE).contains(&len))
        .and_then(|len| w.bytes(&MAGIC).and_then(|()| w.u16(len)));
    match put {
        Some(()) => Ok(head),
        None => Err(WireError::new(Rule::EnvelopeLength, 4)),
    }
}

/// An envelope, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope<'a> {
    /// Who signed; `None` for an unsigned patch.
    pub signer: Option<Signer>,
    /// The manifest's bytes.
    pub manifest: &'a [u8],
    /// The signature; empty exactly when `signer` is `None`.
    pub signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart. Says nothing about whether it is authentic.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        if !(1..=MAX_ENVELOPE).contains(&bytes.len()) {
            return Err(WireError::new(Rule::EnvelopeLength, bytes.len()));
        }
        let mut d = Decoder::new(bytes);
        let envelope = Self::fields(&mut d).map_err(|rule| WireError::new(rule, d.position()))?;
        envelope.check()?;
        is_canonical(bytes, |w| envelope.write(w))?;
        Ok(envelope)
    }

    fn fields(d: &mut Decoder<'a>) -> Result<Self, Rule> {
        let bad = |_| Rule::Malformed;
        if d.tag().map_err(bad)? != Tag::new(18) || d.array().map_err(bad)? != Some(4) {
            return Err(Rule::Malformed);
        }
        let protected = d.bytes().map_err(bad)?;
        let signer = match protected {
            [] => None,
            _ => Some(Signer::parse(protected)?),
        };
        match d.map().map_err(bad)? {
            Some(0) => {}
            // What is not under the signature is not read, hence not allowed.
            Some(_) => return Err(Rule::UnknownKey),
            None => return Err(Rule::NotCanonical),
        }
        Ok(Envelope {
            signer,
            manifest: d.bytes().map_err(bad)?,
            signature: d.bytes().map_err(bad)?,
        })
    }

    fn check(&self) -> Result<(), WireError> {
        if self.signer.is_some() == self.signature.is_empty() {
            return Err(WireError::new(Rule::HalfSigned, 0));
        }
        Ok(())
    }

    /// Writes the envelope; gives its length.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        self.check()?;
        let len = emit_with(out, |w| self.write(w))?;
        if len > MAX_ENVELOPE {
            return Err(WireError::new(Rule::EnvelopeLength, len));
        }
        Ok(len)
    }

    fn write<W: Write>(&self, w: W) -> Result<(), encode::Error<W::Error>> {
        let mut e = Encoder::new(w);
        e.tag(Tag::new(18))?.array(4)?;
        Signer::write_bstr(self.signer, &mut e)?;
        e.map(0)?.bytes(self.manifest)?.bytes(self.signature)?;
        Ok(())
    }
}

impl Signer {
    fn parse(protected: &[u8]) -> Result<Signer, Rule> {
        let bad = |_| Rule::Malformed;
        let mut d = Decoder::new(protected);
        if d.map().map_err(bad)? != Some(2) {
            return Err(Rule::UnknownKey);
        }
        if d.u32().map_err(bad)? != 1 {
            return Err(Rule::UnknownKey);
        }
        let algorithm = Algorithm(d.i32().map_err(bad)?);
        if d.u32().map_err(bad)? != 4 {
            return Err(Rule::UnknownKey);
        }
        let kid = d.bytes().map_err(bad)?;
        let kid = *kid
            .first_chunk()
            .filter(|k| k.len() == kid.len())
            .ok_or(Rule::OutOfRange)?;
        Ok(Signer { algorithm, kid })
    }

    /// The protected header as a byte string: `{1: alg, 4: kid}`, or empty.
    fn write_bstr<W: Write>(
        signer: Option<Signer>,
        e: &mut Encoder<W>,
    ) -> Result<(), encode::Error<W::Error>> {
        let mut inner = Cursor::new([0u8; MAX_PROTECTED]);
        if let Some(signer) = signer {
            // MAX_PROTECTED holds the longest form, so this cannot fail; if it did,
            // the result would not be canonical and be refused.
            let _ = Encoder::new(&mut inner)
                .map(2)
                .and_then(|e| e.u32(1))
                .and_then(|e| e.i32(signer.algorithm.0))
                .and_then(|e| e.u32(4))
                .and_then(|e| e.bytes(&signer.kid));
        }
        let len = inner.position();
        e.bytes(inner.get_ref().get(..len).unwrap_or(&[]))?;
        Ok(())
    }
}

/// The bytes that are signed, the Sig_structure of RFC 9052 §4.4:
/// `["Signature1", protected, external_aad, manifest]`. Gives its length.
pub fn emit_sig_structure(
    signer: Signer,
    manifest: &[u8],
    out: &mut [u8],
) -> Result<usize, WireError> {
    emit_with(out, |w| {
        let mut e = Encoder::new(w);
        write_sig_prefix(signer, &mut e)?;
        e.bytes(manifest)?;
        Ok(())
    })
}

/// The Sig_structure up to, not including, the manifest's byte string.
fn write_sig_prefix<W: Write>(
    signer: Signer,
    e: &mut Encoder<W>,
) -> Result<(), encode::Error<W::Error>> {
    e.array(4)?.str("Signature1")?;
    Signer::write_bstr(Some(signer), e)?;
    e.bytes(EXTERNAL_AAD)?;
    Ok(())
}

/// Where [`open`] left the parts of an envelope in its buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Who signed; `None` for an unsigned patch.
    pub signer: Option<Signer>,
    /// The Sig_structure; empty for an unsigned patch.
    pub message: Range<usize>,
    /// The manifest (its bytes are the end of `message`).
    pub manifest: Range<usize>,
    /// The signature.
    pub signature: Range<usize>,
}

/// Parses the envelope at `range` of `buf` and rewrites its front *in place* into the
/// Sig_structure, so that a device can verify it without a second buffer: the manifest
/// is already there as the byte string that the Sig_structure ends with. At least
/// [`OPEN_HEADROOM`] bytes before `range` must be free.
pub fn open(buf: &mut [u8], range: Range<usize>) -> Result<Opened, WireError> {
    let short = WireError::new(Rule::BufferTooSmall, 0);
    let bytes = buf.get(range.clone()).ok_or(short)?;
    let envelope = Envelope::parse(bytes)?;
    let signer = envelope.signer;
    let (manifest_len, signature_len) = (envelope.manifest.len(), envelope.signature.len());
    // Canonical form fixes every head, so places follow from lengths, back to front.
    let signature = range.end - signature_len..range.end;
    let manifest_end = signature.start - head_len(signature_len);
    let manifest = manifest_end - manifest_len..manifest_end;
    let mut message = manifest_end..manifest_end;
    if let Some(signer) = signer {
        let mut prefix = [0u8; 64];
        let len = emit_with(&mut prefix, |w| {
            write_sig_prefix(signer, &mut Encoder::new(w))
        })?;
        let to = manifest.start - head_len(manifest_len);
        let from = to.checked_sub(len).ok_or(short)?;
        buf.get_mut(from..to)
            .zip(prefix.get(..len))
            .ok_or(short)
            .map(|(dst, src)| dst.copy_from_slice(src))?;
        message = from..manifest_end;
    }
    Ok(Opened {
        signer,
        message,
        manifest,
        signature,
    })
}

/// Bytes of the CBOR head of a byte string of `len` bytes.
const fn head_len(len: usize) -> usize {
    match len {
        0..24 => 1,
        24..256 => 2,
        _ => 3,
    }
}

/// Runs an emitter over a slice; gives the length written.
pub(crate) fn emit_with<'b, F, E>(out: &'b mut [u8], write: F) -> Result<usize, WireError>
where
    F: FnOnce(&mut Cursor<&'b mut [u8]>) -> Result<(), encode::Error<E>>,
{
    let mut cursor = Cursor::new(out);
    match write(&mut cursor) {
        Ok(()) => Ok(cursor.position()),
        Err(_) => Err(WireError::new(Rule::BufferTooSmall, cursor.position())),
    }
}

/// Refuses `bytes` unless the emitter writes exactly them. Nothing is buffered: the
/// emitter writes into a comparison.
pub(crate) fn is_canonical<F, E>(bytes: &[u8], write: F) -> Result<(), WireError>
where
    F: FnOnce(&mut Expect<'_>) -> Result<(), encode::Error<E>>,
{
    let mut expect = Expect { left: bytes };
    let written = write(&mut expect).is_ok();
    if written && expect.left.is_empty() {
        Ok(())
    } else {
        let at = bytes.len() - expect.left.len();
        Err(WireError::new(Rule::NotCanonical, at))
    }
}

/// A writer that accepts only the bytes it was given.
pub(crate) struct Expect<'a> {
    left: &'a [u8],
}

impl Write for Expect<'_> {
    type Error = ();

    fn write_all(&mut self, buf: &[u8]) -> Result<(), ()> {
        self.left = self.left.strip_prefix(buf).ok_or(())?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
