//! What people have to unlock a volume with, and what BitLocker makes of it (libbde, section 4).
//!
//! Nothing here is ever shown: the types print stars, and their bytes are overwritten when they
//! are dropped.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::datum::{Datum, role, value};
use crate::disk::guid::Guid;
use crate::model::bytes::{array_at, slice, u16_at, u32_at};

/// 32 bytes that open a wrapped key.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Rounds of hashing between a password and its key (libbde, 4.2).
const ROUNDS: u64 = 0x10_0000;
/// Groups of a recovery key.
const GROUPS: usize = 8;

/// Something that may unlock a volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VolumeKey {
    /// The 48 digits.
    Recovery(RecoveryKey),
    /// A password.
    Password(VolumePassword),
    /// From a `.BEK` file.
    Startup(StartupKey),
}

impl VolumeKey {
    /// What it is, for people, with its article.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Recovery(_) => "the recovery key",
            Self::Password(_) => "the password",
            Self::Startup(_) => "the startup key",
        }
    }
}

/// Why 48 digits are not a recovery key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFault {
    /// Too few or too many digits.
    #[error("a recovery key has 8 groups of 6 digits; this has {0} digits")]
    Digits(usize),
    /// Something else than digits, spaces and hyphens.
    #[error("a recovery key has only digits and hyphens")]
    Characters,
    /// A group that no recovery key has: mistyped.
    #[error("group {0} of the recovery key is mistyped")]
    Group(usize),
}

/// A recovery key: 48 digits, which Windows calls the numerical or recovery password.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey(Zeroizing<[u8; 16]>);

impl RecoveryKey {
    /// From text: digits, and between them hyphens and spaces of any kind.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let mut digits = Zeroizing::new(Vec::with_capacity(48));
        for c in text.trim().chars() {
            match c.to_digit(10) {
                Some(digit) => digits.push(digit),
                None if is_separator(c) => {}
                None => return Err(KeyFault::Characters),
            }
        }
        if digits.len() != GROUPS * 6 {
            return Err(KeyFault::Digits(digits.len()));
        }
        let mut bytes = Zeroizing::new([0; 16]);
        for (i, group) in digits.chunks_exact(6).enumerate() {
            let number = group.iter().fold(0, |number, digit| number * 10 + digit);
            let word = group_value(number).ok_or(KeyFault::Group(i + 1))?;
            bytes[2 * i..2 * i + 2].copy_from_slice(&word.to_le_bytes());
        }
        Ok(Self(bytes))
    }

    /// The first group, counted from 1, that is complete and mistyped: for a key that is being
    /// typed.
    pub(crate) fn wrong_group(typed: &str) -> Option<usize> {
        let digits: Zeroizing<Vec<u32>> =
            Zeroizing::new(typed.chars().filter_map(|c| c.to_digit(10)).collect());
        digits.chunks_exact(6).take(GROUPS).enumerate().find_map(|(i, group)| {
            let number = group.iter().fold(0, |number, digit| number * 10 + digit);
            group_value(number).is_none().then_some(i + 1)
        })
    }

    fn initial(&self) -> Key {
        Zeroizing::new(Sha256::digest(self.0.as_slice()).into())
    }
}

/// Between the digits of a recovery key. Word and mail programs make dashes of hyphens.
pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{feff}')
}

/// The 16 bits of a group: six digits that 11 divides.
fn group_value(number: u32) -> Option<u16> {
    number.is_multiple_of(11).then(|| u16::try_from(number / 11).ok()).flatten()
}

/// A volume's password.
#[derive(Clone, PartialEq, Eq)]
pub struct VolumePassword(Zeroizing<String>);

impl VolumePassword {
    /// As it was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    fn initial(&self) -> Key {
        // Room for all at once: a vector that grows leaves copies behind.
        let mut units = Zeroizing::new(Vec::with_capacity(self.0.len().saturating_mul(2)));
        self.0.encode_utf16().for_each(|unit| units.extend(unit.to_le_bytes()));
        let once = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(&*units)));
        Zeroizing::new(Sha256::digest(once.as_slice()).into())
    }
}

/// The key of a `.BEK` file: a startup key, or a recovery key kept as a file.
#[derive(Clone, PartialEq, Eq)]
pub struct StartupKey {
    /// The Key ID of the protector that it is for.
    pub protector: Guid,
    key: Key,
}

impl StartupKey {
    /// From a file's bytes (libbde, section 6): a header of 48 bytes, then a datum with the
    /// protector's identifier and the key. It has 156 bytes by Windows 10 and 180 by Windows 11.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let size = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let header = usize::try_from(u32_at(bytes, 8)?).ok()?;
        let entries = bytes.get(..size)?.get(header..)?;
        let is_ours = |d: &Datum<'_>| d.role == role::STARTUP_KEY && d.value == value::EXTERNAL_KEY;
        let external = Datum::all(entries).find(is_ours)?;
        let protector = Guid(array_at(external.data, 0)?);
        let nested = Datum::all(external.data.get(24..)?);
        let key = nested.filter(|d| d.value == value::KEY).find_map(|d| plain_key(d.data))?;
        Some(Self { protector, key })
    }
}

/// The 32 bytes of a key's value, after its algorithm and flags.
pub(super) fn plain_key(data: &[u8]) -> Option<Key> {
    (data.len() == 36).then(|| array_at(data, 4).map(Zeroizing::new)).flatten()
}

/// The key of a recovery key or a password for one protector: its salt makes it another one for
/// each. Takes about half a second.
pub(super) fn stretch(initial: &Key, salt: [u8; 16]) -> Key {
    let mut state = Zeroizing::new([0_u8; 88]);
    state[32..64].copy_from_slice(&**initial);
    state[64..80].copy_from_slice(&salt);
    for round in 0..ROUNDS {
        state[80..].copy_from_slice(&round.to_le_bytes());
        let last = Sha256::digest(state.as_slice());
        state[..32].copy_from_slice(&last);
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&state[..32]);
    key
}

impl VolumeKey {
    /// What is stretched, if this kind of key is.
    pub(super) fn initial(&self) -> Option<Key> {
        match self {
            Self::Recovery(key) => Some(key.initial()),
            Self::Password(password) => Some(password.initial()),
            Self::Startup(_) => None,
        }
    }

    /// The key itself, if it is one and not stretched.
    pub(super) fn ready(&self) -> Option<Key> {
        match self {
            Self::Startup(startup) => Some(startup.key.clone()),
            Self::Recovery(_) | Self::Password(_) => None,
        }
    }
}

/// The key within a wrapped datum that was opened: its size, then a key's value from byte 8 on
/// (libbde, 4.4).
pub(super) fn unwrapped(text: &[u8]) -> Option<(u16, &[u8])> {
    let size = usize::from(u16_at(text, 0)?);
    let is_key = u16_at(text, 4)? == value::KEY;
    let key = slice(text, 12, size.checked_sub(12)?)?;
    is_key.then_some((u16_at(text, 8)?, key))
}

macro_rules! hidden {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(********)"))
            }
        }
    )+};
}

hidden!(RecoveryKey, VolumePassword, StartupKey);

#[cfg(test)]
mod tests {
    use super::super::ccm;
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    const REAL: &str = "235818-357951-253979-013365-241120-245575-342914-591910";

    #[test]
    fn a_real_volume_s_keys_come_from_its_recovery_key_and_from_its_password() {
        let blob = |nonce: &str, tag: &str, text: &str| hex(&[nonce, tag, text].concat());
        let vmk = "e5862465920b1190605ae29547623fb9c0dbafab073c85634bfb0f8a4b8cf46b";
        let cases = [
            (
                VolumeKey::Recovery(RecoveryKey::parse(REAL).unwrap()),
                "fdd303817e456f7a4b64a7063ae00be752a46841e57da98caf8522f136cb3411",
                "2ba080989af9b50c203aaebd0b40d498",
                "1a39f926dab83e947fa85125b91e556e9ecc2bc5968924e03de234878d1fd4bd",
                blob(
                    "c049ba6f3632d50106000000",
                    "0cf85869dd1a2a024c48d0f6aa00b997",
                    "005e2014c039b7de88e6906efdbe83055dcb5c097dbe3fe86860ef7bae367a13178587cd8cd11af5713d0bb7",
                ),
            ),
            (
                VolumeKey::Password(VolumePassword::new("anaconda")),
                "0d6cbf9e5d75af220d7ac3e9f35d05f56952608dd1dacb31774452c489eadc51",
                "8d7637cc5d885d5ff4f748dbc8440d2e",
                "37554410c6e0df5b4fe096259f4a21b847338d3e8d8d8d8c30012d1447cca957",
                blob(
                    "c049ba6f3632d50103000000",
                    "84ba5e36ecbfc08e95dd7aa2d1abdab1",
                    "749966a4100e2779e82354bd5e33a0a991025a189e2768aa5c47e818fb158d9179bfa47fa1b4a01fc379caa5",
                ),
            ),
        ];
        for (key, initial, salt, stretched, blob) in cases {
            let start = key.initial().unwrap();
            assert_eq!(start.to_vec(), hex(initial));
            let made = stretch(&start, hex(salt).try_into().unwrap());
            assert_eq!(made.to_vec(), hex(stretched));
            let opened = ccm::open(&made, &blob).unwrap();
            assert_eq!(unwrapped(&opened), Some((0x2003, &hex(vmk)[..])));
            // One bit of the tag, the nonce or the text.
            for at in [0, 20, 30] {
                let mut bad = blob.clone();
                bad[at] ^= 1;
                assert_eq!(ccm::open(&made, &bad), None);
            }
        }
        let fvek = blob(
            "c049ba6f3632d50108000000",
            "c83ef7a71e23b0b146ffd20691856484",
            "bf886e2f056985d40b004f3b46d5929a1f1a09b20d2778fa3ca2d803f29ea3395c6b4723dd601b34997ae75e",
        );
        let opened = ccm::open(&hex(vmk).try_into().unwrap(), &fvek).unwrap();
        let wanted = "cc493ad40376cf719d3725073d5c1a6ca5759fc4ad179c95572f16c01a260d66";
        assert_eq!(unwrapped(&opened), Some((0x8004, &hex(wanted)[..])));
    }

    #[test]
    fn a_recovery_key_is_read_as_people_write_it() {
        let wanted = hex("be531d7f315abf04a0553557c67932d2");
        let spaced = REAL.replace('-', " ");
        let dashed = REAL.replace('-', "\u{2013}");
        let bare = REAL.replace('-', "");
        for text in [REAL, &spaced, &dashed, &bare, &format!(" {REAL}\r\n")] {
            assert_eq!(RecoveryKey::parse(text).unwrap().0.to_vec(), wanted, "{text}");
        }
        assert_eq!(RecoveryKey::parse(&REAL[..54]), Err(KeyFault::Digits(47)));
        assert_eq!(RecoveryKey::parse("key: 1"), Err(KeyFault::Characters));
        // Two digits changed places, one digit wrong, a number beyond 16 bits.
        for (typed, group) in [("258318", 1), ("235818-357950", 2), ("720896", 1)] {
            assert_eq!(RecoveryKey::wrong_group(typed), Some(group), "{typed}");
        }
        for typed in ["", "23581", "235818-", "235818-35795", REAL, "720885"] {
            assert_eq!(RecoveryKey::wrong_group(typed), None, "{typed}");
        }
        let wrong = REAL.replace("013365", "013356");
        assert_eq!(RecoveryKey::parse(&wrong), Err(KeyFault::Group(4)));
    }

    #[test]
    fn nothing_shows_a_key() {
        let keys = [
            VolumeKey::Recovery(RecoveryKey::parse(REAL).unwrap()),
            VolumeKey::Password(VolumePassword::new("anaconda")),
        ];
        let shown = format!("{keys:?} {keys:#?}");
        assert!(!shown.contains("anaconda") && !shown.contains("190"), "{shown}");
        assert!(!shown.contains("235818") && !shown.contains("be53"), "{shown}");
    }

    /// A file as Windows 11 writes it.
    fn bek() -> Vec<u8> {
        let key = [&[44, 0, 0, 0, 1, 0, 1, 0, 2, 0x20, 0, 0][..], &[7; 32]].concat();
        let volume = [&[24, 0, 0x19, 0, 0x17, 0, 1, 0][..], &[3; 16]].concat();
        let name =
            [&[32, 0, 0, 0, 2, 0, 1, 0][..], b"E\0x\0t\0e\0r\0n\0a\0l\0K\0e\0y\0\0\0"].concat();
        let inner = [&[9; 16][..], &[0; 8], &name, &volume, &key].concat();
        let len = u16::try_from(inner.len() + 8).unwrap().to_le_bytes();
        let datum = [&len[..], &[6, 0, 9, 0, 1, 0], &inner].concat();
        let size = u32::try_from(48 + datum.len()).unwrap().to_le_bytes();
        let mut file = [&size[..], &[1, 0, 0, 0, 48, 0, 0, 0], &size, &[9; 16]].concat();
        file.resize(48, 0);
        file.extend(datum);
        file
    }

    #[test]
    fn a_startup_key_s_file_is_parsed_and_not_indexed() {
        let file = bek();
        let key = StartupKey::parse(&file).unwrap();
        assert_eq!((key.protector, *key.key), (Guid([9; 16]), [7; 32]));
        let longer = [&file[..], b"more"].concat();
        assert!(StartupKey::parse(&longer).is_some());
        for len in 0..file.len() {
            assert_eq!(StartupKey::parse(&file[..len]), None, "{len}");
        }
    }
}
