//! Envelope, manifest, chunk chain, journal: SPEC §2, §4, §5, §8, §10.

use super::blocks::{self, Block, Findings};
use super::values::{self, link, number, u32_of};
use deltamote_format::Profile;
use deltamote_format::chain::{self, Layout};
use deltamote_format::codec::ResumePoint;
use deltamote_format::encryption::Encryption;
use deltamote_format::envelope::{
    Algorithm, Envelope, Form, HEAD_BYTES, Purpose, Signer, WireError, emit_head,
    emit_sig_structure, parse_head,
};
use deltamote_format::journal::{Header, Mark, Record, ResetMark, binding_message, crc32};
use deltamote_format::key_set::{self, Entry, KeySet, Role};
use deltamote_format::manifest::{Advisories, Extensions, Manifest, UpdateClass};

fn bytes_of(block: &Block, key: &str) -> Vec<u8> {
    match values::hex(block.need(key)) {
        Some(bytes) => bytes,
        None => panic!("{}: {key} is not hexadecimal", block.title()),
    }
}

fn array_of<const N: usize>(block: &Block, key: &str) -> [u8; N] {
    match bytes_of(block, key).try_into() {
        Ok(array) => array,
        Err(_) => panic!("{}: {key} has not {N} bytes", block.title()),
    }
}

/// Vectors of the envelope, and of the head in front of it.
pub fn envelope(block: &Block, out: &mut Findings) {
    block.only(&[
        "alg",
        "public_key",
        "kid",
        "manifest",
        "signed_bytes",
        "signature",
        "alg2",
        "public_key2",
        "kid2",
        "signed_bytes2",
        "signature2",
        "head",
        "bytes",
    ]);
    let signer = |alg: &str, kid: &str| {
        block.get(alg).map(|alg| Signer {
            algorithm: Algorithm(alg.parse().unwrap()),
            kid: array_of(block, kid),
        })
    };
    let (first, second) = (signer("alg", "kid"), signer("alg2", "kid2"));
    let manifest = bytes_of(block, "manifest");
    if let Err(e) = Manifest::parse(&manifest) {
        out.fail(block, format!("manifest: {e}"));
    }
    let signature = block
        .get("signature")
        .map_or(Vec::new(), |_| bytes_of(block, "signature"));
    let signature2 = second.map(|_| bytes_of(block, "signature2"));
    let value = Envelope {
        signer: first,
        manifest: &manifest,
        signature: &signature,
        second: second.zip(signature2.as_deref()),
    };
    let mut buf = [0; 4096];
    let len = value.emit(&mut buf).unwrap();
    out.expect_bytes(block, "bytes", &buf[..len]);
    out.expect_bytes(block, "head", &emit_head(len).unwrap());
    if parse_head(&array_of(block, "head")) != Ok(len) {
        out.fail(block, "the head says another length");
    }
    if Envelope::parse(&bytes_of(block, "bytes")) != Ok(value) {
        out.fail(block, "the bytes parse to other fields");
    }
    let form = if second.is_some() {
        Form::Two
    } else {
        Form::One
    };
    for (signer, suffix) in [(first, ""), (second, "2")] {
        let key = |name: &str| format!("{name}{suffix}");
        let Some(signer) = signer else { continue };
        let id = values::sha256(&bytes_of(block, &key("public_key")));
        out.expect_bytes(block, &key("kid"), &id[..8]);
        let len = emit_sig_structure(Purpose::Patch, form, signer, &manifest, &mut buf).unwrap();
        out.expect_bytes(block, &key("signed_bytes"), &buf[..len]);
    }
}

/// Vectors of key sets.
pub fn key_set(block: &Block, out: &mut Findings) {
    block.only(&["version", "key", "revoked", "bytes"]);
    let keys = block.all("key");
    let parts: Vec<(Vec<&str>, Vec<u8>)> = keys
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let key = values::bytes(words[1], &[]);
            (words, key)
        })
        .collect();
    let entries: Vec<Entry<'_>> = parts
        .iter()
        .map(|(words, key)| Entry {
            role: match words[2] {
                "release" => Role::Release,
                "test" => Role::Test,
                other => panic!("{}: role {other}", block.title()),
            },
            first: number(words[3]),
            last: number(words[4]),
            ..Entry::new(Algorithm(words[0].parse().unwrap()), key)
        })
        .collect();
    let revoked = block
        .get("revoked")
        .map_or(Vec::new(), |_| bytes_of(block, "revoked"));
    let version = number(block.need("version"));
    let mut buf = [0; 4096];
    let len = key_set::emit(version, &entries, revoked.as_chunks().0, &mut buf).unwrap();
    out.expect_bytes(block, "bytes", &buf[..len]);
    match KeySet::parse(&bytes_of(block, "bytes")) {
        Ok(set) if set.version == version && set.entries().eq(entries) => {}
        _ => out.fail(block, "the bytes parse to other fields"),
    }
}

const MANIFEST_KEYS: &[&str] = &[
    "old_size",
    "old_digest",
    "new_size",
    "new_digest",
    "first_chunk",
    "payload_size",
    "profile",
    "ram_bytes",
    "chunk_size",
    "codec",
    "isa_mask",
    "prior",
    "sequence",
    "vendor",
    "class",
    "load_address",
    "slot",
    "update_class",
    "advisories",
    "sbom_old",
    "sbom_new",
    "recipient",
    "encapsulated",
    "extensions",
    "bytes",
];

/// Vectors of the manifest.
pub fn manifest(block: &Block, out: &mut Findings) {
    block.only(MANIFEST_KEYS);
    let profile = block
        .get("profile")
        .map_or(Profile::Small, |p| Profile::from_wire(u32_of(p)).unwrap());
    let optional = |key: &str| block.get(key).map(u32_of);
    let mut m = Manifest::new(profile);
    m.old_size = u32_of(block.need("old_size"));
    m.old_digest = array_of(block, "old_digest");
    m.new_size = u32_of(block.need("new_size"));
    m.new_digest = array_of(block, "new_digest");
    m.first_chunk = array_of(block, "first_chunk");
    m.payload_size = u32_of(block.need("payload_size"));
    m.ram_bytes = optional("ram_bytes");
    m.chunk_size = optional("chunk_size").unwrap_or(m.chunk_size);
    m.codec = optional("codec").unwrap_or(0);
    m.isa_mask = optional("isa_mask").unwrap_or(0);
    m.prior = optional("prior");
    m.sequence = block.get("sequence").map_or(0, number);
    m.vendor = block.get("vendor").map(|_| array_of(block, "vendor"));
    m.class = block.get("class").map(|_| array_of(block, "class"));
    m.load_address = block.get("load_address").map(number);
    m.slot = optional("slot");
    let classes = [
        UpdateClass::Security,
        UpdateClass::Feature,
        UpdateClass::Mixed,
    ];
    m.update_class = optional("update_class").map(|n| classes[n as usize]);
    let mut advisories = Advisories::default();
    for id in block.get("advisories").unwrap_or("").split_whitespace() {
        assert!(advisories.push(id));
    }
    m.advisories = advisories;
    m.sbom_old = block.get("sbom_old").map(|_| array_of(block, "sbom_old"));
    m.sbom_new = block.get("sbom_new").map(|_| array_of(block, "sbom_new"));
    let recipient: Option<[u8; 8]> = block.get("recipient").map(|_| array_of(block, "recipient"));
    let encapsulated = block
        .get("encapsulated")
        .map(|_| array_of(block, "encapsulated"));
    m.encryption = match (&recipient, &encapsulated) {
        (Some(recipient), Some(encapsulated)) => Some(Encryption {
            recipient,
            encapsulated,
        }),
        _ => None,
    };
    let extensions = block
        .get("extensions")
        .map(|_| bytes_of(block, "extensions"));
    if let Some(extensions) = &extensions {
        m.extensions = Extensions::parse(extensions).unwrap();
    }

    let mut buf = [0; 512];
    let len = m.emit(&mut buf).unwrap();
    out.expect_bytes(block, "bytes", &buf[..len]);
    if Manifest::parse(&bytes_of(block, "bytes")) != Ok(m) {
        out.fail(block, "the bytes parse to other fields");
    }
}

/// Vectors of the chunk chain.
pub fn chain(block: &Block, out: &mut Findings) {
    block.only(&["data", "chunk_size", "first_chunk", "payload"]);
    let data = values::bytes(block.need("data"), &[]);
    let chunk_size = u32_of(block.need("chunk_size"));
    let layout = Layout::for_data(data.len() as u32, chunk_size).unwrap();
    let mut payload = vec![0; layout.payload_size() as usize];
    let first = chain::seal(&data, layout, &mut payload, link).unwrap();
    out.expect_bytes(block, "first_chunk", &first);
    out.expect_bytes(block, "payload", &payload);

    let said = bytes_of(block, "payload");
    let mut announced: [u8; 16] = array_of(block, "first_chunk");
    let mut back = Vec::new();
    let layout = Layout::new(said.len() as u32, chunk_size).unwrap();
    for k in 0..layout.count() {
        let range = layout.chunk(k).unwrap();
        let chunk = &said[range.start as usize..range.end as usize];
        if link(chunk) != announced {
            out.fail(
                block,
                format!("chunk {k} is not the one that was announced"),
            );
        }
        let (part, next) = chain::parse(chunk, layout.is_last(k)).unwrap();
        back.extend_from_slice(part);
        announced = next.copied().unwrap_or(announced);
    }
    if back != data {
        out.fail(block, "the chunks hold other data");
    }
}

const MARK_KEYS: &[&str] = &[
    "epoch",
    "binding",
    "sequence",
    "frontier",
    "reset",
    "link",
    "write_size",
    "bytes",
];

fn mark(block: &Block) -> Mark {
    let reset = block.get("reset").map(|words| {
        let words = values::numbers(words);
        let point = ResumePoint {
            new_pos: words[0],
            payload_pos: words[1],
            op: words[2..].try_into().unwrap(),
        };
        let link = array_of(block, "link");
        ResetMark { point, link }
    });
    Mark {
        frontier: u32_of(block.need("frontier")),
        reset,
    }
}

/// Vectors of the journal's page headers.
pub fn journal_header(block: &Block, out: &mut Findings) {
    block.only(MARK_KEYS);
    let header = Header {
        epoch: u32_of(block.need("epoch")),
        binding: array_of(block, "binding"),
        mark: mark(block),
    };
    let mut buf = [0; 256];
    let len = header
        .emit(number(block.need("write_size")) as usize, &mut buf)
        .unwrap();
    out.expect_bytes(block, "bytes", &buf[..len]);
    if Header::parse(&bytes_of(block, "bytes")) != Some(header) {
        out.fail(block, "the bytes parse to other fields");
    }
}

/// Vectors of the journal's records.
pub fn journal_record(block: &Block, out: &mut Findings) {
    block.only(MARK_KEYS);
    let record = Record {
        epoch: u32_of(block.need("epoch")),
        sequence: u32_of(block.need("sequence")) as u16,
        mark: mark(block),
    };
    let mut buf = [0; 256];
    let len = record
        .emit(number(block.need("write_size")) as usize, &mut buf)
        .unwrap();
    out.expect_bytes(block, "bytes", &buf[..len]);
    if Record::parse(&bytes_of(block, "bytes")).map(|(r, _)| r) != Some(record) {
        out.fail(block, "the bytes parse to other fields");
    }
}

/// Vectors of what a journal is bound to.
pub fn journal_binding(block: &Block, out: &mut Findings) {
    block.only(&[
        "envelope_digest",
        "slot_size",
        "write_size",
        "first_block",
        "new_offset",
        "message",
        "binding",
    ]);
    let part = |key: &str| u32_of(block.need(key));
    let message = binding_message(
        &array_of(block, "envelope_digest"),
        part("slot_size"),
        part("write_size"),
        part("first_block"),
        part("new_offset"),
    );
    out.expect_bytes(block, "message", &message);
    out.expect_bytes(block, "binding", &link(&bytes_of(block, "message")));
}

/// What must be refused, and for which reason: `NAME: INPUT = REASON`.
pub fn reject(block: &Block, out: &mut Findings) {
    let all = blocks::parse(&blocks::read_spec());
    for field in &block.fields {
        let Some((said, why)) = field.value.rsplit_once(" = ") else {
            out.fail(block, format!("{}: no reason given", field.key));
            continue;
        };
        let got = match block.kind.as_str() {
            "layout" => {
                let (plain, encrypted) = (said, said.strip_prefix("encrypted "));
                let sizes = values::numbers(encrypted.unwrap_or(plain));
                let layout = match encrypted {
                    Some(_) => Layout::new_encrypted(sizes[0], sizes[1]),
                    None => Layout::new(sizes[0], sizes[1]),
                };
                present(layout.is_some())
            }
            kind => verdict(kind, &input(kind, said, &all)),
        };
        // For least text the place is the end of what was read, and the rule is the same.
        let lax = |verdict: &str| verdict.starts_with("NotCanonical @");
        let got = if cfg!(feature = "small-code") && lax(&got) && lax(why) {
            why.to_owned()
        } else {
            got
        };
        out.expect(block, &field.key, &format!("{said} = {got}"));
    }
}

/// Bytes, or `NAME A..B:BYTES ...`: those of vector NAME of the same kind, with the bytes
/// A up to B replaced; `crc` at the end mends the checksum.
fn input(kind: &str, said: &str, all: &[Block]) -> Vec<u8> {
    let mut words = said.split_whitespace();
    let name = words.next().unwrap();
    let same = |b: &&Block| b.class == "vector" && b.name == name && b.kind.starts_with(kind);
    let Some(vector) = all.iter().find(same) else {
        return values::bytes(said, &[]);
    };
    let mut bytes = bytes_of(vector, "bytes");
    let words: Vec<&str> = words.collect();
    // From the back: the offsets are those of the vector.
    for word in words.iter().rev() {
        if let Some((range, by)) = word.split_once(':') {
            let (from, to) = range.split_once("..").unwrap();
            let place = |s: &str| (number(s) as usize).min(bytes.len());
            let range = place(from)..place(to);
            bytes.splice(range, values::bytes(&by.replace(',', " "), &[]));
        }
    }
    if words.contains(&"crc") {
        let end = bytes.len().saturating_sub(4);
        let crc = crc32(&bytes[..end]);
        bytes.truncate(end);
        bytes.extend(crc.to_le_bytes());
    }
    bytes
}

fn present(found: bool) -> String {
    String::from(if found { "accepted" } else { "nothing valid" })
}

fn verdict(kind: &str, bytes: &[u8]) -> String {
    let rule = |r: Result<(), WireError>| match r {
        Ok(()) => "accepted".into(),
        Err(e) => format!("{:?} @{}", e.rule, e.at),
    };
    match kind {
        "head" => {
            let head = <&[u8; HEAD_BYTES]>::try_from(bytes).unwrap();
            rule(parse_head(head).map(drop))
        }
        "envelope" => rule(Envelope::parse(bytes).map(drop)),
        "key-set" => rule(KeySet::parse(bytes).map(drop)),
        "manifest" => rule(Manifest::parse(bytes).map(drop)),
        "journal-header" => present(Header::parse(bytes).is_some()),
        "journal-record" => present(Record::parse(bytes).is_some()),
        _ => "no check knows this kind".into(),
    }
}
