//! Offline Windows installations and their users, on a real disk and in trees
//! that show what the field does to them.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::Arc;

use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::profiles::{Contents, Installation, Profile, ProfileKind, SidFrom, find};
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use lifeboat::tree::source::Source;
use lifeboat::usmt::StoreVolume;
use regf::{DataType, HiveBuilder};

fn volumes_of(image: &Path) -> Vec<StoreVolume> {
    let source = Source::open(image.to_str().unwrap(), None, &Silent).unwrap();
    source.volumes.iter().filter_map(StoreVolume::of).collect()
}

fn in_memory(trees: Vec<MemoryTree>) -> Vec<StoreVolume> {
    let volume = |(number, tree): (usize, MemoryTree)| StoreVolume {
        tree: Arc::new(tree),
        display: format!("volume {number}"),
        present_letter: None,
        attached: false,
        disk: "disk".to_owned(),
        is_lost: false,
    };
    trees.into_iter().enumerate().map(volume).collect()
}

fn put(tree: &mut MemoryTree, path: &str, bytes: impl Into<Arc<[u8]>>) {
    tree.file(path, MemoryData::new(bytes));
}

fn wide(text: &str) -> Vec<u8> {
    format!("{text}\0").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A SOFTWARE hive with these keys and paths in its list.
fn software(root: &str, users: &[(&str, &str)]) -> Vec<u8> {
    let mut hive = HiveBuilder::new().unwrap();
    let mut key = hive.root_offset();
    for name in ["Microsoft", "Windows NT", "CurrentVersion"] {
        key = hive.add_key(key, name).unwrap();
    }
    hive.add_value(key, "SystemRoot", DataType::String, &wide(root)).unwrap();
    let list = hive.add_key(key, "ProfileList").unwrap();
    for (sid, path) in users {
        let user = hive.add_key(list, sid).unwrap();
        hive.add_value(user, "ProfileImagePath", DataType::ExpandString, &wide(path)).unwrap();
    }
    hive.to_bytes().unwrap()
}

const SOFTWARE: &str = "Windows/System32/config/SOFTWARE";
const ALICE: &str = "S-1-5-21-1-2-3-1001";

fn user<'a>(found: &'a [Installation], name: &str) -> &'a Profile {
    let mut users = found.iter().flat_map(|one| &one.profiles).filter(|user| user.name == name);
    let user = users.next().unwrap_or_else(|| panic!("{name} was not found"));
    assert!(users.next().is_none(), "{name} was found twice");
    user
}

fn names(one: &Installation) -> Vec<&str> {
    one.profiles.iter().map(|profile| profile.name.as_str()).collect()
}

#[test]
fn the_users_of_a_windows_are_found_wherever_their_folders_are() {
    let image = lifeboat_maker::fixture("users").unwrap();
    let volumes = volumes_of(&image);
    let found = find(&volumes, &Silent);
    let [now, old] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (now.path().as_str(), old.path().as_str()),
        (r"C:\Windows", r"C:\Windows.old\WINDOWS")
    );
    assert_eq!(now.computer.as_deref(), Some("PC-4711"));
    assert_eq!((now.unlisted, old.computer.as_deref()), (None, None));

    let alice = user(&found, "alice");
    let sid = "S-1-5-21-1085031214-1563985344-725345543-1104";
    assert_eq!(alice.sid.as_ref().unwrap().to_string(), sid);
    assert_eq!((alice.sid_from, alice.kind), (SidFrom::ProfileList, ProfileKind::Person));
    let elsewhere: Vec<_> = alice
        .redirected
        .iter()
        .map(|folder| (folder.name, folder.path.as_str(), folder.place.as_ref().map(|p| p.volume)))
        .collect();
    assert_eq!(
        elsewhere,
        [
            ("Documents", r"D:\Data\alice\Documents", Some(1)),
            ("Pictures", r"\\server\home\alice\Pictures", None)
        ]
    );
    let bob = user(&found, "bob");
    assert_eq!(bob.place.as_ref().unwrap().volume, 1);
    assert_eq!((bob.path.as_str(), bob.has_registry), (r"D:\Users\bob", true));
    assert!(user(&found, "dora").place.is_none(), "her folder is gone");
    assert_eq!(user(&found, "erin.CONTOSO").sid_from, SidFrom::ProfileList, "by its .bak key");
    // The list does not have him; the rights on his folder do.
    let frank = user(&found, "frank");
    assert_eq!(frank.sid_from, SidFrom::Rights);
    assert!(frank.sid.as_ref().unwrap().to_string().ends_with("-1110"));
    assert_eq!(user(&found, "MSSQLSERVER").kind, ProfileKind::Service);
    assert_eq!(user(&found, "Public").kind, ProfileKind::Shared);
    let carol = user(&found, "carol");
    assert_eq!(carol.path, r"C:\Users\carol");
    assert_eq!(carol.place.as_ref().unwrap().path, NtPath::from("Windows.old/Users/carol"));
    // The template of new profiles is no one's, nor is the system's own.
    assert_eq!(names(now).len(), 7);
    assert_eq!(names(old), ["carol"]);
}

#[test]
fn a_profile_is_counted_without_caches_and_apart_from_the_cloud() {
    let image = lifeboat_maker::fixture("users").unwrap();
    let volumes = volumes_of(&image);
    let found = find(&volumes, &Silent);
    let contents = Contents::of(user(&found, "alice"), &volumes, &Silent);
    assert_eq!((contents.cloud_files, contents.cloud_bytes), (3, 900_000));
    assert_eq!((contents.left_out_files, contents.left_out_bytes), (4, 7200));
    let truth = lifeboat_maker::fixtures::by_name("users").unwrap();
    let is_own = |path: &str| {
        path.starts_with("Users/alice/")
            && !path.contains("/Temp/")
            && !path.contains("Cache/")
            && !path.contains("thumbcache")
            && !path.contains("Only in the cloud")
    };
    let own: Vec<_> =
        truth.files(0).into_iter().filter(|f| !f.is_dir && is_own(&f.path.to_string())).collect();
    let other: Vec<_> = truth
        .files(1)
        .into_iter()
        .filter(|f| !f.is_dir && f.path.to_string().starts_with("Data/"))
        .collect();
    let sum = own.iter().chain(&other).map(|file| file.size).sum::<u64>();
    assert_eq!((contents.files, contents.bytes), ((own.len() + other.len()) as u64, sum));
    assert!(contents.newest.is_some());
}

#[test]
fn a_windows_that_a_wipe_took_leaves_its_users() {
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, "Users/alice/Documents/a.txt", *b"a");
    put(&mut tree, "Users/Default/NTUSER.DAT", *b"");
    put(&mut tree, "Users/desktop.ini", *b"");
    let found = find(&in_memory(vec![tree]), &Silent);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.windows.as_ref(), names(one)), (None, vec!["alice"]));
    assert_eq!(user(&found, "alice").sid, None);
    assert_eq!(one.unlisted, Some("its registry (SOFTWARE) is gone"));
}

#[test]
fn a_damaged_registry_is_named_and_costs_no_user() {
    let hive = software(r"C:\Windows", &[(ALICE, r"C:\Users\alice")]);
    for (bytes, why) in [
        (b"regf".repeat(2000), "its registry (SOFTWARE) is damaged"),
        (hive[..4096].to_vec(), "its registry (SOFTWARE) is damaged"),
        (vec![0; 8192], "its registry (SOFTWARE) is damaged"),
    ] {
        let mut tree = MemoryTree::new("Windows", 1);
        put(&mut tree, SOFTWARE, bytes);
        put(&mut tree, "Users/alice/a.txt", *b"a");
        let found = find(&in_memory(vec![tree]), &Silent);
        assert_eq!((found[0].unlisted, names(&found[0])), (Some(why), vec!["alice"]));
    }
}

/// What tools and years make of a `ProfileList`: other letters of drive and case, slashes, a
/// system drive that is not C:, a key twice, keys that are no SIDs, paths that lead elsewhere.
#[test]
fn a_list_is_read_as_windows_reads_it() {
    let users = [
        ("S-1-5-21-1-2-3-1001", r"%SYSTEMDRIVE%\users\Alice"),
        ("S-1-5-21-1-2-3-1002", "E:/Users/bob/"),
        ("S-1-5-21-1-2-3-1003.bak", r"E:\Users\carl"),
        ("S-1-5-21-1-2-3-1003", r"E:\Users\TEMP"),
        ("S-1-12-1-1-2-3-4", r"e:\Users\dan.AzureAD"),
        ("S-1-5-19", r"%systemroot%\ServiceProfiles\LocalService"),
        ("not a sid", r"E:\Users\eve"),
        ("S-1-5-21-1-2-3-1004", r"E:\Users\..\Windows"),
        ("S-1-5-21-1-2-3-1005", r"\\server\profiles\fay"),
    ];
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, SOFTWARE, software(r"E:\WINDOWS", &users));
    for name in ["Alice", "bob", "carl", "dan.AzureAD"] {
        put(&mut tree, &format!("Users/{name}/a.txt"), *b"a");
    }
    let found = find(&in_memory(vec![tree]), &Silent);
    assert_eq!(found[0].path(), r"E:\WINDOWS".replace("WINDOWS", "Windows"));
    assert_eq!(names(&found[0]), ["TEMP", "bob", "carl", "dan.AzureAD", "Alice"]);
    for name in ["Alice", "bob", "carl", "dan.AzureAD"] {
        let user = user(&found, name);
        assert!(user.place.is_some() && user.sid_from == SidFrom::ProfileList, "{name}");
    }
    assert!(user(&found, "TEMP").place.is_none());
    // What no Windows writes there may be a user whose entry is damaged.
    assert_eq!(found[0].unlisted, Some("an entry of its list of users cannot be read"));
}

#[test]
fn two_windows_keep_their_users_apart() {
    let make = |name: &str, sid: &str| {
        let mut tree = MemoryTree::new("Windows", u64::from(sid.as_bytes()[18]));
        put(&mut tree, SOFTWARE, software(r"C:\Windows", &[(sid, &format!(r"C:\Users\{name}"))]));
        put(&mut tree, &format!("Users/{name}/a.txt"), *b"a");
        tree
    };
    // Each has a D: in its registry; what is on the other's system drive is not it.
    let mut first = make("alice", "S-1-5-21-1-2-3-1001");
    put(&mut first, "Users/bob/b.txt", *b"b");
    let mut second = MemoryTree::new("Other", 7);
    put(
        &mut second,
        SOFTWARE,
        software(r"C:\Windows", &[("S-1-5-21-4-5-6-1001", r"D:\Users\bob")]),
    );
    let found = find(&in_memory(vec![first, second]), &Silent);
    assert_eq!(found.len(), 2);
    assert_eq!(names(&found[0]), ["alice", "bob"]);
    assert!(found[1].profiles[0].place.is_none(), "{:?}", found[1].profiles);
}

#[test]
fn folders_that_lead_back_do_not_hang_the_count() {
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, "Users/alice/a.txt", *b"a");
    let junction = tree.dir("Users/alice/Application Data");
    tree.reparse(junction, &[3, 0, 0, 0xA0, 0, 0, 0, 0]);
    let volumes = in_memory(vec![tree]);
    let found = find(&volumes, &Silent);
    let contents = Contents::of(user(&found, "alice"), &volumes, &Silent);
    assert_eq!((contents.files, contents.bytes), (1, 1));
}

/// OneDrive's backup of folders may name them by a variable of the user.
#[test]
fn a_folder_that_is_named_by_a_variable_of_the_user_is_found() {
    let mut hive = HiveBuilder::new().unwrap();
    let environment = hive.add_key(hive.root_offset(), "Environment").unwrap();
    let own = wide(r"C:\Users\alice\OneDrive");
    hive.add_value(environment, "OneDrive", DataType::ExpandString, &own).unwrap();
    let mut key = hive.root_offset();
    let names = "Software/Microsoft/Windows/CurrentVersion/Explorer/User Shell Folders";
    for name in names.split('/') {
        key = hive.add_key(key, name).unwrap();
    }
    let (inside, outside) = (wide(r"%onedrive%\Documents"), wide(r"%HOMESHARE%\Music"));
    hive.add_value(key, "Personal", DataType::ExpandString, &inside).unwrap();
    hive.add_value(key, "My Music", DataType::ExpandString, &outside).unwrap();
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, "Users/alice/OneDrive/Documents/a.txt", *b"a");
    put(&mut tree, "Users/alice/NTUSER.DAT", hive.to_bytes().unwrap());
    let found = find(&in_memory(vec![tree]), &Silent);
    let alice = user(&found, "alice");
    let elsewhere: Vec<_> = alice.redirected.iter().map(|folder| folder.name).collect();
    assert_eq!(elsewhere, ["Music"], "OneDrive is in the profile, HOMESHARE is not known");
}

/// What Lifeboat cannot follow, or cannot read, is said.
#[test]
fn junctions_and_a_damaged_registry_of_a_user_are_named() {
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, "Users/alice/a.txt", *b"a");
    put(&mut tree, "Users/alice/NTUSER.DAT", b"regf".repeat(2000));
    let own = tree.dir("Users/alice/Documents");
    tree.reparse(own, &[3, 0, 0, 0xA0, 0, 0, 0, 0]);
    let old = tree.dir("Users/alice/My Documents");
    tree.reparse(old, &[3, 0, 0, 0xA0, 0, 0, 0, 0]);
    tree.edit(old).node.attributes |= 0x2 | 0x4;
    let volumes = in_memory(vec![tree]);
    let found = find(&volumes, &Silent);
    let alice = user(&found, "alice");
    let links = Contents::of(alice, &volumes, &Silent).links;
    let links: Vec<_> = links.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(links, [r"C:\Users\alice\Documents"], "those that Windows makes lead inside");
    assert!(alice.has_registry && alice.is_registry_damaged);
}

/// Reparse data of a junction (MS-FSCC 2.1.2.5) to a path in Windows.
fn junction(to: &str) -> Vec<u8> {
    let name: Vec<u8> = format!(r"\??\{to}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = u16::try_from(name.len()).unwrap();
    let sizes = [0, length, length + 2, 0].map(u16::to_le_bytes).concat();
    let all = u16::try_from(8 + name.len() + 4).unwrap().to_le_bytes();
    [&[3, 0, 0, 0xA0, all[0], all[1], 0, 0][..], &sizes, &name, &[0; 4]].concat()
}

/// One bit of the list can make an entry of a service out of one of a person.
#[test]
fn a_person_is_never_taken_for_a_service() {
    let users = [
        ("S-1-5-18", r"C:\Users\alice"),
        (ALICE, r"C:\Users\alice"),
        ("S-1-5-80-1-2-3-4-5", r"C:\Users\bob"),
        ("S-1-5-21-1-2-3-1002", r"C:\Users\bob"),
        ("S-1-5-31-1-2-3-1003", r"D:\Homes\zoe"),
        ("S-1-5-20", r"C:\Users\carl"),
    ];
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, SOFTWARE, software(r"C:\Windows", &users));
    for name in ["alice", "bob", "carl"] {
        put(&mut tree, &format!("Users/{name}/a.txt"), *b"a");
    }
    let mut homes = MemoryTree::new("Data", 2);
    put(&mut homes, "Homes/zoe/a.txt", *b"a");
    let found = find(&in_memory(vec![tree, homes]), &Silent);
    for name in ["alice", "bob", "carl", "zoe"] {
        let user = user(&found, name);
        assert!(user.kind == ProfileKind::Person && user.place.is_some(), "{user:?}");
    }
    assert_eq!(user(&found, "alice").sid.as_ref().unwrap().to_string(), ALICE);
    assert!(found[0].unlisted.is_some(), "the entries of SYSTEM cannot be right");
}

/// The wipe took the registry; what it had of users elsewhere is not known.
#[test]
fn a_windows_without_its_registry_is_still_one() {
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, "Windows/System32/ntdll.dll", *b"MZ");
    put(&mut tree, "Users/alice/a.txt", *b"a");
    let found = find(&in_memory(vec![tree]), &Silent);
    assert_eq!(found[0].path(), r"C:\Windows");
    assert_eq!(found[0].unlisted, Some("its registry (SOFTWARE) is gone"));
    // Without users, it is nothing: a new image that was applied in part.
    let mut bare = MemoryTree::new("Windows", 1);
    put(&mut bare, "Windows/System32/ntdll.dll", *b"MZ");
    assert!(find(&in_memory(vec![bare]), &Silent).is_empty());
}

#[test]
fn junctions_lead_to_the_folder_or_are_named() {
    let users = [(ALICE, r"C:\Users\alice"), ("S-1-5-21-1-2-3-1002", r"C:\Users\zoe")];
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, SOFTWARE, software(r"C:\Windows", &users));
    put(&mut tree, "Users/alice/Documents/a.txt", *b"a");
    put(&mut tree, "Work/b.txt", *b"b");
    for (path, to) in [
        ("Users/zoe", r"D:\Users\zoe"),
        ("Users/fay", r"E:\fay"),
        // As a German Windows makes it.
        ("Users/alice/Eigene Dateien", r"C:\Users\alice\Documents"),
        ("Users/alice/Documents/Work", r"C:\Work"),
    ] {
        let node = tree.dir(path);
        tree.reparse(node, &junction(to));
    }
    let mut data = MemoryTree::new("Data", 2);
    put(&mut data, "Users/zoe/z.txt", *b"z");
    let volumes = in_memory(vec![tree, data]);
    let found = find(&volumes, &Silent);
    let zoe = user(&found, "zoe");
    assert_eq!(zoe.place.as_ref().map(|place| place.volume), Some(1));
    assert_eq!(zoe.leads_to.as_deref(), Some(r"D:\Users\zoe"));
    let fay = user(&found, "fay");
    assert!(fay.place.is_none() && fay.leads_to.as_deref() == Some(r"E:\fay"), "{fay:?}");
    let links = Contents::of(user(&found, "alice"), &volumes, &Silent).links;
    let work = (r"C:\Users\alice\Documents\Work".to_owned(), r"C:\Work".to_owned());
    assert_eq!(links, [work], "what leads into the profile is saved");
}

#[test]
fn folders_elsewhere_are_found_however_they_are_written() {
    let mut hive = HiveBuilder::new().unwrap();
    let mut key = hive.root_offset();
    let names = "Software/Microsoft/Windows/CurrentVersion/Explorer/User Shell Folders";
    for name in names.split('/') {
        key = hive.add_key(key, name).unwrap();
    }
    for (value, path) in [
        ("Personal", r"\\?\C:\Stuff"),
        ("My Music", r"%USERPROFILE%\..\..\Music"),
        ("My Video", ""),
    ] {
        hive.add_value(key, value, DataType::ExpandString, &wide(path)).unwrap();
    }
    let mut tree = MemoryTree::new("Windows", 1);
    put(&mut tree, "Users/alice/NTUSER.DAT", hive.to_bytes().unwrap());
    put(&mut tree, "Stuff/a.txt", *b"a");
    put(&mut tree, "Music/a.mp3", *b"a");
    let found = find(&in_memory(vec![tree]), &Silent);
    let alice = user(&found, "alice");
    let there: Vec<_> =
        alice.redirected.iter().map(|f| (f.name, f.path.as_str(), f.place.is_some())).collect();
    assert_eq!(there, [("Documents", r"C:\Stuff", true), ("Music", r"C:\Music", true)]);
    assert_eq!(alice.unknown_folders, ["Videos"]);
}
