//! Key files as written by this crate, by openssl, and by mistake.

use super::*;

use ed25519_dalek::{Signer, Verifier};

/// RFC 8410 §10.3, without and with the public key, and §10.1.
const RFC_SECRET: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_pair_made_here_is_read_back() {
    let dir = folder();
    let path = dir.path().join("key");
    let (public, public_path) = generate(&path).unwrap();
    assert_eq!(public_path, dir.path().join("key.pub"));
    assert_eq!(read_public(&public_path).unwrap(), public);
    let secret = read_secret(&path).unwrap();
    assert_eq!(secret.warning, None);
    let signature = secret.key.sign(b"patch");
    public.verify(b"patch", &signature).unwrap();
}

#[cfg(unix)]
#[test]
fn the_secret_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let path = dir.path().join("key");
    generate(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let warning = read_secret(&path).unwrap().warning.unwrap();
    assert!(warning.contains("mode 640"), "{warning}");
}

#[test]
fn nothing_is_overwritten_and_nothing_left() {
    let dir = folder();
    let path = file(&dir, "key", "precious");
    assert_eq!(generate(&path).unwrap_err().kind(), KeyErrorKind::Exists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    file(&dir, "other.pub", "precious");
    let other = dir.path().join("other");
    assert_eq!(generate(&other).unwrap_err().kind(), KeyErrorKind::Exists);
    assert!(!other.exists());

    let nowhere = dir.path().join("no/such/folder");
    assert_eq!(
        generate(&nowhere).unwrap_err().kind(),
        KeyErrorKind::Unwritable
    );
}

#[test]
fn keys_of_rfc_8410() {
    let dir = folder();
    let secret = read_secret(&file(&dir, "s", RFC_SECRET)).unwrap();
    let public = read_public(&file(&dir, "p", RFC_PUBLIC)).unwrap();
    assert_eq!(secret.key.verifying_key(), public);
    let id: String = key_id(&public).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(id.len(), 16);
}

#[test]
fn every_wrong_file_is_named() {
    let dir = folder();
    let secret = |text| read_secret(&file(&dir, "k", text)).err().unwrap();
    let public = |text| read_public(&file(&dir, "k", text)).err().unwrap();

    assert_eq!(secret(RFC_PUBLIC).kind(), KeyErrorKind::OtherHalf);
    assert_eq!(public(RFC_SECRET).kind(), KeyErrorKind::OtherHalf);
    for text in [
        "",
        "hello",
        "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n",
    ] {
        let e = secret(text);
        assert_eq!(e.kind(), KeyErrorKind::NotAKey);
        assert!(
            e.to_string().contains("is not an Ed25519 secret key"),
            "{e}"
        );
    }
    assert_eq!(public("hello").kind(), KeyErrorKind::NotAKey);
    let e = secret("-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    assert!(e.to_string().contains("passphrase"), "{e}");
    assert_eq!(public(&"x".repeat(20_000)).kind(), KeyErrorKind::NotAKey);

    let missing = dir.path().join("missing");
    assert_eq!(
        read_public(&missing).unwrap_err().kind(),
        KeyErrorKind::Unreadable
    );
    assert_eq!(
        read_public(dir.path()).unwrap_err().kind(),
        KeyErrorKind::Unreadable
    );
    fs::write(dir.path().join("b"), [0xff; 40]).unwrap();
    let e = read_public(&dir.path().join("b")).unwrap_err();
    assert_eq!(e.kind(), KeyErrorKind::NotAKey);
}

#[test]
fn a_weak_public_key_is_refused() {
    // The neutral element: every signature with s = 0 would hold.
    let mut point = [0; 32];
    point[0] = 1;
    let weak = VerifyingKey::from_bytes(&point).unwrap();
    let dir = folder();
    let pem = weak.to_public_key_pem(LineEnding::LF).unwrap();
    let e = read_public(&file(&dir, "weak.pub", &pem)).unwrap_err();
    assert_eq!(e.kind(), KeyErrorKind::Weak);
}

#[test]
fn openssl_reads_and_writes_the_same_files() {
    let run = |args: &[&str]| std::process::Command::new("openssl").args(args).output();
    if run(&["version"]).is_err() {
        println!("skipped: no openssl");
        return;
    }
    let dir = folder();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ours, out, theirs, theirs_pub) = (at("ours"), at("out"), at("theirs"), at("theirs.pub"));
    generate(Path::new(&ours)).unwrap();
    assert!(
        run(&["pkey", "-in", &ours, "-pubout", "-out", &out])
            .unwrap()
            .status
            .success()
    );
    assert_eq!(fs::read(&out).unwrap(), fs::read(at("ours.pub")).unwrap());

    assert!(
        run(&["genpkey", "-algorithm", "ed25519", "-out", &theirs])
            .unwrap()
            .status
            .success()
    );
    assert!(
        run(&["pkey", "-in", &theirs, "-pubout", "-out", &theirs_pub])
            .unwrap()
            .status
            .success()
    );
    let secret = read_secret(Path::new(&theirs)).unwrap();
    assert_eq!(
        secret.key.verifying_key(),
        read_public(Path::new(&theirs_pub)).unwrap()
    );
}
