//! The drive that a part was on in Windows. WinPE and Linux do not know it, but
//! `loadstate` requires every part on its own drive.

use std::fmt;

use crate::model::bytes::utf16;
use crate::model::metadata::NodeId;
use crate::tree::Tree;

/// How a drive letter was determined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriveFrom {
    /// `File\X$` is the only such folder in the part. A part contains only
    /// files of its own volume, because links cannot cross volumes.
    FileFolder,
    /// `hardlink.main` gives the letter for the part's GUID (inferred: the
    /// format of that file is not documented).
    HardlinkMain,
    /// The volume has a Windows folder, so it is assumed to be C.
    WindowsFolder,
    /// The registry of its Windows.
    Registry,
    /// The current letter of the volume on this machine.
    Present,
    /// Not known.
    Unknown,
}

impl fmt::Display for DriveFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileFolder => "from the store's File folder",
            Self::HardlinkMain => "from hardlink.main (its format is inferred)",
            Self::WindowsFolder => "assumed to be C: it has a Windows folder",
            Self::Registry => "from the registry of its Windows",
            Self::Present => "the current letter; in Windows it may be another",
            Self::Unknown => "unknown",
        })
    }
}

/// The drive that a part was on in Windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drive {
    /// Upper case; `None` if not known.
    pub letter: Option<char>,
    /// How it was determined.
    pub from: DriveFrom,
    /// The substitute for an unknown letter: `volume-<serial>`.
    pub fallback: String,
}

impl Drive {
    /// The letter, or its substitute. The first name of the part's paths in a
    /// set.
    pub fn name(&self) -> String {
        self.letter.map_or_else(|| self.fallback.clone(), String::from)
    }
}

/// The largest `hardlink.main` that is read, in bytes.
pub(crate) const MOST_MAIN: usize = 64 * 1024;

/// The lines of `hardlink.main`: a drive letter, a tab, a GUID (inferred).
/// Other lines are skipped.
pub(crate) fn parse_hardlink_main(bytes: &[u8]) -> Vec<(char, String)> {
    // UTF-8 or UTF-16: which one is not documented.
    let text = if let Some(marked) = bytes.strip_prefix(&[0xFF, 0xFE]) {
        String::from_utf16_lossy(&utf16(marked))
    } else if bytes.get(1) == Some(&0) {
        String::from_utf16_lossy(&utf16(bytes))
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    text.lines()
        .filter_map(|line| {
            let (drive, guid) = line.split_once('\t')?;
            let mut chars = drive.trim().chars();
            let letter = chars.next().filter(char::is_ascii_alphabetic)?;
            matches!(chars.as_str(), "" | ":" | ":\\")
                .then(|| (letter.to_ascii_uppercase(), guid.trim().to_ascii_lowercase()))
        })
        .collect()
}

/// Reads a small file; `None` if it is larger than `limit` bytes or cannot be
/// read.
pub(super) fn read_small(tree: &dyn Tree, node: NodeId, limit: usize) -> Option<Vec<u8>> {
    let mut stream = tree.open(node, None).ok()?;
    let len = usize::try_from(stream.len()).ok().filter(|len| *len <= limit)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match stream.read(&mut bytes[filled..]).ok()? {
            0 => return None,
            n => filled += n,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardlink_main_is_read_in_either_width() {
        let want = vec![('C', "{aa}".to_owned()), ('D', "{bb}".to_owned())];
        assert_eq!(parse_hardlink_main(b"C\t{AA}\r\nd:\t{bb}\r\nnonsense\r\n"), want);
        let mut wide = vec![0xFF, 0xFE];
        wide.extend("C\t{AA}\r\nD\t{BB}\r\n".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(parse_hardlink_main(&wide), want);
        assert_eq!(parse_hardlink_main(&wide[2..]), want);
    }

    #[test]
    fn rubbish_in_hardlink_main_yields_nothing() {
        assert!(parse_hardlink_main(&[0xFF; 99]).is_empty());
        assert!(parse_hardlink_main(b"Clubs\t{aa}\n1\t{bb}\n\t{cc}").is_empty());
    }
}
