//! One store, or one set of folders, into a rescue set: the whole job behind
//! `lifeboat offload` and the guided rescue.

use crate::destination::Destination;
use crate::health::{Check, Level as CheckLevel, check_store};
use crate::model::finding::{Finding, Severity};
use crate::model::metadata::FileTime;
use crate::model::monitor::{Monitor, Stage};
use crate::model::name::NtPath;
use crate::report;
use crate::seal::Guard;
use crate::set::crypt::Encryption;
use crate::set::error::SetError;
use crate::set::format::kinds::SetKind;
use crate::set::format::rescue::{Machine as SetMachine, What};
use crate::set::write::estimate::{Estimate, estimate};
use crate::set::write::level::{Conditions, Level, auto_level, least_time};
use crate::set::write::observer::MemberObserver;
use crate::set::write::parts::{self, FolderSet};
use crate::set::write::plan::{Plan, PlanPart, PlanTotals};
use crate::set::write::sample::Sample;
use crate::set::write::writer::{OffloadOptions, Outcome, Resume, offload_with, packed_size};
use crate::tree::recovered::DeletedOn;
use crate::usmt::{Machine, Part, Store};

/// Bytes of a store from which on a sample of it decides about the level.
const SAMPLED_FROM: u64 = 64 << 20;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How a rescue set is made, whatever asks for it: the command line, `lifeboat.toml`, or the
/// guided rescue.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is an option of its own
pub struct OffloadRequest {
    /// When the run began: all its sets have this time in their names, by which they are known to
    /// belong together.
    pub begun: FileTime,
    /// What the set is named by; `None` for the computer's name, or else its serial number.
    pub name: Option<String>,
    /// How hard to compress.
    pub level: Level,
    /// What the destination writes, in bytes a second, as measured; for [`Level::Auto`].
    pub write_speed: u64,
    /// Whether what was written is read back while the rest is written.
    pub reads_beside: bool,
    /// The plain size of a frame, in bytes; `None` for the usual one.
    pub frame_bytes: Option<u64>,
    /// The largest size of a volume, in bytes; `None` for one file where that is possible.
    pub split: Option<u64>,
    /// Read the written files back and compare them.
    pub read_back: bool,
    /// Begin although the destination looks too small.
    pub despite_space: bool,
    /// Begin a new set although an unfinished one is there.
    pub fresh: bool,
    /// Recover deleted files of the store or folders too, into the same set.
    pub deleted: bool,
    /// How to encrypt the set; `None` for a plain one.
    pub encryption: Option<Encryption>,
}

impl Default for OffloadRequest {
    /// What `lifeboat offload --to DEST` does; the speed of the destination is not known.
    fn default() -> Self {
        Self {
            begun: FileTime::now(),
            name: None,
            level: Level::Auto,
            write_speed: 0,
            reads_beside: false,
            frame_bytes: None,
            split: None,
            read_back: true,
            despite_space: false,
            fresh: false,
            deleted: false,
            encryption: None,
        }
    }
}

impl OffloadRequest {
    /// The zstd level that follows from the request, on this machine, before the files are
    /// known.
    pub(crate) fn zstd_level(&self) -> i32 {
        match self.level {
            Level::Fixed(level) => level,
            Level::Auto => auto_level(self.write_speed, cores()),
        }
    }

    /// The zstd level for a plan, at a destination with so many free bytes.
    fn level_of(
        &self,
        plan: &Plan,
        free: Option<u64>,
        monitor: &dyn Monitor,
    ) -> Result<i32, SetError> {
        // Of a small store, a sample is most of it.
        if self.level != Level::Auto || plan.totals().bytes < SAMPLED_FROM {
            return Ok(self.zstd_level());
        }
        let conditions = Conditions {
            bytes_a_second: self.write_speed,
            free,
            cores: cores(),
            read_back: self.read_back && !self.reads_beside,
        };
        least_time(&Sample::of(plan, monitor), conditions)
    }

    /// Saves one store, after the quick check of it. What that finds makes the set an incomplete
    /// one: a part that is missing, or that may be on a volume that could not be read, and
    /// damage of it or of its volume. What differs from the store's seal is a loss.
    ///
    /// # Errors
    /// A part of the store cannot be read at all; the destination refuses; the monitor was
    /// cancelled.
    pub fn save_store(
        &self,
        store: &Store,
        machine: &Machine,
        check: &Check<'_>,
        destination: &dyn Destination,
        monitor: &dyn Monitor,
    ) -> Result<Outcome, SetError> {
        let (all, not_searched) = self.parts_of_store(store, monitor)?;
        let mut guard = Guard::of(store, monitor);
        let observer = guard.as_mut().map(|guard| guard.observer(monitor));
        let observer = observer.as_ref().map(|observer| observer as &dyn MemberObserver);
        let found = Shortfalls::of_store(store, check, monitor)?.with_lacks(not_searched);
        let kind = (What::Store, store.kind.into());
        let machine = &machine.of_store(store);
        self.save(all, kind, found, machine, observer, destination, monitor)
    }

    /// The parts of a store that are saved, and where deleted files cannot be looked for.
    fn parts_of_store(
        &self,
        store: &Store,
        monitor: &dyn Monitor,
    ) -> Result<(Vec<PlanPart>, Vec<String>), SetError> {
        monitor.stage(Stage::Plan, &store.display());
        let mut not_searched = Vec::new();
        let all: Result<Vec<PlanPart>, _> = store.parts.iter().map(parts::of_store).collect();
        let mut all = all?;
        if self.deleted {
            let folders: Vec<_> = store
                .parts
                .iter()
                .map(|part| (part.drive.name(), part.tree.clone(), of_part(part)))
                .collect();
            let (part, not) = parts::of_deleted(&folders, monitor)?;
            all.extend(part);
            not_searched = not;
        }
        Ok((all, not_searched))
    }

    /// What saving a store would do: the same checks, and nothing is written.
    ///
    /// # Errors
    /// As for [`OffloadRequest::save_store`], but for the destination.
    pub(crate) fn foresee_store(
        &self,
        store: &Store,
        check: &Check<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Foreseen, SetError> {
        let (all, not_searched) = self.parts_of_store(store, monitor)?;
        let found = Shortfalls::of_store(store, check, monitor)?.with_lacks(not_searched);
        self.foresee(all, found, monitor)
    }

    /// What saving folders would do.
    ///
    /// # Errors
    /// As for a store.
    pub(crate) fn foresee_folders(
        &self,
        set: FolderSet,
        lacks: &[String],
        closed: &[String],
        monitor: &dyn Monitor,
    ) -> Result<Foreseen, SetError> {
        monitor.stage(Stage::Plan, &set.display);
        let found =
            Shortfalls { lacks: lacks.to_vec(), damage: Vec::new(), closed: closed.to_vec() };
        let (all, not_searched) = self.parts_of_folders(set, monitor)?;
        self.foresee(all, found.with_lacks(not_searched), monitor)
    }

    fn foresee(
        &self,
        parts: Vec<PlanPart>,
        found: Shortfalls,
        monitor: &dyn Monitor,
    ) -> Result<Foreseen, SetError> {
        let found = found.with_damage_of(&parts);
        let plan = Plan::make(parts, monitor)?;
        for finding in plan.noticed() {
            monitor.finding(&finding);
        }
        let level = self.level_of(&plan, None, monitor)?;
        let estimate = estimate(&plan, level, (self.write_speed, self.reads_beside), monitor)?;
        Ok(Foreseen { totals: plan.totals(), estimate, lacks: found.lacks, damage: found.damage })
    }

    /// About how many bytes the set of a store has at a destination with so many free ones, by the
    /// sample that saving it goes by, too.
    ///
    /// # Errors
    /// As for [`OffloadRequest::foresee_store`].
    pub(crate) fn size_of_store(
        &self,
        store: &Store,
        free: u64,
        monitor: &dyn Monitor,
    ) -> Result<u64, SetError> {
        let (parts, _) = self.parts_of_store(store, monitor)?;
        self.size_of(parts, free, monitor)
    }

    /// The same of a set of folders.
    ///
    /// # Errors
    /// As for a store.
    pub(crate) fn size_of_folders(
        &self,
        set: FolderSet,
        free: u64,
        monitor: &dyn Monitor,
    ) -> Result<u64, SetError> {
        monitor.stage(Stage::Plan, &set.display);
        let (parts, _) = self.parts_of_folders(set, monitor)?;
        self.size_of(parts, free, monitor)
    }

    fn size_of(
        &self,
        parts: Vec<PlanPart>,
        free: u64,
        monitor: &dyn Monitor,
    ) -> Result<u64, SetError> {
        let plan = Plan::make(parts, monitor)?;
        let level = self.level_of(&plan, Some(free), monitor)?;
        Ok(packed_size(&plan, level, monitor).min(plan.totals().bytes))
    }

    /// Saves folders. What they `lack`, for people, makes the set an incomplete one; `closed` are
    /// the volumes that could not be read.
    ///
    /// # Errors
    /// As for a store.
    pub fn save_folders(
        &self,
        set: FolderSet,
        lacks: &[String],
        closed: &[String],
        machine: &Machine,
        destination: &dyn Destination,
        monitor: &dyn Monitor,
    ) -> Result<Outcome, SetError> {
        monitor.stage(Stage::Plan, &set.display);
        let kind = (What::Folder, SetKind::Folder);
        let found =
            Shortfalls { lacks: lacks.to_vec(), damage: Vec::new(), closed: closed.to_vec() };
        let machine = &machine.of_volumes(&[&set.volume]);
        let (all, not_searched) = self.parts_of_folders(set, monitor)?;
        let found = found.with_lacks(not_searched);
        self.save(all, kind, found, machine, None, destination, monitor)
    }

    /// The parts of folders that are saved.
    fn parts_of_folders(
        &self,
        set: FolderSet,
        monitor: &dyn Monitor,
    ) -> Result<(Vec<PlanPart>, Vec<String>), SetError> {
        let mut not_searched = Vec::new();
        let mut all = set.parts;
        if self.deleted {
            let there = all.iter();
            let there =
                there.map(|part| (part.drive.clone(), part.tree.clone(), part.path.clone()));
            let folders: Vec<_> = there.chain(set.gone).collect();
            let (part, not) = parts::of_deleted(&folders, monitor)?;
            all.extend(part);
            not_searched = not;
        }
        Ok((all, not_searched))
    }

    /// Saves the files of stores that were deleted as a whole; `None` if there is nothing to
    /// save.
    ///
    /// # Errors
    /// As for a store.
    pub(crate) fn save_deleted(
        &self,
        files: Vec<DeletedOn>,
        machine: &Machine,
        destination: &dyn Destination,
        monitor: &dyn Monitor,
    ) -> Result<Option<Outcome>, SetError> {
        let Some(part) = parts::recovered(files, monitor) else { return Ok(None) };
        let kind = (What::Folder, SetKind::Folder);
        let found = Shortfalls::default();
        self.save(vec![part], kind, found, machine, None, destination, monitor).map(Some)
    }

    #[allow(clippy::too_many_arguments)] // what two public ways in have in common
    fn save(
        &self,
        parts: Vec<PlanPart>,
        (what, kind): (What, SetKind),
        found: Shortfalls,
        machine: &Machine,
        observer: Option<&dyn MemberObserver>,
        destination: &dyn Destination,
        monitor: &dyn Monitor,
    ) -> Result<Outcome, SetError> {
        let found = found.with_damage_of(&parts);
        let plan = Plan::make(parts, monitor)?;
        for finding in plan.noticed() {
            monitor.finding(&finding);
        }
        let free = destination.space()?.map(|space| space.free);
        let level = self.level_of(&plan, free, monitor)?;
        let defaults = OffloadOptions::default();
        let name = machine.name.as_ref().map(|(name, _)| name.clone());
        let options = OffloadOptions {
            created: self.begun,
            machine: SetMachine {
                name: self.name.clone().or(name),
                serial: machine.serial.as_ref().map(|(serial, _)| serial.clone()),
            },
            what,
            kind,
            lacks: found.lacks,
            damage: found.damage,
            closed: found.closed,
            level,
            any_level: self.level == Level::Auto,
            frame_bytes: self.frame_bytes.unwrap_or(defaults.frame_bytes),
            split: self.split,
            read_back: self.read_back,
            despite_space: self.despite_space,
            encryption: self.encryption.clone(),
            resume: if self.fresh { Resume::Never } else { Resume::Auto },
            report: Some(report::make_with_users),
            ..defaults
        };
        offload_with(&plan, destination, &options, observer, monitor)
    }
}

/// The folder of a part whose deleted files belong to it: that of the store, unless that is the
/// volume's root.
pub(crate) fn of_part(part: &Part) -> NtPath {
    match part.store_path() {
        root if root == NtPath::root() => part.usmt_path.clone(),
        folder => folder,
    }
}

/// What a store lacks, before a byte of it is saved.
#[derive(Default)]
struct Shortfalls {
    lacks: Vec<String>,
    damage: Vec<String>,
    closed: Vec<String>,
}

impl Shortfalls {
    fn with_lacks(mut self, more: Vec<String>) -> Self {
        self.lacks.extend(more);
        self
    }

    /// What a store lacks, by the quick check of it.
    fn of_store(store: &Store, check: &Check<'_>, monitor: &dyn Monitor) -> Result<Self, SetError> {
        let report = check_store(store, &Check { level: CheckLevel::Quick, ..*check }, monitor);
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        Ok(Self {
            lacks: store.lacks(check.closed).iter().map(ToString::to_string).collect(),
            damage: damage(&report.findings),
            closed: check.closed.to_vec(),
        })
    }

    /// With the damage of the volumes.
    fn with_damage_of(mut self, parts: &[PlanPart]) -> Self {
        for text in parts.iter().flat_map(|part| part.tree.damage()) {
            if !self.damage.contains(text) {
                self.damage.push(text.clone());
            }
        }
        self
    }
}

/// What an offload would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Foreseen {
    /// Files, folders and bytes.
    pub totals: PlanTotals,
    /// How large the set would be, and how long it would take.
    pub estimate: Estimate,
    /// What the set would lack, for people.
    pub lacks: Vec<String>,
    /// Damage that the store or its volume has, for people.
    pub damage: Vec<String>,
}

/// Findings about single files that are saved with a loss, and about missing parts, which the
/// set lists in a place of their own.
const ELSEWHERE: [&str; 6] = [
    "primary-missing",
    "secondary-missing",
    "unreadable",
    "record-damaged",
    "encrypted-lost",
    "ntfs-record-outdated",
];
/// The number of findings that a set lists; it counts the others.
const MAX_DAMAGE: usize = 20;

/// The damage among a check's findings, for people.
fn damage(findings: &[Finding]) -> Vec<String> {
    let is_damage = |finding: &&Finding| {
        finding.severity >= Severity::Damage && !ELSEWHERE.contains(&finding.code)
    };
    let all = || findings.iter().filter(is_damage);
    let mut damage: Vec<String> = all()
        .take(MAX_DAMAGE)
        .map(|finding| format!("{}: {}", finding.path, finding.what))
        .collect();
    if let Some(more) = all().count().checked_sub(MAX_DAMAGE).filter(|more| *more > 0) {
        damage.push(format!("{more} more findings; `lifeboat verify` on the store lists them"));
    }
    damage
}
