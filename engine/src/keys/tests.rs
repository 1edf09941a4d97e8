//! Key files as written by this crate, by openssl, and by mistake.

use super::*;

use super::pem::Secret;
use deltamote_patcher::{Keys, Verifier};
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

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
fn pairs_made_here_are_read_back_and_sign() {
    let dir = folder();
    for scheme in Scheme::ALL {
        let path = dir.path().join(scheme.name());
        let (public, public_path) = generate(&path, scheme, Height::H5).unwrap();
        assert_eq!(public_path, with_suffix(&path, ".pub"));
        assert_eq!(read_public(&public_path).unwrap(), public);
        let secret = read_secret(&path).unwrap();
        assert_eq!(secret.warning, None);
        assert_eq!(secret.key.public(), &public);
        let signature = secret.key.sign(0, b"patch").unwrap();
        let keys = [public.on_device()];
        let check = |message| Keys(&keys).verify(&public.signer(), message, &signature);
        assert_eq!(check(b"patch"), Ok(()), "{}", scheme.name());
        assert!(check(b"match").is_err(), "{}", scheme.name());
        assert_eq!(Scheme::of(scheme.algorithm()), Some(scheme));
    }
}

#[test]
fn an_lms_key_never_uses_a_leaf_twice() {
    let dir = folder();
    let path = dir.path().join("key");
    let (public, _) = generate(&path, Scheme::Lms, Height::H5).unwrap();
    let mut leaves = Vec::new();
    for n in 0..32 {
        // Read anew every time, as by another process; the first ones by two at once.
        let [a, b] = [(); 2].map(|()| read_secret(&path).unwrap().key);
        let signatures: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let other = (n < 8).then(|| scope.spawn(|| b.sign(0, b"x")));
            let mine = a.sign(0, b"x");
            let all = [Some(mine), other.map(|o| o.join().unwrap())];
            all.into_iter().flatten().filter_map(Result::ok).collect()
        });
        for signature in signatures {
            let keys = [public.on_device()];
            Keys(&keys)
                .verify(&public.signer(), b"x", &signature)
                .unwrap();
            leaves.push(u32::from_be_bytes(signature[4..8].try_into().unwrap()));
        }
    }
    leaves.sort_unstable();
    assert_eq!(leaves, (0..32).collect::<Vec<_>>());
    let used_up = |key: SecretKey| key.sign(0, b"x").unwrap_err();
    let e = used_up(read_secret(&path).unwrap().key);
    assert_eq!(e.kind(), KeyErrorKind::State);
    assert!(e.to_string().contains("all 32 signatures"), "{e}");
}

#[test]
fn an_lms_key_without_its_state_does_not_sign() {
    let dir = folder();
    let path = dir.path().join("key");
    generate(&path, Scheme::Lms, Height::H5).unwrap();
    let state = with_suffix(&path, ".state");
    let good = fs::read_to_string(&state).unwrap();
    for bad in [
        String::new(),
        good.replace("next 0", "next x"),
        good.replace("key ", "key 00"),
        good.clone() + "next 9\n",
    ] {
        fs::write(&state, bad).unwrap();
        let e = read_secret(&path).unwrap().key.sign(0, b"x").unwrap_err();
        assert_eq!(e.kind(), KeyErrorKind::State);
    }
    fs::remove_file(&state).unwrap();
    let e = read_secret(&path).unwrap().key.sign(0, b"x").unwrap_err();
    assert!(e.to_string().contains("make a new key"), "{e}");
    // A leaf is gone before its signature exists, even if that never comes to be.
    fs::write(&state, &good).unwrap();
    let public = read_public(&public_path(&path)).unwrap();
    assert_eq!(lms::reserve(&path, &public, 32).unwrap(), 0);
    assert_eq!(lms::reserve(&path, &public, 32).unwrap(), 1);
}

/// RFC 9858 appendix A.1: seed, identifier and randomizer give its public key and its
/// signature with leaf 5. (Of the signature the patcher's vectors hold all 784 bytes.)
#[test]
fn lms_signs_as_rfc_9858_does() {
    let mut secret = vec![0, 0, 0, 10, 0, 0, 0, 8];
    secret.extend(0x20..0x30);
    secret.extend(0..24);
    let tree = lms::Tree::from_secret(&secret).unwrap();
    let vectors = include_str!("../../../patcher-nostd/src/signature/lms_vectors.txt");
    let blocks: Vec<Vec<u8>> = vectors
        .split("\n\n")
        .map(|block| {
            let digits: String = block.split_whitespace().collect();
            let pair = |i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap();
            (0..digits.len() / 2).map(pair).collect()
        })
        .collect();
    assert_eq!(tree.public(), blocks[3]);
    let randomizer = blocks[5][12..36].try_into().unwrap();
    assert_eq!(tree.sign(5, &randomizer, &blocks[4]), blocks[5]);
}

#[cfg(unix)]
#[test]
fn the_secret_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let path = dir.path().join("key");
    generate(&path, Scheme::Ed25519, Height::H5).unwrap();
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
    assert_eq!(
        generate(&path, Scheme::Ed25519, Height::H5)
            .unwrap_err()
            .kind(),
        KeyErrorKind::Exists
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    file(&dir, "other.pub", "precious");
    let other = dir.path().join("other");
    assert_eq!(
        generate(&other, Scheme::Ed25519, Height::H5)
            .unwrap_err()
            .kind(),
        KeyErrorKind::Exists
    );
    assert!(!other.exists());

    let nowhere = dir.path().join("no/such/folder");
    assert_eq!(
        generate(&nowhere, Scheme::Ed25519, Height::H5)
            .unwrap_err()
            .kind(),
        KeyErrorKind::Unwritable
    );
}

#[test]
fn keys_of_rfc_8410() {
    let dir = folder();
    let secret = read_secret(&file(&dir, "s", RFC_SECRET)).unwrap();
    let public = read_public(&file(&dir, "p", RFC_PUBLIC)).unwrap();
    assert_eq!(*secret.key.public(), public);
    assert_eq!(public.id_hex().len(), 16);
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
        assert!(e.to_string().contains("is not a secret key"), "{e}");
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
    let run = |args: &[&str]| {
        let out = std::process::Command::new("openssl").args(args).output();
        out.map(|out| assert!(out.status.success(), "{args:?}: {out:?}"))
    };
    if run(&["version"]).is_err() {
        println!("skipped: no openssl");
        return;
    }
    let dir = folder();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ours, out, theirs, theirs_pub) = (at("ours"), at("out"), at("theirs"), at("theirs.pub"));
    let curve = ["-pkeyopt", "ec_paramgen_curve:P-256"];
    let schemes = [
        (Scheme::Ed25519, "ed25519", &[][..]),
        (Scheme::P256, "EC", &curve[..]),
    ];
    for (scheme, name, more) in schemes {
        let (ours, out) = (ours.clone() + name, out.clone() + name);
        generate(Path::new(&ours), scheme, Height::H5).unwrap();
        run(&["pkey", "-in", &ours, "-pubout", "-out", &out]).unwrap();
        let beside = public_path(Path::new(&ours));
        assert_eq!(fs::read(&out).unwrap(), fs::read(beside).unwrap());

        let words = [&["genpkey", "-algorithm", name, "-out", &theirs][..], more].concat();
        run(&words).unwrap();
        run(&["pkey", "-in", &theirs, "-pubout", "-out", &theirs_pub]).unwrap();
        let secret = read_secret(Path::new(&theirs)).unwrap();
        assert_eq!(
            secret.key.public(),
            &read_public(Path::new(&theirs_pub)).unwrap()
        );
    }
}

/// Secrets have no way into a message: neither type can be printed.
#[test]
fn no_error_shows_a_secret() {
    let dir = folder();
    let wrong = RFC_SECRET.replace("MC4CAQAw", "MC4CAQEw");
    let e = read_secret(&file(&dir, "k", &wrong)).err().unwrap();
    assert!(!format!("{e} {e:?}").contains("INTuctv5"), "{e:?}");
    drop(Secret::Ed25519(random().unwrap()));
}
