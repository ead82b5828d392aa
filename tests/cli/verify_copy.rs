//! A store that somebody copied by hand is found in whatever folder is named, its
//! seal is used, and what the copy lacks is said.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_maker::mount::{Mount, MountOptions};
use support::need;
use support::program::{Run, lifeboat};
use tempfile::TempDir;

/// Copies as `cp -r --preserve=timestamps` does: files, folders, times of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
            fs::File::options()
                .write(true)
                .open(&to)
                .and_then(|file| file.set_modified(meta.modified().unwrap()))
                .unwrap();
        }
    }
}

/// A sealed store, copied without its drive to a folder that is not on NTFS.
fn copied() -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let image = lifeboat_maker::fixture_copy("hardlink-one", scratch.path()).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    lifeboat(&["seal", mount.path().to_str().unwrap()]).expect(0);
    let to = scratch.path().join("copies/PC12");
    copy(&mount.path().join("StateStore"), &to);
    mount.unmount().unwrap();
    (scratch, to)
}

fn verify(folder: &Path, code: i32) -> Run {
    let args = ["verify", folder.to_str().unwrap(), "--level", "full", "--json"];
    lifeboat(&args).expect(code)
}

fn codes(run: &Run) -> Vec<String> {
    let findings = run.events("finding");
    let mut codes: Vec<_> =
        findings.iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn a_copy_is_found_in_any_folder_and_compared_with_its_seal() {
    need!("fuse");
    let (_scratch, copy) = copied();
    // A folder above it, the folder that it was copied to, its own USMT folder.
    for folder in [copy.parent().unwrap(), &copy, &copy.join("USMT")] {
        let run = verify(folder, 3);
        assert_eq!(run.events("store").len(), 1, "{}", run.stdout);
        let seal = &run.events("seal")[0];
        assert!(seal["hashes_matched"].as_u64().unwrap() > 30, "{seal}");
        assert_eq!((&seal["missing"], &seal["added"]), (&0.into(), &0.into()), "{seal}");
        let codes = codes(&run);
        for code in ["copy-facts", "copy-hardlink", "seal-facts", "seal-moved"] {
            assert!(codes.iter().any(|c| c == code), "{code} in {codes:?}");
        }
    }
    // A byte that the copying got wrong.
    let photo = copy.join("USMT/File/C$/Users/alice/Pictures/cat.png");
    let mut bytes = fs::read(&photo).unwrap();
    bytes[100] ^= 1;
    fs::write(&photo, bytes).unwrap();
    let run = verify(&copy, 3);
    let changed = run.events("finding").into_iter().find(|f| {
        f["code"] == "seal-changed" && f["path"].as_str().unwrap().ends_with(r"\cat.png")
    });
    assert!(changed.is_some(), "{}", run.stdout);
}

/// The same on a real share, which nobody has mounted.
#[test]
#[cfg(feature = "smb")]
fn a_copy_on_a_share_is_verified_by_its_url() {
    need!("fuse");
    let server = need!(support::smbd::Smbd::start());
    let (_scratch, from) = copied();
    copy(&from, &server.share_path().join("copies/PC12"));
    // What the copy lacks by itself, seen from here: streams.
    let changed = verify(&from, 3).events("seal")[0]["changed"].as_u64().unwrap();
    let verify = |dir: &str, level: &str, code: i32| {
        let args = ["verify", &server.url(dir), "--level", level, "--json"];
        support::program::lifeboat_with(&args, &[("LIFEBOAT_PASSWORD", server.password())])
            .expect(code)
    };
    for dir in ["copies", "copies/PC12", "copies/PC12/USMT"] {
        let run = verify(dir, "full", 3);
        assert_eq!(run.events("store").len(), 1, "{}", run.stdout);
        let seal = &run.events("seal")[0];
        assert!(seal["hashes_matched"].as_u64().unwrap() > 30, "{seal}");
        assert_eq!(
            (&seal["missing"], &seal["changed"]),
            (&seal["added"], &changed.into()),
            "{seal}"
        );
        // A server shows names that Win32 refuses under others.
        for finding in run.events("finding").iter().filter(|f| f["code"] == "seal-missing") {
            let path = finding["path"].as_str().unwrap();
            assert!(path.ends_with(['.', ' ']) || path.ends_with(r"\CON"), "{path}");
        }
        let codes = codes(&run);
        for code in ["copy-facts", "copy-hardlink"] {
            assert!(codes.iter().any(|c| c == code), "{code} in {codes:?}");
        }
    }
    let run = verify("copies/PC12", "quick", 3);
    assert_eq!(run.events("seal")[0]["touched"], 0, "{}", run.stdout);
    let photo = server.share_path().join("copies/PC12/USMT/File/C$/Users/alice/Pictures/cat.png");
    let mut bytes = fs::read(&photo).unwrap();
    bytes[100] ^= 1;
    fs::write(&photo, bytes).unwrap();
    let run = verify("copies/PC12", "full", 3);
    assert_eq!(run.events("seal")[0]["changed"], changed + 1, "{}", run.stdout);
    // A folder without a store is none; what is not there is not there.
    fs::create_dir(server.share_path().join("empty")).unwrap();
    verify("empty", "quick", 4);
    verify("nothing", "quick", 1);
}

#[test]
fn a_store_where_it_was_captured_is_no_copy() {
    need!("fuse");
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();
    let read_only = MountOptions { read_only: true, ..MountOptions::default() };
    let mount = Mount::new(&image, read_only).unwrap();
    for run in [verify(mount.path(), 0), verify(&image, 0)] {
        let copies: Vec<_> = codes(&run).into_iter().filter(|c| c.starts_with("copy-")).collect();
        assert_eq!(copies, [""; 0]);
    }
    mount.unmount().unwrap();
}
