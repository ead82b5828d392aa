//! `lifeboat detect` finds the stores that are there, and none that is not.

use lifeboat_maker::people::Person;
use lifeboat_maker::store;
use lifeboat_maker::volume::VolumeSpec;
use serde_json::Value;
use support::need;
use support::program::{Guarded, lifeboat};

/// Compares what `detect --json` says with what the maker put there.
fn finds_what_is_there(fixture: &str) {
    let image = Guarded::fixture(fixture);
    let truth = lifeboat_maker::expected(fixture).unwrap();
    // Beside the leftovers there is a locked volume: these stores may not be all.
    let code = if fixture == "leftovers" { 3 } else { 0 };
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(code);
    let mut found = run.events("store");
    // An estimate holds no data; the maker does not count it as a store.
    found.retain(|store| store["kind"] != "estimate");
    assert_eq!(found.len(), truth.stores.len(), "{}", run.stdout);
    for store in &truth.stores {
        let first = &store.parts[0];
        // Where nobody can know the drive, something else stands for it.
        let path = format!(":\\{}", first.folder.to_string().replace('/', "\\"));
        let one: &Value = found
            .iter()
            .find(|s| s["path"].as_str().is_some_and(|p| p.ends_with(&path)))
            .unwrap_or_else(|| panic!("{path} was not found:\n{}", run.stdout));
        assert_eq!(one["parts"].as_array().unwrap().len(), store.parts.len(), "{one}");
        let drive = one["parts"][0]["drive"].as_str();
        assert!(drive.is_none() || drive == Some(&first.drive.to_string()), "{one}");
        let in_store = |file: &&lifeboat_maker::fixtures::ExpectedFile| {
            store.parts.iter().any(|part| {
                part.partition == file.partition && file.path.below(&part.folder).is_some()
            })
        };
        let mut numbers = std::collections::BTreeSet::new();
        let bytes: u64 = truth
            .files
            .iter()
            .filter(in_store)
            .filter(|f| !f.is_dir && numbers.insert((f.partition, f.file_number)))
            .map(|f| f.size)
            .sum();
        assert_eq!(one["files"], numbers.len(), "{one}");
        assert_eq!(one["bytes"], bytes, "{one}");
    }
    assert_eq!(run.events("summary")[0]["exit_code"], code);
}

#[test]
fn a_hard_link_store_on_one_volume() {
    finds_what_is_there("hardlink-one");
}

#[test]
fn a_hard_link_store_over_two_volumes_is_one_store() {
    finds_what_is_there("hardlink-two");
}

#[test]
fn an_uncompressed_store_on_4096_byte_sectors() {
    finds_what_is_there("uncompressed");
}

#[test]
fn compressed_stores_with_a_password_and_in_pieces() {
    finds_what_is_there("compressed");
}

#[test]
fn stores_among_leftovers_but_no_decoy() {
    finds_what_is_there("leftovers");
}

#[test]
fn stores_that_were_interrupted_moved_or_made_by_usmt_3() {
    finds_what_is_there("interrupted");
}

#[test]
fn a_secondary_whose_primary_is_gone() {
    finds_what_is_there("secondary-alone");
}

#[test]
fn a_primary_whose_secondary_is_gone() {
    finds_what_is_there("primary-alone");
}

#[test]
fn a_locked_volume_is_never_no_store() {
    let image = Guarded::fixture("leftovers");
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(3);
    let locked = run
        .events("volume")
        .into_iter()
        .find(|v| v["kind"] == "bitlocker")
        .expect("the BitLocker volume is reported");
    assert_eq!(locked["readable"], false);
    assert!(locked["reason"].as_str().unwrap().contains("manage-bde -unlock"), "{locked}");
}

#[test]
fn the_computer_the_capture_and_the_wipes_log_are_shown() {
    let image = Guarded::fixture("leftovers");
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(3);
    let machine = &run.events("machine")[0];
    assert_eq!(machine["name"], "PC-0815");
    assert!(machine["name_from"].as_str().unwrap().contains("SYSTEM hive"), "{machine}");
    // An image may be of any machine: the firmware of this one is not asked.
    assert_eq!(machine["serial"], Value::Null);
    let words: Vec<&str> =
        machine["wipe"].as_array().unwrap().iter().map(|l| l["text"].as_str().unwrap()).collect();
    assert_eq!(words.len(), 3, "{machine}");
    assert_eq!(
        words[1],
        "Unable to delete directory C:\\Users\\alice\\AppData\\Local (0x80070091). Continuing."
    );
    assert_eq!(words[2], "Successfully wiped C:\\");
    let stores = run.events("store");
    let store = stores.iter().find(|s| s["place"] == "configmgr").unwrap();
    assert_eq!(store["computer"], "PC-0815");
    assert_eq!(store["captured"], "2023-11-14 15:09:40");
    assert_eq!(store["capture"]["names_this_store"], true);
    assert_eq!(store["encrypted"], false);
    // The older store on another volume is not of that capture.
    let other = stores.iter().find(|s| s["place"] == "mdt").unwrap();
    assert_eq!(other["captured"], Value::Null, "{other}");
    // Known places come first, what holds no data last.
    assert_eq!(stores.last().unwrap()["kind"], "estimate");
}

#[test]
fn users_and_encryption_of_compressed_stores_are_shown() {
    let image = Guarded::fixture("compressed");
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let stores = run.events("store");
    for store in &stores {
        let user = &store["users"][0];
        assert_eq!((&user["name"], &user["files"]), (&"dave".into(), &15.into()), "{store}");
        assert_eq!(store["encrypted"], store["place"] == "supergrate", "{store}");
    }
    assert_eq!(stores.len(), 3);
}

#[test]
fn a_moved_store_and_one_of_usmt_3_are_stores() {
    let image = Guarded::fixture("interrupted");
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let of = |place: &str| run.events("store").iter().filter(|s| s["place"] == place).count();
    assert_eq!((of("mdt"), of("moved-by-mdt"), of("elsewhere")), (1, 1, 1), "{}", run.stdout);
}

/// Without a registry the logs tell the name, whatever their encoding, and
/// without either the volume's serial number names the set.
#[test]
fn a_machine_without_a_registry_is_named_by_its_logs_or_its_volume() {
    need!("fuse");
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, log: Option<&[u8]>| {
        let mut volume = lifeboat_maker::volume::VolumeSpec::new("OSDisk", 6 << 20);
        let tree = &mut volume.tree;
        lifeboat_maker::people::Person::new("ivan", 1112, 5)
            .small_projects(tree, "StateStore/USMT/File/C$/Users/ivan/Documents");
        lifeboat_maker::store::markers(tree, &"StateStore/USMT".into(), 5, true);
        if let Some(log) = log {
            tree.bytes("MININT/SMSOSD/OSDLOGS/BDD.log", log);
        }
        let image = dir.path().join(name);
        volume.make(&image).unwrap();
        Guarded::new(image)
    };
    let line = "<![LOG[Property OSDComputerName is now = PC-77]LOG]!><time=\"15:02:11.000+000\" \
                date=\"11-14-2023\" component=\"ZTIGather\" context=\"\" type=\"1\" thread=\"\" \
                file=\"ZTIGather\">\r\n";
    let utf16: Vec<u8> =
        format!("\u{FEFF}{line}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for log in [line.as_bytes(), &utf16] {
        let image = make("named.img", Some(log));
        let run = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
        let machine = &run.events("machine")[0];
        assert_eq!(machine["name"], "PC-77", "{}", run.stdout);
        assert_eq!(machine["name_from"], "\\MININT\\SMSOSD\\OSDLOGS\\BDD.log");
    }
    let image = make("unnamed.img", None);
    let dest = dir.path().join("dest");
    let to = dest.to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(0);
    let name = run.events("set")[0]["name"].as_str().unwrap().to_owned();
    let serial = lifeboat_maker::volume::VolumeSpec::new("OSDisk", 6 << 20).serial;
    assert!(name.starts_with(&format!("volume-{serial:016x}-")), "{name}");
}

/// What people see fits a terminal; only a path may be wider, so that it can be
/// copied.
#[test]
fn what_people_see_fits_80_columns() {
    for fixture in ["leftovers", "hardlink-two", "compressed", "primary-alone"] {
        let image = Guarded::fixture(fixture);
        for args in [vec!["detect"], vec!["verify", "--level", "full"]] {
            let args: Vec<&str> = args.into_iter().chain([image.arg()]).collect();
            let run = lifeboat(&args);
            for line in run.stdout.lines().filter(|line| line.chars().count() > 80) {
                assert!(line.contains('\\') || line.contains(image.arg()), "{args:?}: {line}");
            }
        }
    }
}

/// A verdict keeps apart what was proved and what nobody can know.
#[test]
fn a_verdict_says_what_was_checked_and_what_not() {
    let image = Guarded::fixture("hardlink-two");
    let verdict = |level: &str| {
        let run = lifeboat(&["verify", image.arg(), "--level", level, "--json"]).expect(0);
        run.events("verdict")[0].clone()
    };
    let list = |verdict: &Value, name: &str| {
        let items = verdict[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap());
        items.collect::<Vec<_>>().join("; ")
    };
    let full = verdict("full");
    assert!(list(&full, "proved").starts_with("every byte of "), "{full}");
    assert!(list(&full, "unknown").contains("there is no seal"), "{full}");
    let quick = verdict("quick");
    assert!(list(&quick, "proved").contains("no file was read"), "{quick}");
    assert!(list(&quick, "unknown").contains("--level full"), "{quick}");
    assert_eq!(quick["files_read"], 0);
}

#[cfg(not(windows))]
#[test]
fn usmtutils_is_for_windows() {
    let image = Guarded::fixture("compressed");
    let run = lifeboat(&["verify", image.arg(), "--usmt", "."]).expect(2);
    assert!(run.stderr.contains("--usmt needs Windows"), "{}", run.stderr);
}

/// Logs as USMT writes them: UTF-16, several runs, longer than what is read of
/// them, with a line of megabytes.
#[test]
fn long_logs_of_several_runs_are_read_at_both_ends() {
    need!("fuse");
    let entry = |words: &str| format!("2023-11-14 15:00:00, Info [0x000000] {words}\r\n");
    let run = |tool: &str, day: u32, verdict: &str| {
        entry(&format!("{tool}.EXE Version 10.0.22621[gle=0x000000b7]"))
            + &entry(&format!("USMT Started at 2023/11/{day}:15:00:00.100"))
            + &entry(&format!("Command line: {tool}.exe C:\\StateStore /c /key top secret"))
            + &entry(verdict)
            + &entry(&format!("USMT Completed at 2023/11/{day}:15:10:00.100"))
    };
    let noise = entry(&"x".repeat(3 << 20)) + &entry(&"y".repeat(1 << 20));
    let scanstate = run("SCANSTATE", 13, "Failed.[gle=0x00000002]")
        + &noise
        + &run("SCANSTATE", 14, "Success, 2 errors ignored. See the log.[gle=0x00000091]")
        + &entry("| 5 | No | 2 | Read error 5 for C:\\Users\\ivan\\a.pst[gle=0x1]");
    let loadstate = run("LOADSTATE", 15, "Failed.[gle=0x00000026]");
    let mut volume = VolumeSpec::new("OSDisk", 40 << 20);
    let usmt = "StateStore/USMT";
    let documents = format!("{usmt}/File/C$/Users/ivan/Documents");
    Person::new("ivan", 1112, 5).small_projects(&mut volume.tree, documents.as_str());
    store::markers(&mut volume.tree, &usmt.into(), 5, true);
    store::hardlink_main(&mut volume.tree, &usmt.into(), &[('C', store::guid(5))]);
    let wide: Vec<u8> = scanstate.encode_utf16().flat_map(u16::to_le_bytes).collect();
    volume.tree.bytes("_t/logs/scanstate.log", wide);
    volume.tree.bytes("_t/logs/loadstate.log", loadstate);
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    volume.make(&image).unwrap();
    let image = Guarded::new(image);
    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let store = &found.events("store")[0];
    let capture = &store["capture"];
    assert_eq!((&capture["failure"], &capture["ignored_errors"]), (&Value::Null, &2.into()));
    assert_eq!(capture["errors"][0]["first"], "Read error 5 for C:\\Users\\ivan\\a.pst");
    assert_eq!(capture["earlier_failure"], "2023-11-13 15:10:00: Failed.");
    assert_eq!(store["restore"]["failure"], "Failed.");
    assert_eq!(store["usmt_version"], "10.0.22621");
    let shown = lifeboat(&["detect", image.arg()]).expect(0).stdout;
    assert!(shown.contains("IGNORED  2 errors") && shown.contains("FAILED: Failed."), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    for text in [&shown, &found.stdout] {
        assert!(!text.contains("/key top"), "{text}");
    }
}

/// A disk of Linux, or an empty one: what it is instead is said, not only that no store was found.
#[test]
fn where_nothing_can_be_searched_it_says_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    let mut luks = vec![0x5A; 4 << 20];
    luks[..8].copy_from_slice(b"LUKS\xBA\xBE\0\x02");
    for (bytes, what) in [(luks, "LUKS"), (vec![0; 4 << 20], "it is blank")] {
        std::fs::write(&image, bytes).unwrap();
        let run = support::program::lifeboat(&["detect", image.to_str().unwrap()]).expect(4);
        let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("Not searched") && said.contains(what), "{said}");
    }
}
