//! A folder with two images, a key pair and a patch, and a way to run the command in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// What the files of every workbench hold; made once, because diff takes its time.
struct Files(Vec<(String, Vec<u8>)>);

/// A folder for one test.
pub struct Workbench(TempDir);

/// What a run of the command did.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Workbench {
    /// `old.bin`, `new.bin`, `other.bin`, `key`, `key.pub`, `stranger`, `stranger.pub` and
    /// `good.dmp`: a patch from old to new for small devices, signed with `key`.
    pub fn new() -> Workbench {
        static FILES: OnceLock<Files> = OnceLock::new();
        let bench = Workbench::empty();
        for (name, bytes) in &FILES.get_or_init(Files::make).0 {
            bench.put(name, bytes);
        }
        bench
    }

    fn empty() -> Workbench {
        Workbench(tempfile::tempdir().unwrap())
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Reads a file.
    pub fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names of all files, hidden ones too.
    pub fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Runs `deltamote` with the words of `line`, in the folder.
    pub fn run(&self, line: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deltamote"));
        command.args(line.split_whitespace());
        self.finish(command)
    }

    /// Runs a shell script in the folder; `$DELTAMOTE` is the command.
    pub fn shell(&self, script: &str) -> Run {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .env("DELTAMOTE", env!("CARGO_BIN_EXE_deltamote"));
        self.finish(command)
    }

    fn finish(&self, mut command: Command) -> Run {
        let Output {
            status,
            stdout,
            stderr,
        } = command.current_dir(self.0.path()).output().unwrap();
        Run {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs `line`, which must fail with one of `codes`, say one line that holds
    /// `words`, and leave no file behind.
    #[track_caller]
    pub fn fails(&self, line: &str, codes: &[i32], words: &str) {
        let before = self.names();
        let run = self.run(line);
        run.failed(line, codes, words);
        assert_eq!(self.names(), before, "{line}: files were left or lost");
    }

    /// Runs `line`, which must succeed.
    #[track_caller]
    pub fn good(&self, line: &str) -> Run {
        let run = self.run(line);
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
        run
    }
}

impl Run {
    /// Asserts a failure with one of `codes` and one line that holds `words`.
    #[track_caller]
    pub fn failed(&self, line: &str, codes: &[i32], words: &str) {
        assert!(
            codes.contains(&self.code),
            "{line}: exit code {}, not {codes:?}: {}",
            self.code,
            self.stderr
        );
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("deltamote: "), "{line}: {}", self.stderr);
        assert!(last.contains(words), "{line}: {last:?} lacks {words:?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.stdout, "", "{line}");
    }
}

impl Files {
    fn make() -> Files {
        let bench = Workbench::empty();
        bench.put("old.bin", &image(1));
        bench.put("new.bin", &successor(&image(1)));
        bench.put("other.bin", &image(2));
        bench.good("keygen --out key");
        bench.good("keygen --out stranger");
        bench.good("diff old.bin new.bin -o good.dmp --key key --level fast");
        let names = bench.names();
        Files(
            names
                .into_iter()
                .map(|n| (n.clone(), bench.get(&n)))
                .collect(),
        )
    }
}

/// 24 KB that look like firmware to a differ: some structure, some noise, no pattern
/// that any reader takes for a format.
pub fn image(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let vocabulary: Vec<[u8; 4]> = (0..64).map(|_| next().to_le_bytes()).collect();
    let mut bytes = b"\x00\x20\x00\x20".to_vec();
    while bytes.len() < 24_000 {
        let word = match next() % 8 {
            0 => next().to_le_bytes(),
            n => vocabulary[(next() % (8 * n)) as usize],
        };
        bytes.extend(word);
    }
    bytes
}

/// `old` with some words changed, a piece inserted and a piece gone.
fn successor(old: &[u8]) -> Vec<u8> {
    let mut new = old.to_vec();
    for at in (100..new.len()).step_by(1_500) {
        new[at] ^= 0x55;
    }
    new.splice(6_000..6_000, image(3)[..500].iter().copied());
    new.drain(15_000..15_300);
    new
}
