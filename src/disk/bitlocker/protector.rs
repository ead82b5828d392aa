//! Protectors: each has the volume's master key, wrapped by something else (libbde, 5.4.3).

use std::fmt;

use zeroize::Zeroizing;

use super::datum::{Datum, value};
use super::key::{Key, VolumeKey, plain_key};
use crate::disk::guid::Guid;
use crate::model::bytes::{array_at, u16_at};

/// What opens a protector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtectorKind {
    /// Nothing: the key lies beside it. Protection is suspended, or not yet switched on.
    Clear,
    /// The TPM of that computer, in its own start-up.
    Tpm {
        /// Together with a PIN.
        pin: bool,
        /// Together with a startup key.
        startup_key: bool,
    },
    /// A `.BEK` file.
    StartupKey,
    /// 48 digits.
    RecoveryKey,
    /// A smart card, or the certificate of a data recovery agent.
    Certificate,
    /// A password.
    Password,
    /// Something else.
    Other(u16),
}

impl ProtectorKind {
    /// By its code. The low byte is not part of it.
    fn from_code(code: u16) -> Self {
        match code & 0xFF00 {
            0 => Self::Clear,
            0x0200 => Self::StartupKey,
            0x0800 => Self::RecoveryKey,
            0x1000 => Self::Certificate,
            0x2000 => Self::Password,
            tpm if tpm & 0x0100 != 0 => {
                Self::Tpm { pin: tpm & 0x0400 != 0, startup_key: tpm & 0x0200 != 0 }
            }
            other => Self::Other(other),
        }
    }

    /// Whether people can have what opens it.
    pub(crate) fn is_key(self) -> bool {
        matches!(self, Self::RecoveryKey | Self::Password | Self::StartupKey)
    }

    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear-key",
            Self::Tpm { pin: false, startup_key: false } => "tpm",
            Self::Tpm { pin: true, startup_key: false } => "tpm-pin",
            Self::Tpm { pin: false, startup_key: true } => "tpm-startup-key",
            Self::Tpm { pin: true, startup_key: true } => "tpm-pin-startup-key",
            Self::StartupKey => "startup-key",
            Self::RecoveryKey => "recovery-key",
            Self::Certificate => "certificate",
            Self::Password => "password",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for ProtectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Clear => "clear key",
            Self::Tpm { pin: false, startup_key: false } => "TPM",
            Self::Tpm { pin: true, startup_key: false } => "TPM and PIN",
            Self::Tpm { pin: false, startup_key: true } => "TPM and startup key",
            Self::Tpm { pin: true, startup_key: true } => "TPM, PIN and startup key",
            Self::StartupKey => "startup key",
            Self::RecoveryKey => "recovery key",
            Self::Certificate => "certificate",
            Self::Password => "password",
            Self::Other(_) => "unknown protector",
        })
    }
}

/// One way to the volume's master key.
#[derive(Clone, PartialEq, Eq)]
pub struct Protector {
    /// Its identifier: the Key ID that Active Directory, Entra ID and the recovery screen show.
    pub id: Guid,
    /// What opens it.
    pub kind: ProtectorKind,
    /// The key beside it, if it is a clear one.
    clear: Option<Key>,
    salt: Option<[u8; 16]>,
    /// The master key, wrapped; more than one was never seen.
    pub(super) wrapped: Vec<Vec<u8>>,
}

impl Protector {
    /// From the value of a VMK datum: identifier, time, two bytes, the code at 26, properties.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let mut protector = Self {
            id: Guid(array_at(data, 0)?),
            kind: ProtectorKind::from_code(u16_at(data, 26)?),
            clear: None,
            salt: None,
            wrapped: Vec::new(),
        };
        for property in Datum::all(data.get(28..)?) {
            match property.value {
                value::KEY => {
                    protector.clear = protector.clear.take().or_else(|| plain_key(property.data));
                }
                value::STRETCH_KEY => protector.salt = array_at(property.data, 4),
                value::AES_CCM => protector.wrapped.push(property.data.to_vec()),
                _ => {}
            }
        }
        Some(protector)
    }

    /// The first eight digits of the Key ID, by which people search for the recovery key.
    pub fn short_id(&self) -> String {
        self.id.to_string().chars().take(8).collect::<String>().to_uppercase()
    }

    /// The key beside it.
    pub(super) fn clear_key(&self) -> Option<&Key> {
        self.clear.as_ref().filter(|_| self.kind == ProtectorKind::Clear)
    }

    /// Whether `key` is of the kind that may open it.
    pub(super) fn takes(&self, key: &VolumeKey) -> bool {
        match key {
            VolumeKey::Recovery(_) => self.kind == ProtectorKind::RecoveryKey,
            VolumeKey::Password(_) => self.kind == ProtectorKind::Password,
            VolumeKey::Startup(startup) => {
                self.kind == ProtectorKind::StartupKey && startup.protector == self.id
            }
        }
    }

    /// What opens the wrapped master key, made of `key`; `None` if this protector lacks a part.
    pub(super) fn opener(&self, key: &VolumeKey) -> Option<Key> {
        match key.initial() {
            Some(initial) => Some(super::key::stretch(&initial, self.salt?)),
            None => key.ready(),
        }
    }
}

impl fmt::Debug for Protector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protector({} {:?})", self.id, self.kind)
    }
}

/// The master key.
pub(super) fn master_key(opened: &[u8]) -> Option<Key> {
    let (_, key) = super::key::unwrapped(opened)?;
    Some(Zeroizing::new(key.try_into().ok()?))
}
