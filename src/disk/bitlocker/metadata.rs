//! The metadata: a block with the wrapped keys, and behind it a checksum and a hash
//! (libbde, section 5; cryptsetup for the checksum).

use sha2::{Digest, Sha256};

use super::ccm;
use super::cipher::CipherKind;
use super::datum::{Datum, role, value};
use super::error::BitLockerError;
use super::key::{Key, unwrapped};
use super::protector::Protector;
use crate::disk::crc::CRC32;
use crate::disk::guid::Guid;
use crate::model::bytes::{array_at, slice, stands_at, u16_at, u32_at, u64_at};

/// Bytes of one area on the volume.
pub(super) const AREA: u64 = 0x1_0000;
const SIGNATURE: &[u8] = b"-FVE-FS-";
/// Where the data set starts: behind the block's header.
const DATA_SET: usize = 0x40;
/// Where its datums start.
const ENTRIES: usize = DATA_SET + 48;

/// One copy of the metadata.
#[derive(Clone)]
pub struct Metadata {
    /// The block itself, for its hash.
    block: Vec<u8>,
    /// Whether the checksum behind the block fits.
    pub is_checked: bool,
    /// What the volume is, and what it is being made: 4 is encrypted, 1 decrypted (dislocker).
    pub(super) state: u16,
    pub(super) state_wanted: u16,
    /// Bytes of the volume that are encrypted, from its start on.
    pub(super) encrypted: u64,
    /// Bytes behind those that are being converted.
    pub(super) in_conversion: u32,
    /// Where the three copies are.
    pub areas: [u64; 3],
    /// Where the volume's first sectors are, and how many bytes.
    pub(super) spare: (u64, u64),
    /// The cipher's code.
    pub(super) cipher: u16,
    /// The volume's identifier.
    pub volume: Guid,
    /// What BitLocker calls the volume: computer, drive and date.
    pub description: Option<String>,
    /// The ways to the master key.
    pub protectors: Vec<Protector>,
    /// The sector key, wrapped by the master key.
    pub(super) sector_keys: Vec<Vec<u8>>,
    /// The block's hash, wrapped by the master key.
    hash: Option<Vec<u8>>,
}

impl Metadata {
    /// From the bytes of an area. `sector_bytes` is from sector 0.
    pub fn parse(area: &[u8], sector_bytes: u32) -> Result<Self, BitLockerError> {
        let no = |what: &str| BitLockerError::NoMetadata(what.to_owned());
        let short = || no("it ends too early");
        if !stands_at(area, 0, SIGNATURE) {
            return Err(no("there is no metadata where it should be"));
        }
        match u16_at(area, 10).ok_or_else(short)? {
            1 => return Err(BitLockerError::Vista),
            2 => {}
            version => return Err(BitLockerError::Version(version)),
        }
        // Version 2 counts in units of 16 bytes.
        let len = usize::from(u16_at(area, 8).ok_or_else(short)?) * 16;
        let block = area.get(..len).filter(|_| len > ENTRIES).ok_or_else(short)?;
        let behind = area.get(len..).unwrap_or_default();
        let is_checked = u32_at(behind, 4) == Some(CRC32.of(&[block]));
        let hash = Datum::all(behind.get(8..).unwrap_or_default())
            .next()
            .filter(|datum| datum.value == value::AES_CCM)
            .map(|datum| datum.data.to_vec());
        let number = |at| u64_at(block, at).ok_or_else(short);
        let (state, state_wanted) = (u16_at(block, 12), u16_at(block, 14));
        let size = u32_at(block, DATA_SET).and_then(|size| usize::try_from(size).ok());
        let end = size.map_or(len, |size| size.saturating_add(DATA_SET)).min(len);
        let entries = block.get(ENTRIES..end).ok_or_else(short)?;
        let sectors = u64::from(u32_at(block, 28).ok_or_else(short)?);
        let mut metadata = Self {
            block: block.to_vec(),
            is_checked,
            state: state.ok_or_else(short)?,
            state_wanted: state_wanted.ok_or_else(short)?,
            encrypted: number(16)?,
            in_conversion: u32_at(block, 24).ok_or_else(short)?,
            areas: [number(32)?, number(40)?, number(48)?],
            spare: (number(56)?, sectors.saturating_mul(sector_bytes.into())),
            cipher: u16_at(block, DATA_SET + 36).ok_or_else(short)?,
            volume: Guid(array_at(block, DATA_SET + 16).ok_or_else(short)?),
            description: None,
            protectors: Vec::new(),
            sector_keys: Vec::new(),
            hash,
        };
        Datum::all(entries).for_each(|datum| metadata.take(datum));
        Ok(metadata)
    }

    fn take(&mut self, datum: Datum<'_>) {
        match (datum.role, datum.value) {
            (role::VMK, value::VMK) => self.protectors.extend(Protector::parse(datum.data)),
            (role::FVEK, value::AES_CCM) => self.sector_keys.push(datum.data.to_vec()),
            (role::DESCRIPTION, _) => self.description = datum.text().filter(|t| !t.is_empty()),
            (role::VIRTUALISATION, value::VIRTUALISATION) => {
                // The same place as in the header, and its size in bytes.
                if let (Some(at), Some(len)) = (u64_at(datum.data, 0), u64_at(datum.data, 8)) {
                    self.spare = (at, len);
                }
            }
            _ => {}
        }
    }

    /// The sector key and its cipher, by the master key. The code in the header may be of a
    /// conversion to another cipher; the key has its own.
    pub(super) fn sector_key(&self, vmk: &Key) -> Result<(CipherKind, Key64), BitLockerError> {
        let mut unknown = None;
        for wrapped in &self.sector_keys {
            let Some(opened) = ccm::open(vmk, wrapped) else { continue };
            let Some((own, key)) = unwrapped(&opened) else { continue };
            let kinds = [self.cipher, own].map(|code| (code, CipherKind::from_code(code)));
            for (code, kind) in kinds {
                match kind {
                    Some(kind) if key.len() == kind.key_bytes() => {
                        return Ok((kind, Key64::new(key.to_vec())));
                    }
                    Some(_) => {}
                    None => unknown = unknown.or(Some(code)),
                }
            }
        }
        Err(unknown.map_or(BitLockerError::SectorKey, BitLockerError::Cipher))
    }

    /// Whether the block has the hash that was wrapped by the master key.
    pub(super) fn has_its_hash(&self, vmk: &Key) -> bool {
        let opened = self.hash.as_deref().and_then(|hash| ccm::open(vmk, hash));
        let kept = opened.as_deref().and_then(|text| slice(text, 12, 32));
        kept == Some(Sha256::digest(&self.block).as_slice())
    }

    /// The cipher, as `manage-bde` calls it.
    pub(crate) fn cipher_name(&self) -> &'static str {
        CipherKind::from_code(self.cipher).map_or("unknown", CipherKind::name)
    }

    /// Whether another copy says the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.block == other.block
    }

    /// Whether another copy says the same of what is encrypted and where it is.
    pub(super) fn reads_as(&self, other: &Self) -> bool {
        let layout = |of: &Self| {
            let progress = (of.state, of.state_wanted, of.encrypted, of.in_conversion);
            (progress, of.areas, of.spare, of.cipher)
        };
        layout(self) == layout(other)
    }

    /// Whether nothing is encrypted any more.
    pub(super) fn is_plain(&self) -> bool {
        self.state == 1 || self.cipher == 0
    }
}

/// A sector key of up to 64 bytes.
pub(super) type Key64 = zeroize::Zeroizing<Vec<u8>>;

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("volume", &self.volume)
            .field("state", &(self.state, self.state_wanted))
            .field("cipher", &self.cipher)
            .field("protectors", &self.protectors)
            .finish_non_exhaustive()
    }
}
