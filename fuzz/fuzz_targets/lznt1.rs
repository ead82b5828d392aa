//! Two bytes of limit, then LZNT1: never more than the limit, and a lower limit
//! gives the start of what a higher one gives. What is salvaged of bad input begins
//! with what was decoded before the bad place.

use lifeboat::ntfs::codec::lznt1::{decompress, salvage};

pub(crate) fn run(data: &[u8]) {
    let Some((limit, input)) = data.split_first_chunk() else { return };
    let limit = usize::from(u16::from_le_bytes(*limit));
    let (mut all, mut part) = (Vec::new(), Vec::new());
    let whole = decompress(input, &mut all, 65_536);
    let cut = decompress(input, &mut part, limit);
    assert!(all.len() <= 65_536 && part.len() <= limit);
    assert!(all.starts_with(&part));
    assert!(whole.is_err() || cut.is_ok());

    let mut saved = Vec::new();
    let missing = salvage(input, &[], &mut saved, limit);
    assert!(saved.len() <= limit && saved.starts_with(&part));
    assert_eq!(missing.is_empty(), cut.is_ok());
    for bad in missing {
        assert!(saved[bad.plain].iter().all(|b| *b == 0));
    }
}
