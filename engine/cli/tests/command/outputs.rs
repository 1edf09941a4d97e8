//! Output files: whole or not at all, and never over something else.

use crate::workbench::Workbench;

const APPLY: &str = "apply old.bin good.dmp --pub key.pub -o";
const DIFF: &str = "diff old.bin new.bin --key key --level fast -o";

#[test]
fn an_output_is_never_an_input() {
    let bench = Workbench::new();
    std::fs::hard_link(bench.path("old.bin"), bench.path("linked.bin")).unwrap();
    for line in [
        format!("{APPLY} old.bin"),
        format!("{APPLY} good.dmp"),
        format!("{APPLY} key.pub"),
        format!("{APPLY} ./old.bin"),
        format!("{APPLY} linked.bin"),
        format!("{DIFF} old.bin"),
        format!("{DIFF} new.bin"),
        format!("{DIFF} key"),
    ] {
        bench.fails(&line, &[2], "is also an input");
    }
}

#[test]
fn places_that_cannot_be_written() {
    let bench = Workbench::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    for command in [APPLY, DIFF] {
        bench.fails(
            &format!("{command} no/such/folder/n"),
            &[1],
            "make the folder first",
        );
        bench.fails(&format!("{command} folder"), &[2], "not a regular file");
        bench.fails(&format!("{command} old.bin/n"), &[1], "cannot be written");
    }
}

#[test]
fn what_was_there_stays_when_the_command_fails() {
    let bench = Workbench::new();
    bench.put("precious", b"precious");
    bench.fails(
        "apply other.bin good.dmp --pub key.pub -o precious",
        &[4],
        "",
    );
    bench.fails("diff old.bin missing --key key -o precious", &[1], "");
    assert_eq!(bench.get("precious"), b"precious");
    bench.good(&format!("{APPLY} precious"));
    assert_eq!(bench.get("precious"), bench.get("new.bin"));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let bench = Workbench::new();
    bench.put("precious", b"precious");
    let before = bench.names();
    // The nearest thing to a full disk that needs no rights: a limit on file sizes.
    for output in ["n.bin", "precious"] {
        let line = format!("ulimit -f 2; exec \"$DELTAMOTE\" {APPLY} {output}");
        bench.shell(&line).failed(&line, &[1], "cannot be written");
        assert_eq!(bench.names(), before);
    }
    assert_eq!(bench.get("precious"), b"precious");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_written_through() {
    let bench = Workbench::new();
    bench.put("target", b"");
    std::os::unix::fs::symlink("target", bench.path("link")).unwrap();
    bench.good(&format!("{APPLY} link"));
    assert!(bench.path("link").is_symlink());
    assert_eq!(bench.get("target"), bench.get("new.bin"));
}

#[cfg(unix)]
#[test]
fn outputs_have_the_permissions_of_ordinary_files() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Workbench::new();
    let run = bench.shell(&format!("umask 027; exec \"$DELTAMOTE\" {APPLY} n.bin"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let mode = std::fs::metadata(bench.path("n.bin"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
}
