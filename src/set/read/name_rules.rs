//! What must hold of the names in a manifest (docs/reference/format.md, section 16): each path
//! once, folders before what is in them, names that NTFS can have.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::model::loss::LossKind;
use crate::model::name::NtName;
use crate::set::format::facts;
use crate::set::format::manifest::{Member, MemberKind, to_text};
use crate::set::format::names::{MOST_NAMES, is_of_deleted};

/// The longest name on NTFS, in UTF-16 units.
const MOST_UNITS: usize = 255;

/// The paths so far, as hashes: 16 bytes for a member, and less for a folder.
#[derive(Default)]
pub(super) struct Names {
    hasher: RandomState,
    all: HashSet<u64>,
    folders: HashSet<u64>,
    /// Folders of members.
    parents: HashSet<u64>,
    /// Links and junctions: what stands for another place has nothing in it.
    elsewhere: HashSet<u64>,
}

impl Names {
    /// What a member's names contradict. `needs_folder`: the folder that it is in is at or below
    /// the path of a part.
    pub(super) fn member(&mut self, member: &Member, needs_folder: bool) -> Option<&'static str> {
        let Some(path) = member.exact_path() else { return Some("its path is damaged") };
        if member.raw_path.is_some() && to_text(&path).0 != member.path {
            return Some("it has two different paths");
        }
        let is_deleted = is_of_deleted(&member.path);
        // Recovered files may get longer names than they had.
        if !path.split(|byte| *byte == b'/').all(|name| is_name(name, !is_deleted)) {
            return Some("its path has a name that no file can have");
        }
        if path.split(|byte| *byte == b'/').nth(MOST_NAMES).is_some() {
            return Some("its path has more names than a path can have");
        }
        let hash = self.hasher.hash_one(&path);
        if !self.all.insert(hash) {
            return Some("its path is there twice");
        }
        let above = path.iter().rposition(|byte| *byte == b'/').and_then(|at| path.get(..at));
        if let Some(above) = above {
            let above = self.hasher.hash_one(above.to_vec());
            if self.all.contains(&above) && !self.folders.contains(&above) {
                return Some("it is in a file");
            }
            if self.elsewhere.contains(&above) {
                return Some("it is in a link or a junction");
            }
            if needs_folder && !self.folders.contains(&above) {
                return Some("the folder that it is in is missing");
            }
            self.parents.insert(above);
        }
        let is_folder = member.kind == MemberKind::Directory;
        if facts::is_elsewhere(member) {
            self.elsewhere.insert(hash);
        }
        if is_folder {
            self.folders.insert(hash);
        }
        if self.parents.contains(&hash) {
            return Some(if is_folder {
                "it is a folder, and follows what is in it"
            } else {
                "other members are in it, and it is no folder"
            });
        }
        streams(member)
    }
}

/// What the names of its streams contradict. A damaged disk may have names that NTFS does not
/// have: then the member has a loss.
fn streams(member: &Member) -> Option<&'static str> {
    let mut known = HashSet::new();
    let (hasher, mut folded) = (RandomState::new(), HashSet::<u64>::new());
    let has_loss = member.losses.iter().any(|loss| LossKind::of_name(&loss.kind) == LossKind::Fact);
    for stream in &member.streams {
        let Some(name) = stream.exact_name() else { return Some("a stream's name is damaged") };
        if stream.raw_name.is_some() && to_text(&name).0 != stream.name {
            return Some("a stream has two different names");
        }
        if name.contains(&b'/') || !is_name(&name, true) {
            return Some("a stream has a name that no stream can have");
        }
        if name.contains(&b':') && !has_loss {
            return Some("a stream has a name with a colon, and no loss says so");
        }
        if !known.insert(name.clone()) {
            return Some("it has a stream twice");
        }
        let fold = |name: NtName| hasher.hash_one(name.folded());
        let is_new = NtName::from_wtf8(&name).is_none_or(|name| folded.insert(fold(name)));
        if !is_new && !has_loss {
            return Some("it has two streams that are one on NTFS, and no loss says so");
        }
    }
    None
}

fn is_name(name: &[u8], is_bounded: bool) -> bool {
    let is_long = || NtName::from_wtf8(name).is_none_or(|name| name.to_utf16().len() > MOST_UNITS);
    let is_dots = matches!(name, b"" | b"." | b"..");
    !(is_dots || is_bounded && name.len() > MOST_UNITS && is_long())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::format::manifest::{NamedStream, to_base64};

    fn fault(members: &[(&str, MemberKind)]) -> Option<&'static str> {
        let mut names = Names::default();
        members
            .iter()
            .find_map(|(path, kind)| names.member(&Member::new(path.as_bytes(), *kind), false))
    }

    #[test]
    fn each_path_is_there_once_and_behind_its_folder() {
        use MemberKind::{Directory, File, Link};
        let sound = [("C", Directory), ("C/a", File), ("C/A", File), ("C/b", Link)];
        assert_eq!(fault(&sound), None);
        // A folder above a part need not be there.
        assert_eq!(fault(&[("C/no/a", File)]), None);
        for (members, what) in [
            (vec![("C/a", File), ("C/a", File)], "twice"),
            (vec![("C/a", File), ("C/a", Link)], "twice"),
            (vec![("C/a", File), ("C/a/b", File)], "in a file"),
            (vec![("C/a/b", File), ("C/a", Directory)], "follows"),
            (vec![("C/a/b", File), ("C/a", File)], "no folder"),
            (vec![("C/../a", File)], "no file can have"),
            (vec![("C//a", File)], "no file can have"),
            (vec![("/a", File)], "no file can have"),
        ] {
            let found = fault(&members).unwrap();
            assert!(found.contains(what), "{members:?}: {found}");
        }
        let deep = |names: usize| vec!["a"; names].join("/");
        assert_eq!(fault(&[(&deep(MOST_NAMES), File)]), None);
        assert!(fault(&[(&deep(MOST_NAMES + 1), File)]).unwrap().contains("more names"));
        let (long, longest) = (format!("C/{}", "\u{e9}".repeat(256)), "\u{e9}".repeat(255));
        assert!(fault(&[(&long, File)]).is_some());
        assert_eq!(fault(&[(&format!("C/{longest}"), File)]), None);
        assert_eq!(fault(&[(&long.replacen('C', "deleted/C", 1), File)]), None);
    }

    #[test]
    fn nothing_is_in_a_link_or_in_a_folder_that_is_missing() {
        let folder = |path: &[u8], tag: Option<u32>| {
            let mut folder = Member::new(path, MemberKind::Directory);
            let data = |tag: u32| [&tag.to_le_bytes()[..], &[0; 4]].concat();
            folder.reparse = tag.map(|tag| to_base64(&data(tag)));
            folder
        };
        let file = |path: &[u8]| Member::new(path, MemberKind::File);
        for (tag, is_link) in [(None, false), (Some(0x9000_001A), false), (Some(0xA000_0003), true)]
        {
            let mut names = Names::default();
            assert_eq!(names.member(&folder(b"C", None), false), None);
            assert_eq!(names.member(&folder(b"C/a", tag), true), None);
            let found = names.member(&file(b"C/a/b"), true);
            assert_eq!(found.is_some(), is_link, "{tag:x?}: {found:?}");
            assert!(names.member(&file(b"C/b/c"), true).unwrap().contains("missing"));
            assert_eq!(names.member(&file(b"C/b/d"), false), None, "above a part");
        }
    }

    #[test]
    fn streams_have_names_that_are_theirs_alone() {
        let with = |streams: &[&str]| {
            let mut member = Member::new(b"C/a", MemberKind::File);
            member.streams = streams
                .iter()
                .map(|name| NamedStream {
                    name: (*name).to_owned(),
                    raw_name: None,
                    data: crate::set::format::manifest::Data::default(),
                })
                .collect();
            Names::default().member(&member, false)
        };
        assert_eq!(with(&["a", "$DATA", "b"]), None);
        for streams in [
            &["a", "a"][..],
            &["a", "A"],
            &["\u{e9}", "\u{c9}"],
            &[""],
            &["a/b"],
            &[".."],
            &["a:$DATA"],
            &[":$DATA"],
        ] {
            assert!(with(streams).is_some(), "{streams:?}");
        }
    }

    #[test]
    fn an_exact_path_is_the_one_that_is_shown() {
        let mut member = Member::new(b"C/a", MemberKind::File);
        member.raw_path = Some("Qy9i".to_owned()); // C/b
        assert!(Names::default().member(&member, false).is_some());
        let member = Member::new(b"C/\xED\xA0\x80", MemberKind::File);
        assert!(member.raw_path.is_some());
        assert_eq!(Names::default().member(&member, false), None);
    }
}
