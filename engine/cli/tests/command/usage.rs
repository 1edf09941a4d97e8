//! Calls that make no sense: exit code 2, nothing done. And the help against them.

use crate::workbench::Workbench;

#[test]
fn wrong_calls() {
    let bench = Workbench::new();
    let before = bench.names();
    for line in [
        "",
        "frobnicate",
        "diff old.bin new.bin -o p.dmp",
        "diff old.bin new.bin --key key",
        "diff old.bin -o p.dmp --key key",
        "diff old.bin new.bin -o p.dmp --key key --unsigned",
        "diff old.bin new.bin -o p.dmp --key key --isa z80",
        "diff old.bin new.bin -o p.dmp --key key --profile huge",
        "diff old.bin new.bin -o p.dmp --key key --level 11",
        "diff old.bin new.bin -o p.dmp --key key --codec lzma",
        "diff old.bin new.bin -o p.dmp --key key --jobs 0",
        "diff old.bin new.bin -o p.dmp --key key --base 8000000h",
        "diff old.bin new.bin -o p.dmp --key key --sequence -1",
        "diff old.bin new.bin -o p.dmp --key key --vendor-id acme",
        "apply old.bin good.dmp -o n.bin",
        "apply old.bin good.dmp --pub key.pub",
        "apply old.bin good.dmp -o n.bin --pub key.pub --allow-unsigned",
        "verify old.bin good.dmp",
        "inspect",
        "keygen",
    ] {
        let run = bench.run(line);
        assert_eq!(run.code, 2, "{line}: {}", run.stderr);
        assert!(run.stderr.contains("--help"), "{line}: {}", run.stderr);
    }
    assert_eq!(bench.names(), before);
}

#[test]
fn help_has_examples_and_every_command() {
    let bench = Workbench::new();
    let help = bench.good("--help").stdout;
    for word in [
        "demo",
        "keygen",
        "diff",
        "apply",
        "inspect",
        "verify",
        "Examples:",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for command in ["demo", "keygen", "diff", "apply", "inspect", "verify"] {
        bench.good(&format!("{command} --help"));
    }
    assert!(bench.good("--version").stdout.starts_with("deltamote "));
}
