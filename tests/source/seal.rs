//! `lifeboat seal` writes one file beside a store and nothing else; `verify`,
//! `offload` and `restore` name what changed since, and do not believe a seal
//! that is damaged or of another store. On real NTFS volumes, mounted by ntfs-3g
//! for writing and read by Lifeboat from the image.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat::model::metadata::{Metadata, Node, NodeKind};
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::tree::Tree;
use lifeboat::tree::source::Source;
use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::path::TreePath;
use lifeboat_maker::people::Person;
use lifeboat_maker::store::{self, Capture};
use lifeboat_maker::volume::VolumeSpec;
use lifeboat_maker::wipe::wipe;
use support::program::{Guarded, Run, lifeboat, sha256_of};
use support::{need, ntfs3g, unpack};
use tempfile::TempDir;

const SEAL: &str = "StateStore/lifeboat.seal";
const DOCUMENTS: &str = "StateStore/USMT/File/C$/Users/alice/Documents";

/// A volume with a store, in an image of its own.
struct Volume {
    dir: TempDir,
}

impl Volume {
    /// The committed one: a hard-link store, all else wiped.
    fn fixture() -> Self {
        let volume = Self { dir: tempfile::tempdir().unwrap() };
        fs::copy(lifeboat_maker::fixture("hardlink-one").unwrap(), volume.image()).unwrap();
        volume
    }

    fn made(spec: &VolumeSpec) -> Self {
        let volume = Self { dir: tempfile::tempdir().unwrap() };
        spec.make(&volume.image()).unwrap();
        volume
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("volume.img")
    }

    fn arg(&self) -> String {
        self.image().to_str().unwrap().to_owned()
    }

    /// Mounts it for writing, lets `work` work, and unmounts it.
    fn mounted<T>(&self, work: impl FnOnce(&Path) -> T) -> T {
        let mount = Mount::new(&self.image(), MountOptions::default()).unwrap();
        let done = work(mount.path());
        mount.unmount().unwrap();
        done
    }

    fn seal(&self, code: i32, more: &[&str]) -> Run {
        self.mounted(|root| {
            let mut args = vec!["seal", root.to_str().unwrap(), "--json"];
            args.extend(more);
            lifeboat(&args).expect(code)
        })
    }

    fn verify(&self, code: i32, level: &str) -> Run {
        let image = Guarded::new(self.image());
        lifeboat(&["verify", image.arg(), "--level", level, "--json"]).expect(code)
    }

    fn tree(&self) -> Arc<dyn Tree> {
        let source = Source::open(&self.arg(), None, &Silent).unwrap();
        source.volumes[0].tree.as_ref().unwrap().clone()
    }
}

/// Everything that Lifeboat's own reader sees of every file: facts and bytes.
fn everything(tree: &dyn Tree) -> BTreeMap<String, (Node, Metadata, Vec<Vec<u8>>)> {
    let mut all = BTreeMap::new();
    let mut pending = vec![(NtPath::root(), tree.root())];
    while let Some((path, id)) = pending.pop() {
        let node = tree.node(id).unwrap();
        let facts = tree.facts(id, path.file_name()).unwrap();
        let mut streams = Vec::new();
        let named = facts.streams.iter().map(|s| Some(&s.name));
        let unnamed = (node.kind == NodeKind::File).then_some(None);
        for name in unnamed.into_iter().chain(named) {
            let mut stream = tree.open(id, name).unwrap();
            let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
            let read = stream.read(&mut bytes).unwrap();
            assert_eq!(read, bytes.len());
            streams.push(bytes);
        }
        if node.is_plain_directory() {
            for entry in tree.children(id).unwrap() {
                pending.push((path.join(entry.name), entry.node));
            }
        }
        all.insert(path.to_string(), (node, facts, streams));
    }
    all
}

/// The findings about the seal: code and path.
fn findings(run: &Run) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = run
        .events("finding")
        .iter()
        .map(|f| (text(&f["code"]), text(&f["path"])))
        .filter(|(code, _)| code.starts_with("seal-"))
        .collect();
    found.sort();
    found
}

fn found(code: &str, below_usmt: &str) -> (String, String) {
    let path = format!(r"C:\StateStore\USMT\{}", below_usmt.replace('/', r"\"));
    (code.to_owned(), path)
}

fn verdict(run: &Run) -> String {
    run.events("verdict")[0]["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn a_seal_is_one_file_and_nothing_else_changes() {
    need!("fuse");
    let volume = Volume::fixture();
    let image = ntfs3g::Image::make(2 << 20, &[]);
    fs::copy(volume.image(), image.path()).unwrap();
    // As Windows has it: who reads a file leaves no mark.
    let options = "streams_interface=xattr,permissions,compression,efs_raw,noatime";
    image.fill(options, |_| ()); // what mounting itself changes is not ours
    fs::copy(image.path(), volume.image()).unwrap();
    let mut before = everything(&*volume.tree());
    let mount = image.mount(options);
    let run = lifeboat(&["seal", mount.path().to_str().unwrap(), "--json"]).expect(0);
    drop(mount);
    fs::copy(image.path(), volume.image()).unwrap();
    let mut after = everything(&*volume.tree());
    let (node, _, bytes) = after.remove(SEAL).expect("the seal is there");
    assert_eq!(node.size, bytes[0].len() as u64);
    let event = &run.events("sealed")[0];
    assert_eq!(event["seal_bytes"], node.size, "{event}");
    assert_eq!(event["totals"]["losses"], 0, "{event}");
    assert_eq!(event["replaced"], serde_json::Value::Null, "{event}");
    // The folder that got a file has a new time; every other fact and byte is
    // the same, the folder's own other facts too.
    let (was, is) = (before.remove("StateStore").unwrap(), after.remove("StateStore").unwrap());
    assert_eq!((was.0.times.created, was.0.attributes), (is.0.times.created, is.0.attributes));
    assert_eq!(was.1, is.1);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before.len() > 50, "{}", before.len());
    for (path, was) in &before {
        let is = &after[path];
        assert!(was == is, "{path} changed: {:?} {:?}", was.0, is.0);
    }
}

#[test]
fn a_store_that_is_as_it_was_sealed_is_proved_by_every_hash() {
    need!("fuse");
    let volume = Volume::fixture();
    let sealed = volume.seal(0, &[]);
    let totals = &sealed.events("sealed")[0]["totals"];
    let hashes = totals["files"].as_u64().unwrap() + totals["streams"].as_u64().unwrap();
    assert!(hashes > 30, "{totals}");
    // Sealed through the file API, verified from the raw image: no false alarm.
    let run = volume.verify(0, "full");
    assert_eq!(findings(&run), []);
    let date = sealed.events("sealed")[0]["created"].as_str().unwrap().replace('T', " ");
    let words = format!("every byte read, {hashes} hashes matched the seal of {date}");
    assert!(verdict(&run).contains(&words), "{}", verdict(&run));
    let event = &run.events("seal")[0];
    assert_eq!((&event["state"], &event["hashes_matched"]), (&"matches".into(), &hashes.into()));
    let run = volume.verify(0, "quick");
    assert_eq!(findings(&run), []);
    assert!(verdict(&run).contains("no file was read"), "{}", verdict(&run));
    // And through the file API as well.
    let run = volume.mounted(|root| {
        lifeboat(&["verify", root.to_str().unwrap(), "--level", "full", "--json"]).expect(0)
    });
    assert_eq!(findings(&run), []);
    assert!(verdict(&run).contains(&words), "{}", verdict(&run));
}

/// Changes one file of each kind of change, none of which changes the others.
fn meddle(root: &Path) {
    let documents = root.join(DOCUMENTS);
    // The size and the time stay: only the hash tells.
    let notes = documents.join("todo.txt");
    let modified = fs::metadata(&notes).unwrap().modified().unwrap();
    let mut bytes = fs::read(&notes).unwrap();
    bytes[7] ^= 1;
    fs::write(&notes, bytes).unwrap();
    File::options().write(true).open(&notes).unwrap().set_modified(modified).unwrap();
    // Another size.
    fs::write(documents.join("one byte.bin"), "two").unwrap();
    fs::remove_file(documents.join("tax.pdf")).unwrap();
    fs::write(documents.join("new.txt"), "was not there").unwrap();
    // A stream, and nothing of the file itself.
    xattr::set(documents.join("empty.txt"), "user.extra", b"stream").unwrap();
}

#[test]
fn what_changed_is_named_file_by_file() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    volume.mounted(meddle);
    let run = volume.verify(3, "full");
    let at = |name: &str| format!("File/C$/Users/alice/Documents/{name}");
    let expected = [
        found("seal-added", &at("new.txt")),
        found("seal-changed", &at("empty.txt")),
        found("seal-changed", &at("one byte.bin")),
        found("seal-changed", &at("todo.txt")),
        found("seal-missing", &at("tax.pdf")),
    ];
    assert_eq!(findings(&run), expected);
    let event = &run.events("seal")[0];
    assert_eq!(event["state"], "differs");
    assert_eq!(
        (&event["changed"], &event["missing"], &event["added"], &event["facts"]),
        (&3.into(), &1.into(), &1.into(), &0.into()),
        "{event}"
    );
    assert!(verdict(&run).contains("NOT AS SEALED: 3 changed, 1 missing, 1 added; every byte"));
    // Metadata alone show what they can show, and the exit code is the same.
    let run = volume.verify(3, "quick");
    let expected = [
        found("seal-added", &at("new.txt")),
        found("seal-changed", &at("one byte.bin")),
        found("seal-missing", &at("tax.pdf")),
    ];
    assert_eq!(findings(&run), expected);
}

#[test]
fn changed_times_and_permissions_are_told_apart_from_changed_bytes() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    volume.mounted(|root| {
        let documents = root.join(DOCUMENTS);
        let file = File::options()
            .write(true)
            .open(documents.join("Letter to the landlord.docx"))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        // Another account as owner: the last number of its SID.
        let mut acl = xattr::get(documents.join("tax.pdf"), "system.ntfs_acl").unwrap().unwrap();
        let owner = usize::try_from(u32::from_le_bytes(acl[4..8].try_into().unwrap())).unwrap();
        let last = owner + 4 + 4 * usize::from(acl[owner + 1]);
        acl[last] ^= 1;
        xattr::set(documents.join("tax.pdf"), "system.ntfs_acl", &acl).unwrap();
        // Hidden.
        let name = "system.ntfs_attrib_be";
        xattr::set(documents.join("one byte.bin"), name, &[0, 0, 0, 0x22]).unwrap();
    });
    let at = |name: &str| format!("File/C$/Users/alice/Documents/{name}");
    let run = volume.verify(3, "full");
    let expected = ["Letter to the landlord.docx", "one byte.bin", "tax.pdf"]
        .map(|n| found("seal-facts", &at(n)));
    assert_eq!(findings(&run), expected);
    assert_eq!(run.events("seal")[0]["facts"], 3);
    assert_eq!(run.events("seal")[0]["changed"], 0);
    let run = volume.verify(3, "quick");
    assert_eq!(findings(&run), [found("seal-touched", &at("Letter to the landlord.docx"))]);
}

#[test]
fn offload_notes_the_seal_in_the_set_and_restore_brings_it_back() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    let image = Guarded::new(volume.image());
    let dest = tempfile::tempdir().unwrap();
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(0);
    assert_eq!(run.events("seal")[0]["state"], "matches", "{}", run.stdout);
    let set = unpack::sets_in(dest.path()).remove(0);
    let rescue: serde_json::Value =
        serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap();
    assert_eq!(rescue["seal"]["state"], "matches", "{rescue}");
    let matched = rescue["seal"]["hashes_matched"].as_u64().unwrap();
    assert!(matched > 30, "{rescue}");
    for (level, words) in [
        ("quick", format!("{matched} hashes of the set matched the seal of ")),
        ("full", format!("every byte read, {matched} hashes matched the seal of ")),
    ] {
        let run = lifeboat(&["verify", set.to_str().unwrap(), "--level", level, "--json"]);
        let run = run.expect(0);
        let said = run.events("seal")[0]["verdict"].as_str().unwrap().to_owned();
        assert!(said.starts_with(&words), "{said}");
    }
    let out = tempfile::tempdir().unwrap();
    let to = out.path().to_str().unwrap();
    let run = lifeboat(&["restore", set.to_str().unwrap(), "--to", to, "--json"]);
    assert_eq!(run.events("seal")[0]["state"], "matches", "{}", run.stdout);
    // Byte for byte, beside USMT.
    drop(image);
    let seal = volume.mounted(|root| sha256_of(&root.join(SEAL)));
    assert_eq!(sha256_of(&out.path().join("C").join(SEAL)), seal);
}

#[test]
fn what_changed_is_in_the_set_too() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    volume.mounted(meddle);
    let image = Guarded::new(volume.image());
    let dest = tempfile::tempdir().unwrap();
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(3);
    let saved = &run.events("set")[0];
    assert_eq!(saved["totals"]["losses"], 0, "all that is there was saved");
    assert_eq!(saved["end_state"], "incomplete", "a file was deleted");
    assert_eq!(findings(&run).len(), 5, "{:?}", findings(&run));
    let set = unpack::sets_in(dest.path()).remove(0);
    let output = std::process::Command::new("zstd")
        .arg("-dc")
        .arg(set.join("manifest.jsonl.zst"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut noted = Vec::new();
    for line in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let name = line["path"].as_str().unwrap_or_default().rsplit('/').next().unwrap().to_owned();
        match (line["type"].as_str().unwrap(), line["seal"].as_str()) {
            ("member", Some(word)) => noted.push((word.to_owned(), name)),
            ("seal-missing", _) => noted.push(("missing".to_owned(), name)),
            _ => {}
        }
    }
    noted.sort();
    let expected = [
        ("added", "new.txt"),
        ("changed", "empty.txt"),
        ("changed", "one byte.bin"),
        ("changed", "todo.txt"),
        ("missing", "tax.pdf"),
    ];
    assert_eq!(noted, expected.map(|(word, name)| (word.to_owned(), name.to_owned())));
    // The set is whole; it is the store that differs, and whoever restores it is told.
    let run = lifeboat(&["verify", set.to_str().unwrap(), "--level", "full", "--json"]).expect(3);
    assert_eq!(run.events("verdict")[0]["damage"], 0);
    assert_eq!(findings(&run).len(), 5, "{:?}", findings(&run));
    let out = tempfile::tempdir().unwrap();
    let to = out.path().to_str().unwrap();
    let run = lifeboat(&["restore", set.to_str().unwrap(), "--to", to, "--json"]).expect(3);
    assert_eq!(run.events("seal")[0]["state"], "differs");
}

#[test]
fn a_quick_seal_has_no_hashes_and_says_so() {
    need!("fuse");
    let volume = Volume::fixture();
    let run = volume.seal(0, &["--quick"]);
    assert_eq!(run.events("sealed")[0]["quick"], true);
    let run = volume.verify(0, "full");
    let quick = ("seal-quick".to_owned(), r"C:\StateStore\lifeboat.seal".to_owned());
    assert_eq!(findings(&run), std::slice::from_ref(&quick));
    assert!(verdict(&run).contains("which has no hashes"), "{}", verdict(&run));
    assert_eq!(run.events("seal")[0]["hashes_matched"], 0);
    volume.mounted(meddle);
    let at = |name: &str| format!("File/C$/Users/alice/Documents/{name}");
    // One byte with the old time: a quick seal cannot know, and said so.
    let expected = [
        found("seal-added", &at("new.txt")),
        found("seal-changed", &at("one byte.bin")),
        found("seal-missing", &at("tax.pdf")),
        quick,
    ];
    assert_eq!(findings(&volume.verify(3, "full")), expected);
}

#[test]
fn sealing_again_replaces_and_names_the_earlier_date() {
    need!("fuse");
    let volume = Volume::fixture();
    let first = volume.seal(0, &[]).events("sealed")[0]["created"].clone();
    volume.mounted(|root| {
        meddle(root);
        // A run that was cut off left this.
        fs::write(root.join("StateStore/lifeboat.seal.partial"), "half").unwrap();
    });
    let again = volume.seal(0, &[]);
    assert_eq!(again.events("sealed")[0]["replaced"], first);
    let run = volume.verify(3, "full"); // for the deleted file, which is no affair of the seal
    assert_eq!(findings(&run), []);
    assert_eq!(run.events("seal")[0]["state"], "matches");
    let left = volume.tree().lookup(&NtPath::from("StateStore/lifeboat.seal.partial"));
    assert!(left.is_err(), "the partial seal is gone");
}

#[test]
fn a_damaged_seal_is_not_believed() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    let whole = volume.mounted(|root| fs::read(root.join(SEAL)).unwrap());
    let flipped = {
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 4;
        bytes
    };
    for bad in
        [&flipped[..], &whole[..whole.len() / 2], b"", b"not a seal", &[&whole[..], b"x"].concat()]
    {
        volume.mounted(|root| fs::write(root.join(SEAL), bad).unwrap());
        for level in ["quick", "full"] {
            let run = volume.verify(3, level);
            let expected = ("seal-damaged".to_owned(), r"C:\StateStore\lifeboat.seal".to_owned());
            assert_eq!(findings(&run), [expected]);
            assert!(verdict(&run).contains("damaged and was not used"), "{}", verdict(&run));
        }
    }
    let image = Guarded::new(volume.image());
    let dest = tempfile::tempdir().unwrap();
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(3);
    assert_eq!(run.events("seal")[0]["state"], "damaged");
    let set = unpack::sets_in(dest.path()).remove(0);
    let run = lifeboat(&["verify", set.to_str().unwrap(), "--json"]).expect(3);
    assert_eq!(run.events("seal")[0]["state"], "damaged");
}

#[test]
fn the_seal_of_another_capture_is_not_believed() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    // scanstate /o: everything anew, the seal is left where it was.
    volume.mounted(|root| {
        for name in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"] {
            let path = root.join("StateStore/USMT").join(name);
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let more: &[u8] = if name == "hardlink.main" { b"" } else { b"of another day" };
            fs::write(&path, [&bytes[..], more].concat()).unwrap();
        }
    });
    let run = volume.verify(3, "full");
    assert_eq!(findings(&run)[0].0, "seal-other");
    assert_eq!(findings(&run).len(), 1, "{:?}", findings(&run));
    assert!(verdict(&run).contains("of another capture"), "{}", verdict(&run));
}

#[test]
fn a_damaged_catalog_is_a_change_and_not_another_capture() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    volume.mounted(|root| fs::write(root.join("StateStore/USMT/catalog.mig"), "zap").unwrap());
    let run = volume.verify(3, "full");
    assert_eq!(findings(&run), [found("seal-changed", "catalog.mig")]);
}

/// A primary on C: and a secondary on D:.
fn two_volumes() -> [Volume; 2] {
    let ids = [('C', store::guid(21)), ('D', store::guid(22))];
    let usmt = TreePath::from("StateStore/USMT");
    let alice = Person::new("alice", 1104, 2);
    let mut system = VolumeSpec::new("OSDisk", 8 << 20);
    alice.small_profile(&mut system.tree);
    store::capture(&mut system.tree, &usmt, 'C', &[alice.home()], Capture::Link);
    store::markers(&mut system.tree, &usmt, 2, true);
    store::hardlink_main(&mut system.tree, &usmt, &ids);
    wipe(&mut system.tree, &["StateStore".into()]);
    let mut data = VolumeSpec::new("Data", 6 << 20);
    alice.small_projects(&mut data.tree, "Projects");
    store::capture(&mut data.tree, &usmt, 'D', &["Projects".into()], Capture::Link);
    store::hardlink_distributed(&mut data.tree, &usmt, &ids[1].1);
    [Volume::made(&system), Volume::made(&data)]
}

#[test]
fn one_seal_at_the_primary_covers_all_parts() {
    need!("fuse");
    let [c, d] = two_volumes();
    c.mounted(|c| {
        d.mounted(|d| {
            let run = lifeboat(&["seal", c.to_str().unwrap(), d.to_str().unwrap()]).expect(0);
            assert!(run.stdout.contains("Nothing else was written."), "{}", run.stdout);
            assert!(c.join(SEAL).is_file() && !d.join(SEAL).exists());
        });
    });
    let verify = |code| {
        let images = [Guarded::new(c.image()), Guarded::new(d.image())];
        let args = ["verify", images[0].arg(), images[1].arg(), "--level", "full", "--json"];
        lifeboat(&args).expect(code)
    };
    assert_eq!(findings(&verify(0)), []);
    d.mounted(|root| {
        let plans = root.join("StateStore/USMT/File/D$/Projects/Readme.txt");
        fs::write(plans, "changed").unwrap();
    });
    let run = verify(3);
    let path = r"D:\StateStore\USMT\File\D$\Projects\Readme.txt";
    assert_eq!(findings(&run), [("seal-changed".to_owned(), path.to_owned())]);
    // A seal over C: alone says what it lacks, and so does whoever uses it.
    let run = c.mounted(|c| lifeboat(&["seal", c.to_str().unwrap()]).expect(3));
    assert!(run.stdout.contains("MISSING  the part on drive D:"), "{}", run.stdout);
    assert!(run.stdout.contains("It replaces the seal of"), "{}", run.stdout);
    assert_eq!(findings(&verify(3)), [("seal-part".to_owned(), r"D:\StateStore".to_owned())]);
}

#[test]
fn what_cannot_be_sealed_is_refused_in_two_lines() {
    need!("fuse");
    let volume = Volume::fixture();
    let image = Guarded::new(volume.image());
    let run = lifeboat(&["seal", image.arg()]).expect(2);
    assert!(run.stderr.contains("a disk image is never written to"), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    drop(image);
    let read_only = MountOptions { read_only: true, ..MountOptions::default() };
    let mount = Mount::new(&volume.image(), read_only).unwrap();
    let run = lifeboat(&["seal", mount.path().to_str().unwrap(), "--quiet"]).expect(5);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains("Mount the volume for writing"), "{}", run.stderr);
    mount.unmount().unwrap();
    let empty = tempfile::tempdir().unwrap();
    lifeboat(&["seal", empty.path().to_str().unwrap()]).expect(4);
    lifeboat(&["seal"]).expect(2);
}

#[test]
fn a_full_volume_keeps_its_store_and_its_earlier_seal() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &["--quick"]);
    let before = volume.mounted(|root| {
        // Larger than what is left; then the last clusters.
        for (name, piece) in [("rest", 1 << 16), ("crumbs", 1 << 9)] {
            let mut file = File::create(root.join(name)).unwrap();
            while std::io::Write::write_all(&mut file, &vec![7; piece]).is_ok() {}
        }
        sha256_of(&root.join(SEAL))
    });
    let run = volume.seal(5, &[]);
    assert!(run.events("error")[0]["action"].as_str().unwrap().contains("room"), "{}", run.stdout);
    volume.mounted(|root| {
        assert_eq!(sha256_of(&root.join(SEAL)), before);
        assert!(!root.join("StateStore/lifeboat.seal.partial").exists());
    });
}

#[test]
fn two_names_of_one_file_are_two_names_in_the_seal() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    // One of the two becomes a copy, as a copy of the store would have it.
    volume.mounted(|root| {
        let path = root.join("StateStore/USMT/File/C$/Users/alice/Desktop/notes (same file).txt");
        let bytes = fs::read(&path).unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    });
    let run = volume.verify(3, "full");
    let codes: Vec<_> = findings(&run).into_iter().map(|(code, _)| code).collect();
    assert!(codes.iter().all(|code| code == "seal-facts"), "{:?}", findings(&run));
    assert_eq!(run.events("seal")[0]["changed"], 0);
}

#[test]
fn stock_tools_can_check_a_seal() {
    need!("fuse");
    let volume = Volume::fixture();
    volume.seal(0, &[]);
    let script = r#"zstd -dc "$1" | tail -n 1; zstd -dc "$1" | head -n -1 | sha256sum"#;
    let output = volume.mounted(|root| {
        let mut command = std::process::Command::new("bash");
        command.args(["-c", script, "check"]).arg(root.join(SEAL)).output().unwrap()
    });
    let text = String::from_utf8(output.stdout).unwrap();
    let (end, sum) = text.split_once('\n').unwrap();
    let end: serde_json::Value = serde_json::from_str(end).unwrap();
    assert_eq!(end["type"], "end");
    assert_eq!(end["sha256"], sum.split(' ').next().unwrap());
}

/// Real seals for the fuzzer: whole, without their last line, and packed.
#[test]
#[ignore = "writes fuzz/corpus/seal"]
fn write_the_seeds() {
    let corpus = support::root().join("fuzz/corpus/seal");
    fs::create_dir_all(&corpus).unwrap();
    for (name, more) in [("full", &[][..]), ("quick", &["--quick"])] {
        let dir = tempfile::tempdir().unwrap();
        let alice = dir.path().join("StateStore/USMT/File/C$/Users/alice");
        fs::create_dir_all(&alice).unwrap();
        for marker in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main", "status.~lg"] {
            fs::write(dir.path().join("StateStore/USMT").join(marker), marker).unwrap();
        }
        fs::write(alice.join("a.txt"), "alice").unwrap();
        fs::hard_link(alice.join("a.txt"), alice.join("b.txt")).unwrap();
        let run = lifeboat(&[&["seal", dir.path().to_str().unwrap(), "--json"], more].concat());
        let totals = &run.events("sealed")[0]["totals"];
        let count = |field: &str| u8::try_from(totals[field].as_u64().unwrap()).unwrap();
        let counts = ["files", "directories", "links", "bytes"].map(count);
        let packed = fs::read(dir.path().join(SEAL)).unwrap();
        let plain = zstd::decode_all(&packed[..]).unwrap();
        let end = plain[..plain.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        let seed = |option: u8, bytes: &[u8]| [&[option][..], &counts, bytes].concat();
        fs::write(corpus.join(name), seed(0, &plain)).unwrap();
        fs::write(corpus.join(format!("{name}-lines")), seed(1, &plain[..end])).unwrap();
        fs::write(corpus.join(format!("{name}-packed")), seed(2, &packed)).unwrap();
    }
}
