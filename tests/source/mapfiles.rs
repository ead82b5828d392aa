//! Images that ddrescue wrote, and the mapfile beside them: what was not read from the disk is
//! never taken for zeros.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat::model::monitor::Silent;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::program::lifeboat;

const USERS: &str = "StateStore/USMT/File/C$/Users";

/// A disk image with a store, in a folder of its own.
struct Image {
    dir: tempfile::TempDir,
}

impl Image {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(lifeboat_maker::fixture("hardlink-one").unwrap(), dir.path().join("disk.img"))
            .unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of some size: its path, and the byte of the image where its data begins.
    fn large_file(&self) -> (String, u64) {
        let disk = lifeboat::disk::open_image(&self.path("disk.img")).unwrap();
        let volume = &disk.volumes[0];
        let device = volume.device.clone();
        let tree = NtfsTree::open(device, "it".into(), &Silent).unwrap();
        let folder = tree.lookup(&USERS.into()).unwrap();
        let mut pending = vec![(format!("C/{USERS}"), folder)];
        while let Some((path, folder)) = pending.pop() {
            for entry in tree.children(folder).unwrap() {
                let node = tree.node(entry.node).unwrap();
                let path = format!("{path}/{}", entry.name);
                match node.position {
                    Some(at) if node.allocated > 8192 => return (path, volume.offset + at),
                    _ if node.is_plain_directory() => pending.push((path, entry.node)),
                    _ => {}
                }
            }
        }
        panic!("no large file below {USERS}")
    }

    /// Writes a mapfile after which all was read but 512 bytes.
    fn map(&self, name: &str, bad: u64) {
        let len = fs::metadata(self.path("disk.img")).unwrap().len();
        let text = format!(
            "# Mapfile. Created by GNU ddrescue version 1.27\n0x0 +\n0x0 {bad:#x} +\n\
             {bad:#x} 0x200 -\n{:#x} {:#x} +\n",
            bad + 512,
            len - bad - 512
        );
        fs::write(self.path(name), text).unwrap();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_ddrescue_did_not_read_is_a_hole_by_name() {
    let image = Image::new();
    let (file, at) = image.large_file();
    let disk = image.path("disk.img");
    let offload = |to: &str, code: i32, more: &[&str]| {
        let to = image.path(to);
        let mut args = vec!["offload", text(&disk), "--to", text(&to), "--json"];
        args.extend(more);
        lifeboat(&args).expect(code)
    };
    offload("whole", 0, &[]);
    // Beside the image, and by name.
    image.map("disk.img.map", at);
    let run = offload("beside", 3, &[]);
    // Of two, each counts; and the comments at the start may be another program's.
    let own = fs::read_to_string(image.path("disk.img.map")).unwrap();
    let all_read = own.replace("0x200 -\n", "0x200 +\n");
    assert_ne!(own, all_read);
    fs::write(image.path("disk.map"), &all_read).unwrap();
    offload("of two", 3, &[]);
    fs::write(image.path("disk.img.map"), &all_read).unwrap();
    offload("all read", 0, &[]);
    let lines: Vec<&str> = own.lines().filter(|line| !line.starts_with('#')).collect();
    let bare = lines.join("\n");
    fs::write(image.path("disk.map"), format!("# by somebody\n{bare}\n")).unwrap();
    offload("without its comments", 3, &[]);
    fs::remove_file(image.path("disk.map")).unwrap();
    fs::write(image.path("disk.img.map"), &own).unwrap();
    fs::rename(image.path("disk.img.map"), image.path("elsewhere")).unwrap();
    let elsewhere = image.path("elsewhere");
    let named = offload("named", 3, &["--mapfile", text(&elsewhere)]);
    for run in [run, named] {
        let losses = run.events("loss");
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert_eq!(
            (&losses[0]["path"], &losses[0]["kind"]),
            (&file.as_str().into(), &"hole".into())
        );
        let findings = run.events("finding");
        let finding =
            findings.iter().find(|event| event["code"] == "image-unread").expect("a finding");
        assert!(finding["what"].as_str().unwrap().contains("512 bytes of the image"), "{finding}");
    }
    // A log of another program is not a mapfile.
    fs::write(image.path("disk.log"), "imaged by another program\n").unwrap();
    offload("again", 0, &[]);
    // All of it was read.
    let len = fs::metadata(&disk).unwrap().len();
    let whole = format!("# Rescue Logfile. Created by GNU ddrescue version 1.19\n0 +\n0 {len} +\n");
    fs::write(image.path("disk.log"), whole).unwrap();
    let run = offload("finished", 0, &[]);
    assert!(!run.stdout.contains("image-unread"), "{}", run.stdout);
}

#[test]
fn an_image_that_was_hardly_begun_is_not_an_empty_disk() {
    let image = Image::new();
    let text_of = "# Mapfile. Created by GNU ddrescue version 1.27\n0x0 ?\n0x0 0x200 +\n";
    fs::write(image.path("disk.map"), text_of).unwrap();
    let run = lifeboat(&["detect", text(&image.path("disk.img"))]).expect(7);
    assert!(run.stdout.contains("mapfile"), "{}", run.stdout);
}

#[test]
fn a_mapfile_that_makes_no_sense_is_refused_by_its_line() {
    let image = Image::new();
    let disk = image.path("disk.img");
    let start = "# Mapfile. Created by GNU ddrescue version 1.27\n0x0 +\n0x0 0x200 +\n0x100 1 +\n";
    fs::write(image.path("disk.img.mapfile"), start).unwrap();
    let run = lifeboat(&["detect", text(&disk)]).expect(1);
    assert!(run.stderr.contains("disk.img.mapfile"), "{}", run.stderr);
    assert!(run.stderr.contains("line 4: it overlaps"), "{}", run.stderr);
    fs::remove_file(image.path("disk.img.mapfile")).unwrap();
    let run = lifeboat(&["detect", text(&disk), text(&disk), "--mapfile", "x"]).expect(2);
    assert!(run.stderr.contains("--mapfile belongs to one disk image"), "{}", run.stderr);
    let run = lifeboat(&["detect", text(&disk), "--mapfile", text(&image.path("none"))]).expect(1);
    assert!(run.stderr.contains("none"), "{}", run.stderr);
}
