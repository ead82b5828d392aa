//! Names, labels and lines of logs that act on a terminal, or reverse text, are
//! shown as numbers; JSON and the manifest have them exactly.
#![cfg(target_os = "linux")]

use std::path::Path;

use support::program::{Run, lifeboat};
use support::{text, unpack};

/// Erases the screen, rings, reverses, isolates, and breaks the line.
const HOSTILE: &str = "ann\u{1B}[2J\u{7}\u{202E}fdp\u{2066}\u{200F}\u{61C}\nx";
const SHOWN: &str = "ann[U+001B][2J[U+0007][U+202E]fdp[U+2066][U+200F][U+061C][U+000A]x";

fn acts(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r')
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_harmless(what: &str, text: &str) {
    assert!(!text.contains(acts), "{what}: {text:?}");
    assert!(!text.contains("\nx"), "{what}: {text:?}");
}

/// A folder with an uncompressed store of a hostile user.
fn source(dir: &Path) {
    let usmt = dir.join("StateStore/USMT");
    let user = usmt.join("File/C$/Users").join(HOSTILE);
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(user.join(format!("{HOSTILE}.txt")), "hello").unwrap();
    std::fs::write(usmt.join("catalog.mig"), "c").unwrap();
    std::fs::write(usmt.join("MIGSTATE.DAT"), "m").unwrap();
    let log = format!(
        "USMT Started at 2023/11/14:15:02:11.1\r\nUnable to Complete Migration {}",
        &HOSTILE[..20]
    );
    std::fs::write(dir.join("StateStore/scanstate.log"), log).unwrap();
}

/// Whatever a set says of itself is foreign text, too.
#[test]
fn a_forged_description_does_not_act_on_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    source(&from);
    let sets = dir.path().join("sets");
    lifeboat(&["offload", text(&from), "--to", text(&sets)]);
    let set = unpack::sets_in(&sets).remove(0);
    let json = std::fs::read(set.join("rescue.json")).unwrap();
    let sound: serde_json::Value = serde_json::from_slice(&json).unwrap();
    // Every text of it, one at a time.
    let mut places = Vec::new();
    texts(&sound, &mut Vec::new(), &mut places);
    assert!(places.len() > 15, "{places:?}");
    let (to, page) = (dir.path().join("to"), dir.path().join("page.html"));
    for place in places {
        let mut forged = sound.clone();
        let mut at = &mut forged;
        for step in &place {
            at = match step.parse::<usize>() {
                Ok(number) if at.is_array() => &mut at[number],
                _ => &mut at[step.as_str()],
            };
        }
        *at = HOSTILE.into();
        forged["lacks"] = serde_json::json!([HOSTILE]);
        forged["damage"] = serde_json::json!([HOSTILE]);
        std::fs::write(set.join("rescue.json"), forged.to_string()).unwrap();
        let log = dir.path().join("lifeboat.log");
        for args in [
            vec!["verify", text(&set), "--level", "full"],
            vec!["list", text(&set)],
            vec!["restore", text(&set), "--to", text(&to)],
            vec!["loadstate", text(&set)],
            vec!["report", text(&set), "--to", text(&page)],
        ] {
            let run = lifeboat(&[&args[..], &["--verbose", "--log", text(&log)]].concat());
            assert!(!run.stderr.contains("panicked"), "{place:?}: {}", run.stderr);
            is_harmless(&format!("{place:?}: {args:?}"), &run.stdout);
            is_harmless(&format!("{place:?}: {args:?}"), &run.stderr);
        }
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(!said.contains(acts), "{place:?}: the log");
        let _ = std::fs::remove_dir_all(&to);
        let _ = std::fs::remove_file(&page);
        let _ = std::fs::remove_file(&log);
    }
}

/// Where a value has texts.
fn texts(value: &serde_json::Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let mut below = |name: String, value: &serde_json::Value| {
        at.push(name);
        texts(value, at, found);
        at.pop();
    };
    match value {
        serde_json::Value::String(_) => found.push(at.clone()),
        serde_json::Value::Array(all) => {
            all.iter().enumerate().for_each(|(number, value)| below(number.to_string(), value));
        }
        serde_json::Value::Object(all) => {
            all.iter().for_each(|(name, value)| below(name.clone(), value));
        }
        _ => {}
    }
}

#[test]
fn hostile_names_are_escaped_for_people_and_exact_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    source(&from);
    let log = dir.path().join("lifeboat.log");
    let sets = dir.path().join("sets");
    let run = |args: &[&str]| -> Run {
        let all: Vec<&str> =
            args.iter().copied().chain(["--verbose", "--log", text(&log)]).collect();
        lifeboat(&all)
    };
    let found = run(&["detect", text(&from)]).expect(0);
    assert!(found.stdout.contains(SHOWN), "{}", found.stdout);
    let checked = run(&["verify", text(&from), "--level", "full"]);
    let saved = run(&["offload", text(&from), "--to", text(&sets)]);
    let set = unpack::sets_in(&sets).remove(0);
    let listed = run(&["list", text(&set)]).expect(0);
    assert!(listed.stdout.contains(SHOWN), "{}", listed.stdout);
    let to = dir.path().join("out");
    let restored = run(&["restore", text(&set), "--to", text(&to)]);
    let odd = dir.path().join(HOSTILE);
    let wrong = run(&["detect", text(&odd)]);
    assert!(wrong.stderr.contains(SHOWN), "{}", wrong.stderr);
    for (what, run) in [
        ("detect", &found),
        ("verify", &checked),
        ("offload", &saved),
        ("list", &listed),
        ("restore", &restored),
        ("an error", &wrong),
    ] {
        is_harmless(what, &run.stdout);
        is_harmless(what, &run.stderr);
    }
    is_harmless("the log", &std::fs::read_to_string(&log).unwrap());
    for file in ["RESTORE.txt", "restore.cmd", "report.html"] {
        is_harmless(file, &std::fs::read_to_string(set.join(file)).unwrap());
    }
    let report = std::fs::read_to_string(set.join("report.html")).unwrap();
    assert!(report.contains("[U+202E]"), "the report lists the user");

    let member = format!("/Users/{HOSTILE}/{HOSTILE}.txt");
    let listed = lifeboat(&["list", text(&set), "--json"]).expect(0);
    let paths = listed.events("member");
    assert!(paths.iter().any(|m| m["path"].as_str().unwrap().ends_with(&member)), "{paths:?}");
    let found = lifeboat(&["detect", text(&from), "--json"]).expect(0);
    assert_eq!(found.events("store")[0]["users"][0]["name"], HOSTILE);
    unpack::sums_are_right(&set);
}
