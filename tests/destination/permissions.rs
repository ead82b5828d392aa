//! The permissions that docs/guide/configmgr.md advises, on a real smbd that keeps NT's: they
//! suffice, and with less it is said before anything is saved.
#![cfg(all(feature = "smb", target_os = "linux"))]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::need;
use support::program::{self, lifeboat};
use support::smbd::{Options, Smbd};

const EVERYONE: (u8, u32, &[u32]) = (0, 0x0012_00AF, &[1, 0]);
/// What else an entry says: for files and folders below, only for these.
const BELOW: u8 = 1 | 2;
const ONLY_BELOW: u8 = BELOW | 8;
/// Read, write and execute, without any kind of deletion.
const NO_DELETION: u32 = 0x0012_01BF;
const MODIFY: u32 = 0x0013_01BF;
const FULL: u32 = 0x001F_01FF;

/// An account: authority and the numbers below it.
fn sid((authority, numbers): (u8, &[u32])) -> Vec<u8> {
    let count = u8::try_from(numbers.len()).unwrap();
    let mut bytes = vec![1, count, 0, 0, 0, 0, 0, authority];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// Gives a folder NT's permissions, as the module `acl_xattr` of Samba keeps them: an
/// `xattr_NTACL` of version 1 in NDR, and in it a self-relative security descriptor.
fn permit(folder: &Path, entries: &[(u8, u32, Vec<u8>)]) {
    let mut list = Vec::new();
    for (flags, mask, sid) in entries {
        let size = u16::try_from(8 + sid.len()).unwrap();
        list.extend([0, *flags]);
        list.extend(size.to_le_bytes());
        list.extend(mask.to_le_bytes());
        list.extend(sid);
    }
    let administrators = sid((5, &[32, 544]));
    let mut bytes = vec![1, 0, 1, 0, 0, 0, 2, 0, 1, 0, 4, 0x80];
    let owner = 28_u32;
    let group = owner + u32::try_from(administrators.len()).unwrap();
    let access = group + u32::try_from(administrators.len()).unwrap();
    for offset in [owner, group, 0, access] {
        bytes.extend(offset.to_le_bytes());
    }
    bytes.extend(&administrators);
    bytes.extend(&administrators);
    bytes.extend([2, 0]);
    bytes.extend(u16::try_from(8 + list.len()).unwrap().to_le_bytes());
    bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(list);
    xattr::set(folder, "security.NTACL", &bytes).unwrap();
    // NT's permissions alone count.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
}

/// A server that keeps NT's permissions, and whose account is not root, who may do everything.
fn server() -> Option<Smbd> {
    need!("root", "samba-vfs-modules");
    let share = [
        "vfs objects = acl_xattr",
        "acl_xattr:ignore system acls = yes",
        "force user = nobody",
        "force group = nogroup",
    ];
    let share = share.map(str::to_owned).to_vec();
    let server = Smbd::with(Options { share, ..Options::default() })?;
    let above = server.share_path().parent().unwrap().to_owned();
    fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
    Some(server)
}

/// The advice: in the folder itself, list it and create files and folders; below, whoever made
/// something may modify it.
fn advice() -> Vec<(u8, u32, Vec<u8>)> {
    let (flags, mask, everyone) = (EVERYONE.0, EVERYONE.1, sid((1, &[0])));
    vec![
        (flags, mask, everyone),
        (ONLY_BELOW, MODIFY, sid((3, &[0]))),
        (BELOW, FULL, sid((5, &[32, 544]))),
    ]
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_advised_permissions_suffice_to_save_resume_and_commit() {
    let server = need!(server());
    let share = server.share_path();
    permit(&share, &advice());
    // Another account's set: it is neither read nor changed.
    let other = share.join("PC1-20260101T000000Z-1a2b3c4d");
    fs::create_dir(&other).unwrap();
    permit(&other, &[(BELOW, FULL, sid((5, &[32, 544])))]);
    fs::write(other.join("rescue.json"), "{}").unwrap();

    let run = |args: &[&str]| {
        let mut command = Command::new(program::path());
        command.args(args).env("LIFEBOAT_PASSWORD", server.password());
        command
    };
    let url = server.url("");
    let checked = run(&["check", "--to", &url]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(program::exit_of_check()), "{said}");
    assert_eq!(names(&share), ["PC1-20260101T000000Z-1a2b3c4d"], "nothing is left of the test");

    // A store that takes a while, so that it can be interrupted.
    let source = tempfile::tempdir().unwrap();
    let usmt = source.path().join("StateStore/USMT");
    let home = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&home).unwrap();
    for (name, text) in [
        ("hardlink.main", "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n"),
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "state"),
        ("status.~lg", ""),
    ] {
        fs::write(usmt.join(name), text).unwrap();
    }
    let mut seed = 1_u64;
    let bytes: Vec<u8> = (0..64 << 20)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            b'a' + u8::try_from(seed % 11).unwrap()
        })
        .collect();
    fs::write(home.join("table.csv"), bytes).unwrap();
    let source = source.path().to_str().unwrap();
    let args = ["offload", source, "--to", &url, "--level", "15"];
    let args = [&args[..], &["--frame-bytes", "1048576", "--name", "PC2"]].concat();
    let mut first = run(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    let store = || {
        let begun = names(&share).into_iter().find(|name| name.ends_with(".partial"))?;
        let store = share.join(begun).join("store.tar.zst.partial");
        Some(fs::metadata(store).ok()?.len())
    };
    while store().is_none_or(|size| size < 16 << 20) {
        assert_eq!(first.try_wait().unwrap(), None, "it has ended");
        assert!(since.elapsed() < Duration::from_mins(2), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = first.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let since = Instant::now();
    assert_eq!(first.wait().unwrap().code(), Some(6));
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    let mut said = String::new();
    std::io::Read::read_to_string(first.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert!(said.contains("Stopping after the current block."), "{said}");

    let second = run(&args).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(0), "{said}");
    assert!(said.contains("resuming "), "{said}");
    let mut all = names(&share);
    all.retain(|name| !name.starts_with("PC1-"));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("PC2-") && !all[0].ends_with(".partial"), "{all:?}");
    let set = share.join(&all[0]);
    lifeboat(&["verify", set.to_str().unwrap(), "--level", "full"]).expect(0);
    assert_eq!(fs::read(other.join("rescue.json")).unwrap(), b"{}");
}

#[test]
fn where_nothing_may_be_deleted_it_is_said_first_and_nothing_piles_up() {
    let server = need!(server());
    let share = server.share_path();
    permit(&share, &[(BELOW, NO_DELETION, sid((1, &[0])))]);
    for _ in 0..4 {
        let run = Command::new(program::path())
            .args(["check", "--to", &server.url("")])
            .env("LIFEBOAT_PASSWORD", server.password())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(5), "{said}");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("what is made there cannot be removed"), "{said}");
        assert!(said.contains("CREATOR OWNER: Modify"), "{said}");
    }
    // An empty folder cannot be avoided; files, and more of them, can.
    let left = names(&share);
    assert!(left.len() <= 2, "{left:?}");
    for name in left {
        assert!(name.starts_with(".lifeboat-probe-empty"), "{name}");
        assert_eq!(names(&share.join(&name)), Vec::<String>::new());
    }
}
