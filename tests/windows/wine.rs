//! `lifeboat.exe` does under Wine what `lifeboat` does here, on the same images:
//! the same stores, the same bytes in the set, the same bytes put back, the same
//! exit codes; and no image is changed by it.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::made::noise;
use support::ntfs3g::Image;
use support::program::sha256_of;
use support::wine::{self, Ran, Wine};
use support::{exe, need, text};
use tempfile::TempDir;

/// Both programs.
struct Programs {
    wine: Wine,
    exe: PathBuf,
}

fn programs() -> Option<Programs> {
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    Some(Programs { wine, exe })
}

impl Programs {
    fn windows(&self, args: &[&str]) -> Ran {
        self.wine.run(&self.exe, args)
    }

    /// Runs the exe and demands its exit code.
    fn windows_ends(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.windows(args);
        assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs the Linux program; gives its exit code and what it printed.
    fn linux(args: &[&str]) -> (i32, String, String) {
        let out = Command::new(support::program::path()).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    /// Runs the Linux program and demands its exit code; gives what it printed.
    fn linux_ends(code: i32, args: &[&str]) -> String {
        let (ended, stdout, stderr) = Self::linux(args);
        assert_eq!(ended, code, "{args:?}\n{stdout}\n{stderr}");
        stdout
    }
}

#[test]
fn without_a_console_it_says_how_to_use_it() {
    let programs = need!(programs());
    programs.windows_ends(2, &[]);
}

#[test]
fn it_prints_its_version() {
    let programs = need!(programs());
    let ran = programs.windows_ends(0, &["--version"]);
    assert_eq!(ran.stdout, concat!("lifeboat ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn it_finds_the_same_stores() {
    let programs = need!(programs());
    for fixture in lifeboat_maker::fixtures::all() {
        let image = lifeboat_maker::fixture(fixture.name).unwrap();
        let before = sha256_of(&image);
        let code = match fixture.name {
            _ if fixture.stores.is_empty() => 4,
            // Beside its stores there is a locked volume.
            "leftovers" => 3,
            _ => 0,
        };
        let (unix, windows) = (image.to_str().unwrap(), Wine::path(&image));
        let here = Programs::linux_ends(code, &["detect", "--json", unix]);
        let there = programs.windows_ends(code, &["detect", "--json", &windows]).stdout;
        let (here, there) = (stores(&here, unix), stores(&there, &windows));
        assert!(here.len() >= fixture.stores.len(), "{}: {here:#?}", fixture.name);
        assert_eq!(here, there, "{}", fixture.name);
        assert_eq!(before, sha256_of(&image), "{}: the image was changed", fixture.name);
    }
}

#[test]
fn its_sets_hold_the_same_bytes() {
    let programs = need!(programs());
    for fixture in lifeboat_maker::fixtures::all() {
        if fixture.stores.is_empty() {
            continue;
        }
        let image = lifeboat_maker::fixture(fixture.name).unwrap();
        let before = sha256_of(&image);
        let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        // A level of its own: `auto` goes by the speed of the moment.
        let level = ["--level", "3"];
        let args = [&["offload", text(&image), "--to", text(here.path())][..], &level].concat();
        let ended = Programs::linux(&args).0;
        // A store that lacks a part is never saved without losses.
        let lacking = fixture.stores.iter().any(|store| !store.has_all_parts);
        assert!(ended == 3 || (ended == 0 && !lacking), "{}: {ended}", fixture.name);
        let to = Wine::path(there.path());
        let image_there = Wine::path(&image);
        let args = [&["offload", &image_there, "--to", &to][..], &level].concat();
        programs.windows_ends(ended, &args);
        let (here, there) = (stored(here.path()), stored(there.path()));
        assert!(here.len() >= fixture.stores.len(), "{}: {here:?}", fixture.name);
        assert_eq!(here, there, "{}", fixture.name);
        assert_eq!(before, sha256_of(&image), "{}: the image was changed", fixture.name);
    }
}

#[test]
fn each_reads_the_others_set_and_restores_the_same_files() {
    let programs = need!(programs());
    let scratch = TempDir::new().unwrap();
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();

    // Packed on Linux, put back by the exe, through a share.
    let from_linux = scratch.path().join("from-linux");
    Programs::linux_ends(0, &["offload", text(&image), "--to", text(&from_linux)]);
    let share = programs.wine.share(&from_linux);
    let set = format!("{}\\{}", share.unc, name(&only_set(&from_linux)));
    programs.windows_ends(0, &["verify", &set]);
    let listed = programs.windows_ends(0, &["list", &set]).stdout;
    let by_exe = scratch.path().join("by-exe");
    let ran = programs.windows(&["restore", &set, "--to", &Wine::path(&by_exe)]);
    // 3: Wine refuses some facts (docs/guide/windows.md); the bytes must be there all the same.
    assert!([0, 3].contains(&ran.code), "{ran:?}");

    // Packed by the exe, onto a share; put back on Linux.
    let from_exe = scratch.path().join("from-exe");
    fs::create_dir(&from_exe).unwrap();
    let share = programs.wine.share(&from_exe);
    programs.windows_ends(0, &["offload", &Wine::path(&image), "--to", &share.unc]);
    let set = only_set(&from_exe);
    Programs::linux_ends(0, &["verify", text(&set)]);
    // The first line names the set, the others its files.
    let files = |list: &str| list.split_once('\n').map(|(_, files)| files.to_owned());
    assert_eq!(files(&Programs::linux_ends(0, &["list", text(&set)])), files(&listed));
    let by_linux = scratch.path().join("by-linux");
    // 3: this file system refuses some facts too.
    let ended = Programs::linux(&["restore", text(&set), "--to", text(&by_linux)]).0;
    assert!([0, 3].contains(&ended), "{ended}");

    let (by_exe, by_linux) = (tree(&by_exe), tree(&by_linux));
    assert_eq!(by_exe, by_linux);
    let truth = lifeboat_maker::expected("hardlink-one").unwrap();
    let files = truth.files.iter().filter(|file| !file.is_dir);
    let wanted: Vec<_> = files.map(|file| &file.sha256).collect();
    assert!(!wanted.is_empty());
    for sum in wanted {
        assert!(by_exe.values().any(|found| found.as_ref() == Some(sum)), "{sum} is not back");
    }
}

/// What is on the share already is read back while the rest is written, without buffering.
#[test]
fn a_share_is_read_back_while_it_is_written() {
    let programs = need!(programs());
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    image.fill("rw", |root| {
        for i in 0..40 {
            fs::write(root.join(format!("{i}")), noise(i, 1 << 20)).unwrap();
        }
    });
    let scratch = TempDir::new().unwrap();
    let share = programs.wine.share(scratch.path());
    let source = Wine::path(&image.path());
    let args = ["offload", &source, "--path", "\\", "--to", &share.unc, "--level", "1"];
    programs.windows_ends(0, &[&args[..], &["--frame-bytes", "65536"]].concat());
    let set = only_set(scratch.path());
    let rescue: Value =
        serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap();
    let beside = rescue["timings"]["beside_bytes"].as_u64().unwrap_or(0);
    assert!(beside > 10 << 20, "{}", rescue["timings"]);
    Programs::linux_ends(0, &["verify", text(&set), "--level", "full"]);
}

/// The store that stands on a drive goes back to that drive, beside its place
/// first; what stood there is kept.
#[test]
fn a_store_goes_back_in_place_by_its_drive_letter() {
    let programs = need!(programs());
    let drive = programs.wine.drive();
    let scratch = TempDir::new().unwrap();
    let usmt = scratch.path().join("StateStore/USMT");
    fs::create_dir_all(usmt.join("File/L$/Users/alice")).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg", "hardlink.main"] {
        fs::write(usmt.join(name), name).unwrap();
    }
    fs::write(usmt.join("File/L$/Users/alice/a.txt"), "alice").unwrap();
    let sets = scratch.path().join("sets");
    let store = scratch.path().join("StateStore");
    let ended = Programs::linux(&["offload", text(&store), "--to", text(&sets)]).0;
    assert!([0, 3].contains(&ended), "{ended}");
    let set = Wine::path(&only_set(&sets));
    // The folder that it was in when it was saved is part of its path.
    let below = store.strip_prefix("/").unwrap();
    let place = drive.folder.join(below);
    let top = drive.folder.join(below.iter().next().unwrap());
    let _ = fs::remove_dir_all(&top);
    let ran = programs.windows(&["restore", &set, "--in-place", "--json"]);
    assert!([0, 3].contains(&ran.code), "{ran:?}");
    assert!(ran.stdout.contains(r#""root":"L:\\""#), "{ran:?}");
    let file = place.join("USMT/File/L$/Users/alice/a.txt");
    assert_eq!(fs::read_to_string(&file).unwrap(), "alice", "{ran:?}");
    programs.windows_ends(5, &["restore", &set, "--in-place"]);
    fs::write(&file, "changed").unwrap();
    let ran = programs.windows(&["restore", &set, "--in-place", "--replace"]);
    assert!([0, 3].contains(&ran.code), "{ran:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "alice");
    let kept = place.with_file_name("StateStore.before-lifeboat");
    let kept = kept.join("USMT/File/L$/Users/alice/a.txt");
    assert_eq!(fs::read_to_string(kept).unwrap(), "changed");
    let names = fs::read_dir(place.parent().unwrap()).unwrap();
    let mut names: Vec<_> = names.map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["StateStore", "StateStore.before-lifeboat"]);
    fs::remove_dir_all(&top).unwrap();
}

/// What the exe seals, both programs believe; what changed since they name.
#[test]
fn a_store_is_sealed_on_its_drive_and_compared_with_its_seal() {
    let programs = need!(programs());
    let drive = programs.wine.drive();
    let top = drive.folder.join("Sealed");
    let _ = fs::remove_dir_all(&top);
    let usmt = top.join("StateStore/USMT");
    let alice = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&alice).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"] {
        fs::write(usmt.join(name), format!("C\t{{11111111-1111-4111-8111-111111111111}} {name}"))
            .unwrap();
    }
    fs::write(usmt.join("status.~lg"), "").unwrap();
    for number in 0..20 {
        fs::write(alice.join(format!("{number}.txt")), format!("file {number}")).unwrap();
    }
    let before = tree(&top);
    let ran = programs.windows(&["seal", "L:\\Sealed", "--json"]);
    // 3: Wine refuses some facts (docs/guide/windows.md); the hashes must be there all the same.
    assert!([0, 3].contains(&ran.code), "{ran:?}");
    let event = |ran: &str, kind: &str| -> Value {
        let events = ran.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.into_iter().find(|e| e["message_type"] == kind).unwrap_or_default()
    };
    let sealed = event(&ran.stdout, "sealed");
    assert_eq!(sealed["totals"]["files"], 24, "{ran:?}");
    // One file more, and every other as it was.
    let mut after = tree(&top);
    assert!(after.remove(Path::new("StateStore/lifeboat.seal")).is_some(), "{after:?}");
    assert_eq!(after, before);
    let verify = |code: i32| {
        let there =
            programs.windows_ends(code, &["verify", "L:\\Sealed", "--level", "full", "--json"]);
        let here = Programs::linux(&["verify", text(&top), "--level", "full", "--json"]).1;
        [event(&there.stdout, "seal"), event(&here, "seal")]
            .map(|seal| (seal, there.stdout.clone()))
    };
    let [(there, said), (here, _)] = verify(ran.code);
    assert_eq!(
        (&there["state"], &there["hashes_matched"]),
        (&"matches".into(), &24.into()),
        "{said}"
    );
    assert_eq!((&here["hashes_matched"], &here["changed"]), (&24.into(), &0.into()), "{here}");
    fs::write(alice.join("7.txt"), "fi1e 7").unwrap();
    fs::remove_file(alice.join("8.txt")).unwrap();
    for (seal, said) in verify(3) {
        assert_eq!((&seal["changed"], &seal["missing"]), (&1.into(), &1.into()), "{seal}\n{said}");
    }
    fs::remove_dir_all(&top).unwrap();
}

#[test]
fn a_damaged_set_is_never_green() {
    let programs = need!(programs());
    let scratch = TempDir::new().unwrap();
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();
    Programs::linux_ends(0, &["offload", text(&image), "--to", text(scratch.path())]);
    let set = only_set(scratch.path());
    let store = set.join("store.tar.zst");
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&store, bytes).unwrap();
    let ran = programs.windows_ends(3, &["verify", &Wine::path(&set), "--level", "full"]);
    assert!(
        ran.stdout.contains("store.tar.zst") || ran.stderr.contains("store.tar.zst"),
        "{ran:?}"
    );
}

#[test]
fn errors_have_two_lines_and_the_same_exit_codes() {
    let programs = need!(programs());
    let scratch = TempDir::new().unwrap();
    let image = Wine::path(&lifeboat_maker::fixture("hardlink-one").unwrap());
    let blank = scratch.path().join("blank.img");
    fs::File::create(&blank).unwrap().set_len(8 << 20).unwrap();
    let missing = Wine::path(&scratch.path().join("missing.img"));

    programs.windows_ends(2, &["offload", &image]); // no --to
    programs.windows_ends(2, &["no-such-command"]);
    programs.windows_ends(4, &["detect", &Wine::path(&blank)]);

    let ran = programs.windows_ends(1, &["detect", &missing]);
    assert!(ran.stderr.contains("missing.img"), "{ran:?}");
    assert_eq!(ran.stderr.trim_end().lines().count(), 2, "{ran:?}");

    let ran = programs.windows_ends(5, &["offload", &image, "--to", "\\\\nobody\\share\\rescue"]);
    assert!(ran.stderr.contains("\\\\nobody\\share"), "{ran:?}");
    assert_eq!(ran.stderr.trim_end().lines().count(), 2, "{ran:?}");
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// The `store` events of a `--json` run, without the image's own path.
fn stores(json: &str, image: &str) -> Vec<Value> {
    let events = json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut stores: Vec<_> = events.filter(|e| e["message_type"] == "store").collect();
    for store in &mut stores {
        forget(store, image);
    }
    stores
}

fn forget(value: &mut Value, image: &str) {
    match value {
        Value::String(text) => *text = text.replace(image, "IMAGE"),
        Value::Array(values) => values.iter_mut().for_each(|v| forget(v, image)),
        Value::Object(fields) => fields.values_mut().for_each(|v| forget(v, image)),
        _ => {}
    }
}

/// The sets in a folder, sorted.
fn sets(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut sets: Vec<_> = entries.filter(|dir| dir.join("rescue.json").is_file()).collect();
    sets.sort();
    sets
}

fn only_set(folder: &Path) -> PathBuf {
    let sets = sets(folder);
    assert_eq!(sets.len(), 1, "{sets:?}");
    sets[0].clone()
}

/// SHA-256 of the stores of all sets in a folder, sorted.
fn stored(folder: &Path) -> Vec<String> {
    let mut sums: Vec<_> =
        sets(folder).iter().map(|s| sha256_of(&s.join("store.tar.zst"))).collect();
    sums.sort();
    sums
}

/// Everything below a folder: path, and SHA-256 where it is a file.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<String>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let below = entry.path().strip_prefix(folder).unwrap().to_owned();
            (below, entry.file_type().is_file().then(|| sha256_of(entry.path())))
        })
        .collect()
}

/// The exe's random numbers and its encryption: each reads what the other encrypted.
#[test]
fn each_reads_what_the_other_encrypted() {
    let programs = need!(programs());
    let scratch = TempDir::new().unwrap();
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();
    let secret = scratch.path().join("passphrase.txt");
    fs::write(&secret, "correct horse battery staple\r\n").unwrap();
    let here = ["--passphrase-file", text(&secret)];
    let there = ["--passphrase-file", &Wine::path(&secret)];

    let from_exe = scratch.path().join("from-exe");
    let to = Wine::path(&from_exe);
    let args = ["offload", &Wine::path(&image), "--to", &to, there[0], there[1]];
    programs.windows_ends(0, &args);
    let set = only_set(&from_exe);
    Programs::linux_ends(0, &["verify", text(&set), "--level", "full", here[0], here[1]]);

    let from_linux = scratch.path().join("from-linux");
    let args = ["offload", text(&image), "--to", text(&from_linux), here[0], here[1]];
    Programs::linux_ends(0, &args);
    let set = Wine::path(&only_set(&from_linux));
    let args = ["verify", &set, "--level", "full", there[0], there[1]];
    programs.windows_ends(0, &args);
    // Two runs of one program with the same keys would betray a dead source of
    // random numbers: no two sets may begin alike behind the age header.
    let key = |dest: &Path| fs::read(only_set(dest).join("key.age")).unwrap();
    assert!(key(&from_exe) != key(&from_linux));
}
