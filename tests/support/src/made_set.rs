//! A set in memory, with any path and any damage that a test wants.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use lifeboat::restore::{Bytes, Input, Ordered};
use lifeboat::set::error::SetError;
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::set::format::manifest::{
    At, Data, Member, MemberKind, NamedStream, TimesLine, Totals, to_text,
};
use lifeboat::set::format::rescue::{EndState, Machine, Options, Part, Rescue, What};
use lifeboat::usmt::Role;

/// The earliest time in such sets: in 2016.
pub const TICKS: u64 = 131_000_000_000_000_000;

pub struct MadeSet {
    rescue: Rescue,
    members: Vec<Member>,
    /// By [`At::frame`]; each stream has a number of its own.
    data: Vec<Vec<u8>>,
    broken: HashMap<u64, Range<usize>>,
    ticks: Cell<u64>,
}

impl MadeSet {
    /// A set of this kind, with parts at (drive, path).
    pub fn store(kind: &str, parts: &[(&str, &str)]) -> Self {
        let part = |&(drive, path): &(&str, &str)| Part {
            drive: drive.to_owned(),
            drive_from: "a test".to_owned(),
            path: path.to_owned(),
            role: Role::Whole.into(),
            volume_serial: None,
            volume_label: String::new(),
            skipped: Vec::new(),
            file_system: "NTFS".to_owned(),
            via: "raw".to_owned(),
            user: None,
        };
        let rescue = Rescue {
            format: 1,
            program: "a test".to_owned(),
            set: "1234abcd".to_owned(),
            created: "2026-11-22T00:00:00Z".to_owned(),
            machine: Machine::default(),
            what: if kind == "folder" { What::Folder } else { What::Store },
            kind: kind.to_owned().into(),
            parts: parts.iter().map(part).collect(),
            lacks: Vec::new(),
            damage: Vec::new(),
            closed: Vec::new(),
            totals: Totals::default(),
            end_state: EndState::Saved,
            options: Options { level: 3, frame_bytes: 1 << 20, split: None, read_back: true },
            plan: String::new(),
            encryption: None,
            seal: None,
            timings: None,
            files: Vec::new(),
        };
        Self {
            rescue,
            members: Vec::new(),
            data: Vec::new(),
            broken: HashMap::new(),
            ticks: Cell::new(TICKS),
        }
    }

    fn add(&mut self, path: &str, kind: MemberKind) -> &mut Member {
        let mut member = Member::new(path.as_bytes(), kind);
        let next = || {
            self.ticks.set(self.ticks.get() + 10_000_000_001);
            self.ticks.get()
        };
        member.times =
            TimesLine { created: next(), modified: next(), changed: next(), accessed: next() };
        member.attributes = if kind == MemberKind::Directory { 0x10 } else { 0x20 };
        self.members.push(member);
        self.members.last_mut().unwrap()
    }

    pub fn folder(&mut self, path: &str) {
        self.add(path, MemberKind::Directory);
    }

    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        let data = self.put(bytes);
        self.add(path, MemberKind::File).data = Some(data);
    }

    pub fn link(&mut self, path: &str, to: &str) {
        self.add(path, MemberKind::Link).link_to = Some(to.to_owned());
    }

    pub fn stream(&mut self, path: &str, name: &str, bytes: &[u8]) {
        let data = self.put(bytes);
        let (name, raw_name) = to_text(name.as_bytes());
        self.edit(path, |m| m.streams.push(NamedStream { name, raw_name, data }));
    }

    fn put(&mut self, bytes: &[u8]) -> Data {
        let at = At { frame: self.data.len() as u64, offset: 0 };
        self.data.push(bytes.to_owned());
        self.rescue.totals.bytes += bytes.len() as u64;
        Data {
            size: bytes.len() as u64,
            sha256: sha256_hex(bytes),
            at: (!bytes.is_empty()).then_some(at),
            holes: Vec::new(),
        }
    }

    pub fn edit(&mut self, path: &str, change: impl FnOnce(&mut Member)) {
        change(self.members.iter_mut().find(|m| m.path == path).expect("a member of that path"));
    }

    fn data_of(&mut self, path: &str) -> &mut Data {
        let member = self.members.iter_mut().find(|m| m.path == path).expect("a member");
        member.data.as_mut().expect("a file")
    }

    /// Reading that file fails in a range.
    pub fn break_data(&mut self, path: &str, range: Range<usize>) {
        let frame = self.data_of(path).at.expect("data").frame;
        self.broken.insert(frame, range);
    }

    pub fn change_hash(&mut self, path: &str) {
        self.data_of(path).sha256 = sha256_hex(b"something else");
    }

    /// Says that there is less (or more) than there is.
    pub fn claim_total(&mut self, bytes: u64) {
        self.rescue.totals.bytes = bytes;
    }

    pub fn times_of(&self, path: &str) -> TimesLine {
        self.members.iter().find(|m| m.path == path).expect("a member").times
    }

    /// Every member with its bytes; a link with those of its file.
    pub fn members_and_bytes(&self) -> impl Iterator<Item = (&Member, &[u8])> {
        self.members.iter().map(|member| {
            let holder = match &member.link_to {
                Some(to) => self.members.iter().find(|m| m.path == *to).expect("its file"),
                None => member,
            };
            let at = holder.data.as_ref().and_then(|d| d.at);
            let bytes = at.map_or(&[][..], |at| &self.data[usize::try_from(at.frame).unwrap()]);
            (member, bytes)
        })
    }
}

impl Input for MadeSet {
    fn rescue(&self) -> &Rescue {
        &self.rescue
    }

    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError> {
        Ok(Box::new(SequentialCursor { set: self, next: 0 }))
    }
}

struct SequentialCursor<'a> {
    set: &'a MadeSet,
    next: usize,
}

impl Ordered for SequentialCursor<'_> {
    fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        self.next += 1;
        self.set.members.get(self.next - 1).cloned().map(Ok)
    }

    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a> {
        let frame = data.at.expect("only data with bytes is asked for").frame;
        let bytes = self.set.data[usize::try_from(frame).unwrap()].as_slice();
        let broken = self.set.broken.get(&frame).cloned().unwrap_or(0..0);
        let is_right = sha256_hex(bytes) == data.sha256 || !broken.is_empty();
        Box::new(Stored { bytes, at: 0, broken, is_right })
    }
}

/// Damaged in one range.
struct Stored<'a> {
    bytes: &'a [u8],
    at: usize,
    broken: Range<usize>,
    is_right: bool,
}

fn damaged(what: &str) -> SetError {
    SetError::Damaged { path: "store.tar.zst".to_owned(), offset: 7, what: what.to_owned() }
}

impl Bytes for Stored<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SetError> {
        if self.broken.contains(&self.at) {
            return Err(damaged("frame 3 is damaged"));
        }
        let good = if self.at < self.broken.start { self.broken.start } else { self.bytes.len() };
        let n = buf.len().min(good - self.at);
        buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        if n == 0 && !self.is_right {
            return Err(damaged("not the SHA-256 that the manifest says"));
        }
        Ok(n)
    }

    fn skip_damage(&mut self) -> u64 {
        let end = self.broken.end.min(self.bytes.len());
        let lost = end - self.at;
        self.at = end;
        self.broken = 0..0;
        lost as u64
    }
}

/// Reparse data with its header (MS-FSCC 2.1.2).
pub fn reparse(tag: u32, buffer: &[u8]) -> Vec<u8> {
    let length = u16::try_from(buffer.len()).unwrap();
    let mut data = tag.to_le_bytes().to_vec();
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&[0, 0]);
    data.extend_from_slice(buffer);
    data
}

/// A junction's reparse data (MS-FSCC 2.1.2.5).
pub fn junction_to(target: &str) -> Vec<u8> {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let (long, short) = (utf16(&format!("\\??\\{target}")), utf16(target));
    let lengths = [0, long.len(), long.len() + 2, short.len()];
    let mut buffer: Vec<u8> =
        lengths.iter().flat_map(|n| u16::try_from(*n).unwrap().to_le_bytes()).collect();
    buffer.extend([long, vec![0, 0], short, vec![0, 0]].concat());
    reparse(0xA000_0003, &buffer)
}

/// A list of one extended attribute (MS-FSCC 2.4.16).
pub fn attribute(value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_le_bytes();
    [&[0, 0, 0, 0, 0, 1][..], &length, b"A\0", value].concat()
}

/// A self-relative descriptor: owner and group SYSTEM, a DACL that lets
/// Administrators do everything (MS-DTYP 2.4.6).
pub fn descriptor() -> Vec<u8> {
    let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
    let admins = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0];
    let mut sd = vec![1, 0, 4, 0x80];
    for offset in [20u32, 32, 0, 44] {
        sd.extend(offset.to_le_bytes());
    }
    sd.extend(system);
    sd.extend(system);
    sd.extend([2, 0, 32, 0, 1, 0, 0, 0]); // ACL: revision, 32 bytes, one entry
    sd.extend([0, 3, 24, 0, 0xFF, 0x01, 0x1F, 0x00]);
    sd.extend(admins);
    sd
}

/// The same with bytes behind its parts, as Windows may write them.
pub fn descriptor_and(more: &[u8]) -> Vec<u8> {
    [&descriptor(), more].concat()
}
