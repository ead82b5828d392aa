//! Any text as a mapfile of ddrescue: what it says was read lies within the image.

use lifeboat::disk::Mapfile;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(map) = Mapfile::parse(text) else { return };
    for len in [0, 1, 512, 1 << 40, u64::MAX] {
        assert!(map.missing(len) <= len);
    }
}
