//! "No disk": a controller without a driver, and disks that are hidden, are said, with what to
//! do; a PC whose disk is seen is not troubled by an odd controller.
//!
//! The program runs in a mount namespace of its own, where `/sys` has a tree of files made here,
//! and `/dev` a disk image: no machine that tests run on has such hardware.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::need;
use support::program::{self, Guarded, Run};

/// A PC of which `/sys` and `/dev` are made.
struct Pc {
    dir: tempfile::TempDir,
}

impl Pc {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["sys/block", "sys/class/block", "sys/bus/pci/devices", "dev"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { dir }
    }

    fn controller(self, address: &str, class: &str, ids: (&str, &str), driver: &str) -> Self {
        let folder = self.device(address);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("class", class), ("vendor", ids.0), ("device", ids.1)] {
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
        if !driver.is_empty() {
            let to = format!("../../drivers/{driver}");
            std::os::unix::fs::symlink(to, folder.join("driver")).unwrap();
        }
        self
    }

    fn device(&self, address: &str) -> PathBuf {
        self.dir.path().join("sys/bus/pci/devices").join(address)
    }

    /// NVMe disks that `ahci` has counted behind it.
    fn hides(self, address: &str, count: u32) -> Self {
        fs::write(self.device(address).join("remapped_nvme"), format!("{count}\n")).unwrap();
        self
    }

    /// A disk, attached by `bus`: `pci0000:00/ata1`, `pci0000:00/usb1`.
    fn disk(self, name: &str, image: &Path, bus: &str) -> Self {
        let root = self.dir.path();
        fs::copy(image, root.join("dev").join(name)).unwrap();
        let folder = root.join("sys/devices").join(bus).join("host0/block").join(name);
        fs::create_dir_all(&folder).unwrap();
        let sectors = fs::metadata(image).unwrap().len() / 512;
        fs::write(folder.join("size"), format!("{sectors}\n")).unwrap();
        for (place, up) in [("sys/block", ".."), ("sys/class/block", "../..")] {
            let to = format!("{up}/devices/{bus}/host0/block/{name}");
            std::os::unix::fs::symlink(to, root.join(place).join(name)).unwrap();
        }
        self
    }

    /// A disk that the system opens for nobody: its device file is where none may be used.
    fn closed_disk(self, name: &str, bus: &str) -> Self {
        let image = self.dir.path().join("image");
        fs::File::create(&image).unwrap().set_len(1 << 20).unwrap();
        let pc = self.disk(name, &image, bus);
        let file = pc.dir.path().join("dev").join(name);
        fs::remove_file(&file).unwrap();
        let made = Command::new("mknod").arg(&file).args(["b", "7", "250"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        pc
    }

    fn run(&self, args: &[&str]) -> Run {
        let script = "mount --bind \"$1/dev\" /dev && mount -o remount,bind,nodev /dev && \
                      mount --bind \"$1/sys\" /sys && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
        command.arg(self.dir.path()).arg(program::path()).args(args);
        let output = command.env("NO_COLOR", "1").output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn findings(&self, args: &[&str], code: i32) -> Vec<Value> {
        self.run(&[args, &["--json"]].concat()).expect(code).events("finding")
    }
}

fn codes(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// An event has the fields that docs/reference/json.schema.json has for it.
#[track_caller]
fn is_documented(event: &Value) {
    let schema =
        fs::read_to_string(support::root().join("docs/reference/json.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let name = event["message_type"].as_str().unwrap();
    let known = schema["$defs"][name]["properties"].as_object().unwrap();
    let fields =
        |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(fields(event.as_object().unwrap()), fields(known), "{name}");
}

const VMD: (&str, &str, (&str, &str)) = ("0000:00:0e.0", "0x010400", ("0x8086", "0x9a0b"));

fn with_vmd(pc: Pc) -> Pc {
    pc.controller(VMD.0, VMD.1, VMD.2, "")
}

#[test]
fn a_vmd_without_a_driver_is_why_there_is_no_disk() {
    need!("root", "unshare");
    let pc = with_vmd(Pc::new());
    let run = pc.run(&["detect"]).expect(7);
    assert!(run.stdout.contains("Intel VMD controller 8086:9a0b"), "{}", run.stdout);
    assert!(run.stdout.contains("modprobe vmd"), "{}", run.stdout);
    assert!(run.stderr.contains("a disk of this PC is not seen"), "{}", run.stderr);
    let run = pc.run(&["detect", "--json"]).expect(7);
    let controller = &run.events("controller")[0];
    is_documented(controller);
    assert_eq!((&controller["kind"], &controller["driver"]), (&"intel-vmd".into(), &Value::Null));
    let to = pc.dir.path().join("out");
    let to = to.to_str().unwrap();
    assert_eq!(codes(&pc.findings(&["offload", "--to", to], 7)), ["no-disk"]);
    // Before a wipe, too, and where a boot image is tried.
    assert_eq!(codes(&pc.findings(&["gate"], 3)), ["no-disk"]);
    fs::create_dir_all(to).unwrap();
    assert_eq!(codes(&pc.findings(&["check", "--to", to], 3)), ["no-disk"]);
}

#[test]
fn an_odd_controller_beside_the_disk_with_the_store_is_a_note() {
    need!("root", "unshare");
    let image = Guarded::fixture("hardlink-one");
    let pc = with_vmd(Pc::new()).disk("sda", image.path(), "pci0000:00/ata1");
    let run = pc.run(&["detect", "--json"]).expect(0);
    let finding = &run.events("finding")[0];
    assert_eq!(
        (&finding["code"], &finding["severity"]),
        (&"controller-no-driver".into(), &"info".into())
    );
    let disk = &run.events("disk")[0];
    is_documented(disk);
    assert_eq!((&disk["transport"], &disk["built_in"]), (&"sata".into(), &true.into()));
    assert_eq!(run.events("store").len(), 1);
    let to = pc.dir.path().join("out");
    pc.run(&["offload", "--to", to.to_str().unwrap()]).expect(0);
}

/// Exit code 4 is what a task sequence wipes after.
#[test]
fn a_blank_disk_beside_an_odd_controller_is_not_the_disk_that_is_looked_for() {
    need!("root", "unshare");
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("blank.img");
    fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
    let pc = with_vmd(Pc::new()).disk("sda", &image, "pci0000:00/ata1");
    assert_eq!(codes(&pc.findings(&["detect"], 7)), ["no-disk"]);
    assert_eq!(codes(&pc.findings(&["gate"], 3)), ["no-disk"]);
    // Without one, the PC has no store.
    let pc = Pc::new().disk("sda", &image, "pci0000:00/ata1");
    pc.run(&["detect"]).expect(4);
}

#[test]
fn a_stick_is_not_the_disk_of_the_pc() {
    need!("root", "unshare");
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("stick.img");
    fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
    need!("mkfs.vfat");
    let made = Command::new("mkfs.vfat").args(["-F", "32"]).arg(&image).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    // Only the stick is searched: the disk behind the VMD may have a store.
    let pc = with_vmd(Pc::new()).disk("sdb", &image, "pci0000:00/usb1");
    let run = pc.run(&["detect"]).expect(3);
    assert!(
        run.stderr.contains("a disk of this PC is not seen (1 volume searched)"),
        "{}",
        run.stderr
    );
    // Without a controller that explains it, the firmware may.
    let pc = Pc::new().disk("sdb", &image, "pci0000:00/usb1");
    let run = pc.run(&["detect"]).expect(4);
    assert!(run.stderr.contains("no disk of this PC is there"), "{}", run.stderr);
}

#[test]
fn disks_that_rst_hides_are_missing_also_beside_another() {
    need!("root", "unshare");
    let image = Guarded::fixture("hardlink-one");
    let sata = "0000:00:17.0";
    let pc = Pc::new()
        .controller(sata, "0x010601", ("0x8086", "0x282a"), "ahci")
        .hides(sata, 1)
        .disk("sda", image.path(), "pci0000:00/ata1");
    // A store was found, and there may be more on what is not seen.
    let findings = pc.findings(&["detect"], 3);
    assert_eq!(codes(&findings), ["controller-hides-disks"]);
    assert!(findings[0]["action"].as_str().unwrap().contains("RAID to AHCI"), "{findings:?}");
    // What was found is saved; the PC must not be wiped for it.
    let run = pc.run(&["gate"]).expect(3);
    assert!(run.stdout.contains("the disk behind the SATA controller"), "{}", run.stdout);
}

#[test]
fn a_named_disk_that_is_not_there_may_be_behind_a_controller_without_a_driver() {
    need!("root", "unshare");
    let image = Guarded::fixture("hardlink-one");
    let vmd = |pc| with_vmd(pc).run(&["detect", "/dev/nvme0n1"]).expect(1);
    // Also where another disk of the PC is seen.
    for run in [vmd(Pc::new()), vmd(Pc::new().disk("sda", image.path(), "pci0000:00/ata1"))] {
        assert!(run.stderr.contains("/dev/nvme0n1: not found"), "{}", run.stderr);
        assert!(run.stderr.contains("behind the Intel VMD controller 8086:9a0b"), "{}", run.stderr);
        assert!(run.stderr.contains("modprobe vmd"), "{}", run.stderr);
    }
    // Nothing explains it, or it is not the name of a disk.
    let run = Pc::new().run(&["detect", "/dev/nvme0n1"]).expect(1);
    assert!(!run.stderr.contains("controller"), "{}", run.stderr);
    let run = with_vmd(Pc::new()).run(&["detect", "/no/such.img"]).expect(1);
    assert!(!run.stderr.contains("controller"), "{}", run.stderr);
}

#[test]
fn a_disk_that_is_closed_to_root_is_not_told_to_want_root() {
    need!("root", "unshare");
    let pc = || Pc::new().closed_disk("sda", "pci0000:00/ata1");
    let run = pc().run(&["detect"]).expect(7);
    let said = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("access refused, although Lifeboat runs with full rights"), "{said}");
    assert!(!said.contains("as root"), "{said}");
    let findings = pc().findings(&["detect"], 7);
    assert_eq!(codes(&findings), ["volume-closed"]);
    assert_eq!(findings[0]["path"], "/dev/sda");
    // Where a boot image is tried, too.
    let pc = pc();
    let to = pc.dir.path().join("out");
    fs::create_dir_all(&to).unwrap();
    let check = ["check", "--to", to.to_str().unwrap()];
    assert_eq!(codes(&pc.findings(&check, 3)), ["volume-closed"]);
    let run = pc.run(&check).expect(3);
    assert!(run.stdout.contains("disk          /dev/sda: access refused"), "{}", run.stdout);
    assert!(run.stdout.contains("CANNOT BE READ"), "{}", run.stdout);
}
