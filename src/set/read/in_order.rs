//! All members of a set in order. If the manifest has a gap, the tar headers fill
//! it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::data_reader::{DataReader, Frames};
use super::lines::Lines;
use super::source::{RandomAccessFrames, Shared};
use super::tar_walk::{self, advance, outline, read_item, stream_outline};
use super::turn::SequentialCursor;
use crate::set::error::SetError;
use crate::set::format::manifest::{At, Data, Line, Member};
use crate::set::format::tar_dialect::Item;
use crate::set::format::ustar::padding;

/// The members of a set in order, with their bytes.
pub struct InOrder {
    /// What is wrong with the set, to be said first.
    faults: VecDeque<SetError>,
    shared: Arc<Shared>,
    lines: Option<Lines>,
    turn: SequentialCursor,
    /// For members that the manifest lost, whose streams have to be located.
    any: RandomAccessFrames,
    /// Lines were lost since the last member.
    gap: bool,
    /// The manifest may lack members: each place between two of them is looked at, and at last
    /// that behind the last line.
    may_lack_more: bool,
    /// The start of the last member.
    last: Option<At>,
    /// The gap that is being filled, and the member after it.
    filling: Option<Filling>,
    /// Whether the last member came from a gap.
    from_gap: bool,
    /// What [`Self::check`] has not compared yet: the streams of the last member, and where the
    /// header of the first one is.
    streams: Option<(Member, At)>,
    /// The last frame whose damage [`Self::check`] has reported.
    reported: Option<u64>,
}

struct Filling {
    /// The next member of the gap; `None` if no more can be found.
    at: Option<At>,
    /// `None` if the gap extends to the end.
    behind: Option<Box<Member>>,
}

impl InOrder {
    /// An error means that the set cannot be read at all.
    pub(crate) fn new(
        lines: Result<Lines, SetError>,
        shared: &Arc<Shared>,
        (is_whole, faults): (bool, VecDeque<SetError>),
    ) -> Result<Self, SetError> {
        let lines = match lines {
            Ok(lines) => Some(lines),
            // Without a manifest, use the tar.
            Err(SetError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            faults,
            shared: Arc::clone(shared),
            gap: lines.is_none(),
            may_lack_more: !is_whole,
            lines,
            turn: SequentialCursor::new(shared),
            any: RandomAccessFrames::new(Arc::clone(shared))?,
            last: None,
            filling: None,
            from_gap: false,
            streams: None,
            reported: None,
        })
    }

    /// The next member; `None` after the last. Continues after an error.
    ///
    /// Members that the manifest lost come from the tar: without hashes (an
    /// empty `sha256`), holes and losses.
    pub fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        if let Some(fault) = self.faults.pop_front() {
            return Some(Err(fault));
        }
        loop {
            if let Some(filling) = &mut self.filling {
                if let Some(found) = fill(&self.shared, &mut self.any, filling) {
                    self.from_gap = true;
                    return Some(found);
                }
                let behind = self.filling.take().and_then(|filling| filling.behind);
                if let Some(member) = behind {
                    return Some(Ok(self.give(*member)));
                }
            }
            let line = self.lines.as_mut().and_then(Iterator::next);
            let behind = match line {
                Some(Ok(Line::Member(member))) if !self.gap && !self.may_lack(Some(&member)) => {
                    return Some(Ok(self.give(*member)));
                }
                Some(Ok(Line::Member(member))) => Some(member),
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    self.gap = true;
                    return Some(Err(error));
                }
                None if self.gap || self.may_lack(None) => {
                    self.may_lack_more = false;
                    None
                }
                None => return None,
            };
            let is_known = std::mem::take(&mut self.gap);
            match self.begin_gap() {
                Ok(at) => self.filling = Some(Filling { at: Some(at), behind }),
                // A damaged member is met by whoever reads its data.
                Err(SetError::Damaged { .. }) if !is_known && behind.is_some() => {
                    self.filling = Some(Filling { at: None, behind });
                }
                Err(error) => {
                    self.filling = Some(Filling { at: None, behind });
                    return Some(Err(error));
                }
            }
        }
    }

    /// Compares the manifest's line of the last member with its headers in the tar; those of its
    /// streams with the next member, when their data was read, or at [`Self::check_end`].
    ///
    /// # Errors
    /// They differ, or cannot be read and are not met with the member's data.
    pub fn check(&mut self, member: &Member) -> Result<(), SetError> {
        let before = self.check_end();
        if self.from_gap {
            return before; // it is what the tar has
        }
        let mut at = member.start;
        let found = match self.item(&mut at) {
            Ok(found) => found,
            // Whoever reads its data meets the damage.
            Err(SetError::Damaged { .. }) if member.data.as_ref().is_some_and(|d| d.size > 0) => {
                return before;
            }
            Err(SetError::Damaged { .. }) if self.reported == Some(member.start.frame) => {
                return before;
            }
            Err(error) => {
                self.reported = Some(member.start.frame);
                return before.and(Err(error));
            }
        };
        if found != Some(Item::Member(Box::new(outline(member)))) {
            return before.and(Err(self.differs(member)));
        }
        if !member.streams.is_empty() {
            let size = member.data.as_ref().map_or(0, |data| data.size);
            let next = advance(&self.shared, at, size.saturating_add(padding(size) as u64));
            self.streams = next.map(|next| (member.clone(), next));
        }
        before
    }

    /// Compares the streams of the last member: see [`Self::check`].
    ///
    /// # Errors
    /// They differ.
    pub fn check_end(&mut self) -> Result<(), SetError> {
        let Some((member, mut at)) = self.streams.take() else { return Ok(()) };
        for stream in &member.streams {
            let found = match self.item(&mut at) {
                Ok(found) => found,
                Err(SetError::Damaged { .. }) => return Ok(()), // met with the data
                Err(error) => return Err(error),
            };
            if found != Some(Item::Stream(stream_outline(stream))) {
                return Err(self.differs(&member));
            }
            let size = stream.data.size.saturating_add(padding(stream.data.size) as u64);
            let Some(next) = advance(&self.shared, at, size) else { return Ok(()) };
            at = next;
        }
        Ok(())
    }

    /// Reads headers at `at`, and advances it.
    fn item(&mut self, at: &mut At) -> Result<Option<Item>, SetError> {
        let mut frames = if self.turn.is_passed(at.frame) {
            Frames::Any(&mut self.any)
        } else {
            Frames::SequentialCursor(&self.turn)
        };
        read_item(&self.shared, &mut frames, at)
    }

    fn differs(&self, member: &Member) -> SetError {
        let what = format!("{}: the tar's header differs from the manifest", member.path);
        self.shared.damaged(member.start.frame, &what)
    }

    /// Whether the manifest may lack members before this one, or before the end.
    fn may_lack(&self, behind: Option<&Member>) -> bool {
        // Forged positions must not lead back and forth.
        self.may_lack_more && behind.is_none_or(|behind| self.last.is_none_or(|l| l < behind.start))
    }

    fn give(&mut self, member: Member) -> Member {
        self.from_gap = false;
        self.last = Some(member.start);
        member
    }

    /// The start of the gap: after the last member.
    fn begin_gap(&mut self) -> Result<At, SetError> {
        let mut at = self.last.unwrap_or_default();
        if self.last.is_some() {
            tar_walk::read_member(&self.shared, &mut self.any, &mut at)?;
        }
        Ok(at)
    }

    /// Reads a stream of the last member. Streams must be read in order, the unnamed one
    /// first; any can be skipped.
    pub fn data(&mut self, data: &Data) -> DataReader<'_> {
        let frames = if self.from_gap {
            Frames::Any(&mut self.any)
        } else {
            Frames::SequentialCursor(&self.turn)
        };
        DataReader::new(Arc::clone(&self.shared), frames, data)
    }
}

/// The next member of a gap; `None` at its end.
fn fill(
    shared: &Shared,
    any: &mut RandomAccessFrames,
    filling: &mut Filling,
) -> Option<Result<Member, SetError>> {
    let behind = filling.behind.as_ref().map(|member| member.start);
    let mut at = tar_walk::advance(shared, filling.at.take()?, 0)?;
    if behind.is_some_and(|behind| at >= behind) {
        return None;
    }
    match tar_walk::read_member(shared, any, &mut at) {
        Ok(member) => {
            filling.at = Some(at);
            member.map(Ok)
        }
        // The position of the next header is unknown: continue after the gap.
        Err(error) => Some(Err(error)),
    }
}
