//! What must hold of a set's parts, and of its members by them
//! (docs/reference/format.md, section 16).

use std::collections::BTreeSet;

use super::gate::Gate;
use crate::model::name::{SEAL, fold_case};
use crate::set::format::manifest::{Line, Member, MemberKind};
use crate::set::format::names::{DELETED, is_of_deleted};
use crate::set::format::rescue::{Part, Rescue, What};
use crate::usmt::Role;

/// What the parts themselves contradict. `rescue` is what a holder of the key sees.
pub(super) fn of_parts(rescue: &Rescue, gate: &mut Gate) {
    let mut contradicts = |what: String| gate.fault("set-contradiction", "", what);
    let is_store = rescue.what == What::Store;
    if is_store == (rescue.kind == "folder") {
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
        if is_store == (part.role == "folder") {
            contradicts(format!("\"{}\" is not a role of {shown}", part.role));
        }
        let is_first = matches!(part.role(), Some(Role::Primary | Role::Whole));
        primaries += u64::from(is_store && is_first);
        if is_store && part.role() == Some(Role::Whole) && rescue.parts.len() > 1 {
            contradicts(format!("{shown} is the whole store, and there are other parts"));
        }
    }
    if primaries > 1 {
        contradicts(format!("it has {primaries} first parts"));
    }
}

fn is_drive(drive: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !drive.is_empty() && drive != DELETED && drive.bytes().all(plain)
}

/// Compares a manifest's members with the parts.
pub(super) struct Members<'a> {
    rescue: &'a Rescue,
    /// The parts' folders, and the same as NTFS compares them.
    parts: Vec<(String, String)>,
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
        Self { rescue, parts: parts.map(|(f, p)| (p, f)).collect(), has_seal: false, last: None }
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
        }
        if self.rescue.seal.is_none() && member.seal.is_some() {
            return Some("it was compared with a seal, and the set has none");
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
        if self.parts.iter().any(|(path, _)| is_at_or_below(&member.path, path)) {
            return None;
        }
        let folded = fold_case(&member.path);
        let is_inside = self.parts.iter().any(|(_, part)| {
            let is_above = member.kind == MemberKind::Directory && is_at_or_below(part, &folded);
            is_above || is_at_or_below(&folded, part)
        });
        (!is_inside).then_some("it is in no part of the set")
    }

    /// What another line contradicts.
    pub(super) fn line(&self, line: &Line) -> Option<&'static str> {
        let is_missing = matches!(line, Line::SealMissing(_)) && self.rescue.seal.is_none();
        is_missing.then_some("it lists what a seal has, and the set has none")
    }

    /// What is contradicted when all members are known.
    pub(super) fn end(&self) -> Option<&'static str> {
        let lacks = self.rescue.seal.is_some() && !self.has_seal;
        lacks.then_some("it was compared with a seal, and has no seal")
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
