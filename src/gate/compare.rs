//! Compares a store on the disk with the manifest of a set: is each file and folder of the store
//! in the set, as it is now? By name, kind, size, time of the last write, and its streams' names and
//! sizes; where the disk itself is read, also by its reparse data. [`super::contents`] compares the
//! bytes.
//!
//! Of each member of the set 24 bytes are kept, and 16 of each stream, so a set of millions fits
//! into the memory.

use sha2::{Digest, Sha256};

use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::NtName;
use crate::set::error::SetError;
use crate::set::format::manifest::{ContentKind, Line, Member, MemberKind, from_base64};
use crate::set::read::reader::SetReader;
use crate::set::write::draft::stream_name;
use crate::set::write::parts::usmt_folder;
use crate::set::write::plan::{Plan, PlanKind};
use crate::tree::Via;
use crate::usmt::Store;

/// The attribute of a file that EFS encrypts (MS-FSCC 2.6). A set has its raw export, of another
/// size.
const ENCRYPTED: u32 = 0x4000;
/// The number of differences that are described.
pub(super) const DESCRIBED: usize = 3;

/// What a store has now.
pub(super) struct StorePlan(Plan);

/// Reads the folders of a store: the `USMT` folder of each part, and nothing beside it.
pub(super) fn plan_of(store: &Store, monitor: &dyn Monitor) -> Result<StorePlan, SetError> {
    Plan::make(store.parts.iter().map(usmt_folder).collect(), monitor).map(StorePlan)
}

/// What of a file must agree.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct State {
    is_dir: bool,
    size: u64,
    modified: u64,
}

/// The state of what nobody knows; no member has it.
const UNKNOWN: State = State { is_dir: true, size: u64::MAX, modified: 0 };

impl State {
    /// A digest of it and the path; and one of the path alone.
    fn digests(self, path: &[u8]) -> (u128, u64) {
        let mut hash = Sha256::new();
        hash.update(path);
        let alone = hash.clone().finalize();
        hash.update([0, u8::from(self.is_dir)]);
        hash.update(self.size.to_le_bytes());
        hash.update(self.modified.to_le_bytes());
        let all = hash.finalize();
        (number(&all), u64::try_from(number(&alone) >> 64).unwrap_or(0))
    }
}

/// The first 16 bytes of a digest.
fn number(digest: &[u8]) -> u128 {
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// A digest of a stream of a member.
fn stream_digest(path: &[u8], name: &[u8], size: u64) -> u128 {
    beside(path, b"stream", name, &size.to_le_bytes())
}

/// A digest of the reparse data of a member.
fn reparse_digest(path: &[u8], data: &[u8]) -> u128 {
    beside(path, b"reparse", b"", data)
}

/// A digest of something that a member has. A path has no zero in it, nor a name.
fn beside(path: &[u8], what: &[u8], name: &[u8], data: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    for piece in [path, what, name] {
        hash.update(piece);
        hash.update([0]);
    }
    hash.update(data);
    number(&hash.finalize())
}

/// What of a member of the store is not in the set, for people, beside its data: a stream, or
/// where it leads to.
fn lacks_beside(plan: &Plan, index: usize, path: &[u8], whole: &[u128]) -> Option<String> {
    let member = plan.member(index)?;
    // The first name of the file has them.
    if matches!(member.kind, PlanKind::Link(_)) {
        return None;
    }
    let shown = || shown(path);
    let facts = match member.tree.facts(member.node, None) {
        Ok(facts) => facts,
        Err(error) => return Some(format!("{}: its streams cannot be read: {error}", shown())),
    };
    for stream in &facts.streams {
        let digest = stream_digest(path, &stream_name(&stream.name), stream.size);
        if whole.binary_search(&digest).is_err() {
            let name = &stream.name;
            return Some(format!("{}: the set does not have its stream {name}", shown()));
        }
    }
    // The host has links of its own kind, and other sets have those.
    let reparse = facts.reparse.filter(|_| member.tree.info().via == Via::Raw)?;
    if whole.binary_search(&reparse_digest(path, &reparse)).is_ok() {
        return None;
    }
    Some(format!("{}: its reparse data (where a link leads to) is another in the set", shown()))
}

/// The number of files, folders and links of the store that were looked for, and how they differ
/// from the set, for people: none if all are in it.
pub(super) fn differences(
    StorePlan(plan): &StorePlan,
    set: &SetReader,
    monitor: &dyn Monitor,
) -> Result<(u64, Vec<String>), SetError> {
    monitor.stage(Stage::Verify, &set.display());
    let (mut whole, mut paths) = (Vec::new(), Vec::new());
    let mut last = State::default();
    for line in set.lines()? {
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        let member = match line? {
            Line::Member(member) => member,
            Line::Header(header) if header.set != set.rescue().set => {
                return Ok((0, vec!["its manifest is that of another set".to_owned()]));
            }
            _ => continue,
        };
        let Some(path) = member.exact_path() else { continue };
        // A link has the bytes of the file before it.
        if member.kind != MemberKind::Link {
            last = of_member(&member);
        }
        if is_lost(&member) {
            continue;
        }
        let (all, alone) = last.digests(&path);
        whole.push(all);
        paths.push(alone);
        for stream in &member.streams {
            let Some(name) = stream.exact_name() else { continue };
            whole.push(stream_digest(&path, &name, stream.data.size));
        }
        if let Some(data) = member.reparse.as_deref().and_then(from_base64) {
            whole.push(reparse_digest(&path, &data));
        }
    }
    whole.sort_unstable();
    paths.sort_unstable();
    let mut progress = Progress { total_files: plan.len() as u64, ..Progress::default() };
    let mut described = Vec::new();
    let mut count = 0_u64;
    for index in 0..plan.len() {
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        progress.files += 1;
        monitor.progress(progress);
        let path = plan.path(index);
        let (all, alone) = of_plan(plan, index).digests(&path);
        let differs = if whole.binary_search(&all).is_ok() {
            lacks_beside(plan, index, &path, &whole)
        } else {
            let shown = shown(&path);
            Some(match paths.binary_search(&alone) {
                Ok(_) => format!("{shown} was changed after the set was made"),
                Err(_) => format!("{shown} is not in the set"),
            })
        };
        let Some(differs) = differs else { continue };
        count += 1;
        if described.len() < DESCRIBED {
            described.push(differs);
        }
    }
    let more = count.saturating_sub(described.len() as u64);
    if more > 0 {
        let more = crate::model::units::count(more, "more file or folder", "more files or folders");
        described.push(format!("{more} that the set does not have as they are now"));
    }
    Ok((plan.len() as u64, described))
}

/// Whether a set has no bytes of a member.
fn is_lost(member: &Member) -> bool {
    member.content == Some(ContentKind::Missing)
}

fn of_member(member: &Member) -> State {
    if member.kind == MemberKind::Directory {
        return State { is_dir: true, ..State::default() };
    }
    let is_encrypted = member.attributes & ENCRYPTED != 0;
    let size = member.data.as_ref().map_or(0, |data| data.size);
    State {
        is_dir: false,
        size: if is_encrypted { 0 } else { size },
        modified: member.times.modified,
    }
}

fn of_plan(plan: &Plan, index: usize) -> State {
    let Some(member) = plan.member(index) else { return UNKNOWN };
    if member.kind == PlanKind::Directory && member.trouble.is_none() {
        return State { is_dir: true, ..State::default() };
    }
    // What cannot be read differs from everything that a set has.
    let (Ok(node), None) = (member.tree.node(member.node), member.trouble) else { return UNKNOWN };
    let is_encrypted = node.attributes & ENCRYPTED != 0;
    let size = if is_encrypted { 0 } else { node.size };
    State { is_dir: false, size, modified: node.times.modified.0 }
}

/// A path in a set as Windows has it.
pub(super) fn shown(path: &[u8]) -> String {
    let text = |bytes: &[u8]| {
        let name = NtName::from_wtf8(bytes).map(|name| name.to_string_lossy());
        name.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
    };
    let mut names = path.splitn(2, |byte| *byte == b'/');
    let (drive, rest) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    format!("{}:\\{}", text(drive), text(rest).replace('/', "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_has_another_digest() {
        let file = State { is_dir: false, size: 5, modified: 7 };
        let same = file.digests(b"C/a");
        assert_eq!(same, file.digests(b"C/a"));
        for (other, path) in [
            (State { size: 6, ..file }, &b"C/a"[..]),
            (State { modified: 8, ..file }, b"C/a"),
            (State { is_dir: true, ..file }, b"C/a"),
        ] {
            let (all, alone) = other.digests(path);
            assert!(all != same.0 && alone == same.1);
        }
        let (all, alone) = file.digests(b"C/b");
        assert!(all != same.0 && alone != same.1);
        assert_eq!(shown(b"C/StateStore/USMT/a.txt"), r"C:\StateStore\USMT\a.txt");
    }
}
