//! Why a BitLocker volume cannot be opened, and what is doubtful about one that can.

use std::io;

use crate::model::advice::Advice;
use crate::model::units;

/// Why a BitLocker volume cannot be opened. It never holds a key or a part of one.
#[derive(Debug, thiserror::Error)]
pub enum BitLockerError {
    /// Sector 0 does not say where the metadata is.
    #[error("BitLocker: sector 0 does not say where the metadata is: {0}")]
    Header(&'static str),
    /// The format of Windows Vista.
    #[error("BitLocker: the volume was encrypted by Windows Vista, which Lifeboat does not read")]
    Vista,
    /// None of the three copies can be used.
    #[error("BitLocker: none of the three copies of the metadata can be used: {0}")]
    NoMetadata(String),
    /// The metadata is of a later format.
    #[error("BitLocker: the metadata has version {0}, which Lifeboat does not know")]
    Version(u16),
    /// A cipher that Lifeboat does not have: a drive that encrypts by itself, or a new one.
    #[error("BitLocker: cipher {0:#06x} is not one that Lifeboat reads")]
    Cipher(u16),
    /// The metadata contradicts itself or the volume.
    #[error("BitLocker: the metadata is damaged at byte {at}: {what}")]
    Layout {
        /// Byte on the volume.
        at: u64,
        /// What is wrong, for people.
        what: &'static str,
    },
    /// The volume ends before what the metadata leads to.
    #[error(
        "BitLocker: the volume is cut short: its first sectors, kept at byte {at}, are past its end"
    )]
    CutShort {
        /// Byte on the volume.
        at: u64,
    },
    /// No protector of the kind that the key is for.
    #[error("BitLocker: the volume has no protector for {0}")]
    NoSuchProtector(&'static str),
    /// The key opens none of the protectors.
    #[error("BitLocker: {0} does not unlock this volume")]
    WrongKey(&'static str),
    /// None of the keys that were tried opens it, and some were not tried.
    #[error(
        "BitLocker: no key that was tried unlocks this volume; {0} for other Key IDs were not tried"
    )]
    Untried(usize),
    /// The key beside the data does not open it.
    #[error("BitLocker: the clear key on the volume is damaged")]
    ClearKey,
    /// The master key was opened, and the sector key it should open was not.
    #[error("BitLocker: the key is right, but the volume's sector key is damaged")]
    SectorKey,
    /// The volume could not be read.
    #[error("BitLocker: the metadata at byte {at} cannot be read: {error}")]
    Read {
        /// Byte on the volume.
        at: u64,
        /// What the system said.
        error: io::Error,
    },
}

impl Advice for BitLockerError {
    fn advice(&self) -> String {
        match self {
            Self::CutShort { .. } => {
                "if this is an image, copy it again: its end is missing; if it is a disk, its \
                 partition table may be wrong"
            }
            Self::Header(_)
            | Self::NoMetadata(_)
            | Self::Layout { .. }
            | Self::ClearKey
            | Self::SectorKey => {
                "unlock it with manage-bde -unlock in Windows or WinPE, or try repair-bde"
            }
            Self::Vista => {
                "attach the disk to Windows, unlock it with manage-bde, and name the drive"
            }
            Self::Version(_) => {
                "use a newer version of Lifeboat, or unlock the volume with manage-bde"
            }
            Self::Cipher(_) => {
                "attach the disk to Windows and unlock it with manage-bde; a drive that encrypts \
                 by itself can only be unlocked there"
            }
            Self::NoSuchProtector(_) => {
                "give a key of a kind that the volume has; lifeboat detect lists them"
            }
            Self::WrongKey(_) | Self::Untried(_) => {
                "find the recovery key by its Key ID (Active Directory, Entra ID, \
                 or the owner's Microsoft account)"
            }
            Self::Read { .. } => "check the cable and the disk, or image the disk with ddrescue",
        }
        .to_owned()
    }
}

impl BitLockerError {
    /// How much it says about the volume: of several keys' failures, that with the most is told.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::NoSuchProtector(_) => 0,
            Self::ClearKey => 1,
            Self::WrongKey(_) => 2,
            Self::Untried(_) => 3,
            _ => 4,
        }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadCopies { bad } => write!(
                f,
                "{bad} of the three copies of BitLocker's metadata are damaged; a good one was used"
            ),
            Self::NoGoodCopy => f.write_str(
                "all copies of BitLocker's metadata have a wrong checksum; one was used as it is",
            ),
            Self::CopiesDiffer { used } => write!(
                f,
                "the copies of BitLocker's metadata contradict each other on what is encrypted; \
                 {used} of the three agree and were used"
            ),
            Self::HashDiffers => f.write_str("BitLocker's metadata does not match its own hash"),
            Self::InConversion(what) => write!(f, "{what}"),
            Self::ConversionMap { why, bytes: 0 } => {
                write!(f, "BitLocker's record of what is encrypted is damaged: {why}")
            }
            Self::ConversionMap { why, bytes } => write!(
                f,
                "BitLocker's record of what is encrypted is damaged ({why}): for {} it was \
                 taken from the rest of the metadata",
                units::bytes(*bytes)
            ),
            Self::CutShort => f.write_str("the end of the BitLocker volume is missing"),
        }
    }
}

/// The error of a read that touches what was being converted when the power failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "BitLocker was converting the {len} bytes at byte {start} of the volume when it was \
     interrupted: they are partly encrypted and cannot be read"
)]
pub struct InConversion {
    /// First byte on the volume.
    pub start: u64,
    /// How many.
    pub len: u64,
}

/// What is doubtful about a volume that can be opened all the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Some copies of the metadata are damaged; a good one was used.
    BadCopies {
        /// How many of the three.
        bad: usize,
    },
    /// Copies with good checksums contradict each other.
    CopiesDiffer {
        /// How many of them say what was used.
        used: usize,
    },
    /// No copy has a good checksum; one that opened was used as it is.
    NoGoodCopy,
    /// The metadata is not what BitLocker last signed.
    HashDiffers,
    /// The conversion was interrupted within a piece of the volume.
    InConversion(InConversion),
    /// The record of the conversion is damaged or incomplete.
    ConversionMap {
        /// What is wrong with it, for people.
        why: &'static str,
        /// The bytes of the volume for which it does not say what is encrypted.
        bytes: u64,
    },
    /// Parts of the volume that BitLocker uses are past its end.
    CutShort,
}
