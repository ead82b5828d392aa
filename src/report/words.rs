//! The texts of the report.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::figures::Figures;
use super::html::{count, escape};
use crate::model::loss::LossKind;
use crate::model::metadata::FileTime;
use crate::seal::{Looked, verdict as seal_verdict};
use crate::set::format::manifest::Totals;
use crate::set::format::rescue::{EndState, Machine, Rescue, SealState, What};
use crate::usmt::{Role, StoreKind};

/// The tone of the page. A loss is never green.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    /// Everything was saved and verified.
    Good,
    /// Everything was saved, but not verified.
    Plain,
    /// Something was lost, or may be lost.
    Warn,
}

/// The page's title, and the reasons for it.
pub(super) struct Verdict {
    pub(super) tone: Tone,
    pub(super) title: String,
    /// As HTML, worst first.
    pub(super) reasons: Vec<String>,
}

/// Judges a set.
pub(super) fn verdict(rescue: &Rescue, figures: &Figures) -> Verdict {
    let mut verdict =
        Verdict { tone: Tone::Good, title: "Everything was saved".to_owned(), reasons: Vec::new() };
    let mut say = |tone: Tone, title: &str, reason: String| {
        if verdict.reasons.is_empty() {
            (verdict.tone, verdict.title) = (tone, title.to_owned());
        }
        verdict.reasons.push(reason);
    };
    let lost = rescue.totals.losses.max(figures.lost());
    if lost > 0 || rescue.end_state == EndState::SavedWithLosses && rescue.is_of_whole_store() {
        let losses = count(lost, "loss", "losses");
        let reason = if lost == 1 {
            "The loss is listed below, with its reason. Everything else was saved."
        } else {
            "The losses are listed below, with their reasons. Everything else was saved."
        };
        say(Tone::Warn, &format!("Saved, with {losses}"), reason.to_owned());
    }
    if rescue.lacks.is_empty() && lacks_primary(rescue) {
        say(
            Tone::Warn,
            "Saved, but the store is incomplete",
            "Its primary part was not found and is not in the set: without it \
             <code>loadstate</code> cannot use the store."
                .to_owned(),
        );
    }
    for lack in rescue.lacks.iter().take(26) {
        let lack = escape(&super::html::shorten(&sentence(lack), 300));
        let title = match rescue.what {
            What::Store => "Saved, but the store is incomplete",
            What::Folder => "Saved, but not everything was there",
        };
        say(Tone::Warn, title, format!("{lack}."));
    }
    for damage in rescue.damage.iter().take(26) {
        let damage = escape(&super::html::shorten(&sentence(damage), 300));
        say(Tone::Warn, "Saved, but the store was damaged", format!("{damage}."));
    }
    for volume in rescue.closed.iter().take(26) {
        let volume = escape(&super::html::shorten(&sentence(volume), 300));
        let reason = format!("{volume} could not be read. Another store may be there.");
        say(Tone::Warn, "Saved, but a volume was not searched", reason);
    }
    if let Some(seal) = rescue.seal.as_ref().filter(|seal| seal.differs()) {
        let title = match seal.state {
            SealState::Differs => "Saved, but different from the seal",
            _ => "Saved, but the seal is not usable",
        };
        say(Tone::Warn, title, format!("{}.", escape(&sentence(&seal_words(rescue)))));
    }
    if figures.damaged > 0 {
        say(
            Tone::Warn,
            "The list of this set is damaged",
            format!(
                "{} of the set's manifest could not be read, so the figures here are incomplete. \
                 Run <code>lifeboat verify</code>.",
                count(figures.damaged, "piece", "pieces")
            ),
        );
    }
    if !rescue.options.read_back {
        say(
            Tone::Plain,
            "Saved, but not read back",
            "The saved files were not read back, so the copy is not verified. Run <code>lifeboat \
             verify</code>."
                .to_owned(),
        );
    }
    verdict
}

/// Whether the store's primary part is missing.
fn lacks_primary(rescue: &Rescue) -> bool {
    rescue.store_kind() == Some(StoreKind::HardLink)
        && !rescue.parts.is_empty()
        && rescue.parts.iter().all(|part| part.role.of_store() == Some(Role::Secondary))
}

/// The verdict of the seal; empty if there is none.
pub(super) fn seal_words(rescue: &Rescue) -> String {
    rescue.seal.as_ref().map(|seal| seal_verdict(seal, Looked::Bytes)).unwrap_or_default()
}

/// The text with a capital letter.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `22 November 2026, 15:04 UTC` for a time of RFC 3339; any other text
/// unchanged.
pub(super) fn date(rfc3339: &str) -> String {
    match OffsetDateTime::parse(rfc3339, &Rfc3339) {
        Ok(time) => {
            let time = time.to_offset(time::UtcOffset::UTC);
            format!(
                "{} {} {}, {:02}:{:02} UTC",
                time.day(),
                time.month(),
                time.year(),
                time.hour(),
                time.minute()
            )
        }
        Err(_) => escape(&super::html::shorten(rfc3339, 40)),
    }
}

/// The same for a file's time.
pub(super) fn file_date(time: FileTime) -> String {
    let (seconds, _) = time.to_unix();
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.map_or_else(|| escape(&time_as_it_is(seconds)), |text| date(&text))
}

fn time_as_it_is(seconds: i64) -> String {
    format!("{seconds} seconds after 1970")
}

/// The computer, for headings.
pub(super) fn machine(machine: &Machine) -> String {
    let known = machine.name.as_deref().or(machine.serial.as_deref()).map(str::trim);
    known.filter(|name| !name.is_empty()).unwrap_or("Computer with an unknown name").to_owned()
}

/// The contents of the set.
pub(super) fn holds(rescue: &Rescue) -> &'static str {
    match (rescue.what, rescue.store_kind()) {
        (What::Folder, _) if rescue.parts.iter().any(|part| part.user.is_some()) => {
            "Users\u{2019} files; loadstate cannot use them"
        }
        (What::Folder, _) => "A folder; loadstate cannot use it",
        (What::Store, Some(StoreKind::HardLink)) => "USMT migration store, hard-link",
        (What::Store, Some(StoreKind::Uncompressed)) => "USMT migration store, uncompressed",
        (What::Store, Some(StoreKind::Compressed)) => "USMT migration store, compressed",
        (What::Store, _) => "USMT migration store",
    }
}

/// The role of a part in its store.
pub(super) fn role(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Primary) => "primary part",
        Some(Role::Secondary) => "secondary part",
        Some(Role::Whole) => "the whole store",
        None => "folder",
    }
}

/// `1,234 files in 56 folders`.
pub(super) fn files_and_folders(totals: &Totals) -> String {
    format!(
        "{} in {}",
        count(totals.files, "file", "files"),
        count(totals.directories, "folder", "folders")
    )
}

/// A kind of loss: its name, and what it means.
pub(super) fn loss(kind: Option<LossKind>) -> (&'static str, &'static str) {
    match kind {
        Some(LossKind::Unreadable) => ("Not saved", "could not be read at all"),
        Some(LossKind::NotHere) => (
            "Was not on the disk",
            "a placeholder: the data is in the cloud, on a server or in a deduplicated store",
        ),
        Some(LossKind::Encrypted) => {
            ("Encrypted", "encrypted for its user (EFS), and could not be exported without loss")
        }
        Some(LossKind::Hole) => {
            ("Saved with gaps", "parts could not be read; they are filled with zeros")
        }
        Some(LossKind::Changed) => {
            ("Changed during the save", "changed while it was read; old and new data may be mixed")
        }
        Some(LossKind::Name) => ("Renamed", "saved under another name"),
        Some(LossKind::Fact) => (
            "Metadata is missing",
            "all bytes were saved, but not all metadata (times, permissions and so on)",
        ),
        Some(LossKind::Recovered) => (
            "Recovered after it was deleted",
            "deleted from the source, by the wipe or before it; each says how sure its bytes are",
        ),
        None => ("Other", "of a kind that this version of Lifeboat does not know"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::store_set;
    use crate::set::format::rescue::SealOutcome;

    fn none() -> Figures {
        Figures::gather(&store_set(&["C"]), &mut std::iter::empty()).unwrap()
    }

    fn tone(change: impl FnOnce(&mut Rescue)) -> (Tone, String) {
        let mut rescue = store_set(&["C"]);
        change(&mut rescue);
        let verdict = verdict(&rescue, &none());
        (verdict.tone, verdict.title)
    }

    #[test]
    fn loss_is_never_green() {
        assert_eq!(tone(|_| {}), (Tone::Good, "Everything was saved".to_owned()));
        let (lost, title) = tone(|set| set.totals.losses = 2);
        assert_eq!((lost, title.as_str()), (Tone::Warn, "Saved, with 2 losses"));
        assert_eq!(tone(|set| set.end_state = EndState::SavedWithLosses).0, Tone::Warn);
        assert_eq!(
            tone(|set| set.lacks.push("the part on drive D: was not found".to_owned())).0,
            Tone::Warn
        );
        assert_eq!(tone(|set| set.parts[0].role = Role::Secondary.into()).0, Tone::Warn);
        for state in [SealState::Differs, SealState::Damaged, SealState::Other] {
            let seal = SealOutcome { state, ..SealOutcome::default() };
            assert_eq!(tone(|set| set.seal = Some(seal)).0, Tone::Warn);
        }
        assert_eq!(tone(|set| set.seal = Some(SealOutcome::default())).0, Tone::Good);
        assert_eq!(tone(|set| set.options.read_back = false).0, Tone::Plain);
        let worst = tone(|set| {
            set.options.read_back = false;
            set.totals.losses = 1;
        });
        assert_eq!(worst, (Tone::Warn, "Saved, with 1 loss".to_owned()));
        let figures = Figures { damaged: 1, ..none() };
        assert_eq!(verdict(&store_set(&["C"]), &figures).tone, Tone::Warn);
    }

    #[test]
    fn dates_are_written_out_and_nonsense_is_harmless() {
        assert_eq!(date("2026-11-22T05:04:59Z"), "22 November 2026, 05:04 UTC");
        assert_eq!(date("<b>now</b>"), "&lt;b&gt;now&lt;/b&gt;");
        assert_eq!(file_date(FileTime::from_unix(0, 0)), "1 January 1970, 00:00 UTC");
        assert!(!file_date(FileTime(u64::MAX)).is_empty());
    }
}
