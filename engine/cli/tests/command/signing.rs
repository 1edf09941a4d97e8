//! Schemes, two signatures, key sets, signatures made elsewhere.

use crate::workbench::Workbench;

const NOT_AUTHENTIC: i32 = 3;

#[test]
fn every_scheme_signs_and_verifies() {
    let bench = Workbench::new();
    for scheme in ["ed25519", "p256", "lms", "ml-dsa-65"] {
        bench.good(&format!(
            "keygen --out {scheme} --scheme {scheme} --lms-height 5"
        ));
        bench.good(&format!(
            "diff old.bin new.bin -o p.dmp --key {scheme} --level fast --profile medium"
        ));
        bench.good(&format!("verify old.bin p.dmp --pub {scheme}.pub"));
        bench.fails(
            "verify old.bin p.dmp --pub key.pub",
            &[NOT_AUTHENTIC],
            "not trusted",
        );
    }
    // The signature does not fit the smaller device.
    bench.fails(
        "diff old.bin new.bin -o q.dmp --key ml-dsa-65 --level fast",
        &[2],
        "a small device holds",
    );
    assert!(!bench.path("q.dmp").exists());
}

#[test]
fn two_signatures() {
    let bench = Workbench::new();
    bench.good("keygen --out pq --scheme lms --lms-height 5");
    bench.good("diff old.bin new.bin -o two.dmp --key key --key pq --level fast");
    bench.good("verify old.bin two.dmp --pub key.pub --pub pq.pub --both");
    bench.good("apply old.bin two.dmp -o n.bin --pub key.pub --pub pq.pub");
    bench.good("inspect two.dmp");
    bench.fails("verify old.bin two.dmp --pub key.pub", &[NOT_AUTHENTIC], "");
    bench.fails(
        "verify old.bin good.dmp --pub key.pub --pub pq.pub --both",
        &[NOT_AUTHENTIC],
        "two are wanted",
    );
    bench.fails(
        "diff old.bin new.bin -o x.dmp --key pq --key key --level fast",
        &[2],
        "a classical one and then",
    );
}

#[test]
fn key_sets() {
    let bench = Workbench::new();
    bench.good("keygen --out root");
    bench.good("keyset new --pub key.pub -o set.dmk");
    bench.fails(
        "keyset verify set.dmk --root root.pub",
        &[NOT_AUTHENTIC],
        "not signed",
    );
    bench.fails(
        "keyset front set.dmk good.dmp -o f.dmp",
        &[2],
        "is not signed",
    );
    bench.good("keyset sign set.dmk --key root");
    bench.good("keyset verify set.dmk --root root.pub");
    bench.fails(
        "keyset verify set.dmk --root stranger.pub",
        &[NOT_AUTHENTIC],
        "",
    );
    bench.good("keyset front set.dmk good.dmp -o front.dmp");
    bench.good("verify old.bin front.dmp --root root.pub");
    bench.good("inspect front.dmp");
    bench.good("verify old.bin good.dmp --root root.pub --keyset set.dmk");
    bench.good("verify old.bin front.dmp --pub key.pub");
    bench.fails("verify old.bin good.dmp --root root.pub", &[2], "--keyset");
    // The next version: another key, the first one revoked.
    bench.good("keyset add set.dmk --pub stranger.pub --from 5 -o two.dmk");
    bench.good("keyset revoke two.dmk --pub key.pub");
    bench.fails("keyset add two.dmk --pub key.pub", &[2], "is revoked");
    bench.fails(
        "keyset revoke two.dmk --pub stranger.pub",
        &[2],
        "no key would be left",
    );
    bench.good("keyset sign two.dmk --key root");
    assert!(
        bench
            .good("keyset show two.dmk --json")
            .stdout
            .contains("\"version\": 3")
    );
    bench.fails(
        "verify old.bin good.dmp --root root.pub --keyset two.dmk",
        &[NOT_AUTHENTIC],
        "revoked",
    );
    bench.fails(
        "verify old.bin good.dmp --root root.pub --keyset set.dmk --keyset-floor 3",
        &[NOT_AUTHENTIC],
        "older",
    );
    bench.fails(
        "keyset sign set.dmk --key key",
        &[2],
        "the root key is in the set",
    );
    bench.fails("keyset show good.dmp", &[5], "");
}

#[test]
fn several_roots_are_trusted() {
    let bench = Workbench::new();
    for (root, scheme) in [("first", "ed25519"), ("next", "ed25519"), ("pq", "lms")] {
        bench.good(&format!(
            "keygen --out {root} --scheme {scheme} --lms-height 5"
        ));
    }
    bench.good("keyset new --pub key.pub -o set.dmk");
    bench.good("keyset sign set.dmk --key next");
    bench.good("keyset front set.dmk good.dmp -o front.dmp");
    // One of them suffices, wherever it stands.
    for roots in ["first next", "next first", "next pq", "pq first next"] {
        let roots = roots.replace(' ', ".pub --root ");
        bench.good(&format!("verify old.bin front.dmp --root {roots}.pub"));
        bench.good(&format!(
            "apply old.bin front.dmp -o n.bin --root {roots}.pub"
        ));
    }
    bench.fails(
        "verify old.bin front.dmp --root first.pub --root pq.pub",
        &[NOT_AUTHENTIC],
        "not trusted",
    );
    // A set that two roots signed wants both, for whoever asks for one as well.
    bench.good("keyset sign set.dmk --key next --key pq");
    bench.good("keyset front set.dmk good.dmp -o two.dmp");
    bench.good("verify old.bin two.dmp --root next.pub --root pq.pub");
    for roots in ["next.pub", "pq.pub", "first.pub --root pq.pub"] {
        let command = format!("verify old.bin two.dmp --root {roots}");
        bench.fails(&command, &[NOT_AUTHENTIC], "");
    }
    // No root is written over.
    bench.fails(
        "apply old.bin front.dmp -o next.pub --root first.pub --root next.pub",
        &[2],
        "",
    );
}

#[test]
fn signatures_made_elsewhere_must_hold() {
    let bench = Workbench::new();
    bench.good("diff old.bin new.bin -o plain.dmp --unsigned --level fast");
    bench.good("tbs plain.dmp --pub key.pub -o message");
    let hex = bench.good("tbs plain.dmp --pub key.pub --hex").stdout;
    let message = bench.get("message");
    let expect: String = message.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex.trim(), expect);
    for (len, fill) in [(0, 0), (64, 0), (64, 7), (63, 1), (70, 0x30)] {
        bench.put("signature", &vec![fill; len]);
        bench.fails(
            "attach plain.dmp signature --pub key.pub -o bad.dmp",
            &[NOT_AUTHENTIC],
            "does not hold",
        );
        assert!(!bench.path("bad.dmp").exists());
    }
    // With openssl, which signs what it is given.
    let run = bench.shell(
        "command -v openssl >/dev/null || exit 77
         openssl pkeyutl -sign -rawin -inkey key -in message -out signature",
    );
    if run.code == 77 {
        println!("skipped: no openssl");
        return;
    }
    assert_eq!(run.code, 0, "{}", run.stderr);
    bench.good("attach plain.dmp signature --pub key.pub -o signed.dmp");
    bench.good("verify old.bin signed.dmp --pub key.pub");
    bench.fails(
        "attach plain.dmp signature --pub stranger.pub -o no.dmp",
        &[NOT_AUTHENTIC],
        "",
    );
}

/// Nothing that a command prints or writes has a byte of a secret key in it, in the PEM's
/// spelling or in hexadecimal.
#[test]
fn secrets_are_not_printed() {
    let bench = Workbench::new();
    let mut said = String::new();
    for scheme in ["ed25519", "p256", "lms", "ml-dsa-65"] {
        for line in [
            format!("keygen --out {scheme} --scheme {scheme} --lms-height 5"),
            format!(
                "diff old.bin new.bin -o p.dmp --key {scheme} --level fast --profile medium \
                 --json --provenance {scheme}.json"
            ),
            format!("tbs p.dmp --pub {scheme}.pub --hex"),
            format!("keyset new --pub key.pub -o {scheme}.dmk"),
            format!("keyset sign {scheme}.dmk --key {scheme}"),
            format!("keyset show {scheme}.dmk --json"),
        ] {
            let done = bench.good(&line);
            said += &(done.stdout + &done.stderr);
        }
        said += &String::from_utf8(bench.get(&format!("{scheme}.json"))).unwrap();
        // Refusals that name the key file.
        for line in [
            format!("verify old.bin p.dmp --pub {scheme}"),
            format!("keygen --out {scheme}"),
            format!("apply old.bin p.dmp -o x --pub key.pub --decrypt-with {scheme}"),
        ] {
            let done = bench.run(&line);
            assert_ne!(done.code, 0);
            said += &(done.stdout + &done.stderr);
        }
    }
    bench.good("keygen --out recipient --scheme x25519");
    let done = bench.good(
        "diff old.bin new.bin -o p.dmp --key key --level fast --encrypt-to recipient.pub --json",
    );
    said += &(done.stdout + &done.stderr);
    said += &bench
        .good("inspect p.dmp --json --decrypt-with recipient")
        .stdout;
    for name in ["ed25519", "p256", "lms", "ml-dsa-65", "key", "recipient"] {
        let pem = String::from_utf8(bench.get(name)).unwrap();
        let lines: Vec<&str> = pem.lines().filter(|l| !l.starts_with('-')).collect();
        // The secret ends in the last 24 digits (P-256: begins in the first 64).
        let all = lines.concat();
        let places = [24..48, all.len() - 24..all.len() - 4];
        for digits in places.map(|range| &all[range]) {
            assert!(!said.contains(digits), "{name}");
            assert!((said.clone() + &all).contains(digits), "the control");
        }
    }
    assert!(said.contains("\"signed_by\"") && said.contains("key id"));
}

/// What a device needs for a scheme in software, where that is above its profile's budget.
#[test]
fn ram_above_the_budget_is_told() {
    let bench = Workbench::new();
    let keygen = |name: &str, scheme: &str| {
        bench
            .good(&format!(
                "keygen --out {name} --scheme {scheme} --lms-height 5"
            ))
            .stdout
    };
    assert!(keygen("a", "ed25519").contains("all profiles"));
    assert!(keygen("l", "lms").contains("all profiles"));
    assert!(keygen("p", "p256").contains("profile large; smaller ones with"));
    assert!(keygen("m", "ml-dsa-65").contains("profile large; smaller ones with"));
    assert!(keygen("x", "x25519").contains("profile large; smaller ones with"));
    let diff = |options: &str| {
        let line = format!("diff old.bin new.bin -o n.dmp --level fast {options}");
        bench.good(&line).stderr
    };
    for (options, needed) in [
        (
            "--key p",
            Some(
                "bytes of RAM in all (workspace, and stack measured on a Cortex-M4), profile small",
            ),
        ),
        (
            "--key key --encrypt-to x.pub",
            Some("key of the payload taken out in software"),
        ),
        ("--key m --profile medium", Some("promises 65536")),
        ("--key key", None),
        ("--key key --key l", None),
        ("--key p --profile large", None),
    ] {
        let said = diff(options);
        match needed {
            Some(words) => assert!(said.contains(words), "{options}: {said}"),
            None => assert!(!said.contains("RAM in all"), "{options}: {said}"),
        }
    }
    // Whoever is given the patch sees it, too; and the scheme by its name.
    diff("--key p");
    let shown = bench.good("inspect n.dmp").stdout;
    assert!(
        shown.contains("p256, key ") && shown.contains("RAM in all"),
        "{shown}"
    );
    let json = bench.good("inspect n.dmp --json").stdout;
    assert!(json.contains("\"schemes\": [\n    \"p256\"") && json.contains("RAM in all"));
}
