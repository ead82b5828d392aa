//! What VHD and VHDX have in common: a disk cut into blocks that lie anywhere
//! in the file, or nowhere when they hold only zeros.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{vhd, vhdx};
use crate::disk::{Device, DiskError, Fault};

/// Memory for the structures of one container, in bytes. The block table is
/// read as needed and never held whole: it can have any size.
pub(crate) const CACHE_BYTES: usize = 4 << 20;

/// Tells where the blocks are.
pub(crate) trait BlockMap: Send + Sync {
    /// Bytes in a block.
    fn block_bytes(&self) -> u64;

    /// The byte in the file where a block starts; `None` for zeros.
    fn locate(&self, block: u64) -> io::Result<Option<u64>>;
}

/// The disk in a container.
pub(crate) struct Mapped<M> {
    pub(crate) file: Arc<dyn Device>,
    pub(crate) map: M,
    /// Bytes of the disk.
    pub(crate) len: u64,
    pub(crate) sector_size: u32,
}

impl<M: BlockMap> Device for Mapped<M> {
    fn read_exact_at(&self, offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let block_bytes = self.map.block_bytes();
        let mut at = offset;
        while !buf.is_empty() {
            let within = at % block_bytes;
            let room = usize::try_from(block_bytes - within).unwrap_or(usize::MAX);
            let (piece, rest) = buf.split_at_mut(room.min(buf.len()));
            match self.map.locate(at / block_bytes).map_err(cut_short)? {
                None => piece.fill(0),
                Some(start) => {
                    let place = start.saturating_add(within);
                    self.file.read_exact_at(place, piece).map_err(cut_short)?;
                }
            }
            at += piece.len() as u64;
            buf = rest;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn sector_size(&self) -> u32 {
        self.sector_size
    }
}

/// A block, or its entry in the table, may lie past the end of the file. That
/// is not the end of the disk, which [`io::ErrorKind::UnexpectedEof`] would say.
fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(
            io::ErrorKind::InvalidData,
            "it is past the end of the image file: the file is incomplete",
        ),
        _ => error,
    }
}

/// How a disk's bytes are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskFormat {
    /// A disk or a volume of this machine.
    Attached,
    /// A file with the disk's bytes as they are.
    Raw,
    /// A VHD file.
    Vhd,
    /// A VHDX file.
    Vhdx,
}

impl DiskFormat {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Raw => "raw",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
        }
    }
}

/// The disk in a container.
#[derive(Clone)]
pub struct Container {
    /// Its bytes.
    pub device: Arc<dyn Device>,
    /// Which kind of container.
    pub format: DiskFormat,
    /// What is wrong with the container.
    pub faults: Vec<Fault>,
}

/// The disk in `file`, when it is a VHD or a VHDX; `None` when it is neither.
/// `path` is for messages.
pub fn open_container(file: &Arc<dyn Device>, path: &Path) -> Result<Option<Container>, DiskError> {
    match vhdx::open(file, path)? {
        Some(disk) => Ok(Some(disk)),
        None => vhd::open(file, path),
    }
}

/// What to do about a disk whose other half is in another file.
pub(crate) fn merge_advice() -> String {
    "merge it with its parent in Windows (Hyper-V: Inspect Disk, or Merge-VHD), or attach it \
     there (diskpart: select vdisk, attach vdisk readonly) and name the drive"
        .to_owned()
}

/// Reads `N` bytes of a container's own structures.
pub(crate) fn read_structure<const N: usize>(
    file: &dyn Device,
    offset: u64,
    path: &Path,
) -> Result<Box<[u8]>, DiskError> {
    let mut bytes = vec![0; N].into_boxed_slice();
    match file.read_exact_at(offset, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(DiskError::Io {
            path: path.to_owned(),
            doing: "reading the image's own structures",
            error,
        }),
    }
}
