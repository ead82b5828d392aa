//! The metadata and key files, as bytes.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::cipher::seal;
use super::{Protector, Wrap};

/// When everything was made: 2020-06-15.
const TIME: u64 = 0x01D6_42E0_0000_0000;

pub(super) type Guid = [u8; 16];

/// A datum.
fn datum(role: u16, value: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(data.len() + 8).unwrap_or(0).to_le_bytes().to_vec();
    for number in [role, value, 1] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(data);
    bytes
}

/// A key as it is wrapped: size and roles, algorithm, key.
fn key_datum(algorithm: u16, key: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(key.len() + 12).unwrap_or(0).to_le_bytes().to_vec();
    for number in [0, 1, 0, algorithm, 0] {
        bytes.extend(u16::to_le_bytes(number));
    }
    bytes.extend(key);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// 32 bytes that follow from a name.
pub(super) fn bytes_of(name: &str) -> [u8; 32] {
    Sha256::digest(name.as_bytes()).into()
}

pub(super) fn guid_of(name: &str) -> Guid {
    bytes_of(name)[..16].try_into().unwrap_or_default()
}

/// Wraps with a nonce of its own.
struct Nonces(u32);

impl Nonces {
    fn wrap(&mut self, role: u16, key: &[u8], content: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&TIME.to_le_bytes());
        nonce[8..].copy_from_slice(&self.0.to_le_bytes());
        self.0 += 1;
        datum(role, 5, &seal(key, nonce, content))
    }
}

/// Half a second's work, and the same for most of the volumes of a test: done once.
fn stretch(initial: [u8; 32], salt: &[u8]) -> [u8; 32] {
    type Known = Vec<([u8; 32], Vec<u8>, [u8; 32])>;
    static KNOWN: Mutex<Known> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known.iter().find(|(of, with, _)| *of == initial && with == salt);
    if let Some((.., key)) = found {
        return *key;
    }
    let mut last = [0; 32];
    for count in 0_u64..0x10_0000 {
        let mut hash = Sha256::new();
        hash.update(last);
        hash.update(initial);
        hash.update(salt);
        hash.update(count.to_le_bytes());
        last = hash.finalize().into();
    }
    known.push((initial, salt.to_vec(), last));
    last
}

/// The 16 bytes of 48 digits.
fn recovery_bytes(digits: &str) -> Vec<u8> {
    let groups = digits.split('-').map(|group| group.parse::<u32>().unwrap_or(0) / 11);
    groups.flat_map(|group| u16::try_from(group).unwrap_or(0).to_le_bytes()).collect()
}

impl Protector {
    fn code(&self) -> u16 {
        match self {
            Self::Clear => 0,
            Self::Tpm => 0x0100,
            Self::Startup => 0x0200,
            Self::Recovery(_) => 0x0800,
            Self::Password(_) => 0x2000,
        }
    }

    /// Its Key ID.
    pub fn id(&self) -> Guid {
        guid_of(&match self {
            Self::Clear => "clear".to_owned(),
            Self::Tpm => "tpm".to_owned(),
            Self::Startup => "startup".to_owned(),
            Self::Recovery(digits) => format!("recovery {digits}"),
            Self::Password(text) => format!("password {text}"),
        })
    }

    /// Its VMK datum.
    fn record(&self, vmk: &[u8], nonces: &mut Nonces) -> Vec<u8> {
        let id = self.id();
        let salt = guid_of(&format!("salt {:?}", self.code()));
        let content = key_datum(0x2003, vmk);
        let mut data = [&id[..], &TIME.to_le_bytes(), &[0, 0], &self.code().to_le_bytes()].concat();
        let stretched = |initial: [u8; 32], data: &mut Vec<u8>, nonces: &mut Nonces| {
            let key = stretch(initial, &salt);
            let inner = nonces.wrap(0, vmk, &key_datum(0x2003, &key));
            data.extend(datum(0, 3, &[&[0, 0x10, 0, 0][..], &salt, &inner].concat()));
            key
        };
        let key = match self {
            Self::Clear => {
                let key = bytes_of("clear");
                data.extend(datum(0, 1, &[&[0, 0x20, 0, 0][..], &key].concat()));
                key
            }
            Self::Tpm => {
                data.extend(datum(0, 6, &[7; 60]));
                bytes_of("only the TPM knows")
            }
            Self::Startup => {
                data.extend(datum(0, 2, &text("ExternalKey")));
                bytes_of("startup")
            }
            Self::Recovery(digits) => {
                data.extend(datum(0, 2, &text("DiskPassword")));
                let initial = Sha256::digest(recovery_bytes(digits)).into();
                stretched(initial, &mut data, nonces)
            }
            Self::Password(password) => {
                let units: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let initial = Sha256::digest(Sha256::digest(units)).into();
                stretched(initial, &mut data, nonces)
            }
        };
        data.extend(nonces.wrap(0, &key, &content));
        datum(2, 8, &data)
    }
}

/// A `.BEK` file for the startup key, as Windows 10 writes it or, with the volume's identifier,
/// Windows 11.
pub(super) fn bek(with_volume: bool) -> Vec<u8> {
    let id = Protector::Startup.id();
    let mut data = [&id[..], &TIME.to_le_bytes()].concat();
    data.extend(datum(0, 2, &text("ExternalKey")));
    if with_volume {
        data.extend(datum(0x19, 0x17, &guid_of("volume")));
    }
    let key = [&[2, 0x20, 0, 0][..], &bytes_of("startup")].concat();
    data.extend(datum(0, 1, &key));
    let entry = datum(6, 9, &data);
    let mut file = data_set_header(48 + entry.len(), &id, 1, 0);
    file.extend(entry);
    file
}

fn data_set_header(size: usize, id: &Guid, nonce: u32, cipher: u32) -> Vec<u8> {
    let size = u32::try_from(size).unwrap_or(0).to_le_bytes();
    let mut header = [&size[..], &1_u32.to_le_bytes(), &48_u32.to_le_bytes(), &size, id].concat();
    header.extend(nonce.to_le_bytes());
    header.extend(cipher.to_le_bytes());
    header.extend(TIME.to_le_bytes());
    header
}

/// Where things are, for the block.
pub(super) struct Places {
    pub(super) areas: [u64; 3],
    pub(super) spare: u64,
    pub(super) spare_len: u64,
    /// State, wanted state, encrypted bytes, bytes in conversion.
    pub(super) state: (u16, u16, u64, u32),
}

/// One metadata area: block, checksum, hash.
pub(super) fn area(wrap: &Wrap, places: &Places, fvek: &[u8]) -> Vec<u8> {
    let vmk = bytes_of("vmk");
    let mut nonces = Nonces(1);
    let mut entries = Vec::new();
    if wrap.unknown_entries {
        entries.extend(datum(0x19, 0x17, &guid_of("volume")));
        entries.extend(datum(0x77, 0x66, b"from the future"));
    }
    entries.extend(datum(7, 2, &text("PC-0815 C: 15.06.2020")));
    for protector in &wrap.protectors {
        entries.extend(protector.record(&vmk, &mut nonces));
    }
    entries.extend(nonces.wrap(3, &vmk, &key_datum(wrap.cipher.code(), fvek)));
    let mut spare = [places.spare.to_le_bytes(), places.spare_len.to_le_bytes()].concat();
    // What Windows 8 and later add: version 5, 76 bytes.
    spare.extend(5_u16.to_le_bytes());
    spare.extend(0x4C_u16.to_le_bytes());
    spare.resize(16 + 0x4C, 0);
    entries.extend(datum(0x0F, 0x0F, &spare));
    let data_set = 48 + entries.len();
    let len = (64 + data_set).next_multiple_of(16);
    let (state, wanted, encrypted, in_conversion) = places.state;
    let mut block = b"-FVE-FS-".to_vec();
    block.extend(u16::try_from(len / 16).unwrap_or(0).to_le_bytes());
    for number in [2, state, wanted] {
        block.extend(u16::to_le_bytes(number));
    }
    block.extend(encrypted.to_le_bytes());
    block.extend(in_conversion.to_le_bytes());
    let sectors = places.spare_len / u64::from(wrap.sector_bytes);
    block.extend(u32::try_from(sectors).unwrap_or(0).to_le_bytes());
    places.areas.iter().for_each(|area| block.extend(area.to_le_bytes()));
    block.extend(places.spare.to_le_bytes());
    let cipher = u32::from(wrap.cipher.code());
    block.extend(data_set_header(
        data_set,
        &guid_of("volume"),
        nonces.0 + 1,
        cipher << 16 | cipher,
    ));
    block.extend(entries);
    block.resize(len, 0);
    let hash = key_datum(0x2005, &Sha256::digest(&block));
    let hash = nonces.wrap(0, &vmk, &hash);
    let sum = crc32(&block);
    block.extend(u16::try_from(0x1_0000 - len).unwrap_or(0).to_le_bytes());
    block.extend(2_u16.to_le_bytes());
    block.extend(sum.to_le_bytes());
    block.extend(hash);
    block.resize(0x1_0000, 0);
    block
}

/// The CRC-32 of zip files.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
