//! `manifest.jsonl.zst`: one JSON object per line, in the order of the tar.
//!
//! A header; then for each frame of the store, the members that *end* in it (at that
//! point all their data, including streams, is complete) followed by the frame
//! itself; then an end line with the totals.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::loss::{Loss, LossKind};
use crate::model::metadata::{FileTime, Times};
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::model::recovered::{Certainty, RecoveredCount};

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// The first.
    Header(Header),
    /// A file, a folder or a hard link.
    Member(Box<Member>),
    /// A frame of the store.
    Frame(Frame),
    /// A file or folder that the store's seal lists and that no longer exists. These
    /// lines are before the last one.
    SealMissing(SealMissing),
    /// The last.
    End(Totals),
    /// Written by a later version; skipped.
    #[serde(other)]
    Other,
}

impl Line {
    /// Reads a line. (Reading it as the enum that it is would first keep all of it as a tree, which
    /// takes twenty times the memory of the text.)
    ///
    /// # Errors
    /// It is no line of a manifest.
    pub fn parse(text: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Type<'a> {
            #[serde(rename = "type", borrow)]
            name: Cow<'a, str>,
        }
        let Type { name } = serde_json::from_slice(text)?;
        Ok(match &*name {
            "header" => Self::Header(serde_json::from_slice(text)?),
            "member" => Self::Member(serde_json::from_slice(text)?),
            "frame" => Self::Frame(serde_json::from_slice(text)?),
            "seal-missing" => Self::SealMissing(serde_json::from_slice(text)?),
            "end" => Self::End(serde_json::from_slice(text)?),
            _ => Self::Other,
        })
    }
}

/// See [`Line::SealMissing`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealMissing {
    /// Its path in the set; lone surrogates as U+FFFD.
    pub path: String,
    /// The path's WTF-8 bytes in base64, only if `path` is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_path: Option<String>,
}

/// The first line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The format version: 1.
    pub format: u32,
    /// The set's id, as in `rescue.json`.
    pub set: String,
}

/// The kind of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// Has data (perhaps empty).
    File,
    /// A folder, including a junction.
    Directory,
    /// A hard link to an earlier file ([`Member::link_to`]).
    Link,
}

/// The start of data: a frame, and a byte of its plain content. Data that does not end
/// there continues at byte 0 of the next frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct At {
    /// The frame, from 0.
    pub frame: u64,
    /// Byte in the frame's plain content.
    pub offset: u64,
}

/// Streams, holes or losses of one file that are read, at most: ten times what NTFS can have. A
/// forged line could have so many that they need more memory than there may be.
const MOST_OF_ONE: usize = 1 << 16;

/// Reads a list of at most [`MOST_OF_ONE`].
fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    at_most::<D, T, MOST_OF_ONE>(from)
}

/// Reads a list that has a bound.
pub(super) fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MOST: usize>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct Bounded<T, const MOST: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Bounded<T, MOST> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element()? {
                if all.len() == MOST {
                    return Err(A::Error::invalid_length(MOST + 1, &self));
                }
                all.push(one);
            }
            Ok(all)
        }
    }
    from.deserialize_seq(Bounded::<T, MOST>(PhantomData))
}

/// The bytes of one stream.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Data {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes in the set (zeros in the holes), hex.
    pub sha256: String,
    /// Where they start; `None` if there are no bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// Ranges that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded")]
    pub holes: Vec<HoleLine>,
}

/// A range of zeros in place of bytes that could not be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HoleLine {
    /// Bytes from the start of the stream.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// For people.
    pub reason: String,
}

/// An alternate data stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NamedStream {
    /// Its name, lone surrogates as U+FFFD.
    pub name: String,
    /// The name's WTF-8 bytes in base64, only if `name` is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_name: Option<String>,
    /// Its bytes.
    #[serde(flatten)]
    pub data: Data,
}

/// The four times, as FILETIME ticks (100 ns since 1601-01-01 UTC). JSON readers must
/// keep 64-bit integers exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TimesLine {
    /// Creation.
    pub created: u64,
    /// Last write.
    pub modified: u64,
    /// Last change of the record.
    pub changed: u64,
    /// Last access.
    pub accessed: u64,
}

/// A loss of a member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LossLine {
    /// [`crate::model::loss::LossKind::as_str`].
    pub kind: String,
    /// For people.
    pub detail: String,
}

/// A file, a folder or a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The path in the set, `C/StateStore/USMT/…`; lone surrogates as U+FFFD.
    pub path: String,
    /// The path's WTF-8 bytes in base64, only if `path` is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_path: Option<String>,
    /// Its kind.
    pub kind: MemberKind,
    /// Where its first tar header starts.
    #[serde(default)]
    pub start: At,
    /// For a link: the path of the member that has the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to: Option<String>,
    /// [`Member::link_to`]'s WTF-8 bytes in base64, if it is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_link_to: Option<String>,
    /// The unnamed stream; files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// The kind of the unnamed stream's data: absent for plain data, `wof` (it was Compact
    /// OS data and is plain here), `efs-raw` (the raw export form), `missing` (no data
    /// was available; the losses give the reason).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentKind>,
    /// File attributes (MS-FSCC 2.6).
    #[serde(default)]
    pub attributes: u32,
    /// The four times.
    #[serde(default)]
    pub times: TimesLine,
    /// Self-relative security descriptor, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<String>,
    /// Reparse data with its header, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reparse: Option<String>,
    /// Object id (16 or 64 bytes), base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// Extended attributes, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_attributes: Option<String>,
    /// The DOS name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_name: Option<String>,
    /// Alternate data streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded")]
    pub streams: Vec<NamedStream>,
    /// Its losses.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded")]
    pub losses: Vec<LossLine>,
    /// How it differs from the store's seal: `changed`, `added`, `facts`; absent if it
    /// does not, or if there is no seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// For a deleted file that was recovered: how sure its bytes are, as in
    /// [`Certainty::as_str`]. Absent for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<String>,
}

/// A frame of the store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Its number, from 0.
    pub frame: u64,
    /// Its volume, from 1 (always 1 for an unsplit store).
    pub volume: u32,
    /// Byte in that volume.
    pub offset: u64,
    /// Bytes, compressed.
    pub size: u64,
    /// Bytes, plain.
    pub plain_size: u64,
    /// XXH3 (128 bits) of the compressed bytes, hex.
    pub xxh128: String,
}

/// The last line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Members that are files.
    pub files: u64,
    /// Members that are folders.
    pub directories: u64,
    /// Members that are hard links.
    pub links: u64,
    /// Alternate data streams.
    pub streams: u64,
    /// Bytes of all streams, named and unnamed.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Losses.
    pub losses: u64,
    /// Files that only a cloud has, among `files`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cloud: u64,
    /// The files among them that were deleted, and recovered as far as it was possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<RecoveredCount>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes references
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What stands in a set for a file's data, where that is not its bytes as they were on the disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ContentKind {
    /// Nothing: no data was available.
    Missing,
    /// The plain data of a file that Compact OS had compressed.
    Wof,
    /// The raw export of a file that EFS encrypts.
    EfsRaw,
    /// Nothing, and no loss: only a cloud has the data of this user's file.
    Cloud,
    /// A kind that a later program wrote.
    Other(String),
}

impl ContentKind {
    /// The stable name, as in the manifest.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Missing => "missing",
            Self::Wof => "wof",
            Self::EfsRaw => "efs-raw",
            Self::Cloud => "cloud",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for ContentKind {
    fn from(name: String) -> Self {
        let known = [Self::Missing, Self::Wof, Self::EfsRaw, Self::Cloud];
        let found = known.into_iter().find(|kind| kind.as_str() == name);
        found.unwrap_or(Self::Other(name))
    }
}

impl From<ContentKind> for String {
    fn from(kind: ContentKind) -> Self {
        match kind {
            ContentKind::Other(name) => name,
            known => known.as_str().to_owned(),
        }
    }
}

impl Member {
    /// A member of this path (WTF-8) and kind, otherwise empty.
    pub fn new(path: &[u8], kind: MemberKind) -> Self {
        let (path, raw_path) = to_text(path);
        Self {
            path,
            raw_path,
            kind,
            start: At::default(),
            link_to: None,
            raw_link_to: None,
            data: None,
            content: None,
            attributes: 0,
            times: TimesLine::default(),
            security: None,
            reparse: None,
            object_id: None,
            extended_attributes: None,
            short_name: None,
            streams: Vec::new(),
            losses: Vec::new(),
            seal: None,
            recovered: None,
        }
    }

    /// The path's exact WTF-8 bytes; `None` if the line is damaged.
    pub fn exact_path(&self) -> Option<Vec<u8>> {
        exact(&self.path, self.raw_path.as_deref())
    }

    /// The exact WTF-8 bytes of a link's target path.
    pub fn exact_link_to(&self) -> Option<Vec<u8>> {
        exact(self.link_to.as_deref()?, self.raw_link_to.as_deref())
    }

    /// How sure its bytes are, if it was recovered.
    pub fn certainty(&self) -> Option<Certainty> {
        self.recovered.as_deref().map(Certainty::of_name)
    }

    /// Records that it was recovered, and why it is not surer.
    pub fn recover(&mut self, certainty: Certainty, detail: impl Into<String>) {
        self.recovered = Some(certainty.as_str().to_owned());
        let kind = LossKind::Recovered.as_str();
        self.losses.retain(|loss| loss.kind != kind);
        self.lose(LossKind::Recovered, detail);
    }

    /// Records a loss.
    pub fn lose(&mut self, kind: LossKind, detail: impl Into<String>) {
        self.losses.push(LossLine { kind: kind.as_str().to_owned(), detail: detail.into() });
    }
}

impl NamedStream {
    /// The name's exact WTF-8 bytes; `None` if the line is damaged.
    pub fn exact_name(&self) -> Option<Vec<u8>> {
        exact(&self.name, self.raw_name.as_deref())
    }
}

impl Totals {
    /// Counts one more complete member.
    pub fn count(&mut self, member: &Member) {
        match member.kind {
            MemberKind::File => self.files += 1,
            MemberKind::Directory => self.directories += 1,
            MemberKind::Link => self.links += 1,
        }
        self.streams += member.streams.len() as u64;
        self.losses += member.losses.len() as u64;
        self.cloud += u64::from(member.content == Some(ContentKind::Cloud));
        let sizes = member.streams.iter().map(|s| &s.data).chain(&member.data).map(|d| d.size);
        if let Some(certainty) = member.certainty().filter(|_| member.kind == MemberKind::File) {
            let bytes = member.data.as_ref().map_or(0, |data| data.size);
            self.recovered.get_or_insert_default().add(certainty, bytes);
        }
        // Saturates only for a hostile manifest; verification reports it.
        self.bytes = sizes.fold(self.bytes, u64::saturating_add);
    }
}

impl From<Times> for TimesLine {
    fn from(t: Times) -> Self {
        let Times { created, modified, changed, accessed } = t;
        Self { created: created.0, modified: modified.0, changed: changed.0, accessed: accessed.0 }
    }
}

impl From<TimesLine> for Times {
    fn from(t: TimesLine) -> Self {
        Self {
            created: FileTime(t.created),
            modified: FileTime(t.modified),
            changed: FileTime(t.changed),
            accessed: FileTime(t.accessed),
        }
    }
}

/// Base64 as the manifest and the tar headers use it.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes [`to_base64`]; `None` if the text is not valid.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// WTF-8 as text, and the bytes in base64 if the text is not exact.
pub fn to_text(wtf8: &[u8]) -> (String, Option<String>) {
    if let Ok(text) = std::str::from_utf8(wtf8) {
        (text.to_owned(), None)
    } else {
        let text = match NtName::from_wtf8(wtf8) {
            Some(name) => name.to_string_lossy(),
            None => String::from_utf8_lossy(wtf8).into_owned(),
        };
        (text, Some(to_base64(wtf8)))
    }
}

fn exact(text: &str, raw: Option<&str>) -> Option<Vec<u8>> {
    match raw {
        None => Some(text.as_bytes().to_vec()),
        Some(raw) => from_base64(raw),
    }
}

/// Reports a member's losses.
pub(crate) fn report_losses(member: &Member, monitor: &dyn Monitor) {
    for loss in &member.losses {
        let kind = LossKind::of_name(&loss.kind);
        let (path, detail) = (member.path.clone(), loss.detail.clone());
        monitor.loss(&Loss { path, kind, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_its_type_wherever_that_stands() {
        let lines = [
            Line::Header(Header { format: 1, set: "0badc0de".to_owned() }),
            Line::Member(Box::new(Member::new(b"C/a", MemberKind::File))),
            Line::SealMissing(SealMissing { path: "C/b".to_owned(), raw_path: None }),
            Line::End(Totals { files: 7, ..Totals::default() }),
        ];
        for line in lines {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(Line::parse(text.as_bytes()).unwrap(), line);
        }
        let text = br#"{"files":7,"new":[{"type":"frame"}],"type":"later"}"#;
        assert_eq!(Line::parse(text).unwrap(), Line::Other);
        for bad in [&b"{}"[..], b"[]", br#"{"type":7}"#, br#"{"type":"frame"}"#] {
            assert!(Line::parse(bad).is_err());
        }
        let many = vec![r#"{"kind":"","detail":""}"#; MOST_OF_ONE + 1].join(",");
        let text = format!(r#"{{"type":"member","path":"C/a","kind":"file","losses":[{many}]}}"#);
        assert!(Line::parse(text.as_bytes()).unwrap_err().to_string().contains("65537"));
    }
}
