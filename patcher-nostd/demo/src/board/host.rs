//! Semihosting: files, terminal and end of the emulator. Flash that is a file on the host
//! keeps its content when the emulator is killed.
//!
//! Arm's "Semihosting for AArch32 and AArch64", which RISC-V took over.

const SYS_OPEN: usize = 0x01;
const SYS_WRITEC: usize = 0x03;
const SYS_WRITE: usize = 0x05;
const SYS_READ: usize = 0x06;
const SYS_SEEK: usize = 0x0a;
const SYS_FLEN: usize = 0x0c;
const SYS_GET_CMDLINE: usize = 0x15;
const SYS_EXIT_EXTENDED: usize = 0x20;
const APPLICATION_EXIT: usize = 0x20026;

/// Does `operation`, whose argument is the address of a block of words (or of a byte).
#[inline(never)]
fn call(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the emulator answers; the functions below pass what each operation needs,
    // and memory counts as changed by the assembly.
    #[cfg(not(feature = "rv32"))]
    unsafe {
        core::arch::asm!("bkpt 0xab", inout("r0") operation => result, in("r1") argument);
    }
    // SAFETY: as above. The two shifts mark the break as a call.
    #[cfg(feature = "rv32")]
    unsafe {
        core::arch::asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inout("a0") operation => result, in("a1") argument
        );
    }
    result
}

/// The same with a block of words.
fn with_block<const N: usize>(operation: usize, mut block: [usize; N]) -> (usize, [usize; N]) {
    let result = call(operation, block.as_mut_ptr() as usize);
    (result, block)
}

/// An open file.
#[derive(Clone, Copy)]
pub struct File(usize);

impl File {
    /// The file that the host knows by `handle`.
    pub fn at(handle: usize) -> File {
        File(handle)
    }

    /// The file `name` (ends with a zero byte) in the emulator's folder, to be read and
    /// written; `None` if there is none.
    pub fn open(name: &'static [u8]) -> Option<File> {
        const READ_AND_WRITE: usize = 3;
        let length = name.len().checked_sub(1)?;
        match with_block(SYS_OPEN, [name.as_ptr() as usize, READ_AND_WRITE, length]).0 {
            usize::MAX => None,
            handle => Some(File(handle)),
        }
    }

    /// Bytes of the file.
    pub fn len(self) -> u32 {
        with_block(SYS_FLEN, [self.0]).0 as u32
    }

    fn seek(self, at: u32) {
        with_block(SYS_SEEK, [self.0, at as usize]);
    }

    /// Reads from `at`; gives how many bytes it was.
    pub fn read(self, at: u32, out: &mut [u8]) -> usize {
        self.seek(at);
        let (left, _) = with_block(SYS_READ, [self.0, out.as_mut_ptr() as usize, out.len()]);
        out.len().saturating_sub(left)
    }

    /// Writes at `at`; gives whether all of it was.
    pub fn write(self, at: u32, bytes: &[u8]) -> bool {
        self.seek(at);
        with_block(SYS_WRITE, [self.0, bytes.as_ptr() as usize, bytes.len()]).0 == 0
    }
}

/// The words after the program's name in the command line, in `buf`.
pub fn command_line(buf: &mut [u8]) -> &[u8] {
    let (failed, [_, len]) = with_block(SYS_GET_CMDLINE, [buf.as_mut_ptr() as usize, buf.len()]);
    let len = if failed == 0 { len } else { 0 };
    buf.get(..len).unwrap_or(&[])
}

/// A byte to the terminal.
pub fn put(byte: u8) {
    call(SYS_WRITEC, &raw const byte as usize);
}

/// Leaves the emulator with `status`.
pub fn exit(status: usize) -> ! {
    loop {
        with_block(SYS_EXIT_EXTENDED, [APPLICATION_EXIT, status]);
    }
}
