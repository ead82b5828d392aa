//! A BitLocker volume whose sector 0 is lost: its metadata starts with a name at a whole 4 KiB, and
//! says where its copies are, so that it tells whose it is.

use std::sync::Arc;

use super::header::VolumeHeader;
use super::metadata::{AREA, Metadata};
use crate::disk::device::Device;
use crate::model::bytes::{stands_at, u32_at, u64_at};

/// So much of a volume's start is searched: Windows puts the first copy and the maps of a
/// conversion within the first 64 MiB (seen).
const SEARCHED: u64 = 256 << 20;
const PIECE: usize = 1 << 20;
const STEP: usize = 4096;

/// What sector 0 said, by the metadata, and the byte where that is.
pub(crate) fn find_header(device: &Arc<dyn Device>) -> Option<(VolumeHeader, u64)> {
    let end = device.len().min(SEARCHED);
    let mut piece = vec![0; PIECE];
    let mut found: Option<(VolumeHeader, u64)> = None;
    let mut eow = None;
    for at in (0..end).step_by(PIECE) {
        let len = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let Some(bytes) = piece.get_mut(..len) else { break };
        if device.read_exact_at(at, bytes).is_err() {
            continue;
        }
        for (place, head) in (at..).step_by(STEP).zip(bytes.chunks(STEP)) {
            if found.is_none() && stands_at(head, 0, b"-FVE-FS-") {
                found = header_by(device, place).map(|header| (header, place));
            }
            if eow.is_none() && stands_at(head, 0, b"FVE-EOW\0") {
                let places = u64_at(head, 40).zip(u64_at(head, 48));
                let places = places.map(|(first, second)| [first, second]);
                eow = places.filter(|places| places.contains(&place));
            }
        }
    }
    found.map(|(header, at)| (VolumeHeader { eow, ..header }, at))
}

/// By the copy of the metadata at byte `at`, if it is sound and lies there.
fn header_by(device: &Arc<dyn Device>, at: u64) -> Option<VolumeHeader> {
    let len = usize::try_from(AREA.min(device.len().checked_sub(at)?)).ok()?;
    let mut area = vec![0; len];
    device.read_exact_at(at, &mut area).ok()?;
    let metadata = Metadata::parse(&area, 512).ok()?;
    let is_there = metadata.is_checked && metadata.areas.contains(&at);
    let sectors = u64::from(u32_at(&area, 28)?);
    // The same place in sectors and in bytes.
    let sector_bytes = u32::try_from(metadata.spare.1.checked_div(sectors)?).ok()?;
    let is_size = matches!(sector_bytes, 512 | 1024 | 2048 | 4096);
    (is_there && is_size).then_some(VolumeHeader {
        sector_bytes,
        metadata: metadata.areas,
        eow: None,
    })
}
