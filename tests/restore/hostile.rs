//! Sets that were made to harm: nothing is written outside the destination, no
//! claim costs memory or time without bound, and what is not put down is named.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::model::loss::{Loss, LossKind};
use lifeboat::model::monitor::Collect;
use lifeboat::restore::{Destinations, Options, restore, verify_restored};
use lifeboat::set::read::reader::SetReader;
use serde_json::json;
use support::hostile_set::{FrameTable, HostileSet};
use support::{need, ntfs_mount};
use tempfile::TempDir;

/// Paths that lead elsewhere, or that no file can have.
const CLIMBERS: [&str; 16] = [
    "../up",
    "C/../up",
    "C/Store/../../up",
    "C/Store/USMT/../../../up",
    "/abs",
    "//server/share/abs",
    "C//double",
    "C/Store/./here",
    "C/Store/a\0b",
    "D/another drive",
    "C:/Windows/x",
    "",
    "C",
    "C/",
    "C/Windows/System32/evil.dll",
    "C/Store.lifeboat-partial/evil",
];

/// A folder with a destination in it and a file beside it that must stay.
struct Jail(TempDir);

impl Jail {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(dir.path().join("to")).unwrap();
        fs::write(dir.path().join("outside"), "outside").unwrap();
        Self(dir)
    }

    fn to(&self) -> std::path::PathBuf {
        self.0.path().join("to")
    }

    fn destination(&self) -> Destinations {
        let drives = [("C".to_owned(), self.to())].into_iter().collect();
        Destinations::Staged(Box::new(Destinations::Drives(drives)))
    }

    /// Restores the set; what was lost. Twice: the second time over what the
    /// first made, as a resume would.
    fn take(&self, set: &HostileSet) -> Vec<Loss> {
        let sets = self.0.path().join("sets");
        let name = set.write(&sets);
        let target = Arc::new(DirectoryDestination::open(&sets, Missing::Fail).unwrap());
        let set = SetReader::open(target, &name).unwrap();
        let mut losses = Vec::new();
        for _ in 0..2 {
            let seen = Collect::default();
            let done = restore(&set, &self.destination(), Options::default(), &seen).unwrap();
            let _ = verify_restored(&set, &self.destination(), &seen);
            losses = seen.losses.into_inner().unwrap();
            assert!(done.losses + done.carried <= losses.len() as u64);
            self.assert_closed();
        }
        fs::remove_dir_all(sets).unwrap();
        losses
    }

    fn assert_closed(&self) {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert!(names == ["outside", "sets", "to"], "{names:?}");
        assert_eq!(fs::read_to_string(self.0.path().join("outside")).unwrap(), "outside");
        let allowed = ["Store", "Store.lifeboat-partial", "lifeboat-restore.partial"];
        for entry in fs::read_dir(self.to()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(allowed.iter().any(|a| name == *a), "{} is no part of the set", name.display());
        }
    }

    fn store(&self) -> std::path::PathBuf {
        self.to().join("Store.lifeboat-partial")
    }
}

fn named(losses: &[Loss], path: &str) -> bool {
    losses.iter().any(|l| l.path == path && l.kind != LossKind::Fact)
}

#[test]
fn members_do_not_climb_out_by_the_manifest() {
    let mut set = HostileSet::new("C", "Store");
    for path in CLIMBERS {
        set.file(path, b"evil");
    }
    // Exact bytes that say something else than the readable path.
    let raw = lifeboat::set::format::manifest::to_base64(b"C/Store/../../raw up");
    set.file_with("C/Store/innocent", b"evil", &json!({ "raw_path": raw }));
    set.file("C/Store/good", b"good");
    let jail = Jail::new();
    let losses = jail.take(&set);
    for path in CLIMBERS.iter().filter(|p| !["C", "C/"].contains(p)) {
        assert!(named(&losses, path), "{path:?}: {losses:#?}");
    }
    assert_eq!(fs::read_to_string(jail.store().join("good")).unwrap(), "good");
}

#[test]
fn members_do_not_climb_out_by_the_tar() {
    let mut set = HostileSet::new("C", "Store");
    set.with_manifest = false;
    for path in CLIMBERS {
        set.file(path, b"evil");
    }
    set.file("C/Store/good", b"good");
    let jail = Jail::new();
    jail.take(&set);
    assert_eq!(fs::read_to_string(jail.store().join("good")).unwrap(), "good");
}

#[test]
fn names_that_windows_reads_as_something_else_stay_names() {
    let mut set = HostileSet::new("C", "Store");
    let names = ["a\\..\\..\\up", "C:", "x:stream", "NUL", "CON.txt", "a.", "a ", "\\\\.\\C:"];
    for name in names {
        set.file(&format!("C/Store/{name}"), b"odd");
    }
    let jail = Jail::new();
    let losses = jail.take(&set);
    for name in names {
        let there = fs::read_to_string(jail.store().join(name));
        assert!(there.is_ok_and(|t| t == "odd") || named(&losses, &format!("C/Store/{name}")));
    }
}

#[test]
fn links_are_no_stepping_stones() {
    need!("fuse");
    let volume = ntfs_mount::Mounted::fresh(16);
    let outside = volume.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let to = volume.path().join("to");
    fs::create_dir(&to).unwrap();
    let mut set = HostileSet::new("C", "Store");
    // A folder that is a junction to what is outside, and files through it; a
    // file that is a symbolic link, and data for it; links to what is outside.
    let reparse = |tag: u32| {
        let target: Vec<u8> =
            "\\??\\C:\\outside".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(target.len()).unwrap();
        let mut buffer = Vec::new();
        for field in [0, length, length + 2, 0] {
            buffer.extend(field.to_le_bytes());
        }
        buffer.extend(&target);
        buffer.extend([0; 4]);
        let mut data = tag.to_le_bytes().to_vec();
        data.extend(u16::try_from(buffer.len()).unwrap().to_le_bytes());
        data.extend([0, 0]);
        data.extend(buffer);
        json!({ "reparse": lifeboat::set::format::manifest::to_base64(&data) })
    };
    set.folder_with("C/Store/junction", &reparse(0xA000_0003));
    set.file("C/Store/junction/through", b"evil");
    set.file("C/Store/junction/secret", b"evil");
    set.file_with("C/Store/symlink", b"", &reparse(0xA000_000C));
    set.file("C/Store/symlink/below", b"evil");
    set.link("C/Store/hard 1", "C/../outside/secret");
    set.link("C/Store/hard 2", "C/Store/junction/secret");
    set.link("C/Store/hard 3", "outside/secret");
    let sets = tempfile::tempdir().unwrap();
    let name = set.write(sets.path());
    let target = Arc::new(DirectoryDestination::open(sets.path(), Missing::Fail).unwrap());
    let set = SetReader::open(target, &name).unwrap();
    let drives = [("C".to_owned(), to.clone())].into_iter().collect();
    let destination = Destinations::Drives(drives);
    for replace in [false, true, true] {
        let seen = Collect::default();
        restore(&set, &destination, Options { replace, ..Options::default() }, &seen).unwrap();
        let names: Vec<_> =
            fs::read_dir(&outside).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
        assert_eq!(fs::metadata(outside.join("secret")).unwrap().nlink(), 1);
    }
}

#[test]
fn names_that_collide_by_case_are_both_kept_or_named() {
    let mut set = HostileSet::new("C", "Store");
    for (name, bytes) in [("Name", "one"), ("NAME", "two"), ("name", "three")] {
        set.file(&format!("C/Store/{name}"), bytes.as_bytes());
    }
    set.file("C/STORE/x", b"a folder of the same name");
    set.file("C/Store/Name/below", b"a file for a folder");
    let jail = Jail::new();
    let losses = jail.take(&set);
    for (name, bytes) in [("Name", "one"), ("NAME", "two"), ("name", "three")] {
        let path = format!("C/Store/{name}");
        let there = fs::read_to_string(jail.store().join(name)).is_ok_and(|t| t == bytes);
        assert!(there || named(&losses, &path), "{name}: {losses:?}");
    }
    assert!(named(&losses, "C/Store/Name/below"), "{losses:?}");
}

#[test]
fn sizes_that_lie_are_found_out() {
    let mut set = HostileSet::new("C", "Store");
    for (number, size) in [0, 3, 5, 600, 1 << 20, 1 << 40, u64::MAX].into_iter().enumerate() {
        let path = format!("C/Store/{number}");
        set.file_with(&path, b"true", &json!({}));
        set.claim(&path, |data| data["size"] = json!(size));
    }
    for (number, (frame, offset)) in
        [(0, u64::MAX), (u64::MAX, 0), (1, 0), (0, 1 << 40), (7, 3)].into_iter().enumerate()
    {
        let path = format!("C/Store/at {number}");
        set.file_with(&path, b"true", &json!({}));
        set.claim(&path, |data| data["at"] = json!({"frame": frame, "offset": offset}));
    }
    set.file("C/Store/last", b"last");
    let jail = Jail::new();
    let losses = jail.take(&set);
    for path in (0..7).map(|n| n.to_string()).chain((0..5).map(|n| format!("at {n}"))) {
        let path = format!("C/Store/{path}");
        assert!(named(&losses, &path), "{path}: {losses:#?}");
    }
    assert_eq!(fs::read_to_string(jail.store().join("last")).unwrap(), "last");
    let space: u64 = walkdir::WalkDir::new(jail.to())
        .into_iter()
        .map(|e| e.unwrap().metadata().unwrap().blocks() * 512)
        .sum();
    assert!(space < 64 << 20, "{space} bytes were written for a few");
}

/// The manifest says one thing, the tar another: what is restored is what the
/// manifest's hash says, or it is named.
#[test]
fn a_manifest_that_disagrees_with_the_tar_is_named() {
    let mut set = HostileSet::new("C", "Store");
    set.file("C/Store/a", b"bytes of a");
    set.file("C/Store/b", b"bytes of b");
    let of_b = set.data_of("C/Store/b");
    set.claim("C/Store/a", |data| data["at"] = of_b["at"].clone());
    set.file("C/Store/c", b"bytes of c");
    set.claim("C/Store/c", |data| data["sha256"] = json!("00".repeat(32)));
    set.file("C/Store/d", b"bytes of d");
    set.claim("C/Store/d", |data| data["sha256"] = json!("not hex"));
    let jail = Jail::new();
    let losses = jail.take(&set);
    for name in ["a", "c", "d"] {
        assert!(named(&losses, &format!("C/Store/{name}")), "{name}: {losses:?}");
    }
    assert_eq!(fs::read_to_string(jail.store().join("b")).unwrap(), "bytes of b");
}

/// Runs the program with little memory; fails when it needs more, or for ever.
fn within_bounds(set: &HostileSet, what: &str) {
    let jail = Jail::new();
    let sets = jail.0.path().join("sets");
    let name = set.write(&sets);
    let to = format!("C={}", jail.to().display());
    let mut command = Command::new(support::program::path());
    let set = sets.join(&name);
    command.args(["restore", set.to_str().unwrap(), "--to", &to, "-q"]);
    let mut shell = Command::new("timeout");
    shell.args(["60", "sh", "-c", "ulimit -v 1500000; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    let output = shell.output().unwrap();
    let code = output.status.code().unwrap_or(-1);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!([0, 1, 3].contains(&code), "{what}: {code}: {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("memory allocation"), "{what}");
    jail.assert_closed();
}

#[test]
fn bombs_and_endless_headers_stay_within_bounds() {
    // A frame of zeros that is small on disk: within the limit, beyond it, and
    // one that says less than it is.
    for (plain, claims) in [(60 << 20, 60 << 20), (200 << 20, 200 << 20), (200 << 20, 4096u64)] {
        let mut set = HostileSet::new("C", "Store");
        set.file("C/Store/a", b"a");
        set.pad_frame(plain);
        set.table = FrameTable::Says(u32::try_from(claims).unwrap());
        within_bounds(&set, &format!("a frame of {plain} that says {claims}"));
    }
    // A seek table with a billion frames.
    let mut set = HostileSet::new("C", "Store");
    set.file("C/Store/a", b"a");
    set.table = FrameTable::Count(1_000_000_000);
    within_bounds(&set, "a table of a billion frames");
    // PAX headers: one that says it is huge, and a chain of many.
    for (count, claims) in [(1, Some("77777777777")), (50_000, None)] {
        let mut set = HostileSet::new("C", "Store");
        set.with_manifest = false;
        for _ in 0..count {
            set.pax(&[("path", b"C/Store/x")], claims);
        }
        set.file("C/Store/a", b"a");
        within_bounds(&set, &format!("{count} PAX headers"));
    }
    // A record that says it is longer than there is, and one without end.
    for record in ["99999999999 path=x\n", "5", "0 path=x\n", "18446744073709551615 a=b\n"] {
        let mut set = HostileSet::new("C", "Store");
        set.with_manifest = false;
        set.raw_pax(record.as_bytes());
        set.file("C/Store/a", b"a");
        within_bounds(&set, record);
    }
    // A line of the manifest without end.
    let mut set = HostileSet::new("C", "Store");
    set.file("C/Store/a", b"a");
    set.manifest_tail = vec![b'{'; 300 << 20];
    within_bounds(&set, "a line of 300 MiB");
    // Facts without end.
    let mut set = HostileSet::new("C", "Store");
    let big = "A".repeat(8 << 20);
    set.file_with("C/Store/a", b"a", &json!({"security": big, "reparse": big}));
    within_bounds(&set, "facts of 8 MiB");
}

/// What is forged.
type Forge<'a> = &'a dyn Fn(&mut HostileSet);

/// The most memory that a command took for a set, in bytes.
fn peak(set: &Path, command: &[&str], to: &Path) -> u64 {
    let mut child = Command::new(support::program::path())
        .arg(command[0])
        .arg(set)
        .args(&command[1..])
        .current_dir(to)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) << 10);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 1 | 3)), "{command:?}: {code:?}");
    peak
}

#[test]
fn no_line_of_a_forged_set_costs_more_than_the_memory_that_is_promised() {
    let most = 15 << 20; // bytes of a line, below the limit
    let many = |what: &serde_json::Value| vec![what.clone(); most / what.to_string().len()];
    let stream = json!({"name": "s", "size": 0, "sha256": ""});
    let hole = json!({"offset": 0, "length": 0, "reason": ""});
    let loss = json!({"kind": "", "detail": ""});
    let deep = "C/Store/".to_owned() + &"a/".repeat(most / 2) + "a";
    let sets: [(&str, Forge<'_>); 4] = [
        ("streams", &|set| {
            set.file_with("C/Store/a", b"a", &json!({"streams": many(&stream)}));
        }),
        ("holes", &|set| {
            set.file("C/Store/a", b"a");
            set.claim("C/Store/a", |data| data["holes"] = many(&hole).into());
        }),
        ("losses", &|set| set.file_with("C/Store/a", b"a", &json!({"losses": many(&loss)}))),
        ("depth", &|set| set.file_with(&deep, b"a", &json!({}))),
    ];
    for (what, forge) in sets {
        let jail = Jail::new();
        let sets = jail.0.path().join("sets");
        let mut set = HostileSet::new("C", "Store");
        forge(&mut set);
        let set = sets.join(set.write(&sets));
        for command in
            [&["verify", "--level", "full"][..], &["list", "-q"], &["extract", "--to", "x", "-q"]]
        {
            let peak = peak(&set, command, &jail.to());
            assert!(peak < 256 << 20, "{what}: {command:?}: {} MiB", peak >> 20);
        }
    }
}

#[test]
fn a_part_does_not_lead_out() {
    for (drive, path) in [("..", "x"), ("C", "../../x"), ("C", "/etc"), ("a/b", "x"), ("C", "a//b")]
    {
        let mut set = HostileSet::new(drive, path);
        set.file(&format!("{drive}/{path}/evil"), b"evil");
        let jail = Jail::new();
        let sets = jail.0.path().join("sets");
        let name = set.write(&sets);
        let target = Arc::new(DirectoryDestination::open(&sets, Missing::Fail).unwrap());
        let Ok(set) = SetReader::open(target, &name) else { continue };
        let under = Destinations::Staged(Box::new(Destinations::Under(jail.to())));
        for to in [jail.destination(), under] {
            let _ = restore(&set, &to, Options::default(), &Collect::default());
        }
        assert!(!Path::new("/etc/evil").exists());
        for entry in walkdir::WalkDir::new(jail.0.path()) {
            let entry = entry.unwrap();
            let is_set = entry.path().starts_with(&sets);
            let is_inside = entry.path().starts_with(jail.to());
            assert!(is_set || is_inside || entry.depth() < 2, "{drive} {path}: {entry:?}");
        }
    }
}
