//! Sector 0 of a BitLocker volume (libbde, section 3): where the metadata is.

use super::error::BitLockerError;
use crate::disk::guid::Guid;
use crate::model::bytes::{array_at, stands_at, u16_at, u64_at};

/// The volume is encrypted, or converted from front to back (libbde, 3.1).
const NORMAL: Guid = Guid::from_digits(0x4967D63B_2E29_4AD8_8399_F6A339E3D001);
/// "Encrypt on write": used space only, and every conversion by Windows 10 (seen); what is
/// encrypted is in bitmaps. It may stay when the conversion is over.
const EOW: Guid = Guid::from_digits(0x92A84D3B_DD80_4D0E_9E4E_B1E3284EAED8);

/// Where the identifier is: in `-FVE-FS-` volumes, and in To Go ones. The offsets follow
/// 16 bytes behind it.
const PLACES: [usize; 2] = [0xA0, 0x1A8];

/// The name in an NTFS volume's place, and the one that To Go volumes have: a FAT boot sector that
/// old Windows can mount.
const NAMES: [&[u8]; 2] = [b"-FVE-FS-", b"MSWIN4.1"];

/// What sector 0 says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeHeader {
    /// Bytes per sector: the unit of encryption.
    pub sector_bytes: u32,
    /// Where the three copies of the metadata start.
    pub metadata: [u64; 3],
    /// Where the two descriptors of the conversion's bitmaps are.
    pub eow: Option<[u64; 2]>,
}

/// Whether these first bytes are of a BitLocker volume: since Windows Vista `-FVE-FS-` as the
/// file system's name; To Go by `MSWIN4.1` and an identifier.
pub(crate) fn is_bitlocker(head: &[u8]) -> bool {
    stands_at(head, 3, NAMES[0]) || stands_at(head, 3, NAMES[1]) && identifier(head).is_some()
}

/// Where one of the two identifiers is, and whether it is the one with bitmaps. The place that
/// belongs to the name comes first.
fn identifier(head: &[u8]) -> Option<(usize, bool)> {
    let first = usize::from(stands_at(head, 3, NAMES[1]));
    [PLACES[first], PLACES[1 - first]].into_iter().find_map(|at| {
        let guid = Guid(array_at(head, at)?);
        (guid == NORMAL || guid == EOW).then_some((at, guid == EOW))
    })
}

impl VolumeHeader {
    /// A sector 0 that says this.
    pub(crate) fn to_sector(self) -> [u8; 512] {
        let mut sector = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = sector.get_mut(at..at.saturating_add(bytes.len())) {
                place.copy_from_slice(bytes);
            }
        };
        put(0, b"\xEB\x58\x90");
        put(3, NAMES[0]);
        put(0x0B, &u16::try_from(self.sector_bytes).unwrap_or(512).to_le_bytes());
        put(PLACES[0], &if self.eow.is_some() { EOW } else { NORMAL }.0);
        let places = self.metadata.into_iter().chain(self.eow.into_iter().flatten());
        for (index, place) in places.enumerate() {
            put(PLACES[0] + 16 + 8 * index, &place.to_le_bytes());
        }
        put(510, &[0x55, 0xAA]);
        sector
    }

    /// From the first 512 bytes.
    pub fn parse(head: &[u8]) -> Result<Self, BitLockerError> {
        const SHORT: BitLockerError = BitLockerError::Header("it is not a BitLocker boot sector");
        if !is_bitlocker(head) {
            return Err(SHORT);
        }
        let Some((at, is_eow)) = identifier(head) else {
            // Vista has no identifier, but the cluster of the metadata at 0x38.
            let is_vista = u64_at(head, 0x38).is_some_and(|cluster| cluster != 0);
            let none = BitLockerError::Header("its identifier is not known");
            return Err(if is_vista { BitLockerError::Vista } else { none });
        };
        let offset = |place: usize| u64_at(head, place).ok_or(SHORT);
        let sector_bytes = match u16_at(head, 0x0B).ok_or(SHORT)? {
            // Seen with exFAT in Windows 10 1903 (cryptsetup; libbde issue 52).
            0 => 512,
            size @ (512 | 1024 | 2048 | 4096) => u32::from(size),
            _ => return Err(BitLockerError::Header("its sector size makes no sense")),
        };
        let eow = if is_eow { Some([offset(at + 40)?, offset(at + 48)?]) } else { None };
        let metadata = [offset(at + 16)?, offset(at + 24)?, offset(at + 32)?];
        Ok(Self { sector_bytes, metadata, eow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(name: &[u8], at: usize, identifier: Guid) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[..3].copy_from_slice(b"\xEB\x58\x90");
        sector[3..11].copy_from_slice(name);
        sector[at..at + 16].copy_from_slice(&identifier.0);
        for (i, value) in [1_u64, 2, 3, 4, 5].into_iter().enumerate() {
            let place = at + 16 + 8 * i;
            if place + 8 <= 512 {
                sector[place..place + 8].copy_from_slice(&(value << 20).to_le_bytes());
            }
        }
        sector
    }

    #[test]
    fn both_identifiers_are_read_in_both_places() {
        let metadata = [1 << 20, 2 << 20, 3 << 20];
        let eow = Some([4 << 20, 5 << 20]);
        for (name, at) in [(NAMES[0], 0xA0), (NAMES[1], 0x1A8), (NAMES[0], 0x1A8)] {
            let normal = VolumeHeader::parse(&sector(name, at, NORMAL)).unwrap();
            assert_eq!(normal, VolumeHeader { sector_bytes: 512, metadata, eow: None });
            let made = VolumeHeader::parse(&sector(name, at, EOW)).unwrap();
            assert_eq!((made.metadata, made.eow), (metadata, eow));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let mut vista = sector(NAMES[0], 0xA0, Guid([9; 16]));
        vista[0x38] = 7;
        assert!(matches!(VolumeHeader::parse(&vista), Err(BitLockerError::Vista)));
        vista[0x38] = 0;
        let unknown = VolumeHeader::parse(&vista).unwrap_err().to_string();
        assert!(unknown.contains("identifier"), "{unknown}");
        let mut odd = sector(NAMES[0], 0xA0, NORMAL);
        odd[0x0B..0x0D].copy_from_slice(&513_u16.to_le_bytes());
        assert!(VolumeHeader::parse(&odd).is_err());
        odd[0x0B..0x0D].copy_from_slice(&4096_u16.to_le_bytes());
        assert_eq!(VolumeHeader::parse(&odd).unwrap().sector_bytes, 4096);
        for cut in [0, 11, 0xA0, 0xAF, 0xB0, 0xC7] {
            assert!(VolumeHeader::parse(&odd[..cut]).is_err(), "{cut}");
        }
        // A FAT volume that old Windows formatted.
        let mut fat = sector(NAMES[1], 0x1A8, Guid([0; 16]));
        assert!(!is_bitlocker(&fat) && VolumeHeader::parse(&fat).is_err());
        fat[0x1A8..0x1B8].copy_from_slice(&EOW.0);
        assert!(is_bitlocker(&fat));
    }
}
