//! Disks as the tools of others make them: sgdisk, parted, mkntfs and the other
//! formatters, qemu-img, loop devices. A test that lacks its tool says so.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lifeboat::disk::{
    Device, Disk, DiskError, DiskFormat, Fault, Foreign, TableKind, VolumeKind, open_image,
};
use lifeboat::model::advice::Advice as _;
use support::dirty_vhdx::{dirty_vhdx, peek, poke, tear_log};
use support::{need, require};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Runs a program; its failure is the test's.
fn run(program: &str, args: &[&str]) -> String {
    let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let out = Command::new(program)
        .args(args)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {args:?}: {err}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A scratch folder with paths as text, for command lines.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A file of `bytes` zeros.
    fn blank(&self, name: &str, bytes: u64) -> String {
        File::create(self.path(name)).unwrap().set_len(bytes).unwrap();
        self.text(name)
    }

    /// Formats a file of its own and copies it into `disk` at `offset`.
    fn place(&self, disk: &str, offset: u64, len: u64, mkfs: &[&str]) {
        let part = self.blank("part", len);
        let (program, args) = mkfs.split_first().unwrap();
        let args: Vec<&str> = args.iter().copied().chain([part.as_str()]).collect();
        run(program, &args);
        let mut to = OpenOptions::new().write(true).open(disk).unwrap();
        to.seek(SeekFrom::Start(offset)).unwrap();
        std::io::copy(&mut File::open(&part).unwrap(), &mut to).unwrap();
    }
}

/// Bytes without a pattern, other ones for each `seed`.
fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mixed = |i: u64| (i + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7];
    (1..=len).map(mixed).collect()
}

fn open(path: &str) -> Disk {
    open_image(Path::new(path)).unwrap_or_else(|e| panic!("{e}"))
}

/// Number, kind, first byte and length of each volume.
fn volumes(disk: &Disk) -> Vec<(u32, VolumeKind, u64, u64)> {
    disk.volumes.iter().map(|v| (v.index, v.kind, v.offset, v.len)).collect()
}

/// A Windows disk by GPT: EFI, reserved, NTFS, exFAT.
fn windows_disk(scratch: &Scratch) -> String {
    let disk = scratch.blank("disk.img", 200 * MIB);
    run(
        "sgdisk",
        &[
            "-n1:1M:+40M",
            "-t1:ef00",
            "-c1:EFI system partition",
            "-n2:0:+16M",
            "-t2:0c01",
            "-n3:0:+64M",
            "-t3:0700",
            "-c3:Basic data partition",
            "-n4:0:+32M",
            "-t4:0700",
            &disk,
        ],
    );
    scratch.place(&disk, MIB, 40 * MIB, &["mkfs.vfat", "-F32", "-n", "SYSTEM"]);
    scratch.place(&disk, 57 * MIB, 64 * MIB, &["mkntfs", "-F", "-Q", "-L", "Windows"]);
    scratch.place(&disk, 121 * MIB, 32 * MIB, &["mkfs.exfat"]);
    disk
}

const WINDOWS_TOOLS: [&str; 4] = ["sgdisk", "mkfs.vfat", "mkntfs", "mkfs.exfat"];

fn windows_volumes() -> Vec<(u32, VolumeKind, u64, u64)> {
    vec![
        (1, VolumeKind::Fat32, MIB, 40 * MIB),
        (2, VolumeKind::Blank, 41 * MIB, 16 * MIB),
        (3, VolumeKind::Ntfs, 57 * MIB, 64 * MIB),
        (4, VolumeKind::ExFat, 121 * MIB, 32 * MIB),
    ]
}

#[test]
fn a_gpt_disk_by_sgdisk() {
    need!(require::all(&WINDOWS_TOOLS));
    let scratch = Scratch::new();
    let path = windows_disk(&scratch);
    let disk = open(&path);
    assert_eq!((disk.table.kind, disk.table.unit), (TableKind::Gpt, 512));
    assert_eq!(volumes(&disk), windows_volumes());
    assert!(disk.findings().is_empty(), "{:?}", disk.findings());
    assert_eq!(disk.volumes[0].label.as_deref(), Some("SYSTEM"));
    let types: Vec<_> =
        disk.volumes.iter().map(|v| v.partition.as_ref().unwrap().kind.to_string()).collect();
    assert_eq!(types, ["EFI system", "Microsoft reserved", "basic data", "basic data"]);
    assert_eq!(disk.volumes[2].display, format!("{path}, partition 3 (NTFS, 64.0 MiB)"));
    assert_eq!(disk.volumes[2].partition.as_ref().unwrap().name, "Basic data partition");
    // sgdisk prints GUIDs in capitals.
    let shown = run("sgdisk", &["-i", "3", &path]).to_lowercase();
    let guid = disk.volumes[2].partition.as_ref().unwrap().guid.unwrap().to_string();
    assert!(shown.contains(&guid), "{guid} in {shown}");
    // The volume's device is the partition's bytes.
    let mut boot = [0; 16];
    disk.volumes[2].device.read_exact_at(0, &mut boot).unwrap();
    assert_eq!(&boot[3..11], b"NTFS    ");
    // Every bit of damage at the start leads to the same volumes by the copy.
    for (what, offset, len) in [("entries", 1024, 40), ("header", 512, 512), ("both", 0, 17_408)] {
        let saved = peek(&path, offset, len);
        poke(&path, offset, &vec![0; len]);
        let disk = open(&path);
        assert_eq!(volumes(&disk), windows_volumes(), "{what}");
        assert!(
            disk.findings().iter().any(|f| f.code == "gpt-from-backup"),
            "{what}: {:?}",
            disk.findings()
        );
        poke(&path, offset, &saved);
    }
    // A cut image: the table is whole, the volume behind the cut is said.
    File::options().write(true).open(&path).unwrap().set_len(100 * MIB).unwrap();
    let disk = open(&path);
    let codes: Vec<_> = disk.findings().iter().map(|f| f.code).collect();
    assert_eq!(
        codes,
        ["gpt-backup-bad", "partition-cut-short", "partition-outside", "volume-cut-short"]
    );
    assert_eq!(disk.volumes[2].len, 43 * MIB);
}

#[test]
fn an_mbr_disk_with_logical_partitions_by_parted() {
    need!("parted", "mkntfs", "mkfs.vfat");
    let scratch = Scratch::new();
    let path = scratch.blank("disk.img", 128 * MIB);
    let commands = "mklabel msdos mkpart primary ntfs 1MiB 33MiB \
                    mkpart extended 40MiB 100% mkpart logical fat16 41MiB 61MiB \
                    mkpart logical ntfs 64MiB 96MiB mkpart logical ntfs 97MiB 127MiB";
    let args: Vec<&str> =
        ["-s", &path, "unit", "MiB"].into_iter().chain(commands.split(' ')).collect();
    run("parted", &args.into_iter().filter(|a| !a.is_empty()).collect::<Vec<_>>());
    scratch.place(&path, MIB, 32 * MIB, &["mkntfs", "-F", "-Q"]);
    scratch.place(&path, 41 * MIB, 20 * MIB, &["mkfs.vfat", "-F16"]);
    scratch.place(&path, 64 * MIB, 32 * MIB, &["mkntfs", "-F", "-Q", "-c", "65536"]);
    let disk = open(&path);
    assert_eq!(disk.table.kind, TableKind::Mbr);
    assert_eq!(
        volumes(&disk),
        [
            (1, VolumeKind::Ntfs, MIB, 32 * MIB),
            (5, VolumeKind::Fat16, 41 * MIB, 20 * MIB),
            (6, VolumeKind::Ntfs, 64 * MIB, 32 * MIB),
            (7, VolumeKind::Blank, 97 * MIB, 30 * MIB),
        ]
    );
    assert!(disk.findings().is_empty(), "{:?}", disk.findings());
}

#[test]
fn bare_ntfs_by_mkntfs_with_its_boot_sector_or_the_copy() {
    need!("mkntfs");
    // Sector size, cluster size, and lengths that do not end on a cluster.
    for (sector, cluster, len) in [
        ("512", "512", 16 * MIB),
        ("512", "4096", 32 * MIB),
        ("512", "4096", 32 * MIB + 3 * 512),
        ("512", "65536", 64 * MIB),
        ("512", "131072", 512 * MIB), // from here on the cluster is given as a power
        ("512", "2097152", 8192 * MIB),
        ("4096", "4096", 64 * MIB),
        ("4096", "65536", 64 * MIB + 5 * 4096),
    ] {
        let scratch = Scratch::new();
        let path = scratch.blank("volume.img", len);
        run("mkntfs", &["-F", "-Q", "-s", sector, "-c", cluster, &path]);
        let disk = open(&path);
        assert_eq!(disk.table.kind, TableKind::None);
        assert_eq!(volumes(&disk), [(0, VolumeKind::Ntfs, 0, len)]);
        assert!(disk.findings().is_empty(), "{:?}", disk.findings());
        poke(&path, 0, &[0; 512]);
        let disk = open(&path);
        assert_eq!(volumes(&disk), [(0, VolumeKind::Ntfs, 0, len)], "{sector}, {cluster}, {len}");
        assert!(matches!(disk.volumes[0].faults[..], [Fault::BootSectorCopy { .. }]));
    }
}

#[test]
fn volumes_by_other_formatters() {
    let cases: [(&[&str], u64, VolumeKind, Option<&str>); 7] = [
        (&["mkfs.vfat", "-F12", "-n", "FLOPPY"], MIB, VolumeKind::Fat12, Some("FLOPPY")),
        (&["mkfs.vfat", "-F16"], 20 * MIB, VolumeKind::Fat16, None),
        (&["mkfs.vfat", "-F32", "-n", "STICK"], 64 * MIB, VolumeKind::Fat32, Some("STICK")),
        // With a partition table in the boot sector, whose partition is itself.
        (&["mkfs.vfat", "-F32", "--mbr=y"], 64 * MIB, VolumeKind::Fat32, None),
        (&["mkfs.exfat"], 16 * MIB, VolumeKind::ExFat, None),
        (&["mke2fs", "-q", "-t", "ext4", "-L", "root"], 16 * MIB, VolumeKind::Ext, Some("root")),
        (&["mkswap"], 16 * MIB, VolumeKind::LinuxSwap, None),
    ];
    for (mkfs, len, kind, label) in cases {
        if require::all(&mkfs[..1]).is_none() {
            continue;
        }
        let scratch = Scratch::new();
        let path = scratch.blank("volume.img", len);
        let args: Vec<&str> = mkfs[1..].iter().copied().chain([path.as_str()]).collect();
        run(mkfs[0], &args);
        let disk = open(&path);
        assert_eq!(volumes(&disk), [(0, kind, 0, len)], "{mkfs:?}");
        assert_eq!(disk.volumes[0].label.as_deref(), label, "{mkfs:?}");
        assert!(disk.findings().is_empty(), "{:?}", disk.findings());
    }
}

#[test]
fn what_is_no_image_is_refused_with_words() {
    let scratch = Scratch::new();
    fs::write(scratch.path("noise.bin"), noise(1, 100_000)).unwrap();
    let error = open_image(&scratch.path("noise.bin")).err().unwrap();
    assert!(matches!(error, DiskError::NotAnImage { .. }), "{error}");
    // Only zeros: an image, of a blank disk.
    let disk = open(&scratch.blank("zeros.img", MIB));
    assert_eq!(volumes(&disk), [(0, VolumeKind::Blank, 0, MIB)]);
    for name in ["disk.001", "disk.002"] {
        scratch.blank(name, MIB);
    }
    let error = open_image(&scratch.path("disk.001")).err().unwrap();
    assert!(error.advice().contains("join the pieces"), "{error}");
}

/// A raw disk whose blocks are used, empty and used again, and a GPT.
fn raw_disk(scratch: &Scratch) -> String {
    let path = windows_disk(scratch);
    for i in 0..24_u64 {
        poke(&path, 58 * MIB + i * 2_345_678, &noise(i, 300_000));
    }
    path
}

/// Compares every byte, by reads of uneven lengths; what `disk` has more must be
/// zeros.
fn assert_same_bytes(disk: &dyn Device, raw: &str) {
    let mut raw = File::open(raw).unwrap();
    let mut at = 0;
    for turn in 0_u64.. {
        let wanted = 1_000_000 + turn * 77_777 % 3_000_000;
        let wanted = wanted.min(disk.len() - at);
        if wanted == 0 {
            break;
        }
        let mut ours = vec![1; usize::try_from(wanted).unwrap()];
        disk.read_exact_at(at, &mut ours).unwrap();
        let mut theirs = Vec::new();
        Read::by_ref(&mut raw).take(wanted).read_to_end(&mut theirs).unwrap();
        theirs.resize(ours.len(), 0);
        assert!(ours == theirs, "{wanted} bytes from {at} differ");
        at += wanted;
    }
}

#[test]
fn containers_by_qemu_img_hold_the_same_bytes() {
    need!("qemu-img");
    need!(require::all(&WINDOWS_TOOLS));
    let scratch = Scratch::new();
    let raw = raw_disk(&scratch);
    for (format, options, expected) in [
        ("vpc", "subformat=fixed", DiskFormat::Vhd),
        ("vpc", "subformat=dynamic", DiskFormat::Vhd),
        ("vpc", "subformat=dynamic,force_size=on", DiskFormat::Vhd),
        ("vhdx", "subformat=fixed", DiskFormat::Vhdx),
        ("vhdx", "subformat=dynamic", DiskFormat::Vhdx),
        ("vhdx", "subformat=dynamic,block_size=1M", DiskFormat::Vhdx),
        ("vhdx", "subformat=dynamic,block_size=32M,log_size=2M", DiskFormat::Vhdx),
    ] {
        let image = scratch.text("container");
        run("qemu-img", &["convert", "-f", "raw", "-O", format, "-o", options, &raw, &image]);
        let before = fs::read(&image).unwrap();
        let disk = open(&image);
        assert_eq!(disk.format, expected, "{options}");
        assert_eq!(volumes(&disk), windows_volumes(), "{format}, {options}");
        assert!(disk.device.len() >= 200 * MIB && disk.device.len() < 202 * MIB);
        assert_same_bytes(&disk.device, &raw);
        assert!(fs::read(&image).unwrap() == before, "the image was changed");
        fs::remove_file(&image).unwrap();
    }
}

#[test]
fn other_formats_by_qemu_img_are_named() {
    need!("qemu-img");
    let scratch = Scratch::new();
    for (format, expected) in [
        ("qcow2", Foreign::Qcow2),
        ("vmdk", Foreign::Vmdk),
        ("vdi", Foreign::Vdi),
        ("parallels", Foreign::Parallels),
    ] {
        let image = scratch.text(format);
        run("qemu-img", &["create", "-f", format, &image, "16M"]);
        match open_image(Path::new(&image)) {
            Err(e @ DiskError::Foreign { format, .. }) if format == expected => {
                assert!(e.advice().contains("qemu-img convert"), "{}", e.advice());
            }
            Err(e) => panic!("{format}: {e}"),
            Ok(_) => panic!("{format} was opened"),
        }
    }
}

#[test]
fn differencing_containers_are_refused_with_words() {
    // qemu-img makes none: turned into one by their own flags.
    need!("qemu-img");
    let scratch = Scratch::new();
    let image = scratch.text("child.vhdx");
    run("qemu-img", &["create", "-f", "vhdx", &image, "64M"]);
    // File parameters are the metadata's first item, flags at its fifth byte;
    // the metadata table is at 3 MiB in what qemu-img makes.
    let bytes = fs::read(&image).unwrap();
    let guid = [0x37, 0x67, 0xA1, 0xCA, 0x36, 0xFA, 0x43, 0x4D];
    let entry = bytes.windows(8).position(|w| w == guid).unwrap();
    let table = bytes.windows(8).position(|w| w == b"metadata").unwrap();
    let item = u32::from_le_bytes(bytes[entry + 16..entry + 20].try_into().unwrap());
    poke(&image, table as u64 + u64::from(item) + 4, &[2]);
    let error = open_image(Path::new(&image)).err().unwrap();
    assert!(error.to_string().contains("differencing"), "{error}");
    assert!(error.advice().contains("Merge-VHD"), "{}", error.advice());
}

#[test]
fn a_vhdx_that_was_not_closed_has_its_log_replayed_in_memory() {
    need!("qemu-img");
    need!(require::all(&WINDOWS_TOOLS));
    let scratch = Scratch::new();
    let raw = raw_disk(&scratch);
    let image = scratch.text("dirty.vhdx");
    run("qemu-img", &["convert", "-O", "vhdx", "-o", "subformat=dynamic", &raw, &image]);
    dirty_vhdx(&image);
    let before = fs::read(&image).unwrap();
    let disk = open(&image);
    assert_eq!(disk.faults, [Fault::LogReplayed { changes: 2 }]);
    assert_eq!(volumes(&disk), windows_volumes());
    assert_same_bytes(&disk.device, &raw);
    assert!(fs::read(&image).unwrap() == before, "the image was changed");
    drop(disk);

    // Another reader of the same log comes to the same disk.
    run("qemu-img", &["check", "-q", "-r", "all", &image]);
    let theirs = scratch.text("theirs.img");
    run("qemu-img", &["convert", "-O", "raw", &image, &theirs]);
    assert_same_bytes(&open(&image).device, &theirs);

    // A log that is not whole is said to be the loss that it may be.
    run("qemu-img", &["convert", "-O", "vhdx", "-o", "subformat=dynamic", &raw, &image]);
    dirty_vhdx(&image);
    tear_log(&image);
    match open_image(Path::new(&image)) {
        Ok(disk) => assert!(matches!(disk.faults[..], [Fault::LogUnusable { .. }])),
        Err(e) => panic!("{e}"),
    }
}

/// An image behind a loop device, with its partitions, until dropped.
struct Loop(String);

impl Loop {
    fn new(image: &str, sector: u32) -> Self {
        let sector = sector.to_string();
        Self(run("losetup", &["-f", "--show", "-r", "-P", "-b", &sector, image]))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).output();
    }
}

#[test]
fn a_block_device_is_read_with_its_partitions_and_mounts() {
    need!("loop");
    need!(require::all(&WINDOWS_TOOLS));
    let scratch = Scratch::new();
    let image = windows_disk(&scratch);
    let device = Loop::new(&image, 512);
    let disk = lifeboat::disk::open(Path::new(&device.0)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((disk.display.as_str(), disk.format), (device.0.as_str(), DiskFormat::Attached));
    assert_eq!(volumes(&disk), windows_volumes());
    let hardware = disk.hardware.as_ref().unwrap();
    assert_eq!((hardware.transport.as_str(), hardware.logical_sector), ("loop", 512));
    assert_eq!(Path::new(&hardware.backing), fs::canonicalize(&image).unwrap());
    assert_same_bytes(&disk.device, &image);
    assert!(disk.volumes.iter().all(|v| v.note().is_none() && v.mounts.is_empty()));

    let all: Vec<_> = lifeboat::disk::attached().into_iter().filter_map(Result::ok).collect();
    let ours: Vec<_> = all.iter().filter(|disk| disk.display == device.0).collect();
    assert!(matches!(ours[..], [disk] if volumes(disk) == windows_volumes()));
    assert!(all.iter().all(|disk| !disk.display.contains("ram")));

    // A partition by its own device file, where something makes those.
    let partition = format!("{}p3", device.0);
    if Path::new(&partition).exists() {
        assert_eq!(disk.volumes[2].path.as_deref(), Some(Path::new(&partition)));
        let disk = lifeboat::disk::open(Path::new(&partition)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(volumes(&disk), [(0, VolumeKind::Ntfs, 0, 64 * MIB)]);
        assert_eq!(disk.hardware.as_ref().unwrap().transport, "loop");
    }
}

#[test]
fn a_device_with_sectors_of_4096_bytes_has_its_tables_in_them() {
    need!("loop");
    need!("sgdisk", "mkntfs", "parted");
    for label in ["gpt", "msdos"] {
        let scratch = Scratch::new();
        let image = scratch.blank("disk.img", 128 * MIB);
        // Writable, for the tool that makes the table.
        let writable = Loop(run("losetup", &["-f", "--show", "-b", "4096", &image]));
        let name = if label == "gpt" { "data" } else { "primary" };
        run(
            "parted",
            &["-s", &writable.0, "mklabel", label, "mkpart", name, "ntfs", "8MiB", "72MiB"],
        );
        drop(writable);
        scratch.place(&image, 8 * MIB, 64 * MIB, &["mkntfs", "-F", "-Q", "-s", "4096"]);
        let expected = [(1, VolumeKind::Ntfs, 8 * MIB, 64 * MIB)];
        // The disk, and an image of it, which does not tell its sectors.
        let device = Loop::new(&image, 4096);
        let disk = lifeboat::disk::open(Path::new(&device.0)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((disk.table.unit, disk.device.sector_size()), (4096, 4096));
        assert_eq!(volumes(&disk), expected, "{label}");
        let disk = open(&image);
        assert_eq!((disk.table.unit, disk.device.sector_size()), (4096, 512));
        assert_eq!(volumes(&disk), expected, "{label}");
    }
}

#[test]
fn a_mounted_volume_is_reported_as_in_use() {
    need!("loop");
    need!("fuse");
    let scratch = Scratch::new();
    let image = scratch.blank("volume.img", 64 * MIB);
    run("mkntfs", &["-F", "-Q", &image]);
    let device = Loop::new(&image, 512);
    let folder = scratch.path("a folder");
    fs::create_dir(&folder).unwrap();
    let folder = scratch.text("a folder");
    run("ntfs-3g", &["-o", "ro", &device.0, &folder]);
    let opened = lifeboat::disk::open(Path::new(&device.0));
    run("fusermount", &["-u", &folder]);
    let disk = opened.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(disk.volumes[0].mounts, [folder.as_str()]);
    assert!(disk.volumes[0].device.is_live());
    let note = disk.volumes[0].note().unwrap();
    assert!(note.contains(&format!("mounted at {folder}")), "{note}");
}

/// Makes the seeds of the fuzz targets: `cargo test --test source -- --ignored disk::`.
#[test]
#[ignore = "writes into the repository"]
fn write_the_seeds() {
    let corpus = support::root().join("fuzz/corpus");
    let write = |target: &str, name: &str, options: &[u8], bytes: &[u8]| {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), [options, bytes].concat()).unwrap();
    };
    let scratch = Scratch::new();
    let small = 31 * 512;
    for (name, script) in [
        ("gpt", "label: gpt\ntable-length: 4\nstart=4, size=10, name=one\nstart=14, size=5\n"),
        (
            "mbr",
            "label: dos\nstart=1, size=4, type=7\nstart=6, size=25, type=f\nstart=8, size=8, type=7\nstart=18, size=9, type=7\n",
        ),
    ] {
        let path = scratch.blank(name, small);
        let file = scratch.text("script");
        fs::write(&file, script).unwrap();
        run("sh", &["-c", &format!("sfdisk -q {path} < {file}")]);
        write("partition_tables", name, &[0], &fs::read(&path).unwrap());
    }
    for (name, mkfs, len) in [
        ("ntfs", &["mkntfs", "-F", "-Q"][..], 2 * MIB),
        ("fat", &["mkfs.vfat"], MIB),
        ("exfat", &["mkfs.exfat"], 4 * MIB),
        ("ext", &["mke2fs", "-q"], MIB),
    ] {
        let path = scratch.blank(name, len);
        run(mkfs[0], &[&mkfs[1..], &[path.as_str()]].concat());
        write("volume_kind", name, &[0], &peek(&path, 0, 2048));
        if name == "ntfs" {
            // As short as it can be for the copy of its boot sector to fit.
            let mut volume = vec![0; 9 * 512];
            volume[4096..].copy_from_slice(&peek(&path, 0, 512));
            volume[4096 + 0x28] = 8;
            volume[4096 + 0x29..4096 + 0x30].fill(0);
            volume[4096 + 0x0D] = 1;
            volume[4096 + 0x30..4096 + 0x40].fill(0);
            volume[4096 + 0x30] = 4;
            volume[2048..2052].copy_from_slice(b"FILE");
            write("volume_kind", "ntfs-by-its-copy", &[0], &volume);
        }
    }
    let raw = scratch.blank("raw", 8192);
    let image = scratch.text("image");
    let make = |options: &str, raw: &str| {
        let format = if options.contains("log_size") { "vhdx" } else { "vpc" };
        run("qemu-img", &["convert", "-f", "raw", "-O", format, "-o", options, raw, &image]);
    };
    make("subformat=fixed,force_size=on", &raw);
    write("vhd", "fixed", &[0, 9], &fs::read(&image).unwrap());
    make("subformat=dynamic,force_size=on", &scratch.blank("empty", 8 * MIB));
    write("vhd", "dynamic", &[0, 9], &fs::read(&image).unwrap());

    make("subformat=dynamic,log_size=1M", &windows_disk(&scratch));
    for name in ["clean", "dirty"] {
        // The pieces that the target puts back into their places.
        let mut pieces = Vec::new();
        for (len, at) in [
            (80, 64 << 10),
            (80, 128 << 10),
            (112, 192 << 10),
            (224, 3 * MIB),
            (64, 3 * MIB + (64 << 10)),
            (64, 2 * MIB),
            (256, 4 * MIB),
        ] {
            pieces.extend(peek(&image, at, len));
        }
        if name == "dirty" {
            // The ring's end is not among the pieces: begin at its start.
            let mut log = peek(&image, MIB, 8192);
            log[12..16].fill(0);
            pieces.extend(log);
        }
        write("vhdx", name, &[0], &pieces);
        dirty_vhdx(&image);
    }
}
