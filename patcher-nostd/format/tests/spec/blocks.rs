//! The executable blocks of SPEC.md: fenced, `key: value` lines inside.
//!
//! ```text
//! ```vector KIND NAME        or  reject KIND [NAME],  table NAME
//! key: value                 a key may occur several times
//!   more of the value        lines that begin with two spaces go on
//! # comment
//! ```
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// One value and where it stands, as lines counted from 0.
#[derive(Clone, Debug)]
pub struct Field {
    pub key: String,
    pub value: String,
    pub lines: std::ops::Range<usize>,
}

/// One fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// `vector`, `reject` or `table`.
    pub class: String,
    /// What it is a vector of.
    pub kind: String,
    pub name: String,
    pub line: usize,
    pub fields: Vec<Field>,
}

impl Block {
    pub fn all(&self, key: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|f| f.key == key);
        fields.map(|f| f.value.as_str()).collect()
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        let all = self.all(key);
        assert!(all.len() <= 1, "{}: {key} given twice", self.title());
        all.first().copied()
    }

    pub fn need(&self, key: &str) -> &str {
        match self.get(key) {
            Some(value) => value,
            None => panic!("{}: {key} is missing", self.title()),
        }
    }

    pub fn title(&self) -> String {
        let (line, class) = (self.line + 1, &self.class);
        format!("SPEC.md:{line}: {class} {} {}", self.kind, self.name)
    }

    /// Refuses keys that no check looks at: they could say anything.
    pub fn only(&self, keys: &[&str]) {
        for field in &self.fields {
            let known = keys.contains(&field.key.as_str());
            assert!(known, "{}: unknown key {}", self.title(), field.key);
        }
    }
}

pub fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn spec_path() -> PathBuf {
    crate_dir().join("SPEC.md")
}

pub fn read_spec() -> String {
    fs::read_to_string(spec_path()).unwrap()
}

/// All executable blocks of `text`, in order.
pub fn parse(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = None;
    for (n, line) in text.lines().enumerate() {
        if let Some(fence) = line.strip_prefix("```") {
            let open: Vec<&str> = fence.split_whitespace().collect();
            match (inside.is_some(), open.as_slice()) {
                (true, _) => inside = None,
                (false, [class @ ("vector" | "reject"), kind, name]) => {
                    blocks.push(block(class, kind, name, n));
                    inside = Some(true);
                }
                // Every line is a case with a name of its own.
                (false, ["reject", kind]) => {
                    blocks.push(block("reject", kind, "", n));
                    inside = Some(true);
                }
                (false, ["table", name]) => {
                    blocks.push(block("table", "", name, n));
                    inside = Some(true);
                }
                (false, [] | ["text"]) => inside = Some(false),
                (false, other) => panic!("SPEC.md:{}: unknown block {other:?}", n + 1),
            }
            continue;
        }
        if inside == Some(true) && !line.starts_with('#') && !line.is_empty() {
            add_line(blocks.last_mut().unwrap(), n, line);
        }
    }
    assert!(inside.is_none(), "SPEC.md: a block is not closed");
    blocks
}

fn block(class: &str, kind: &str, name: &str, line: usize) -> Block {
    Block {
        class: class.into(),
        kind: kind.into(),
        name: name.into(),
        line,
        fields: Vec::new(),
    }
}

fn add_line(block: &mut Block, n: usize, line: &str) {
    if let Some(more) = line.strip_prefix("  ") {
        match block.fields.last_mut() {
            Some(field) => {
                field.value.push(' ');
                field.value.push_str(more.trim());
                field.lines.end = n + 1;
            }
            None => panic!("{}: begins with a continuation", block.title()),
        }
        return;
    }
    match line.split_once(':') {
        Some((key, value)) => block.fields.push(Field {
            key: key.into(),
            value: value.trim().into(),
            lines: n..n + 1,
        }),
        None => panic!("SPEC.md:{}: not `key: value`", n + 1),
    }
}

/// What the checks found: disagreements, and what would settle them.
#[derive(Debug, Default)]
pub struct Findings {
    pub failures: Vec<String>,
    /// Lines of SPEC.md and what the code says should be there.
    pub repairs: Vec<(std::ops::Range<usize>, String)>,
    /// Files beside SPEC.md and what the code says should be in them.
    pub files: Vec<(PathBuf, String)>,
}

impl Findings {
    pub fn fail(&mut self, block: &Block, what: impl AsRef<str>) {
        self.failures
            .push(format!("{}: {}", block.title(), what.as_ref()));
    }

    /// Compares `block`'s `key` with `got`, spaces not counted.
    pub fn expect(&mut self, block: &Block, key: &str, got: &str) {
        let plain = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = block.need(key);
        if plain(said) != plain(got) {
            self.fail(block, format!("{key}\n  SPEC: {said}\n  code: {got}"));
            let field = block.fields.iter().find(|f| f.key == key).unwrap();
            self.repairs.push((field.lines.clone(), wrapped(key, got)));
        }
    }

    /// Compares `block`'s `key`, hexadecimal digits, with `got`.
    pub fn expect_bytes(&mut self, block: &Block, key: &str, got: &[u8]) {
        if super::values::hex(block.need(key)).as_deref() != Some(got) {
            self.expect(block, key, &super::values::to_hex(got));
        }
    }

    /// Compares `block`'s `key`, one line each, with `got`.
    pub fn expect_lines(&mut self, block: &Block, key: &str, got: &[String]) {
        if block.all(key) != got {
            let (said, code) = (block.all(key).join("\n        "), got.join("\n        "));
            self.fail(block, format!("{key}\n  SPEC: {said}\n  code: {code}"));
            let mut lines = block.fields.iter().filter(|f| f.key == key);
            let first = lines.next().map_or(block.line + 1, |f| f.lines.start);
            let end = lines.next_back().map_or(first + 1, |f| f.lines.end);
            let text = got.iter().map(|g| format!("{key}: {g}"));
            self.repairs
                .push((first..end, text.collect::<Vec<_>>().join("\n")));
        }
    }
}

/// `key: value`, long hexadecimal values over several lines.
fn wrapped(key: &str, value: &str) -> String {
    let mut out = format!("{key}:");
    let mut width = out.len();
    for word in value.split_whitespace() {
        if width + word.len() >= 100 {
            out.push_str("\n ");
            width = 1;
        }
        let _ = write!(out, " {word}");
        width += word.len() + 1;
    }
    out
}

/// Writes the repairs of `findings` into SPEC.md.
pub fn repair(findings: &mut Findings) {
    let text = read_spec();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    findings.repairs.sort_by_key(|(range, _)| range.start);
    for (range, new) in findings.repairs.iter().rev() {
        lines.splice(range.clone(), [new.clone()]);
    }
    fs::write(spec_path(), lines.join("\n") + "\n").unwrap();
    for (path, content) in &findings.files {
        fs::write(path, content).unwrap();
    }
}
