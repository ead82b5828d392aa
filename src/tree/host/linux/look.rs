//! A file looked at through one open handle: what it is, its facts and its data.
//!
//! On a FUSE mount, each call by path looks up folder and file again, at the cost of
//! a round trip to the file system's process. Calls by handle do not.

use std::ffi::CString;
use std::fs::File;

use rustix::fs::{AtFlags, FileType, OFlags};

use super::{Flavour, HostTree, Place, file_type, linked, open_unnoticed, statx};
use crate::model::metadata::{Content, Metadata, Node, NodeId};
use crate::model::name::NtName;
use crate::tree::host::Wanted;
use crate::tree::{Stream, TreeError};

/// What was seen of a file.
pub(crate) struct Looked {
    pub(crate) node: Node,
    pub(crate) facts: Metadata,
    /// Its unnamed stream.
    pub(crate) data: Box<dyn Stream>,
    /// The file, open for reading.
    pub(crate) file: File,
}

impl HostTree {
    /// Looks at an ordinary file on an ntfs-3g mount. `None` for all else, and for
    /// what does not open: the other ways know it, or say why.
    pub(crate) fn look_at(
        &self,
        folder: NodeId,
        name: &NtName,
        wanted: Wanted,
    ) -> Result<Option<Looked>, TreeError> {
        let above = self.files.slot(folder)?;
        let is_odd = matches!(name.as_wtf8(), b"" | b"." | b"..") || name.as_wtf8().contains(&b'/');
        if is_odd || self.flavour == Flavour::Plain || !self.mount_points.is_empty() {
            return Ok(None);
        }
        let Ok(c_name) = CString::new(name.as_wtf8()) else { return Ok(None) };
        let folder = self.folder(above)?;
        // O_NONBLOCK: should a pipe have taken the file's place, do not hang.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let Ok(file) = open_unnoticed(&folder, &c_name, flags) else { return Ok(None) };
        let Ok(stat) = statx(&file, c"", AtFlags::EMPTY_PATH) else { return Ok(None) };
        if file_type(&stat) != FileType::RegularFile
            || self.is_foreign(&stat)
            || self.is_own_file(above, stat.stx_ino)
        {
            return Ok(None);
        }
        let slot = self.files.meet(above, name.as_wtf8(), linked(&stat))?;
        let Ok(data) = file.try_clone().map(File::from) else { return Ok(None) };
        let data = Box::new(self.stream(data, slot)?);
        let place = Place { folder, name: c_name, slot, file: Some(file) };
        let shape = self.shape(&place)?;
        if shape.reparse.is_some() || shape.content(FileType::RegularFile) != Content::Data {
            return Ok(None);
        }
        let node = self.node_of(&place, &stat, &shape)?;
        let facts = self.facts_of(&place, &stat, shape, true, wanted);
        let Place { file: Some(file), .. } = place else { return Ok(None) };
        Ok(Some(Looked { node, facts, data, file: file.into() }))
    }
}
