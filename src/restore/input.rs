//! What a restore reads: a rescue set, or anything that can say the same.

use crate::set::error::SetError;
use crate::set::format::manifest::{Data, Member};
use crate::set::format::rescue::Rescue;
use crate::set::read::reader::{DataReader, InOrder, SetReader};

/// A set to restore from.
pub trait Input {
    /// What the set is a set of.
    fn rescue(&self) -> &Rescue;

    /// More bytes than this no stream of it can have; `None` where nobody knows.
    fn most_bytes(&self) -> Option<u64> {
        None
    }

    /// Its members from the first to the last, in the order of the set.
    ///
    /// # Errors
    /// The set cannot be read at all.
    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError>;
}

/// The members of a set, in their order.
pub trait Ordered {
    /// The next member; `None` behind the last. Goes on after
    /// [`SetError::Damaged`].
    fn next_member(&mut self) -> Option<Result<Member, SetError>>;

    /// The bytes of a stream of the member that came last; streams are asked
    /// for in order, and may be left out.
    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a>;
}

/// The bytes of one stream.
pub trait Bytes {
    /// The next bytes; 0 at the end, and only if all of them have the hash that
    /// the manifest says.
    ///
    /// # Errors
    /// [`SetError::Damaged`]: what comes next is damaged, or all was read
    /// and is not what was saved. Anything else: the set cannot be reached.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SetError>;

    /// Passes over a damaged piece; how many bytes of the stream that is.
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
