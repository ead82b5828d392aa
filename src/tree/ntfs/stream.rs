//! Streams of the raw tree.

use crate::model::loss::Hole;
use crate::ntfs::read::data::DataReader;
use crate::ntfs::{EfsData, WofData};
use crate::tree::{Stream, TreeError};

/// A stream read as it is (LZNT1 unpacked).
pub(super) struct Plain(pub(super) DataReader);

impl Stream for Plain {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        Ok(self.0.read(buf)?)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.0.seek(self.0.position().saturating_add(bytes));
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        self.0.holes()
    }

    fn set_fail_fast(&mut self, hasty: bool) {
        self.0.haste().set(hasty);
    }
}

/// Streams that are made on the way, in order: the plain data of a file compressed by WOF, and the
/// raw export form of an encrypted file.
macro_rules! stream_in_order {
    ($($data:ty),*) => {$(
        impl Stream for $data {
            fn len(&self) -> u64 {
                self.len()
            }

            fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
                Ok(self.read(buf)?)
            }

            fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
                self.skip(bytes);
                Ok(())
            }

            fn holes(&self) -> &[Hole] {
                self.holes()
            }

            fn set_fail_fast(&mut self, hasty: bool) {
                self.haste().set(hasty);
            }
        }
    )*};
}

stream_in_order!(WofData, EfsData);
