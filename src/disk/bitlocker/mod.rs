//! BitLocker volumes, opened with a key: a [`Device`](crate::disk::Device) over a device, read-only.
//!
//! Sector 0 (`header`) leads to three copies of the metadata (`metadata`). It holds the volume
//! master key (VMK) once for each protector (`protector`), encrypted by what the protector asks
//! for (`key`), and the sector key (FVEK), encrypted by the VMK; both by AES-CCM (`ccm`).
//! `map` says which bytes of the view lie where, and whether they are encrypted; `eow` reads
//! the bitmaps of a volume that is being converted. `cipher` decrypts sectors, `device` is the
//! view, and `locked` ties these together. `keyring` finds keys in files and tries them; `encryption` is what is
//! said about a volume. `lost_start` finds the metadata where sector 0 is
//! lost.
//!
//! Microsoft has not published the format. Each fact has its source beside it: "libbde" is
//! libyal's `BitLocker Drive Encryption (BDE) format` by section; "cryptsetup" its
//! `lib/bitlk/bitlk.c`; "dislocker" its headers; "seen" what real volumes showed.

mod ccm;
mod cipher;
mod datum;
mod device;
mod encryption;
mod eow;
mod error;
mod header;
mod key;
mod keyring;
mod locked;
mod lost_start;
mod map;
mod metadata;
mod protector;

pub use encryption::{Access, Encryption};
pub use eow::EowMaps;
pub use error::{BitLockerError, Doubt, InConversion};
pub use header::VolumeHeader;
pub use key::{KeyFault, RecoveryKey, StartupKey, VolumeKey, VolumePassword};
pub use keyring::{KeyFile, KeySource, Keyring, group_hint};
pub use locked::{Conversion, Locked, Unlocked};
pub use metadata::Metadata;
pub use protector::{Protector, ProtectorKind};

pub(crate) use header::is_bitlocker;
pub(crate) use lost_start::find_header;
