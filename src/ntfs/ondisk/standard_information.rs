//! `$STANDARD_INFORMATION`: times, attributes, security id (Linux-NTFS).

use crate::model::bytes::{u32_at, u64_at};
use crate::model::metadata::{FileTime, Times};

/// What it says. Always in the base record, always resident.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StandardInformation {
    /// The four times.
    pub times: Times,
    /// Attributes (MS-FSCC 2.6), without the directory bit.
    pub attributes: u32,
    /// Id in `$Secure`; `None` where the descriptor is an attribute of its own.
    pub security_id: Option<u32>,
}

impl StandardInformation {
    /// Reads the value; `None` where it is too short for times and attributes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let time = |at| u64_at(value, at).map(FileTime);
        Some(Self {
            times: Times {
                created: time(0x00)?,
                modified: time(0x08)?,
                changed: time(0x10)?,
                accessed: time(0x18)?,
            },
            attributes: u32_at(value, 0x20)?,
            // NTFS 3.0 and later have 72 bytes, before that 48.
            security_id: u32_at(value, 0x34).filter(|id| *id != 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_lengths() {
        let mut value = vec![0_u8; 72];
        value[0x08] = 9;
        value[0x20] = 0x22;
        value[0x34] = 5;
        let new = StandardInformation::parse(&value).unwrap();
        assert_eq!((new.times.modified.0, new.attributes, new.security_id), (9, 0x22, Some(5)));
        let old = StandardInformation::parse(&value[..48]).unwrap();
        assert_eq!((old.attributes, old.security_id), (0x22, None));
        assert_eq!(StandardInformation::parse(&value[..0x22]), None);
    }
}
