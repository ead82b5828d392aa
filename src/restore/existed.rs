//! What was at the paths of a set before a restore wrote its first file there: a list beside the
//! marker. A restore that goes on after an interruption never takes one of these for its own.
//! (A stage needs no list: everything in it is of the restore.)

use std::collections::HashSet;
use std::io::{BufRead, BufReader, BufWriter, Write};

use sha2::{Digest, Sha256};

use super::destination::{Places, fatal, marker_line};
use super::error::RestoreError;
use super::place::Kind;
use crate::model::name::{NtName, USMT};
use crate::set::format::rescue::Rescue;
use crate::usmt::layout;

/// Is beside the first marker.
pub(super) const EXISTED: &str = "lifeboat-restore.existed";

/// How each file begins that a restore has beside a store or folder while it works.
const OWN: &str = "lifeboat-restore.";
/// The list ends with this; without it, no file was written yet.
const END: &str = "end";
/// A line is never longer.
const LINE: usize = 64;

/// The paths, as hashes: there may be a million of them.
#[derive(Default)]
pub(super) struct Existed(HashSet<u64>);

impl Existed {
    pub(super) fn has(&self, root: usize, at: &[NtName]) -> bool {
        self.0.contains(&hash(root, at))
    }

    /// Notes what is at a path: a file, a link, or a folder that is not empty.
    pub(super) fn note(
        &mut self,
        places: &mut Places,
        root: usize,
        at: &[NtName],
    ) -> Result<(), RestoreError> {
        let is_there = match places.kind(root, at)? {
            None => false,
            Some(Kind::File | Kind::Other) => true,
            Some(Kind::Folder) => {
                let names = places.roots.get_mut(root).map(|opened| opened.root.list(at, 8));
                let is_own = |name: &NtName| name.as_wtf8().starts_with(OWN.as_bytes());
                // A folder that cannot be listed is not one that the restore made.
                names.is_some_and(|names| {
                    !matches!(names, Ok(ref names)
                        if names.as_ref().is_none_or(|names| names.iter().all(is_own)))
                })
            }
        };
        if is_there {
            self.0.insert(hash(root, at));
        }
        Ok(())
    }

    /// Reads the list of an interrupted restore of this set; `None` if it did not come to write
    /// its first file.
    pub(super) fn read(places: &mut Places, rescue: &Rescue) -> Option<Self> {
        let (root, at) = places.beside(rescue, EXISTED).into_iter().next()?;
        let file = places.roots.get_mut(root)?.root.open_file(&at).ok()?;
        let mut lines = BufReader::new(file);
        let mut all = HashSet::new();
        let mut is_first = true;
        loop {
            let mut line = Vec::new();
            let read = std::io::Read::take(&mut lines, LINE as u64).read_until(b'\n', &mut line);
            let line =
                std::str::from_utf8(&line).ok()?.strip_suffix('\n').filter(|_| read.is_ok())?;
            if std::mem::take(&mut is_first) {
                if line != marker_line(rescue) {
                    return None;
                }
            } else if line == END {
                return Some(Self(all));
            } else {
                all.insert(u64::from_str_radix(line, 16).ok()?);
            }
        }
    }

    /// Writes the list, before the first file.
    pub(super) fn write(&self, places: &mut Places, rescue: &Rescue) -> Result<(), RestoreError> {
        let Some((root, at)) = places.beside(rescue, EXISTED).into_iter().next() else {
            return Ok(());
        };
        let path = places.shown(root, &at);
        let Some(opened) = places.roots.get_mut(root) else { return Ok(()) };
        let file = match opened.root.create(&at, false) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                opened.root.remove(&at).and_then(|()| opened.root.create(&at, false))
            }
            made => made,
        };
        let written = file.and_then(|file| {
            let mut out = BufWriter::new(&file);
            writeln!(out, "{}", marker_line(rescue))?;
            for hash in &self.0 {
                writeln!(out, "{hash:016x}")?;
            }
            writeln!(out, "{END}")?;
            out.flush()?;
            drop(out);
            file.sync_all()
        });
        written.map_err(|error| fatal(path, error))
    }
}

/// The same in every run, and for names that differ only in case.
fn hash(root: usize, at: &[NtName]) -> u64 {
    let mut hash = Sha256::new();
    hash.update((root as u64).to_le_bytes());
    for name in at {
        hash.update(name.folded().as_wtf8());
        hash.update(b"/");
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    u64::from_le_bytes(first)
}

/// The folder of a USMT store that is there and has this path in it: the folder above `USMT`.
pub(super) fn store_above(places: &mut Places, root: usize, at: &[NtName]) -> Option<Vec<NtName>> {
    let is_usmt =
        |name: &NtName| name.eq_ignore_ascii_case(USMT) || name.eq_ignore_ascii_case(layout::USMT3);
    let is_mark = |name: &NtName| {
        let all = [
            layout::CATALOG,
            layout::MIGSTATE,
            layout::HARDLINK_MAIN,
            layout::CONTAINER,
            layout::CONTAINER3,
            layout::FILE,
        ];
        all.iter().any(|mark| name.eq_ignore_ascii_case(mark))
            || name.to_string_lossy().to_lowercase().starts_with(layout::HARDLINK_DISTRIBUTED)
    };
    (1..at.len()).find_map(|depth| {
        let folder = &at[..depth];
        folder.last().filter(|name| is_usmt(name))?;
        let names = places.roots.get_mut(root)?.root.list(folder, 1000).ok()??;
        names.iter().any(is_mark).then(|| at[..depth - 1].to_vec())
    })
}
