//! Sets the metadata of files and folders after all data is written.

use super::{Job, Place, directory_reparse};
use crate::model::descriptor;
use crate::model::loss::LossKind;
use crate::model::metadata::{FileTime, Times, attributes};
use crate::model::name::NtName;
use crate::restore::error::RestoreError;
use crate::restore::outcome::Verdict;
use crate::restore::place::{Fact, FactKind, MISSED, Piece, SETTABLE};
use crate::restore::{names, object_ids, platform};
use crate::set::format::manifest::{Member, MemberKind, TimesLine, from_base64};

/// Compact OS and the like (MS-FSCC 2.1.2.1): such a file's data is uncompressed
/// in a set, and the reparse point must not hide it again.
pub(super) const TAG_WOF: [u8; 4] = 0x8000_0017_u32.to_le_bytes();

impl Job<'_> {
    pub(super) fn put_short_name(
        &mut self,
        member: &Member,
        place: &Place,
    ) -> Result<(), RestoreError> {
        let Some(short) = &member.short_name else { return Ok(()) };
        let short = NtName::from(short.as_str());
        if names::check(&short).is_err() {
            self.tally.lose(&member.path, LossKind::Name, "the DOS name is not valid");
            return Ok(());
        }
        self.set(member, place, &[Fact::ShortName(&short)])
    }

    /// The second pass: the metadata of files and folders, except folder times.
    pub(super) fn apply_metadata(&mut self, member: &Member) -> Result<(), RestoreError> {
        let Some(place) = self.whole(member) else { return Ok(()) };
        let hash = self.exact(&place);
        if self.metadata_set.contains(&hash) {
            let is_to_be_dated = self.linked.contains(&hash)
                && !self.was_reported(place.root, &place.at, Piece::Fact(FactKind::Times));
            return if is_to_be_dated { self.date(member, &place) } else { Ok(()) };
        }
        self.put_on(member, &place, None).map(drop)
    }

    /// The metadata of a complete file that is still open. A file with alternate
    /// data streams, or one that is compressed when closed, waits for the second
    /// pass: both change its times.
    pub(super) fn apply_metadata_to_new(
        &mut self,
        member: &Member,
        place: &Place,
        file: &std::fs::File,
    ) -> Result<(), RestoreError> {
        if member.streams.is_empty() && self.put_on(member, place, Some(file))? {
            let hash = self.exact(place);
            self.metadata_set.insert(hash);
        }
        Ok(())
    }

    /// Sets a member's metadata by path or by handle; false if neither works.
    fn put_on(
        &mut self,
        member: &Member,
        place: &Place,
        file: Option<&std::fs::File>,
    ) -> Result<bool, RestoreError> {
        let damaged = std::cell::Cell::new(false);
        let bytes = |text: &Option<String>| {
            let bytes = from_base64(text.as_deref()?);
            damaged.set(damaged.get() || bytes.is_none());
            bytes
        };
        let security = bytes(&member.security);
        let is_whole = security.as_deref().is_none_or(descriptor::is_whole);
        let security = security.filter(|_| is_whole);
        let list = bytes(&member.extended_attributes);
        let object_id = bytes(&member.object_id);
        // Reparse data that hides children is set after them.
        let reparse = bytes(&member.reparse).filter(|data| {
            !data.starts_with(&TAG_WOF) && !directory_reparse::is_cover(member.kind, data)
        });
        let is_damaged = damaged.get() || !is_whole;
        if is_damaged && file.is_some() {
            return Ok(false);
        }
        if is_damaged {
            self.tally.lose(
                &member.path,
                LossKind::Fact,
                "some of its metadata is damaged in the set",
            );
        }
        let mut facts = Vec::with_capacity(6);
        facts.extend(security.as_deref().map(Fact::Security));
        facts.extend(list.as_deref().map(Fact::ExtendedAttributes));
        facts.extend(object_id.as_deref().map(Fact::ObjectId));
        facts.extend(reparse.as_deref().map(Fact::Reparse));
        // ntfs-3g treats a folder's compression as an ordinary attribute.
        let is_packed = member.kind == MemberKind::Directory && self.is_to_be_packed(member, place);
        let packed = if is_packed { attributes::COMPRESSED } else { 0 };
        facts.push(Fact::Attributes(member.attributes & SETTABLE | packed));
        if member.kind == MemberKind::File {
            facts.push(Fact::Times(times(member.times)));
        }
        self.set_on(member, place, &facts, file)
    }

    /// Only the times.
    pub(super) fn date(&mut self, member: &Member, place: &Place) -> Result<(), RestoreError> {
        self.set(member, place, &[Fact::Times(times(member.times))])
    }

    /// The location of a member that was restored and has its own metadata.
    pub(super) fn whole(&self, member: &Member) -> Option<Place> {
        let place = self.find(member.exact_path().as_deref()).ok()?;
        let is_whole = member.kind != MemberKind::Link && !self.left.contains(&self.exact(&place));
        is_whole.then_some(place)
    }

    pub(super) fn set(
        &mut self,
        member: &Member,
        place: &Place,
        facts: &[Fact<'_>],
    ) -> Result<(), RestoreError> {
        self.set_on(member, place, facts, None).map(drop)
    }

    /// Sets metadata by path or by handle; false if neither works.
    fn set_on(
        &mut self,
        member: &Member,
        place: &Place,
        facts: &[Fact<'_>],
        file: Option<&std::fs::File>,
    ) -> Result<bool, RestoreError> {
        let shown = self.places.shown(place.root, &place.at);
        let Some(opened) = self.places.roots.get_mut(place.root) else { return Ok(true) };
        if file.is_some() && !opened.root.sets_by_handle(facts) {
            return Ok(false);
        }
        let (root, tally) = (&mut opened.root, &mut self.tally);
        let mut wanted = Vec::with_capacity(facts.len());
        for fact in facts {
            let kind = fact.kind();
            let is_missed = !matches!(fact, Fact::Attributes(bits) if bits & MISSED == 0);
            match (root.holds(kind), is_missed) {
                (true, _) => wanted.push(*fact),
                (false, true) => tally.unheld(&member.path, kind),
                (false, false) => {}
            }
            let is_born = matches!(fact, Fact::Times(t) if t.created != FileTime(0));
            if is_born && !root.holds(FactKind::CreationTime) {
                tally.unheld(&member.path, FactKind::CreationTime);
            }
        }
        let mut failed = Vec::new();
        let mut note = |kind, error| failed.push((kind, error));
        let result = match file {
            Some(file) => {
                platform::set_by_handle(file, &wanted, &mut note);
                Ok(())
            }
            None => root.set(&place.at, &wanted, &mut note),
        };
        let mut fatal = None;
        for (kind, error) in failed {
            self.mark_reported(place, Piece::Fact(kind));
            if platform::is_unsupported(&error) {
                self.tally.unheld(&member.path, kind);
            } else if platform::judge(&error) != Verdict::OneFile {
                fatal = Some(error);
            } else if !self.gets_later(place, kind, facts) {
                self.tally.fact_failed(&member.path, kind, &error);
            }
        }
        if let Some(error) = fatal.or(result.err()) {
            self.fatal_at(shown, &error)?;
            let detail = format!("its metadata could not be set: {error}");
            self.tally.lose(&member.path, LossKind::Fact, detail);
            for fact in facts {
                self.mark_reported(place, Piece::Fact(fact.kind()));
            }
        }
        Ok(true)
    }

    /// Whether it is an object id that the replaced store has, and hands over at the end.
    fn gets_later(&mut self, place: &Place, kind: FactKind, facts: &[Fact<'_>]) -> bool {
        let id = facts.iter().find_map(|fact| match fact {
            Fact::ObjectId(id) if kind == FactKind::ObjectId => Some(*id),
            _ => None,
        });
        let Some(id) = id.filter(|_| self.hands_ids_over) else { return false };
        object_ids::will_be_handed_over(self.places, place.root, &place.at, id)
    }
}

/// The times of a member.
pub(in crate::restore) fn times(line: TimesLine) -> Times {
    Times {
        created: FileTime(line.created),
        modified: FileTime(line.modified),
        changed: FileTime(line.changed),
        accessed: FileTime(line.accessed),
    }
}
