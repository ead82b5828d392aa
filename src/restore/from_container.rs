//! Single files out of the container of a compressed store, in one pass over it. The container
//! is foreign: names are made safe, data is written as it is decompressed, whatever its size, and
//! counts as complete only if its checksum is right.

use std::path::Path;

use super::error::RestoreError;
use super::outcome::Options;
use super::single_files::{NewFile, NotWritten, SingleFiles, Written};
use crate::model::loss::{Loss, LossKind};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::{NtName, fold_case};
use crate::tree::TreeError;
use crate::usmt::container::{
    Item, Pattern, Payload, PayloadError, Place, Problem, Record, Records, Start, is_catalog,
    record_names,
};

/// Bytes that are written at a time.
const CHUNK: usize = 256 << 10;
/// How many records without data are kept to the end.
const WITHOUT_DATA: usize = 100_000;
/// How many files with changed names are listed.
const LISTED: u64 = 1000;

/// Which files to extract.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Every file.
    All,
    /// The files of this user, by the name of the profile's folder.
    User(String),
    /// What any of these chooses.
    Like(Vec<Pattern>),
}

/// What a caller is told at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The container is damaged there.
    Problem(Problem),
    /// A file has a name that Windows cannot open, and got another one.
    Renamed {
        /// Its path in Windows.
        path: String,
        /// Where it is in the folder.
        written: String,
    },
}

/// The result.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Extracted {
    /// Files that were written completely.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Folders that are records themselves.
    pub folders: u64,
    /// Links and junctions, which were not extracted: their data is elsewhere.
    pub links: u64,
    /// Files of which a part was written.
    pub damaged: u64,
    /// Files with another name than in the container.
    pub renamed: u64,
    /// Empty files whose record has no data at all.
    pub without_data: u64,
    /// Everything that was lost.
    pub losses: u64,
    /// Records that were chosen.
    pub chosen: u64,
    /// All records that were found.
    pub records: u64,
    /// Problems of the container.
    pub problems: u64,
    /// Whether there is a catalog (inferred).
    pub has_catalog: bool,
    /// For each pattern, whether it chose anything.
    pub met: Vec<bool>,
    /// Why the container could not be read to its end.
    pub unread: Option<TreeError>,
}

/// Extracts files from a container below `dir`: `C:\Users\alice\a.txt` to `DIR/C/Users/alice/a.txt`.
/// Losses go to `monitor`; everything else that a person should know goes to `tell`.
///
/// # Errors
/// The destination cannot be used, or the monitor was cancelled.
pub fn extract_container(
    records: &mut Records<'_>,
    choice: &Choice,
    dir: &Path,
    options: Options,
    monitor: &dyn Monitor,
    tell: &mut dyn FnMut(Notice),
) -> Result<Extracted, RestoreError> {
    // An encrypted one only gives nonsense.
    if records.start() == Start::Encrypted {
        return Ok(Extracted::default());
    }
    let mut job = Job::new(choice, dir, options, monitor, tell)?;
    job.run(records)?;
    job.finish()
}

/// An extraction.
pub(super) struct Job<'a> {
    pub(super) files: SingleFiles,
    choice: &'a Choice,
    pub(super) monitor: &'a dyn Monitor,
    tell: &'a mut dyn FnMut(Notice),
    pub(super) done: Extracted,
    /// Records without data: folders, or empty files.
    empty: Vec<(NtName, Vec<NtName>)>,
    pub(super) buffer: Vec<u8>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        choice: &'a Choice,
        dir: &Path,
        options: Options,
        monitor: &'a dyn Monitor,
        tell: &'a mut dyn FnMut(Notice),
    ) -> Result<Self, RestoreError> {
        let met = match choice {
            Choice::Like(patterns) => vec![false; patterns.len()],
            Choice::All | Choice::User(_) => Vec::new(),
        };
        let files = SingleFiles::open(dir, options.replace)?;
        monitor.stage(Stage::Restore, &dir.display().to_string());
        let done = Extracted { met, ..Extracted::default() };
        Ok(Self { files, choice, monitor, tell, done, empty: Vec::new(), buffer: vec![0; CHUNK] })
    }

    pub(super) fn finish(self) -> Result<Extracted, RestoreError> {
        self.files.sync()?;
        Ok(self.done)
    }

    fn run(&mut self, records: &mut Records<'_>) -> Result<(), RestoreError> {
        loop {
            if self.monitor.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            let record = match records.next_item() {
                Ok(Some(Item::Record(record))) => record,
                Ok(Some(Item::Problem(problem))) => {
                    self.done.problems += 1;
                    (self.tell)(Notice::Problem(problem));
                    continue;
                }
                Ok(None) => break,
                Err(error) => {
                    self.done.unread = Some(error);
                    break;
                }
            };
            self.done.records += 1;
            self.done.has_catalog |= is_catalog(&record.name);
            self.monitor.progress(Progress {
                bytes: records.position(),
                total_bytes: records.bytes(),
                files: self.done.files,
                total_files: 0,
            });
            if is_lost_file(&record.name) {
                self.done.problems += 1;
                (self.tell)(Notice::Problem(Problem {
                    offset: records.position(),
                    record: Some(shown(&record.name)),
                    what: "this name begins like that of a file, but is no path on a drive; \
                         extract it by this name"
                        .to_owned(),
                }));
            }
            if self.is_chosen(&record.name) {
                self.done.chosen += 1;
                self.record(&record, &mut records.payload())?;
            }
        }
        // What turned out to be a folder is one by now.
        for (name, path) in std::mem::take(&mut self.empty) {
            self.without_data(&name, &path)?;
        }
        Ok(())
    }

    pub(super) fn is_chosen(&mut self, name: &NtName) -> bool {
        match self.choice {
            Choice::All => Place::of(name).is_some(),
            Choice::User(user) => Place::of(name)
                .and_then(|place| place.user())
                .is_some_and(|own| fold_case(&own) == fold_case(user)),
            Choice::Like(patterns) => {
                let mut is_chosen = false;
                for (pattern, met) in patterns.iter().zip(&mut self.done.met) {
                    let fits = pattern.fits(name);
                    *met |= fits;
                    is_chosen |= fits;
                }
                is_chosen
            }
        }
    }

    fn record(
        &mut self,
        record: &Record,
        payload: &mut Payload<'_, '_>,
    ) -> Result<(), RestoreError> {
        let place = Place::of(&record.name);
        let path = match &place {
            Some(place) => place.path(),
            None => record_names(&record.name),
        };
        self.monitor.file(&shown(&record.name));
        // If that cannot be read, reading the data fails as well.
        if payload.is_absent().unwrap_or(false) {
            if place.is_some_and(|place| place.is_folder) {
                let made = self.files.folder(&path);
                self.done.folders += u64::from(made.is_ok());
                return self.check(&record.name, made).map(drop);
            }
            if self.empty.len() < WITHOUT_DATA {
                self.empty.push((record.name.clone(), path));
                return Ok(());
            }
            return self.without_data(&record.name, &path);
        }
        let begun = self.files.begin(&path);
        let Some(mut new) = self.check(&record.name, begun)? else { return Ok(()) };
        match self.copy(payload, &mut new) {
            Ok(()) => self.settle(&record.name, new, None),
            Err(Stop::Damaged(what)) => self.settle(&record.name, new, Some(what)),
            Err(Stop::NotWritten(why)) => {
                self.files.discard(new);
                self.check(&record.name, Err::<(), _>(why)).map(drop)
            }
            Err(Stop::Cancelled) => {
                self.files.discard(new);
                Err(RestoreError::Cancelled)
            }
        }
    }

    fn copy(&mut self, payload: &mut Payload<'_, '_>, new: &mut NewFile) -> Result<(), Stop> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = loop {
            if self.monitor.is_cancelled() {
                break Err(Stop::Cancelled);
            }
            match payload.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(n) => {
                    if let Err(why) = self.files.write(new, &buffer[..n]) {
                        break Err(Stop::NotWritten(why));
                    }
                }
                Err(PayloadError::Damaged(what)) => break Err(Stop::Damaged(what)),
                // The next record will say the same.
                Err(PayloadError::Read(error)) => break Err(Stop::Damaged(error.to_string())),
            }
        };
        self.buffer = buffer;
        result
    }

    /// Gives a file its name. `damage` is what is wrong with its data.
    pub(super) fn settle(
        &mut self,
        name: &NtName,
        new: NewFile,
        damage: Option<String>,
    ) -> Result<(), RestoreError> {
        let bytes = new.bytes;
        if let Some(damage) = &damage
            && bytes == 0
        {
            self.files.discard(new);
            self.lose(name, LossKind::Unreadable, format!("nothing of it was extracted: {damage}"));
            return Ok(());
        }
        let settled = self.files.settle(new, damage.is_some());
        let Some(written) = self.check(name, settled)? else { return Ok(()) };
        if let Some(damage) = damage {
            self.done.damaged += 1;
            let detail =
                format!("damaged; its first {bytes} bytes are in {}: {damage}", written.path);
            self.lose(name, LossKind::Unreadable, detail);
        } else {
            self.done.files += 1;
            self.done.bytes = self.done.bytes.saturating_add(bytes);
        }
        self.tell_name(name, written);
        Ok(())
    }

    fn tell_name(&mut self, name: &NtName, written: Written) {
        if written.is_twin {
            let detail = format!(
                "another file has the same name, ignoring letter case; this one is {}",
                written.path
            );
            self.lose(name, LossKind::Name, detail);
        }
        if written.is_twin || written.is_renamed {
            self.done.renamed += 1;
            if self.done.renamed <= LISTED {
                (self.tell)(Notice::Renamed { path: shown(name), written: written.path });
            }
        }
    }

    /// A record without data that did not turn out to be a folder.
    fn without_data(&mut self, name: &NtName, path: &[NtName]) -> Result<(), RestoreError> {
        if self.files.is_folder(path) {
            self.done.folders += 1;
            return Ok(());
        }
        let begun = self.files.begin(path);
        let Some(new) = self.check(name, begun)? else { return Ok(()) };
        let settled = self.files.settle(new, false);
        if let Some(written) = self.check(name, settled)? {
            self.done.files += 1;
            self.done.without_data += 1;
            self.tell_name(name, written);
        }
        Ok(())
    }

    /// What was done; a loss if it was not. Fails if nothing more can be written.
    pub(super) fn check<T>(
        &mut self,
        name: &NtName,
        result: Result<T, NotWritten>,
    ) -> Result<Option<T>, RestoreError> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(NotWritten::OneFile(why)) => {
                self.lose(name, LossKind::Name, why);
                Ok(None)
            }
            Err(NotWritten::Fatal(error)) => Err(error),
        }
    }

    pub(super) fn lose(&mut self, name: &NtName, kind: LossKind, detail: String) {
        self.done.losses += 1;
        self.monitor.loss(&Loss { path: shown(name), kind, detail });
    }
}

/// Whether a record is a file by its name's start, and has no place by the rest of it: with `all`
/// or a user's files it would be left out without a word.
fn is_lost_file(name: &NtName) -> bool {
    let start = name.as_wtf8().get(..5);
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"File\\")) && Place::of(name).is_none()
}

enum Stop {
    Damaged(String),
    NotWritten(NotWritten),
    Cancelled,
}

/// A record's path in Windows; of what is no file, its name.
pub(super) fn shown(name: &NtName) -> String {
    Place::of(name).map_or_else(|| name.to_string_lossy(), |place| place.windows_path())
}
