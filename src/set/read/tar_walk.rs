//! Reads the tar by its headers: to check them, and to find members that the manifest
//! lost.

use tar::EntryType;

use super::source::{Shared, Source};
use crate::set::error::SetError;
use crate::set::format::manifest::{At, Member, MemberKind};
use crate::set::format::tar_dialect::{self, Item, MAX_RECORDS};
use crate::set::format::ustar::{BLOCK, Header, padding};

/// Reads up to `length` bytes at `at`, and advances it.
pub(crate) fn read(
    source: &mut dyn Source,
    at: &mut At,
    length: usize,
) -> Result<Vec<u8>, SetError> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let frame = source.frame(at.frame)?;
        let rest = usize::try_from(at.offset).ok().and_then(|offset| frame.get(offset..));
        match rest {
            Some(rest) if !rest.is_empty() => {
                let part = &rest[..rest.len().min(length - bytes.len())];
                bytes.extend_from_slice(part);
                at.offset += part.len() as u64;
            }
            _ => *at = At { frame: at.frame.saturating_add(1), offset: 0 },
        }
    }
    Ok(bytes)
}

/// Reads the headers at `at`, and advances it; `None` at the end of the
/// tar.
pub(crate) fn read_item(
    shared: &Shared,
    source: &mut dyn Source,
    at: &mut At,
) -> Result<Option<Item>, SetError> {
    let frame = at.frame;
    let mut records = Vec::new();
    loop {
        let block = read(source, at, BLOCK)?;
        let Some(block) = block.first_chunk::<BLOCK>() else { return Ok(None) };
        if block.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        let header = Header::parse(block);
        match header {
            Some(header) if header.entry_type == EntryType::XHeader && records.is_empty() => {
                if header.size > MAX_RECORDS {
                    return Err(shared.damaged(frame, "PAX records that are too large"));
                }
                let size = usize::try_from(header.size).unwrap_or(0);
                records = read(source, at, size)?;
                read(source, at, padding(header.size))?;
            }
            _ => {
                let item = tar_dialect::parse(&records, block);
                return item.map(Some).map_err(|what| shared.damaged(frame, what));
            }
        }
    }
}

/// The position `bytes` bytes after `at`; `None` beyond the store's end.
pub(crate) fn advance(shared: &Shared, at: At, bytes: u64) -> Option<At> {
    let mut at = at;
    let mut left = bytes;
    loop {
        let place = shared.index.get(at.frame);
        let Some(place) = place.filter(|place| place.packed > 0) else {
            return (left == 0).then_some(at);
        };
        let rest = u64::from(place.plain).checked_sub(at.offset)?;
        if left < rest {
            return Some(At { offset: at.offset + left, ..at });
        }
        left -= rest;
        at = At { frame: at.frame + 1, offset: 0 };
    }
}

/// Reads the member at `at` with its streams, and advances it; without hashes, which
/// only the manifest has. `None` at the end of the tar.
pub(crate) fn read_member(
    shared: &Shared,
    source: &mut dyn Source,
    at: &mut At,
) -> Result<Option<Member>, SetError> {
    let start = advance(shared, *at, 0).unwrap_or(*at);
    *at = start;
    let mut member = match read_item(shared, source, at)? {
        None => return Ok(None),
        Some(Item::Member(member)) => *member,
        Some(Item::Stream(_)) => {
            return Err(shared.damaged(start.frame, "a stream without its file"));
        }
    };
    member.start = start;
    let beyond = || shared.damaged(start.frame, "data beyond the end of the store");
    let pass = |at: &mut At, size: u64| {
        let place = (size > 0).then_some(advance(shared, *at, 0)?);
        *at = advance(shared, *at, size.checked_add(padding(size) as u64)?)?;
        Some(place)
    };
    if let Some(data) = &mut member.data {
        data.at = pass(at, data.size).ok_or_else(beyond)?;
    }
    if member.kind == MemberKind::Link {
        return Ok(Some(member));
    }
    loop {
        let mut next = *at;
        // Unreadable data after it does not belong to this member.
        let Ok(Some(Item::Stream(mut stream))) = read_item(shared, source, &mut next) else {
            return Ok(Some(member));
        };
        stream.data.at = pass(&mut next, stream.data.size).ok_or_else(beyond)?;
        member.streams.push(stream);
        *at = next;
    }
}
