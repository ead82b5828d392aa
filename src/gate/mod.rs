//! May this machine be wiped? For task sequences, before the step that formats.
//!
//! A store is safe in one of two ways. Either a set has all of it: the set is verified, it has no
//! losses, and each file and folder of the store is in its manifest, as it is on the disk now. Or
//! the store stays on the disk, all parts of it on volumes that will not be wiped, and it matches
//! its seal. Names alone prove nothing: a set of the same computer may be of an earlier capture.

mod compare;
mod contents;
mod place;

use std::sync::Arc;

use self::contents::Contents;

use crate::destination::{Destination, ErrorKind};
use crate::health::{Check, Level as CheckLevel, StreamObserver, check_store_with};
use crate::model::finding::Severity;
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::seal::{Guard, StoreCheck};
use crate::set::crypt::Keys;
use crate::set::error::SetError;
use crate::set::format::rescue::{EndState, Rescue, SealOutcome, What};
use crate::set::read::reader::{SetReader, read_rescue};
use crate::set::read::verify::{Level, verify_set_with};
use crate::sets::{self, SetFolder};
use crate::tree::source::SourceVolume;
use crate::usmt::{Part, Store};

/// The number of reasons that are kept of one set, or of one store that stays.
const MAX_REASONS: usize = 5;
/// The number of sets of a store whose reasons are kept.
const MAX_SETS: usize = 5;

/// Which volumes will be wiped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wipes {
    /// All of them.
    Everything,
    /// Those with these letters, in capitals: now, or in the Windows that the store is from.
    Letters(Vec<char>),
}

impl Wipes {
    /// Whether a volume with these letters certainly stays.
    pub(crate) fn spares(&self, now: Option<char>, in_windows: Option<char>) -> bool {
        let Self::Letters(letters) = self else { return false };
        let known = [now, in_windows];
        let mut known = known.iter().flatten().peekable();
        known.peek().is_some()
            && known.all(|letter| !letters.contains(&letter.to_ascii_uppercase()))
    }

    fn spares_part(&self, part: &Part) -> bool {
        self.spares(part.present_letter, part.drive.letter)
    }
}

/// A set that may have a store.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// Where it is.
    pub target: Arc<dyn Destination>,
    /// Its folder there.
    pub path: String,
    /// What decrypts it, if it is encrypted.
    pub keys: Keys,
}

/// What stores are judged by.
pub(crate) struct Judge<'a> {
    /// The sets that may have them.
    pub sets: &'a [Candidate],
    /// Why there is none, for people, if there is none.
    pub no_set: &'a str,
    /// What will be wiped.
    pub wipes: &'a Wipes,
    /// How thoroughly a set, or a store that stays, is verified.
    pub level: Level,
    /// Volumes that could not be read, for people.
    pub closed: &'a [String],
    /// The volumes of the machine.
    pub volumes: &'a [SourceVolume],
    /// The names, for people, of those on disks that can be taken out.
    pub removable: &'a [String],
}

/// Why a store is safe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Safe {
    /// All of it is in this set, by its full path.
    InSet {
        /// The set's full path.
        set: String,
        /// Byte for byte; else by names, sizes and times.
        by_bytes: bool,
        /// Files, folders and links that were compared.
        compared: u64,
    },
    /// It stays, and matches its seal.
    Stays {
        /// When it was sealed.
        sealed: String,
    },
}

/// The judgement of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Judgement {
    /// Parts of it are missing, so that no set can have all of it.
    pub lacks: bool,
    /// Why it is safe; `None` if it is not.
    pub safe: Option<Safe>,
    /// Why it is not, for people.
    pub reasons: Vec<String>,
}

impl Judge<'_> {
    /// Judges one store.
    ///
    /// # Errors
    /// The store cannot be read; a destination is lost; the monitor was cancelled.
    pub(crate) fn store(
        &self,
        store: &Store,
        monitor: &dyn Monitor,
    ) -> Result<Judgement, SetError> {
        let mut reasons: Vec<String> = store
            .lacks(self.closed)
            .iter()
            .map(|lack| format!("not all of it is here: {lack}"))
            .collect();
        if !reasons.is_empty() {
            return Ok(Judgement { lacks: true, safe: None, reasons });
        }
        if store.parts.iter().all(|part| self.wipes.spares_part(part)) {
            match self.stays(store, monitor)? {
                Ok(safe) => return Ok(Judgement { lacks: false, safe: Some(safe), reasons }),
                Err((why, true)) => {
                    return Ok(Judgement { lacks: false, safe: None, reasons: why });
                }
                Err((why, false)) => reasons.extend(why),
            }
        } else if *self.wipes != Wipes::Everything {
            let wiped = store.parts.iter().filter(|part| !self.wipes.spares_part(part));
            reasons.extend(wiped.map(|part| format!("{} will be wiped", part.windows_path())));
        }
        let plan = compare::plan_of(store, monitor)?;
        let mut tried = 0;
        let mut contents = None;
        for candidate in self.sets {
            if monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            let shown = candidate.target.display(&candidate.path);
            let why = match self.in_set(store, &plan, &mut contents, candidate, monitor) {
                Ok(None) => continue,
                Ok(Some(Ok(compared))) => {
                    let by_bytes = self.level == Level::Full;
                    let safe = Some(Safe::InSet { set: shown, by_bytes, compared });
                    return Ok(Judgement { lacks: false, safe, reasons: Vec::new() });
                }
                Ok(Some(Err(why))) => why,
                Err(error) if ends(&error) => return Err(error),
                Err(error) => vec![error.to_string()],
            };
            tried += 1;
            if tried <= MAX_SETS {
                let more = why.len().saturating_sub(MAX_REASONS);
                let shown_reasons = why.into_iter().take(MAX_REASONS);
                reasons.extend(shown_reasons.map(|why| format!("{}: {why}", candidate.path)));
                if more > 0 {
                    let more = units::count(more as u64, "more reason", "more reasons");
                    reasons.push(format!("{}: {more}", candidate.path));
                }
            }
        }
        if tried == 0 {
            reasons.push(if self.sets.is_empty() {
                self.no_set.to_owned()
            } else {
                match self.sets.len() {
                    1 => "the rescue set is of another store".to_owned(),
                    sets => format!("none of the {sets} rescue sets is of this store"),
                }
            });
        }
        Ok(Judgement { lacks: false, safe: None, reasons })
    }

    /// Whether a set has all of the store: the number of members compared, or why not. `None` if
    /// it is of another store.
    fn in_set(
        &self,
        store: &Store,
        plan: &compare::StorePlan,
        contents: &mut Option<Contents>,
        candidate: &Candidate,
        monitor: &dyn Monitor,
    ) -> Result<Option<Result<u64, Vec<String>>>, SetError> {
        let Candidate { target, path, keys } = candidate;
        // Without a key, the paths of an encrypted set are hidden: it may be of any store.
        let outer = read_rescue(&**target, path)?;
        if outer.what != What::Store || outer.kind != store.kind.into() {
            return Ok(None);
        }
        if outer.encryption.is_none() && !is_of(&outer, store) {
            return Ok(None);
        }
        let set = SetReader::open_with(Arc::clone(target), path, keys)?;
        let rescue = set.rescue();
        if !is_of(rescue, store) {
            return Ok(None);
        }
        let mut reasons = shortcomings(rescue);
        // What was found once counts until every byte was read again.
        let listed = sets::read(&**target, &SetFolder::at(&**target, path)?)?;
        if self.level == Level::Quick && listed.verified.is_some_and(|run| run.damage > 0) {
            reasons.push("verify found damage in it: use --level full".to_owned());
        }
        if let Some(volume) = self.wiped_volume(&**target, store) {
            reasons.push(format!("it is on {volume}, which will be wiped"));
        }
        if !rescue.options.read_back && self.level == Level::Quick {
            reasons.push("it was not read back when it was made: use --level full".to_owned());
        }
        if !reasons.is_empty() {
            return Ok(Some(Err(reasons)));
        }
        let (compared, differences) = compare::differences(plan, &set, monitor)?;
        if !differences.is_empty() {
            return Ok(Some(Err(differences)));
        }
        // The longest last.
        if self.level == Level::Full {
            let contents = match contents {
                Some(contents) => contents,
                None => contents.insert(self.read(store, monitor)?),
            };
            let differences = contents.differences(&set, monitor)?;
            if !differences.is_empty() {
                return Ok(Some(Err(differences)));
            }
        }
        let verified = verify_set_with(Arc::clone(target), path, Some(keys), self.level, monitor)?;
        if verified.damage > 0 {
            let findings = units::count(verified.damage, "finding", "findings");
            return Ok(Some(Err(vec![format!("the set is damaged: {findings}")])));
        }
        // It was whole when the set was made. What else changed, only a full check shows.
        if self.level == Level::Quick
            && verified.findings.iter().any(|finding| finding.code == "set-seek-table")
        {
            let what = "the set was changed or damaged since it was made (its seek table is); \
                        --level full says how far";
            return Ok(Some(Err(vec![what.to_owned()])));
        }
        Ok(Some(Ok(compared)))
    }

    /// Reads every byte of the store, once for all sets.
    fn read(&self, store: &Store, monitor: &dyn Monitor) -> Result<Contents, SetError> {
        let check = Check { level: CheckLevel::Full, closed: self.closed, ..Check::default() };
        let mut observer = contents::Observer::new(store);
        let report = check_store_with(store, &check, Some(&mut observer), monitor);
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        let damage = report.findings.iter().filter(|found| found.severity >= Severity::Damage);
        let damage = damage.map(|found| format!("{}: {}", found.path, found.what));
        Ok(observer.finish(damage.take(MAX_REASONS).collect()))
    }

    /// Whether a store that stays is as it was sealed, or why not, and whether it was changed or
    /// damaged since: then a set of the same names and sizes proves nothing.
    fn stays(
        &self,
        store: &Store,
        monitor: &dyn Monitor,
    ) -> Result<Result<Safe, (Vec<String>, bool)>, SetError> {
        let Some(mut guard) = Guard::of(store, monitor) else {
            let what = "it stays on the disk, but it is not sealed".to_owned();
            return Ok(Err((vec![what], false)));
        };
        let is_full = self.level == Level::Full;
        let mut sealed = StoreCheck::begin(store, &mut guard, is_full, monitor)?;
        let check = Check {
            level: if is_full { CheckLevel::Full } else { CheckLevel::Quick },
            closed: self.closed,
            ..Check::default()
        };
        let observer: &mut dyn StreamObserver = &mut sealed;
        let report = check_store_with(store, &check, Some(observer), monitor);
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        let outcome = sealed.finish();
        let mut reasons = Vec::new();
        if is_full && outcome.quick {
            let what = "it stays on the disk, but its seal has no hashes (seal --quick) to compare \
                        its bytes with";
            return Ok(Err((vec![what.to_owned()], false)));
        }
        if outcome.differs() {
            let looked =
                if is_full { crate::seal::Looked::Bytes } else { crate::seal::Looked::Metadata };
            reasons.push(crate::seal::verdict(&outcome, looked));
        }
        let is_damage = |severity: Severity| severity >= Severity::Damage;
        let damage = report.findings.iter().filter(|finding| is_damage(finding.severity));
        reasons.extend(
            damage.take(MAX_REASONS).map(|finding| format!("{}: {}", finding.path, finding.what)),
        );
        if reasons.is_empty() {
            Ok(Ok(Safe::Stays { sealed: outcome.sealed }))
        } else {
            Ok(Err((reasons, true)))
        }
    }
}

/// Whether an error of one set ends the judging.
fn ends(error: &SetError) -> bool {
    match error {
        SetError::Cancelled { .. } | SetError::SourceGone(_) => true,
        SetError::Destination(error) => {
            matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Logon | ErrorKind::Transient)
        }
        _ => false,
    }
}

/// Whether a set is of a store at this place: each part at its drive and path.
fn is_of(rescue: &Rescue, store: &Store) -> bool {
    store.parts.iter().all(|part| {
        let (drive, path) = (part.drive.name(), part.store_path().to_string());
        rescue.parts.iter().any(|there| {
            there.drive.eq_ignore_ascii_case(&drive) && there.path.eq_ignore_ascii_case(&path)
        })
    })
}

/// What a set lacks by its own description.
fn shortcomings(rescue: &Rescue) -> Vec<String> {
    let mut reasons = Vec::new();
    if rescue.totals.losses > 0 || rescue.end_state == EndState::SavedWithLosses {
        let losses = units::count(rescue.totals.losses, "loss", "losses");
        reasons.push(format!("saved with {losses}"));
    }
    reasons
        .extend(rescue.lacks.iter().map(|lack| format!("not all of the store is in it: {lack}")));
    reasons.extend(rescue.damage.iter().map(|damage| format!("the store was damaged: {damage}")));
    if rescue.end_state == EndState::Incomplete && reasons.is_empty() {
        reasons.push("it is incomplete".to_owned());
    }
    if rescue.seal.as_ref().is_some_and(SealOutcome::differs) {
        reasons.push("it differed from the store's seal when it was saved".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_spared_only_if_no_letter_of_it_is_wiped() {
        let wipes = Wipes::Letters(vec!['C', 'E']);
        for (now, in_windows, spared) in [
            (Some('D'), Some('D'), true),
            (Some('D'), None, true),
            (None, Some('D'), true),
            (Some('d'), Some('d'), true),
            // Whose letters nobody knows may be the one.
            (None, None, false),
            // WinPE gives other letters than Windows.
            (Some('D'), Some('C'), false),
            (Some('C'), Some('D'), false),
            (Some('e'), None, false),
        ] {
            assert_eq!(wipes.spares(now, in_windows), spared, "{now:?} {in_windows:?}");
        }
        assert!(!Wipes::Everything.spares(Some('D'), Some('D')));
    }
}
