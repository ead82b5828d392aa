//! A user's files of a set, put into the profile of another account.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use lifeboat_maker::hive;
use support::need;
use support::ntfs_mount::Mounted;
use support::ntfs3g::Image;
use support::program::{Guarded, Run, lifeboat};

const OLD: &str = "S-1-5-21-1085031214-1563985344-725345543-1104";
const NEW: &str = "S-1-12-1-11-22-33-44";

fn sid(text: &str) -> Vec<u8> {
    let numbers: Vec<u32> = text.split('-').skip(3).map(|n| n.parse().unwrap()).collect();
    let authority: u8 = text.split('-').nth(2).unwrap().parse().unwrap();
    let mut bytes = vec![1, u8::try_from(numbers.len()).unwrap(), 0, 0, 0, 0, 0, authority];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// Full control for an account, for the folder and all below.
fn entry(account: &str, flags: u8) -> Vec<u8> {
    let sid = sid(account);
    let size = u16::try_from(8 + sid.len()).unwrap().to_le_bytes();
    let mut entry = vec![0, flags, size[0], size[1], 0xFF, 0x01, 0x1F, 0x00];
    entry.extend(sid);
    entry
}

fn list(entries: &[Vec<u8>]) -> Vec<u8> {
    let body = entries.concat();
    let size = u16::try_from(8 + body.len()).unwrap().to_le_bytes();
    let count = u8::try_from(entries.len()).unwrap();
    [&[2, 0, size[0], size[1], count, 0, 0, 0][..], &body].concat()
}

/// As Windows makes a profile: protected, SYSTEM, Administrators and the user.
fn rights_of_profile(user: &str) -> Vec<u8> {
    let dacl = list(&[entry("S-1-5-18", 3), entry("S-1-5-32-544", 3), entry(user, 3)]);
    let system = sid("S-1-5-18");
    let mut bytes = vec![1, 0, 0x04, 0x94];
    let at = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    bytes.extend(at(20));
    bytes.extend(at(20 + system.len()));
    bytes.extend([0; 4]);
    bytes.extend(at(20 + 2 * system.len()));
    bytes.extend([system.clone(), system, dacl].concat());
    bytes
}

/// Owner, and the entries of the DACL.
fn rights(path: &Path) -> (Vec<u8>, Vec<Vec<u8>>) {
    let bytes = xattr::get(path, "system.ntfs_acl").unwrap().unwrap();
    let at =
        |field: usize| u32::from_le_bytes(bytes[field..field + 4].try_into().unwrap()) as usize;
    let owner = &bytes[at(4)..];
    let owner = owner[..8 + 4 * usize::from(owner[1])].to_vec();
    let dacl = &bytes[at(16)..];
    let count = u16::from_le_bytes([dacl[4], dacl[5]]);
    let mut rest = &dacl[8..];
    let entries = (0..count).map(|_| {
        let (one, more) = rest.split_at(usize::from(u16::from_le_bytes([rest[2], rest[3]])));
        rest = more;
        one.to_vec()
    });
    (owner, entries.collect())
}

/// A set of alice's files, and a fresh profile of another account.
struct Ready {
    volume: Mounted,
    scratch: tempfile::TempDir,
    set: PathBuf,
}

impl Ready {
    fn make() -> Self {
        let image = Guarded::fixture("users");
        let scratch = tempfile::tempdir().unwrap();
        let to = scratch.path().to_str().unwrap();
        let run = lifeboat(&["offload", image.arg(), "--of-user", "alice", "--to", to, "--json"]);
        let set = run.expect(0).events("set")[0]["set"].as_str().unwrap().into();
        let volume = Mounted::fresh(64);
        let profile = volume.path().join("Users/anna");
        fs::create_dir_all(&profile).unwrap();
        xattr::set(&profile, "system.ntfs_acl", &rights_of_profile(NEW)).unwrap();
        Self { volume, scratch, set }
    }

    fn profile(&self) -> PathBuf {
        self.volume.path().join("Users/anna")
    }

    fn restore(&self, more: &[&str]) -> Run {
        let profile = self.profile();
        let mut args = vec!["restore", self.set.to_str().unwrap(), "--of-user", "alice", "--into"];
        args.push(profile.to_str().unwrap());
        args.extend(more);
        args.push("--json");
        lifeboat(&args)
    }
}

/// Path below the profile to SHA-256, of all that must come.
fn truth() -> BTreeMap<String, String> {
    let users = lifeboat_maker::fixtures::by_name("users").unwrap();
    let mut wanted = BTreeMap::new();
    for (partition, from, to) in
        [(0, "Users/alice/", ""), (1, "Data/alice/Documents/", "Documents/")]
    {
        for file in users.files(partition) {
            let path = file.path.to_string();
            let Some(below) = path.strip_prefix(from) else { continue };
            let is_out = ["/Temp/", "/Cache/", "thumbcache", "Only in the cloud", "NTUSER.DAT"];
            if !file.is_dir && !is_out.iter().any(|out| path.contains(out)) {
                wanted.insert(format!("{to}{below}"), file.sha256);
            }
        }
    }
    wanted
}

#[test]
fn the_files_come_to_another_account_with_its_rights() {
    need!("fuse");
    let ready = Ready::make();
    ready.restore(&[]).expect(0);
    let wanted = truth();
    assert!(wanted.len() > 30);
    for (path, sha256) in &wanted {
        let at = ready.profile().join(path);
        assert_eq!(support::program::sha256_of(&at), *sha256, "{path}");
        let (owner, entries) = rights(&at);
        assert_eq!(owner, sid(NEW), "{path}");
        // Other folders of the fixture have rights of their own.
        let is_plain = ["Documents/", "Desktop/", "Pictures/"].iter().any(|f| path.starts_with(f));
        if !is_plain || path.contains("nine levels") {
            continue;
        }
        let inherited = ["S-1-5-18", "S-1-5-32-544", NEW].map(|account| entry(account, 0x10));
        assert_eq!(entries, inherited, "{path}");
    }
    let folder = rights(&ready.profile().join("Documents/Archive"));
    assert_eq!(folder.1[2], entry(NEW, 0x13), "what is made there later inherits, too");
    // The registry of the new account stays its own, the old links lead nowhere.
    for gone in ["NTUSER.DAT", "My Documents", "AppData/Local/Application Data"] {
        assert!(fs::symlink_metadata(ready.profile().join(gone)).is_err(), "{gone}");
    }
    assert!(!ready.profile().join("OneDrive/Only in the cloud 1.docx").exists());
}

#[test]
fn what_is_there_stays_and_is_named() {
    need!("fuse");
    let ready = Ready::make();
    let own = ready.profile().join("Documents");
    fs::create_dir(&own).unwrap();
    xattr::set(&own, "system.ntfs_acl", &rights_of_profile("S-1-5-32-545")).unwrap();
    fs::write(own.join("notes.txt"), "hers").unwrap();
    fs::create_dir(own.join("todo.txt")).unwrap();
    let run = ready.restore(&[]).expect(3);
    let lost = run.events("loss");
    let mut paths: Vec<&str> = lost.iter().map(|loss| loss["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["profile/Documents/notes.txt", "profile/Documents/todo.txt"]);
    assert_eq!(fs::read(own.join("notes.txt")).unwrap(), b"hers");
    // The folder keeps its rights, and what comes into it inherits them.
    assert_eq!(rights(&own).1.len(), 3);
    assert_eq!(rights(&own.join("tax.pdf")).1[2], entry("S-1-5-32-545", 0x10));

    let run = ready.restore(&["--replace"]).expect(3);
    let lost = run.events("loss");
    assert_eq!(lost.len(), 1, "a folder in place of a file stays: {lost:?}");
    let wanted = truth();
    assert_eq!(support::program::sha256_of(&own.join("notes.txt")), wanted["Documents/notes.txt"]);
    let restored = &run.events("restored")[0];
    assert_eq!(restored["files"], 1, "the others were there: {restored}");
}

#[test]
fn a_second_run_changes_nothing_and_ends_well() {
    need!("fuse");
    let ready = Ready::make();
    ready.restore(&[]).expect(0);
    // What a run leaves that was cut off in the middle of a file.
    let partial = ready.profile().join("Documents/tax.pdf.lifeboat-partial");
    fs::write(&partial, "half").unwrap();
    fs::remove_file(ready.profile().join("Documents/tax.pdf")).unwrap();
    let run = ready.restore(&[]).expect(0);
    let restored = &run.events("restored")[0];
    assert_eq!((restored["files"].as_u64(), restored["losses"].as_u64()), (Some(1), Some(0)));
    assert!(!partial.exists());
    let tax = ready.profile().join("Documents/tax.pdf");
    assert_eq!(support::program::sha256_of(&tax), truth()["Documents/tax.pdf"]);
    let left: Vec<_> = walk(&ready.profile()).filter(|p| p.contains("lifeboat")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn walk(root: &Path) -> impl Iterator<Item = String> {
    let entries = walkdir::WalkDir::new(root).into_iter();
    entries.map(|entry| entry.unwrap().path().display().to_string())
}

#[test]
fn the_account_is_asked_for_where_the_folder_does_not_show_it() {
    need!("fuse");
    let ready = Ready::make();
    let shared = rights_of_profile("S-1-5-32-545");
    xattr::set(ready.profile(), "system.ntfs_acl", &shared).unwrap();
    let run = ready.restore(&[]).expect(2);
    let error = &run.events("error")[0];
    assert!(error["action"].as_str().unwrap().contains("--as SID"), "{error}");
    assert_eq!(walk(&ready.profile()).count(), 1, "nothing was written");
    ready.restore(&["--as", "bob"]).expect(2); // only Windows knows names
    ready.restore(&["--as", "S-1-5-21-9-9-9-1000"]).expect(0);
    let (owner, _) = rights(&ready.profile().join("Documents/tax.pdf"));
    assert_eq!(owner, sid("S-1-5-21-9-9-9-1000"));
}

#[test]
fn a_wrong_user_or_folder_is_named_before_anything_is_written() {
    need!("fuse");
    let ready = Ready::make();
    let set = ready.set.to_str().unwrap();
    let missing = ready.scratch.path().join("nobody");
    let missing = missing.to_str().unwrap();
    let run = lifeboat(&["restore", set, "--of-user", "alice", "--into", missing, "--json"]);
    let error = run.expect(1).events("error")[0].clone();
    assert!(error["action"].as_str().unwrap().contains("Log on once"), "{error}");
    let profile = ready.profile();
    let profile = profile.to_str().unwrap();
    let run =
        lifeboat(&["restore", set, "--of-user", "zoe", "--into", profile, "--json"]).expect(4);
    assert_eq!(run.events("error")[0]["action"], "Users in it: alice.");
    lifeboat(&["restore", set, "--of-user", "alice", "--json"]).expect(2);
    lifeboat(&["restore", set, "--into", profile, "--json"]).expect(2);
}

/// In a plain store the old account is not recorded: the owner of most files is it.
#[test]
fn a_store_gives_a_users_files_too() {
    need!("fuse");
    let image = Guarded::fixture("hardlink-one");
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    let volume = Mounted::fresh(32);
    let profile = volume.path().join("anna");
    fs::create_dir(&profile).unwrap();
    xattr::set(&profile, "system.ntfs_acl", &rights_of_profile(NEW)).unwrap();
    let at = profile.to_str().unwrap();
    let run = lifeboat(&["restore", &set, "--of-user", "alice", "--into", at]).expect(0);
    assert!(run.stdout.contains(&format!("Permissions of {OLD} go to {NEW}")), "{}", run.stdout);
    let (owner, entries) = rights(&profile.join("Documents/notes.txt"));
    assert_eq!((owner, entries.len()), (sid(NEW), 3));
    // Two names of one file stay two names.
    let (one, other) = ("Documents/notes.txt", "Desktop/notes (same file).txt");
    let number = |name: &str| fs::metadata(profile.join(name)).unwrap().ino();
    assert_eq!(number(one), number(other));
    lifeboat(&["restore", &set, "--of-user", "alice", "--into", at]).expect(0);
}

#[test]
fn a_file_system_without_rights_gets_the_files() {
    let image = Guarded::fixture("users");
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().join("sets");
    let run = lifeboat(&[
        "offload",
        image.arg(),
        "--of-user",
        "frank",
        "--to",
        to.to_str().unwrap(),
        "--json",
    ]);
    let set = run.expect(0).events("set")[0]["set"].as_str().unwrap().to_owned();
    let profile = scratch.path().join("frank");
    fs::create_dir(&profile).unwrap();
    let run =
        lifeboat(&["restore", &set, "--of-user", "frank", "--into", profile.to_str().unwrap()]);
    assert!(run.stderr.contains("the folder's file system has none"), "{}", run.stderr);
    assert!(profile.join("Desktop/song.mp3").exists());
}

/// Deleted files are restored only when asked, and never as the user's own.
#[test]
fn recovered_files_stay_in_the_set() {
    need!("fuse");
    let ready = Ready::make();
    ready.restore(&["--deleted"]).expect(2);
    let image = Guarded::fixture("leftovers"); // its wipe deleted two files of the store
    let to = ready.scratch.path().join("recovered");
    let args = ["offload", image.arg(), "--deleted", "--to", to.to_str().unwrap(), "--json"];
    let run = lifeboat(&args).expect(3);
    let is_hurt = |set: &&serde_json::Value| set["totals"]["recovered"]["files"].as_u64() > Some(0);
    let set = run.events("set").into_iter().find(|set| is_hurt(&set)).unwrap();
    let set = set["set"].as_str().unwrap().to_owned();
    let users = lifeboat(&["list", &set]).expect(0).stdout;
    let user = users.lines().find_map(|line| line.split_once("C$/Users/")).unwrap().1;
    let user = user.split('/').next().unwrap();
    let profile = ready.profile();
    let into = profile.to_str().unwrap();
    let run = lifeboat(&["restore", &set, "--of-user", user, "--into", into]).expect(3);
    assert!(run.stdout.contains("in the set: restore --deleted"), "{}", run.stdout);
    assert!(walk(&profile).all(|path| !path.contains("(recovered)")));
}

/// A file that is damaged in the set takes no name and no place of a whole one.
#[test]
fn a_damaged_file_replaces_nothing() {
    need!("fuse");
    let ready = Ready::make();
    let store = ready.set.join("store.tar.zst");
    let mut bytes = fs::read(&store).unwrap();
    // Frames of a small set: the middle of it is data.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x55);
    fs::write(&store, bytes).unwrap();
    let own = ready.profile().join("Documents");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("tax.pdf"), "newer").unwrap();
    let run = ready.restore(&["--replace"]).expect(3);
    let tax = truth()["Documents/tax.pdf"].clone();
    let now = fs::read(own.join("tax.pdf")).unwrap();
    let is_whole = support::program::sha256_of(&own.join("tax.pdf")) == tax;
    assert!(now == b"newer" || is_whole, "{} bytes", now.len());
    let damaged = walk(&ready.profile()).filter(|path| path.ends_with(".damaged")).count();
    assert!(damaged > 0, "{}", run.stdout);
    // Whatever has its own name is whole.
    for (path, sha256) in truth() {
        let at = ready.profile().join(&path);
        if at.exists() && path != "Documents/tax.pdf" {
            assert_eq!(support::program::sha256_of(&at), sha256, "{path}");
        }
    }
}

/// What is left of a folder in the profile is older than the folder that the user keeps elsewhere.
#[test]
fn an_old_copy_of_a_file_that_is_elsewhere_goes_beside_it() {
    need!("fuse");
    let make = |files: &[(&str, &[u8])]| {
        let image = Image::make(16 << 20, &[]);
        image.fill("rw", |root| {
            for (path, bytes) in files {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), bytes).unwrap();
            }
        });
        image
    };
    let list = hive::software_with_users(&[(OLD, r"C:\Users\alice")]).unwrap();
    let own = hive::user_with_folders(&[("Personal", r"D:\Docs")]).unwrap();
    let windows = make(&[
        ("Windows/System32/config/SOFTWARE", &list),
        ("Users/alice/NTUSER.DAT", &own),
        ("Users/alice/Documents/both.txt", b"an older one"),
        ("Users/alice/Documents/notes.txt", b"only here"),
    ]);
    let data =
        make(&[("Docs/both.txt", b"the current one"), ("Docs/on the other disk.docx", b"x")]);
    let (windows, data) = (windows.path(), data.path());
    let images = [windows.to_str().unwrap(), data.to_str().unwrap()];
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().join("sets");
    let args = ["offload", images[0], images[1], "--of-user", "alice", "--json", "--to"];
    let run = lifeboat(&[&args[..], &[to.to_str().unwrap()]].concat()).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    let profile = scratch.path().join("alice");
    fs::create_dir(&profile).unwrap();
    let into = ["restore", &set, "--of-user", "alice", "--into", profile.to_str().unwrap()];
    lifeboat(&into).expect(3);
    let documents = profile.join("Documents");
    assert!(documents.join("on the other disk.docx").exists(), "the current one");
    assert!(documents.join("notes.txt").exists(), "what only the profile had");
    let read = |name: &str| fs::read(documents.join(name)).unwrap();
    assert_eq!(read("both.txt"), b"the current one");
    assert_eq!(read("both (in the old profile).txt"), b"an older one");
}

#[test]
fn only_a_person_gets_the_files_and_only_into_a_profile() {
    let image = Guarded::fixture("users");
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().join("sets");
    let args = ["offload", image.arg(), "--of-user", "frank", "--json", "--to"];
    let run = lifeboat(&[&args[..], &[to.to_str().unwrap()]].concat()).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    let folder = scratch.path().join("frank");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    for account in ["S-1-1-0", "S-1-5-18", "S-1-5-21-1", "S-1-x", ""] {
        let args = ["restore", &set, "--of-user", "frank", "--into", folder, "--as", account];
        lifeboat(&args).expect(2);
    }
    let run = lifeboat(&["restore", &set, "--of-user", "frank", "--to", folder]).expect(2);
    assert!(run.stderr.contains("--into is missing"), "{}", run.stderr);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

/// Windows does not tell names apart by letter case; a mount on Linux does.
#[test]
fn a_folder_in_other_letter_case_is_the_same_on_ntfs() {
    need!("fuse");
    let ready = Ready::make();
    let own = ready.profile().join("documents");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("NOTES.TXT"), "hers").unwrap();
    let run = ready.restore(&[]).expect(3);
    assert!(!ready.profile().join("Documents").exists(), "no second folder");
    assert_eq!(fs::read(own.join("NOTES.TXT")).unwrap(), b"hers");
    assert!(!own.join("notes.txt").exists() && own.join("tax.pdf").exists());
    assert_eq!(run.events("loss").len(), 1, "{}", run.stdout);
}
