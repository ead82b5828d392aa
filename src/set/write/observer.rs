//! Compares the source with its earlier state: called for each member of a set when it
//! is complete. The only implementation is the store's seal.

use crate::set::error::SetError;
use crate::set::format::manifest::{Line, Member};
use crate::set::format::names::is_of_deleted;
use crate::set::format::rescue::SealOutcome;

/// See the module. Called by one thread at a time, but not always the same.
pub(crate) trait MemberObserver: Sync {
    /// Calls the one of the two for a member that fits it.
    fn see(&self, member: &mut Member) {
        if is_of_deleted(&member.path) { self.recovered(member) } else { self.member(member) }
    }

    /// A complete member, in the order of the set. The result goes into [`Member::seal`],
    /// and may depend only on the members so far: a resumed set must come out the
    /// same.
    fn member(&self, member: &mut Member);

    /// A complete member that is a deleted file, recovered: says what its bytes prove. The same
    /// rule as for [`member`](Self::member).
    fn recovered(&self, member: &mut Member);

    /// After the last member: lines for the manifest, and the outcome.
    ///
    /// # Errors
    /// Those of `line`.
    fn finish(
        &self,
        line: &mut dyn FnMut(&Line) -> Result<(), SetError>,
    ) -> Result<SealOutcome, SetError>;
}
