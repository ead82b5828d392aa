//! A sealed file that cannot be read any more is not a file that is as it was
//! sealed: nobody knows, and that is told. On a real NTFS volume.
#![cfg(target_os = "linux")]

use std::fs;

use lifeboat::model::monitor::Silent;
use lifeboat::ntfs::ondisk::attribute::kind;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::damage::{number, patch_record, runs};
use support::made::noise;
use support::ntfs3g::Image;
use support::program::{Guarded, Run, lifeboat};
use support::{need, unpack};

const PLAN: &str = "StateStore/USMT/File/C$/Users/alice/plan.dwg";

/// A volume with a sealed store.
fn sealed() -> Image {
    let image = Image::make(16 << 20, &[]);
    image.fill("rw,streams_interface=xattr,permissions", |root| {
        let usmt = root.join("StateStore/USMT");
        fs::create_dir_all(root.join(PLAN).parent().unwrap()).unwrap();
        fs::write(root.join(PLAN), noise(1, 200_000)).unwrap();
        fs::write(root.join(PLAN).with_file_name("note.txt"), "kept").unwrap();
        for marker in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main", "status.~lg"] {
            fs::write(usmt.join(marker), marker).unwrap();
        }
        lifeboat(&["seal", root.to_str().unwrap()]).expect(0);
    });
    image
}

/// The codes about the seal, and about files that are not whole.
fn codes(run: &Run) -> Vec<String> {
    let findings = run.events("finding");
    let codes = findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned());
    codes.filter(|code| code.starts_with("seal-") || code == "hole").collect()
}

#[test]
fn a_sealed_file_that_cannot_be_read_is_not_taken_for_the_sealed_one() {
    need!("fuse");
    let image = sealed();
    let path = image.path();
    let args = ["verify", path.to_str().unwrap(), "--level", "full", "--json"];
    assert_eq!(codes(&lifeboat(&args)), [""; 0]);

    let tree = NtfsTree::open(image.device(), "image".into(), &Silent).unwrap();
    let record = number(tree.lookup(&PLAN.into()).unwrap());
    patch_record(&image, record, |record| {
        let at = runs(record, kind::DATA, 0);
        // As many clusters (49) as before, but from far behind the end on.
        record[at..at + 8].copy_from_slice(&[0x41, 49, 0, 0, 0, 0x40, 0, 0]);
    });
    let guarded = Guarded::new(&path);
    let run = lifeboat(&args).expect(3);
    assert_eq!(codes(&run), ["hole", "seal-unread"]);
    let unread = run.events("finding").into_iter().find(|f| f["code"] == "seal-unread").unwrap();
    assert_eq!(unread["severity"], "damage");
    assert_eq!(unread["what"], "1 sealed files or streams could not be read and compared");
    assert_eq!(run.events("seal")[0]["state"], "differs");

    // In a set there are zeros for it: these are not compared either.
    let dest = tempfile::tempdir().unwrap();
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["offload", guarded.arg(), "--to", to, "--json"]).expect(3);
    assert_eq!(codes(&run), ["seal-unread"]);
    let set = unpack::sets_in(dest.path()).remove(0);
    let run = lifeboat(&["verify", set.to_str().unwrap(), "--level", "full", "--json"]).expect(3);
    assert_eq!(codes(&run), ["seal-unread"]);
}
