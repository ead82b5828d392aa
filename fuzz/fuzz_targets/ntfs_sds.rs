//! Any bytes as a block of `$Secure:$SDS`: entries that lie in the block, one
//! behind the other.

use lifeboat::ntfs::read::secure::{entries, hash};

pub(crate) fn run(data: &[u8]) {
    let (found, _) = entries(data, 0);
    let mut end = 0;
    for entry in found {
        assert!(entry.offset >= end && entry.id != 0);
        end = entry.offset + u64::from(entry.length);
    }
    hash(data);
}
