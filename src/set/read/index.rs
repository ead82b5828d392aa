//! The positions of the frames of a store: from the seek table at its end or, if that is
//! damaged, from the manifest.

use std::sync::Arc;

use super::lines::Lines;
use super::volumes::Volumes;
use crate::destination::Destination;
use crate::set::error::SetError;
use crate::set::format::frames::{
    MAX_FRAME_BYTES, MAX_FRAMES, MOST_PADDING, TABLE_FOOTER, read_table, table_size,
};
use crate::set::format::manifest::Line;
use crate::set::format::names::MANIFEST;
use crate::set::format::rescue::Rescue;

/// The position of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Byte in the store.
    pub(crate) offset: u64,
    /// Bytes, compressed.
    pub(crate) packed: u32,
    /// Bytes, plain.
    pub(crate) plain: u32,
}

/// The positions of all frames.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Index {
    pub(crate) places: Vec<Place>,
    /// Whether the seek table is intact.
    pub(crate) from_table: bool,
}

impl Index {
    /// Reads the table; uses the manifest if it is damaged.
    pub(crate) fn load(
        target: &Arc<dyn Destination>,
        dir: &str,
        rescue: &Rescue,
        volumes: &Volumes,
    ) -> Result<Self, SetError> {
        // A table that cannot be read counts as damaged.
        match from_table(&**target, volumes) {
            Ok(Some(places)) if places.len() as u64 == rescue.totals.frames => {
                Ok(Self { places, from_table: true })
            }
            Err(error @ SetError::Destination(_)) => Err(error),
            _ => Ok(Self { places: from_manifest(target, dir, volumes)?, from_table: false }),
        }
    }

    pub(crate) fn get(&self, frame: u64) -> Option<Place> {
        self.places.get(usize::try_from(frame).ok()?).copied()
    }
}

fn from_table(target: &dyn Destination, volumes: &Volumes) -> Result<Option<Vec<Place>>, SetError> {
    let size = volumes.size();
    let mut footer = [0; TABLE_FOOTER];
    let Some(at) = size.checked_sub(TABLE_FOOTER as u64) else { return Ok(None) };
    volumes.read(target, at, &mut footer)?;
    let table = table_size(&footer, size);
    let Some((table, bytes)) = table.and_then(|t| Some((t, usize::try_from(t).ok()?))) else {
        return Ok(None);
    };
    let mut bytes = vec![0; bytes];
    volumes.read(target, size - table, &mut bytes)?;
    let Some(sizes) = read_table(&bytes) else { return Ok(None) };
    let mut offset = 0;
    let mut places = Vec::with_capacity(sizes.len());
    for frame in sizes {
        let place = Place { offset, packed: frame.packed, plain: frame.plain };
        if !is_possible(place, volumes) {
            return Ok(None);
        }
        places.push(place);
        offset += u64::from(frame.packed);
    }
    Ok((offset + table == size).then_some(places))
}

/// Whether the sizes of a frame are plausible.
fn is_possible(place: Place, volumes: &Volumes) -> bool {
    let plain = u64::from(place.plain);
    let bound = usize::try_from(plain).map(zstd::zstd_safe::compress_bound);
    let whole = volumes.place(place.offset).is_some_and(|(volume, at)| {
        at.saturating_add(u64::from(place.packed)) <= volumes.list()[volume].size
    });
    plain <= MAX_FRAME_BYTES
        && bound.is_ok_and(|bound| place.packed as usize <= bound + MOST_PADDING)
        && whole
}

/// From the frame lines. A frame whose line is lost has no position, and its content
/// cannot be read.
fn from_manifest(
    target: &Arc<dyn Destination>,
    dir: &str,
    volumes: &Volumes,
) -> Result<Vec<Place>, SetError> {
    let mut places: Vec<Place> = Vec::new();
    for line in Lines::open(&**target, &format!("{dir}/{MANIFEST}"))? {
        let Ok(Line::Frame(frame)) = line else { continue };
        let volume = (frame.volume as usize).checked_sub(1).and_then(|v| volumes.list().get(v));
        let sizes = (u32::try_from(frame.size), u32::try_from(frame.plain_size));
        let (Some(volume), (Ok(packed), Ok(plain))) = (volume, sizes) else { continue };
        let place = Place { offset: volume.start.saturating_add(frame.offset), packed, plain };
        // Frames come in order; a number far ahead is a forgery.
        let number = usize::try_from(frame.frame).unwrap_or(usize::MAX);
        let gap = number.saturating_sub(places.len());
        let is_beyond = number < places.len() || number >= MAX_FRAMES;
        if is_beyond || gap > 1 << 20 || !is_possible(place, volumes) {
            continue;
        }
        places.resize(number, Place { offset: 0, packed: 0, plain: 0 });
        places.push(place);
    }
    Ok(places)
}
