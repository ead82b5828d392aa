//! What a restore reads: a rescue set, or anything with the same interface.

use crate::set::error::SetError;
use crate::set::format::manifest::{Data, Member};
use crate::set::format::rescue::Rescue;
use crate::set::read::reader::{DataReader, InOrder, SetReader};

/// A set to restore from.
pub trait Input {
    /// Describes the set.
    fn rescue(&self) -> &Rescue;

    /// No stream of it can have more bytes than this; `None` if unknown.
    fn most_bytes(&self) -> Option<u64> {
        None
    }

    /// Its members in the order of the set.
    ///
    /// # Errors
    /// The set cannot be read at all.
    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError>;
}

/// The members of a set, in their order.
pub trait Ordered {
    /// The next member; `None` after the last. Continues after
    /// [`SetError::Damaged`].
    fn next_member(&mut self) -> Option<Result<Member, SetError>>;

    /// The bytes of a stream of the last member. Streams must be requested in
    /// order, and may be skipped.
    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a>;
}

/// The bytes of one stream.
pub trait Bytes {
    /// The next bytes; 0 at the end, and only if their hash matches the manifest.
    ///
    /// # Errors
    /// [`SetError::Damaged`]: the next bytes are damaged, or everything was read and
    /// the hash differs. Anything else: the set cannot be read.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SetError>;

    /// Skips a damaged range; returns its length in bytes of the stream.
    fn skip_damage(&mut self) -> u64;
}

impl Input for SetReader {
    fn rescue(&self) -> &Rescue {
        self.rescue()
    }

    fn most_bytes(&self) -> Option<u64> {
        Some(self.plain_bytes())
    }

    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError> {
        Ok(Box::new(self.in_order()?))
    }
}

impl Ordered for InOrder {
    fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        self.next_member()
    }

    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a> {
        Box::new(self.data(data))
    }
}

impl Bytes for DataReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SetError> {
        self.read(buf)
    }

    fn skip_damage(&mut self) -> u64 {
        self.skip_damage()
    }
}
