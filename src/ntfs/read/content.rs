//! What stands behind a file's unnamed stream: plain data, data that only
//! looks like it, or a promise that somebody else has the data.
//!
//! A placeholder (cloud, deduplication, remote storage) keeps its size and
//! reads as zeros where the data is elsewhere. Such zeros must never be taken
//! for the file.

use std::sync::Arc;

use super::data::Source;
use super::file::{File, FileAttribute};
use super::volume::Volume;
use super::wof;
use crate::model::bytes::u32_at;
use crate::model::metadata::attributes::{OFFLINE, RECALL_ON_DATA_ACCESS, RECALL_ON_OPEN};
use crate::model::name::NtName;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::runs::Place;

/// What the unnamed stream is, before anything of it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Bytes.
    Plain,
    /// Compressed by WOF.
    Wof(wof::Algorithm),
    /// EFS.
    Encrypted,
    /// Not on this disk; why, for people.
    NotHere(String),
}

/// Looks at the file's attributes and reparse data. `attributes` are those of
/// `$STANDARD_INFORMATION`.
pub(crate) fn kind_of(volume: &Arc<Volume>, file: &File, attributes: u32) -> Kind {
    let data = file.find(kind::DATA, None);
    if data.is_some_and(FileAttribute::is_encrypted) {
        return Kind::Encrypted;
    }
    let Some(reparse) = file.find(kind::REPARSE_POINT, None) else { return Kind::Plain };
    // 16 KiB at most (MS-FSCC 2.1.2).
    let reparse = file.value(volume, reparse, 65_536).unwrap_or_default();
    let tag = u32_at(&reparse, 0).unwrap_or(0);
    if tag == wof::TAG {
        return wof_kind(file, &reparse);
    }
    if data.is_none_or(|data| data.size() == 0) || is_link(tag) {
        return Kind::Plain;
    }
    let elsewhere = attributes & (OFFLINE | RECALL_ON_OPEN | RECALL_ON_DATA_ACCESS) != 0;
    if !elsewhere && data.is_some_and(|data| is_all_local(volume, file, data)) {
        return Kind::Plain;
    }
    Kind::NotHere(format!("{} (reparse tag {tag:#010x})", reason(tag)))
}

fn wof_kind(file: &File, reparse: &[u8]) -> Kind {
    let stream = NtName::from(wof::STREAM);
    match wof::parse_reparse(reparse) {
        Ok(wof::Backing::File(algorithm)) if file.find(kind::DATA, Some(&stream)).is_some() => {
            Kind::Wof(algorithm)
        }
        Ok(wof::Backing::File(_)) => {
            Kind::NotHere("compressed by Windows, and the compressed data is missing".into())
        }
        Ok(wof::Backing::Wim) => Kind::NotHere("its data is in a WIM file (WIMBoot)".into()),
        Err(error) => Kind::NotHere(format!("compressed by Windows in an unknown way: {error}")),
    }
}

/// Tags that stand for no data: links, and special files of other systems
/// (MS-FSCC 2.1.2.1).
fn is_link(tag: u32) -> bool {
    matches!(
        tag,
        0xA000_0003 // IO_REPARSE_TAG_MOUNT_POINT
            | 0xA000_000C // SYMLINK
            | 0x8000_0014 // NFS
            | 0x8000_001B // APPEXECLINK
            | 0x8000_0023
            ..=0x8000_0026 // AF_UNIX, LX_FIFO, LX_CHR, LX_BLK
            | 0xA000_001D // LX_SYMLINK
    )
}

fn reason(tag: u32) -> &'static str {
    match tag {
        0x8000_0013 => "deduplicated: its data is in the volume's chunk store",
        0xC000_0004 | 0x8000_0006 => "moved to remote storage",
        0x8000_0007 => "its data is in the single-instance store",
        0x8000_0008 => "its data is in a WIM file",
        0x8000_0015 | 0x8000_0021 => "a OneDrive placeholder: its data is in the cloud",
        0x8000_001E => "an Azure File Sync placeholder: its data is in the cloud",
        _ if tag & 0xFFFF_0FFF == 0x9000_001A => "a cloud placeholder: its data is in the cloud",
        _ if tag & 0xFFFF_0FFF == 0x9000_001C => "a projected file: its data is elsewhere",
        _ if tag & 0xFFFF_0FFF == 0x9000_0018 || tag == 0x8000_0018 => {
            "a container's file: its data is in a base layer"
        }
        _ => "a placeholder: its data is not, or not all, on this disk",
    }
}

/// Whether every byte of the stream has its cluster. A placeholder whose data
/// was fetched has; one with gaps may be waiting for them.
fn is_all_local(volume: &Volume, file: &File, data: &FileAttribute) -> bool {
    match file.source(volume, data) {
        Ok(Source::Resident(_)) => true,
        Ok(Source::Clusters { runs, sizes, unit_clusters }) => {
            let wanted = sizes.size.div_ceil(volume.cluster_bytes());
            let has_gap = runs
                .iter()
                .any(|(start, _, place)| start < wanted && !matches!(place, Place::Cluster(_)));
            // In compressed data gaps are how compression looks.
            let has_gap = if unit_clusters > 0 { sizes.allocated == 0 } else { has_gap };
            !has_gap && runs.clusters() >= wanted && sizes.valid_data_length >= sizes.size
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_tags_come_in_sixteen() {
        for tag in [0x9000_001A_u32, 0x9000_101A, 0x9000_F01A] {
            assert!(reason(tag).contains("cloud"), "{tag:x}");
        }
        assert!(!reason(0x9001_001A).contains("cloud"));
        assert!(is_link(0xA000_0003) && !is_link(0x9000_001A));
    }
}
