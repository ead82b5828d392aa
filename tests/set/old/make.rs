//! Makes the sets of a generation, and the disks that they are of.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;

use super::{KINDS, Kind, VERSION, kept, lifeboat, only_folder, sha256_of, text};

/// Makes what is missing below `tests/set/old/<version of the program>`, and the
/// disks in `sources/` that are missing. What is there is never made anew.
#[test]
#[ignore = "makes the sets of a new generation"]
fn make_the_next_generation() {
    make_disks();
    let folder = kept(VERSION);
    fs::create_dir_all(&folder).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    for kind in &KINDS {
        let archive = folder.join(format!("{}.tar.zst", kind.name));
        if archive.exists() {
            continue;
        }
        let image = kind.disk(scratch.path());
        let dest = scratch.path().join(kind.name);
        if kind.interrupted || kind.name == "recipient" {
            interrupt(kind, &image, &dest);
        }
        if !kind.interrupted {
            kind.offload(&image, &dest).expect(kind.code);
        }
        pack_folder(&dest, &archive);
    }
}

/// Kills runs when they have passed a checkpoint, until one was not quicker.
fn interrupt(kind: &Kind, image: &Path, dest: &Path) {
    for _ in 0..200 {
        let _ = fs::remove_dir_all(dest);
        let mut child = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
            .args(kind.offload_args(image, dest))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            let folders = fs::read_dir(dest).into_iter().flatten().flatten();
            let journals = folders.filter_map(|f| fs::read(f.path().join("journal.jsonl")).ok());
            if journals.map(|j| j.split(|b| *b == b'\n').count()).sum::<usize>() > 2 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let set = only_folder(dest);
        let left = |name: &str| fs::metadata(set.join(name)).map_or(0, |file| file.len());
        if !set.join("rescue.json").exists()
            && left("journal.jsonl") > 0
            && (left("store.tar.zst.partial") > 0 || left("store.tar.zst.001.age.partial") > 0)
        {
            // Who finds that mark on another machine waits for fifteen seconds.
            let _ = fs::remove_file(set.join("in-use"));
            return;
        }
    }
    panic!("{} was never interrupted", kind.name);
}

fn make_disks() {
    fs::create_dir_all(kept("sources")).unwrap();
    let packed = |name: &str| kept(&format!("sources/{name}.img.zst"));
    for (name, fixture) in [("one", "hardlink-one"), ("facts", "facts"), ("sealed", "hardlink-one")]
    {
        if packed(name).exists() {
            continue;
        }
        if name == "sealed" {
            let scratch = tempfile::tempdir().unwrap();
            let image = lifeboat_maker::fixture_copy(fixture, scratch.path()).unwrap();
            let mount = Mount::new(&image, MountOptions::default()).unwrap();
            lifeboat(&["seal".to_owned(), text(mount.path())]).expect(0);
            mount.unmount().unwrap();
            pack(&image, &packed(name));
        } else {
            let committed = lifeboat_maker::pack::folder().join(format!("{fixture}.img.zst"));
            fs::copy(committed, packed(name)).unwrap();
        }
        // What the fixture's data says; no byte of it has been through the program.
        let expected = lifeboat_maker::expected(fixture).unwrap();
        let plain = expected.files.iter().filter(|file| {
            !file.is_dir && file.facts.efs.is_none() && file.facts.reparse.is_none()
        });
        let lines = plain.filter_map(|file| {
            let path = std::str::from_utf8(file.path.as_bytes()).ok()?;
            Some((format!("C/{path}"), file.sha256.clone()))
        });
        write_truth(name, lines);
    }
    if !packed("large").exists() {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("large.img");
        VolumeSpec::new("Large", 32 << 20).format(&image).unwrap();
        let mount = Mount::new(&image, MountOptions::default()).unwrap();
        let files = fill(mount.path());
        let files = files.iter().map(|path| (path, sha256_of(&mount.path().join(path))));
        write_truth("large", files.map(|(path, sum)| (format!("C/{path}"), sum)));
        mount.unmount().unwrap();
        pack(&image, &packed("large"));
    }
}

/// A store of 18 MiB that is the same 64 KiB of noise again and again. In frames of
/// that size nothing repeats itself and the sets are large; what is committed,
/// packed as one, is not.
fn fill(root: &Path) -> Vec<String> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = Vec::new();
    while noise.len() < 64 << 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    let usmt = "StateStore/USMT";
    fs::create_dir_all(root.join(usmt).join("File/C$/Users/alice")).unwrap();
    let mut files = Vec::new();
    let mut put = |path: String, bytes: &[u8]| {
        fs::write(root.join(&path), bytes).unwrap();
        files.push(path);
    };
    put(format!("{usmt}/catalog.mig"), &noise[..900]);
    put(format!("{usmt}/MIGSTATE.DAT"), &noise[..50]);
    put(format!("{usmt}/status.~lg"), b"");
    let main = "C\t{0b5c8c5e-0000-4000-8000-000000000000}\r\n";
    put(format!("{usmt}/hardlink.main"), main.as_bytes());
    for number in 0..18 {
        put(format!("{usmt}/File/C$/Users/alice/photo {number}.jpg"), &noise.repeat(16));
    }
    files
}

/// Paths that any Linux folder can hold, and this file.
fn write_truth(name: &str, files: impl Iterator<Item = (String, String)>) {
    let is_usual = |path: &str| {
        path.len() < 3000
            && path.split('/').all(|name| name.len() <= 255)
            && !path.contains(char::is_control)
    };
    let lines = files.filter(|(path, _)| is_usual(path));
    let mut lines: Vec<String> = lines.map(|(path, sum)| format!("{sum}  {path}\n")).collect();
    lines.sort();
    fs::write(kept(&format!("sources/{name}.sha256")), lines.concat()).unwrap();
}

/// The folders below `dest` as a tar that says nothing of this machine.
fn pack_folder(dest: &Path, archive: &Path) {
    let tar: PathBuf = dest.with_extension("tar");
    let status = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"])
        .args(["--mode=u=rwX,go=rX", "-cf", &text(&tar), "-C", &text(dest), "."])
        .status()
        .unwrap();
    assert!(status.success());
    pack(&tar, archive);
}

fn pack(file: &Path, packed: &Path) {
    let mut from = File::open(file).unwrap();
    let mut encoder = zstd::Encoder::new(File::create(packed).unwrap(), 19).unwrap();
    encoder.set_pledged_src_size(Some(from.metadata().unwrap().len())).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(25).unwrap();
    std::io::copy(&mut from, &mut encoder).unwrap();
    encoder.finish().unwrap();
}
