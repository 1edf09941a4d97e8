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
mod overlay;
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

/// Bytes of an image taken together.
pub trait Words: Code {
    /// Up to four bytes from `at` on, little-endian, and how many there are: fewer at the
    /// end of the image only. What lies above them in the word is zero.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn head(&mut self, at: u32) -> (u32, u32) {
        if let Some(word) = self.window(at).first_chunk::<4>() {
            return (crate::le::word(*word), 4);
        }
        let (mut word, mut here) = (0, 0);
        while here < 4
            && let Some(byte) = at.checked_add(here).and_then(|at| self.byte(at))
        {
            word |= u32::from(byte) << (8 * here);
            here += 1;
        }
        (word, here)
    }

    /// Little-endian halfword at `at`.
    #[inline]
    fn u16(&mut self, at: u32) -> Option<u32> {
        let (word, here) = self.head(at);
        (here >= 2).then_some(word & 0xffff)
    }

    /// Little-endian word at `at`.
    #[inline]
    fn u32(&mut self, at: u32) -> Option<u32> {
        let (word, here) = self.head(at);
        (here == 4).then_some(word)
    }
}

impl<C: Code + ?Sized> Words for C {}

impl Code for &[u8] {
    #[inline]
    fn byte(&mut self, at: u32) -> Option<u8> {
        self.get(at as usize).copied()
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
    // Not from a list: as it is, the number is the instruction set.
    pub fn from_wire(n: u32) -> Option<Isa> {
        Some(match n {
            0 => Isa::None,
            1 => Isa::Thumb,
            2 => Isa::A32,
            3 => Isa::A64,
            4 => Isa::RiscV,
            5 => Isa::Xtensa,
            6 => Isa::Avr,
            7 => Isa::I8051,
            _ => return None,
        })
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

    /// No reference.
    pub const NONE: Reference = Reference {
        len: 0,
        kind: Kind::Plain,
        target: 0,
        partner: 0,
    };
}

impl Isa {
    /// The code reference in the instruction that starts at file offset `at`, whose
    /// virtual address is `pc`. `None`: no reference, or the unit leaves the image.
    /// Instruction-set specific look-ahead and look-back read through `code`.
    #[inline]
    pub fn decode<C: Code + ?Sized>(self, code: &mut C, at: u32, pc: u32) -> Option<Reference> {
        match self {
            Isa::None => None,
            #[cfg(feature = "thumb")]
            Isa::Thumb => {
                let head = code.head(at);
                let mut found = Reference::NONE;
                self.decode_head(head.0, code, at, pc, &mut found);
                (found.kind != Kind::Plain && u32::from(found.len) <= head.1).then_some(found)
            }
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

    /// As [`Isa::decode`], with the word that [`Words::head`] gives for `at`: puts a
    /// reference into `place`, maybe with a length that leaves the image, and leaves that
    /// alone where there is none.
    #[inline]
    pub fn decode_head<C: Code + ?Sized>(
        self,
        head: u32,
        code: &mut C,
        at: u32,
        pc: u32,
        place: &mut Reference,
    ) {
        match self {
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::decode(head, code, at, pc, place),
            _ => {
                if let Some(found) = self.decode(code, at, pc) {
                    *place = found;
                }
            }
        }
    }

    /// As [`Isa::decode_head`], of a unit of `len` bytes that is the last of its image: `code`
    /// ends at `at`.
    #[inline]
    pub(crate) fn decode_last<C: Code + ?Sized>(
        self,
        (word, len): (u32, u32),
        code: &mut C,
        at: u32,
        pc: u32,
        place: &mut Reference,
    ) {
        // Of Thumb and no instruction set the word alone says it.
        const OTHERS: bool = cfg!(any(
            feature = "a32",
            feature = "aarch64",
            feature = "riscv",
            feature = "xtensa",
            feature = "avr",
            feature = "i8051"
        ));
        if OTHERS && !matches!(self, Isa::None | Isa::Thumb) {
            let image = code;
            let mut code = overlay::Overlay {
                image,
                at,
                word,
                len,
            };
            return self.decode_head(word, &mut code, at, pc, place);
        }
        self.decode_head(word, code, at, pc, place);
    }

    /// Length of the instruction that begins with the bytes `head`, if a glance at them
    /// shows that it has no reference.
    #[cfg(not(feature = "small-code"))]
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

    /// Where [`Isa::forms`] says that it may begin a reference: kind and target of the
    /// reference in the instruction with the bytes `head` at the even address `pc`, of
    /// [`Kind::Plain`] if there is none. Of kinds that are not [`Isa::is_relative`] the
    /// target is not known.
    #[inline]
    pub(crate) fn glance(self, head: u32, pc: u32) -> (Kind, u32) {
        match self {
            #[cfg(feature = "thumb")]
            Isa::Thumb => thumb::glance(head, pc),
            _ => (Kind::Page, 0),
        }
    }

    /// Where [`Isa::forms`] says that it may begin a reference: whether the instruction with
    /// the bytes `head` has four bytes, and not two.
    // Not a call of `head_len`: there are many of these.
    #[inline(always)]
    pub(crate) const fn is_long(self, head: u32) -> bool {
        is_wide(head)
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
    pub fn unit_len<C: Code + ?Sized>(self, code: &mut C, at: u32) -> u32 {
        self.head_len(code.head(at))
    }

    /// As [`Isa::unit_len`], with what [`Words::head`] says of `at`.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    pub fn head_len(self, (head, here): (u32, u32)) -> u32 {
        match self {
            Isa::None => 1,
            #[cfg(any(feature = "a32", feature = "aarch64"))]
            Isa::A32 | Isa::A64 => 4,
            Isa::Thumb if here >= 2 => 2 + 2 * u32::from(is_wide(head)),
            #[cfg(feature = "avr")]
            Isa::Avr if here >= 2 => avr::length(head & 0xffff),
            #[cfg(feature = "riscv")]
            Isa::RiscV if here >= 1 => 2 + 2 * u32::from(head & 3 == 3),
            #[cfg(feature = "xtensa")]
            Isa::Xtensa if here >= 1 => 3 - u32::from(head & 8 != 0 && head & 15 < 14),
            #[cfg(feature = "i8051")]
            Isa::I8051 if here >= 1 => i8051::length(head as u8),
            _ => 1,
        }
    }

    /// Alignment of instructions in bytes; 1 where this build does not know them.
    // Here and below: what is not built in takes no text.
    #[inline]
    pub const fn alignment(self) -> u32 {
        match self {
            Isa::Thumb => 2,
            #[cfg(any(feature = "riscv", feature = "avr"))]
            Isa::RiscV | Isa::Avr => 2,
            #[cfg(any(feature = "a32", feature = "aarch64"))]
            Isa::A32 | Isa::A64 => 4,
            _ => 1,
        }
    }

    /// Whether instruction boundaries have to be found by sweeping, because
    /// instructions differ in length.
    #[inline]
    pub const fn needs_sync(self) -> bool {
        match self {
            Isa::Thumb => true,
            #[cfg(any(
                feature = "riscv",
                feature = "xtensa",
                feature = "avr",
                feature = "i8051"
            ))]
            Isa::Xtensa | Isa::RiscV | Isa::Avr | Isa::I8051 => true,
            _ => false,
        }
    }

    /// Whether four-byte units are words whose last byte says most about them; units
    /// of the others are halfwords.
    #[inline]
    pub const fn opcode_on_top(self) -> bool {
        match self {
            #[cfg(any(feature = "a32", feature = "aarch64", feature = "riscv"))]
            Isa::A32 | Isa::A64 | Isa::RiscV => true,
            _ => false,
        }
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

/// Whether the Thumb instruction that begins with the bytes `head` has four bytes.
#[inline]
const fn is_wide(head: u32) -> bool {
    head >> 11 & 31 >= 0x1d
}

/// Sign-extends the low `bits` bits of `v`.
#[inline]
pub(crate) const fn sign_extend(v: u32, bits: u32) -> u32 {
    let s = 32 - bits;
    (((v << s) as i32) >> s) as u32
}
