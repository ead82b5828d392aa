//! What must hold of a set's parts, and of its members by them
//! (docs/reference/format.md, section 16).

use std::collections::BTreeSet;

use super::gate::Gate;
use crate::model::name::{SEAL, USMT, fold_case};
use crate::ntfs::ORPHANS;
use crate::set::format::kinds::{PartRole, SetKind};
use crate::set::format::manifest::{ContentKind, Data, Line, Member, MemberKind};
use crate::set::format::names::{DELETED, is_of_deleted};
use crate::set::format::rescue::{Part, Rescue, What};
use crate::usmt::{DriveFrom, MOST_MAIN, Role, StoreKind, layout, parse_hardlink_main};

/// What the parts themselves contradict. `rescue` is what a holder of the key sees.
pub(super) fn of_parts(rescue: &Rescue, gate: &mut Gate) {
    let mut contradicts = |what: String| gate.fault("set-contradiction", "", what);
    let is_store = rescue.what == What::Store;
    let is_kind = match &rescue.kind {
        SetKind::Store(_) => is_store,
        SetKind::Folder => !is_store,
        SetKind::Unknown(_) => false,
    };
    if !is_kind {
        contradicts(format!("\"{}\" is not a kind of what it is", rescue.kind));
    }
    if is_store && rescue.totals.files == 0 {
        contradicts("it is of a store, and has no file".to_owned());
    }
    let mut known = BTreeSet::new();
    let mut primaries = 0;
    for part in &rescue.parts {
        let shown = format!("{}/{}", part.drive, part.path);
        let is_name = |name: &str| !matches!(name, "" | "." | "..");
        let is_path = part.path.is_empty() || part.path.split('/').all(is_name);
        if !is_drive(&part.drive) || !is_path {
            contradicts(format!("its part {shown:?} has no valid place"));
        }
        if !known.insert(fold_case(&shown)) {
            contradicts(format!("it has the part {shown} twice"));
        }
        let is_hard_link = rescue.store_kind() == Some(StoreKind::HardLink);
        let is_role = match &part.role {
            PartRole::Store(Role::Whole) => is_store && !is_hard_link,
            PartRole::Store(Role::Primary | Role::Secondary) => is_store && is_hard_link,
            PartRole::Folder => !is_store,
            PartRole::Deleted | PartRole::Unknown(_) => false,
        };
        if !is_role {
            contradicts(format!("\"{}\" is not a role of {shown}", part.role));
        }
        let is_first = matches!(part.role.of_store(), Some(Role::Primary | Role::Whole));
        primaries += u64::from(is_store && is_first);
        if is_store && part.role.of_store() == Some(Role::Whole) && rescue.parts.len() > 1 {
            contradicts(format!("{shown} is the whole store, and there are other parts"));
        }
    }
    if primaries > 1 {
        contradicts(format!("it has {primaries} first parts"));
    }
    if is_store && primaries == 0 && !rescue.parts.is_empty() && rescue.lacks.is_empty() {
        contradicts("it has no first part, and does not say that it lacks one".to_owned());
    }
    if is_store {
        // A separator that sorts before all others, so that what is below a path follows it.
        let mut sorted: Vec<String> =
            known.iter().map(|path| path.trim_end_matches('/').replace('/', "\0")).collect();
        sorted.sort_unstable();
        let is_below = |pair: &[String]| {
            pair[1].strip_prefix(&pair[0]).is_some_and(|rest| rest.starts_with('\0'))
        };
        if sorted.windows(2).any(is_below) {
            contradicts("one of its parts is inside another".to_owned());
        }
    }
}

fn is_drive(drive: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !drive.is_empty() && drive != DELETED && drive.bytes().all(plain)
}

/// What a part has.
#[allow(clippy::struct_excessive_bools)] // one for each file
#[derive(Clone, Default)]
struct Marks {
    /// Members at or below it.
    members: u64,
    /// The files that make its folder a part of a store.
    catalog: bool,
    migstate: bool,
    main: bool,
    distributed: bool,
    /// The data of `hardlink.main`, if it was saved without a loss, and there is one.
    main_data: Option<Data>,
    /// The drives of its `File` folder: `C` for `File/C$`.
    drives: BTreeSet<char>,
}

impl Marks {
    /// Takes note of a file in the part's `USMT` folder.
    fn file(&mut self, name: &str, is_empty: bool, member: &Member) {
        let is = |marker: &str| name.eq_ignore_ascii_case(marker);
        if is(layout::HARDLINK_MAIN) {
            // NTFS may have two of them, in two letter cases: then it is not known which counts.
            let is_plain = !self.main && member.losses.is_empty() && member.content.is_none();
            self.main_data = member.data.clone().filter(|_| is_plain);
        }
        self.catalog |= is(layout::CATALOG) && !is_empty;
        self.migstate |= is(layout::MIGSTATE) && !is_empty;
        self.main |= is(layout::HARDLINK_MAIN);
        self.distributed |= name
            .get(..layout::HARDLINK_DISTRIBUTED.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(layout::HARDLINK_DISTRIBUTED));
    }

    /// The files that a part must have and this one lacks.
    fn lacks(&self, kind: StoreKind, role: Role) -> Vec<&'static str> {
        let is_secondary = role == Role::Secondary;
        let (is_hard, is_plain) = (kind == StoreKind::HardLink, kind != StoreKind::Compressed);
        [
            (self.catalog, is_plain && !is_secondary, layout::CATALOG),
            (self.migstate, is_plain && !is_secondary, layout::MIGSTATE),
            (self.main, is_hard && !is_secondary, layout::HARDLINK_MAIN),
            (self.distributed, is_hard && is_secondary, "hardlink.distributed.*"),
        ]
        .into_iter()
        .filter(|(has, needs, _)| *needs && !has)
        .map(|(_, _, name)| name)
        .collect()
    }
}

/// Compares a manifest's members with the parts.
pub(super) struct Members<'a> {
    rescue: &'a Rescue,
    /// The parts' folders, and the same as NTFS compares them.
    parts: Vec<(String, String)>,
    /// What each of them has.
    marks: Vec<Marks>,
    /// A member is the container of a compressed store.
    has_container: bool,
    /// A member is the seal of a part.
    has_seal: bool,
    /// The last member that is no link; `None` if a line was lost since.
    last: Option<(Vec<u8>, MemberKind)>,
}

impl<'a> Members<'a> {
    pub(super) fn new(rescue: &'a Rescue) -> Self {
        let path = |part: &Part| format!("{}/{}", part.drive, part.path);
        let path = |part| path(part).trim_end_matches('/').to_owned();
        let parts = rescue.parts.iter().map(path).map(|path| (fold_case(&path), path));
        let parts: Vec<_> = parts.map(|(folded, path)| (path, folded)).collect();
        Self {
            rescue,
            marks: vec![Marks::default(); parts.len()],
            parts,
            has_container: false,
            has_seal: false,
            last: None,
        }
    }

    /// A line was lost.
    pub(super) fn lost(&mut self) {
        self.last = None;
    }

    /// What a member contradicts.
    pub(super) fn member(&mut self, member: &Member) -> Option<&'static str> {
        if member.kind != MemberKind::Link {
            self.last = member.exact_path().map(|path| (path, member.kind));
        } else if let Some((path, kind)) = &self.last
            && (*kind != MemberKind::File || member.exact_link_to().as_ref() != Some(path))
        {
            return Some("it is a link, and the file that it leads to is not before it");
        } else if let Some(to) = &member.link_to
            && to.split('/').next() != member.path.split('/').next()
        {
            return Some("it is a link to a file on another drive");
        }
        if self.rescue.seal.is_none() && member.seal.is_some() {
            return Some("it was compared with a seal, and the set has none");
        }
        if self.rescue.what == What::Store && member.content == Some(ContentKind::Cloud) {
            return Some("only a cloud has it, and it is of a store, not a user's");
        }
        let is_of_deleted = is_of_deleted(&member.path);
        if is_of_deleted {
            let is_plain = member.recovered.is_none() && member.losses.is_empty();
            let is_wrong = is_plain && member.kind == MemberKind::File;
            return is_wrong.then_some("it is among the recovered files, and was not recovered");
        }
        if member.recovered.is_some() {
            return Some("it was recovered, and is not among the recovered files");
        }
        if let Some(name) = member.path.rsplit('/').next()
            && name.eq_ignore_ascii_case(SEAL)
        {
            let above = member.path[..member.path.len() - name.len()].trim_end_matches('/');
            let above = fold_case(above);
            self.has_seal |= self.parts.iter().any(|(_, folded)| *folded == above);
        }
        let within = |(path, _): &(String, String)| is_at_or_below(&member.path, path);
        if let Some(part) = self.parts.iter().position(within) {
            return self.inside(part, member.path.get(self.parts[part].0.len()..)?, member);
        }
        let folded = fold_case(&member.path);
        if let Some(part) = self.parts.iter().position(|(_, part)| is_at_or_below(&folded, part)) {
            let below = folded.get(self.parts[part].1.len()..)?.to_owned();
            return self.inside(part, &below, member);
        }
        let is_above = member.kind == MemberKind::Directory
            && self.parts.iter().any(|(_, part)| is_at_or_below(part, &folded));
        (!is_above).then_some("it is in no part of the set")
    }

    /// Whether the folder of a member is at or below the path of a part.
    pub(super) fn has_folder_of(&self, member: &Member) -> bool {
        let Some((above, _)) = member.path.rsplit_once('/') else { return false };
        let is_within = |part: &(String, String)| is_at_or_below(above, &part.0);
        self.parts.iter().any(is_within) || {
            let folded = fold_case(above);
            self.parts.iter().any(|(_, part)| is_at_or_below(&folded, part))
        }
    }

    /// What a member of a part contradicts; `below` is its path there.
    fn inside(&mut self, part: usize, below: &str, member: &Member) -> Option<&'static str> {
        self.marks[part].members += 1;
        if self.rescue.what != What::Store {
            return None;
        }
        let mut names = below.split('/').skip(1);
        let (first, second) = (names.next().unwrap_or_default(), names.next());
        let is_usmt = first.eq_ignore_ascii_case(USMT) || first.eq_ignore_ascii_case(layout::USMT3);
        if is_usmt && let Some(name) = second {
            let third = names.next();
            if name.eq_ignore_ascii_case(layout::FILE)
                && let Some([letter, b'$']) = third.map(str::as_bytes)
                && letter.is_ascii_alphabetic()
            {
                self.marks[part].drives.insert(char::from(letter.to_ascii_uppercase()));
            }
            self.has_container |= name.eq_ignore_ascii_case(layout::CONTAINER)
                || name.eq_ignore_ascii_case(layout::CONTAINER3);
            if member.kind != MemberKind::Directory && third.is_none() {
                let is_empty = member.data.as_ref().is_some_and(|data| data.size == 0);
                self.marks[part].file(name, is_empty && member.losses.is_empty(), member);
            }
        }
        // At a volume's root, only this belongs to a store.
        let is_root = !self.parts[part].0.contains('/');
        let is_of_store = first.is_empty() || is_usmt || first.eq_ignore_ascii_case(SEAL);
        (is_root && !is_of_store).then_some("it is beside a store, and in no part of the set")
    }

    /// What another line contradicts.
    pub(super) fn line(&self, line: &Line) -> Option<&'static str> {
        let is_missing = matches!(line, Line::SealMissing(_)) && self.rescue.seal.is_none();
        is_missing.then_some("it lists what a seal has, and the set has none")
    }

    /// The data of `hardlink.main`, if its bytes say what the set must have.
    pub(super) fn main_to_read(&self) -> Option<&Data> {
        let is_asked =
            self.rescue.store_kind() == Some(StoreKind::HardLink) && self.rescue.lacks.is_empty();
        let parts = self.rescue.parts.iter().zip(&self.marks).filter(|_| is_asked);
        let mut first = parts.filter(|(part, _)| part.role.of_store() == Some(Role::Primary));
        first
            .find_map(|(_, marks)| marks.main_data.as_ref())
            .filter(|data| data.holes.is_empty() && (1..=MOST_MAIN as u64).contains(&data.size))
    }

    /// What the bytes of `hardlink.main` contradict: an offload reads them in the same way, and
    /// says that a part on a drive that they list is lacking.
    pub(super) fn main(&self, bytes: &[u8]) -> Vec<String> {
        let has = |letter: char| {
            let is_it =
                |part: &Part| part.drive.eq_ignore_ascii_case(letter.encode_utf8(&mut [0; 4]));
            self.rescue.parts.iter().any(is_it)
        };
        let listed = parse_hardlink_main(bytes).into_iter().map(|(letter, _)| letter);
        let missing: BTreeSet<char> = listed.filter(|letter| !has(*letter)).collect();
        let say = |letter| {
            format!(
                "its hardlink.main lists drive {letter}:, and it neither has nor lacks that part"
            )
        };
        missing.into_iter().map(say).collect()
    }

    /// What is contradicted when all members are known.
    pub(super) fn end(&self) -> Vec<String> {
        let mut all = Vec::new();
        let of_folder = DriveFrom::FileFolder.to_string();
        for (part, marks) in self.rescue.parts.iter().zip(&self.marks) {
            let mut letters = marks.drives.iter().map(char::to_string);
            if part.drive_from == of_folder
                && !marks.drives.is_empty()
                && !letters.any(|letter| part.drive.eq_ignore_ascii_case(&letter))
            {
                all.push(format!(
                    "its part of drive {} has the files of another drive",
                    part.drive
                ));
            }
        }
        if self.rescue.seal.is_some() && !self.has_seal {
            all.push("it was compared with a seal, and has no seal".to_owned());
        }
        for ((path, _), marks) in self.parts.iter().zip(&self.marks) {
            if marks.members == 0 {
                all.push(format!("it has a part {path}, and no member of it"));
            }
        }
        let kind = self.rescue.store_kind().filter(|_| self.rescue.is_of_whole_store());
        let is_wrong = match kind {
            Some(StoreKind::Compressed) => !self.has_container,
            Some(StoreKind::HardLink) => self.has_container,
            Some(StoreKind::Uncompressed) => {
                self.has_container || self.marks.iter().any(|marks| marks.main)
            }
            Some(StoreKind::Estimate) | None => false,
        };
        if is_wrong {
            all.push(format!(
                "\"{}\" is not the kind of the store that is in it",
                self.rescue.kind
            ));
        }
        let parts = self.rescue.parts.iter().zip(&self.marks).zip(&self.parts);
        // On a damaged volume, a folder that lost its name stands there under a number.
        let is_named = |part: &Part| part.path.split('/').next() != Some(ORPHANS);
        let parts = parts.filter(|((part, marks), _)| marks.members > 0 && is_named(part));
        for ((part, marks), (path, _)) in parts {
            let (Some(kind), Some(role)) = (kind, part.role.of_store()) else { continue };
            for name in marks.lacks(kind, role) {
                all.push(format!("{path} is a part of the store without {name}"));
            }
        }
        all
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
