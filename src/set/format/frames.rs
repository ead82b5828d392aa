//! Independent zstd frames and their seek table (the zstd seekable format: a
//! skippable frame at the end, which plain zstd skips).

use zeekstd::{BytesWrapper, SeekTable};
use zstd::bulk::{Compressor, Decompressor};
use zstd::stream::raw::{Encoder, InBuffer, Operation as _, OutBuffer};
use zstd::zstd_safe::{CParameter, compress_bound};

use crate::set::error::SetError;

/// The largest padding frame, in bytes: fills an encrypted file up to a whole chunk.
pub(crate) const MOST_PADDING: usize = crate::set::crypt::stream::CHUNK + 8;

/// The plain size of a frame: large enough for zstd to work well (its window at the
/// usual levels is 2 to 4 MiB), small enough that a flipped bit costs little and a
/// dozen frames fit into memory.
pub const FRAME_BYTES: u64 = 4 << 20;

/// The largest plain size of a frame that is read: limits what a forged set can make
/// a reader allocate.
pub(crate) const MAX_FRAME_BYTES: u64 = 64 << 20;

/// From this level on, a frame takes seconds: it is compressed in steps, so that a job can show
/// that it is alive, and stop.
const SLOW_LEVEL: i32 = 7;
/// Bytes per step: a block of zstd, which takes a tenth of a second at the highest level.
const STEP: usize = 128 << 10;

/// Compresses frames; the same bytes at the same level give the same frame.
pub struct Packer(Way);

/// How a frame is compressed. It depends only on the level, as the bytes of a frame do.
enum Way {
    AtOnce(Compressor<'static>),
    InSteps(Encoder<'static>),
}

impl Packer {
    /// Creates one for a zstd level.
    pub fn new(level: i32) -> Result<Self, SetError> {
        if level >= SLOW_LEVEL {
            let mut encoder = Encoder::new(level).map_err(|e| internal(&e))?;
            encoder.set_parameter(CParameter::ChecksumFlag(true)).map_err(|e| internal(&e))?;
            encoder.set_parameter(CParameter::ContentSizeFlag(true)).map_err(|e| internal(&e))?;
            return Ok(Self(Way::InSteps(encoder)));
        }
        let mut compressor = Compressor::new(level).map_err(|e| internal(&e))?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(|e| internal(&e))?;
        compressor.set_parameter(CParameter::ContentSizeFlag(true)).map_err(|e| internal(&e))?;
        if level == 1 {
            // zstd's own tables suit a window of 512 KiB. These cover the whole frame and
            // still fit into a core's cache: the set of benches/offload.sh becomes a
            // seventh smaller, and no slower.
            compressor.set_parameter(CParameter::WindowLog(22)).map_err(|e| internal(&e))?;
            compressor.set_parameter(CParameter::HashLog(17)).map_err(|e| internal(&e))?;
        }
        Ok(Self(Way::AtOnce(compressor)))
    }

    /// Compresses `plain` into one frame, which replaces the content of `packed`.
    pub fn pack(&mut self, plain: &[u8], packed: &mut Vec<u8>) -> Result<(), SetError> {
        self.pack_watched(plain, packed, &mut |_| Ok(()))
    }

    /// The same. `watch` is called with the number of plain bytes since its last call, several
    /// times a second, and stops the work by an error.
    pub fn pack_watched(
        &mut self,
        plain: &[u8],
        packed: &mut Vec<u8>,
        watch: &mut dyn FnMut(usize) -> Result<(), SetError>,
    ) -> Result<(), SetError> {
        packed.clear();
        packed.reserve(compress_bound(plain.len()));
        match &mut self.0 {
            Way::AtOnce(compressor) => {
                compressor.compress_to_buffer(plain, packed).map_err(|e| internal(&e))?;
                watch(plain.len())
            }
            Way::InSteps(encoder) => in_steps(encoder, plain, packed, watch),
        }
    }
}

fn in_steps(
    encoder: &mut Encoder<'static>,
    plain: &[u8],
    packed: &mut Vec<u8>,
    watch: &mut dyn FnMut(usize) -> Result<(), SetError>,
) -> Result<(), SetError> {
    // The frame before this one may have been stopped in its middle.
    encoder.reinit().map_err(|e| internal(&e))?;
    encoder.set_pledged_src_size(Some(plain.len() as u64)).map_err(|e| internal(&e))?;
    // The whole of it has room: see `compress_bound`.
    let mut out = OutBuffer::around(packed);
    for step in plain.chunks(STEP) {
        let mut input = InBuffer::around(step);
        while input.pos() < step.len() {
            let before = (input.pos(), out.pos());
            encoder.run(&mut input, &mut out).map_err(|e| internal(&e))?;
            if (input.pos(), out.pos()) == before {
                return Err(SetError::Internal { what: "zstd: a frame has no room".to_owned() });
            }
        }
        watch(step.len())?;
    }
    while encoder.finish(&mut out, true).map_err(|e| internal(&e))? > 0 {}
    Ok(())
}

fn internal(error: &std::io::Error) -> SetError {
    SetError::Internal { what: format!("zstd: {error}") }
}

/// Decompresses frames, within limits whatever they claim.
pub(crate) struct Unpacker(Decompressor<'static>);

impl Unpacker {
    /// Creates one.
    pub(crate) fn new() -> Result<Self, SetError> {
        Decompressor::new().map(Self).map_err(|e| internal(&e))
    }

    /// Decompresses a frame that must yield exactly `plain_size` bytes, which replace
    /// the content of `plain`. The error says what is wrong with the frame.
    pub(crate) fn unpack(
        &mut self,
        packed: &[u8],
        plain_size: u64,
        plain: &mut Vec<u8>,
    ) -> Result<(), String> {
        plain.clear();
        let size = match usize::try_from(plain_size) {
            Ok(size) if plain_size <= MAX_FRAME_BYTES => size,
            _ => return Err(format!("a frame of {plain_size} bytes is larger than the limit")),
        };
        plain.reserve_exact(size);
        // The spare capacity limits the output.
        let got = self.0.decompress_to_buffer(packed, plain).map_err(|e| e.to_string())?;
        if got != size {
            return Err(format!("the frame has {got} bytes, expected {size}"));
        }
        Ok(())
    }
}

/// The sizes of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameSizes {
    /// Bytes, compressed.
    pub packed: u32,
    /// Bytes, plain.
    pub plain: u32,
}

/// A seek table under construction.
#[derive(Default)]
pub struct TableWriter(SeekTable);

impl TableWriter {
    /// Adds a frame.
    pub fn push(&mut self, packed: u64, plain: u64) -> Result<(), SetError> {
        let too_large = || SetError::Internal { what: "a frame larger than 4 GiB".to_owned() };
        let packed = u32::try_from(packed).map_err(|_| too_large())?;
        let plain = u32::try_from(plain).map_err(|_| too_large())?;
        let too_many = || SetError::Unfit {
            what: "more frames than a set can have; use a larger frame size".to_owned(),
        };
        if self.0.num_frames() as usize >= MAX_FRAMES {
            return Err(too_many());
        }
        self.0.log_frame(packed, plain).map_err(|_| too_many())
    }

    /// The table as it is written to the end of a file.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut serializer = self.0.into_serializer();
        let mut bytes = vec![0; serializer.encoded_len()];
        let mut done = 0;
        while done < bytes.len() {
            match serializer.write_into(&mut bytes[done..]) {
                0 => break,
                n => done += n,
            }
        }
        bytes.truncate(done);
        bytes
    }
}

/// The most frames of a file: 8 TiB at the usual size. A reader keeps all their
/// positions in memory, 100 MiB for this many; a forged table must not require
/// more.
pub(crate) const MAX_FRAMES: usize = 2 << 20;

/// Bytes of the footer, which ends a table and has its size.
pub(crate) const TABLE_FOOTER: usize = 9;

/// Bytes of a whole table of so many frames.
pub(crate) fn size_of_table(frames: usize) -> u64 {
    frames as u64 * 8 + 8 + TABLE_FOOTER as u64
}

/// Bytes of a whole table, by its footer; `None` if the footer is not valid, or
/// claims more than the file has or [`MAX_FRAMES`].
pub(crate) fn table_size(footer: &[u8; TABLE_FOOTER], file_size: u64) -> Option<u64> {
    let [a, b, c, d, descriptor, magic @ ..] = *footer;
    if u32::from_le_bytes(magic) != 0x8F92_EAB1 || descriptor & 0x7C != 0 {
        return None;
    }
    let entry = if descriptor & 0x80 != 0 { 12 } else { 8 };
    let frames = u64::from(u32::from_le_bytes([a, b, c, d]));
    let size = frames * entry + 8 + TABLE_FOOTER as u64;
    (size <= file_size && frames <= MAX_FRAMES as u64).then_some(size)
}

/// Reads a whole table; `None` if it is not valid.
pub(crate) fn read_table(bytes: &[u8]) -> Option<Vec<FrameSizes>> {
    let footer = bytes.last_chunk()?;
    if table_size(footer, bytes.len() as u64)? != bytes.len() as u64 {
        return None;
    }
    let table = SeekTable::from_seekable(&mut BytesWrapper::new(bytes)).ok()?;
    let frame = |index| {
        Some(FrameSizes {
            packed: u32::try_from(table.frame_size_comp(index).ok()?).ok()?,
            plain: u32::try_from(table.frame_size_decomp(index).ok()?).ok()?,
        })
    };
    (0..table.num_frames()).map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_comes_back_and_never_yields_more_than_it_should() {
        let plain = vec![7; 1 << 20];
        let (mut packed, mut back) = (Vec::new(), Vec::new());
        Packer::new(3).unwrap().pack(&plain, &mut packed).unwrap();
        let mut unpacker = Unpacker::new().unwrap();
        unpacker.unpack(&packed, plain.len() as u64, &mut back).unwrap();
        assert_eq!(back, plain);
        assert!(unpacker.unpack(&packed, 1000, &mut back).is_err(), "a bomb");
        assert!(back.capacity() <= 1 << 20);
        assert!(unpacker.unpack(&packed, (1 << 20) + 1, &mut back).is_err(), "too short");
        assert!(unpacker.unpack(&packed, u64::MAX, &mut back).is_err());
        for at in 0..packed.len() {
            packed[at] ^= 0x10;
            let same = unpacker.unpack(&packed, plain.len() as u64, &mut back).is_ok();
            assert!(!same || back == plain, "a flipped bit at {at} went unseen");
            packed[at] ^= 0x10;
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33).to_le_bytes()[0]
        });
        let plain: Vec<u8> = noise.take(4 << 20).collect();
        for level in [1, 3, 7, 12, 19] {
            let mut packed = Vec::new();
            Packer::new(level).unwrap().pack(&plain, &mut packed).unwrap();
            // RFC 8878, 3.1.1: a header of at most 18 bytes, a checksum, and 3 bytes
            // for each block of at most 128 KiB, which is then stored as it is.
            let more = packed.len() - plain.len();
            assert!(more <= 18 + 4 + 3 * 33, "level {level}: {more} bytes more");
        }
    }

    #[test]
    fn a_table_of_too_many_frames_is_neither_written_nor_read() {
        let footer = |frames: usize| {
            let mut footer = [0, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F];
            footer[..4].copy_from_slice(&u32::try_from(frames).unwrap().to_le_bytes());
            footer
        };
        assert_eq!(table_size(&footer(MAX_FRAMES), u64::MAX), Some((16 << 20) + 17));
        assert_eq!(table_size(&footer(MAX_FRAMES + 1), u64::MAX), None);
        let mut writer = TableWriter::default();
        for _ in 0..MAX_FRAMES {
            writer.push(1, 1).unwrap();
        }
        assert!(matches!(writer.push(1, 1), Err(SetError::Unfit { .. })));
    }

    proptest! {
        #[test]
        fn tables_come_back(sizes: Vec<(u32, u32)>) {
            let mut writer = TableWriter::default();
            let max = 0x4000_0000;
            for &(packed, plain) in &sizes {
                writer.push(u64::from(packed % max), u64::from(plain % max)).unwrap();
            }
            let bytes = writer.to_bytes();
            let back = read_table(&bytes).unwrap();
            prop_assert_eq!(back.len(), sizes.len());
            for (frame, size) in back.iter().zip(&sizes) {
                prop_assert_eq!((frame.packed, frame.plain), (size.0 % max, size.1 % max));
            }
            prop_assert!(read_table(&bytes[1..]).is_none());
        }

        #[test]
        fn any_table_is_survived(bytes: Vec<u8>, count: u32) {
            let mut bytes = bytes;
            bytes.extend(count.to_le_bytes());
            bytes.extend([0, 0xB1, 0xEA, 0x92, 0x8F]);
            let _ = read_table(&bytes);
            bytes.splice(0..0, [0x5E, 0x2A, 0x4D, 0x18]);
            let _ = read_table(&bytes);
        }
    }
}
