//! A file of a set as a [`Stream`], for readers of what is inside the file.

use super::data_reader::DataReader;
use super::reader::SetReader;
use crate::model::loss::Hole;
use crate::set::error::SetError;
use crate::set::format::manifest::{Data, HoleLine, Member};
use crate::tree::{Stream, TreeError};

/// The number of holes that are kept.
const HOLE_LIMIT: usize = 1000;

/// The unnamed stream of a member. Damaged frames come as zeros, and are holes.
pub(crate) struct MemberStream {
    path: String,
    data: DataReader<'static>,
    position: u64,
    /// Bytes of a damaged frame that the next reads give as zeros.
    zeros: u64,
    len: u64,
    holes: Vec<Hole>,
}

impl MemberStream {
    /// Opens the data of a member of `set`.
    ///
    /// # Errors
    /// The set cannot be read.
    pub(crate) fn open(set: &SetReader, member: &Member) -> Result<Self, SetError> {
        let none = Data::default();
        let data = member.data.as_ref().unwrap_or(&none);
        let hole = |line: &HoleLine| Hole {
            offset: line.offset,
            length: line.length,
            reason: line.reason.clone(),
        };
        Ok(Self {
            path: member.path.clone(),
            data: set.open_data(data)?,
            position: 0,
            zeros: 0,
            // A forged size must not cost more than the set has.
            len: data.size.min(set.plain_bytes()),
            holes: data.holes.iter().take(HOLE_LIMIT).map(hole).collect(),
        })
    }

    fn hole(&mut self, length: u64, reason: &SetError) {
        if self.holes.len() < HOLE_LIMIT {
            let (offset, reason) = (self.position, reason.to_string());
            self.holes.push(Hole { offset, length, reason });
        }
    }

    fn pass(&mut self, bytes: usize) -> usize {
        self.position = self.position.saturating_add(bytes as u64);
        bytes
    }
}

impl Stream for MemberStream {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let left = usize::try_from(self.len.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let mut filled = 0;
        while filled < buf.len() {
            let rest = &mut buf[filled..];
            if self.zeros > 0 {
                let now = usize::try_from(self.zeros).map_or(rest.len(), |z| z.min(rest.len()));
                rest[..now].fill(0);
                self.zeros -= now as u64;
                filled += self.pass(now);
                continue;
            }
            match self.data.read(rest) {
                Ok(0) => break,
                Ok(n) => filled += self.pass(n),
                Err(error @ SetError::Damaged { .. }) => {
                    // None at the end: all bytes came, but they are not those of the manifest.
                    self.zeros = self.data.skip_damage();
                    self.hole(self.zeros, &error);
                    if self.zeros == 0 {
                        break;
                    }
                }
                Err(error) => {
                    let error = std::io::Error::other(error);
                    return Err(TreeError::Host { path: self.path.clone(), error });
                }
            }
        }
        Ok(filled.min(left))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        let zeros = bytes.min(self.zeros);
        self.zeros -= zeros;
        self.data.skip(bytes - zeros);
        self.position = self.position.saturating_add(bytes);
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &self.holes
    }
}
