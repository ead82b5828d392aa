//! Turns the source into frames: one thread reads, hashes and makes the tar.
//!
//! Each byte is read once, directly into its frame. Good data first: a file in a bad
//! area of the disk is postponed to the end, and only then is that area read in ever
//! smaller pieces, which may kill the disk. A file of which a part was already sent is
//! read at once.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::draft::{self, Draft, still_there};
use super::frame_buffer::FrameBuffer;
use super::observer::MemberObserver;
use super::plan::Plan;
use super::queue::Queue;
use crate::model::loss::LossKind;
use crate::model::monitor::{Monitor, Progress};
use crate::model::name::NtName;
use crate::model::recovered::Certainty;
use crate::set::error::SetError;
use crate::set::format::hash::{finish_hex, freeze, sha256_hex, thaw};
use crate::set::format::holes::Holes;
use crate::set::format::journal::{Inside, Position};
use crate::set::format::manifest::{At, Data, Line, Member, MemberKind, Totals, report_losses};
use crate::set::format::tar_dialect::{self, END};
use crate::set::format::ustar::padding;
use crate::tree::{Stream, TreeError};

/// Frames between checkpoints, at most: what an interrupted run has to repeat (128 MiB
/// of plain data).
const CHECKPOINT_FRAMES: u64 = 32;
/// Bytes of manifest lines between checkpoints, at most.
const CHECKPOINT_LINES: usize = 1 << 20;
/// Bytes per read.
const CHUNK: usize = 1 << 20;

/// A full frame.
pub(crate) struct FullFrame {
    /// From 0.
    pub(crate) number: u64,
    /// Its plain content.
    pub(crate) plain: Vec<u8>,
    /// The manifest lines of the members that end in it.
    pub(crate) lines: Vec<u8>,
    /// The position after it, if there is a checkpoint.
    pub(crate) checkpoint: Option<Position>,
}

/// Takes a full frame and returns memory for the next: that of an earlier one, or none.
pub(crate) trait Emit: FnMut(FullFrame) -> Result<Vec<u8>, SetError> {}
impl<F: FnMut(FullFrame) -> Result<Vec<u8>, SetError>> Emit for F {}

/// Reads the members of a plan into frames.
pub(crate) struct Producer<'a, E> {
    plan: &'a Plan,
    monitor: &'a dyn Monitor,
    observer: Option<&'a dyn MemberObserver>,
    emit: E,
    buf: FrameBuffer,
    number: u64,
    lines: Vec<u8>,
    frames_since: u64,
    lines_since: usize,
    /// The current member, next or being read.
    queue: Queue<'a>,
    current: Option<Current>,
    totals: Totals,
    progress: Progress,
}

/// The member that is being read.
struct Current {
    line: Member,
    /// Bytes of it in the tar so far.
    sent: u64,
    /// The hash of the stream that is being read.
    hash: Option<Sha256>,
    /// Its streams, by their names in the set, once one of them was asked for: there may be
    /// thousands.
    names: Option<HashMap<Vec<u8>, NtName>>,
}

/// The outcome of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It is in the tar.
    Whole,
    /// It could not be read at first, and nothing of it was sent.
    PutOff,
}

impl<'a, E: Emit> Producer<'a, E> {
    /// Resumes at `from` with frame `number`. A frame ends after `limit` plain bytes.
    pub(crate) fn new(
        plan: &'a Plan,
        (monitor, observer): (&'a dyn Monitor, Option<&'a dyn MemberObserver>),
        limit: u64,
        number: u64,
        from: Position,
        emit: E,
    ) -> Result<Self, SetError> {
        let damaged = || SetError::Internal { what: "the journal is not valid".to_owned() };
        let current = match from.inside {
            None => None,
            Some(Inside { line, sent, hash }) => Some(Current {
                line,
                sent,
                hash: match hash {
                    None => None,
                    Some(text) => Some(thaw(&text).ok_or_else(damaged)?),
                },
                names: None,
            }),
        };
        let totals = plan.totals();
        let progress = Progress {
            bytes: from.totals.bytes.saturating_add(current.as_ref().map_or(0, |c| c.sent)),
            total_bytes: totals.bytes,
            files: from.totals.files + from.totals.links,
            total_files: totals.files + totals.links,
        };
        Ok(Self {
            plan,
            monitor,
            observer,
            emit,
            buf: FrameBuffer::new(usize::try_from(limit).map_err(|_| damaged())?),
            number,
            lines: Vec::new(),
            frames_since: 0,
            lines_since: 0,
            queue: Queue::new(plan, (from.member, &from.put_off)).ok_or_else(damaged)?,
            current,
            totals: from.totals,
            progress,
        })
    }

    /// Reads everything to the end; returns the totals of the whole set.
    pub(crate) fn run(mut self) -> Result<Totals, SetError> {
        if let Some(current) = &self.current {
            self.monitor.file(&current.line.path);
            let sent = current.sent;
            let header = tar_dialect::member_header(&current.line).ok_or_else(unwritable)?;
            self.send(&header, None, sent)?;
        }
        let mut told = false;
        while let Some(index) = self.queue.present() {
            if self.monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            if self.queue.is_late() && !told {
                told = true;
                let late = self.queue.late();
                let what = "everything else is read; now reading the files that failed at first";
                self.monitor.note(&format!("{what}: {late}"));
            }
            let Draft { member, stream } = draft::member(self.plan, index)?;
            if self.queue.may_put_off() && draft::may_pass(&member) {
                self.queue.put_off();
                continue;
            }
            let header = tar_dialect::member_header(&member).ok_or_else(unwritable)?;
            let whole = tar_dialect::whole_size(&member, &header).ok_or_else(unwritable)?;
            let rest = self.buf.room() as u64;
            if !self.buf.is_empty() && whole > rest {
                self.cut(false)?;
            }
            let before = self.progress;
            self.expect(index, &member);
            self.monitor.file(&member.path);
            let start = self.here();
            let line = Member { start, ..member };
            self.current = Some(Current { line, sent: 0, hash: None, names: None });
            if self.send(&header, stream, 0)? == Sent::PutOff {
                self.buf.cut_back(usize::try_from(start.offset).map_err(|_| unwritable())?);
                (self.progress, self.current) = (before, None);
                self.queue.put_off();
            }
        }
        if self.buf.room() < END {
            self.cut(false)?;
        }
        self.put(&[0; END])?;
        self.cut(true)?;
        Ok(self.totals)
    }

    /// Whether the current member can be postponed: nothing of it was sent.
    fn may_put_off(&self) -> bool {
        self.queue.may_put_off()
            && self.current.as_ref().is_some_and(|current| {
                current.line.kind == MemberKind::File && current.line.start.frame == self.number
            })
    }

    /// Corrects the remaining bytes by the member's current size.
    fn expect(&mut self, index: usize, member: &Member) {
        let planned = self.plan.member(index).map_or(0, |planned| planned.size);
        let streams = member.streams.iter().map(|stream| &stream.data);
        let sizes = streams.chain(&member.data).map(|data| data.size);
        let total = self.progress.total_bytes.saturating_sub(planned);
        self.progress.total_bytes = sizes.fold(total, u64::saturating_add);
    }

    /// The position of the next byte.
    fn here(&self) -> At {
        if self.buf.room() == 0 {
            At { frame: self.number + 1, offset: 0 }
        } else {
            At { frame: self.number, offset: self.buf.len() as u64 }
        }
    }

    /// Sends the current frame. After the last one, no position follows.
    fn cut(&mut self, last: bool) -> Result<(), SetError> {
        self.frames_since += 1;
        self.lines_since += self.lines.len();
        let due = self.frames_since >= CHECKPOINT_FRAMES || self.lines_since >= CHECKPOINT_LINES;
        let checkpoint = (due && !last).then(|| self.position());
        if checkpoint.is_some() {
            (self.frames_since, self.lines_since) = (0, 0);
        }
        let frame = FullFrame {
            number: self.number,
            plain: self.buf.take(),
            lines: std::mem::take(&mut self.lines),
            checkpoint,
        };
        let buffer = (self.emit)(frame)?;
        self.buf.reuse(buffer);
        self.number += 1;
        Ok(())
    }

    fn position(&self) -> Position {
        let inside = self.current.as_ref().map(|current| Inside {
            line: current.line.clone(),
            sent: current.sent,
            hash: current.hash.as_ref().map(freeze),
        });
        let (member, put_off) = self.queue.place();
        Position { member, put_off, inside, totals: self.totals }
    }

    /// Adds bytes of the current member, and sends frames when they are full.
    fn put(&mut self, mut bytes: &[u8]) -> Result<(), SetError> {
        while !bytes.is_empty() {
            if self.buf.room() == 0 {
                self.cut(false)?;
            }
            let taken = self.buf.put(bytes);
            self.sent(taken);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(current) = &mut self.current {
            current.sent += bytes as u64;
        }
    }

    fn line(&self) -> Result<&Member, SetError> {
        self.current.as_ref().map(|c| &c.line).ok_or_else(unwritable)
    }

    /// Sends the current member: headers, data, streams, without the first `skip` bytes
    /// of it. `stream` is the data if it is already open.
    fn send(
        &mut self,
        header: &[u8],
        stream: Option<Box<dyn Stream>>,
        mut skip: u64,
    ) -> Result<Sent, SetError> {
        let line = self.line()?;
        let size = line.data.as_ref().map_or(0, |data| data.size);
        let streams = line.streams.len();
        self.send_header(header, &mut skip)?;
        if self.send_data(None, size, stream, &mut skip)? == Sent::PutOff {
            return Ok(Sent::PutOff);
        }
        for index in 0..streams {
            let line = self.line()?;
            let stream = &line.streams[index];
            let header = tar_dialect::stream_header(line, stream).ok_or_else(unwritable)?;
            let size = stream.data.size;
            self.send_header(&header, &mut skip)?;
            if self.send_data(Some(index), size, None, &mut skip)? == Sent::PutOff {
                return Ok(Sent::PutOff);
            }
        }
        self.finish_member()?;
        Ok(Sent::Whole)
    }

    fn send_header(&mut self, header: &[u8], skip: &mut u64) -> Result<(), SetError> {
        let passed = usize::try_from(*skip).map_or(header.len(), |skip| skip.min(header.len()));
        *skip -= passed as u64;
        self.put(&header[passed..])
    }

    /// Sends a stream's data and its padding.
    fn send_data(
        &mut self,
        index: Option<usize>,
        size: u64,
        opened: Option<Box<dyn Stream>>,
        skip: &mut u64,
    ) -> Result<Sent, SetError> {
        if size == 0 {
            return Ok(Sent::Whole);
        }
        let passed = size.min(*skip);
        *skip -= passed;
        if passed < size && self.copy(index, size, opened, passed)? == Sent::PutOff {
            return Ok(Sent::PutOff);
        }
        let zeros = padding(size);
        let passed = usize::try_from(*skip).map_or(zeros, |skip| skip.min(zeros));
        *skip -= passed as u64;
        self.put(&[0; 512][..zeros - passed])?;
        Ok(Sent::Whole)
    }

    /// Copies a stream from byte `from` to its announced end, whatever happens to it. A
    /// disconnected source ends the run: what is still on it is not a loss.
    fn copy(
        &mut self,
        index: Option<usize>,
        size: u64,
        opened: Option<Box<dyn Stream>>,
        from: u64,
    ) -> Result<Sent, SetError> {
        if from == 0 {
            let here = self.here();
            self.data(index)?.at = Some(here);
        }
        if from == 0 || self.current.as_ref().is_some_and(|c| c.hash.is_none()) {
            self.set_hash(Some(Sha256::new()));
        }
        let earlier = std::mem::take(&mut self.data(index)?.holes);
        if from > 0 && earlier.is_empty() {
            self.compare_again(index, from)?;
        }
        let mut holes = Holes::new(earlier, from);
        let mut source = match opened {
            Some(stream) => Ok(stream),
            None => match self.open_again(index, from) {
                Ok(stream) => Ok(stream),
                Err(error) => Err(still_there(error)?.to_string()),
            },
        };
        if let Err(reason) = &source {
            if self.may_put_off() {
                return Ok(Sent::PutOff);
            }
            holes.rest(from, size, reason);
        }
        let mut at = from;
        while at < size {
            if self.monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            if self.buf.room() == 0 {
                self.data(index)?.holes = holes.lines();
                self.cut(false)?;
            }
            let may_put_off = self.may_put_off();
            let room = usize::try_from(size - at).map_or(CHUNK, |left| left.min(CHUNK));
            let place = self.buf.next(room);
            let room = place.len();
            let read = if let Ok(stream) = &mut source {
                stream.set_fail_fast(may_put_off);
                stream.read(place)
            } else {
                place.fill(0);
                Ok(room)
            };
            let read = match read {
                Ok(0) => Err("it ends here: it became shorter during the offload".to_owned()),
                Ok(read) => Ok(read.min(room)),
                Err(error) => Err(still_there(error)?.to_string()),
            };
            let troubled = match (&read, &source) {
                (Ok(_), Ok(stream)) => !stream.holes().is_empty(),
                (Err(_), _) => true,
                (Ok(_), Err(_)) => false,
            };
            if troubled && may_put_off {
                return Ok(Sent::PutOff);
            }
            match read {
                Ok(read) => {
                    let bytes = self.buf.add(read);
                    if let Some(hash) = self.current.as_mut().and_then(|c| c.hash.as_mut()) {
                        hash.update(bytes);
                    }
                    at += read as u64;
                    self.sent(read);
                    self.progress.bytes += read as u64;
                    self.monitor.progress(self.progress);
                }
                Err(reason) => {
                    holes.rest(at, size, &reason);
                    source = Err(reason);
                }
            }
            if let Ok(stream) = &source {
                holes.see(stream.holes(), at);
            }
        }
        if source.as_ref().is_ok_and(|stream| stream.was_written()) {
            self.name_change(index)?;
        }
        self.doubt(source.ok().and_then(|stream| stream.doubt()));
        let sha256 = self.current.as_mut().and_then(|c| c.hash.take()).map(finish_hex);
        let data = self.data(index)?;
        data.holes = holes.lines();
        data.sha256 = sha256.unwrap_or_default();
        self.name_holes(index)?;
        Ok(Sent::Whole)
    }

    /// Opens the current member's stream to resume after byte `from`.
    fn open_again(
        &mut self,
        index: Option<usize>,
        from: u64,
    ) -> Result<Box<dyn Stream>, TreeError> {
        let (mut line, mut names) = (None, &mut None);
        if let Some(current) = &mut self.current {
            (line, names) = (Some(&current.line), &mut current.names);
        }
        let lacks = |reason: &str| TreeError::NoData {
            path: line.map_or_else(String::new, |line| line.path.clone()),
            reason: reason.to_owned(),
        };
        let member = self.queue.index().and_then(|index| self.plan.member(index));
        let member = member.ok_or_else(|| lacks("it is not in the plan"))?;
        let name = match index {
            None => None,
            Some(index) => {
                let stream = line.and_then(|line| line.streams.get(index));
                let wanted = stream.and_then(crate::set::format::manifest::NamedStream::exact_name);
                let names = match names {
                    Some(names) => names,
                    none => {
                        let facts = member.tree.facts(member.node, None)?;
                        let names = facts.streams.into_iter().map(|stream| stream.name);
                        none.insert(names.map(|name| (draft::stream_name(&name), name)).collect())
                    }
                };
                let found = wanted.and_then(|wanted| names.get(&wanted).cloned());
                Some(found.ok_or_else(|| lacks("the stream no longer exists"))?)
            }
        };
        let mut stream = member.tree.open(member.node, name.as_ref())?;
        if from > 0 {
            stream.skip(from)?;
        }
        Ok(stream)
    }

    fn data(&mut self, index: Option<usize>) -> Result<&mut Data, SetError> {
        let line = self.current.as_mut().map(|c| &mut c.line);
        let data = line.and_then(|line| match index {
            None => line.data.as_mut(),
            Some(index) => line.streams.get_mut(index).map(|stream| &mut stream.data),
        });
        data.ok_or_else(unwritable)
    }

    fn set_hash(&mut self, hash: Option<Sha256>) {
        if let Some(current) = &mut self.current {
            current.hash = hash;
        }
    }

    /// Reads the first `from` bytes of a stream again, which an earlier run has saved: a disk
    /// whose bytes were changed meanwhile would make a file of two versions, although its size
    /// and times are the same. What cannot be read now proves nothing.
    fn compare_again(&mut self, index: Option<usize>, from: u64) -> Result<(), SetError> {
        let Some(saved) = self.current.as_ref().and_then(|c| c.hash.as_ref()).map(freeze) else {
            return Ok(());
        };
        let Ok(mut stream) = self.open_again(index, 0) else { return Ok(()) };
        stream.set_fail_fast(true);
        let mut hash = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut left = from;
        while left > 0 {
            if self.monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            let wanted = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let read = match stream.read(&mut buffer[..wanted]) {
                Ok(read) if read > 0 && stream.holes().is_empty() => read.min(wanted),
                Ok(_) => return Ok(()),
                Err(error) => return still_there(error).map(|_| ()),
            };
            hash.update(&buffer[..read]);
            left -= read as u64;
        }
        if freeze(&hash) == saved {
            return Ok(());
        }
        Err(SetError::SourceChanged { set: self.line()?.path.clone() })
    }

    /// The file was written while it was read.
    fn name_change(&mut self, index: Option<usize>) -> Result<(), SetError> {
        const WHAT: &str = "it was written while it was read: what was saved may be a mixture";
        let Some(current) = &mut self.current else { return Err(unwritable()) };
        let detail = match index {
            None => WHAT.to_owned(),
            Some(index) => format!("stream {}: {WHAT}", current.line.streams[index].name),
        };
        current.line.lose(LossKind::Changed, detail);
        Ok(())
    }

    /// One loss for all holes of a stream.
    fn name_holes(&mut self, index: Option<usize>) -> Result<(), SetError> {
        let data = self.data(index)?;
        let Some(first) = data.holes.first() else { return Ok(()) };
        let bytes = data.holes.iter().fold(0_u64, |sum, hole| sum.saturating_add(hole.length));
        let detail = format!(
            "{bytes} of {} bytes could not be read and are zeros, the first at byte {}: {}",
            data.size, first.offset, first.reason
        );
        let Some(current) = &mut self.current else { return Ok(()) };
        let detail = match index {
            None => detail,
            Some(index) => format!("stream {}: {detail}", current.line.streams[index].name),
        };
        current.line.lose(LossKind::Hole, detail);
        Ok(())
    }

    /// A recovered file is no longer sure or likely if what was read of it is in doubt, or could not be
    /// read.
    fn doubt(&mut self, doubt: Option<String>) {
        let Some(line) = self.current.as_mut().map(|current| &mut current.line) else { return };
        if line.certainty().is_none_or(|own| own > Certainty::Likely) {
            return;
        }
        let streams = line.streams.iter().map(|stream| &stream.data);
        if line.data.iter().chain(streams).any(|data| !data.holes.is_empty()) {
            let what = "deleted, and recovered in part: the disk could not be read everywhere";
            line.recover(Certainty::Part, what);
        } else if let Some(doubt) = doubt {
            line.recover(
                Certainty::Unproven,
                format!("deleted, and recovered (unproven): {doubt}"),
            );
        }
    }

    /// Writes the current member's line, now that it is complete.
    fn finish_member(&mut self) -> Result<(), SetError> {
        self.doubt(None);
        let Some(Current { mut line, .. }) = self.current.take() else { return Ok(()) };
        if let Some(observer) = self.observer {
            observer.see(&mut line);
        }
        report_losses(&line, self.monitor);
        self.totals.count(&line);
        self.progress.files = self.totals.files + self.totals.links;
        self.monitor.progress(self.progress);
        serde_json::to_writer(&mut self.lines, &Line::Member(Box::new(line)))
            .map_err(|error| SetError::Internal { what: error.to_string() })?;
        self.lines.push(b'\n');
        self.queue.done();
        Ok(())
    }
}

/// The hash of an empty stream.
pub(crate) fn empty_data() -> Data {
    Data { sha256: sha256_hex(b""), ..Data::default() }
}

/// Cannot happen: drafts are made from exact names.
fn unwritable() -> SetError {
    SetError::Internal { what: "a member that cannot be recorded".to_owned() }
}
