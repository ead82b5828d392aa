//! The disks and volumes, scripts for diskpart, drive letters.

use std::fmt::Write;

/// A file system to format with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// NTFS
    Ntfs,
    /// FAT32
    Fat32,
    /// exFAT
    ExFat,
}

impl FileSystem {
    /// As `format` and `GetVolumeInformation` call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntfs => "NTFS",
            Self::Fat32 => "FAT32",
            Self::ExFat => "exFAT",
        }
    }
}

/// A volume to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Its label, which nothing else on the machine has.
    pub label: &'static str,
    /// What it is formatted with.
    pub fs: FileSystem,
    /// Bytes in a cluster; 0: as Windows chooses.
    pub cluster: u32,
    /// Whether all of it is compressed.
    pub is_compressed: bool,
    /// Whether it makes 8.3 names; `None`: as Windows chooses.
    pub short_names: Option<bool>,
    /// MiB
    pub size: u32,
}

/// A disk to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its file in the work folder, without the extension.
    pub name: &'static str,
    /// Bytes in a sector.
    pub sector: u32,
    /// Its volumes, four at most: primary partitions.
    pub volumes: Vec<Volume>,
}

impl Disk {
    /// Bytes: room for the volumes, and odd enough to be told from other disks.
    pub fn bytes(&self) -> u64 {
        let volumes: u64 = self.volumes.iter().map(|volume| u64::from(volume.size)).sum();
        (volumes + 37) << 20
    }
}

/// Labels begin with this.
pub const LABEL: &str = "LBST";

const fn ntfs(label: &'static str, size: u32) -> Volume {
    Volume {
        label,
        fs: FileSystem::Ntfs,
        cluster: 0,
        is_compressed: false,
        short_names: None,
        size,
    }
}

/// The disks. `size`: MiB of large files in the store. FAT32 needs 65,525 clusters:
/// 300 MiB are enough for clusters of 4 KiB at most (Microsoft's fatgen103).
pub fn disks(size: u32) -> Vec<Disk> {
    let room = size * 2 + 160;
    vec![
        Disk {
            name: "source",
            sector: 512,
            volumes: vec![
                Volume { short_names: Some(true), cluster: 4096, ..ntfs("LBST-SRC", room) },
                Volume { is_compressed: true, ..ntfs("LBST-CMP", 96) },
                Volume { fs: FileSystem::Fat32, ..ntfs("LBST-F32", 320) },
                Volume { fs: FileSystem::ExFat, ..ntfs("LBST-EXF", 128) },
            ],
        },
        Disk {
            name: "destination",
            sector: 512,
            volumes: vec![
                Volume { short_names: Some(true), ..ntfs("LBST-DST", room * 2) },
                Volume { short_names: Some(false), ..ntfs("LBST-NO8", room) },
            ],
        },
        Disk { name: "sectors4k", sector: 4096, volumes: vec![ntfs("LBST-4KN", 128)] },
    ]
}

/// Letters that are free, from R on down, then up to Z: those that people and
/// logon scripts use least come first. Never A, B or C.
pub fn free_letters(drives: u32, is_defined: impl Fn(char) -> bool) -> Vec<char> {
    let order = ('D'..='R').rev().chain('S'..='Z');
    order
        .filter(|letter| {
            let bit = 1 << (*letter as u32 - 'A' as u32);
            drives & bit == 0 && !is_defined(*letter)
        })
        .collect()
}

/// How a diskpart script gets hold of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// By its number, which came with the handle of the disk that is ours.
    Number(u32),
    /// By its file.
    File(String),
}

/// MiB that a run needs, with disks of its own or without: the store, a dozen sets of it
/// (what it has does not compress) and, on disks, two copies.
pub fn needed(size: u32, has_disks: bool) -> u64 {
    let store = u64::from(size) + 16;
    if has_disks { store * 20 + 500 } else { store * 10 + 100 }
}

/// What a line of diskpart can hold between quotes.
fn quoted(path: &str) -> Option<String> {
    let is_plain = path.bytes().all(|b| (b' '..0x7f).contains(&b) && b != b'"');
    is_plain.then(|| format!("\"{path}\""))
}

fn select(disk: &Select) -> Option<String> {
    Some(match disk {
        Select::Number(number) => format!("select disk {number}\n"),
        Select::File(file) => format!("select vdisk file={}\n", quoted(file)?),
    })
}

/// Makes a disk in a file and attaches it. `None`: diskpart cannot be given this path.
pub fn script_make(file: &str, bytes: u64) -> Option<String> {
    let file = quoted(file)?;
    let size = bytes >> 20;
    Some(format!(
        "create vdisk file={file} maximum={size} type=expandable\nselect vdisk file={file}\nattach vdisk\n"
    ))
}

/// Takes a disk in a file away.
pub fn script_detach(file: &str) -> Option<String> {
    Some(format!("select vdisk file={}\ndetach vdisk\n", quoted(file)?))
}

/// Prepares a disk that is blank. Disks that came since diskpart began are not known to
/// it without `rescan`. A server's policy may leave new disks offline and
/// read-only (`san`); both lines fail where they are not, hence `noerr`.
pub fn script_prepare(disk: &Select) -> Option<String> {
    let select = select(disk)?;
    Some(format!(
        "rescan noerr\n{select}online disk noerr\nattributes disk clear readonly noerr\nconvert mbr noerr\n"
    ))
}

/// Makes a volume and formats it before it has a letter: Explorer would ask.
/// `existing`: the partition that an earlier try has made.
pub fn script_volume(
    disk: &Select,
    volume: &Volume,
    letter: char,
    existing: Option<u32>,
) -> Option<String> {
    let mut script = select(disk)?;
    match existing {
        Some(number) => {
            let _ = writeln!(script, "select partition {number}");
        }
        None => {
            let _ = writeln!(script, "create partition primary size={}", volume.size);
        }
    }
    let _ = write!(
        script,
        "format fs={} label={} quick",
        volume.fs.name().to_ascii_lowercase(),
        volume.label
    );
    if volume.cluster != 0 {
        let _ = write!(script, " unit={}", volume.cluster);
    }
    if volume.is_compressed {
        script.push_str(" compress");
    }
    let _ = write!(script, "\nassign letter={letter}\n");
    Some(script)
}

/// What is known of a volume behind a letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Its label.
    pub label: String,
    /// `NTFS`, ...
    pub file_system: String,
    /// `\\?\Volume{...}\`
    pub guid: String,
    /// The number of its disk.
    pub disk: Option<u32>,
    /// Bytes of the volume.
    pub bytes: u64,
}

impl VolumeFacts {
    /// Whether this is the volume that was planned, on the disk that is ours. Says what
    /// is not right. Nothing is formatted or written to otherwise.
    pub fn is_ours(&self, volume: &Volume, disk: u32) -> Result<(), String> {
        let size = u64::from(volume.size) << 20;
        let is_near = self.bytes <= size && self.bytes + (16 << 20) >= size;
        if self.label != volume.label {
            Err(format!("its label is {:?}, not {}", self.label, volume.label))
        } else if self.disk != Some(disk) {
            Err(format!("it is on disk {:?}, not {disk}", self.disk))
        } else if !is_near {
            Err(format!("it has {} bytes, not {size}", self.bytes))
        } else if !self.file_system.eq_ignore_ascii_case(volume.fs.name()) {
            Err(format!("it is {}, not {}", self.file_system, volume.fs.name()))
        } else {
            Ok(())
        }
    }
}

/// What is known of a disk before the first line is written to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskFacts {
    /// Its bytes.
    pub bytes: u64,
    /// `BusTypeFileBackedVirtual` is 15.
    pub bus: u32,
    /// Whether its first MiB is zero.
    pub is_blank: bool,
}

impl DiskFacts {
    /// Whether this can only be the disk that was just made.
    pub fn is_ours(&self, disk: &Disk) -> Result<(), String> {
        const FILE_BACKED: u32 = 15;
        if self.bytes != disk.bytes() {
            Err(format!("it has {} bytes, not {}", self.bytes, disk.bytes()))
        } else if self.bus != FILE_BACKED {
            Err(format!("its bus is {}, not that of a disk in a file", self.bus))
        } else if !self.is_blank {
            Err("it is not blank".to_owned())
        } else {
            Ok(())
        }
    }
}

/// A number after the words `PhysicalDrive`.
pub fn disk_number(path: &str) -> Option<u32> {
    let at = path.to_ascii_lowercase().rfind("physicaldrive")?;
    path.get(at + "physicaldrive".len()..)?.parse().ok()
}

/// The serial number of the system in the structures of SMBIOS (DMTF DSP0134, 7.2:
/// type 1, string at offset 7).
pub fn serial_in_smbios(mut rest: &[u8]) -> Option<String> {
    loop {
        let (kind, length) = (*rest.first()?, usize::from(*rest.get(1)?));
        let strings = rest.get(length.max(4)..)?;
        let end = strings.windows(2).position(|pair| pair == [0, 0])?;
        if kind == 1 {
            let number = usize::from(*rest.get(7)?);
            let text = strings.get(..end)?.split(|byte| *byte == 0).nth(number.checked_sub(1)?)?;
            let text = String::from_utf8_lossy(text).trim().to_owned();
            return (!text.is_empty()).then_some(text);
        }
        rest = strings.get(end + 2..)?;
    }
}

/// The recovery password that `manage-bde` has made: eight groups of six digits.
pub fn recovery_password(text: &str) -> Option<String> {
    let is_one = |word: &&str| {
        let groups: Vec<&str> = word.split('-').collect();
        let is_group = |group: &&str| group.len() == 6 && group.bytes().all(|b| b.is_ascii_digit());
        groups.len() == 8 && groups.iter().all(is_group)
    };
    text.split_whitespace().find(is_one).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_number_is_the_string_of_the_system() {
        let bios = [0, 5, 0, 0, 1, b'b', 0, 0];
        let system = b"\x01\x08\x01\x00\x01\x02\x00\x03Maker\0Model\0 123-456 \0\0";
        let table = [&bios[..], system].concat();
        assert_eq!(serial_in_smbios(&table).as_deref(), Some("123-456"));
        assert_eq!(serial_in_smbios(&bios), None);
        assert_eq!(serial_in_smbios(&system[..9]), None);
    }

    #[test]
    fn the_recovery_password_is_found_in_any_language() {
        let key = "111111-222222-333333-444444-555555-666666-777777-888888";
        let text =
            format!("Numerisches Kennwort:\n  ID: {{5E1F7E57-0000}}\n  Kennwort:\n    {key}\n");
        assert_eq!(recovery_password(&text).as_deref(), Some(key));
        assert_eq!(recovery_password("111111-222222"), None);
    }

    #[test]
    fn plans_fit() {
        for size in [8, 96, 4096] {
            let disks = disks(size);
            assert_eq!(disks.len(), 3);
            let mut labels = Vec::new();
            for disk in &disks {
                assert!((1..=4).contains(&disk.volumes.len()), "primary partitions");
                for volume in &disk.volumes {
                    assert!(volume.label.starts_with(LABEL) && volume.label.len() <= 11, "FAT");
                    labels.push(volume.label);
                }
            }
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), 7);
            let fat32 = disks[0].volumes.iter().find(|v| v.fs == FileSystem::Fat32).unwrap();
            assert!((u64::from(fat32.size) << 20) / 4096 > 65_525 + 8192);
        }
    }

    #[test]
    fn it_needs_what_it_writes() {
        // Seen: 2.2 to 2.6 GiB with 96 MiB of large files.
        assert!((2650..3072).contains(&needed(96, true)), "{}", needed(96, true));
        assert!(needed(96, false) < needed(96, true));
        assert!(needed(4096, true) > 80 << 10);
    }

    #[test]
    fn letters_that_are_taken_are_never_chosen() {
        assert_eq!(free_letters(0, |_| false)[..3], ['R', 'Q', 'P']);
        let all = free_letters(0, |_| false);
        assert!(!all.contains(&'A') && !all.contains(&'B') && !all.contains(&'C'));
        let letters = free_letters((1 << 17) | 1 << 15, |letter| letter == 'Q');
        assert_eq!(letters[0], 'O');
        assert!(free_letters(u32::MAX, |_| false).is_empty());
    }

    #[test]
    fn scripts_name_only_what_is_ours() {
        let plan = disks(96);
        let volume = &plan[0].volumes[1];
        let script = script_volume(&Select::Number(7), volume, 'Q', None).unwrap();
        assert_eq!(
            script,
            "select disk 7\ncreate partition primary size=96\nformat fs=ntfs label=LBST-CMP quick compress\nassign letter=Q\n"
        );
        let again =
            script_volume(&Select::File(r"C:\w\a.vhdx".into()), volume, 'Q', Some(2)).unwrap();
        assert!(
            again.starts_with("select vdisk file=\"C:\\w\\a.vhdx\"\nselect partition 2\nformat")
        );
        // Nothing of a path can end a line or a quote.
        assert_eq!(script_make("C:\\a\"\nclean.vhdx", 1 << 20), None);
        assert_eq!(script_detach("C:\\\u{e4}.vhdx"), None);
        assert!(script_make(r"C:\a b\c.vhdx", 5 << 20).unwrap().contains("maximum=5 "));
    }

    #[test]
    fn a_volume_that_is_not_as_planned_is_not_ours() {
        let volume = disks(96)[0].volumes[0];
        let facts = VolumeFacts {
            label: "LBST-SRC".into(),
            file_system: "NTFS".into(),
            guid: String::new(),
            disk: Some(4),
            bytes: (u64::from(volume.size) << 20) - 4096,
        };
        assert_eq!(facts.is_ours(&volume, 4), Ok(()));
        assert!(facts.is_ours(&volume, 5).is_err());
        for other in [
            VolumeFacts { label: "Windows".into(), ..facts.clone() },
            VolumeFacts { disk: None, ..facts.clone() },
            VolumeFacts { bytes: 1 << 40, ..facts.clone() },
            VolumeFacts { file_system: "ReFS".into(), ..facts.clone() },
        ] {
            assert!(other.is_ours(&volume, 4).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_disk_that_has_anything_on_it_is_not_ours() {
        let disk = &disks(96)[0];
        let facts = DiskFacts { bytes: disk.bytes(), bus: 15, is_blank: true };
        assert_eq!(facts.is_ours(disk), Ok(()));
        for other in [
            DiskFacts { bytes: facts.bytes + 512, ..facts },
            DiskFacts { bus: 7, ..facts },
            DiskFacts { is_blank: false, ..facts },
        ] {
            assert!(other.is_ours(disk).is_err(), "{other:?}");
        }
        assert_eq!(disk_number(r"\\.\PhysicalDrive12"), Some(12));
        assert_eq!(disk_number(r"\\.\CDROM0"), None);
    }
}
