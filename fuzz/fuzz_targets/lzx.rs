//! Two bytes of plain size, then a chunk: what is decoded into less room is the
//! start of what is decoded into more (but for the last ten bytes, in which no
//! x86 call is translated).

use lifeboat::ntfs::codec::lzx::decompress;

pub(crate) fn run(data: &[u8]) {
    let Some((size, input)) = data.split_first_chunk() else { return };
    let mut out = vec![0; usize::from(u16::from_le_bytes(*size))];
    let mut half = vec![0; out.len() / 2];
    if decompress(input, &mut out).is_ok() && decompress(input, &mut half).is_ok() {
        assert!(out.starts_with(&half[..half.len().saturating_sub(10)]));
    }
}
