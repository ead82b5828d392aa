//! A BitLocker volume before it is unlocked, and the unlocking.

use std::sync::Arc;

use super::ccm;
use super::cipher::{CipherKind, SectorCipher};
use super::device::View;
use super::eow::EowMaps;
use super::error::{BitLockerError, Doubt};
use super::header::VolumeHeader;
use super::key::{Key, VolumeKey};
use super::map::Map;
use super::metadata::{AREA, Metadata};
use super::protector::{Protector, ProtectorKind, master_key};
use crate::disk::device::Device;

/// A BitLocker volume whose metadata was read.
#[derive(Clone)]
pub struct Locked {
    device: Arc<dyn Device>,
    header: VolumeHeader,
    /// The good copies that differ, that which most of them agree on first; if there is none, those
    /// that can be parsed.
    copies: Vec<Metadata>,
    doubts: Vec<Doubt>,
    eow: Option<EowMaps>,
}

/// A volume that was unlocked.
pub struct Unlocked {
    /// Its bytes, decrypted.
    pub device: Arc<dyn Device>,
    /// The protector that was opened; `None` if nothing is encrypted any more.
    pub protector: Option<Protector>,
    /// What is doubtful about it.
    pub doubts: Vec<Doubt>,
}

/// How far a volume is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conversion {
    /// Completely.
    Encrypted,
    /// Not any more.
    Decrypted,
    /// In part: so many hundredths of it.
    Partly(u8),
}

impl Conversion {
    /// Hundredths of the volume that are encrypted.
    pub fn percent(self) -> u8 {
        match self {
            Self::Encrypted => 100,
            Self::Decrypted => 0,
            Self::Partly(part) => part,
        }
    }
}

impl Locked {
    /// Reads the metadata of the volume on `device`.
    pub fn read(device: &Arc<dyn Device>) -> Result<Self, BitLockerError> {
        let mut head = [0; 512];
        read(device, 0, &mut head)?;
        let header = VolumeHeader::parse(&head)?;
        let mut copies = Vec::new();
        let mut bad = 0;
        let mut failure = None;
        // A copy names the others, should sector 0 be wrong.
        let mut places = header.metadata.to_vec();
        let mut next = 0;
        while let Some(at) = places.get(next).copied() {
            next += 1;
            match copy_at(device, at, header.sector_bytes) {
                Ok(copy) => {
                    let more = copy.areas.iter().filter(|area| !places.contains(area));
                    let more: Vec<u64> = more.copied().take(3).collect();
                    // Only to look for a good one.
                    if !copy.is_checked && places.len() < 9 {
                        places.extend(more);
                    }
                    bad += usize::from(!copy.is_checked);
                    copies.push(copy);
                }
                Err(error) => {
                    bad += 1;
                    failure = failure.or(Some(error));
                }
            }
        }
        let bad = bad.min(3);
        let mut doubts = Vec::new();
        match agreed(&copies) {
            Some((good, used)) => {
                if good.iter().any(|copy| !copy.reads_as(&good[0])) {
                    doubts.push(Doubt::CopiesDiffer { used });
                }
                copies = good;
                if bad > 0 {
                    doubts.push(Doubt::BadCopies { bad });
                }
            }
            None if copies.is_empty() => {
                let none = || BitLockerError::NoMetadata("there are none".to_owned());
                return Err(failure.unwrap_or_else(none));
            }
            None => {
                doubts.push(Doubt::NoGoodCopy);
                // What has the most in it first.
                copies.sort_by_key(|copy| {
                    std::cmp::Reverse((copy.sector_keys.len(), copy.protectors.len()))
                });
            }
        }
        let eow = header.eow.map(|places| EowMaps::read(device, places));
        Ok(Self { device: device.clone(), header, copies, doubts, eow })
    }

    /// The metadata.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.copies.first()
    }

    /// Its protectors.
    pub fn protectors(&self) -> &[Protector] {
        self.copies.first().map_or(&[], |copy| &copy.protectors)
    }

    /// The Key ID by which people search for the recovery key: that of the first recovery key,
    /// else of the first protector. Its first eight digits.
    pub fn key_id(&self) -> Option<String> {
        let all = self.protectors();
        let recovery = all.iter().find(|p| p.kind == ProtectorKind::RecoveryKey);
        recovery.or_else(|| all.first()).map(Protector::short_id)
    }

    /// The Key IDs of all its recovery keys, else that of the first protector: the first eight
    /// digits of each.
    pub fn key_ids(&self) -> Vec<String> {
        let all = self.protectors();
        let recovery = all.iter().filter(|p| p.kind == ProtectorKind::RecoveryKey);
        let ids: Vec<String> = recovery.map(Protector::short_id).collect();
        if ids.is_empty() { self.key_id().into_iter().collect() } else { ids }
    }

    /// The bytes of the volume, where they can be known; what is on its device behind them is of
    /// others. A whole one has its length in the metadata, one that is being converted by maps in
    /// these.
    pub(crate) fn volume_len(&self) -> Option<u64> {
        let copy = self.copies.first()?;
        let by_maps = self.eow.as_ref().filter(|eow| eow.wrong.is_empty());
        let len = match by_maps.and_then(|eow| eow.ranges().last()) {
            Some(last) => last.end,
            None if (copy.state, copy.state_wanted) == (4, 4) => copy.encrypted,
            None => 0,
        };
        let len = len.max(if by_maps.is_some() { self.own_end() } else { 0 });
        (len >= self.own_end() && len <= self.device.len()).then_some(len)
    }

    /// The byte behind all that BitLocker keeps for itself: the volume is not shorter.
    pub(crate) fn own_end(&self) -> u64 {
        let Some(copy) = self.copies.first() else { return 0 };
        let areas = copy.areas.iter().map(|at| at.saturating_add(AREA));
        let spare = copy.spare.0.saturating_add(copy.spare.1);
        let maps = self.eow.iter().flat_map(|eow| &eow.hidden).map(|range| range.end);
        areas.chain([spare]).chain(maps).max().unwrap_or(0)
    }

    /// Whether its key lies in clear beside the data.
    pub fn is_suspended(&self) -> bool {
        self.protectors().iter().any(|protector| protector.clear_key().is_some())
    }

    /// How far it is encrypted.
    pub fn conversion(&self) -> Conversion {
        let Some(copy) = self.copies.first() else { return Conversion::Encrypted };
        let len = self.device.len().max(1);
        if copy.is_plain() {
            return Conversion::Decrypted;
        }
        let encrypted = match &self.eow {
            // What it does not cover is BitLocker's own.
            Some(eow) if !eow.pieces.is_empty() => {
                let plain = eow.pieces.iter().filter(|(_, s)| *s == super::eow::Stored::Plain);
                len.saturating_sub(plain.map(|(range, _)| range.end - range.start).sum())
            }
            _ if copy.encrypted == 0 || (copy.state, copy.state_wanted) == (4, 4) => len,
            _ => copy.encrypted.min(len),
        };
        if encrypted >= len {
            return Conversion::Encrypted;
        }
        let hundredths = u128::from(encrypted) * 100 / u128::from(len);
        Conversion::Partly(u8::try_from(hundredths).unwrap_or(100))
    }

    /// Unlocks it without a key: by the one beside the data, or if nothing is encrypted any more.
    /// `None` if it takes a key.
    pub fn unlock_suspended(&self) -> Option<Result<Unlocked, BitLockerError>> {
        let mut result = None;
        for copy in &self.copies {
            if copy.is_plain() {
                return Some(self.view(copy, CipherKind::None, &[], self.doubts.clone(), None));
            }
            for protector in &copy.protectors {
                let Some(key) = protector.clear_key() else { continue };
                let opened = self.open(copy, protector, key);
                if opened.is_ok() {
                    return Some(opened);
                }
                let opened = opened.map_err(|error| match error {
                    BitLockerError::WrongKey(_) => BitLockerError::ClearKey,
                    other => other,
                });
                result = result.or(Some(opened));
            }
        }
        result
    }

    /// Unlocks it by `key`: each protector that takes such a key is tried.
    pub fn unlock(&self, key: &VolumeKey) -> Result<Unlocked, BitLockerError> {
        let mut failure = BitLockerError::NoSuchProtector(key.name());
        for copy in &self.copies {
            for protector in copy.protectors.iter().filter(|p| p.takes(key)) {
                let Some(opener) = protector.opener(key) else { continue };
                match self.open(copy, protector, &opener) {
                    Ok(unlocked) => return Ok(unlocked),
                    Err(BitLockerError::WrongKey(_)) => {
                        failure = BitLockerError::WrongKey(key.name());
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        Err(failure)
    }

    fn open(
        &self,
        copy: &Metadata,
        protector: &Protector,
        opener: &Key,
    ) -> Result<Unlocked, BitLockerError> {
        let text = protector.wrapped.iter().find_map(|blob| ccm::open(opener, blob));
        let vmk = text.and_then(|text| master_key(&text));
        let vmk = vmk.ok_or(BitLockerError::WrongKey("the key"))?;
        let (kind, key) = copy.sector_key(&vmk)?;
        let mut doubts = self.doubts.clone();
        if !copy.has_its_hash(&vmk) {
            doubts.push(Doubt::HashDiffers);
        }
        self.view(copy, kind, &key, doubts, Some(protector))
    }

    fn view(
        &self,
        copy: &Metadata,
        kind: CipherKind,
        key: &[u8],
        mut doubts: Vec<Doubt>,
        protector: Option<&Protector>,
    ) -> Result<Unlocked, BitLockerError> {
        let cipher = SectorCipher::new(kind, key, self.header.sector_bytes)?;
        let map = Map::new(&self.header, copy, self.eow.as_ref(), self.device.len())?;
        doubts.extend(map.doubts.iter().cloned());
        let view = View::new(self.device.clone(), cipher, map);
        Ok(Unlocked { device: Arc::new(view), protector: protector.cloned(), doubts })
    }
}

/// The copies with a good checksum, each that differs once, and how many are the same as the first:
/// as the most.
fn agreed(copies: &[Metadata]) -> Option<(Vec<Metadata>, usize)> {
    let mut different: Vec<(Metadata, usize)> = Vec::new();
    for copy in copies.iter().filter(|copy| copy.is_checked) {
        match different.iter_mut().find(|(other, _)| other.is_same(copy)) {
            Some((_, count)) => *count += 1,
            None => different.push((copy.clone(), 1)),
        }
    }
    different.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let used = different.first()?.1;
    Some((different.into_iter().map(|(copy, _)| copy).collect(), used))
}

/// The copy of the metadata at byte `at`.
fn copy_at(device: &Arc<dyn Device>, at: u64, sector: u32) -> Result<Metadata, BitLockerError> {
    let missing = || BitLockerError::NoMetadata("it is past the volume's end".to_owned());
    let len = device.len().checked_sub(at).filter(|_| at > 0).ok_or_else(missing)?;
    let mut area = vec![0; usize::try_from(len.min(AREA)).unwrap_or(0)];
    read(device, at, &mut area)?;
    Metadata::parse(&area, sector)
}

fn read(device: &Arc<dyn Device>, at: u64, buf: &mut [u8]) -> Result<(), BitLockerError> {
    device.read_exact_at(at, buf).map_err(|error| BitLockerError::Read { at, error })
}
