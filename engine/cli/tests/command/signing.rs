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
