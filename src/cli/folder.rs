//! `offload --path`: saves folders that are not stores.

use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::set::write::plan::PlanPart;
use crate::tree::Tree;
use crate::usmt::{Drive, StoreVolume, drive_of};
use anyhow::Result;

use super::exit::{Exit, Failure};
use super::output::Out;
use super::sources::Found;

/// Left out of a whole volume, and listed as left out: swap files, the memory
/// of a hibernated Windows, and restore points. They are useless elsewhere, and
/// larger than most users' files.
const SKIPPED: [&str; 4] =
    ["pagefile.sys", "hiberfil.sys", "swapfile.sys", "System Volume Information"];

/// One set: the folders of one volume.
pub(crate) struct Wanted {
    /// For display.
    pub(crate) display: String,
    pub(crate) parts: Vec<PlanPart>,
}

/// A path as it was typed: `\Users\alice`, `C:\Users\alice`, `/Users/alice`, `\`.
struct Typed {
    text: String,
    drive: Option<char>,
    path: NtPath,
}

impl Typed {
    fn new(text: &str) -> Result<Self> {
        let mut rest = text;
        let mut drive = None;
        let mut letters = text.chars();
        if let (Some(letter), Some(':')) = (letters.next(), letters.next())
            && letter.is_ascii_alphabetic()
        {
            drive = Some(letter.to_ascii_uppercase());
            rest = letters.as_str();
        }
        let names: Vec<&str> = rest.split(['\\', '/']).filter(|name| !name.is_empty()).collect();
        if text.is_empty() || names.iter().any(|name| matches!(*name, "." | "..")) {
            return Err(Failure::new(
                Exit::Usage,
                format!("'{text}' is not the path of a folder on a volume"),
                r"Give the path from the root of the volume: \Users\alice, or \ for all of it.",
            )
            .into());
        }
        let path = names.into_iter().map(NtName::from).collect();
        Ok(Self { text: text.to_owned(), drive, path })
    }
}

/// Looks for the paths on all volumes. Each volume that has any of them gives a
/// set. A path that no volume has is an error.
pub(crate) fn find(paths: &[String], found: &Found, out: Out) -> Result<Vec<Wanted>> {
    let typed: Vec<Typed> = paths.iter().map(|path| Typed::new(path)).collect::<Result<_>>()?;
    let volumes: Vec<StoreVolume> = found.searchable().collect();
    let mut met = vec![false; typed.len()];
    let mut sets = Vec::new();
    let drives: Vec<Drive> =
        volumes.iter().enumerate().map(|(number, volume)| drive_of(number, volume)).collect();
    for (volume, drive) in volumes.iter().zip(&drives) {
        let mut parts = Vec::new();
        for (at, wanted) in typed.iter().enumerate() {
            // A letter that no known volume had may be that of an unknown one.
            let is_known = |letter| drives.iter().any(|drive| drive.letter == Some(letter));
            let is_other = |letter| match drive.letter {
                Some(own) => own != letter,
                None => is_known(letter),
            };
            if wanted.drive.is_some_and(is_other) {
                continue;
            }
            let Ok(path) = exact(&*volume.tree, &wanted.path) else { continue };
            met[at] = true;
            parts.push(PlanPart {
                tree: volume.tree.clone(),
                drive: drive.name(),
                drive_from: drive.from.to_string(),
                role: "folder".to_owned(),
                skip: if path == NtPath::root() { skipped(&*volume.tree) } else { Vec::new() },
                take: vec![path.clone()],
                path,
            });
        }
        let skipped = parts.iter().flat_map(|part| &part.skip);
        let skipped: Vec<String> = skipped.map(ToString::to_string).collect();
        if !skipped.is_empty() {
            out.note(&format!("{}: left out: {}", volume.display, skipped.join(", ")));
        }
        if let Some(first) = parts.first() {
            let display = format!("{}, {}", volume.display, first.path.on_drive(&first.drive));
            sets.push(Wanted { display, parts });
        }
    }
    if let Some(at) = met.iter().position(|met| !met) {
        let action = if found.closed.is_empty() {
            r"Give the path from the root of the volume: \Users\alice, or \ for all of it."
        } else {
            "Some volumes could not be read (see above): the folder may be there."
        };
        let what = format!("no volume has the folder '{}'", typed[at].text);
        return Err(Failure::new(Exit::NothingFound, what, action).into());
    }
    Ok(sets)
}

/// The path with its names as on the volume.
fn exact(tree: &dyn Tree, path: &NtPath) -> Result<NtPath> {
    let mut at = tree.root();
    let mut names = NtPath::root();
    for name in path.names() {
        let next = tree.lookup_in(at, name)?;
        let entries = tree.children(at)?;
        let own = entries.iter().find(|entry| entry.node == next && entry.name == *name);
        let own = own.or_else(|| {
            let same = |entry: &&crate::tree::Entry| {
                entry.node == next
                    && name.as_str().is_some_and(|name| entry.name.eq_ignore_ascii_case(name))
            };
            entries.iter().find(same)
        });
        names = names.join(own.map_or_else(|| name.clone(), |entry| entry.name.clone()));
        at = next;
    }
    Ok(names)
}

/// What is left out of a whole volume, if it exists.
fn skipped(tree: &dyn Tree) -> Vec<NtPath> {
    let names = SKIPPED.iter().map(|name| NtPath::from(*name));
    names.filter(|path| tree.lookup(path).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_typed_in_any_way() {
        for (text, drive, path) in [
            (r"\Users\alice", None, "Users/alice"),
            ("Users/alice/", None, "Users/alice"),
            (r"c:\Users\alice", Some('C'), "Users/alice"),
            (r"\", None, ""),
            ("D:", Some('D'), ""),
        ] {
            let typed = Typed::new(text).unwrap();
            assert_eq!(typed.drive, drive, "{text}");
            let wanted = if path.is_empty() { NtPath::root() } else { NtPath::from(path) };
            assert_eq!(typed.path, wanted, "{text}");
        }
        for text in ["", r"\Users\..\Windows", "."] {
            assert!(Typed::new(text).is_err(), "{text}");
        }
    }
}
