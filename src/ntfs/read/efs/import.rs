//! From the export form back to `$EFS` and ciphertext.

use std::io::{self, Read};

use super::{
    ENCRYPTION_HEADER, EXTENDED_SIGNATURE, FILE_HEADER, FILE_SIGNATURE, METADATA_MAX,
    METADATA_NAME, SEGMENT_HEADER, SEGMENT_SIGNATURE, STREAM_HEADER, STREAM_SIGNATURE,
};
use crate::model::bytes::utf16;
use crate::model::name::NtName;

/// Why bytes are not an export.
#[derive(Debug, thiserror::Error)]
pub enum EfsFormatError {
    /// The bytes could not be read.
    #[error("EFS export, byte {at}: {error}")]
    Io {
        /// Byte of the export.
        at: u64,
        /// What the reader said.
        error: io::Error,
    },
    /// A field has a value that it cannot have.
    #[error("EFS export, byte {at}: expected {expected}, found {found:#x}")]
    Invalid {
        /// Byte of the export.
        at: u64,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: u64,
    },
}

/// What stands in an export, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EfsEvent {
    /// The contents of `$EFS`; comes first.
    Metadata(Vec<u8>),
    /// A data stream begins.
    Stream {
        /// Its name, without colons; empty for the unnamed stream.
        name: NtName,
        /// Whether what follows is ciphertext.
        is_encrypted: bool,
    },
    /// A segment of the stream begins. Its range is zeros but for the data that
    /// follows. The largest `end`s of all its segments are the stream's size and
    /// valid data length.
    Segment {
        /// First byte of the stream that it is about.
        offset: u64,
        /// Where the stream ends, if it does in this segment; the end of the
        /// segment's range otherwise.
        size_end: u64,
        /// The same for the valid data; 0 where none of the range is valid.
        valid_end: u64,
        /// Whether the stream is sparse.
        is_sparse: bool,
    },
    /// Raw bytes of the stream, at most 64 KiB of a block at a time. Ciphertext
    /// comes in whole sectors, perhaps beyond the stream's size.
    Data {
        /// Byte of the stream.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// Bytes of a piece of data that is handed out.
const PIECE: u64 = 65_536;

/// The longest name: 255 units, the colons, `$DATA` and a NUL.
const NAME_MAX: u64 = 2 * (255 + 8);

/// More blocks than Windows has in a segment, and few enough to hold.
const BLOCKS_MAX: u64 = 4096;

/// Reads an export, event by event. Holds one piece of data.
pub struct EfsImport<R> {
    reader: R,
    at: u64,
    state: State,
}

enum State {
    /// At the start.
    Start,
    /// Before the header of a stream or, inside one, of a segment.
    Header { in_stream: Option<InStream> },
    /// In the data of a segment: blocks still to come, last one first.
    Data { stream: InStream, blocks: Vec<Block> },
    /// At the end, or after an error.
    End,
}

#[derive(Clone, Copy)]
struct InStream {
    is_encrypted: bool,
    /// How much of it came, where no header says it (plain streams).
    done: u64,
}

#[derive(Clone, Copy)]
struct Block {
    offset: u64,
    bytes: u64,
}

impl<R: Read> EfsImport<R> {
    /// Reads what `reader` yields, which is best buffered.
    pub fn new(reader: R) -> Self {
        Self { reader, at: 0, state: State::Start }
    }

    /// The next event; `None` at the end, which is where the bytes end.
    pub fn next_event(&mut self) -> Result<Option<EfsEvent>, EfsFormatError> {
        loop {
            // Where anything fails, this is what remains.
            match std::mem::replace(&mut self.state, State::End) {
                State::Start => return self.start(),
                State::Header { in_stream } => return self.header(in_stream),
                State::Data { stream, blocks } => {
                    if let Some(event) = self.data(stream, blocks)? {
                        return Ok(Some(event));
                    }
                }
                State::End => return Ok(None),
            }
        }
    }

    fn start(&mut self) -> Result<Option<EfsEvent>, EfsFormatError> {
        let header = self.array::<FILE_HEADER>()?;
        if header[..12] != FILE_SIGNATURE {
            return Err(invalid(0, "the signature \"ROBS\"", number(&header[..4])));
        }
        let at = self.at;
        let header = self.array::<STREAM_HEADER>()?;
        let name = self.stream_name(at, &header)?;
        if name != METADATA_NAME {
            return Err(invalid(at + 24, "the metadata stream 0x1910", number(&name)));
        }
        let at = self.at;
        let header = self.array::<SEGMENT_HEADER>()?;
        let bytes = Self::segment_bytes(at, &header)?;
        if bytes > METADATA_MAX as u64 {
            return Err(invalid(at, "metadata of 262,144 bytes at most", bytes));
        }
        let efs = self.bytes(bytes)?;
        self.state = State::Header { in_stream: None };
        Ok(Some(EfsEvent::Metadata(efs)))
    }

    /// A stream's header, or a segment's, or the end.
    fn header(&mut self, stream: Option<InStream>) -> Result<Option<EfsEvent>, EfsFormatError> {
        let at = self.at;
        let mut header = [0; STREAM_HEADER];
        let mut first = [0; 1];
        if self.reader.read(&mut first).map_err(|error| EfsFormatError::Io { at, error })? == 0 {
            return Ok(None);
        }
        self.at += 1;
        header[0] = first[0];
        self.fill(&mut header[1..SEGMENT_HEADER])?;
        if header[4..12] == SEGMENT_SIGNATURE
            && let Some(stream) = stream
        {
            let bytes = Self::segment_bytes(at, &header)?;
            return self.segment(at, bytes, stream);
        }
        self.fill(&mut header[SEGMENT_HEADER..])?;
        let name = self.stream_name(at, &header)?;
        let flag = number(&header[12..16]);
        if flag > 1 {
            return Err(invalid(at + 12, "a flag of 0 or 1", flag));
        }
        let is_encrypted = flag == 0;
        let Some(name) = data_stream_name(&name) else {
            return Err(invalid(at + 28, "a name that ends in :$DATA", number(&name)));
        };
        self.state = State::Header { in_stream: Some(InStream { is_encrypted, done: 0 }) };
        Ok(Some(EfsEvent::Stream { name, is_encrypted }))
    }

    /// The rest of a segment's header; `bytes` follow its first part.
    fn segment(
        &mut self,
        at: u64,
        bytes: u64,
        mut stream: InStream,
    ) -> Result<Option<EfsEvent>, EfsFormatError> {
        if !stream.is_encrypted {
            let offset = stream.done;
            stream.done = offset.saturating_add(bytes);
            let (size_end, valid_end) = (stream.done, stream.done);
            self.state = State::Data { stream, blocks: vec![Block { offset, bytes }] };
            return Ok(Some(EfsEvent::Segment { offset, size_end, valid_end, is_sparse: false }));
        }
        let start = self.at;
        let header = self.array::<ENCRYPTION_HEADER>()?;
        let field = |range: std::ops::Range<usize>| number(&header[range]);
        let (offset, length) = (field(0..8), field(8..12));
        let (in_size, in_valid) = (field(12..16), field(16..20));
        let count = field(26..28);
        let Some(unit) = 1_u64.checked_shl(u32::from(header[22])).filter(|u| *u <= 1 << 30) else {
            return Err(invalid(start + 22, "a data unit of 1 GiB at most", header[22].into()));
        };
        if field(20..22) != 0 || header[25] != 1 {
            return Err(invalid(start + 20, "data that is only encrypted", field(20..22)));
        }
        let rest = length.checked_sub(ENCRYPTION_HEADER as u64 + 4 * count);
        let Some(rest) = rest.filter(|_| length <= bytes && count <= BLOCKS_MAX) else {
            return Err(invalid(start + 8, "a header that holds its blocks", length));
        };
        let end = offset.checked_add(count * unit).filter(|e| i64::try_from(*e).is_ok());
        let Some(end) = end else {
            return Err(invalid(start, "an offset within a file", offset));
        };
        let sizes = self.bytes(4 * count)?;
        let extended = self.bytes(rest.min(512))?;
        self.pass(rest - extended.len() as u64)?;
        let is_extended = extended.starts_with(&EXTENDED_SIGNATURE);
        let is_sparse = is_extended && extended.get(8).is_some_and(|flags| flags & 1 != 0);

        let mut blocks = Vec::with_capacity(sizes.len() / 4);
        let mut left = bytes - length;
        for (nth, size) in (0_u64..).zip(sizes.chunks_exact(4)) {
            let size = number(size);
            if size > unit || size > left {
                let at = start + ENCRYPTION_HEADER as u64 + 4 * nth;
                return Err(invalid(at, "a block that fits its unit and segment", size));
            }
            left -= size;
            blocks.push(Block { offset: offset + nth * unit, bytes: size });
        }
        if left != 0 {
            return Err(invalid(at, "a segment that ends with its last block", bytes));
        }
        blocks.reverse();
        let size_end = end.min(offset + in_size);
        let valid_end = if in_valid == 0 { 0 } else { end.min(offset + in_valid) };
        self.state = State::Data { stream, blocks };
        Ok(Some(EfsEvent::Segment { offset, size_end, valid_end, is_sparse }))
    }

    fn data(
        &mut self,
        stream: InStream,
        mut blocks: Vec<Block>,
    ) -> Result<Option<EfsEvent>, EfsFormatError> {
        let Some(block) = blocks.pop() else {
            self.state = State::Header { in_stream: Some(stream) };
            return Ok(None);
        };
        let bytes = self.bytes(block.bytes.min(PIECE))?;
        let done = bytes.len() as u64;
        if done < block.bytes {
            blocks.push(Block { offset: block.offset + done, bytes: block.bytes - done });
        }
        self.state = State::Data { stream, blocks };
        let event = EfsEvent::Data { offset: block.offset, bytes };
        Ok((done > 0).then_some(event))
    }

    /// The name's bytes, after a stream's header that stood at `at`.
    fn stream_name(&mut self, at: u64, header: &[u8]) -> Result<Vec<u8>, EfsFormatError> {
        let (length, name_bytes) = (number(&header[..4]), number(&header[24..28]));
        if header[4..12] != STREAM_SIGNATURE {
            return Err(invalid(at + 4, "the signature \"NTFS\"", number(&header[4..12])));
        }
        if name_bytes > NAME_MAX || name_bytes % 2 != 0 {
            return Err(invalid(at + 24, "a name of 255 units at most", name_bytes));
        }
        // A NUL may follow that is not counted as part of the name.
        let after = length.checked_sub(STREAM_HEADER as u64 + name_bytes).filter(|a| *a <= 8);
        let Some(after) = after else {
            return Err(invalid(at, "a header that ends with its name", length));
        };
        let name = self.bytes(name_bytes)?;
        self.pass(after)?;
        Ok(name)
    }

    /// How many bytes follow a segment's header that stood at `at`.
    fn segment_bytes(at: u64, header: &[u8]) -> Result<u64, EfsFormatError> {
        if header[4..12] != SEGMENT_SIGNATURE {
            return Err(invalid(at + 4, "the signature \"GURE\"", number(&header[4..12])));
        }
        let length = number(&header[..4]);
        length
            .checked_sub(SEGMENT_HEADER as u64)
            .ok_or_else(|| invalid(at, "a segment that holds its header", length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EfsFormatError> {
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    /// `count` bytes, which the caller has bounded.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, EfsFormatError> {
        let mut bytes = Vec::new();
        let at = self.at;
        // Grows as the bytes come: a lie about the length costs nothing.
        let read = self.reader.by_ref().take(count).read_to_end(&mut bytes);
        let read = read.map_err(|error| EfsFormatError::Io { at, error })?;
        self.at += read as u64;
        if (read as u64) < count {
            return Err(self.ended());
        }
        Ok(bytes)
    }

    fn pass(&mut self, count: u64) -> Result<(), EfsFormatError> {
        let at = self.at;
        let passed = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink())
            .map_err(|error| EfsFormatError::Io { at, error })?;
        self.at += passed;
        if passed < count { Err(self.ended()) } else { Ok(()) }
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<(), EfsFormatError> {
        let at = self.at;
        self.reader.read_exact(buf).map_err(|error| EfsFormatError::Io { at, error })?;
        self.at += buf.len() as u64;
        Ok(())
    }

    fn ended(&self) -> EfsFormatError {
        EfsFormatError::Io { at: self.at, error: io::ErrorKind::UnexpectedEof.into() }
    }
}

fn invalid(at: u64, expected: &'static str, found: u64) -> EfsFormatError {
    EfsFormatError::Invalid { at, expected, found }
}

/// A little-endian number of up to 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// `name` of `:name:$DATA`, which is empty for the unnamed stream.
fn data_stream_name(bytes: &[u8]) -> Option<NtName> {
    let units = utf16(bytes);
    let units = units.strip_suffix(&[0]).unwrap_or(&units);
    let tail: Vec<_> = ":$DATA".encode_utf16().collect();
    let name = units.strip_prefix(&[u16::from(b':')])?.strip_suffix(&tail[..])?;
    Some(NtName::from_utf16(name))
}
