//! Compact OS files (WOF, the "Windows Overlay Filter"): the unnamed stream is
//! empty (sparse), the data stands compressed in the stream
//! [`STREAM`], and a reparse point says how.
//!
//! The reparse data is `WOF_EXTERNAL_INFO` followed by what the provider has to
//! say (`FILE_PROVIDER_EXTERNAL_INFO_V1`; both in ntifs.h, wofapi.h). The stream
//! is a table of chunk offsets and then the chunks, as in a WIM resource: the
//! table has an entry for each chunk but the first, 4 bytes wide (8 where the
//! plain size does not fit into 32 bits), counted from the end of the table. A
//! chunk that is as large as its plain data is stored plain.

// What is cast was bounded just before by the size of a chunk or of a window.
#![allow(clippy::cast_possible_truncation)]

use crate::ntfs::codec::{CodecError, lzx, xpress};

/// The reparse tag (`IO_REPARSE_TAG_WOF`, MS-FSCC 2.1.2.1).
pub const TAG: u32 = 0x8000_0017;

/// The name of the stream that holds the compressed data.
pub const STREAM: &str = "WofCompressedData";

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// XPRESS Huffman in chunks of 4 KiB.
    Xpress4k,
    /// LZX in chunks of 32 KiB.
    Lzx,
    /// XPRESS Huffman in chunks of 8 KiB.
    Xpress8k,
    /// XPRESS Huffman in chunks of 16 KiB.
    Xpress16k,
}

impl Algorithm {
    /// The name, as `compact.exe` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xpress4k => "XPRESS4K",
            Self::Lzx => "LZX",
            Self::Xpress8k => "XPRESS8K",
            Self::Xpress16k => "XPRESS16K",
        }
    }

    /// Plain bytes in a chunk; the last one may have fewer.
    pub fn chunk_bytes(self) -> usize {
        match self {
            Self::Xpress4k => 4096,
            Self::Xpress8k => 8192,
            Self::Xpress16k => 16_384,
            Self::Lzx => 32_768,
        }
    }

    fn decompress(self, input: &[u8], output: &mut [u8]) -> Result<(), CodecError> {
        match self {
            Self::Lzx => lzx::decompress(input, output),
            _ => xpress::decompress(input, output),
        }
    }
}

/// Where the data of a file with a WOF reparse point is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// In the file's own stream [`STREAM`].
    File(Algorithm),
    /// In a WIM file somewhere else (`WOF_PROVIDER_WIM`, as `WIMBoot` has it).
    Wim,
}

/// Why reparse data does not say where the data is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("WOF reparse data, byte {at}: expected {expected}, found {found}")]
pub struct ReparseError {
    /// Byte of the reparse data, its header included.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there; for missing bytes, how many there are.
    pub found: u32,
}

/// Reads reparse data with its header (MS-FSCC 2.1.2.2): tag, length, reserved,
/// then `WOF_EXTERNAL_INFO` (version, provider) and, from the file provider,
/// version and algorithm. Flags may follow.
pub fn parse_reparse(reparse: &[u8]) -> Result<Backing, ReparseError> {
    let field = |at: usize, expected: &'static str| {
        let bytes = reparse.get(at..).and_then(<[u8]>::first_chunk).ok_or(ReparseError {
            at,
            expected,
            found: u32::try_from(reparse.len()).unwrap_or(u32::MAX),
        })?;
        Ok(u32::from_le_bytes(*bytes))
    };
    let fixed = |at, value, expected| match field(at, expected)? {
        found if found == value => Ok(()),
        found => Err(ReparseError { at, expected, found }),
    };
    fixed(0, TAG, "the tag of WOF, 0x80000017")?;
    fixed(8, 1, "version 1 of the external information")?;
    match field(12, "a provider")? {
        1 => return Ok(Backing::Wim),
        2 => {}
        found => return Err(ReparseError { at: 12, expected: "provider 1 or 2", found }),
    }
    fixed(16, 1, "version 1 of the file provider")?;
    Ok(Backing::File(match field(20, "an algorithm")? {
        0 => Algorithm::Xpress4k,
        1 => Algorithm::Lzx,
        2 => Algorithm::Xpress8k,
        3 => Algorithm::Xpress16k,
        found => return Err(ReparseError { at: 20, expected: "an algorithm from 0 to 3", found }),
    }))
}

/// Why a chunk cannot be had. The reader stays at its start; the plain bytes
/// that it would give can be passed over with [`Reader::skip`].
#[derive(Debug, thiserror::Error)]
pub enum WofError<E> {
    /// The compressed stream could not be read there.
    #[error("compressed data of bytes {plain_offset} to {plain_end} of the file: {error}")]
    Read {
        /// First byte of the file that is missing because of it.
        plain_offset: u64,
        /// The byte after the last one that is missing.
        plain_end: u64,
        /// What the reader of the stream said.
        error: E,
    },
    /// The table of chunks cannot be right.
    #[error(
        "chunk table of the compressed data, byte {at}: expected {expected}, found {found} \
         (bytes {plain_offset} to {plain_end} of the file)"
    )]
    Table {
        /// Byte of the compressed stream.
        at: u64,
        /// What should stand there.
        expected: &'static str,
        /// What stands there, or follows from it.
        found: u64,
        /// First byte of the file that is missing because of it.
        plain_offset: u64,
        /// The byte after the last one that is missing.
        plain_end: u64,
    },
    /// A chunk cannot be decoded.
    #[error(
        "chunk at byte {at} of the compressed data: {error} \
         (bytes {plain_offset} to {plain_end} of the file)"
    )]
    Chunk {
        /// Byte of the compressed stream.
        at: u64,
        /// What the decoder said; counts from the chunk's start.
        error: CodecError,
        /// First byte of the file that is missing because of it.
        plain_offset: u64,
        /// The byte after the last one that is missing.
        plain_end: u64,
    },
}

impl<E> WofError<E> {
    /// The bytes of the file that cannot be had: first, and the one after the last.
    pub fn plain_range(&self) -> (u64, u64) {
        match *self {
            Self::Read { plain_offset, plain_end, .. }
            | Self::Table { plain_offset, plain_end, .. }
            | Self::Chunk { plain_offset, plain_end, .. } => (plain_offset, plain_end),
        }
    }
}

/// How much of the compressed stream is read at a time, in bytes.
const WINDOW: usize = 128 * 1024;

/// Entries of the chunk table that are read at a time.
const TABLE_WINDOW: u64 = 1024;

/// Reads the plain bytes of a compressed file, in order. Holds one window of
/// the stream, one of the table and one chunk: less than 200 KiB.
pub struct Reader<R> {
    algorithm: Algorithm,
    plain_size: u64,
    stream_size: u64,
    read_at: R,
    /// Byte of the file that is read next.
    position: u64,
    /// The chunk that is decoded in `plain`.
    decoded: Option<u64>,
    plain: Vec<u8>,
    /// A part of the compressed stream, and the byte of the stream it starts at.
    window: Vec<u8>,
    window_at: u64,
    /// A part of the chunk table, and the number of its first entry.
    table: Vec<u64>,
    table_at: u64,
}

impl<R, E> Reader<R>
where
    R: FnMut(u64, &mut [u8]) -> Result<(), E>,
{
    /// A reader for a file of `plain_size` bytes whose stream [`STREAM`] has
    /// `stream_size` bytes. `read_at` fills a buffer from a byte of that stream
    /// on; it is never asked for bytes beyond its end. What cannot be read is an
    /// error there, not zeros: those could decode to anything.
    pub fn new(algorithm: Algorithm, plain_size: u64, stream_size: u64, read_at: R) -> Self {
        Self {
            algorithm,
            plain_size,
            stream_size,
            read_at,
            position: 0,
            decoded: None,
            plain: Vec::new(),
            window: Vec::new(),
            window_at: 0,
            table: Vec::new(),
            table_at: 0,
        }
    }

    /// Plain bytes in all.
    pub fn len(&self) -> u64 {
        self.plain_size
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.plain_size == 0
    }

    /// The byte of the file that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Passes over `bytes`, to the end of the file at most. Decodes nothing.
    pub fn skip(&mut self, bytes: u64) {
        self.position = self.position.saturating_add(bytes).min(self.plain_size);
    }

    /// The next bytes; 0 at the end. Fills `buf` whole except at the end, or
    /// before a chunk that cannot be had: then what comes before it is given
    /// first, and the next call fails.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, WofError<E>> {
        let chunk_bytes = self.algorithm.chunk_bytes();
        let mut done = 0;
        while done < buf.len() && self.position < self.plain_size {
            let index = self.position / chunk_bytes as u64;
            // Below the chunk size, so both fit.
            let within = (self.position % chunk_bytes as u64) as usize;
            let size = self.plain_bytes_of(index);
            let rest = &mut buf[done..];
            let given = if self.decoded != Some(index) && within == 0 && rest.len() >= size {
                self.decode(index, &mut rest[..size]).map(|()| size)
            } else {
                self.decode_here(index).map(|()| {
                    let part = self.plain.get(within..).unwrap_or_default();
                    let count = part.len().min(rest.len());
                    rest[..count].copy_from_slice(&part[..count]);
                    count
                })
            };
            match given {
                Ok(count) => {
                    done += count;
                    self.position += count as u64;
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// Chunks in all.
    fn chunks(&self) -> u64 {
        self.plain_size.div_ceil(self.algorithm.chunk_bytes() as u64)
    }

    /// Plain bytes of a chunk.
    fn plain_bytes_of(&self, index: u64) -> usize {
        let chunk_bytes = self.algorithm.chunk_bytes();
        let rest = self.plain_size - index * chunk_bytes as u64;
        usize::try_from(rest).unwrap_or(chunk_bytes).min(chunk_bytes)
    }

    /// The bytes of the file that a chunk holds.
    fn plain_range_of(&self, index: u64) -> (u64, u64) {
        let start = index * self.algorithm.chunk_bytes() as u64;
        (start, start + self.plain_bytes_of(index) as u64)
    }

    /// Decodes a chunk into `self.plain`, unless it stands there already.
    fn decode_here(&mut self, index: u64) -> Result<(), WofError<E>> {
        if self.decoded == Some(index) {
            return Ok(());
        }
        self.decoded = None;
        let mut plain = std::mem::take(&mut self.plain);
        plain.resize(self.plain_bytes_of(index), 0);
        let result = self.decode(index, &mut plain);
        self.plain = plain;
        self.decoded = result.is_ok().then_some(index);
        result
    }

    /// Decodes a chunk into `plain`, which has the size of its plain data.
    fn decode(&mut self, index: u64, plain: &mut [u8]) -> Result<(), WofError<E>> {
        let (plain_offset, plain_end) = self.plain_range_of(index);
        let (at, size) = self.locate(index, plain.len())?;
        let algorithm = self.algorithm;
        let data = self.compressed(at, size).map_err(|error| WofError::Read {
            plain_offset,
            plain_end,
            error,
        })?;
        if size == plain.len() {
            plain.copy_from_slice(data);
            return Ok(());
        }
        algorithm.decompress(data, plain).map_err(|error| WofError::Chunk {
            at,
            error,
            plain_offset,
            plain_end,
        })
    }

    /// Where a chunk stands in the stream, and its size.
    fn locate(&mut self, index: u64, plain_bytes: usize) -> Result<(u64, usize), WofError<E>> {
        let (plain_offset, plain_end) = self.plain_range_of(index);
        let last = self.chunks() - 1;
        let width = self.entry_bytes();
        let table_bytes = last * width; // less than the plain size by far
        let bad = |at, expected, found| {
            Err(WofError::Table { at, expected, found, plain_offset, plain_end })
        };
        let Some(data_bytes) = self.stream_size.checked_sub(table_bytes) else {
            return bad(self.stream_size, "a whole chunk table", self.stream_size);
        };
        let mut entry = |number| {
            self.entry(number).map_err(|error| WofError::Read { plain_offset, plain_end, error })
        };
        let start = if index == 0 { 0 } else { entry(index - 1)? };
        let end = if index == last { data_bytes } else { entry(index)? };
        let at = index.min(last.saturating_sub(1)) * width;
        if end > data_bytes {
            return bad(at, "a chunk that ends in the stream", end);
        }
        match end.checked_sub(start) {
            None => bad(at, "a chunk that ends after its start", end),
            Some(size) if size == 0 || size > plain_bytes as u64 => {
                bad(at, "a chunk not larger than its plain data, nor empty", size)
            }
            // At most the size of a chunk.
            Some(size) => Ok((table_bytes + start, size as usize)),
        }
    }

    /// Bytes of an entry of the chunk table.
    fn entry_bytes(&self) -> u64 {
        if self.plain_size > u64::from(u32::MAX) { 8 } else { 4 }
    }

    /// An entry of the chunk table, which is known to lie in the stream.
    fn entry(&mut self, number: u64) -> Result<u64, E> {
        let known = number.checked_sub(self.table_at).filter(|n| *n < self.table.len() as u64);
        let nth = known.unwrap_or_default();
        if known.is_none() {
            let count = TABLE_WINDOW.min(self.chunks() - 1 - number);
            // The trouble may lie behind this entry: then read it alone.
            self.load_table(number, count).or_else(|_| self.load_table(number, 1))?;
        }
        Ok(self.table.get(nth as usize).copied().unwrap_or(0))
    }

    /// Reads entries of the chunk table into the window.
    fn load_table(&mut self, number: u64, count: u64) -> Result<(), E> {
        let width = self.entry_bytes();
        let mut bytes = vec![0; (count * width) as usize];
        self.table.clear();
        (self.read_at)(number * width, &mut bytes)?;
        self.table.extend(
            bytes.chunks_exact(width as usize).map(|entry| {
                entry.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }),
        );
        self.table_at = number;
        Ok(())
    }

    /// `size` bytes of the stream from `at` on, which are known to lie in it.
    fn compressed(&mut self, at: u64, size: usize) -> Result<&[u8], E> {
        let window_end = self.window_at + self.window.len() as u64;
        if at < self.window_at || at + size as u64 > window_end {
            // Keep what is there of it.
            let kept =
                if at >= self.window_at { window_end.saturating_sub(at) as usize } else { 0 };
            self.window.drain(..self.window.len() - kept);
            self.window_at = at;
            let ahead = (self.stream_size - at).min(WINDOW as u64) as usize;
            self.window.resize(ahead, 0);
            if (self.read_at)(at + kept as u64, &mut self.window[kept..]).is_err() {
                // The trouble may lie behind this chunk: read it alone.
                self.window.resize(size, 0);
                if let Err(e) = (self.read_at)(at + kept as u64, &mut self.window[kept..]) {
                    self.window.clear();
                    return Err(e);
                }
            }
        }
        // It is there: the window was filled for it.
        let from = (at - self.window_at) as usize;
        Ok(self.window.get(from..from + size).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reparse(provider: u32, algorithm: u32) -> Vec<u8> {
        let words = [TAG, 16, 1, provider, 1, algorithm];
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn reparse_data_names_the_algorithm() {
        let names = [(0, "XPRESS4K"), (1, "LZX"), (2, "XPRESS8K"), (3, "XPRESS16K")];
        for (number, name) in names {
            let Ok(Backing::File(algorithm)) = parse_reparse(&reparse(2, number)) else {
                panic!("algorithm {number} was not known");
            };
            assert_eq!(algorithm.as_str(), name);
        }
        assert_eq!(parse_reparse(&reparse(1, 9)), Ok(Backing::Wim));
        let more = [reparse(2, 1), vec![0; 4]].concat();
        assert_eq!(parse_reparse(&more), Ok(Backing::File(Algorithm::Lzx)));
    }

    #[test]
    fn other_reparse_data_is_refused_at_its_byte() {
        let at = |data: &[u8]| parse_reparse(data).unwrap_err().at;
        assert_eq!(at(&reparse(2, 4)), 20);
        assert_eq!(at(&reparse(3, 0)), 12);
        let whole = reparse(2, 0);
        for (byte, field) in [(0, 0), (8, 8), (16, 16)] {
            let mut bad = whole.clone();
            bad[byte] ^= 0x40;
            assert_eq!(at(&bad), field);
        }
        for cut in 0..whole.len() {
            assert!(parse_reparse(&whole[..cut]).is_err());
        }
    }

    /// A stream whose chunks are all stored plain: no decoder takes part.
    fn stored(plain: &[u8], algorithm: Algorithm) -> Vec<u8> {
        let chunks: Vec<_> = plain.chunks(algorithm.chunk_bytes()).collect();
        let mut stream = Vec::new();
        for number in 1..chunks.len() {
            let offset = u32::try_from(number * algorithm.chunk_bytes()).unwrap();
            stream.extend(offset.to_le_bytes());
        }
        stream.extend(chunks.concat());
        stream
    }

    /// What stands behind a reader in these tests: bytes, a bad range of which
    /// cannot be read.
    fn source(
        stream: Vec<u8>,
        bad: std::ops::Range<usize>,
    ) -> impl FnMut(u64, &mut [u8]) -> Result<(), String> {
        move |at, buf| {
            let at = at as usize;
            if at < bad.end && bad.start < at + buf.len() {
                return Err(format!("bad sector in {at}+{}", buf.len()));
            }
            buf.copy_from_slice(&stream[at..at + buf.len()]);
            Ok(())
        }
    }

    fn plain(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    proptest! {
        #[test]
        fn any_steps_of_reading_and_skipping_give_the_bytes(
            size in prop_oneof![Just(0), Just(1), 4095_usize..4098, 0_usize..300_000],
            steps in prop::collection::vec((0_usize..50_000, any::<bool>()), 0..40),
        ) {
            let want = plain(size);
            let stream = stored(&want, Algorithm::Xpress4k);
            let stream_size = stream.len() as u64;
            let read_at = source(stream, 0..0);
            let mut reader =
                Reader::new(Algorithm::Xpress4k, size as u64, stream_size, read_at);
            let mut at = 0;
            for (count, is_read) in steps {
                let count = count.min(size - at);
                if is_read {
                    let mut buf = vec![0; count];
                    prop_assert_eq!(reader.read(&mut buf).unwrap(), count);
                    prop_assert_eq!(&buf[..], &want[at..at + count]);
                } else {
                    reader.skip(count as u64);
                }
                at += count;
                prop_assert_eq!(reader.position(), at as u64);
            }
        }

        #[test]
        fn any_stream_is_read_or_refused(
            plain_size in prop_oneof![0_u64..100_000, any::<u64>()],
            start in any::<u64>(),
            stream in prop::collection::vec(any::<u8>(), 0..3000),
            algorithm in 0_u32..4,
        ) {
            let Ok(Backing::File(algorithm)) = parse_reparse(&reparse(2, algorithm)) else {
                panic!("not an algorithm")
            };
            let stream_size = stream.len() as u64;
            let mut reader =
                Reader::new(algorithm, plain_size, stream_size, source(stream, 0..0));
            let mut buf = vec![0; 10_000];
            for step in [0, start, 1, u64::MAX] {
                reader.skip(step);
                let before = reader.position();
                match reader.read(&mut buf) {
                    Ok(count) => prop_assert_eq!(reader.position(), before + count as u64),
                    Err(e) => {
                        let (from, to) = e.plain_range();
                        prop_assert!(from <= before && before < to && to <= plain_size);
                    }
                }
            }
        }
    }

    #[test]
    fn a_bad_sector_costs_its_chunk_only() {
        let want = plain(200_000);
        let stream = stored(&want, Algorithm::Xpress8k);
        let table = stream.len() - want.len();
        // In the chunk from 81,920 to 90,112.
        let bad = table + 85_000..table + 85_512;
        let stream_size = stream.len() as u64;
        let mut reader =
            Reader::new(Algorithm::Xpress8k, 200_000, stream_size, source(stream, bad));
        let mut got = Vec::new();
        let mut buf = vec![0; 30_000];
        let mut holes = Vec::new();
        loop {
            match reader.read(&mut buf) {
                Ok(0) => break,
                Ok(count) => got.extend_from_slice(&buf[..count]),
                Err(e) => {
                    let (from, to) = e.plain_range();
                    assert_eq!(from, reader.position());
                    holes.push((from, to));
                    got.resize(to as usize, 0);
                    reader.skip(to - from);
                }
            }
        }
        assert_eq!(holes, [(81_920, 90_112)]);
        assert_eq!((&got[..81_920], &got[90_112..]), (&want[..81_920], &want[90_112..]));
    }

    #[test]
    fn a_bad_sector_in_the_table_costs_the_chunks_that_need_it() {
        let want = plain(2000 * 4096);
        let stream = stored(&want, Algorithm::Xpress4k);
        let stream_size = stream.len() as u64;
        let mut reader = Reader::new(
            Algorithm::Xpress4k,
            want.len() as u64,
            stream_size,
            source(stream, 512..1024),
        );
        let mut buf = vec![0; 4096];
        let mut missing = Vec::new();
        for chunk in 0..2000_usize {
            if reader.read(&mut buf).is_ok() {
                assert_eq!(buf, want[chunk * 4096..(chunk + 1) * 4096]);
            } else {
                missing.push(chunk);
                reader.skip(4096);
            }
        }
        // Entries 128 to 255 are gone: ends of chunks 128 to 255, starts of 129 to 256.
        assert_eq!(missing, (128..=256).collect::<Vec<_>>());
    }

    #[test]
    fn a_table_that_lies_is_found_out() {
        let want = plain(3 * 4096);
        let good = stored(&want, Algorithm::Xpress4k);
        for (entry, value) in [(0, 0_u32), (0, 4097), (1, 4095), (1, u32::MAX), (1, 4096)] {
            let mut stream = good.clone();
            stream[entry * 4..entry * 4 + 4].copy_from_slice(&value.to_le_bytes());
            let stream_size = stream.len() as u64;
            let read_at = source(stream, 0..0);
            let mut reader = Reader::new(Algorithm::Xpress4k, 3 * 4096, stream_size, read_at);
            reader.skip(entry as u64 * 4096);
            let result = reader.read(&mut [0; 4096]);
            assert!(matches!(result, Err(WofError::Table { .. })), "{entry} {value}: {result:?}");
        }
        let mut reader = Reader::new(Algorithm::Xpress4k, 3 * 4096, 7, source(good, 0..0));
        assert!(matches!(reader.read(&mut [0; 9]), Err(WofError::Table { at: 7, .. })));
    }
}
