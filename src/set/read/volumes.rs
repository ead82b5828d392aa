//! The store as one file, even if it is split into volumes.

use std::sync::{Mutex, PoisonError};

use crate::destination::{Destination, DestinationError, DestinationFile, ErrorKind};
use crate::set::error::SetError;
use crate::set::format::names::{STORE, volume_name};
use crate::set::format::rescue::Rescue;

/// One volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Volume {
    /// Its path at the destination.
    pub(crate) path: String,
    /// Where it starts in the store, in bytes.
    pub(crate) start: u64,
    /// Bytes, according to `rescue.json`; there may be fewer.
    pub(crate) size: u64,
}

/// The volumes of a store, opened on demand.
pub(crate) struct Volumes {
    list: Vec<Volume>,
    /// The last one read, by its index in the list.
    open: Mutex<Option<(usize, Box<dyn DestinationFile>)>>,
}

impl Volumes {
    /// Those listed in `rescue.json`; they may not exist.
    pub(crate) fn of(rescue: &Rescue, dir: &str) -> Result<Self, SetError> {
        if rescue.encryption.is_some() {
            // Its files are concatenated when they are decrypted.
            let named = rescue.files.iter().filter(|file| file.name.starts_with(STORE));
            let sizes = named.filter_map(|file| file.plain_size);
            let size = sizes.fold(0, u64::saturating_add);
            let list = vec![Volume { path: format!("{dir}/{STORE}"), start: 0, size }];
            return Ok(Self { list, open: Mutex::new(None) });
        }
        let split = rescue.options.split.is_some();
        let mut list = Vec::new();
        let mut start = 0_u64;
        let named = rescue.files.iter().filter(|file| file.name.starts_with(STORE));
        for (number, file) in (1..).zip(named) {
            let name = volume_name(number, split);
            let end = start.checked_add(file.size);
            let (true, Some(end)) = (name == file.name && (split || number == 1), end) else {
                return Err(SetError::NotASet {
                    path: dir.to_owned(),
                    what: format!("rescue.json lists {:?} instead of {name}", file.name),
                });
            };
            list.push(Volume { path: format!("{dir}/{name}"), start, size: file.size });
            start = end;
        }
        if list.is_empty() {
            let what = "rescue.json lists no store".to_owned();
            return Err(SetError::NotASet { path: dir.to_owned(), what });
        }
        Ok(Self { list, open: Mutex::new(None) })
    }

    pub(crate) fn list(&self) -> &[Volume] {
        &self.list
    }

    /// Total bytes.
    pub(crate) fn size(&self) -> u64 {
        self.list.last().map_or(0, |volume| volume.start + volume.size)
    }

    /// The volume of a byte, and the position in it.
    pub(crate) fn place(&self, offset: u64) -> Option<(usize, u64)> {
        let after = self.list.partition_point(|volume| volume.start <= offset);
        let index = after.checked_sub(1)?;
        Some((index, offset - self.list[index].start))
    }

    /// Fills `buf` from a byte of the store. No read spans two volumes.
    pub(crate) fn read(
        &self,
        target: &dyn Destination,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), SetError> {
        let (index, at) = self.place(offset).unwrap_or_default();
        let path = &self.list[index].path;
        match self.try_read(target, index, at, buf) {
            Ok(true) => Ok(()),
            Ok(false) => Err(damaged(target, path, at, "the file ends earlier")),
            // A missing file or a bad sector only costs its own data; a share that is
            // disconnected costs everything.
            Err(error) => match error.kind {
                ErrorKind::NotFound | ErrorKind::Corrupted | ErrorKind::Other => {
                    Err(damaged(target, path, at, &error.what))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// False if the file ends before `buf` is full.
    fn try_read(
        &self,
        target: &dyn Destination,
        index: usize,
        at: u64,
        buf: &mut [u8],
    ) -> Result<bool, DestinationError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_none_or(|(number, _)| *number != index) {
            *open = None;
            *open = Some((index, target.open(&self.list[index].path)?));
        }
        let Some((_, file)) = open.as_mut() else { return Ok(false) };
        let mut done = 0;
        while done < buf.len() {
            match file.read_at(at + done as u64, &mut buf[done..])? {
                0 => return Ok(false),
                read => done += read,
            }
        }
        Ok(true)
    }
}

fn damaged(target: &dyn Destination, path: &str, offset: u64, what: &str) -> SetError {
    SetError::Damaged { path: target.display(path), offset, what: what.to_owned() }
}
