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

    /// From now on, what the set's list says of each member is compared with what the set's
    /// store says: a difference comes as [`SetError::Damaged`] before the member. Its data must
    /// then be read along.
    fn check_headers(&mut self) {}

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
        Ok(Box::new(Checked::new(self.in_order()?)))
    }
}

/// The members of a set, whose headers may be compared.
pub(super) struct Checked {
    all: InOrder,
    checks: bool,
    /// The member after the difference that was told.
    waiting: Option<Member>,
}

impl Checked {
    pub(super) fn new(all: InOrder) -> Self {
        Self { all, checks: false, waiting: None }
    }

    /// The next of those that are `wanted`.
    pub(super) fn next_of(
        &mut self,
        mut wanted: impl FnMut(&Member) -> bool,
    ) -> Option<Result<Member, SetError>> {
        if let Some(member) = self.waiting.take() {
            return Some(Ok(member));
        }
        loop {
            let member = match self.all.next_member() {
                Some(Ok(member)) => member,
                Some(Err(error)) => return Some(Err(error)),
                None => return self.all.check_end().err().map(Err),
            };
            if !wanted(&member) {
                continue;
            }
            if self.checks
                && let Err(error) = self.all.check(&member)
            {
                self.waiting = Some(member);
                return Some(Err(error));
            }
            return Some(Ok(member));
        }
    }
}

impl Ordered for Checked {
    fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        self.next_of(|_| true)
    }

    fn check_headers(&mut self) {
        self.checks = true;
    }

    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a> {
        Box::new(self.all.data(data))
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
