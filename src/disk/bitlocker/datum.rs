//! A datum: the record that BitLocker's metadata and key files are made of (libbde, 5.3).

use crate::model::bytes::{slice, u16_at};

/// What a datum is for (libbde, 5.3.1).
pub(super) mod role {
    pub(in super::super) const VMK: u16 = 2;
    pub(in super::super) const FVEK: u16 = 3;
    pub(in super::super) const STARTUP_KEY: u16 = 6;
    pub(in super::super) const DESCRIPTION: u16 = 7;
    pub(in super::super) const VIRTUALISATION: u16 = 0x0F;
}

/// What a datum's value is (libbde, 5.3.2; dislocker, `datums.h`).
pub(super) mod value {
    pub(in super::super) const KEY: u16 = 1;
    pub(in super::super) const STRING: u16 = 2;
    pub(in super::super) const STRETCH_KEY: u16 = 3;
    pub(in super::super) const AES_CCM: u16 = 5;
    pub(in super::super) const VMK: u16 = 8;
    pub(in super::super) const EXTERNAL_KEY: u16 = 9;
    pub(in super::super) const VIRTUALISATION: u16 = 0x0F;
}

/// Bytes before a datum's data.
const HEADER: usize = 8;

/// A datum. Its version is not looked at: suspended volumes have other ones than 1 (seen: 3, 261).
#[derive(Clone, Copy)]
pub(super) struct Datum<'a> {
    pub(super) role: u16,
    pub(super) value: u16,
    pub(super) data: &'a [u8],
}

impl<'a> Datum<'a> {
    /// The datums in `bytes`, in order; ends at the first that is not one. Roles and values that
    /// nobody knows occur between the others (seen in Windows 11) and are for the caller to skip.
    pub(super) fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut at = 0_usize;
        std::iter::from_fn(move || {
            let size = usize::from(u16_at(bytes, at)?);
            let data = slice(bytes, at.checked_add(HEADER)?, size.checked_sub(HEADER)?)?;
            let datum = Self { role: u16_at(bytes, at + 2)?, value: u16_at(bytes, at + 4)?, data };
            at = at.checked_add(size)?;
            Some(datum)
        })
    }

    /// The text of a string, without its NUL.
    pub(super) fn text(&self) -> Option<String> {
        let units = crate::model::bytes::utf16(self.data);
        let units = units.split(|unit| *unit == 0).next().unwrap_or_default();
        (self.value == value::STRING).then(|| String::from_utf16_lossy(units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datums_end_where_they_stop_making_sense() {
        let mut bytes = vec![10, 0, 7, 0, 2, 0, 1, 0, b'A', 0];
        bytes.extend([8, 0, 99, 0, 98, 0, 1, 0]);
        for end in [&[][..], &[0; 8], &[7, 0, 0, 0, 0, 0, 0, 0], &[200, 0, 0, 0, 0, 0, 0, 0], &[9]]
        {
            let all = [bytes.as_slice(), end].concat();
            let found: Vec<_> = Datum::all(&all).map(|d| (d.role, d.value, d.text())).collect();
            assert_eq!(found, [(7, 2, Some("A".to_owned())), (99, 98, None)], "{end:?}");
        }
    }
}
