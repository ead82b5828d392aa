//! Puts the deleted files of a set that were recovered back to the paths that they had: never
//! over anything that is there, but beside it under another name.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use sha2::{Digest, Sha256};

use super::chosen::Chosen;
use super::destination::{Destinations, Places};
use super::error::RestoreError;
use super::input::{Bytes, Input, Ordered};
use super::job::CHUNK;
use super::names;
use super::outcome::{Options, Restored};
use super::place::Kind;
use super::run::restore_verified;
use super::verify::Verified;
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::set::error::SetError;
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{Data, Member, MemberKind, to_text};
use crate::set::format::rescue::Rescue;
use crate::set::read::reader::SetReader;

/// So many names are tried beside what is there.
const MAX_TRIES: u32 = 1000;

/// Restores the recovered files of a set.
///
/// # Errors
/// As of a restore.
pub(crate) fn restore_recovered(
    files: &Recovered,
    to: &Destinations,
    monitor: &dyn Monitor,
) -> Result<(Restored, Verified), RestoreError> {
    let beside = files.beside(to, monitor)?;
    restore_verified(&beside, to, Options::default(), monitor)
}

/// The recovered files of a set, at the paths that they had.
pub struct Recovered(Chosen);

impl Recovered {
    /// Looks for them.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn new(set: SetReader) -> Result<Self, SetError> {
        Chosen::recovered(set).map(Self)
    }

    /// The set with only these files; a part for each drive.
    pub fn rescue(&self) -> &Rescue {
        self.0.rescue()
    }

    /// Decides where each file goes, by what is at the destination.
    fn beside(&self, to: &Destinations, monitor: &dyn Monitor) -> Result<Beside<'_>, RestoreError> {
        let mut places = Places::open(to, self.rescue())?;
        let mut beside = Beside { files: &self.0, renamed: HashMap::new(), there: HashSet::new() };
        let mut set = self.0.in_order()?;
        while let Some(member) = set.next_member() {
            if monitor.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            match member {
                Ok(member) => beside.decide(&mut places, &member),
                Err(SetError::Damaged { .. }) => {} // the restore itself reports it
                Err(error) => return Err(error.into()),
            }
        }
        Ok(beside)
    }
}

/// Recovered files with other names where theirs are taken.
struct Beside<'a> {
    files: &'a Chosen,
    /// Paths of members, and the new ones.
    renamed: HashMap<Vec<u8>, Vec<u8>>,
    /// Members that are at the destination already.
    there: HashSet<Vec<u8>>,
}

impl Beside<'_> {
    fn decide(&mut self, places: &mut Places, member: &Member) {
        let Some(own) = member.exact_path() else { return };
        let path = self.new_path(&own);
        let Ok((drive, below)) = names::split(&path) else { return };
        let (Some(name), Some(above)) = (below.file_name().cloned(), below.parent()) else {
            return; // a drive
        };
        for number in 0..MAX_TRIES {
            let name = beside(&name, number);
            let Some((root, at)) = places.find(&drive, &above.join(name.clone())) else { return };
            let Some(opened) = places.roots.get_mut(root) else { return };
            let Ok(there) = opened.root.kind(&at) else { return };
            let is_here_already = match (there, member.kind) {
                (Some(Kind::Folder), MemberKind::Directory) => true,
                (Some(Kind::File), MemberKind::File) => {
                    // An earlier run has restored it.
                    opened.root.open_file(&at).is_ok_and(|file| is_same(file, member))
                }
                _ => false,
            };
            if is_here_already && number == 0 {
                self.there.insert(own);
                return;
            }
            if is_here_already || there.is_none() {
                if number > 0 {
                    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
                    let new = [path.get(..end).unwrap_or_default(), name.as_wtf8()].concat();
                    if is_here_already {
                        self.there.insert(own.clone());
                    }
                    self.renamed.insert(own, new);
                }
                return;
            }
        }
    }

    /// The path of a member, below a folder that was renamed.
    fn new_path(&self, path: &[u8]) -> Vec<u8> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(i, _)| i);
        let mut ends: Vec<usize> = slashes.collect();
        ends.push(path.len());
        for end in ends.into_iter().rev() {
            if let Some(new) = self.renamed.get(&path[..end]) {
                return [new, &path[end..]].concat();
            }
        }
        path.to_vec()
    }
}

/// Whether a file at the destination has the data of a member, which has no other streams.
fn is_same(mut file: std::fs::File, member: &Member) -> bool {
    let Some(data) = member.data.as_ref().filter(|_| member.streams.is_empty()) else {
        return false;
    };
    if !file.metadata().is_ok_and(|own| own.len() == data.size) {
        return false;
    }
    let mut hash = Sha256::new();
    let mut buf = vec![0; CHUNK];
    loop {
        match file.read(&mut buf) {
            Ok(0) => return finish_hex(hash) == data.sha256,
            Ok(read) => hash.update(&buf[..read]),
            Err(_) => return false,
        }
    }
}

/// `letter.docx` for 0, then `letter (recovered).docx`, `letter (recovered 2).docx`.
fn beside(name: &NtName, number: u32) -> NtName {
    let bytes = name.as_wtf8();
    let dot = bytes.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
    let (stem, ending) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let word = match number {
        0 => String::new(),
        1 => " (recovered)".to_owned(),
        number => format!(" (recovered {number})"),
    };
    let new = [stem, word.as_bytes(), ending].concat();
    NtName::from_wtf8(&new).unwrap_or_else(|| name.clone())
}

impl Input for Beside<'_> {
    fn rescue(&self) -> &Rescue {
        self.files.rescue()
    }

    fn most_bytes(&self) -> Option<u64> {
        self.files.most_bytes()
    }

    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError> {
        Ok(Box::new(BesideInOrder { beside: self, all: self.files.in_order()? }))
    }
}

struct BesideInOrder<'a> {
    beside: &'a Beside<'a>,
    all: Box<dyn Ordered + 'a>,
}

impl Ordered for BesideInOrder<'_> {
    fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        loop {
            let mut member = match self.all.next_member()? {
                Ok(member) => member,
                Err(error) => return Some(Err(error)),
            };
            if let Some(path) = member.exact_path() {
                if self.beside.there.contains(&path) {
                    continue;
                }
                let new = self.beside.new_path(&path);
                if new != path {
                    (member.path, member.raw_path) = to_text(&new);
                    member.short_name = None;
                }
            }
            return Some(Ok(member));
        }
    }

    fn check_headers(&mut self) {
        self.all.check_headers();
    }

    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a> {
        self.all.data(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_another_keeps_its_ending() {
        for (name, number, new) in [
            ("a.docx", 1, "a (recovered).docx"),
            ("a.docx", 2, "a (recovered 2).docx"),
            (".profile", 1, ".profile (recovered)"),
            ("folder", 1, "folder (recovered)"),
        ] {
            assert_eq!(beside(&name.into(), number), NtName::from(new));
        }
    }
}
