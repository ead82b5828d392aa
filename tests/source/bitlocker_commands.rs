//! What the commands do with BitLocker volumes: the keys they take, what they say, and that a store
//! in one is saved as any other.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_maker::bitlocker::{
    Cipher, OTHER_RECOVERY, PASSWORD, Progress, Protector, RECOVERY, Wrap, set_encrypted, wrap,
};
use serde_json::Value;
use support::program::{Guarded, Run, lifeboat, lifeboat_with};
use support::{text, unpack};
use tempfile::TempDir;

/// A key that is for no volume here.
const WRONG: &str = "000011-000022-000033-000044-000055-000066-000077-000088";

struct Volume {
    /// Dropped, and compared, before the folder that it is in.
    image: Guarded,
    dir: TempDir,
}

impl Volume {
    fn new(how: &Wrap) -> Self {
        let plain = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
        let made = wrap(&plain, how).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, made.image).unwrap();
        fs::create_dir(dir.path().join("stick")).unwrap();
        fs::write(dir.path().join("stick/Key.bek"), &made.bek[0]).unwrap();
        Self { image: Guarded::new(path), dir }
    }

    fn opened_by(protectors: &[Protector]) -> Self {
        Self::new(&Wrap::new(Cipher::XtsAes128).opened_by(protectors))
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn detect(&self, more: &[&str]) -> Run {
        lifeboat(&[&["detect", self.image.arg(), "--json"], more].concat())
    }
}

fn recovery() -> Protector {
    Protector::Recovery(RECOVERY.to_owned())
}

/// The first eight digits of a protector's Key ID.
fn short_id(protector: &Protector) -> String {
    let id = protector.id();
    format!("{:08X}", u32::from_le_bytes(id[..4].try_into().unwrap()))
}

fn bitlocker(run: &Run) -> Value {
    run.events("volume")[0]["bitlocker"].clone()
}

/// None of the secrets is in anything that was printed.
fn says_no_secret(run: &Run) {
    let all = [run.stdout.as_str(), &run.stderr].concat();
    for secret in [RECOVERY, OTHER_RECOVERY, WRONG, PASSWORD] {
        assert!(!all.contains(secret) && !all.contains(&secret.replace('-', "")), "{all}");
        // Not even a group of it.
        let first = secret.split('-').next().unwrap();
        assert!(first.len() != 6 || !all.contains(first), "{first}: {all}");
    }
}

#[test]
fn a_suspended_volume_is_read_without_asking() {
    let volume = Volume::opened_by(&[Protector::Tpm, recovery(), Protector::Clear]);
    let run = volume.detect(&[]).expect(0);
    let seen = &run.events("volume")[0];
    assert_eq!((&seen["kind"], &seen["readable"]), (&"ntfs".into(), &true.into()));
    assert!(seen["volume"].as_str().unwrap().contains("NTFS in BitLocker"), "{seen}");
    let state = bitlocker(&run);
    assert_eq!(state["state"], "suspended");
    assert_eq!(state["unlocked_by"], "clear-key");
    assert_eq!(state["percent_encrypted"], 100);
    assert_eq!(state["key_id"], short_id(&recovery()));
    assert_eq!(state["protectors"], serde_json::json!(["tpm", "recovery-key", "clear-key"]));
    assert_eq!(run.events("store").len(), 1);
    let run = lifeboat(&["detect", volume.image.arg()]).expect(0);
    assert!(
        run.stderr.contains("BitLocker, suspended: its key is on the volume"),
        "{}",
        run.stderr
    );
}

#[test]
fn each_way_to_give_a_key_opens_the_volume() {
    let all =
        [Protector::Tpm, recovery(), Protector::Password(PASSWORD.to_owned()), Protector::Startup];
    let volume = Volume::opened_by(&all);
    let id = short_id(&recovery()).to_lowercase();
    let export =
        format!("PC-1;11111111-0000-0000-0000-000000000000;{WRONG}\nPC-2;{id};{RECOVERY}\n");
    let export = volume.file("keys.csv", export);
    let utf16: Vec<u8> = format!("\u{feff}Recovery Key:\r\n\r\n{RECOVERY}\r\n")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let saved = volume.file("saved.txt", utf16);
    let password = volume.file("password.txt", format!("\u{feff}{PASSWORD}\r\nmore"));
    let stick = volume.dir.path().join("stick");
    for (option, path, by) in [
        ("--recovery-key-file", &export, "recovery-key"),
        ("--recovery-key-file", &saved, "recovery-key"),
        ("--bitlocker-password-file", &password, "password"),
        ("--bitlocker-keys", &stick, "startup-key"),
    ] {
        let run = volume.detect(&[option, text(path), "--verbose"]).expect(0);
        let state = bitlocker(&run);
        assert_eq!((&state["state"], &state["unlocked_by"]), (&"unlocked".into(), &by.into()));
        assert_eq!(run.events("store").len(), 1);
        says_no_secret(&run);
        // By the settings too.
        let key = &option[2..];
        let settings = volume.file("lifeboat.toml", format!("{key} = '{}'\n", text(path)));
        let env = [("LIFEBOAT_SETTINGS", text(&settings))];
        let run = lifeboat_with(&["detect", volume.image.arg(), "--json"], &env).expect(0);
        assert_eq!(bitlocker(&run)["unlocked_by"], by);
    }
    let env = [("LIFEBOAT_RECOVERY_KEY", RECOVERY)];
    let log = volume.dir.path().join("log.txt");
    let args = ["detect", volume.image.arg(), "--verbose", "--log", text(&log)];
    let run = lifeboat_with(&args, &env).expect(0);
    says_no_secret(&run);
    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.contains("unlocked by the recovery key") && !logged.contains("235818"));
}

#[test]
fn a_locked_volume_is_closed_and_says_its_key_id() {
    let volume = Volume::opened_by(&[Protector::Tpm, recovery()]);
    let run = volume.detect(&[]).expect(7);
    let id = short_id(&recovery());
    let closed = run.events("finding");
    let closed = closed.iter().find(|finding| finding["code"] == "volume-closed").unwrap();
    let what = closed["what"].as_str().unwrap();
    assert!(what.contains(&format!("Key ID {id}")) && what.contains("TPM, recovery key"), "{what}");
    let state = bitlocker(&run);
    assert_eq!((&state["state"], &state["key_id"]), (&"locked".into(), &id.into()));
    assert_eq!(state["label"], "PC-0815 C: 15.06.2020");
    assert_eq!(state["cipher"], "XTS-AES 128");

    // Only its own computer opens it, and no key can.
    let volume = Volume::opened_by(&[Protector::Tpm]);
    let run = volume.detect(&[]).expect(7);
    assert_eq!(bitlocker(&run)["state"], "impossible");
    let what = &run.events("finding")[0]["what"];
    assert!(what.as_str().unwrap().contains("its only protectors are: TPM"), "{what}");
}

#[test]
fn a_wrong_key_is_two_lines_and_exit_1() {
    let volume = Volume::opened_by(&[Protector::Tpm, recovery()]);
    let id = short_id(&recovery());
    let file = volume.file("wrong.txt", WRONG);
    let run = lifeboat(&["detect", volume.image.arg(), "--recovery-key-file", text(&file)]);
    let run = run.expect(1);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.stderr);
    assert!(lines[0].starts_with("error: ") && lines[0].contains("no key that was given"));
    assert!(lines[1].starts_with("fix: ") && lines[1].contains(&id), "{}", lines[1]);
    says_no_secret(&run);

    // Mistyped: the group is named, and the key is not.
    let mistyped = RECOVERY.replace("013365", "013356");
    let env = [("LIFEBOAT_RECOVERY_KEY", mistyped.as_str())];
    let run = lifeboat_with(&["detect", volume.image.arg()], &env).expect(2);
    assert!(run.stderr.contains("group 4 of the recovery key is mistyped"), "{}", run.stderr);
    assert!(!run.stderr.contains("013356"));
    // Files without a key.
    let none = volume.file("none.txt", "1234");
    for args in [
        ["--recovery-key-file", text(&none)],
        ["--bitlocker-keys", text(volume.dir.path())],
        ["--bitlocker-password-file", "/no/such/file"],
    ] {
        let run = lifeboat(&[&["detect", volume.image.arg()][..], &args].concat()).expect(2);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    }
}

/// The hashes of the members of a set.
fn saved(dest: &Path) -> Vec<(String, String)> {
    let set = unpack::sets_in(dest).remove(0);
    let run = lifeboat(&["list", text(&set), "--json"]).expect(0);
    let mut files: Vec<_> = run
        .all_events()
        .iter()
        .filter(|event| event["path"].is_string())
        .map(|event| (event["path"].to_string(), event["sha256"].to_string()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_store_in_an_encrypted_volume_is_saved_as_from_a_plain_one() {
    let plain = Guarded::fixture("hardlink-one");
    let dir = tempfile::tempdir().unwrap();
    let reference = dir.path().join("plain");
    lifeboat(&["offload", plain.arg(), "--to", text(&reference)]).expect(0);
    let wanted = saved(&reference);
    assert!(wanted.len() > 10, "{wanted:?}");
    let half = Progress::UpTo(3 << 20);
    for (i, progress) in [Progress::Whole, half, Progress::Bitmaps(0x1_0000)].iter().enumerate() {
        let how = Wrap { progress: *progress, ..Wrap::new(Cipher::ElephantAes256) };
        let volume = Volume::new(&how);
        let key = volume.file("key.txt", RECOVERY);
        let option = ["--recovery-key-file", text(&key)];
        let dest = dir.path().join(i.to_string());
        let args = ["offload", volume.image.arg(), "--to", text(&dest)];
        lifeboat(&[&args[..], &option].concat()).expect(0);
        assert_eq!(saved(&dest), wanted, "{progress:?}");
        let args = ["verify", volume.image.arg(), "--level", "full"];
        lifeboat(&[&args[..], &option].concat()).expect(0);
        if *progress != Progress::Whole {
            let run = volume.detect(&option).expect(0);
            let part = bitlocker(&run)["percent_encrypted"].as_u64().unwrap();
            assert!((30..70).contains(&part), "{part}");
        }
    }
}

#[test]
fn what_was_caught_in_conversion_is_a_finding_and_never_zeros() {
    let caught = Progress::Caught(3 << 20, 0x1_0000);
    let how = Wrap { progress: caught, ..Wrap::new(Cipher::XtsAes128) };
    let volume = Volume::new(&how.opened_by(&[Protector::Clear]));
    let run = volume.detect(&[]);
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    let codes: Vec<String> =
        run.events("finding").iter().map(|finding| finding["code"].to_string()).collect();
    assert!(codes.contains(&r#""bitlocker-in-conversion""#.to_owned()), "{codes:?}");
}

/// The other findings, each by the smallest damage that shows it.
#[test]
fn damage_of_the_metadata_is_a_finding() {
    let made = |how: Wrap| {
        let volume = Volume::new(&how.opened_by(&[Protector::Clear]));
        let run = volume.detect(&[]);
        let found = run.events("finding");
        found.iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let base = || Wrap::new(Cipher::XtsAes128);
    assert_eq!(made(base()), Vec::<String>::new());
    assert_eq!(made(Wrap { bad_copies: 1, ..base() }), ["bitlocker-copies"]);
    let none_good = made(Wrap { bad_copies: 3, ..base() });
    assert_eq!(none_good, ["bitlocker-unchecked", "bitlocker-hash"]);

    // Cut short, and maps that are gone.
    let volume = Volume::new(&Wrap { at_the_end: true, ..base() }.opened_by(&[Protector::Clear]));
    let mut bytes = fs::read(volume.image.arg()).unwrap();
    bytes.truncate(bytes.len() - 0x1_0000);
    let cut = volume.file("cut.img", bytes);
    let run = lifeboat(&["detect", text(&cut), "--json"]);
    assert!(run.stdout.contains("bitlocker-cut-short"), "{}", run.stdout);
    let how = Wrap { progress: Progress::Bitmaps(0x1_0000), ..base() };
    let volume = Volume::new(&how.opened_by(&[Protector::Clear]));
    let mut bytes = fs::read(volume.image.arg()).unwrap();
    let map = bytes.windows(10).position(|bytes| bytes == b"FVE-EOWBM\0").unwrap();
    bytes[map + 20] ^= 1;
    let torn = volume.file("torn.img", bytes);
    let run = lifeboat(&["detect", text(&torn), "--json"]);
    assert!(run.stdout.contains("bitlocker-conversion"), "{}", run.stdout);
}

#[test]
fn a_store_that_may_be_nonsense_is_an_incomplete_set() {
    let dir = tempfile::tempdir().unwrap();
    let how = |bad_copies| Wrap { bad_copies, ..Wrap::new(Cipher::XtsAes128) };
    for (bad, code, state) in [(3, 3, "incomplete"), (2, 0, "saved")] {
        let volume = Volume::new(&how(bad).opened_by(&[Protector::Clear]));
        let dest = dir.path().join(bad.to_string());
        let run = lifeboat(&["offload", volume.image.arg(), "--to", text(&dest), "--json"]);
        let run = run.expect(code);
        let set = &run.events("set")[0];
        assert_eq!(set["end_state"], state, "{set}");
        let damage = set["damage"].to_string();
        assert_eq!(damage.contains("does not match its own hash"), bad == 3, "{damage}");
    }
    // Copies that contradict each other.
    let volume = Volume::opened_by(&[Protector::Clear]);
    let plain = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
    let mut made = wrap(&plain, &how(0).opened_by(&[Protector::Clear])).unwrap();
    set_encrypted(&mut made.image, made.areas[0], 1 << 20);
    let path = volume.file("differ.img", &made.image);
    let dest = dir.path().join("differ");
    let run = lifeboat(&["offload", text(&path), "--to", text(&dest), "--json"]).expect(3);
    assert!(run.stdout.contains("bitlocker-copies-differ"), "{}", run.stdout);
    assert_eq!(run.events("set")[0]["end_state"], "incomplete");
}

#[test]
fn nothing_found_on_a_damaged_volume_is_exit_3() {
    // A volume without a store; what is said of it is the same with one that is hidden.
    let plain = empty_volume();
    for (bad_copies, code) in [(0, 4), (3, 3)] {
        let how = Wrap { bad_copies, ..Wrap::new(Cipher::XtsAes128) };
        let made = wrap(&plain, &how.opened_by(&[Protector::Clear])).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, made.image).unwrap();
        let run = lifeboat(&["detect", text(&path)]).expect(code);
        assert_eq!(run.stderr.contains("a volume is damaged"), code == 3, "{}", run.stderr);
        let to = dir.path().join("to");
        lifeboat(&["offload", text(&path), "--to", text(&to)]).expect(code);
        for what in [["--path", "\\Nowhere"], ["--of-user", "zoe"]] {
            let args = [&["offload", text(&path), "--to", text(&to)], &what[..]].concat();
            lifeboat(&args).expect(code);
        }
    }
}

/// An NTFS volume without a store.
fn empty_volume() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    fs::write(&path, vec![0; 4 << 20]).unwrap();
    let made = std::process::Command::new("mkntfs")
        .args(["-F", "-Q", "-q", text(&path)])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .status();
    assert!(made.unwrap().success());
    fs::read(&path).unwrap()
}

#[test]
fn what_to_find_goes_by_the_kinds_of_protector() {
    let both = [Protector::Recovery(OTHER_RECOVERY.to_owned()), recovery()];
    let volume = Volume::opened_by(&both);
    let run = volume.detect(&[]).expect(7);
    let ids = both.each_ref().map(short_id);
    assert_eq!(bitlocker(&run)["key_ids"], serde_json::json!(ids));
    let what = run.events("finding")[0]["what"].to_string();
    let wanted = format!("find the recovery key with Key ID {} or {}", ids[0], ids[1]);
    assert!(what.contains(&wanted) && what.contains("PC-0815 C: 15.06.2020"), "{what}");
    // The one that opened it.
    let key = volume.file("key.txt", RECOVERY);
    let run = volume.detect(&["--recovery-key-file", text(&key)]).expect(0);
    assert_eq!(bitlocker(&run)["key_id"], ids[1]);

    // A password alone: there is no recovery key to search for.
    let volume = Volume::opened_by(&[Protector::Password(PASSWORD.to_owned())]);
    let wrong = volume.file("wrong.txt", "wrong");
    let run = lifeboat(&["detect", volume.image.arg(), "--bitlocker-password-file", text(&wrong)]);
    let run = run.expect(1);
    assert!(run.stderr.contains("Ask for the password"), "{}", run.stderr);
    assert!(!run.stderr.contains("recovery key"), "{}", run.stderr);
    // A key of another kind than the volume has.
    let key = volume.file("key.txt", RECOVERY);
    let run = lifeboat(&["detect", volume.image.arg(), "--recovery-key-file", text(&key)]);
    assert!(run.expect(1).stderr.contains("no key that was given unlocks it"));
}

#[test]
fn keys_of_other_volumes_that_were_not_tried_are_counted_and_a_mistyped_one_is_named() {
    let volume = Volume::opened_by(&[recovery()]);
    let lines = (0..18).map(|i| format!("{i:08x}-0000-0000-0000-000000000000,{WRONG}\n"));
    let many = volume.file("many.csv", lines.collect::<String>());
    let run = lifeboat(&["detect", volume.image.arg(), "--recovery-key-file", text(&many)]);
    let run = run.expect(1);
    assert!(
        run.stderr.contains("2 keys listed for other Key IDs were not tried"),
        "{}",
        run.stderr
    );
    let wrong = RECOVERY.replace("013365", "013356");
    let typo = volume.file("typo.txt", format!("Key:\n{wrong}\n"));
    let run = lifeboat(&["detect", volume.image.arg(), "--recovery-key-file", text(&typo)]);
    let run = run.expect(2);
    assert!(
        run.stderr.contains("line 2: group 4 of the recovery key is mistyped"),
        "{}",
        run.stderr
    );
    says_no_secret(&run);
}

#[test]
fn a_volume_without_its_first_sector_is_opened_by_its_metadata() {
    let plain = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
    let of = |how: Wrap| wrap(&plain, &how.opened_by(&[recovery()])).unwrap().image;
    let xts = || Wrap::new(Cipher::XtsAes128);
    let large = Wrap { sector_bytes: 4096, ..xts() };
    let maps = Wrap { progress: Progress::Bitmaps(0x1_0000), ..xts() };
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.txt");
    fs::write(&key, RECOVERY).unwrap();
    for how in [xts(), large, maps] {
        let mut image = of(how);
        image[..0x1000].fill(0);
        let path = dir.path().join("disk.img");
        fs::write(&path, image).unwrap();
        let args = ["detect", text(&path), "--json"];
        let run = lifeboat(&args).expect(7);
        assert_eq!(bitlocker(&run)["key_id"], short_id(&recovery()));
        let run = lifeboat(&[&args[..], &["--recovery-key-file", text(&key)]].concat()).expect(0);
        assert_eq!(run.events("store").len(), 1);
        let codes: Vec<_> = run.events("finding").iter().map(|f| f["code"].clone()).collect();
        assert_eq!(codes, ["bitlocker-start"]);
    }
}

#[test]
fn a_key_in_place_of_a_path_is_not_shown_and_a_set_names_the_key_ids_of_what_was_not_read() {
    let volume = Volume::opened_by(&[recovery()]);
    let args = ["detect", volume.image.arg(), "--recovery-key-file", RECOVERY, "--json"];
    let run = lifeboat(&args).expect(2);
    says_no_secret(&run);
    let plain = Guarded::fixture("hardlink-one");
    let dest = volume.dir.path().join("to");
    let args = ["offload", plain.arg(), volume.image.arg(), "--to", text(&dest)];
    lifeboat(&args);
    let set = unpack::sets_in(&dest).remove(0);
    let text = fs::read_to_string(set.join("RESTORE.txt")).unwrap();
    assert!(text.contains(&format!("Key ID {}", short_id(&recovery()))), "{text}");
}
