//! Every crate that is built in has a licence that `deny.toml` allows. The list is
//! cargo-deny's; this looks at it on every run, without cargo-deny.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_crate_has_a_licence_from_the_list() {
    let root = support::root().display();
    let config = std::fs::read_to_string(format!("{root}/deny.toml")).unwrap();
    let list = config.split_once("\nallow = [").unwrap().1.split_once(']').unwrap().0;
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"MIT"), "{allowed:?}");

    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1", "--manifest-path"])
        .arg(format!("{root}/Cargo.toml"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{}", packages.len());

    let mut refused = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none given");
        if !is_allowed(licence, &allowed) {
            refused.push(format!("{}: {licence}", package["name"]));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn expressions_are_read_right() {
    let allowed = ["MIT", "Apache-2.0", "BSD-3-Clause"];
    for (expression, fits) in [
        ("MIT", true),
        ("GPL-3.0-or-later", false),
        ("MIT/Apache-2.0", true),
        ("GPL-2.0 OR MIT", true),
        ("MIT AND GPL-2.0", false),
        ("(MIT OR GPL-2.0) AND BSD-3-Clause", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("MIT AND (GPL-2.0 OR (LGPL-2.1 AND MIT))", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("none given", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), fits, "{expression}");
    }
}

/// Whether an SPDX expression can be met with the licences allowed. `/` is the
/// old way to write OR.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at, allowed) && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut fits = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        fits |= both(words, at, allowed);
    }
    fits
}

fn both(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut fits = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        fits &= one(words, at, allowed);
    }
    fits
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let fits = either(words, at, allowed);
        *at += 1; // the closing one
        return fits;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
        let with = format!("{word} WITH {}", words.get(*at - 1).copied().unwrap_or_default());
        return allowed.contains(&with.as_str());
    }
    allowed.contains(&word)
}
