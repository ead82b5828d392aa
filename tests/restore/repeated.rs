//! The same restore again: it knows its own finished store, and finds a way out of what an
//! interrupted one left without its mark.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use support::program::{Guarded, lifeboat};
use support::text;

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = walkdir::WalkDir::new(dir).into_iter().flatten();
    let all = all.filter(|entry| entry.file_type().is_file());
    let below = |path: &Path| path.strip_prefix(dir).unwrap().to_owned();
    all.map(|entry| (below(entry.path()), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_finished_store_is_known_and_a_mark_that_is_gone_has_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("hardlink-one");
    let sets = dir.path().join("sets");
    let run = lifeboat(&["offload", image.arg(), "--to", text(&sets), "--json"]).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    let to = dir.path().join("to");
    let command = ["restore", &set, "--to", text(&to)];
    // A plain folder keeps no permissions: 3.
    lifeboat(&command).expect(3);
    let whole = tree(&to);
    let run = lifeboat(&command);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("is here already"), "{}", run.stderr);
    assert_eq!(tree(&to), whole);
    // Stopped after everything but the time of the folder above, which removing the mark changed.
    let above = fs::File::open(to.join("C")).unwrap();
    let time = above.metadata().unwrap().modified().unwrap();
    above.set_modified(std::time::SystemTime::now()).unwrap();
    let run = lifeboat(&command).expect(3);
    assert!(run.stderr.contains("is here already"), "{}", run.stderr);
    assert_eq!(above.metadata().unwrap().modified().unwrap(), time);
    // Another byte, or one file more: it is not ours.
    let catalog = to.join("C/StateStore/USMT/catalog.mig");
    let bytes = fs::read(&catalog).unwrap();
    let mut other = bytes.clone();
    other[0] ^= 1;
    fs::write(&catalog, other).unwrap();
    lifeboat(&command).expect(5);
    fs::write(&catalog, bytes).unwrap();
    fs::write(to.join("C/StateStore/USMT/more"), "x").unwrap();
    lifeboat(&command).expect(5);

    // What is left of a restore without its mark.
    fs::rename(to.join("C/StateStore"), to.join("C/StateStore.lifeboat-partial")).unwrap();
    let run = lifeboat(&command).expect(5);
    assert!(run.stderr.contains("--replace"), "{}", run.stderr);
    let run = lifeboat(&["restore", &set, "--to", text(&to), "--replace"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let kept = to.join("C/StateStore.lifeboat-partial.before-lifeboat/USMT/more");
    assert!(kept.is_file(), "{}", run.stderr);
    fs::remove_dir_all(kept.parent().unwrap().parent().unwrap()).unwrap();
    assert_eq!(tree(&to), whole);

    // A link in the place of a store is never replaced, and said at once.
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(to.join("C/StateStore"), &elsewhere).unwrap();
    symlink(&elsewhere, to.join("C/StateStore")).unwrap();
    for more in [&[][..], &["--replace"]] {
        let run = lifeboat(&[&command[..], more].concat());
        assert_eq!(run.code, 5, "{}", run.stderr);
        assert!(run.stderr.contains("there is a link where a folder"), "{}", run.stderr);
    }
    assert_eq!(fs::read_dir(to.join("C")).unwrap().count(), 1);
}

/// What a restore leaves that lost a file: there are only files of the set, and not all.
#[test]
fn a_store_that_is_not_whole_is_said_to_be_ours_and_finished_with_replace() {
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("hardlink-one");
    let sets = dir.path().join("sets");
    let run = lifeboat(&["offload", image.arg(), "--to", text(&sets), "--json"]).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    let to = dir.path().join("to");
    let command = ["restore", &set, "--to", text(&to)];
    lifeboat(&command).expect(3);
    let whole = tree(&to);
    let lost = whole.keys().find(|path| path.ends_with("MIGSTATE.DAT")).unwrap();
    fs::remove_file(to.join(lost)).unwrap();
    let run = lifeboat(&command).expect(5);
    let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("this set's files are here, but not all of them"), "{said}");
    assert!(said.contains("Add --replace to the same command"), "{said}");
    lifeboat(&[&command[..], &["--replace"]].concat()).expect(3);
    let mut now = tree(&to);
    now.retain(|path, _| !text(path).contains(".before-lifeboat"));
    assert_eq!(now, whole);
}

/// A folder, or a link, in the place of the mark of an unfinished restore: each step that is
/// advised leads on, to the end.
#[test]
fn the_way_out_of_a_mark_that_is_none_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("hardlink-one");
    let sets = dir.path().join("sets");
    let run = lifeboat(&["offload", image.arg(), "--to", text(&sets), "--json"]).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    for is_link in [false, true] {
        let to = dir.path().join(format!("to-{is_link}"));
        let command = ["restore", &set, "--to", text(&to)];
        lifeboat(&command).expect(3);
        let whole = tree(&to);
        let above = to.join("C");
        fs::rename(above.join("StateStore"), above.join("StateStore.lifeboat-partial")).unwrap();
        let mark = above.join(lifeboat::restore::MARKER);
        if is_link {
            symlink("/nowhere", &mark).unwrap();
        } else {
            fs::create_dir(&mark).unwrap();
            fs::write(mark.join("x"), "x").unwrap();
        }
        for more in [&[][..], &["--replace"]] {
            let run = lifeboat(&[&command[..], more].concat()).expect(5);
            assert!(run.stderr.contains("where the mark of the"), "{}", run.stderr);
            assert!(run.stderr.contains("move it away"), "{}", run.stderr);
        }
        fs::rename(&mark, dir.path().join(format!("moved-{is_link}"))).unwrap();
        let run = lifeboat(&command).expect(5);
        assert!(run.stderr.contains("--replace"), "{}", run.stderr);
        lifeboat(&[&command[..], &["--replace"]].concat()).expect(3);
        let mut now = tree(&to);
        now.retain(|path, _| !text(path).contains(".before-lifeboat"));
        assert_eq!(now, whole);
    }
}
