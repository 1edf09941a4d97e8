//! Strings in Python source: where some packages keep a firmware image.
//!
//! Fed by `unpack`; finds what is assigned to a name or to a dictionary's key, and reads
//! the literal (or several, one after the other) as Python would. Nothing is executed.

use anyhow::{Context, Result, bail};
use regex_lite::Regex;

/// The bytes of the string that `source` assigns to `name`: `name = "..."` or
/// `"name": "..."`. Text is taken as UTF-8.
pub fn literal(source: &[u8], name: &str) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(source).context("the Python source is not UTF-8")?;
    let name = regex_lite::escape(name);
    let assigned = Regex::new(&format!(
        "(?m)(?:^[ \\t]*{name}\\s*=|['\"]{name}['\"]\\s*:)"
    ))?;
    let found = assigned
        .find(text)
        .with_context(|| format!("nothing is assigned to {name}"))?;
    let mut rest = &source[found.end()..];
    let mut bytes = Vec::new();
    let mut read = 0;
    loop {
        rest = past_space(rest);
        match one(rest)? {
            Some((part, after)) => {
                bytes.extend(part);
                rest = after;
                read += 1;
            }
            None if read == 0 => bail!("what is assigned to {name} is no string"),
            None => return Ok(bytes),
        }
    }
}

/// Past white space, joined lines and an opening bracket.
fn past_space(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b'\\', b'\n', rest @ ..] => rest,
            [b, rest @ ..] if b.is_ascii_whitespace() || *b == b'(' => rest,
            _ => return text,
        }
    }
}

/// One literal and what follows it; `None` where there is none.
fn one(text: &[u8]) -> Result<Option<(Vec<u8>, &[u8])>> {
    let is_prefix = |b: &&u8| b"rRbBuU".contains(b);
    let prefix = text.iter().take_while(is_prefix).count();
    let (prefix, rest) = text.split_at(prefix);
    let raw = prefix.iter().any(|b| b.eq_ignore_ascii_case(&b'r'));
    let quote: &[u8] = match rest {
        [b'"', b'"', b'"', ..] => b"\"\"\"",
        [b'\'', b'\'', b'\'', ..] => b"'''",
        [b'"', ..] => b"\"",
        [b'\'', ..] => b"'",
        _ => return Ok(None),
    };
    let mut rest = &rest[quote.len()..];
    let mut bytes = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Ok(Some((bytes, after)));
        }
        rest = match rest {
            [] => bail!("a string without end"),
            [b'\\', escaped, after @ ..] if !raw => escape(*escaped, after, &mut bytes)?,
            [b, after @ ..] => {
                bytes.push(*b);
                after
            }
        };
    }
}

/// What the backslash and `escaped` stand for goes to `bytes`; returns what follows.
fn escape<'a>(escaped: u8, after: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8]> {
    let plain = match escaped {
        b'\n' => return Ok(after),
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => 0,
        b'\\' | b'\'' | b'"' => escaped,
        b'x' => {
            let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
            let value = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
            bytes.push(value.context("\\x without two digits")?);
            return Ok(&after[2..]);
        }
        other => bail!("an escape that is not read here: \\{}", other as char),
    };
    bytes.push(plain);
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_as_python_reads_them() {
        let cases: [(&str, &[u8]); 7] = [
            ("fw = 'a\\x00\\xff\\n'", b"a\0\xff\n"),
            ("other = 1\n  fw = b\"\\\"q\\\"\"", b"\"q\""),
            ("fw = r'a\\x00'", b"a\\x00"),
            ("fw = \"\"\"a\n\"b\"\n\"\"\"", b"a\n\"b\"\n"),
            ("fw = ('ab'\n   b'cd')\n", b"abcd"),
            ("d = {'x': 'no', 'fw': 'yes'}", b"yes"),
            ("fw = 'ab\\\ncd'", b"abcd"),
        ];
        for (source, bytes) in cases {
            assert_eq!(
                literal(source.as_bytes(), "fw").expect(source),
                bytes,
                "{source}"
            );
        }
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for source in [
            "fw = 3",
            "wf = 'x'",
            "fw = 'x",
            "fw = '\\x1'",
            "fw = '\\N{DASH}'",
        ] {
            assert!(literal(source.as_bytes(), "fw").is_err(), "{source}");
        }
    }
}
