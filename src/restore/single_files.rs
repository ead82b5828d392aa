//! Writes single files of foreign names below one folder: each under a temporary name, until all
//! of it is there.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::Path;

use super::destination::{Opened, fatal, open_dir};
use super::error::RestoreError;
use super::names;
use super::outcome::Verdict;
use super::place::Kind;
use super::platform;
use super::stage::with_ending;
use crate::model::name::NtName;

/// The name of a file that is not complete.
const UNFINISHED: &str = "lifeboat-extract.partial";
/// The end of the name of a file that is damaged.
const DAMAGED: &str = ".damaged";
/// Bytes that are compared at a time.
const CHUNK: usize = 64 << 10;
/// How many paths are remembered, to see names that fall together: 8 bytes each, and as much
/// again for the table.
const REMEMBERED: usize = 4 << 20;

/// The folder that files are written to.
pub(super) struct SingleFiles {
    to: Opened,
    replace: bool,
    /// Hashes of the paths made, ignoring letter case.
    made: HashSet<u64>,
    hasher: RandomState,
}

/// Where a file was written.
pub(super) struct Written {
    /// Its path below the folder.
    pub(super) path: String,
    /// Whether another file of this run has the same name, ignoring letter case.
    pub(super) is_twin: bool,
    /// Whether a name was changed, so that Windows can open the file.
    pub(super) is_renamed: bool,
}

/// Why a file was not written, for people; or why nothing more can be.
pub(super) enum NotWritten {
    OneFile(String),
    Fatal(RestoreError),
}

impl SingleFiles {
    /// Opens the folder, and makes it if it is missing.
    pub(super) fn open(dir: &Path, replace: bool) -> Result<Self, RestoreError> {
        let to = open_dir(dir)?;
        Ok(Self { to, replace, made: HashSet::new(), hasher: RandomState::new() })
    }

    /// Makes a folder and its parents.
    pub(super) fn folder(&mut self, path: &[NtName]) -> Result<(), NotWritten> {
        let (at, _) = safe(path)?;
        let made = self.to.root.make_folder(&at);
        made.map(drop).map_err(|error| self.refused(&at, error))
    }

    /// Whether a folder is at this path.
    pub(super) fn is_folder(&mut self, path: &[NtName]) -> bool {
        safe(path).is_ok_and(|(at, _)| {
            self.to.root.kind(&at).is_ok_and(|kind| kind == Some(Kind::Folder))
        })
    }

    /// Begins a file; [`Self::settle`] or [`Self::discard`] ends it.
    pub(super) fn begin(&mut self, path: &[NtName]) -> Result<NewFile, NotWritten> {
        let (at, is_renamed) = safe(path)?;
        let mut unfinished = at.clone();
        unfinished.pop();
        unfinished.push(NtName::from(UNFINISHED));
        let root = &mut self.to.root;
        let file = match root.create(&unfinished, false) {
            // Of a run that was interrupted.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                root.remove(&unfinished).and_then(|()| root.create(&unfinished, false))
            }
            made => made,
        };
        match file {
            Ok(file) => Ok(NewFile { file, unfinished, at, is_renamed, bytes: 0 }),
            Err(error) => Err(self.refused(&at, error)),
        }
    }

    /// Writes the next bytes of a file.
    pub(super) fn write(&mut self, new: &mut NewFile, data: &[u8]) -> Result<(), NotWritten> {
        let result = platform::write_all_at(&new.file, data, new.bytes);
        new.bytes += data.len() as u64;
        result.map_err(|error| self.refused(&new.at, error))
    }

    /// Removes an unfinished file.
    pub(super) fn discard(&mut self, new: NewFile) {
        drop(new.file);
        // What remains has the name of an unfinished file.
        let _ = self.to.root.remove(&new.unfinished);
    }

    /// Gives a file its name; one that is damaged gets another ending.
    pub(super) fn settle(&mut self, new: NewFile, is_damaged: bool) -> Result<Written, NotWritten> {
        let NewFile { file, unfinished, mut at, is_renamed, .. } = new;
        drop(file);
        if is_damaged && let Some(name) = at.pop() {
            at.push(with_ending(&name, DAMAGED));
        }
        let result = self.name(&unfinished, at);
        if result.is_err() {
            let _ = self.to.root.remove(&unfinished);
        }
        let (at, is_twin) = result?;
        let names: Vec<String> = at.iter().map(NtName::to_string_lossy).collect();
        Ok(Written { path: names.join("/"), is_twin, is_renamed })
    }

    /// Everything is on the medium, as far as that can be known.
    pub(super) fn sync(&self) -> Result<(), RestoreError> {
        let path = || self.to.shown.display().to_string();
        self.to.root.sync().map_err(|error| RestoreError::Broken { path: path(), error })
    }

    fn name(
        &mut self,
        unfinished: &[NtName],
        wanted: Vec<NtName>,
    ) -> Result<(Vec<NtName>, bool), NotWritten> {
        let mut at = wanted;
        let is_twin = self.made.contains(&self.folded(&at));
        if is_twin {
            at = self.free_name(&at).ok_or_else(|| {
                NotWritten::OneFile("not extracted: many files have the same name".to_owned())
            })?;
        }
        let there = self.to.root.kind(&at);
        match there.map_err(|error| self.refused(&at, error))? {
            None => {}
            Some(Kind::File) if self.is_same(unfinished, &at) => {
                let removed = self.to.root.remove(unfinished);
                removed.map_err(|error| self.refused(&at, error))?;
                self.remember(&at);
                return Ok((at, is_twin));
            }
            Some(Kind::File | Kind::Other) if self.replace => {
                let removed = self.to.root.remove(&at);
                removed.map_err(|error| self.refused(&at, error))?;
            }
            Some(_) => {
                let what = "not extracted: another file or folder with that name already exists";
                return Err(NotWritten::OneFile(what.to_owned()));
            }
        }
        let renamed = self.to.root.rename(unfinished, &at);
        renamed.map_err(|error| self.refused(&at, error))?;
        self.remember(&at);
        Ok((at, is_twin))
    }

    fn remember(&mut self, at: &[NtName]) {
        if self.made.len() < REMEMBERED {
            let hash = self.folded(at);
            self.made.insert(hash);
        }
    }

    /// `Plan (2).docx`, or the first free name of that form.
    fn free_name(&mut self, at: &[NtName]) -> Option<Vec<NtName>> {
        let (name, above) = at.split_last()?;
        (2..1000).find_map(|number| {
            let mut at = above.to_vec();
            at.push(numbered(name, number));
            let is_free = !self.made.contains(&self.folded(&at))
                && self.to.root.kind(&at).is_ok_and(|kind| kind.is_none());
            is_free.then_some(at)
        })
    }

    /// Whether two files have the same bytes.
    fn is_same(&mut self, a: &[NtName], b: &[NtName]) -> bool {
        let mut same = || -> io::Result<bool> {
            let (mut a, mut b) = (self.to.root.open_file(a)?, self.to.root.open_file(b)?);
            if a.metadata()?.len() != b.metadata()?.len() {
                return Ok(false);
            }
            let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
            loop {
                let n = a.read(&mut left)?;
                if n == 0 {
                    return Ok(true);
                }
                b.read_exact(&mut right[..n])?;
                if left[..n] != right[..n] {
                    return Ok(false);
                }
            }
        };
        same().unwrap_or(false)
    }

    fn refused(&self, at: &[NtName], error: io::Error) -> NotWritten {
        if platform::judge(&error) == Verdict::OneFile {
            return NotWritten::OneFile(format!("not extracted: {error}"));
        }
        let mut path = self.to.shown.clone();
        path.extend(at.iter().map(NtName::to_string_lossy));
        NotWritten::Fatal(fatal(path.display().to_string(), error))
    }

    fn folded(&self, at: &[NtName]) -> u64 {
        self.hasher.hash_one(at.iter().map(NtName::folded).collect::<Vec<_>>())
    }
}

/// A file that is being written.
pub(super) struct NewFile {
    file: std::fs::File,
    unfinished: Vec<NtName>,
    at: Vec<NtName>,
    is_renamed: bool,
    /// Bytes so far.
    pub(super) bytes: u64,
}

/// The path that a file of these foreign names gets, and whether a name was changed.
fn safe(path: &[NtName]) -> Result<(Vec<NtName>, bool), NotWritten> {
    let mut at = Vec::with_capacity(path.len());
    for name in path {
        let plain = names::portable(name);
        names::check(plain.as_ref().unwrap_or(name)).map_err(|what| {
            NotWritten::OneFile(format!("not extracted: its path contains {what}"))
        })?;
        at.push(plain.unwrap_or_else(|| name.clone()));
    }
    if at.is_empty() {
        return Err(NotWritten::OneFile("not extracted: it has no name".to_owned()));
    }
    if let Some(name) = at.last_mut()
        && name.eq_ignore_ascii_case(UNFINISHED)
    {
        *name = NtName::from(&*format!("_{UNFINISHED}"));
    }
    let is_renamed = at != path;
    Ok((at, is_renamed))
}

/// `a (2).txt`
fn numbered(name: &NtName, number: u32) -> NtName {
    let bytes = name.as_wtf8();
    let dot = bytes.iter().rposition(|b| *b == b'.').filter(|at| *at > 0).unwrap_or(bytes.len());
    let (stem, ending) = bytes.split_at(dot);
    let number = format!(" ({number})");
    let bytes = [stem, number.as_bytes(), ending].concat();
    NtName::from_wtf8(&bytes).unwrap_or_else(|| NtName::from(&*number))
}
