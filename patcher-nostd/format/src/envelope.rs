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
//! two:      d8 62 84 40 a0 58 nn ...    COSE_Sign (RFC 9052 §4.1), empty protected header
//!                        82             two of: 83 protected, a0, signature
//! ```
//!
//! What each signature of two signs differs in its first words from what a single one
//! signs, so that neither can be taken out and shown alone.

use crate::cbor::{Cursor, Decoder, Encoder, Write};
use core::fmt;
use core::ops::Range;

/// First bytes of a patch file.
pub const MAGIC: [u8; 4] = *b"DMP1";

/// Bytes before the envelope: magic and length.
pub const HEAD_BYTES: usize = 6;

/// Longest envelope; [`crate::Profile::max_envelope`] is what a device holds.
pub const MAX_ENVELOPE: usize = 4096;

/// What an envelope is for. It is under the signature as external data: a signature made
/// for another purpose, or another protocol, with the same key does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Around a manifest (SPEC §4).
    Patch,
    /// Around a key set (SPEC §4.5).
    KeySet,
}

impl Purpose {
    /// The external data as the byte string that it is in what is signed.
    const fn external_aad(self) -> &'static [u8] {
        match self {
            Purpose::Patch => b"\x4bdeltamote-1",
            Purpose::KeySet => b"\x50deltamote-keys-1",
        }
    }
}

/// How many signatures an envelope has; each signs this too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// One: COSE_Sign1.
    One,
    /// Two, both of which must hold: COSE_Sign.
    Two,
}

/// Bytes of a key id: the first 8 of the SHA-256 of the public key.
pub const KID_BYTES: usize = 8;

/// Free bytes that [`open`] needs in front of an envelope.
pub const OPEN_HEADROOM: usize = 48;

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
    /// ECDSA with P-256 and SHA-256, fully specified (RFC 9864).
    pub const ESP256: Algorithm = Algorithm(-9);
    /// HSS/LMS (RFC 8778); here always of one level.
    pub const HSS_LMS: Algorithm = Algorithm(-46);
    /// ML-DSA-65 (RFC 9964).
    pub const ML_DSA_65: Algorithm = Algorithm(-49);

    /// Whether it is thought to withstand a quantum computer.
    pub const fn is_post_quantum(self) -> bool {
        matches!(self, Algorithm::HSS_LMS | Algorithm::ML_DSA_65)
    }
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
    Magic = 1,
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

impl Purpose {
    /// First bytes of a file of this kind.
    pub const fn magic(self) -> &'static [u8; 4] {
        match self {
            Purpose::Patch => &MAGIC,
            Purpose::KeySet => b"DMK1",
        }
    }

    /// The length of the envelope, from the first [`HEAD_BYTES`] of a file.
    ///
    /// # Errors
    /// Another magic, or a length that no envelope has.
    pub fn parse_head(self, head: &[u8; HEAD_BYTES]) -> Result<usize, WireError> {
        let mut r = crate::le::Reader(head);
        if r.array() != Some(self.magic()) {
            return Err(WireError::new(Rule::Magic, 0));
        }
        match r.u16().map(usize::from) {
            Some(len) if (1..=MAX_ENVELOPE).contains(&len) => Ok(len),
            _ => Err(WireError::new(Rule::EnvelopeLength, 4)),
        }
    }

    /// The first bytes of a file whose envelope has `len` bytes.
    ///
    /// # Errors
    /// A length that no envelope has.
    pub fn emit_head(self, len: usize) -> Result<[u8; HEAD_BYTES], WireError> {
        let mut head = [0u8; HEAD_BYTES];
        let mut w = crate::le::Writer::new(&mut head);
        let put = u16::try_from(len)
            .ok()
            .filter(|_| (1..=MAX_ENVELOPE).contains(&len))
            .and_then(|len| w.bytes(self.magic()).and_then(|()| w.u16(len)));
        match put {
            Some(()) => Ok(head),
            None => Err(WireError::new(Rule::EnvelopeLength, 4)),
        }
    }
}

/// As [`Purpose::parse_head`], of a patch file.
///
/// # Errors
/// As there.
pub fn parse_head(head: &[u8; HEAD_BYTES]) -> Result<usize, WireError> {
    Purpose::Patch.parse_head(head)
}

/// As [`Purpose::emit_head`], of a patch file.
///
/// # Errors
/// As there.
pub fn emit_head(len: usize) -> Result<[u8; HEAD_BYTES], WireError> {
    Purpose::Patch.emit_head(len)
}

/// An envelope, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope<'a> {
    /// Who signed; `None` for an unsigned patch.
    pub signer: Option<Signer>,
    /// The bytes that are signed: a manifest or a key set.
    pub manifest: &'a [u8],
    /// The signature; empty exactly when `signer` is `None`.
    pub signature: &'a [u8],
    /// Who else signed, and the signature.
    pub second: Option<(Signer, &'a [u8])>,
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart. Says nothing about whether it is authentic.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut opened = Opened::default();
        opened.read(bytes, 0)?;
        Envelope::of(bytes, &opened).ok_or(WireError::new(Rule::Malformed, 0))
    }

    /// The envelope at the end of `bytes`, whose parts lie where `opened` says.
    fn of(bytes: &'a [u8], opened: &Opened) -> Option<Self> {
        let second = if opened.has_second() {
            let d = &mut Decoder::new(bytes.get(opened.second.into()..)?);
            let (signer, signature) = one_of_two(d);
            Some(signer.zip(Some(signature))?)
        } else {
            None
        };
        Some(Envelope {
            signer: opened.signer,
            manifest: bytes.get(opened.manifest())?,
            signature: bytes.get(opened.signature())?,
            second,
        })
    }

    fn check(&self) -> Result<(), WireError> {
        let half_second = match self.second {
            Some((_, signature)) => self.signer.is_none() || signature.is_empty(),
            None => false,
        };
        if self.signer.is_some() == self.signature.is_empty() || half_second {
            return Err(WireError::new(Rule::HalfSigned, 0));
        }
        Ok(())
    }

    /// Writes the envelope; gives its length.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        self.check()?;
        let len = emit_with(out, |e| self.write(e))?;
        if len > MAX_ENVELOPE {
            return Err(WireError::new(Rule::EnvelopeLength, len));
        }
        Ok(len)
    }

    fn write(&self, e: &mut Encoder<'_>) -> Option<()> {
        let tag = if self.second.is_some() { TWO } else { ONE };
        e.tag(tag.into())?.array(4)?;
        let Some((second, second_signature)) = self.second else {
            Signer::write_bstr(self.signer, e)?;
            e.map(0)?.bytes(self.manifest)?.bytes(self.signature)?;
            return Some(());
        };
        e.bytes(&[])?.map(0)?.bytes(self.manifest)?.array(2)?;
        for (signer, signature) in [
            (self.signer, self.signature),
            (Some(second), second_signature),
        ] {
            e.array(3)?;
            Signer::write_bstr(signer, e)?;
            e.map(0)?.bytes(signature)?;
        }
        Some(())
    }
}

/// Tag of COSE_Sign1.
const ONE: u32 = 18;
/// Tag of COSE_Sign.
const TWO: u32 = 98;

/// An unprotected header: what is not under the signature is not read, hence not allowed.
fn empty_map(d: &mut Decoder<'_>) {
    let rule = if d.is_endless_map() {
        Rule::NotCanonical
    } else if d.map() != 0 {
        Rule::UnknownKey
    } else {
        return;
    };
    d.refuse(rule);
}

/// A COSE_Signature: `[protected, {}, signature]`.
fn one_of_two<'a>(d: &mut Decoder<'a>) -> (Option<Signer>, &'a [u8]) {
    if d.array() != 3 {
        d.refuse(Rule::Malformed);
    }
    let mut signer = None;
    Signer::parse(d, &mut signer);
    if signer.is_none() {
        d.refuse(Rule::Malformed);
    }
    empty_map(d);
    (signer, d.bytes())
}

impl Signer {
    /// From a protected header as a byte string, into `signer`, which stays `None` if that is
    /// empty.
    fn parse(outer: &mut Decoder<'_>, signer: &mut Option<Signer>) {
        let protected = outer.bytes();
        if protected.is_empty() {
            return;
        }
        let signer = signer.insert(Signer {
            algorithm: Algorithm(0),
            kid: [0; KID_BYTES],
        });
        let d = &mut Decoder::new(protected);
        if let Some(rule) = signer.fields(d) {
            d.refuse(rule);
        }
        outer.forbid(!d.is_canonical());
        if let Some(rule) = d.broken() {
            outer.refuse(rule);
        }
    }

    /// The rule that is broken, unless `d` knows of one.
    fn fields(&mut self, d: &mut Decoder<'_>) -> Option<Rule> {
        if d.map() != 2 || d.u32() != 1 {
            return Some(Rule::UnknownKey);
        }
        self.algorithm = Algorithm(d.i32());
        if d.u32() != 4 {
            return Some(Rule::UnknownKey);
        }
        match d.bytes().try_into() {
            Ok(kid) => self.kid = kid,
            Err(_) => return Some(Rule::OutOfRange),
        }
        None
    }

    /// The protected header as a byte string: `{1: alg, 4: kid}`, or empty.
    fn write_bstr(signer: Option<Signer>, e: &mut Encoder<'_>) -> Option<()> {
        let mut buf = [0u8; MAX_PROTECTED];
        let mut inner = Cursor::new(&mut buf);
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
        e.bytes(inner.written())?;
        Some(())
    }
}

/// The bytes that `signer` signs, the Sig_structure of RFC 9052 §4.4:
/// `["Signature1", protected, external_aad, manifest]`, or for two
/// `["Signature", h'', protected, external_aad, manifest]`. Gives its length.
pub fn emit_sig_structure(
    purpose: Purpose,
    form: Form,
    signer: Signer,
    manifest: &[u8],
    out: &mut [u8],
) -> Result<usize, WireError> {
    emit_with(out, |e| {
        write_sig_prefix(purpose, form, signer, e)?;
        e.bytes(manifest)?;
        Some(())
    })
}

/// The Sig_structure up to, not including, the manifest's byte string.
fn write_sig_prefix(
    purpose: Purpose,
    form: Form,
    signer: Signer,
    e: &mut Encoder<'_>,
) -> Option<()> {
    match form {
        Form::One => e.array(4)?.str("Signature1")?,
        Form::Two => e.array(5)?.str("Signature")?.bytes(&[])?,
    };
    Signer::write_bstr(Some(signer), e)?;
    e.raw(purpose.external_aad())
}

/// The manifest inside a Sig_structure of this version, of either form.
pub fn manifest_of(sig_structure: &[u8]) -> Option<&[u8]> {
    let mut d = Decoder::new(sig_structure);
    let parts = d.array();
    d.text();
    let mut last = None;
    for _ in 1..parts {
        last = Some(d.bytes());
        if !d.is_good() {
            return None;
        }
    }
    last
}

/// Where [`open`] left the parts of an envelope in its buffer.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Who signed; `None` for an unsigned patch.
    pub signer: Option<Signer>,
    // Offsets, not ranges: this lies on the stack while a signature is checked.
    message: u16,
    manifest: u16,
    manifest_end: u16,
    signature: u16,
    signature_end: u16,
    /// The second signature's array; 0 if there is none.
    second: u16,
}

/// A signature beside the first, ready to be checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Second {
    /// Who signed.
    pub signer: Signer,
    /// Where the Sig_structure lies.
    pub message: Range<usize>,
    /// Where the signature lies.
    pub signature: Range<usize>,
}

impl Opened {
    /// Finds the parts of the envelope that begins at `start` of `bytes` and ends there.
    /// There is no message yet.
    fn read(&mut self, bytes: &[u8], start: usize) -> Result<(), WireError> {
        let envelope = bytes.get(start..).unwrap_or(&[]);
        if !(1..=MAX_ENVELOPE).contains(&envelope.len()) {
            return Err(WireError::new(Rule::EnvelopeLength, envelope.len()));
        }
        if bytes.len() >> 16 != 0 {
            return Err(WireError::new(Rule::BufferTooSmall, 0));
        }
        let mut d = Decoder::until(envelope, bytes.len());
        let mut at = start;
        if let Some(rule) = self.fields(&mut d) {
            d.refuse(rule);
        }
        if d.broken() != Some(Rule::HalfSigned) {
            at = d.position();
        }
        if let Some(rule) = d.broken() {
            return Err(WireError::new(rule, at - start));
        }
        has_one_spelling(&d, envelope, start, |e| Envelope::of(bytes, self)?.write(e))
    }

    /// The rule that is broken, unless `d` knows of one before it.
    fn fields(&mut self, d: &mut Decoder<'_>) -> Option<Rule> {
        let tag = d.tag();
        let two = tag == TWO && crate::TWO_SIGNATURES;
        if tag == TWO && !two {
            return Some(Rule::UnknownValue);
        }
        if !two && tag != ONE || d.array() != 4 {
            return Some(Rule::Malformed);
        }
        Signer::parse(d, &mut self.signer);
        if two && self.signer.is_some() {
            return Some(Rule::UnknownKey);
        }
        empty_map(d);
        let manifest = d.bytes();
        // Places are below 2^16.
        self.manifest_end = d.position() as u16;
        self.manifest = self.manifest_end - manifest.len() as u16;
        let signature;
        if two {
            if d.array() != 2 {
                return Some(Rule::Malformed);
            }
            (self.signer, signature) = one_of_two(d);
            self.second = d.position() as u16;
        } else {
            signature = d.bytes();
        }
        self.signature_end = d.position() as u16;
        self.signature = self.signature_end - signature.len() as u16;
        if self.signer.is_some() == signature.is_empty() || two && one_of_two(d).1.is_empty() {
            return Some(Rule::HalfSigned);
        }
        None
    }

    /// Where the Sig_structure lies; empty for an unsigned patch.
    pub fn message(&self) -> Range<usize> {
        self.message.into()..self.manifest_end.into()
    }

    /// Where the manifest lies: at the end of the message.
    pub fn manifest(&self) -> Range<usize> {
        self.manifest.into()..self.manifest_end.into()
    }

    /// Where the first signature lies.
    pub fn signature(&self) -> Range<usize> {
        self.signature.into()..self.signature_end.into()
    }

    /// Whether there is a second signature.
    pub fn has_second(&self) -> bool {
        self.second != 0 && crate::TWO_SIGNATURES
    }

    /// Rewrites the message, in place, into the one that the second signature signs; the
    /// first one's is gone. `None` if there is no second signature.
    pub fn second(&self, buf: &mut [u8], purpose: Purpose) -> Option<Second> {
        let at = usize::from(self.second);
        let bytes = buf.get(at..).filter(|_| self.has_second())?;
        let mut d = Decoder::new(bytes);
        let (signer, signature) = one_of_two(&mut d);
        let end = at + d.position();
        let signature = end - signature.len()..end;
        let manifest = self.manifest();
        let to = manifest.start - head_len(manifest.len());
        let start = write_prefix(buf, purpose, Form::Two, at + 1, Some(to))?;
        Some(Second {
            signer: signer?,
            message: start..manifest.end,
            signature,
        })
    }
}

/// Parses the envelope at `range` of `buf` and rewrites its front *in place* into the
/// Sig_structure, so that a device can verify it without a second buffer: the manifest
/// is already there as the byte string that the Sig_structure ends with. At least
/// [`OPEN_HEADROOM`] bytes before `range` must be free.
pub fn open(buf: &mut [u8], range: Range<usize>, purpose: Purpose) -> Result<Opened, WireError> {
    let mut opened = Opened::default();
    opened.open(buf, range, purpose)?;
    Ok(opened)
}

impl Opened {
    /// As [`open`], in the place of `self`, which must be new: a device then does not move
    /// it.
    ///
    /// # Errors
    /// As there.
    #[inline(never)]
    pub fn open(
        &mut self,
        buf: &mut [u8],
        range: Range<usize>,
        purpose: Purpose,
    ) -> Result<(), WireError> {
        let short = WireError::new(Rule::BufferTooSmall, 0);
        self.read(buf.get(..range.end).ok_or(short)?, range.start)?;
        self.message = self.manifest_end;
        if self.signer.is_none() {
            return Ok(());
        }
        // Its one spelling fixes where in it the headers lie.
        let start = range.start;
        let message = if self.has_second() {
            let protected = usize::from(self.manifest_end) + 2;
            write_prefix(buf, purpose, Form::Two, protected, Some(start + 5))
        } else {
            write_prefix(buf, purpose, Form::One, start + 2, None)
        };
        self.message = message.ok_or(short)? as u16;
        Ok(())
    }
}

/// Puts the Sig_structure's front before `to`, where the byte string of the manifest
/// begins (`None`: behind an empty map behind the header); gives where it starts. The protected header, which lies at `protected` in its
/// one spelling, is taken as it is: what [`write_sig_prefix`] writes, without a writer.
fn write_prefix(
    buf: &mut [u8],
    purpose: Purpose,
    form: Form,
    protected: usize,
    to: Option<usize>,
) -> Option<usize> {
    let lead = match form {
        Form::One => b"\x84\x6aSignature1",
        Form::Two => b"\x85\x69Signature\x40",
    };
    // Strings this short have their length in the head itself.
    let len = usize::from(buf.get(protected)? & 31) + 1;
    let to = to.unwrap_or(protected + len + 1);
    let aad = purpose.external_aad();
    let start = to.checked_sub(lead.len() + len + aad.len())?;
    // The header moves towards the front, over itself if need be.
    let header = start + lead.len();
    for k in 0..len {
        let byte = *buf.get(protected + k)?;
        *buf.get_mut(header + k)? = byte;
    }
    crate::le::copy(buf.get_mut(header + len..to)?, aad);
    crate::le::copy(buf.get_mut(start..to)?, lead);
    Some(start)
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
pub(crate) fn emit_with(
    out: &mut [u8],
    write: impl FnOnce(&mut Encoder<'_>) -> Option<()>,
) -> Result<usize, WireError> {
    let mut cursor = Cursor::new(out);
    match write(&mut Encoder::new(&mut cursor)) {
        Some(()) => Ok(cursor.position()),
        None => Err(WireError::new(Rule::BufferTooSmall, cursor.position())),
    }
}

/// Refuses `bytes` unless the emitter writes exactly them. Nothing is buffered: the
/// emitter writes into a comparison.
pub(crate) fn is_canonical(
    bytes: &[u8],
    write: impl FnOnce(&mut Encoder<'_>) -> Option<()>,
) -> Result<(), WireError> {
    let mut expect = Expect { left: bytes };
    let written = write(&mut Encoder::new(&mut expect)).is_some();
    if written && expect.left.is_empty() {
        Ok(())
    } else {
        let at = bytes.len() - expect.left.len();
        Err(WireError::new(Rule::NotCanonical, at))
    }
}

/// Refuses what `d` has read from `bytes`, which lie at `start` of what its places count
/// in, unless that is all of them in the one spelling, which `write` writes. On a device
/// the reader is believed, and the place is the end of what it read; elsewhere it is
/// compared, which finds the place and whether the reader is right.
pub(crate) fn has_one_spelling(
    d: &Decoder<'_>,
    bytes: &[u8],
    start: usize,
    write: impl FnOnce(&mut Encoder<'_>) -> Option<()>,
) -> Result<(), WireError> {
    if !cfg!(feature = "small-code") {
        let written = is_canonical(bytes, write);
        debug_assert_eq!(written.is_ok(), d.is_canonical(), "{bytes:x?}");
        written?;
    }
    if d.is_canonical() {
        return Ok(());
    }
    Err(WireError::new(Rule::NotCanonical, d.position() - start))
}

/// A writer that accepts only the bytes it was given.
pub(crate) struct Expect<'a> {
    left: &'a [u8],
}

impl Write for Expect<'_> {
    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.left = self.left.strip_prefix(bytes)?;
        Some(())
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
