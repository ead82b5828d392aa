//! Reparse data of folders with children, as a cloud (`OneDrive`) uses it. A file
//! system that does not know the tag cannot open such a folder. So the data is set
//! after everything below is written and read back, the deepest folder first.

use super::Job;
use super::apply_metadata::times;
use crate::model::bytes::u32_at;
use crate::model::metadata::is_name_surrogate;
use crate::restore::error::RestoreError;
use crate::restore::place::{Fact, FactKind};
use crate::set::format::manifest::{Member, MemberKind, from_base64};
use crate::tree::Tree;
use crate::tree::host::HostTree;

/// Whether reparse data hides children.
pub(super) fn is_cover(kind: MemberKind, reparse: &[u8]) -> bool {
    let tag = u32_at(reparse, 0);
    kind == MemberKind::Directory && tag.is_some_and(|tag| !is_name_surrogate(tag))
}

/// The reparse data that hides this member's children, if any.
pub(in crate::restore) fn of(member: &Member) -> Option<Vec<u8>> {
    let data = from_base64(member.reparse.as_deref()?)?;
    is_cover(member.kind, &data).then_some(data)
}

impl Job<'_> {
    /// Sets the reparse data on the folders and compares it. Reads the set once per
    /// depth rather than keep untrusted amounts of data in memory.
    pub(in crate::restore) fn cover(&mut self) -> Result<(), RestoreError> {
        let input = self.input;
        while let Some(depth) = self.cover_depths.pop_last() {
            let mut set = input.in_order()?;
            while let Some(member) = self.next(&mut *set, false)? {
                let Some(data) = of(&member) else { continue };
                let Some(place) = self.whole(&member).filter(|p| p.at.len() == depth) else {
                    continue;
                };
                let losses = self.tally.losses;
                let facts = [Fact::Reparse(&data), Fact::Times(times(member.times))];
                self.set(&member, &place, &facts)?;
                let Some(opened) = self.places.roots.get(place.root) else { continue };
                if self.tally.losses > losses || !opened.root.holds(FactKind::Reparse) {
                    continue; // already reported
                }
                let found = HostTree::open(&opened.shown).and_then(|tree| {
                    let id = tree.at(&place.at)?;
                    tree.facts(id, None)
                });
                if found.is_ok_and(|facts| facts.reparse.as_ref() != Some(&data)) {
                    self.tally.fact_differs(&member.path, FactKind::Reparse);
                }
            }
        }
        Ok(())
    }
}
