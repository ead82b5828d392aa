//! Counts from the manifest what the destination does not support, and reports it
//! before the first file is written, while the user can still choose another
//! disk.

use super::{Job, Place, ntfs_compression};
use crate::model::descriptor;
use crate::model::metadata::attributes;
use crate::restore::error::RestoreError;
use crate::restore::place::{FactKind, MISSED};
use crate::set::format::manifest::{ContentKind, Member, MemberKind, from_base64};

impl Job<'_> {
    /// One loss for each kind of metadata, with the number of files.
    pub(super) fn check_support(&mut self) -> Result<(), RestoreError> {
        let input = self.input;
        let mut set = input.in_order()?;
        let (mut tried, mut asked) = (false, false);
        while let Some(member) = self.next(&mut *set, false)? {
            let Ok(place) = self.find(member.exact_path().as_deref()) else { continue };
            if !self.gets_metadata(&member, &place) {
                continue;
            }
            if ntfs_compression::is_packed(&member) && !std::mem::replace(&mut tried, true) {
                for opened in &mut self.places.roots {
                    opened.root.try_packing();
                }
            }
            if member.short_name.is_some() && !std::mem::replace(&mut asked, true) {
                for opened in &mut self.places.roots {
                    opened.root.try_short_names();
                }
            }
            for (fact, count) in facts_of(&member) {
                if !self.root(&place)?.holds(fact) {
                    for _ in 0..count {
                        self.tally.unheld(&member.path, fact);
                    }
                }
            }
        }
        self.tally.report_unsupported();
        Ok(())
    }

    /// Whether a member gets its metadata: a root, and an existing folder on the way
    /// to a part, keep theirs.
    fn gets_metadata(&mut self, member: &Member, place: &Place) -> bool {
        if place.at.is_empty() || member.content == Some(ContentKind::Missing) {
            return false;
        }
        let is_above = self.parts.iter().any(|part| {
            part.root == place.root
                && part.at.len() > place.at.len()
                && part.at.starts_with(&place.at)
        });
        let is_there = |job: &mut Self| {
            job.root(place).is_ok_and(|root| root.kind(&place.at).is_ok_and(|kind| kind.is_some()))
        };
        !(is_above && is_there(self))
    }
}

/// The kinds of metadata that a member has, and how many of each.
fn facts_of(member: &Member) -> impl Iterator<Item = (FactKind, usize)> {
    let is_link = member.kind == MemberKind::Link;
    let own = |is_there: bool| usize::from(is_there && !is_link);
    let security = member.security.as_deref().and_then(from_base64);
    let security = security.is_some_and(|bytes| descriptor::is_whole(&bytes));
    let is_encrypted_folder =
        member.kind == MemberKind::Directory && member.attributes & attributes::ENCRYPTED != 0;
    let reparse = member.reparse.as_deref().and_then(from_base64);
    let is_compact =
        reparse.as_ref().is_some_and(|data| data.starts_with(&super::apply_metadata::TAG_WOF));
    [
        (FactKind::Security, own(security)),
        (FactKind::Reparse, own(reparse.is_some() && !is_compact)),
        (FactKind::ObjectId, own(member.object_id.is_some())),
        (FactKind::ExtendedAttributes, own(member.extended_attributes.is_some())),
        (FactKind::ShortName, usize::from(member.short_name.is_some())),
        (FactKind::Attributes, own(member.attributes & MISSED != 0)),
        (FactKind::CreationTime, own(member.times.created != 0)),
        (FactKind::Stream, member.streams.len()),
        (FactKind::Compression, own(ntfs_compression::is_packed(member))),
        (FactKind::FolderEncryption, own(is_encrypted_folder)),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
}
