//! `--via` chooses the way in, the program says which way it took and why, and
//! both ways find the same store.
#![cfg(target_os = "linux")]

use support::ntfs_mount::{self, Mounted};
use support::program::lifeboat;
use support::{full_store, need};

#[test]
fn an_image_is_read_raw_and_its_mount_through_the_host() {
    need!("fuse");
    let mut volume = Mounted::fresh(32);
    full_store::make(volume.path());
    volume.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let (image, mount) = (volume.image().to_str().unwrap(), volume.path().to_str().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let mut verdicts = Vec::new();
    for (source, via) in [(image, "raw"), (mount, "host")] {
        for given in [&[][..], &["--via", via]] {
            let detect = [&["detect", source, "--json"], given].concat();
            let run = lifeboat(&detect).expect(0);
            let [shown] = &run.events("volume")[..] else { panic!("{}", run.stdout) };
            assert_eq!(shown["via"], via, "{shown}");
            let why = shown["why"].as_str().unwrap();
            assert!(!why.is_empty());
            let notes = run.events("note");
            let is_said = |n: &serde_json::Value| n["text"].as_str().unwrap().contains(why);
            assert!(notes.iter().any(is_said), "{notes:?}");
            assert_eq!(shown["not_shown"].as_array().unwrap().is_empty(), via == "raw");
            assert_eq!(run.events("store").len(), 1);
            let verify = [&["verify", source, "--level", "full"], given].concat();
            let run = lifeboat(&verify).expect(3); // it lacks the catalog
            verdicts.push(run.stdout.lines().filter(|l| l.contains("verdict")).collect::<String>());
            let to = scratch.path().join(format!("{via}-{}", given.len()));
            let offload = [&["offload", source, "--to", to.to_str().unwrap()], given].concat();
            lifeboat(&offload).expect(3);
        }
    }
    assert!(verdicts[0].contains("cannot use this store"), "{verdicts:?}");
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    // A way that there is not: said, and never "no store".
    let run = lifeboat(&["detect", mount, "--via", "raw"]).expect(1);
    assert!(run.stderr.contains("--via raw"), "{}", run.stderr);
    let run = lifeboat(&["detect", image, "--via", "host"]).expect(7);
    assert!(run.stdout.contains("not mounted"), "{}", run.stdout);
}

#[test]
fn a_set_is_shown_as_it_was_typed() {
    let scratch = tempfile::tempdir().unwrap();
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();
    let to = scratch.path().to_str().unwrap();
    lifeboat(&["offload", image.to_str().unwrap(), "--to", to, "--name", "typed"]).expect(0);
    let set = std::fs::read_dir(to).unwrap().next().unwrap().unwrap().path();
    let name = set.file_name().unwrap().to_str().unwrap();
    let link = scratch.path().join("a link");
    std::os::unix::fs::symlink(to, &link).unwrap();
    let typed = format!("{}/{name}", link.display());
    let run = lifeboat(&["list", &typed]).expect(0);
    assert!(run.stdout.starts_with(&format!("{typed} (")), "{}", run.stdout);
}
