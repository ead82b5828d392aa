//! What `--json` prints is what docs/reference/json.schema.json and docs/reference/json.md promise:
//! every command's every line, every field, every event. And no password stands
//! in it, or in the log.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use lifeboat_maker::container::Container;
use lifeboat_maker::content::Content;
use serde_json::Value;
use support::program::{self, Guarded, Run, exit_of_check, lifeboat};

const SCHEMA: &str = "docs/reference/json.schema.json";

fn read(path: &str) -> String {
    fs::read_to_string(support::root().join(path)).unwrap()
}

fn schema_text() -> Value {
    serde_json::from_str(&read(SCHEMA)).unwrap()
}

/// The schema, and what has been checked against it.
struct Checker {
    schemas: Schemas,
    index: SchemaIndex,
    text: Value,
    seen: BTreeSet<String>,
}

impl Checker {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let text = schema_text();
        compiler.add_resource("lifeboat.json", text.clone()).unwrap();
        let index = compiler.compile("lifeboat.json", &mut schemas).unwrap();
        Self { schemas, index, text, seen: BTreeSet::new() }
    }

    fn fits(&self, event: &Value) -> Result<(), String> {
        self.schemas.validate(event, self.index).map_err(|error| format!("{event}\n{error:#}"))
    }

    /// Every line fits, is known, has no field that is not in the schema; the
    /// last is a summary with the program's exit code.
    #[track_caller]
    fn check(&mut self, run: &Run) {
        let events = run.all_events();
        for event in &events {
            self.fits(event).unwrap_or_else(|error| panic!("{error}"));
            let name = event["message_type"].as_str().unwrap();
            let known = self.text["$defs"].get(name);
            let known = known.unwrap_or_else(|| panic!("{SCHEMA} does not know {name}: {event}"));
            unknown_fields(event, known, name);
            self.seen.insert(name.to_owned());
        }
        let summary = events.last().unwrap();
        assert_eq!(summary["message_type"], "summary");
        assert_eq!(summary["exit_code"], run.code);
        assert!(run.stderr.is_empty(), "with --json nothing else is printed: {}", run.stderr);
    }

    #[track_caller]
    fn run(&mut self, code: i32, args: &[&str]) -> Run {
        let run = lifeboat(&[args, &["--json"]].concat()).expect(code);
        self.check(&run);
        run
    }
}

/// Fails for a field that the schema has no word on, at any depth. (Programs
/// must pass over such; this repository must document them.)
fn unknown_fields(value: &Value, schema: &Value, at: &str) {
    match (value, schema.get("properties"), schema.get("items")) {
        (Value::Object(fields), Some(known), _) => {
            for (name, value) in fields {
                let inner = known.get(name);
                let inner = inner.unwrap_or_else(|| panic!("{at}.{name} is not in {SCHEMA}"));
                unknown_fields(value, inner, &format!("{at}.{name}"));
            }
        }
        (Value::Array(values), _, Some(items)) => {
            for value in values {
                unknown_fields(value, items, at);
            }
        }
        _ => {}
    }
}

/// The names of the events in the schema.
fn documented() -> BTreeSet<String> {
    schema_text()["$defs"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_line_of_every_command_fits_the_schema() {
    let mut checker = Checker::new();
    let scratch = tempfile::tempdir().unwrap();
    let to = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    for fixture in lifeboat_maker::fixtures::all() {
        let image = Guarded::fixture(fixture.name);
        let found = lifeboat(&["detect", image.arg(), "--json"]);
        assert!([0, 3, 4].contains(&found.code), "{}", found.stderr);
        checker.check(&found);
        checker.check(&lifeboat(&["verify", image.arg(), "--level", "full", "--json"]));
        if fixture.stores.is_empty() {
            continue;
        }
        let dest = to(fixture.name);
        let saved = lifeboat(&["offload", image.arg(), "--to", &dest, "--json"]);
        assert!([0, 3].contains(&saved.code), "{}", saved.stdout);
        checker.check(&saved);
        for (number, set) in saved.events("set").iter().enumerate() {
            let set = set["set"].as_str().unwrap();
            checker.check(&lifeboat(&["list", set, "--json"]));
            checker.check(&lifeboat(&["verify", set, "--level", "full", "--json"]));
            let out = to(&format!("{}-{number}", fixture.name));
            fs::create_dir(&out).unwrap();
            checker.check(&lifeboat(&["restore", set, "--to", &out, "--json"]));
            checker.check(&lifeboat(&["restore", set, "--to", &out, "--replace", "--json"]));
            checker.check(&lifeboat(&["loadstate", set, "--json"]));
            let page = to(&format!("{}-{number}.html", fixture.name));
            checker.run(0, &["report", set, "--to", &page]);
            let out = to(&format!("{}-{number}-extract", fixture.name));
            checker.check(&lifeboat(&["extract", set, "--to", &out, "--json"]));
        }
    }
    // Users' files, out of a set and into another profile.
    let image = Guarded::fixture("users");
    let dest = to("users");
    let saved = lifeboat(&["offload", image.arg(), "--profiles", "--to", &dest, "--json"]);
    checker.check(&saved);
    let set = saved.events("set")[0]["set"].as_str().unwrap().to_owned();
    checker.check(&lifeboat(&["list", &set, "--json"]));
    let profile = to("profile");
    fs::create_dir(&profile).unwrap();
    let run = ["restore", &set, "--of-user", "frank", "--into", &profile, "--json"];
    checker.check(&lifeboat(&run));
    // A folder that is a store is sealed, and then compared.
    let sealed = to("hardlink-one-0");
    checker.run(0, &["seal", &sealed]);
    checker.check(&lifeboat(&["verify", &sealed, "--json"]));
    // Many sets, and what is done with them.
    let sets = to("hardlink-two");
    let image = Guarded::fixture("hardlink-two");
    checker.run(0, &["offload", image.arg(), "--to", &to("dry"), "--dry-run"]);
    checker.run(0, &["gate", image.arg(), "--set", &sets]);
    checker.run(0, &["verify", &sets, "--all"]);
    checker.run(0, &["sets", &sets, "--html", &to("sets.html")]);
    let set = fs::read_dir(&sets).unwrap().next().unwrap().unwrap().file_name();
    checker.run(0, &["prune", &sets, set.to_str().unwrap(), "--yes"]);
    checker.run(exit_of_check(), &["check", "--to", &to("checked")]);
    checker.run(
        3,
        &["sets", &{
            fs::create_dir_all(format!("{sets}/lost")).unwrap();
            fs::write(format!("{sets}/lost/rescue.json"), "").unwrap();
            sets
        }],
    );
    // Single files of a store.
    let plain = Guarded::fixture("hardlink-one");
    checker.run(0, &["list", plain.arg()]);
    checker.run(0, &["extract", plain.arg(), "*.docx", "--to", &to("single")]);
    // Inside a compressed store: also names that have to be changed, and damage.
    let mut container = Container::new(false, 3);
    for name in ["a.txt", "CON"] {
        container.add(&format!("File\\C:\\{name}"), &Content::text(1, 99)).unwrap();
    }
    let mut bytes = container.finish(&Content::text(2, 99)).unwrap();
    let mig = to("USMT.MIG");
    fs::write(&mig, &bytes).unwrap();
    checker.run(0, &["list", &mig]);
    checker.run(0, &["extract", &mig, "--to", &to("inside")]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&mig, &bytes).unwrap();
    checker.run(3, &["extract", &mig, "catalog.img", "*.pst", "--to", &to("inside")]);
    // What fails speaks the same language.
    checker.run(1, &["detect", "no-such-image"]);
    checker.run(2, &["guide"]);
    let image = Guarded::fixture("hardlink-one");
    checker.run(4, &["offload", image.arg(), "--to", &to("none"), "--store", "nothing"]);
    // These take a Windows, or volumes to put parts back onto.
    // Those of this PC's hardware: tests/source/unseen_disks.rs.
    checker.seen.extend(["controller", "disk"].map(str::to_owned));
    checker.seen.extend(["loadstate-end", "place", "usmtutils"].map(str::to_owned));
    assert_eq!(checker.seen, documented(), "events that no command here has printed, or too many");
}

/// Every command fails as it speaks: with an error and a summary.
#[test]
fn failures_of_every_command_fit_the_schema() {
    let mut checker = Checker::new();
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let (none, file, plain) = (path("none"), path("file"), path("plain"));
    fs::write(&file, "no folder").unwrap();
    fs::create_dir(&plain).unwrap();
    let image = Guarded::fixture("hardlink-one");
    let inside = format!("{file}/inside");
    let saved = checker.run(0, &["offload", image.arg(), "--to", &path("sets")]);
    let set = saved.events("set")[0]["set"].as_str().unwrap().to_owned();
    for (code, args) in [
        (2, &["no-such-command"][..]),
        (2, &["detect", "--no-such-flag"]),
        (2, &["verify", image.arg(), "--level", "odd"]),
        (2, &["restore"]),
        (2, &["guide", "--level", "99"]),
        (2, &[]),
        (1, &["detect", &none]),
        (4, &["detect", &plain]),
        (1, &["verify", &none]),
        (2, &["seal", image.arg()]),
        (4, &["seal", &plain]),
        (2, &["offload", image.arg()]),
        (5, &["offload", image.arg(), "--to", &inside]),
        (4, &["offload", &plain, "--to", &path("to")]),
        (1, &["list", &none]),
        (1, &["extract", &none, "--to", &path("to")]),
        (4, &["extract", &set, "no/such/path", "--to", &path("to")]),
        (4, &["extract", &set, "--of-user", "nobody", "--to", &path("to")]),
        (1, &["restore", &none, "--to", &plain]),
        (4, &["loadstate", &plain]),
        (2, &["loadstate", &set, "--keyfile", &file]),
        (2, &["loadstate", &set, "--run"]),
        (5, &["sets", &none]),
        (4, &["sets", &plain]),
        (2, &["prune", &plain]),
        (4, &["prune", &plain, "no-such-set"]),
        (5, &["gate", image.arg(), "--set", &none]),
        (2, &["check"]),
        (5, &["check", "--to", &inside]),
        (4, &["verify", &plain, "--all"]),
        (1, &["detect", &plain, "--log", &path("no/such/folder/log")]),
    ] {
        let run = lifeboat(&[args, &["--json"]].concat());
        assert_eq!(run.code, code, "{args:?}: {}{}", run.stdout, run.stderr);
        checker.check(&run);
        let said = !run.events("error").is_empty() || code == 4;
        assert!(said, "{args:?}: {}", run.stdout);
    }
    let settings = [("LIFEBOAT_SETTINGS", none.as_str())];
    let run = program::lifeboat_with(&["detect", &plain, "--json"], &settings).expect(2);
    checker.check(&run);
    assert_eq!(run.events("summary")[0]["command"], "detect");
}

/// scanstate's log names the store's key in its command line.
#[test]
fn the_key_of_a_store_stands_in_no_event_and_no_log() {
    let scratch = tempfile::tempdir().unwrap();
    let usmt = scratch.path().join("disk/StateStore/USMT");
    fs::create_dir_all(usmt.join("File/C$/Users/alice")).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg"] {
        fs::write(usmt.join(name), name).unwrap();
    }
    let line = |text: &str| format!("2023-11-14 15:02:11, Info  [0x000000] {text}\r\n");
    let log = [
        "USMT Started at 2023/11/14:15:02:11.401",
        "Command line: scanstate.exe \"C:\\StateStore\" /o /encrypt /key:Schluessel4711 /c",
        "USMT version 10.0.19041.1",
        "Computer: PC-0815",
        "USMT Completed at 2023/11/14:15:09:40.112",
    ];
    let log: String = log.into_iter().map(line).collect();
    fs::write(scratch.path().join("disk/StateStore/scanstate.log"), log).unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let disk = path("disk");
    for json in [&["--json"][..], &[]] {
        let mut seen = String::new();
        for args in [
            &["detect", &disk][..],
            &["verify", &disk, "--level", "full"],
            &["offload", &disk, "--to", &path("sets")],
            &["loadstate", &disk],
        ] {
            let more = ["--verbose", "--log", &path("log")];
            let run = lifeboat(&[args, &more, json].concat());
            seen += &run.stdout;
            seen += &run.stderr;
        }
        assert!(seen.contains("10.0.19041.1"), "the log was read: {seen}");
        assert!(!seen.contains("Schluessel4711"), "{seen}");
    }
    let log = fs::read_to_string(path("log")).unwrap();
    assert!(log.len() > 500 && !log.contains("Schluessel4711"), "{log}");
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let checker = Checker::new();
    let good: Value = serde_json::from_str(
        r#"{"message_type": "summary", "command": "detect", "exit_code": 0, "result": "done",
            "warnings": 0, "losses": 0}"#,
    )
    .unwrap();
    checker.fits(&good).unwrap();
    for (field, value) in [
        ("message_type", Value::Null),
        ("exit_code", Value::from("0")),
        ("exit_code", Value::from(256)),
        ("command", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(checker.fits(&bad).is_err(), "{bad}");
    }
    let mut short = good.clone();
    short.as_object_mut().unwrap().remove("result");
    assert!(checker.fits(&short).is_err());
    // A later version's event and field are no error: programs pass over them.
    let mut more = good;
    more["new_field"] = Value::from(1);
    checker.fits(&more).unwrap();
    checker.fits(&serde_json::json!({"message_type": "new-event"})).unwrap();
}

/// Source, schema and both documents speak of the same events and fields.
#[test]
fn no_event_is_missing_in_the_documents() {
    let documented = documented();
    let listed = schema_text()["allOf"].clone();
    let (page, commands) = (read("docs/reference/json.md"), read("docs/reference/commands.md"));
    for name in &documented {
        let reference = format!("#/$defs/{name}");
        let used = listed.as_array().unwrap().iter().any(|entry| {
            entry["then"]["$ref"] == reference.as_str()
                && entry["if"]["properties"]["message_type"]["const"] == name.as_str()
        });
        assert!(used, "{name} is not in allOf of {SCHEMA}");
        assert!(
            commands.contains(&format!("`{name}`")),
            "{name} is not in docs/reference/commands.md"
        );
        let section = page.split("\n## ").find(|part| part.starts_with(&format!("{name}\n")));
        let section =
            section.unwrap_or_else(|| panic!("docs/reference/json.md has no section {name}"));
        let schema = schema_text();
        for field in schema["$defs"][name]["properties"].as_object().unwrap().keys() {
            let told = field == "message_type" || section.contains(&format!("`{field}`"));
            assert!(told, "docs/reference/json.md, {name}: nothing on {field}");
        }
    }
    let mut printed = BTreeSet::new();
    sources(&support::root().join("src/cli"), &mut |text| {
        let compact: String = text.split_whitespace().collect();
        for rest in compact.split(".event(\"").skip(1) {
            printed.insert(rest.split('"').next().unwrap().to_owned());
        }
    });
    assert_eq!(printed, documented);
}

fn sources(folder: &Path, look: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, look);
        } else {
            look(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// From every way to give a password, through every command that takes one.
#[test]
#[cfg(feature = "smb")]
fn a_password_stands_in_no_event_and_no_log() {
    let image = Guarded::fixture("hardlink-one");
    let server = support::need!(support::smbd::Smbd::start());
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("password");
    fs::write(&file, server.password()).unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let (file, log) = (path("password"), path("log"));
    let run = |by_file: bool, args: &[&str]| {
        let mut args = [args, &["--json", "--verbose", "--log", &log]].concat();
        if by_file {
            args.extend(["--password-file", &file]);
        }
        let variable = [("LIFEBOAT_PASSWORD", server.password())];
        let run = program::lifeboat_with(&args, if by_file { &[] } else { &variable });
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(server.password()), "{args:?}: {text}");
        }
        // What is put back onto no NTFS lacks permissions: that is a loss.
        let losses_are_fine = matches!(args[0], "restore" | "extract") && run.code == 3;
        let code = if losses_are_fine { 3 } else { 0 };
        run.expect(code)
    };
    for by_file in [true, false] {
        let dest = server.url("rescue");
        let saved = run(by_file, &["offload", image.arg(), "--to", &dest]);
        let set = saved.events("set")[0]["set"].as_str().unwrap().to_owned();
        // As it is shown it lacks the port, which is not SMB's own here.
        let name = saved.events("set")[0]["name"].as_str().unwrap().to_owned();
        assert!(set.ends_with(&name), "{set}");
        let set = server.url(&format!("rescue/{name}"));
        run(by_file, &["list", &set]);
        run(by_file, &["verify", &set, "--level", "full"]);
        let out = path(if by_file { "file" } else { "variable" });
        fs::create_dir(&out).unwrap();
        run(by_file, &["restore", &set, "--to", &out]);
        run(by_file, &["extract", &set, "--to", &format!("{out}-extract")]);
    }
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.lines().count() > 20, "{log}");
    assert!(log.lines().all(|line| line.starts_with("<![LOG[") && line.contains("]LOG]!><time=")));
    assert!(!log.contains(server.password()), "{log}");
    // Nor in the set itself.
    for entry in fs::read_dir(server.share_path().join("rescue")).unwrap() {
        for file in fs::read_dir(entry.unwrap().path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let password = server.password().as_bytes();
            assert!(!bytes.windows(password.len()).any(|window| window == password));
        }
    }
}
