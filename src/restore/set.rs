//! A rescue set as a restore's input.

use std::io::{self, Read};

use crate::archive::data_reader::DataReader;
use crate::archive::error::ArchiveError;
use crate::archive::in_order::InOrder;
use crate::archive::manifest::{Data, Member};
use crate::archive::reader::SetReader;
use crate::archive::rescue::Rescue;
use crate::archive::turn::Turn;

use super::{Input, Members};

/// See the module.
pub struct SetInput {
    set: SetReader,
    turn: Turn,
}

impl SetInput {
    /// Restores from `set`.
    pub fn new(set: SetReader) -> Self {
        let turn = set.turn();
        Self { set, turn }
    }
}

impl Input for SetInput {
    fn rescue(&self) -> &Rescue {
        self.set.rescue()
    }

    fn members(&self) -> Result<Members<'_>, ArchiveError> {
        Ok(Box::new(Sequence(self.set.in_order()?)))
    }

    fn open<'a>(&'a self, data: &Data) -> Result<Box<dyn Read + 'a>, ArchiveError> {
        if data.sha256.is_empty() {
            // The manifest lost this member; the tar tells where it is, and
            // nobody knows what its hash should be.
            return Ok(Box::new(Bytes(self.set.open_data(data)?)));
        }
        Ok(Box::new(Bytes(self.turn.data(data))))
    }
}

struct Sequence(InOrder);

impl Iterator for Sequence {
    type Item = Result<Member, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_member()
    }
}

struct Bytes<'a>(DataReader<'a>);

impl Read for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(io::Error::other)
    }
}
