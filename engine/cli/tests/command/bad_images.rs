//! Images and keys that are not what the command needs.

use crate::workbench::Workbench;

#[test]
fn empty_images() {
    let bench = Workbench::new();
    bench.put("empty", b"");
    bench.fails(
        "diff empty new.bin -o p.dmp --key key",
        &[1],
        "empty: the file is empty",
    );
    bench.fails(
        "diff old.bin empty -o p.dmp --key key",
        &[1],
        "empty: the file is empty",
    );
    bench.fails(
        "apply empty good.dmp -o n.bin --pub key.pub",
        &[1],
        "the file is empty",
    );
    bench.fails(
        "verify empty good.dmp --pub key.pub",
        &[1],
        "the file is empty",
    );
}

#[test]
fn missing_files_and_directories() {
    let bench = Workbench::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    for (name, words) in [
        ("missing", "missing: cannot be read"),
        ("folder", "folder: is a directory"),
    ] {
        for line in [
            format!("diff {name} new.bin -o p.dmp --key key"),
            format!("diff old.bin {name} -o p.dmp --key key"),
            format!("diff old.bin new.bin -o p.dmp --key {name}"),
            format!("apply {name} good.dmp -o n.bin --pub key.pub"),
            format!("apply old.bin {name} -o n.bin --pub key.pub"),
            format!("apply old.bin good.dmp -o n.bin --pub {name}"),
            format!("inspect {name}"),
            format!("verify {name} good.dmp --pub key.pub"),
        ] {
            bench.fails(&line, &[1], words);
        }
    }
}

#[cfg(unix)]
#[test]
fn an_unreadable_file() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Workbench::new();
    bench.put("sealed", b"bytes");
    let nobody = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(bench.path("sealed"), nobody).unwrap();
    if std::fs::read(bench.path("sealed")).is_ok() {
        println!("skipped: this user reads every file");
        return;
    }
    bench.fails(
        "diff sealed new.bin -o p.dmp --key key",
        &[1],
        "permissions",
    );
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_and_not_waited_for() {
    let bench = Workbench::new();
    assert_eq!(bench.shell("mkfifo pipe").code, 0);
    bench.fails(
        "diff pipe new.bin -o p.dmp --key key",
        &[1],
        "not a regular file",
    );
    bench.fails(
        "apply old.bin pipe -o n.bin --pub key.pub",
        &[1],
        "not a regular file",
    );
    bench.fails(
        "diff old.bin new.bin -o pipe --key key",
        &[2],
        "not a regular file",
    );
}

#[test]
fn a_damaged_hex_file_names_its_line() {
    let bench = Workbench::new();
    bench.put("old.hex", b":0400000508000101ED\n:0400000508000101EE\n");
    bench.fails(
        "diff old.hex new.bin -o p.dmp --key key",
        &[1],
        "line 2: the checksum is EE",
    );
}

#[test]
fn keys_that_are_none() {
    let bench = Workbench::new();
    bench.put("text", b"hello");
    bench.fails(
        "diff old.bin new.bin -o p.dmp --key text",
        &[1],
        "is not a secret key",
    );
    bench.fails(
        "diff old.bin new.bin -o p.dmp --key key.pub",
        &[1],
        "is a public key",
    );
    bench.fails(
        "verify old.bin good.dmp --pub text",
        &[1],
        "is not a public key",
    );
    bench.fails("verify old.bin good.dmp --pub key", &[1], "is a secret key");
}

#[test]
fn keygen_overwrites_nothing() {
    let bench = Workbench::new();
    let before = bench.get("key");
    bench.fails("keygen --out key", &[1], "exists already");
    assert_eq!(bench.get("key"), before);
    bench.fails("keygen --out no/such/folder/key", &[1], "cannot be written");
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Workbench::new();
    std::fs::set_permissions(bench.path("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = bench.good("diff old.bin new.bin -o p.dmp --key key --level fast");
    assert!(run.stderr.contains("warning: key: "), "{}", run.stderr);
    assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
}
