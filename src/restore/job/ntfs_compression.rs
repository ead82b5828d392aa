//! NTFS compression of files. The data is complete without it, so it is applied
//! while writing or not at all.

use super::{Job, Place};
use crate::model::metadata::attributes;
use crate::restore::place::{FactKind, Piece};
use crate::restore::platform;
use crate::set::format::manifest::Member;

/// Whether a member is compressed by NTFS. (A Compact OS file uses another
/// method, and EFS allows no compression.)
pub(in crate::restore) fn is_packed(member: &Member) -> bool {
    let bits = member.attributes & (attributes::COMPRESSED | attributes::ENCRYPTED);
    bits == attributes::COMPRESSED
}

impl Job<'_> {
    /// Whether a file has to be compressed, and can be.
    pub(super) fn is_to_be_packed(&mut self, member: &Member, place: &Place) -> bool {
        let holds = |job: &mut Self| job.root(place).is_ok_and(|r| r.holds(FactKind::Compression));
        is_packed(member) && holds(self)
    }

    /// A folder is marked before anything is written to it, so that its files are
    /// compressed from the start.
    pub(super) fn pack_folder(&mut self, member: &Member, place: &Place) {
        if !self.is_to_be_packed(member, place) {
            return;
        }
        let Some(opened) = self.places.roots.get_mut(place.root) else { return };
        if let Err(error) = opened.root.pack_folder(&place.at) {
            self.mark_reported(place, Piece::Fact(FactKind::Compression));
            if platform::is_unsupported(&error) {
                self.tally.unheld(&member.path, FactKind::Compression);
            } else {
                self.tally.fact_failed(&member.path, FactKind::Compression, &error);
            }
        }
    }
}
