use std::io::Write;

use super::*;

const IMAGE: &[u8] = &[0x11, 0xf0, 0x05, 0x00, 0xaa, 0x55, 0x00, 0x20];
const HEX: &str = ":0800000011F00500AA550020D3\n:00000001FF\n";

fn tar_of(path: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, bytes).unwrap();
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zip_of(path: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file(path, options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

fn deb(data: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), (data, bytes)] {
        let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        builder.append(&header, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn members_are_found_in_every_kind_of_archive() {
    let (path, dotted) = ("usr/lib/fw.bin", "./usr/lib/fw.bin");
    let archives = [
        ("p-1.tgz", gz(&tar_of(path, IMAGE))),
        ("p-1.tar.gz", gz(&tar_of(path, IMAGE))),
        ("p-1.crate", gz(&tar_of(path, IMAGE))),
        ("p-1.tar", tar_of(path, IMAGE)),
        ("p-1.whl", zip_of(path, IMAGE)),
        (
            "p_1_all.deb",
            deb("data.tar.xz", &xz(&tar_of(dotted, IMAGE))),
        ),
        (
            "p_1_all.deb",
            deb("data.tar.gz", &gz(&tar_of(dotted, IMAGE))),
        ),
        (
            "p_1_all.deb",
            deb(
                "data.tar.zst",
                &zstd::encode_all(&tar_of(dotted, IMAGE)[..], 1).unwrap(),
            ),
        ),
    ];
    for (name, archive) in archives {
        let found = members(name, &archive, &[path, "absent"]).expect(name);
        assert_eq!(found.get(path).map(Vec::as_slice), Some(IMAGE), "{name}");
        assert_eq!(found.len(), 1, "{name}");
    }
}

#[test]
fn damaged_archives_are_errors() {
    let mut archive = gz(&tar_of("fw.bin", &[7; 5000]));
    archive.truncate(archive.len() / 2);
    assert!(members("p.tgz", &archive, &["fw.bin"]).is_err());
    assert!(members("p.deb", &deb("control.tar.gz", b"x"), &["fw.bin"]).is_err());
    assert!(members("p.whl", b"not a zip", &["fw.bin"]).is_err());
    assert!(members("p.rar", b"x", &["fw.bin"]).is_err());
}

#[test]
fn images_are_taken_out_of_what_holds_them() {
    let python = format!("x = 1\n_RUNTIME = \"\"\"\n{HEX}\"\"\"\n");
    let encoded = base64::engine::general_purpose::STANDARD.encode(IMAGE);
    let (start, end) = encoded.split_at(4);
    let keyed = format!("blobs = {{'fw.bin': '{start}\\\n{end}'}}\n");
    let cases: [(&[u8], &[&str]); 5] = [
        (IMAGE, &[]),
        (HEX.as_bytes(), &[]),
        (&zip_of("fw.hex", HEX.as_bytes()), &["zip:fw.hex"]),
        (python.as_bytes(), &["python:_RUNTIME"]),
        (keyed.as_bytes(), &["python:fw.bin", "base64"]),
    ];
    for (member, steps) in cases {
        let steps: Vec<Step> = steps
            .iter()
            .map(|s| Step::try_from(s.to_string()).unwrap())
            .collect();
        assert_eq!(image(member.to_vec(), &steps).unwrap(), IMAGE, "{steps:?}");
    }
    assert!(Step::try_from("rar:x".to_owned()).is_err());
    let lost = [Step::Zip("absent".into())];
    assert!(image(zip_of("fw.hex", b"x"), &lost).is_err());
}
