//! Every kind of error that patcher and format know has a number, a text and a class.
//!
//! The enums are open (`non_exhaustive`), so the compiler does not say when one grows:
//! this reads their source.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::ffi::CStr;

/// Names of the variants of `pub enum NAME` in `source`.
fn variants<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let start = source.find(&format!("pub enum {name} {{")).expect(name);
    let body = &source[start..];
    let body = &body[..body.find("\n}").expect("ends")];
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|line| line.split([',', ' ', '(', '{']).next().unwrap())
        .collect()
}

#[test]
fn every_error_has_a_number() {
    let ours = include_str!("../src/status.rs");
    for (source, name, prefix) in [
        (include_str!("../../src/error.rs"), "Error", "Error"),
        (
            include_str!("../../format/src/error.rs"),
            "ErrorKind",
            "ErrorKind",
        ),
        (include_str!("../../format/src/envelope.rs"), "Rule", "Rule"),
    ] {
        let found = variants(source, name);
        assert!(found.len() >= 10, "{name}: {found:?}");
        for variant in found {
            assert!(
                ours.contains(&format!("{prefix}::{variant}")),
                "{prefix}::{variant} has no number: add one to capi/src/status.rs"
            );
        }
    }
}

#[test]
fn every_number_has_a_text_of_its_own() {
    let ours = include_str!("../src/status.rs");
    let start = ours.find("pub enum Status {").unwrap();
    let body = &ours[start..];
    let body = &body[..body.find("\n}").unwrap()];
    let numbers: Vec<i32> = body
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(_, n)| n.trim_end_matches(',').parse().unwrap())
        .collect();
    assert!(numbers.len() > 50);
    let text = |n| {
        // SAFETY: never null, and stays.
        unsafe { CStr::from_ptr(deltamote_capi::deltamote_error_text(n)) }
    };
    let distinct: HashSet<_> = numbers.iter().map(|n| text(*n)).collect();
    assert_eq!(distinct.len(), numbers.len());
    assert!(!distinct.contains(text(-1)));
}
