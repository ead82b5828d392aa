//! What is wrong with a partition table or the edges of a volume, and how it
//! is told to people.

use super::bitlocker::Doubt;
use super::raid::RaidMember;
use super::volume::VolumeKind;
use crate::model::finding::{Finding, Severity};
use crate::model::units;

/// Something wrong, or worth knowing, that did not stop the reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The first GPT header or its entries are damaged; the copy at the disk's
    /// end was used.
    GptFromBackup {
        /// What was wrong with the first.
        why: String,
    },
    /// The copy of the GPT at the disk's end is damaged or not there.
    GptBackupBad {
        /// What was wrong with it.
        why: String,
    },
    /// Both GPTs are damaged; the better one was used as it is.
    GptUnchecked {
        /// What is wrong with it.
        why: String,
    },
    /// A good GPT whose protective MBR is missing.
    GptUnprotected,
    /// An MBR that lacks its signature, used since volumes stand where it says.
    MbrUnsigned,
    /// The chain of logical partitions breaks off.
    ChainBroken {
        /// Byte on the disk of the link that is bad.
        at: u64,
        /// What is bad about it.
        why: &'static str,
    },
    /// The table's first sector could not be read.
    TableUnreadable {
        /// What the system said.
        error: String,
    },
    /// The table counts in other units than the disk's sectors.
    OtherUnit {
        /// Bytes per unit in the table.
        unit: u32,
        /// Whether it is the table of an image, of whose disk nothing else is known.
        of_image: bool,
    },
    /// A partition starts past the end of the disk.
    PartitionOutside {
        /// Its number.
        number: u32,
    },
    /// A partition ends past the end of the disk; it was cut off there.
    PartitionCutShort {
        /// Its number.
        number: u32,
        /// Bytes that are not there.
        missing: u64,
    },
    /// A partition that ends before it starts.
    PartitionBackwards {
        /// Its number.
        number: u32,
    },
    /// Two partitions share bytes.
    Overlap {
        /// The one that starts first.
        first: u32,
        /// The other.
        second: u32,
    },
    /// More entries than any disk has; the rest was left out.
    TooManyPartitions,
    /// Sector 0 is a volume's boot sector and a partition table at once.
    AlsoBootSector {
        /// What the boot sector is of.
        kind: VolumeKind,
    },
    /// A volume that no partition table leads to.
    LostPartition {
        /// The numbers of the partitions that it shares bytes with.
        over: Vec<u32>,
    },
    /// A dynamic disk (LDM): volumes are laid out in a database of their own.
    DynamicDisk,
    /// The disk is a part of a RAID array.
    Raid(RaidMember),
    /// The log of a VHDX held changes; they were applied in memory.
    LogReplayed {
        /// How many.
        changes: usize,
    },
    /// The log of a VHDX holds changes, and they cannot be applied.
    LogUnusable {
        /// Why.
        why: String,
    },
    /// A mapfile of ddrescue says what of the image was read.
    Mapfile {
        /// The mapfile.
        path: String,
        /// Bytes of the image that were not read.
        missing: u64,
    },
    /// The footer of a VHD is damaged.
    VhdFooterBad {
        /// What is wrong with it.
        why: &'static str,
        /// Whether the copy at the file's start was used instead.
        from_copy: bool,
    },
    /// A VHDX file is shorter than it should be.
    ContainerCutShort {
        /// Bytes that it should have.
        needed: u64,
        /// Bytes that it has.
        have: u64,
    },
    /// The volume's first sector is damaged; NTFS was known by the copy.
    BootSectorCopy {
        /// Byte on the volume where the copy stands.
        at: u64,
    },
    /// The system does not let a volume be read as a disk.
    Refused {
        /// What it said.
        error: String,
    },
    /// The volume's first sectors could not be read.
    StartUnreadable {
        /// What the system said.
        error: String,
    },
    /// Sector 0 of a BitLocker volume is lost; it was known by its metadata.
    BitLockerStart {
        /// Byte on the volume where that is.
        at: u64,
    },
    /// Something about an unlocked BitLocker volume.
    BitLocker(Doubt),
    /// The file system is longer than its partition or its image.
    VolumeCutShort {
        /// Bytes that it says it has.
        claimed: u64,
        /// Bytes that are there.
        have: u64,
    },
}

/// What the table's faults mean where nothing is lost by them.
const READS_ON: &str = "the volumes are read all the same";
/// What to do where nothing need be done.
const NOTHING: &str = "nothing";

impl Fault {
    /// The fault as a finding about `path` (a disk or a volume, for people).
    pub fn finding(&self, path: &str) -> Finding {
        let (code, severity) = self.rank();
        let (meaning, action) = self.consequence();
        Finding {
            code,
            severity,
            path: path.to_owned(),
            what: self.what(),
            meaning: meaning.to_owned(),
            action: action.to_owned(),
        }
    }

    /// Whether bytes of the volume may be read that are not what was stored there, without a read
    /// error.
    pub(crate) fn may_show_nonsense(&self) -> bool {
        let Self::BitLocker(doubt) = self else { return false };
        match doubt {
            Doubt::HashDiffers | Doubt::CopiesDiffer { .. } | Doubt::ConversionMap { .. } => true,
            Doubt::BadCopies { .. }
            | Doubt::NoGoodCopy
            | Doubt::InConversion(_)
            | Doubt::CutShort => false,
        }
    }

    /// The stable code, and how bad it is.
    fn rank(&self) -> (&'static str, Severity) {
        use Severity::{Damage, Info, Warning};
        match self {
            Self::GptFromBackup { .. } => ("gpt-from-backup", Warning),
            Self::GptBackupBad { .. } => ("gpt-backup-bad", Info),
            Self::GptUnchecked { .. } => ("gpt-unchecked", Warning),
            Self::GptUnprotected => ("gpt-unprotected", Warning),
            Self::MbrUnsigned => ("mbr-unsigned", Warning),
            Self::ChainBroken { .. } => ("extended-chain", Warning),
            Self::TableUnreadable { .. } => ("table-unreadable", Warning),
            Self::OtherUnit { .. } => ("table-unit", Info),
            Self::PartitionOutside { .. } => ("partition-outside", Warning),
            Self::PartitionCutShort { .. } => ("partition-cut-short", Warning),
            Self::PartitionBackwards { .. } => ("partition-backwards", Warning),
            Self::Overlap { .. } => ("partition-overlap", Warning),
            Self::TooManyPartitions => ("partition-count", Warning),
            Self::AlsoBootSector { .. } => ("table-or-volume", Info),
            Self::LostPartition { .. } => ("lost-partition", Warning),
            Self::DynamicDisk => ("dynamic-disk", Warning),
            Self::Raid(member) if member.is_spread => ("raid-part", Warning),
            Self::Raid(_) => ("raid-member", Warning),
            Self::LogReplayed { .. } => ("vhdx-log-replayed", Info),
            Self::LogUnusable { .. } => ("vhdx-log-unusable", Damage),
            Self::Mapfile { .. } => ("image-unread", Warning),
            Self::VhdFooterBad { .. } => ("vhd-footer-bad", Warning),
            Self::ContainerCutShort { .. } => ("image-cut-short", Damage),
            Self::BootSectorCopy { .. } => ("boot-sector-copy", Warning),
            Self::Refused { .. } => ("volume-refused", Warning),
            Self::StartUnreadable { .. } => ("volume-start-unreadable", Damage),
            Self::VolumeCutShort { .. } => ("volume-cut-short", Warning),
            Self::BitLockerStart { .. } => ("bitlocker-start", Warning),
            Self::BitLocker(Doubt::BadCopies { .. }) => ("bitlocker-copies", Info),
            Self::BitLocker(Doubt::NoGoodCopy) => ("bitlocker-unchecked", Warning),
            Self::BitLocker(Doubt::HashDiffers) => ("bitlocker-hash", Damage),
            Self::BitLocker(Doubt::CopiesDiffer { .. }) => ("bitlocker-copies-differ", Damage),
            Self::BitLocker(Doubt::InConversion(_)) => ("bitlocker-in-conversion", Damage),
            Self::BitLocker(Doubt::ConversionMap { .. }) => ("bitlocker-conversion", Damage),
            Self::BitLocker(Doubt::CutShort) => ("bitlocker-cut-short", Warning),
        }
    }

    /// What was found.
    fn what(&self) -> String {
        match self {
            Self::GptFromBackup { why } => format!(
                "the partition table at the start is damaged ({why}); its copy at the end was used"
            ),
            Self::GptBackupBad { why } => {
                format!("the copy of the partition table at the end is not usable ({why})")
            }
            Self::GptUnchecked { why } => {
                format!("the partition table and its copy are damaged ({why}); used as it is")
            }
            Self::GptUnprotected => {
                "the first sector is damaged; the GPT after it is intact".to_owned()
            }
            Self::MbrUnsigned => "the partition table lacks its signature (55 AA)".to_owned(),
            Self::ChainBroken { at, why } => {
                format!("the list of logical partitions breaks off at byte {at}: {why}")
            }
            Self::TableUnreadable { error } => format!("the first sector cannot be read: {error}"),
            Self::OtherUnit { unit, of_image } => other_unit(*unit, *of_image),
            Self::PartitionOutside { number } => {
                format!("partition {number} starts past the end of the disk; left out")
            }
            Self::PartitionCutShort { number, missing } => {
                format!(
                    "partition {number} ends {} past the end of the disk",
                    units::bytes(*missing)
                )
            }
            Self::PartitionBackwards { number } => {
                format!("partition {number} ends before it starts; left out")
            }
            Self::Overlap { first, second } => {
                format!("partitions {first} and {second} share bytes")
            }
            Self::TooManyPartitions => {
                "the table has more partitions than any disk; the rest was left out".to_owned()
            }
            Self::AlsoBootSector { kind } => {
                format!("the start of the disk also shows an earlier use of it ({kind})")
            }
            Self::LostPartition { over } if over.is_empty() => {
                "no partition table lists this volume; it was found by its boot sector".to_owned()
            }
            Self::LostPartition { over } => {
                let numbers: Vec<String> = over.iter().map(u32::to_string).collect();
                let word = if over.len() == 1 { "partition" } else { "partitions" };
                format!(
                    "no partition table lists this volume; it was found by its boot sector, and \
                     shares bytes with {word} {}",
                    numbers.join(", ")
                )
            }
            Self::DynamicDisk => "a dynamic disk (LDM): its volumes are listed in a database that \
                                  Lifeboat does not read"
                .to_owned(),
            Self::Raid(member) => format!("the disk is, or was, a part of {member}"),
            Self::LogReplayed { changes } => format!(
                "the image was not closed cleanly; the {changes} changes in its log were applied \
                 in memory"
            ),
            Self::LogUnusable { why } => {
                format!("the image was not closed cleanly, and its log cannot be used: {why}")
            }
            Self::Mapfile { path, missing } => format!(
                "the mapfile {path} was used: {} of the image were not read from the disk",
                units::bytes(*missing)
            ),
            Self::VhdFooterBad { why, from_copy: true } => {
                format!("the VHD's footer is damaged ({why}); its copy at the start was used")
            }
            Self::VhdFooterBad { why, from_copy: false } => {
                format!("the VHD's footer is damaged ({why}); it was used as it is")
            }
            Self::ContainerCutShort { needed, have } => format!(
                "the image file has {}, but should have {}",
                units::bytes(*have),
                units::bytes(*needed)
            ),
            Self::BootSectorCopy { at } => {
                format!("the boot sector is damaged; its copy at byte {at} is whole")
            }
            Self::Refused { error } => {
                format!("the system does not let the volume be read as a disk: {error}")
            }
            Self::StartUnreadable { error } => {
                format!("the first sectors of the volume cannot be read: {error}")
            }
            Self::BitLockerStart { at } => format!(
                "the first sector of this BitLocker volume is damaged; the metadata at byte {at} \
                 was used"
            ),
            Self::BitLocker(doubt) => doubt.to_string(),
            Self::VolumeCutShort { claimed, have } => format!(
                "the volume should have {}, but only {} are there",
                units::bytes(*claimed),
                units::bytes(*have)
            ),
        }
    }

    /// What it means, and what to do.
    fn consequence(&self) -> (&'static str, &'static str) {
        match self {
            Self::OtherUnit { of_image: true, .. } => (
                "the image is of a disk with such sectors, or in such a USB enclosure; other \
                 programs may find no volume in it, Lifeboat reads them all the same",
                "nothing for the rescue",
            ),
            Self::OtherUnit { of_image: false, .. } => (
                "it was partitioned in another USB enclosure or dock, or inside a PC; Windows shows \
                 none of its volumes, Lifeboat reads them all the same",
                "nothing for the rescue; do not let Windows initialize or format the disk",
            ),
            Self::Raid(member) => member.consequence(),
            Self::GptBackupBad { .. }
            | Self::MbrUnsigned
            | Self::LogReplayed { .. }
            | Self::BitLocker(Doubt::BadCopies { .. })
            | Self::AlsoBootSector { .. } => (READS_ON, NOTHING),
            Self::GptFromBackup { .. } | Self::GptUnprotected => {
                (READS_ON, "rescue first; repair nothing on this disk before")
            }
            Self::GptUnchecked { .. } | Self::Overlap { .. } | Self::TooManyPartitions => (
                "the borders of the volumes may be wrong",
                "rescue first; then look at the disk with a partition tool",
            ),
            Self::ChainBroken { .. } | Self::TableUnreadable { .. } => (
                "there may be volumes that are not listed",
                "if a volume is missing, name it itself, or image the disk with ddrescue",
            ),
            Self::PartitionOutside { .. } | Self::PartitionCutShort { .. } => (
                "files that lie in the missing part cannot be read",
                "if this is an image, copy it again. If it is a disk on USB, attach it by SATA or in \
                 another enclosure: older ones show 2 TiB at most, or hide the end of the disk",
            ),
            Self::ContainerCutShort { .. }
            | Self::BitLocker(Doubt::CutShort)
            | Self::VolumeCutShort { .. } => (
                "files that lie in the missing part cannot be read",
                "if this is an image, copy it again; it may not be whole",
            ),
            Self::Mapfile { .. } => (
                "files that lie there have holes, each of which offload lists",
                "if the disk still works, let ddrescue finish, and run the command again",
            ),
            Self::VhdFooterBad { .. } => (
                "the image is read all the same; other parts of the file may be damaged too",
                "if there is another copy of the image, use it",
            ),
            Self::LogUnusable { .. } => (
                "the last changes to the disk may be missing, files may look damaged",
                "attach the image in Windows once and detach it: that applies the log",
            ),
            Self::PartitionBackwards { .. } => {
                ("that volume is not read", "look at the disk with a partition tool")
            }
            Self::LostPartition { .. } => (
                "it is from before the disk was cleaned or repartitioned (or is a volume of a \
                 dynamic disk); newer data may have overwritten parts of it",
                "rescue it now; do not write to this disk or repartition it before",
            ),
            Self::DynamicDisk => (
                "volumes may be missing from the list, or be seen at the wrong place",
                "attach the disk to Windows and name the drive",
            ),
            Self::BitLockerStart { .. } | Self::BootSectorCopy { .. } => {
                ("Windows does not mount it; Lifeboat reads it all the same", "rescue first")
            }
            Self::Refused { .. } => (
                "only what the system shows of its files can be read",
                "run Lifeboat as Administrator or root",
            ),
            Self::BitLocker(Doubt::NoGoodCopy | Doubt::HashDiffers) => (
                "the volume is unlocked, but what is read of it may be nonsense in part",
                "rescue first; then look into the saved files before you wipe the disk",
            ),
            Self::BitLocker(Doubt::CopiesDiffer { .. }) => (
                "files that lie in some part of it may be read as nonsense",
                "if Windows still starts from this disk, copy the store there",
            ),
            Self::BitLocker(Doubt::InConversion(_)) => (
                "files that lie there have holes, each of which offload lists",
                "if Windows still starts from this disk, let BitLocker finish there first",
            ),
            Self::BitLocker(Doubt::ConversionMap { .. }) => (
                "files that lie in that part may be read as nonsense",
                "if Windows still starts from this disk, let BitLocker finish there first",
            ),
            Self::StartUnreadable { .. } => {
                ("the disk is failing there", "image the disk with ddrescue and name the image")
            }
        }
    }
}

/// What a table that counts in other sectors says.
fn other_unit(unit: u32, of_image: bool) -> String {
    let but = if of_image { "which an image file does not show" } else { "the disk does not" };
    format!("the partition table counts in sectors of {unit} bytes, {but}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_numbers() {
        let finding = Fault::PartitionCutShort { number: 3, missing: 5 << 20 }.finding("disk.img");
        assert_eq!(finding.code, "partition-cut-short");
        assert_eq!(finding.path, "disk.img");
        assert_eq!(finding.what, "partition 3 ends 5.0 MiB past the end of the disk");
    }
}
