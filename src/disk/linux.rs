//! Linux: the block devices of `/sys/block`, and where they are mounted.
//!
//! A device is opened read-only and read through the kernel's page cache: any
//! offset and length will do. A volume that is mounted shares that cache with
//! the file systems in the kernel and with ntfs-3g, so what they wrote is seen
//! at once, though several writes may be seen half done.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::condition::Condition;
use super::image::container::{Container, DiskFormat};
use super::live::Live;
use super::{Device, Disk, DiskError, FileDevice, Hardware, VolumeKind};

const SYS_BLOCK: &str = "/sys/block";

/// `major:minor`, as sysfs and mountinfo write it.
type DeviceNumber = String;

/// Every disk of this machine that has a medium, or why it cannot be read.
pub(super) fn attached() -> Vec<Result<Disk, DiskError>> {
    let names = match fs::read_dir(SYS_BLOCK) {
        Ok(entries) => entries.flatten().map(|e| e.file_name()),
        Err(error) => return vec![Err(DiskError::from_open(Path::new(SYS_BLOCK), error))],
    };
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort_by_key(|name| natural(name));
    let doubled: Vec<String> = names.iter().flat_map(|name| paths_of_multipath(name)).collect();
    names.retain(|name| is_disk(name) && !doubled.contains(name) && !is_unlocked_volume(name));
    let mounts = Mounts::read();
    let opened = |name: &String| match open_disk(&Path::new("/dev").join(name), name, &mounts) {
        // An empty drive for discs or cards. A disk without bytes that stays in is a broken one.
        Err(DiskError::NoMedium { .. }) if hardware(name).removable => None,
        opened => Some(opened),
    };
    names.iter().filter_map(opened).collect()
}

/// Whether `path` is a block device.
pub(super) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.file_type().is_block_device())
}

/// The disk image that a mounted file system is in: by a loop device, or by a driver in user space
/// that reads the file itself.
pub(super) fn image_below(folder: &Path) -> Option<PathBuf> {
    let number = fs::metadata(folder).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let source = PathBuf::from(mount_source(&mounts, &number)?);
    if !is_device(&source) {
        return source.canonicalize().ok().filter(|file| file.is_file());
    }
    let device = fs::metadata(&source).ok()?.rdev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    // Of a partition, its disk's.
    ["loop/backing_file", "../loop/backing_file"].into_iter().find_map(|below| {
        let name = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/{below}")).ok()?;
        Path::new(name.trim_end_matches('\n')).canonicalize().ok()
    })
}

/// proc(5): what is mounted, after the mark, the type of the file system.
fn mount_source(mounts: &str, number: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (place, what) = line.split_once(" - ")?;
        let is_it = place.split(' ').nth(2) == Some(number);
        is_it.then(|| what.split(' ').nth(1).map(unescape)).flatten()
    })
}

/// Opens a disk or a partition by its device file, or a link to it.
pub(super) fn open_device(path: &Path) -> Result<Disk, DiskError> {
    let number = fs::metadata(path).map_err(|e| DiskError::from_open(path, e))?.rdev();
    let number = format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
    // A link to the device's folder; a partition's is below its disk's.
    let folder = fs::canonicalize(format!("/sys/dev/block/{number}")).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut disk = open_disk(path, &name, &Mounts::read())?;
    if folder.join("partition").exists() {
        let parent = folder.parent().and_then(Path::file_name).unwrap_or_default();
        disk.hardware = Some(hardware(&parent.to_string_lossy()));
    }
    Ok(disk)
}

/// Opens the device file `path` of the device that sysfs calls `name`.
fn open_disk(path: &Path, name: &str, mounts: &Mounts) -> Result<Disk, DiskError> {
    let refused = |error| DiskError::from_open(path, error);
    let mut file = File::open(path).map_err(refused)?;
    let len = file.seek(SeekFrom::End(0)).map_err(refused)?;
    if len == 0 {
        return Err(DiskError::NoMedium { path: path.to_owned() });
    }
    let hardware = hardware(name);
    let sector = rustix::fs::ioctl_blksszget(&file).unwrap_or(hardware.logical_sector);
    let device: Arc<dyn Device> =
        Arc::new(FileDevice::from_parts(file, len, sector.max(512), path.to_owned()));
    let attached = Container { device, format: DiskFormat::Attached, faults: Vec::new() };
    let display = path.display().to_string();
    let mut disk = Disk::probe_container(display, path.to_owned(), attached);
    disk.hardware = Some(hardware);
    let partitions = kernel_partitions(name);
    for volume in &mut disk.volumes {
        let partition = match volume.partition {
            None => Some((path.to_owned(), read_line(&sys(name, "dev")))),
            Some(_) => partitions.get(&volume.offset).cloned(),
        };
        let Some((path, number)) = partition else { continue };
        let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        volume.path = Some(path);
        volume.mounts = mounts.of(&number);
        if volume.kind == VolumeKind::BitLocker
            && let Some((device, number)) = unlocked_by_system(&own)
        {
            volume.mounts = mounts.of(&number);
            volume.unlocked_by_system(device);
        }
        if !volume.mounts.is_empty() {
            volume.device = Arc::new(Live(volume.device.clone()));
        }
    }
    Ok(disk)
}

/// The kernel's partitions of a disk: by first byte, device file and number.
fn kernel_partitions(name: &str) -> HashMap<u64, (PathBuf, DeviceNumber)> {
    let entries = fs::read_dir(sys(name, "")).into_iter().flatten().flatten();
    let partitions = entries.filter_map(|entry| {
        let folder = entry.path();
        // In units of 512 bytes, whatever the disk's sectors are.
        let start: u64 = read_line(&folder.join("start")).parse().ok()?;
        let file = Path::new("/dev").join(entry.file_name());
        Some((start.checked_mul(512)?, (file, read_line(&folder.join("dev")))))
    });
    partitions.collect()
}

/// A file of a device in sysfs.
fn sys(name: &str, file: &str) -> PathBuf {
    // `/` in a device's name is `!` there (cciss!c0d0).
    Path::new("/sys/class/block").join(name.replace('/', "!")).join(file)
}

/// A file of one line; empty when it is not there.
fn read_line(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Whether a block device may hold a user's data: not memory, not a floppy
/// drive, not flash under a file system of its own, and with a medium in it.
fn is_disk(name: &str) -> bool {
    let memory = ["ram", "zram", "fd", "mtdblock"].iter().any(|prefix| {
        let number = name.strip_prefix(prefix);
        number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    });
    let sectors = read_line(&sys(name, "size"));
    !memory && sectors.parse().is_ok_and(|sectors: u64| sectors > 0)
}

/// The disks behind a multipath device (they show the same bytes), or that
/// device's partitions (which are read from its own table).
fn paths_of_multipath(name: &str) -> Vec<String> {
    let uuid = read_line(&sys(name, "dm/uuid"));
    if uuid.starts_with("part") && uuid.contains("-mpath-") {
        return vec![name.to_owned()];
    }
    if !uuid.starts_with("mpath-") {
        return Vec::new();
    }
    let slaves = fs::read_dir(sys(name, "slaves")).into_iter().flatten().flatten();
    slaves.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What cryptsetup calls a BitLocker volume that it has opened.
const BITLK: &str = "CRYPT-BITLK-";

/// Whether a device is a BitLocker volume that cryptsetup has opened: it is shown as the partition
/// that it is made of.
fn is_unlocked_volume(name: &str) -> bool {
    read_line(&sys(name, "dm/uuid")).starts_with(BITLK)
        && fs::read_dir(sys(name, "slaves")).is_ok_and(|mut slaves| slaves.next().is_some())
}

/// The device that cryptsetup has made of the BitLocker volume `name`, and its number.
fn unlocked_by_system(name: &str) -> Option<(Arc<dyn Device>, DeviceNumber)> {
    let holders = fs::read_dir(sys(name, "holders")).ok()?.flatten();
    let names = holders.filter_map(|holder| holder.file_name().into_string().ok());
    let holder = names.into_iter().find(|holder| is_unlocked_volume(holder))?;
    let path = Path::new("/dev").join(&holder);
    let mut file = File::open(&path).ok()?;
    let len = file.seek(SeekFrom::End(0)).ok()?;
    let sector = rustix::fs::ioctl_blksszget(&file).unwrap_or(512).max(512);
    let device: Arc<dyn Device> = Arc::new(FileDevice::from_parts(file, len, sector, path));
    Some((device, read_line(&sys(&holder, "dev"))))
}

/// What a whole disk says of its health; a partition has none of its own.
pub(super) fn condition(disk: &Disk, hardware: &Hardware) -> Condition {
    let device = fs::canonicalize(&disk.path).unwrap_or_default();
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if sys(&name, "partition").exists() {
        return Condition::default();
    }
    let mut condition = Condition::ask(&disk.path, &hardware.transport);
    let is_windows = |kind| matches!(kind, VolumeKind::Ntfs | VolumeKind::BitLocker);
    if !disk.volumes.iter().any(|volume| is_windows(volume.kind)) {
        condition.ask_for_lock(&disk.path, &hardware.transport);
    }
    condition
}

/// What sysfs says of a disk.
fn hardware(name: &str) -> Hardware {
    let line = |file: &str| read_line(&sys(name, file));
    let number = |file: &str| line(file).parse().unwrap_or(512);
    let model = [line("device/vendor"), line("device/model"), line("dm/name")];
    // A virtio disk's vendor is a number, an ATA disk's is "ATA".
    let model = model.iter().filter(|t| !t.is_empty() && !t.starts_with("0x") && **t != "ATA");
    let serial = [line("serial"), line("device/serial")];
    Hardware {
        model: model.map(String::as_str).collect::<Vec<_>>().join(" "),
        serial: serial.into_iter().find(|s| !s.is_empty()).unwrap_or_default(),
        transport: transport(&fs::canonicalize(sys(name, "")).unwrap_or_default()).to_owned(),
        removable: line("removable") == "1",
        logical_sector: number("queue/logical_block_size"),
        physical_sector: number("queue/physical_block_size"),
        backing: line("loop/backing_file"),
        condition: Condition::default(),
    }
}

/// How a disk is attached, by the way to it through the buses.
fn transport(folder: &Path) -> &'static str {
    let mut words = folder.iter().filter_map(|word| word.to_str()).map(|word| {
        let bus = word.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        match bus {
            _ if word.starts_with("usb") => "usb",
            _ if word.starts_with("nvme") => "nvme",
            _ if word.starts_with("virtio") => "virtio",
            _ if word.starts_with("vbd-") => "xen",
            _ if word.starts_with("mmc") => "mmc",
            _ if word.starts_with("loop") => "loop",
            "ata" => "sata",
            _ => "",
        }
    });
    let found = words.find(|word| !word.is_empty());
    match found {
        Some(word) => word,
        None if folder.iter().any(|w| w.as_encoded_bytes().starts_with(b"host")) => "scsi",
        None => "",
    }
}

/// Names with numbers in them, in the order people expect: `sdb` before
/// `sdaa`, `loop2` before `loop10`.
fn natural(name: &str) -> (String, usize, String) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let kind = if letters.starts_with("sd") { "sd" } else { letters };
    (kind.to_owned(), name.len(), name.to_owned())
}

/// What is mounted where.
struct Mounts(Vec<(DeviceNumber, String)>);

impl Mounts {
    fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// proc(5): number, parent, device, root, mount point, options… `-`, type,
    /// source, options. Bind mounts of a folder do not count: they are not the
    /// volume.
    fn parse(text: &str) -> Self {
        let mounts = text.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(2);
            let number = fields.next()?.to_owned();
            let (root, point) = (fields.next()?, fields.next()?);
            (root == "/").then(|| (number, unescape(point)))
        });
        Self(mounts.collect())
    }

    fn of(&self, number: &str) -> Vec<String> {
        let mounts = self.0.iter().filter(|(of, _)| of == number);
        mounts.map(|(_, point)| point.clone()).collect()
    }
}

/// Undoes mountinfo's `\040` for a space, and its like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        let code = digits.and_then(|d| u8::from_str_radix(d, 8).ok());
        if let (b'\\', Some(byte)) = (first, code) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_device_number() {
        let mounts = Mounts::parse(
            "36 27 8:1 / /mnt/my\\040disk rw,relatime shared:1 - fuseblk /dev/sda1 rw\n\
             37 27 8:1 /folder /srv rw - fuseblk /dev/sda1 rw\n\
             38 27 8:1 / /again rw - fuseblk /dev/sda1 rw\n\
             nonsense\n",
        );
        assert_eq!(mounts.of("8:1"), ["/mnt/my disk", "/again"]);
        assert!(mounts.of("8:2").is_empty());
        assert_eq!(unescape("a\\134b\\"), "a\\b\\");
        let fuse = "52 27 0:45 / /mnt rw shared:9 master:1 - fuse /my\\040disk.img rw,user_id=0\n";
        assert_eq!(mount_source(fuse, "0:45").as_deref(), Some("/my disk.img"));
        assert_eq!(mount_source(fuse, "0:4"), None);
    }

    #[test]
    fn transports_are_read_off_the_way_to_the_disk() {
        for (folder, bus) in [
            (
                "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb",
                "usb",
            ),
            (
                "/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
                "sata",
            ),
            ("/sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1", "nvme"),
            ("/sys/devices/pci0000:00/0000:00:10.0/host2/target2:0:0/2:0:0:0/block/sda", "scsi"),
            ("/sys/devices/virtual/block/dm-0", ""),
        ] {
            assert_eq!(transport(Path::new(folder)), bus, "{folder}");
        }
    }

    #[test]
    fn disks_are_listed_as_people_count() {
        let mut names = vec!["sdaa", "loop10", "sdb", "nvme0n1", "loop2", "sda"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["loop2", "loop10", "nvme0n1", "sda", "sdb", "sdaa"]);
    }

    #[test]
    fn memory_and_empty_drives_are_no_disks() {
        // Every machine's sysfs says no to these.
        for name in ["ram0", "zram0", "fd0", "no such device"] {
            assert!(!is_disk(name), "{name}");
        }
    }
}
