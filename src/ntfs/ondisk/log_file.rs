//! `$LogFile`'s restart pages: whether changes wait to be replayed
//! (Linux-NTFS, "Log file").
//!
//! Two restart pages stand at the start; the one with the higher sequence
//! counts. The log itself is not read: Lifeboat never writes to a source, so it
//! could not replay it.

use super::fixup;
use crate::model::bytes::{u16_at, u32_at, u64_at};

/// How many bytes of `$LogFile` hold the restart pages, whatever their size.
pub const RESTART_BYTES: usize = 2 * MAX_PAGE_BYTES;
const MAX_PAGE_BYTES: usize = 65_536;
/// No client of the log is active.
const NO_CLIENT: u16 = 0xFFFF;
/// The volume was unmounted cleanly.
const IS_CLEAN: u16 = 2;

/// What the restart pages say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogState {
    /// The volume was unmounted cleanly, or the log is empty.
    Clean,
    /// Changes in the log may not have reached their place.
    Unreplayed,
    /// Neither page makes sense.
    Unknown,
}

/// Looks at the first bytes of `$LogFile` (see [`RESTART_BYTES`]).
pub fn state(bytes: &[u8]) -> LogState {
    // An emptied log (ntfs-3g, mkntfs) is filled with 0xFF.
    if bytes.iter().all(|b| *b == 0xFF) {
        return LogState::Clean;
    }
    let first = restart_page(bytes);
    // The second page follows the first; if that one is bad, its size is not
    // known, and is a power of two.
    let sizes = match first {
        Some(page) => vec![page.page_bytes],
        None => vec![512, 1024, 2048, 4096, 8192, 16_384, 32_768, MAX_PAGE_BYTES],
    };
    let second = sizes.into_iter().find_map(|size| restart_page(bytes.get(size..)?));
    let latest = first.into_iter().chain(second).max_by_key(|page| page.sequence);
    match latest {
        None => LogState::Unknown,
        Some(page) if page.is_clean => LogState::Clean,
        Some(_) => LogState::Unreplayed,
    }
}

#[derive(Clone, Copy)]
struct RestartPage {
    page_bytes: usize,
    sequence: u64,
    is_clean: bool,
}

fn restart_page(bytes: &[u8]) -> Option<RestartPage> {
    // "CHKD": chkdsk has been there.
    if !bytes.starts_with(b"RSTR") && !bytes.starts_with(b"CHKD") {
        return None;
    }
    let page_bytes = usize::try_from(u32_at(bytes, 0x10)?).ok()?;
    if !page_bytes.is_power_of_two() || !(512..=MAX_PAGE_BYTES).contains(&page_bytes) {
        return None;
    }
    let mut page = bytes.get(..page_bytes)?.to_vec();
    if fixup::apply(&mut page, 0, "$LogFile").ok()? < page_bytes {
        return None;
    }
    let area = page.get(usize::from(u16_at(&page, 0x18)?)..)?;
    let in_use = u16_at(area, 0x0C)?;
    let flags = u16_at(area, 0x0E)?;
    Some(RestartPage {
        page_bytes,
        sequence: u64_at(area, 0)?,
        is_clean: in_use == NO_CLIENT || flags & IS_CLEAN != 0,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A restart page of 4096 bytes.
    pub(crate) fn page(sequence: u64, in_use: u16, flags: u16) -> Vec<u8> {
        let mut b = vec![0; 4096];
        b[..4].copy_from_slice(b"RSTR");
        b[4..8].copy_from_slice(&[0x1E, 0, 9, 0]);
        b[0x10..0x14].copy_from_slice(&4096_u32.to_le_bytes());
        b[0x18..0x1A].copy_from_slice(&0x30_u16.to_le_bytes());
        b[0x30..0x38].copy_from_slice(&sequence.to_le_bytes());
        b[0x3C..0x3E].copy_from_slice(&in_use.to_le_bytes());
        b[0x3E..0x40].copy_from_slice(&flags.to_le_bytes());
        b
    }

    #[test]
    fn the_later_page_counts() {
        for (pages, expected) in [
            ([page(5, NO_CLIENT, 0), page(4, 0, 0)], LogState::Clean),
            ([page(5, NO_CLIENT, 0), page(6, 0, 0)], LogState::Unreplayed),
            ([page(5, 0, IS_CLEAN), page(4, 0, 0)], LogState::Clean),
            ([page(5, 0, 0), vec![0; 4096]], LogState::Unreplayed),
            ([vec![0; 4096], page(4, 0, 0)], LogState::Unreplayed),
            ([vec![0; 4096], vec![7; 4096]], LogState::Unknown),
        ] {
            assert_eq!(state(&pages.concat()), expected);
        }
    }

    #[test]
    fn empty_and_hostile_logs() {
        assert_eq!(state(&[0xFF; 8192]), LogState::Clean);
        assert_eq!(state(&[]), LogState::Clean);
        let good = page(5, 0, 0);
        for (at, byte) in [(0x11, 0xFF), (0x10, 1), (0x19, 0xFF), (4, 0xFF), (510, 1)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let found = state(&bytes);
            assert!(matches!(found, LogState::Unknown | LogState::Clean), "{at}: {found:?}");
        }
    }
}
