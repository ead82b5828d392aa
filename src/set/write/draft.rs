//! A member's line before its data is read: its metadata, the losses so far, and its
//! size.

use std::collections::HashSet;

use super::plan::{Plan, PlanKind, PlanMember, Trouble};
use super::producer::empty_data;
use crate::model::loss::LossKind;
use crate::model::metadata::{self, Content, Metadata, Node, NodeKind};
use crate::model::name::NtName;
use crate::model::recovered::Certainty;
use crate::set::error::SetError;
use crate::set::format::facts;
use crate::set::format::manifest::{
    ContentKind, Data, Member, MemberKind, NamedStream, to_base64, to_text,
};
use crate::tree::{Stream, TreeError};

/// A security descriptor: owner and group of 68 bytes and two lists of up to
/// 64 KiB each (MS-DTYP 2.4.5, 2.4.6).
const MAX_SECURITY: usize = 129 << 10;
/// `MAXIMUM_REPARSE_DATA_BUFFER_SIZE` (MS-FSCC 2.1.2) with a margin.
const MAX_REPARSE: usize = 17 << 10;
/// `$EA` in NTFS.
const MAX_EXTENDED_ATTRIBUTES: usize = 64 << 10;
/// `$OBJECT_ID` with its birth ids.
const MAX_OBJECT_ID: usize = 64;

/// A member that is about to be read.
pub(crate) struct Draft {
    /// Its line, without positions, hashes and holes.
    pub(crate) member: Member,
    /// Its data, if it has any.
    pub(crate) stream: Option<Box<dyn Stream>>,
}

/// Reads the metadata of a planned member. Anything missing becomes a loss.
///
/// # Errors
/// [`SetError::SourceGone`]: this is not a loss of the member.
pub(crate) fn member(plan: &Plan, index: usize) -> Result<Draft, SetError> {
    let missing = || SetError::Internal { what: format!("no member {index} in the plan") };
    let planned = plan.member(index).ok_or_else(missing)?;
    let kind = match planned.kind {
        PlanKind::Directory => MemberKind::Directory,
        PlanKind::File => MemberKind::File,
        PlanKind::Link(_) => MemberKind::Link,
    };
    let mut member = Member::new(&plan.path(index), kind);
    let name = plan.file_name(index);
    let renamed = planned.trouble == Some(Trouble::Renamed);
    if renamed {
        member.lose(LossKind::Name, "the name is not valid for a file; it was changed");
    }
    // A changed name has no DOS name.
    let name = name.filter(|_| !renamed);
    let stream = match planned.kind {
        PlanKind::Link(to) => {
            let (text, raw) = to_text(&plan.path(to));
            (member.link_to, member.raw_link_to) = (Some(text), raw);
            if let Ok(facts) = planned.tree.facts(planned.node, name.as_ref()) {
                set_short_name(&mut member, facts.short_name.as_ref());
                facts.misnamed.into_iter().for_each(|what| member.lose(LossKind::Fact, what));
            }
            None
        }
        _ => look(&mut member, &planned, name.as_ref())?,
    };
    Ok(Draft { member, stream })
}

/// Fills in the metadata of a file or folder, and opens its data.
fn look(
    member: &mut Member,
    planned: &PlanMember<'_>,
    name: Option<&NtName>,
) -> Result<Option<Box<dyn Stream>>, SetError> {
    let is_file = member.kind == MemberKind::File;
    if is_file {
        member.data = Some(empty_data());
    }
    let node = match planned.tree.node(planned.node) {
        Ok(node) => node,
        Err(error) => {
            let error = still_there(error)?;
            member.lose(LossKind::Unreadable, format!("only the name is known: {error}"));
            if is_file {
                member.content = Some(ContentKind::Missing);
            }
            return Ok(None);
        }
    };
    member.attributes = node.attributes;
    member.times = node.times.into();
    match planned.trouble {
        Some(Trouble::Unlistable) => {
            let why = match planned.tree.children(planned.node) {
                Err(error) => still_there(error)?.to_string(),
                Ok(_) => "it could not be listed when the offload began".to_owned(),
            };
            member
                .lose(LossKind::Unreadable, format!("the contents of this folder are lost: {why}"));
        }
        Some(Trouble::Repeated) => member.lose(
            LossKind::Fact,
            "this folder is in the volume twice; its contents are at the other path",
        ),
        Some(Trouble::Unknown) => {
            member.lose(LossKind::Unreadable, "no metadata was available when the offload began");
        }
        Some(Trouble::Renamed) | None => {}
    }
    if (node.kind == NodeKind::File) != is_file {
        member.lose(LossKind::Changed, "it changed between file and folder during the offload");
        return Ok(None);
    }
    let facts = match planned.tree.facts(planned.node, name) {
        Ok(facts) => facts,
        Err(error) => {
            let error = still_there(error)?;
            let what = "owner, permissions, streams and other metadata are lost";
            member.lose(LossKind::Fact, format!("{what}: {error}"));
            Metadata::default()
        }
    };
    set_facts(member, &facts);
    if is_file { open(member, planned, &node, &facts) } else { Ok(None) }
}

/// Whether a file could not be opened now but perhaps later: another program may
/// have it open.
pub(crate) fn may_pass(member: &Member) -> bool {
    member.content == Some(ContentKind::Missing)
        && member.losses.iter().any(|loss| loss.kind == LossKind::Unreadable.as_str())
}

/// An error of one file; not that of a disconnected source, nor of a PC without memory.
pub(crate) fn still_there(error: TreeError) -> Result<TreeError, SetError> {
    match error {
        error if error.is_gone() => Err(SetError::SourceGone(error)),
        error if error.is_exhausted() => Err(SetError::Exhausted(error)),
        error => Ok(error),
    }
}

/// Opens the unnamed stream and fixes its size.
fn open(
    member: &mut Member,
    planned: &PlanMember<'_>,
    node: &Node,
    facts: &Metadata,
) -> Result<Option<Box<dyn Stream>>, SetError> {
    let (planned_size, size) = (planned.size, node.size);
    let is_cloud = node.reparse_tag.is_some_and(metadata::is_cloud);
    if planned.is_users && is_cloud && matches!(facts.content, Content::NotHere(_)) {
        member.content = Some(ContentKind::Cloud);
        return Ok(None);
    }
    if matches!(facts.recovered, Some((Certainty::Overwritten, _))) {
        // Its loss says so.
        member.content = Some(ContentKind::Missing);
        return Ok(None);
    }
    let lost = match &facts.content {
        Content::EfsLost(why) => Some((LossKind::Encrypted, why.clone())),
        Content::NotHere(why) => Some((LossKind::NotHere, why.clone())),
        _ => None,
    };
    if let Some((kind, why)) = lost {
        member.lose(kind, format!("{size} bytes were not saved: {why}"));
        member.content = Some(ContentKind::Missing);
        return Ok(None);
    }
    let raw = facts.content == Content::EfsRaw;
    // If it becomes shorter, the rest is recorded as a hole.
    let grown = |now: u64| {
        let what =
            format!("its size changed from {planned_size} to {now} bytes during the offload");
        (!raw && now > planned_size).then_some(what)
    };
    if planned_size == 0 && !raw {
        if let Some(what) = grown(size) {
            member.lose(LossKind::Changed, what);
        }
        return Ok(None);
    }
    match planned.tree.open(planned.node, None) {
        Ok(stream) => {
            if let Some(what) = grown(stream.len()) {
                member.lose(LossKind::Changed, what);
            }
            // The raw export has a different size.
            let size = if raw { stream.len() } else { planned_size };
            if size > 0 {
                member.data = Some(Data { size, ..Data::default() });
            }
            member.content = match facts.content {
                Content::EfsRaw => Some(ContentKind::EfsRaw),
                Content::Wof(_) => Some(ContentKind::Wof),
                _ => None,
            };
            Ok(Some(stream))
        }
        Err(error) => {
            let error = still_there(error)?;
            let what = format!("{size} bytes could not be read: {error}");
            member.lose(LossKind::Unreadable, what);
            member.content = Some(ContentKind::Missing);
            Ok(None)
        }
    }
}

fn set_facts(member: &mut Member, found: &Metadata) {
    let mut lost = Vec::new();
    let mut keep = |what: &str, bytes: Option<&Vec<u8>>, max: usize, is_whole: facts::IsWhole| {
        let bytes = bytes?;
        if bytes.len() > max {
            lost.push(format!("{what} of {} bytes is not valid", bytes.len()));
            return None;
        }
        // A restore cannot set it. The bytes are kept: a person may read them.
        if !is_whole(bytes) {
            lost.push(format!("{what} is damaged on the disk"));
        }
        Some(to_base64(bytes))
    };
    let (security, reparse) = (found.security.as_ref(), found.reparse.as_ref());
    member.security = keep("a security descriptor", security, MAX_SECURITY, facts::DESCRIPTOR);
    member.reparse = keep("reparse data", reparse, MAX_REPARSE, facts::REPARSE);
    let object_id = found.object_id.as_ref();
    member.object_id = keep("an object id", object_id, MAX_OBJECT_ID, facts::OBJECT_ID);
    let attributes = found.extended_attributes.as_ref();
    let is_whole = facts::EXTENDED_ATTRIBUTES;
    member.extended_attributes =
        keep("extended attributes", attributes, MAX_EXTENDED_ATTRIBUTES, is_whole);
    if let Some((certainty, detail)) = &found.recovered {
        member.recover(*certainty, detail);
    }
    let doubts = found.damaged.iter().chain(&found.misnamed).cloned();
    for what in lost.into_iter().chain(doubts) {
        member.lose(LossKind::Fact, what);
    }
    set_short_name(member, found.short_name.as_ref());
    let mut known = HashSet::new();
    for stream in &found.streams {
        let is_twice = !known.insert(stream.name.folded());
        if is_twice || stream.name.as_wtf8().contains(&b':') {
            let what = format!("NTFS cannot have the stream {} beside the others", stream.name);
            member.lose(LossKind::Fact, what);
        }
        let (name, raw_name) = to_text(&stream_name(&stream.name));
        let data = match stream.size {
            0 => empty_data(),
            size => Data { size, ..Data::default() },
        };
        member.streams.push(NamedStream { name, raw_name, data });
    }
}

fn set_short_name(member: &mut Member, name: Option<&NtName>) {
    let Some(name) = name else { return };
    // DOS names use a code page; a lone surrogate is damage.
    match name.as_str().filter(|text| facts::is_short_name(text)) {
        Some(text) => member.short_name = Some(text.to_owned()),
        None => member.lose(LossKind::Fact, format!("the DOS name {name} is not valid")),
    }
}

/// The name of a stream in the set: unchanged, except for units that are not allowed
/// in a path.
pub(crate) fn stream_name(name: &NtName) -> Vec<u8> {
    let mut safe = Vec::with_capacity(name.as_wtf8().len());
    for &byte in name.as_wtf8() {
        match byte {
            b'/' => safe.extend(b"%2F"),
            0 => safe.extend(b"%00"),
            other => safe.push(other),
        }
    }
    safe
}
