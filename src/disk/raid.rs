//! What says on a disk that it is a part of a RAID array.
//!
//! Layouts: Intel's by mdadm's `super-intel.c`, DDF by SNIA's "Common RAID Disk Data Format" 2.0
//! (and mdadm's `super-ddf.c`), Linux' by `md_p.h`, Promise's and AMD's by its signature, at the
//! places where util-linux' blkid looks for it.

use std::fmt;
use std::sync::Arc;

use super::device::Device;
use crate::model::bytes::{slice, stands_at, u32_at};

/// A disk that is a part of an array, by its metadata.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RaidMember {
    /// Who wrote the metadata.
    pub maker: RaidMaker,
    /// The array's RAID level: 0, 1, 5, 10 ...; `None` if it is not read.
    pub level: Option<u32>,
    /// The number of disks in the array; 0 if it is not read.
    pub disks: u32,
    /// The array's name; empty if it is not read.
    pub name: String,
    /// Whether a fast disk (Optane memory) caches this array.
    pub cached: bool,
    /// Whether it is known that the other disks have a part of the data. Not for a mirror or an
    /// array of one disk, and not where the level is not read.
    pub is_spread: bool,
}

/// Who wrote RAID metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RaidMaker {
    /// Intel RST, RSTe or VROC.
    Intel,
    /// DDF, the common format of many hardware controllers.
    Ddf,
    /// Linux' md.
    LinuxMd,
    /// Promise, and AMD's firmware.
    Promise,
}

impl RaidMaker {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intel => "intel",
            Self::Ddf => "ddf",
            Self::LinuxMd => "linux-md",
            Self::Promise => "promise",
        }
    }
}

impl RaidMember {
    /// Looks for the metadata of an array. What cannot be read shows none.
    pub(crate) fn find(device: &Arc<dyn Device>) -> Option<Self> {
        intel(device).or_else(|| ddf(device)).or_else(|| linux(device)).or_else(|| promise(device))
    }

    /// What it means for what is read of the disk alone, and what to do.
    pub(crate) fn consequence(&self) -> (&'static str, &'static str) {
        if self.disks == 1 && !self.cached && !self.is_spread {
            return ("the array has only this disk: its volumes are read all the same", "nothing");
        }
        if self.is_mirror() {
            return (
                "its volumes can be read alone, but another disk of the mirror may have newer files",
                "if the PC has another disk of the array, look at both, and compare the dates",
            );
        }
        if self.cached {
            return (
                "the newest files may be on the fast disk alone: what is read here may be old or \
                 damaged",
                "use WinPE with Intel's RST driver (drvload iaStorAC.inf or iaStorVD.inf), which \
                 shows both disks as one",
            );
        }
        (
            "a disk alone has only a part of each volume: what is read of it may be damaged, or show \
             none",
            "load the array's driver (drvload), with all its disks attached and the firmware in RAID \
             mode; on Linux: mdadm --assemble --readonly --scan. If the array is long gone, nothing",
        )
    }

    /// Whether each disk has all of the data, but perhaps not the newest.
    pub(crate) fn is_mirror(&self) -> bool {
        !self.cached && !self.is_spread && matches!(self.level, Some(1 | 10))
    }

    /// Why a volume that is unknown by its own bytes is not read, and what to do.
    pub(crate) fn reason(&self) -> String {
        let what_to_do = match self.maker {
            RaidMaker::LinuxMd => {
                "on Linux, mdadm --assemble --readonly --scan; then name the array (/dev/md0, \
                 /dev/md127)"
            }
            RaidMaker::Intel | RaidMaker::Ddf | RaidMaker::Promise => {
                "attach all its disks, load the array's driver, and name the array's disk"
            }
        };
        format!("it belongs to {self}: {what_to_do}")
    }
}

impl fmt::Display for RaidMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maker = match self.maker {
            RaidMaker::Intel => "an Intel RST or VROC array",
            RaidMaker::Ddf => "the array of a hardware RAID controller (DDF)",
            RaidMaker::LinuxMd => "a Linux md array",
            RaidMaker::Promise => "an AMD or Promise array",
        };
        f.write_str(maker)?;
        let mut details = Vec::new();
        if !self.name.is_empty() {
            details.push(format!("\"{}\"", self.name));
        }
        details.extend(self.level.map(|level| format!("RAID {level}")));
        if self.disks > 0 {
            let word = if self.disks == 1 { "disk" } else { "disks" };
            details.push(format!("{} {word}", self.disks));
        }
        if self.cached {
            details.push("cached by a faster disk".to_owned());
        }
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
    }
}

/// Reads `len` bytes that begin `before_end` bytes before the end.
fn at_end(device: &Arc<dyn Device>, before_end: u64, len: usize) -> Option<Vec<u8>> {
    read(device, device.len().checked_sub(before_end)?, len)
}

fn read(device: &Arc<dyn Device>, at: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    device.read_exact_at(at, &mut bytes).ok()?;
    Some(bytes)
}

/// Sectors that metadata may be counted in: the disk's own first.
fn sectors(device: &Arc<dyn Device>) -> [u32; 2] {
    if device.sector_size() == 4096 { [4096, 512] } else { [512, 4096] }
}

/// Intel's: an anchor in the last sector but one, what does not fit in it before that.
fn intel(device: &Arc<dyn Device>) -> Option<RaidMember> {
    const SIGNATURE: &[u8] = b"Intel Raid ISM Cfg Sig. ";
    /// More than the metadata of any array.
    const MOST: u32 = 2210 * 512;
    const DISKS_AT: usize = 0xD8;
    const DISK: usize = 48;
    sectors(device).into_iter().find_map(|sector| {
        let size = sector as usize;
        let mut block = at_end(device, u64::from(sector) * 2, size)?;
        if !block.starts_with(SIGNATURE) {
            return None;
        }
        let len = u32_at(&block, 0x24).filter(|len| (0xD8..=MOST).contains(len))?;
        let more = len.div_ceil(sector) - 1;
        if more > 0 {
            let before_end = u64::from(sector) * u64::from(more + 2);
            block.extend(at_end(device, before_end, size * more as usize)?);
        }
        let block = block.get(..len as usize)?;
        let stored = u32_at(block, 0x20)?;
        let words = block.chunks_exact(4).filter_map(|word| u32_at(word, 0));
        let sum = words.fold(0_u32, u32::wrapping_add).wrapping_sub(stored);
        let (disks, arrays) = (*block.get(0x38)?, *block.get(0x39)?);
        // Without an array, the disk is a spare or was one: its data is its own.
        if sum != stored || arrays == 0 {
            return None;
        }
        let mut at = DISKS_AT.checked_add(DISK * usize::from(disks))?;
        let mut found: Option<RaidMember> = None;
        for _ in 0..arrays {
            let Some((member, len)) = block.get(at..).and_then(intel_array) else { break };
            // Of several arrays on the same disks, the one that a lone disk has only a part of.
            if found.as_ref().is_none_or(|found| !found.is_spread && member.is_spread) {
                found = Some(member);
            }
            at = at.checked_add(len)?;
        }
        found
    })
}

/// One of Intel's arrays (`imsm_dev`), and its length.
fn intel_array(array: &[u8]) -> Option<(RaidMember, usize)> {
    /// `imsm_vol.migr_state`: a second map follows, of what the array becomes.
    const MIGRATES_AT: usize = 88;
    const MAP_AT: usize = 112;
    /// `imsm_map` without its table of disks, 4 bytes for each.
    const MAP: usize = 48;
    let map_len = |at: usize| Some(MAP + 4 * usize::from(*array.get(at + 16)?));
    let (level, members) = (*array.get(MAP_AT + 15)?, *array.get(MAP_AT + 16)?);
    // Level 1 over four disks is what others call 10.
    let level = if level == 1 && members > 2 { 10 } else { u32::from(level) };
    let cached = *array.get(42)? != 0;
    let member = RaidMember {
        maker: RaidMaker::Intel,
        level: Some(level),
        disks: u32::from(members),
        name: text(slice(array, 0, 16)?),
        cached,
        is_spread: cached || (level != 1 && members > 1),
    };
    let mut len = MAP_AT + map_len(MAP_AT)?;
    if *array.get(MIGRATES_AT)? != 0 {
        len += map_len(len)?;
    }
    Some((member, len))
}

/// DDF: the anchor header in the last sector.
fn ddf(device: &Arc<dyn Device>) -> Option<RaidMember> {
    sectors(device).into_iter().find_map(|sector| {
        let anchor = at_end(device, u64::from(sector), 512)?;
        let revision = slice(&anchor, 32, 8)?;
        let is_revision = matches!(revision, [b'0', b'1' | b'2', b'.', ..]);
        (anchor.starts_with(&[0xDE, 0x11, 0xDE, 0x11]) && is_revision).then(|| RaidMember {
            maker: RaidMaker::Ddf,
            level: None,
            disks: 0,
            name: String::new(),
            cached: false,
            is_spread: false,
        })
    })
}

/// Linux' md, in its four places.
fn linux(device: &Arc<dyn Device>) -> Option<RaidMember> {
    const MAGIC: [u8; 4] = 0xA92B_4EFC_u32.to_le_bytes();
    let len = device.len();
    let md = |level: Option<u32>, layout: Option<u32>, disks: Option<u32>, name: String| {
        let disks = disks.filter(|disks| *disks < 1024).unwrap_or(0);
        RaidMember {
            maker: RaidMaker::LinuxMd,
            level: level.filter(|level| *level < 100),
            disks,
            name,
            cached: false,
            is_spread: disks > 1 && md_is_spread(level, layout, disks),
        }
    };
    // Version 1.x: at the start, 4 KiB behind it, or 8 KiB before the end.
    let last = (len & !511).checked_sub(8192).map(|at| at & !4095);
    for at in [Some(0), Some(4096), last].into_iter().flatten() {
        let Some(block) = read(device, at, 512) else { continue };
        // It says on which 512 bytes it is itself.
        let own = crate::model::bytes::u64_at(&block, 144);
        if block.starts_with(&MAGIC) && u32_at(&block, 4) == Some(1) && own == Some(at / 512) {
            let name = slice(&block, 32, 32).map(text).unwrap_or_default();
            let (level, layout) = (u32_at(&block, 72), u32_at(&block, 76));
            return Some(md(level, layout, u32_at(&block, 92), name));
        }
    }
    // Version 0.90: in the last whole 64 KiB.
    let at = (len & !0xFFFF).checked_sub(0x1_0000)?;
    let block = read(device, at, 512)?;
    let is_old = block.starts_with(&MAGIC) && u32_at(&block, 4) == Some(0);
    is_old.then(|| {
        let (level, layout) = (u32_at(&block, 28), u32_at(&block, 256));
        md(level, layout, u32_at(&block, 40), String::new())
    })
}

/// Whether a disk of an md array has only a part of the data, by the array's level and layout.
fn md_is_spread(level: Option<u32>, layout: Option<u32>, disks: u32) -> bool {
    /// One disk after the other (`LEVEL_LINEAR`, -1).
    const LINEAR: u32 = u32::MAX;
    match level {
        Some(0 | 4 | 5 | 6 | LINEAR) => true,
        // As many near copies as disks, and no far ones: a mirror under another name.
        Some(10) => layout != Some(0x100 | disks),
        _ => false,
    }
}

/// Promise's and AMD's: a signature some sectors before the end.
fn promise(device: &Arc<dyn Device>) -> Option<RaidMember> {
    const SIGNATURE: &[u8] = b"Promise Technology, Inc.";
    const SECTORS: [u64; 13] = [63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087];
    // One read for all of them.
    let end = at_end(device, 3087 * 512, 3087 * 512)?;
    let found = SECTORS.iter().any(|sector| {
        let at = end.len().checked_sub(usize::try_from(sector * 512).unwrap_or(usize::MAX));
        at.is_some_and(|at| stands_at(&end, at, SIGNATURE))
    });
    found.then(|| RaidMember {
        maker: RaidMaker::Promise,
        level: None,
        disks: 0,
        name: String::new(),
        cached: false,
        is_spread: false,
    })
}

/// Up to the first NUL, without spaces at the end.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;

    fn find(disk: Vec<u8>) -> Option<RaidMember> {
        let device: Arc<dyn Device> = Arc::new(MemoryDevice::new(disk));
        RaidMember::find(&device)
    }

    #[test]
    fn a_signature_without_its_metadata_is_none() {
        let mut disk = vec![0_u8; 4 << 20];
        let at = disk.len() - 1024;
        disk[at..at + 24].copy_from_slice(b"Intel Raid ISM Cfg Sig. ");
        assert_eq!(find(disk.clone()), None);
        disk[at + 0x24..at + 0x28].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(find(disk), None);
        assert_eq!(find(vec![0; 700]), None);
        assert_eq!(find(Vec::new()), None);
    }

    #[test]
    fn a_copy_of_linux_metadata_elsewhere_is_none() {
        let mut disk = vec![0_u8; 4 << 20];
        disk[4096..4100].copy_from_slice(&0xA92B_4EFC_u32.to_le_bytes());
        disk[4100] = 1;
        assert_eq!(find(disk.clone()), None);
        disk[4096 + 144] = 8;
        assert_eq!(find(disk).unwrap().maker, RaidMaker::LinuxMd);
    }

    #[test]
    fn an_array_is_described_by_what_is_known() {
        let mut member = RaidMember {
            maker: RaidMaker::Intel,
            level: Some(0),
            disks: 2,
            name: "Volume0".to_owned(),
            cached: false,
            is_spread: true,
        };
        let all = "an Intel RST or VROC array (\"Volume0\", RAID 0, 2 disks)";
        assert_eq!(member.to_string(), all);
        assert!(!member.is_mirror());
        member = RaidMember { level: Some(1), cached: true, ..member };
        assert!(!member.is_mirror(), "what a cache has is not on the disk");
        member = RaidMember { cached: false, is_spread: false, ..member };
        assert!(member.is_mirror());
    }

    #[test]
    fn which_md_arrays_are_spread_over_their_disks() {
        for (level, layout, disks, is_spread) in [
            (0, 0, 2, true),
            (1, 0, 2, false),
            (5, 2, 3, true),
            (u32::MAX, 0, 2, true),
            // Near copies: two of two disks, two of four.
            (10, 0x102, 2, false),
            (10, 0x102, 4, true),
            // Far copies: the second half of each disk has the other's data.
            (10, 0x201, 2, true),
            // Multipath, a container, a level of the future.
            (u32::MAX - 3, 0, 2, false),
            (u32::MAX - 99, 0, 2, false),
            (77, 0, 2, false),
        ] {
            assert_eq!(md_is_spread(Some(level), Some(layout), disks), is_spread, "{level}");
        }
    }
}
