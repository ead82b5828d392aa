//! What a restore reads: a rescue set, or anything that can say the same.

use std::io::Read;

use crate::archive::error::ArchiveError;
use crate::archive::manifest::{Data, Member};
use crate::archive::rescue::Rescue;

/// The members of a set, one after another, as often as asked for.
pub type Members<'a> = Box<dyn Iterator<Item = Result<Member, ArchiveError>> + 'a>;

/// A set to restore from.
pub trait Input {
    /// What the set is a set of.
    fn rescue(&self) -> &Rescue;

    /// Its members from the first to the last, in the order of the set.
    ///
    /// # Errors
    /// The manifest cannot be read. An error in the middle ends the list.
    fn members(&self) -> Result<Members<'_>, ArchiveError>;

    /// The bytes of one stream; asked for in the order of the set. A read
    /// error means that the rest of that stream is damaged, and of that one
    /// only.
    ///
    /// # Errors
    /// The set cannot be reached.
    fn open<'a>(&'a self, data: &Data) -> Result<Box<dyn Read + 'a>, ArchiveError>;
}
