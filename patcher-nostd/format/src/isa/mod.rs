//! References inside machine code: what an instruction points at, and the same
//! instruction pointing somewhere else.
//!
//! Fed by the codec with the bytes around one unit of the old image (or of the new
//! image written so far); feeds the prediction of that unit at its new place.
//! One small module per instruction set, each with `decode` and `encode` beside
//! each other. Invariant, tested exhaustively or at random per module: if `decode`
//! gives a reference, `encode` with the same pc and target gives the same bits, and
//! `encode` with another target either refuses or decodes to exactly that target.
//! SPEC §7.

#![cfg_attr(not(feature = "all-isas"), allow(dead_code, unused_variables))]

#[cfg(feature = "a32")]
mod a32;
#[cfg(feature = "aarch64")]
mod a64;
#[cfg(feature = "avr")]
mod avr;
mod bits;
#[cfg(feature = "i8051")]
mod i8051;
#[cfg(test)]
mod laws;
#[cfg(feature = "riscv")]
mod riscv;
#[cfg(feature = "thumb")]
mod thumb;
#[cfg(feature = "xtensa")]
mod xtensa;

/// Random access to image bytes, bounded: a read that leaves the image is `None`.
///
/// The decoder implements it over flash (through a small read window), the engine
/// over slices. Offsets are file offsets (bytes from the start of the image).
pub trait Code {
    /// The byte at `at`, or `None` outside the image.
    fn byte(&mut self, at: u32) -> Option<u8>;

    /// Little-endian halfword at `at`.
    #[inline]
    fn u16(&mut self, at: u32) -> Option<u32>
    where
        Self: Sized,
    {
        let lo = u32::from(self.byte(at)?);
        let hi = u32::from(self.byte(at.checked_add(1)?)?);
        Some(lo | hi << 8)
    }

    /// Little-endian word at `at`.
    #[inline]
    fn u32(&mut self, at: u32) -> Option<u32>
    where
        Self: Sized,
    {
        let lo = self.u16(at)?;
        let hi = self.u16(at.checked_add(2)?)?;
        Some(lo | hi << 16)
    }

    /// The bytes from `at` on that are at hand in one piece; none where there is no such
    /// thing. What they are, [`Code::byte`] says too.
    #[inline]
    fn window(&mut self, _at: u32) -> &[u8] {
        &[]
    }

    /// Encoding side only: the first `len` bytes of the new image count as written.
    #[inline]
    fn reveal(&mut self, _len: u32) {}
}

/// Any image behind one type, so that what reads images is in a build only once.
#[cfg(feature = "small-code")]
pub(crate) struct Image<'a>(pub(crate) &'a mut dyn Code);

#[cfg(feature = "small-code")]
impl Image<'_> {
    /// The `len` bytes at `at`, and what may lie behind them in the word.
    #[inline(never)]
    fn word(&mut self, at: u32, len: u32) -> Option<u32> {
        if let Some(word) = self.0.window(at).first_chunk::<4>() {
            return Some(crate::le::word(*word));
        }
        let mut word = 0;
        for k in 0..len {
            word |= u32::from(self.0.byte(at.checked_add(k)?)?) << (8 * k);
        }
        Some(word)
    }
}

#[cfg(feature = "small-code")]
impl Code for Image<'_> {
    fn byte(&mut self, at: u32) -> Option<u8> {
        self.0.byte(at)
    }

    fn u16(&mut self, at: u32) -> Option<u32> {
        self.word(at, 2).map(|word| word & 0xffff)
    }

    fn u32(&mut self, at: u32) -> Option<u32> {
        self.word(at, 4)
    }

    fn window(&mut self, at: u32) -> &[u8] {
        self.0.window(at)
    }

    fn reveal(&mut self, len: u32) {
        self.0.reveal(len);
    }
}

impl Code for &[u8] {
    #[inline]
    fn byte(&mut self, at: u32) -> Option<u8> {
        self.get(at as usize).copied()
    }

    #[inline]
    fn u16(&mut self, at: u32) -> Option<u32> {
        let b = self.get(at as usize..)?.first_chunk::<2>()?;
        Some(u32::from(u16::from_le_bytes(*b)))
    }

    #[inline]
    fn u32(&mut self, at: u32) -> Option<u32> {
        let b = self.get(at as usize..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*b))
    }

    #[inline]
    fn window(&mut self, at: u32) -> &[u8] {
        self.get(at as usize..).unwrap_or(&[])
    }
}

/// Instruction set of a region of the image. The discriminants are on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Isa {
    /// No code: every unit is one plain byte; word pointers are still recognised.
    None = 0,
    /// Arm Thumb and Thumb-2 (M profile and A/R profile), little-endian.
    Thumb = 1,
    /// Arm A32, little-endian.
    A32 = 2,
    /// Arm AArch64.
    A64 = 3,
    /// RISC-V RV32 and RV64 with compressed instructions.
    RiscV = 4,
    /// Xtensa LX with 2- and 3-byte instructions, little-endian.
    Xtensa = 5,
    /// AVR (2- and 4-byte instructions).
    Avr = 6,
    /// Intel 8051 with 64-KiB banks.
    I8051 = 7,
}

impl Isa {
    /// All instruction sets, in wire order.
    pub const ALL: [Isa; 8] = [
        Isa::None,
        Isa::Thumb,
        Isa::A32,
        Isa::A64,
        Isa::RiscV,
        Isa::Xtensa,
        Isa::Avr,
        Isa::I8051,
    ];

    /// The instruction set with wire number `n`.
    pub fn from_wire(n: u32) -> Option<Isa> {
        Isa::ALL.get(n as usize).copied()
    }

    /// Whether this build knows the references of this instruction set.
    pub const fn is_built_in(self) -> bool {
        match self {
            Isa::None => true,
            Isa::Thumb => cfg!(feature = "thumb"),
            Isa::A32 => cfg!(feature = "a32"),
            Isa::A64 => cfg!(feature = "aarch64"),
            Isa::RiscV => cfg!(feature = "riscv"),
            Isa::Xtensa => cfg!(feature = "xtensa"),
            Isa::Avr => cfg!(feature = "avr"),
            Isa::I8051 => cfg!(feature = "i8051"),
        }
    }

    /// The name used on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::None => "none",
            Isa::Thumb => "thumb",
            Isa::A32 => "a32",
            Isa::A64 => "aarch64",
            Isa::RiscV => "riscv",
            Isa::Xtensa => "xtensa",
            Isa::Avr => "avr",
            Isa::I8051 => "8051",
        }
    }
}

/// What a unit refers to. The discriminants index model contexts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Kind {
    /// No reference.
    Plain = 0,
    /// A call (BL, CALLn, JAL ra, LCALL).
    Call = 1,
    /// A far jump (B.W, B, J, LJMP).
    Jump = 2,
    /// A conditional or short branch.
    Branch = 3,
    /// A pc-relative load or address (literal pool, ADR, L32R).
    Literal = 4,
    /// The high part of an address whose low part is in a *later* partner
    /// instruction (ADRP, AUIPC, LUI, MOVW), found by looking ahead.
    Page = 5,
    /// The part of an address that completes an *earlier* partner (ADD/LDR after
    /// ADRP, ADDI/load/store after AUIPC or LUI, MOVT), found by looking back.
    Low = 6,
    /// An aligned word that points into the image.
    Pointer = 7,
    /// An aligned word that points into a value range outside the image (RAM).
    Ram = 8,
}

/// A decoded reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Bytes of the unit that holds it: 2, 3 or 4.
    pub len: u8,
    /// What it is.
    pub kind: Kind,
    /// Absolute address it points at.
    pub target: u32,
    /// Facts that `encode` needs beyond the instruction word: for [`Kind::Low`] the
    /// distance in bytes back to the partner when the partner is pc-relative, or
    /// [`Reference::ABSOLUTE`] when it is not. Zero elsewhere.
    pub partner: u32,
}

impl Reference {
    /// `partner` of a low part whose high part is absolute (LUI, MOVW).
    pub const ABSOLUTE: u32 = 0x8000_0000;
}

impl Isa {
    /// The code reference in the instruction that starts at file offset `at`, whose
    /// virtual address is `pc`. `None`: no reference, or the unit leaves the image.
    /// Instruction-set specific look-ahead and look-back read through `code`.
    #[inline]
    pub fn decode<C: Code>(self, code: &mut C, at: u32, pc: u32) -> Option<Reference> {
        match self {
            Isa::None => None,
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::decode(code, at, pc),
            #[cfg(feature = "a32")]
            Isa::A32 => a32::decode(code, at, pc),
            #[cfg(feature = "aarch64")]
            Isa::A64 => a64::decode(code, at, pc),
            #[cfg(feature = "riscv")]
            Isa::RiscV => riscv::decode(code, at, pc),
            #[cfg(feature = "xtensa")]
            Isa::Xtensa => xtensa::decode(code, at, pc),
            #[cfg(feature = "avr")]
            Isa::Avr => avr::decode(code, at, pc),
            #[cfg(feature = "i8051")]
            Isa::I8051 => i8051::decode(code, at, pc),
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }

    /// As [`Isa::decode`], with the four bytes at `at` read already.
    #[inline]
    pub fn decode_head<C: Code>(
        self,
        head: u32,
        code: &mut C,
        at: u32,
        pc: u32,
    ) -> Option<Reference> {
        match self {
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::decode_head(head, code, at, pc),
            _ => self.decode(code, at, pc),
        }
    }

    /// Length of the instruction that begins with the bytes `head`, if a glance at them
    /// shows that it has no reference.
    #[inline]
    pub(crate) fn plain_len(self, head: u32) -> Option<u32> {
        match self {
            Isa::None => Some(1),
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::plain_len(head),
            _ => None,
        }
    }

    /// Bit `n` is set where a halfword with `n` in its top five bits may begin a reference;
    /// all others are units of two bytes without one. `None`: not so simple here.
    #[inline]
    pub(crate) const fn forms(self) -> Option<u32> {
        match self {
            // Two units of one byte.
            Isa::None => Some(0),
            #[cfg(feature = "thumb")]
            Isa::Thumb => Some(thumb::FORMS),
            _ => None,
        }
    }

    /// Where [`Isa::forms`] says that it may begin a reference: length of the instruction
    /// with the bytes `head` at the even address `pc`, and kind and target of its
    /// reference. Of kinds that are not [`Isa::is_relative`] the target is not known.
    #[inline]
    pub(crate) fn glance(self, head: u32, pc: u32) -> (u8, Option<(Kind, u32)>) {
        match self {
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::glance(head, pc),
            _ => (0, Some((Kind::Page, 0))),
        }
    }

    /// Whether references of `kind` are distances: instruction and target moved by the
    /// same multiple of four give the same bits.
    #[inline]
    pub(crate) const fn is_relative(self, kind: Kind) -> bool {
        matches!(self, Isa::Thumb)
            && matches!(kind, Kind::Call | Kind::Jump | Kind::Branch | Kind::Literal)
    }

    /// The instruction `word` (the unit's bytes, little-endian, `r.len` of them) with
    /// its target replaced: placed at virtual address `pc` it refers to `target`.
    /// `None` when that cannot be encoded.
    #[inline]
    pub fn encode(self, word: u32, r: &Reference, pc: u32, target: u32) -> Option<u32> {
        if matches!(r.kind, Kind::Pointer | Kind::Ram) {
            return Some(target);
        }
        match self {
            Isa::None => None,
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::encode(word, r, pc, target),
            #[cfg(feature = "a32")]
            Isa::A32 => a32::encode(word, r, pc, target),
            #[cfg(feature = "aarch64")]
            Isa::A64 => a64::encode(word, r, pc, target),
            #[cfg(feature = "riscv")]
            Isa::RiscV => riscv::encode(word, r, pc, target),
            #[cfg(feature = "xtensa")]
            Isa::Xtensa => xtensa::encode(word, r, pc, target),
            #[cfg(feature = "avr")]
            Isa::Avr => avr::encode(word, r, pc, target),
            #[cfg(feature = "i8051")]
            Isa::I8051 => i8051::encode(word, r, pc, target),
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }

    /// Length in bytes (1 to 4) of the instruction that starts at file offset `at`;
    /// 1 at the end of the image.
    #[inline]
    pub fn unit_len<C: Code>(self, code: &mut C, at: u32) -> u32 {
        match self {
            Isa::None => 1,
            Isa::Thumb => match code.byte(at.wrapping_add(1)) {
                Some(b) if b >> 3 >= 0x1d => 4,
                Some(_) => 2,
                None => 1,
            },
            Isa::A32 | Isa::A64 => 4,
            #[cfg(feature = "riscv")]
            Isa::RiscV => match code.byte(at) {
                Some(b) if b & 3 == 3 => 4,
                Some(_) => 2,
                None => 1,
            },
            #[cfg(feature = "avr")]
            Isa::Avr => match code.u16(at) {
                Some(first) => avr::length(first),
                None => 1,
            },
            #[cfg(feature = "xtensa")]
            Isa::Xtensa => match code.byte(at) {
                Some(b) if b & 8 != 0 && b & 15 < 14 => 2,
                Some(_) => 3,
                None => 1,
            },
            #[cfg(feature = "i8051")]
            Isa::I8051 => match code.byte(at) {
                Some(b) => i8051::length(b),
                None => 1,
            },
            #[allow(unreachable_patterns)]
            _ => 1,
        }
    }

    /// Alignment of instructions in bytes.
    #[inline]
    pub const fn alignment(self) -> u32 {
        match self {
            Isa::None | Isa::Xtensa | Isa::I8051 => 1,
            Isa::Thumb | Isa::RiscV | Isa::Avr => 2,
            Isa::A32 | Isa::A64 => 4,
        }
    }

    /// Whether instruction boundaries have to be found by sweeping, because
    /// instructions differ in length.
    #[inline]
    pub const fn needs_sync(self) -> bool {
        matches!(
            self,
            Isa::Thumb | Isa::Xtensa | Isa::RiscV | Isa::Avr | Isa::I8051
        )
    }

    /// Whether four-byte units are words whose last byte says most about them; units
    /// of the others are halfwords.
    #[inline]
    pub const fn opcode_on_top(self) -> bool {
        matches!(self, Isa::A32 | Isa::A64 | Isa::RiscV)
    }

    /// `word` with the bits that [`Isa::encode`] would change set to zero, so that
    /// two instructions that differ in their target alone become equal (used by the
    /// engine to match images after references have moved).
    pub fn blank(self, word: u32, r: &Reference) -> u32 {
        if matches!(r.kind, Kind::Pointer | Kind::Ram) {
            return 0;
        }
        match self {
            Isa::None => word,
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::blank(word, r),
            #[cfg(feature = "a32")]
            Isa::A32 => a32::blank(word, r),
            #[cfg(feature = "aarch64")]
            Isa::A64 => a64::blank(word, r),
            #[cfg(feature = "riscv")]
            Isa::RiscV => riscv::blank(word, r),
            #[cfg(feature = "xtensa")]
            Isa::Xtensa => xtensa::blank(word, r),
            #[cfg(feature = "avr")]
            Isa::Avr => avr::blank(word, r),
            #[cfg(feature = "i8051")]
            Isa::I8051 => i8051::blank(word, r),
            #[allow(unreachable_patterns)]
            _ => word,
        }
    }
}

/// Sign-extends the low `bits` bits of `v`.
#[inline]
pub(crate) const fn sign_extend(v: u32, bits: u32) -> u32 {
    let s = 32 - bits;
    (((v << s) as i32) >> s) as u32
}
