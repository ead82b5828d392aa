//! `$VOLUME_INFORMATION`: NTFS version and dirty flag (Linux-NTFS).

use crate::model::bytes::u16_at;

/// What it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeInformation {
    /// Major and minor version: 3.1 since Windows XP.
    pub version: (u8, u8),
    /// The volume was not unmounted cleanly, or Windows found it damaged.
    pub is_dirty: bool,
}

impl VolumeInformation {
    /// Reads the value; `None` where it is too short.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let version = (*value.get(8)?, *value.get(9)?);
        Some(Self { version, is_dirty: u16_at(value, 10)? & 1 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_dirty_flag() {
        let value = [0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0x81, 0];
        let found = VolumeInformation::parse(&value);
        assert_eq!(found, Some(VolumeInformation { version: (3, 1), is_dirty: true }));
        assert!(!VolumeInformation::parse(&[0; 12]).unwrap().is_dirty);
        assert_eq!(VolumeInformation::parse(&value[..11]), None);
    }
}
