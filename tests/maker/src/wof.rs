//! Files that Compact OS (the Windows Overlay Filter) compressed: the unnamed
//! stream is one hole, the data is in the stream `WofCompressedData`, and reparse
//! data of tag 0x80000017 names the algorithm (MS-FSCC 2.1.2.1; the structures
//! are `WOF_EXTERNAL_INFO` and `FILE_PROVIDER_EXTERNAL_INFO_V1` of wdm.h).
//!
//! The chunks written here are stored as they are, which the format allows where
//! compressing gains nothing: a chunk as long as its plain data is plain.

use crate::content::Content;
use crate::path::TreePath;
use crate::reparse;
use crate::tree::{Entry, TreeSpec};

/// The reparse tag.
pub const TAG: u32 = 0x8000_0017;
/// The stream with the data.
pub const STREAM: &str = "WofCompressedData";

/// How chunks are compressed, by its number in the reparse data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// XPRESS with Huffman codes, chunks of 4 KiB.
    Xpress4K = 0,
    /// LZX, chunks of 32 KiB.
    Lzx = 1,
    /// XPRESS, chunks of 8 KiB.
    Xpress8K = 2,
    /// XPRESS, chunks of 16 KiB.
    Xpress16K = 3,
}

impl Algorithm {
    /// Bytes of plain data in a chunk.
    pub fn chunk(self) -> usize {
        match self {
            Self::Xpress4K => 4096,
            Self::Xpress8K => 8192,
            Self::Xpress16K => 16_384,
            Self::Lzx => 32_768,
        }
    }
}

/// Makes a file of `plain` whose chunks are stored uncompressed.
pub fn put(
    tree: &mut TreeSpec,
    path: impl Into<TreePath>,
    algorithm: Algorithm,
    plain: Content,
) -> &mut Entry {
    let bytes = plain.to_vec().unwrap_or_default();
    let chunks: Vec<Vec<u8>> = bytes.chunks(algorithm.chunk()).map(<[u8]>::to_vec).collect();
    put_chunks(tree, path, algorithm, plain, &chunks)
}

/// Makes a file of `plain` from chunks that the caller compressed. Files below
/// 4 GiB only: the table has 4-byte offsets.
pub fn put_chunks<'a>(
    tree: &'a mut TreeSpec,
    path: impl Into<TreePath>,
    algorithm: Algorithm,
    plain: Content,
    chunks: &[Vec<u8>],
) -> &'a mut Entry {
    // Where each chunk but the first starts, counted from the end of this table.
    let mut stream = Vec::new();
    let mut at = 0_u32;
    for chunk in chunks.iter().take(chunks.len().saturating_sub(1)) {
        at += u32::try_from(chunk.len()).unwrap_or(0);
        stream.extend_from_slice(&at.to_le_bytes());
    }
    stream.extend(chunks.concat());

    // Version 1 and the provider "file"; then version 1 and the algorithm.
    let buffer: Vec<u8> =
        [1, 2, 1, algorithm as u32].into_iter().flat_map(u32::to_le_bytes).collect();
    let hole = Content::Sparse { len: plain.len(), islands: Vec::new() };
    let entry = tree.file(path, hole);
    entry.stream(STREAM, Content::Bytes(stream)).reparse(reparse::microsoft(TAG, &buffer));
    entry.facts.wof = Some(plain);
    entry
}
