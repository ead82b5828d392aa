//! All members of a set in order. If the manifest has a gap, the tar headers fill
//! it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::data_reader::{DataReader, Frames};
use super::lines::Lines;
use super::source::{RandomAccessFrames, Shared};
use super::tar_walk::{self, advance};
use super::turn::SequentialCursor;
use crate::set::error::SetError;
use crate::set::format::manifest::{At, Data, Line, Member};
use crate::set::format::tar_dialect::{END, member_header, stream_header};
use crate::set::format::ustar::padding;

/// The members of a set in order, with their bytes.
#[allow(clippy::struct_excessive_bools)] // each is about something else
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
    /// What [`Self::check`] has not compared yet: what follows the headers of the last member,
    /// and where that is.
    behind: Option<(Member, At)>,
    /// Where the last member that was compared ends.
    end: Option<At>,
    /// The set may have members that the manifest lacks.
    is_short: bool,
    /// The last frame whose damage [`Self::check`] has reported.
    reported: Option<u64>,
}

/// Bytes of a path that is not refused when it is restored.
const LONGEST: usize = 256 << 10;

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
            behind: None,
            end: None,
            is_short: !is_whole,
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

    /// Compares the manifest's line of the last member with its headers in the tar, byte by byte;
    /// what follows them (its padding, the headers of its streams) with the next member, when its
    /// data was read, or at [`Self::check_end`].
    ///
    /// # Errors
    /// They differ, or cannot be read and are not met with the member's data.
    pub fn check(&mut self, member: &Member) -> Result<(), SetError> {
        let before = self.check_behind();
        if self.from_gap {
            return before; // it is what the tar has
        }
        let Some(header) = member_header(member) else {
            return before.and(Err(self.differs(member)));
        };
        let mut at = member.start;
        let found = match self.bytes(&mut at, header.len()) {
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
        if found != header {
            return before.and(Err(self.differs(member)));
        }
        // (A path that is too long for any file is not held twice.)
        if member.path.len() <= LONGEST {
            self.behind = Some((member.clone(), at));
        }
        before
    }

    /// Compares what follows the last member: see [`Self::check`]. If that is the last of all,
    /// also the end of the tar.
    ///
    /// # Errors
    /// They differ.
    pub fn check_end(&mut self) -> Result<(), SetError> {
        let last = self.behind.as_ref().map(|(member, _)| member.start);
        self.check_behind()?;
        let Some(mut at) = self.end.filter(|_| last == self.last && !self.is_short) else {
            return Ok(());
        };
        match self.bytes(&mut at, END) {
            Ok(zeros) if zeros.iter().any(|byte| *byte != 0) => {
                Err(self.shared.damaged(at.frame, "the blocks that end the tar are not zeros"))
            }
            Ok(_) | Err(SetError::Damaged { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The padding of the last member, its streams and theirs.
    fn check_behind(&mut self) -> Result<(), SetError> {
        self.end = None;
        let Some((member, at)) = self.behind.take() else { return Ok(()) };
        match self.behind(&member, at) {
            Err(SetError::Damaged { .. }) | Ok(None) => Ok(()), // met with the data
            Err(error) => Err(error),
            Ok(Some(Ok(at))) => {
                self.end = Some(at);
                Ok(())
            }
            Ok(Some(Err(what))) => Err(self.shared.damaged(member.start.frame, &what)),
        }
    }

    /// Where a member ends, or what is wrong before that; `None` beyond the store.
    fn behind(&mut self, member: &Member, at: At) -> Result<Option<Result<At, String>>, SetError> {
        let size = member.data.as_ref().map_or(0, |data| data.size);
        let mut at = match self.padded(at, size)? {
            Some(Ok(at)) => at,
            Some(Err(what)) => return Ok(Some(Err(format!("{}: {what}", member.path)))),
            None => return Ok(None),
        };
        for stream in &member.streams {
            let Some(header) = stream_header(member, stream) else { return Ok(None) };
            if self.bytes(&mut at, header.len())? != header {
                let path = &member.path;
                let what = format!("{path}: a stream's tar header differs from the manifest");
                return Ok(Some(Err(what)));
            }
            at = match self.padded(at, stream.data.size)? {
                Some(Ok(at)) => at,
                Some(Err(what)) => return Ok(Some(Err(format!("{}: {what}", member.path)))),
                None => return Ok(None),
            };
        }
        Ok(Some(Ok(at)))
    }

    /// Behind data that begins at `at`, and the zeros after it; or that they are none.
    fn padded(&mut self, at: At, size: u64) -> Result<Option<Result<At, &'static str>>, SetError> {
        let Some(mut at) = advance(&self.shared, at, size) else { return Ok(None) };
        let zeros = self.bytes(&mut at, padding(size))?;
        let is_zeros = zeros.iter().all(|byte| *byte == 0);
        Ok(Some(if is_zeros { Ok(at) } else { Err("its padding is not zeros") }))
    }

    /// Reads bytes at `at`, and advances it.
    fn bytes(&mut self, at: &mut At, length: usize) -> Result<Vec<u8>, SetError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let mut frames = if self.turn.is_passed(at.frame) {
            Frames::Any(&mut self.any)
        } else {
            Frames::SequentialCursor(&self.turn)
        };
        tar_walk::read(&mut frames, at, length)
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
