//! What is said about a BitLocker volume: to people, and in `--json`.

use super::error::BitLockerError;
use super::locked::{Conversion, Locked, Unlocked};
use super::protector::ProtectorKind;
use crate::model::advice::Advice as _;

/// Whether a BitLocker volume can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// It takes a key; nothing that may fit was given.
    Locked,
    /// A key was given that does not open it.
    WrongKey,
    /// It cannot be opened by any key; why, and what to do.
    Impossible {
        /// Why, for people.
        why: String,
        /// What to do, for people.
        action: String,
    },
    /// Protection is suspended: the key lies on the volume.
    Suspended,
    /// Unlocked by a key of this kind.
    UnlockedBy(ProtectorKind),
    /// Unlocked by the system, not by Lifeboat.
    UnlockedBySystem,
    /// Nothing is encrypted any more.
    Decrypted,
}

/// A BitLocker volume, as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encryption {
    /// Whether it can be read.
    pub access: Access,
    /// How much of it is encrypted.
    pub conversion: Conversion,
    /// The first eight digits of the Key ID to search for.
    pub key_id: Option<String>,
    /// The kinds of its protectors, in the order of the volume.
    pub protectors: Vec<ProtectorKind>,
    /// What BitLocker calls it: computer, drive and date.
    pub label: Option<String>,
    /// The cipher, as `manage-bde` calls it.
    pub cipher: &'static str,
}

impl Encryption {
    /// Of a volume, and what came of trying keys on it.
    pub fn of(locked: &Locked, tried: Option<&Result<Unlocked, BitLockerError>>) -> Self {
        let metadata = locked.metadata();
        let access = match tried {
            Some(Ok(Unlocked { protector: Some(protector), .. })) => match protector.kind {
                ProtectorKind::Clear => Access::Suspended,
                kind => Access::UnlockedBy(kind),
            },
            Some(Ok(Unlocked { protector: None, .. })) => Access::Decrypted,
            Some(Err(BitLockerError::WrongKey(_))) => Access::WrongKey,
            Some(Err(error)) => Access::impossible(error),
            None => Access::Locked,
        };
        let mut encryption = Self {
            access,
            conversion: locked.conversion(),
            key_id: locked.key_id(),
            protectors: locked.protectors().iter().map(|protector| protector.kind).collect(),
            label: metadata.and_then(|metadata| metadata.description.clone()),
            cipher: metadata.map_or("unknown", |metadata| metadata.cipher_name()),
        };
        if encryption.access == Access::Locked && !encryption.takes_a_key() {
            encryption.access = Access::Impossible {
                why: format!("its only protectors are: {}", encryption.kinds()),
                action: "start the computer that it is from, and unlock or suspend it there; \
                         a TPM alone cannot be replaced by a key"
                    .to_owned(),
            };
        }
        encryption
    }

    /// Of a volume that the system has unlocked.
    pub fn by_system(locked: &Locked) -> Self {
        Self { access: Access::UnlockedBySystem, ..Self::of(locked, None) }
    }

    /// Of a volume whose metadata cannot be read.
    pub fn unreadable(error: &BitLockerError) -> Self {
        Self {
            access: Access::impossible(error),
            conversion: Conversion::Encrypted,
            key_id: None,
            protectors: Vec::new(),
            label: None,
            cipher: "unknown",
        }
    }

    /// Whether any key that people can have opens it.
    pub fn takes_a_key(&self) -> bool {
        use ProtectorKind::{Password, RecoveryKey, StartupKey};
        self.protectors.iter().any(|kind| matches!(kind, RecoveryKey | Password | StartupKey))
    }

    /// Whether it is locked, and a key may open it.
    pub fn is_locked(&self) -> bool {
        matches!(self.access, Access::Locked | Access::WrongKey)
    }

    /// The stable name of [`access`](Self::access), as in `--json`.
    pub fn access_name(&self) -> &'static str {
        match self.access {
            Access::Locked => "locked",
            Access::WrongKey => "wrong-key",
            Access::Impossible { .. } => "impossible",
            Access::Suspended => "suspended",
            Access::UnlockedBy(_) => "unlocked",
            Access::UnlockedBySystem => "unlocked-by-system",
            Access::Decrypted => "decrypted",
        }
    }

    /// Its protectors, for people.
    pub fn kinds(&self) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for kind in self.protectors.iter().map(ToString::to_string) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.join(", ")
    }

    /// One line about it, for people.
    pub fn describe(&self) -> String {
        let mut text = match &self.access {
            Access::Locked => "locked".to_owned(),
            Access::WrongKey => "locked; the keys that were given do not open it".to_owned(),
            Access::Impossible { why, .. } => format!("cannot be unlocked: {why}"),
            Access::Suspended => "suspended: its key is on the volume".to_owned(),
            Access::UnlockedBy(kind) => format!("unlocked by the {kind}"),
            Access::UnlockedBySystem => "unlocked by the system".to_owned(),
            Access::Decrypted => "decrypted".to_owned(),
        };
        if let Conversion::Partly(part) = self.conversion {
            text = format!("{text}; being converted, {part}% encrypted");
        }
        if let Some(id) = &self.key_id {
            text = format!("{text}; Key ID {id}");
        }
        if !self.protectors.is_empty() {
            text = format!("{text}; protectors: {}", self.kinds());
        }
        text
    }

    /// Why its files cannot be read, and what to do; `None` if they can.
    pub fn reason(&self) -> Option<String> {
        let id = self.key_id.as_deref().unwrap_or("unknown");
        let kinds = self.kinds();
        Some(match &self.access {
            Access::Locked => {
                format!("locked by BitLocker ({kinds}): unlock it with the key of Key ID {id}")
            }
            Access::WrongKey => format!(
                "locked by BitLocker ({kinds}): no key that was given opens it; \
                 find the key of Key ID {id}"
            ),
            Access::Impossible { why, action } => {
                let key = self.key_id.as_ref().map(|id| format!(" (Key ID {id})"));
                format!("locked by BitLocker{}: {why}; {action}", key.unwrap_or_default())
            }
            _ => return None,
        })
    }
}

impl Access {
    fn impossible(error: &BitLockerError) -> Self {
        let why = error.to_string();
        let why = why.strip_prefix("BitLocker: ").unwrap_or(&why).to_owned();
        Self::Impossible { why, action: error.advice() }
    }
}
