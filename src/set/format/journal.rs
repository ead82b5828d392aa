//! `journal.jsonl`: what is needed to finish an unfinished set. It is in the
//! `.partial` folder until the set is complete.
//!
//! Each line carries its own hash: a line that was torn by the interruption, or
//! damaged since, is ignored, and the one before it counts.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::hash::sha256_hex;
use super::manifest::{Member, Totals};
use super::rescue::{Options, SealOutcome, SetFile};
use crate::set::crypt::{CryptError, SetKey};

/// The longest journal that is read, in bytes: with a line per 128 MiB of a store,
/// this covers about 10 TiB.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Begin(Box<Begin>),
    /// A checkpoint: up to here everything was on the medium.
    Checkpoint(Box<Checkpoint>),
    /// Store and manifest are complete and on the medium.
    Written(Box<Written>),
}

/// The set that was started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The format version.
    pub format: u32,
    /// The program: the zstd of another version may compress differently.
    pub program: String,
    /// The set's id.
    pub set: String,
    /// When it was started, as in `rescue.json`.
    pub created: String,
    /// The plan's digest.
    pub plan: String,
    /// Identifies the store or folder, whatever its current content.
    pub source: String,
    /// The compression options.
    pub options: Options,
}

/// A position from which the run can be resumed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The position in the source.
    pub position: Position,
    /// Frames written, which is the next frame's number.
    pub frames: u64,
    /// The volume of the next frame, from 1.
    pub volume: u32,
    /// Bytes written to that volume.
    pub volume_bytes: u64,
    /// Bytes written to the manifest.
    pub manifest_bytes: u64,
    /// For an encrypted set, its positions in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// The files of an encrypted set at a checkpoint. The last one of each kind is still
/// being written; all of them consist of whole chunks at this point.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sealed {
    /// Complete files of the store.
    pub store: Vec<SetFile>,
    /// Plain bytes in the current one.
    pub store_bytes: u64,
    /// The unfinished hash of the current one, without its last chunk.
    pub store_hash: String,
    /// Plain bytes since the store was last split because of its size.
    pub since_cut: u64,
    /// Complete files of the manifest.
    pub manifest: Vec<SetFile>,
    /// Plain bytes in the current one.
    pub manifest_bytes: u64,
    /// Its hash, as above.
    pub manifest_hash: String,
}

/// The position in the source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// The index in the plan of the next or current member; after the end of the plan,
    /// the index in `put_off`.
    pub member: u64,
    /// Members of the plan that were postponed to the end, since they could not be
    /// read at first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put_off: Vec<u64>,
    /// The position in the current member; absent between members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// Totals of the complete members.
    pub totals: Totals,
}

/// A position within a member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Inside {
    /// Its line as far as it is known.
    pub line: Member,
    /// Bytes of it in the tar: headers, data and streams.
    pub sent: u64,
    /// The unfinished hash of the current stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Written {
    /// Volumes and manifest, under their final names.
    pub files: Vec<SetFile>,
    /// Counts.
    pub totals: Totals,
    /// The result of the comparison with the store's seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealOutcome>,
}

#[derive(Serialize, Deserialize)]
struct Checked<L> {
    check: String,
    line: L,
}

/// A line as appended to the file.
pub fn to_bytes(line: &Line) -> Result<Vec<u8>, serde_json::Error> {
    let check = sha256_hex(&serde_json::to_vec(line)?);
    let mut bytes = serde_json::to_vec(&Checked { check, line })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A line as appended to the journal of an encrypted set: each is a separate age
/// file, so that no key is used twice.
///
/// # Errors
/// None is known.
pub(crate) fn to_sealed(line: &[u8], key: &SetKey) -> Result<Vec<u8>, CryptError> {
    let mut text = BASE64_STANDARD.encode(key.seal(line)?).into_bytes();
    text.push(b'\n');
    Ok(text)
}

/// The lines of an encrypted journal, as from [`read`].
pub(crate) fn read_sealed(bytes: &[u8], key: &SetKey) -> Vec<(Line, u64)> {
    let mut lines = Vec::new();
    let mut end = 0;
    for text in bytes.split_inclusive(|&b| b == b'\n') {
        let whole = || {
            let sealed = BASE64_STANDARD.decode(text.strip_suffix(b"\n")?).ok()?;
            let plain = key.open(&sealed).ok()?;
            read(&plain).into_iter().next().map(|(line, _)| line)
        };
        let Some(line) = whole() else { break };
        end += text.len() as u64;
        lines.push((line, end));
    }
    lines
}

/// The lines of a journal up to the first incomplete one, each with the offset of
/// its end.
pub fn read(bytes: &[u8]) -> Vec<(Line, u64)> {
    let mut lines = Vec::new();
    let mut end = 0;
    for text in bytes.split_inclusive(|&b| b == b'\n') {
        let whole = || {
            let text = text.strip_suffix(b"\n")?;
            let Checked { check, line } = serde_json::from_slice::<Checked<Line>>(text).ok()?;
            (sha256_hex(&serde_json::to_vec(&line).ok()?) == check).then_some(line)
        };
        let Some(line) = whole() else { break };
        end += text.len() as u64;
        lines.push((line, end));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::format::manifest::MemberKind;

    #[test]
    fn a_torn_or_rotten_line_is_not_believed() {
        let inside = Inside { line: Member::new(b"C/a", MemberKind::File), sent: 5, hash: None };
        let position = Position { inside: Some(inside), ..Position::default() };
        let first = Line::Checkpoint(Box::default());
        let second = Line::Checkpoint(Box::new(Checkpoint {
            position,
            frames: 33,
            ..Checkpoint::default()
        }));
        let mut bytes = to_bytes(&first).unwrap();
        let middle = bytes.len();
        bytes.extend(to_bytes(&second).unwrap());
        let end = bytes.len();
        assert_eq!(read(&bytes), [(first.clone(), middle as u64), (second, end as u64)]);
        let key = SetKey::generate();
        let mut sealed = to_sealed(&bytes[..middle], &key).unwrap();
        let first_end = sealed.len() as u64;
        sealed.extend(to_sealed(&bytes[middle..], &key).unwrap());
        assert_eq!(read_sealed(&sealed, &key).len(), 2);
        sealed.pop();
        assert_eq!(read_sealed(&sealed, &key), [(first.clone(), first_end)]);
        assert!(read_sealed(&sealed, &SetKey::generate()).is_empty());
        for cut in middle..end {
            assert_eq!(read(&bytes[..cut]), [(first.clone(), middle as u64)], "{cut}");
        }
        let at = bytes.windows(2).rposition(|w| w == b"33").unwrap();
        bytes[at] = b'4';
        assert_eq!(read(&bytes).len(), 1);
    }
}
