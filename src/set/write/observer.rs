//! Somebody who knows what the source held before: asked about every member of
//! a set as it becomes whole. The store's seal is the one there is.

use crate::set::error::SetError;
use crate::set::format::manifest::{Line, Member};
use crate::set::format::rescue::SealOutcome;

/// See the module. Asked by one thread at a time, but not always the same.
pub trait MemberObserver: Sync {
    /// A member that is whole, in the order of the set. What the witness has to
    /// say of it goes into [`Member::seal`], and may depend on nothing but the
    /// members so far: a set that is gone on with must come out the same.
    fn member(&self, member: &mut Member);

    /// Behind the last member: lines for the manifest, and the outcome.
    ///
    /// # Errors
    /// Those of `line`.
    fn finish(
        &self,
        line: &mut dyn FnMut(&Line) -> Result<(), SetError>,
    ) -> Result<SealOutcome, SetError>;
}
