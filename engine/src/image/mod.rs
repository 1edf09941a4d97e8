//! Firmware images as files hold them, turned into bytes with addresses.
//!
//! Fed by paths from the command line; feeds matching, references and plan with one
//! byte slice (the *raw image*, what is in flash) and the facts the file tells about
//! it: which ranges live at which address, which hold code, for which machine.
//!
//! - Raw binaries, ELF files and shared objects are taken as they are: the offset in
//!   the image is the offset in the file, program headers give the addresses.
//! - Intel HEX, Motorola S-record and UF2 hold pieces with addresses. Pieces less than
//!   64 KiB apart are joined, gaps filled with 0xFF, and the longest run is the image;
//!   what falls away (option words, RAM) is told in [`Image::notes`].
//! - Silicon Labs GBL: the program-data tags.
//! - Inside the raw image MCUboot and Espressif headers are recognised; they change
//!   no byte, they only say more ([`Image::container`]).
//!
//! No reader panics on any input. Large raw files are memory-mapped; see [`Image::open`].

mod elf;
mod error;
mod esp;
mod gbl;
mod hex;
mod le;
mod mcuboot;
mod sniff;
mod source;
mod sparse;
mod srec;
mod uf2;

use std::fmt;
use std::path::Path;

use deltamote_format::isa::Isa;

pub use elf::Symbol;
pub use error::{ImageError, ImageErrorKind, Place};
pub use esp::{EspImage, EspLayout};
pub use mcuboot::McubootImage;
use source::Source;

/// Offsets into an image are 32 bits wide on the wire.
pub const MAX_IMAGE_BYTES: u64 = u32::MAX as u64;

/// The form the file had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// Bytes as they lie in flash.
    Raw,
    /// Intel HEX.
    Hex,
    /// Motorola S-record.
    Srec,
    /// USB flashing format, 512-byte blocks.
    Uf2,
    /// Executable or shared object, kept in file form.
    Elf,
    /// Silicon Labs Gecko bootloader file.
    Gbl,
}

impl Format {
    /// Name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Hex => "Intel HEX",
            Format::Srec => "S-record",
            Format::Uf2 => "UF2",
            Format::Elf => "ELF",
            Format::Gbl => "GBL",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A range of the image that lives at a known address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Address of the first byte when the firmware runs.
    pub address: u64,
    /// Where that byte is in [`Image::bytes`].
    pub offset: usize,
    /// Length in bytes; the range never leaves the image.
    pub len: usize,
    /// Whether instructions may lie in it. True where the format does not say.
    pub executable: bool,
}

/// A firmware container recognised inside the raw image.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Container {
    /// MCUboot header, body and TLVs.
    Mcuboot(McubootImage),
    /// One or more Espressif application images.
    Esp(EspLayout),
}

/// One firmware image: its bytes and what the file says about them.
pub struct Image {
    source: Source,
    format: Format,
    base: Option<u64>,
    segments: Vec<Segment>,
    isa: Option<Isa>,
    entry: Option<u64>,
    container: Option<Container>,
    notes: Vec<String>,
}

/// What a reader of one format finds; the bytes are `None` where the file's own
/// bytes are the image.
#[derive(Default)]
struct Reading {
    bytes: Option<Vec<u8>>,
    base: Option<u64>,
    segments: Vec<Segment>,
    isa: Option<Isa>,
    entry: Option<u64>,
    notes: Vec<String>,
}

impl Image {
    /// Reads the file at `path`, whatever its format.
    ///
    /// Raw and ELF files above a few MiB are mapped, not copied. A file that changes
    /// while it is mapped changes the image: [`Image::check_unchanged`] tells, by length
    /// and modification time, and must be asked before a result is handed out.
    pub fn open(path: impl AsRef<Path>) -> Result<Image, ImageError> {
        let path = path.as_ref();
        Source::open(path)
            .and_then(Image::read)
            .map_err(|e| e.in_file(path))
    }

    /// Reads a file that is already in memory, whatever its format.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Image, ImageError> {
        Image::read(Source::owned(bytes))
    }

    fn read(mut source: Source) -> Result<Image, ImageError> {
        let file = source.bytes();
        if file.is_empty() {
            return Err(error::empty("the file is empty"));
        }
        if file.len() as u64 > MAX_IMAGE_BYTES {
            return Err(error::too_large(file.len() as u64));
        }
        let mut format = sniff::format(file);
        let reading = match format {
            Format::Raw => Reading::default(),
            Format::Hex => hex::read(file)?,
            Format::Srec => srec::read(file)?,
            Format::Uf2 => uf2::read(file)?,
            Format::Gbl => gbl::read(file)?,
            // A damaged ELF file is still bytes that a delta can be made of.
            Format::Elf => elf::read(file).unwrap_or_else(|why| {
                format = Format::Raw;
                Reading {
                    notes: vec![format!(
                        "starts like an ELF file, but {why}: taken as plain bytes"
                    )],
                    ..Reading::default()
                }
            }),
        };
        if let Some(bytes) = reading.bytes {
            source.convert(bytes);
        }
        let mut image = Image {
            source,
            format,
            base: reading.base,
            segments: reading.segments,
            isa: reading.isa,
            entry: reading.entry,
            container: None,
            notes: reading.notes,
        };
        if format != Format::Elf {
            image.look_inside();
        }
        Ok(image)
    }

    /// Recognises containers in the raw image; they may know addresses and machine.
    fn look_inside(&mut self) {
        let bytes = self.source.bytes();
        if let Some(what) = sniff::packed(bytes) {
            self.notes.push(format!(
                "looks like {what}: a delta of packed data is about as large as the data; \
                 give the unpacked images"
            ));
        }
        if let Some(m) = mcuboot::find(bytes) {
            if m.total_len < bytes.len() {
                self.notes.push(format!(
                    "the MCUboot image ends at byte {}, the file has {} more; if they are slot \
                     padding or the trailer, give the unpadded image",
                    m.total_len,
                    bytes.len() - m.total_len
                ));
            }
            if self.base.is_none() && m.load_address != 0 {
                self.base = Some(u64::from(m.load_address));
            }
            self.container = Some(Container::Mcuboot(m));
        } else if let Some(layout) = esp::find(bytes) {
            self.isa = self.isa.or(layout.isa());
            self.entry = self
                .entry
                .or(layout.images.last().map(|i| u64::from(i.entry)));
            // Addresses that a converter found are those of flash; code runs elsewhere.
            self.segments = layout.segments();
            self.container = Some(Container::Esp(layout));
        }
        if self.segments.is_empty()
            && let Some(base) = self.base
        {
            self.segments = vec![whole(base, bytes.len())];
        }
    }

    /// The raw image.
    pub fn bytes(&self) -> &[u8] {
        self.source.bytes()
    }

    /// The form the file had.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Address of the image's first byte, where the file says so.
    pub fn base(&self) -> Option<u64> {
        self.base
    }

    /// States where the image lies in memory; overrides what the file said.
    pub fn set_base(&mut self, base: u64) {
        self.base = Some(base);
        self.segments = vec![whole(base, self.source.bytes().len())];
    }

    /// Ranges with known addresses, in file order. Empty where nothing is known.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The instruction set, where the file names its machine.
    pub fn isa(&self) -> Option<Isa> {
        self.isa
    }

    /// Address execution starts at, where the file says so.
    pub fn entry(&self) -> Option<u64> {
        self.entry
    }

    /// The container recognised inside the raw image.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// Things a user should hear about: bytes left out, padding, packed data.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Function and object symbols of an ELF file, by address; empty for the rest.
    /// Parsed anew at each call.
    pub fn symbols(&self) -> Vec<Symbol> {
        match self.format {
            Format::Elf => elf::symbols(self.bytes()),
            _ => Vec::new(),
        }
    }

    /// The address of the byte at `offset`, where known.
    pub fn address_of(&self, offset: usize) -> Option<u64> {
        let s = self
            .segments
            .iter()
            .find(|s| offset.checked_sub(s.offset).is_some_and(|d| d < s.len))?;
        s.address.checked_add((offset - s.offset) as u64)
    }

    /// The offset of the byte that lives at `address`, where it is in the image.
    pub fn offset_of(&self, address: u64) -> Option<usize> {
        self.segments.iter().find_map(|s| {
            let d = usize::try_from(address.checked_sub(s.address)?).ok()?;
            (d < s.len).then_some(s.offset + d)
        })
    }

    /// Fails when the file behind the image has changed since it was opened. Cheap.
    ///
    /// Advisory: a writer that restores length and time is not noticed, and a mapped
    /// file that shrinks can end the process before this is asked.
    pub fn check_unchanged(&self) -> Result<(), ImageError> {
        self.source.check_unchanged()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("len", &self.bytes().len())
            .field("format", &self.format)
            .field("base", &self.base)
            .field("segments", &self.segments)
            .field("isa", &self.isa)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

fn whole(base: u64, len: usize) -> Segment {
    Segment {
        address: base,
        offset: 0,
        len,
        executable: true,
    }
}

/// The bytes that `digits` spell, two hex digits each; `None` for an odd number, for
/// anything else, and for more than `buffer` holds.
fn hex_digits<'b>(digits: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let out = buffer.get_mut(..digits.len() / 2)?;
    let nibble = |d: u8| Some(char::from(d).to_digit(16)? as u8);
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    for (byte, [hi, lo]) in out.iter_mut().zip(pairs) {
        *byte = nibble(*hi)? << 4 | nibble(*lo)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
