//! Whether the manifest's members follow each other in the tar without a gap. A member's headers
//! follow from its line, so that where it ends can be computed, and the tar need not be read.

use std::sync::Arc;

use super::source::Shared;
use super::tar_walk::advance;
use crate::set::format::manifest::{At, Data, Member};
use crate::set::format::tar_dialect::{END, member_header, stream_header};
use crate::set::format::ustar::padding;

/// What is wrong with a member's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Misplaced {
    /// The tar has something between the member before and this one.
    Gap,
    /// By its headers, the tar has its data elsewhere.
    Data,
}

/// Follows the members of a manifest in the tar.
pub(super) struct Positions {
    shared: Arc<Shared>,
    /// Where the next member has to begin; `None` if it is unknown.
    next: Option<At>,
}

impl Positions {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), next: Some(At::default()) }
    }

    /// A line was lost: the next member may begin anywhere.
    pub(super) fn lost(&mut self) {
        self.next = None;
    }

    /// What is wrong with the next member's place, if anything.
    pub(super) fn member(&mut self, member: &Member) -> Option<Misplaced> {
        let expected = self.next.map(|next| advance(&self.shared, next, 0).unwrap_or(next));
        let is_gap = expected.is_some_and(|expected| expected != member.start);
        self.next = end_of(&self.shared, member);
        if is_gap {
            return Some(Misplaced::Gap);
        }
        if self.next.is_some() {
            return None;
        }
        // A frame without a known place has a fault already.
        self.is_known(member.start.frame).then_some(Misplaced::Data)
    }

    fn is_known(&self, frame: u64) -> bool {
        self.shared.index.get(frame).is_some_and(|place| place.packed > 0)
    }

    /// Whether the tar ends behind the last member.
    pub(super) fn ends(&self) -> bool {
        let end = self.next.map(|next| advance(&self.shared, next, END as u64));
        let frames = self.shared.index.places.len() as u64;
        end.is_none_or(|end| end == Some(At { frame: frames, offset: 0 }))
    }
}

/// Where a member ends, by its line; `None` if its data is not where its headers would leave it.
fn end_of(shared: &Shared, member: &Member) -> Option<At> {
    let header = member_header(member)?;
    let none = Data::default();
    let data = member.data.as_ref().unwrap_or(&none);
    let mut at = behind(shared, member.start, &header, data)?;
    for stream in &member.streams {
        at = behind(shared, at, &stream_header(member, stream)?, &stream.data)?;
    }
    Some(at)
}

/// Where data ends whose headers begin at `at`.
fn behind(shared: &Shared, at: At, header: &[u8], data: &Data) -> Option<At> {
    let at = advance(shared, at, header.len() as u64)?;
    let place = (data.size > 0).then_some(at);
    if data.at != place {
        return None;
    }
    advance(shared, at, data.size.checked_add(padding(data.size) as u64)?)
}
