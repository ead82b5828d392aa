//! What is said about a BitLocker volume: to people, and in `--json`.

use super::error::BitLockerError;
use super::locked::{Conversion, Locked, Unlocked};
use super::protector::{Protector, ProtectorKind};
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
    /// The same of each of its recovery keys.
    pub key_ids: Vec<String>,
    /// Keys that were given for other Key IDs and not tried.
    pub untried: usize,
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
            Some(Err(
                BitLockerError::WrongKey(_)
                | BitLockerError::Untried(_)
                | BitLockerError::NoSuchProtector(_),
            )) => Access::WrongKey,
            Some(Err(BitLockerError::ClearKey))
                if locked.protectors().iter().any(|protector| protector.kind.is_key()) =>
            {
                Access::Locked
            }
            Some(Err(error)) => Access::impossible(error),
            None => Access::Locked,
        };
        // The key that opened it, not another one.
        let opened = tried.and_then(|tried| tried.as_ref().ok()?.protector.as_ref());
        let opened = opened.filter(|protector| protector.kind == ProtectorKind::RecoveryKey);
        let mut encryption = Self {
            access,
            conversion: locked.conversion(),
            key_id: opened.map(Protector::short_id).or_else(|| locked.key_id()),
            key_ids: locked.key_ids(),
            untried: match tried {
                Some(Err(BitLockerError::Untried(count))) => *count,
                _ => 0,
            },
            protectors: locked.protectors().iter().map(|protector| protector.kind).collect(),
            label: metadata.and_then(|metadata| metadata.description.clone()),
            cipher: metadata.map_or("unknown", |metadata| metadata.cipher_name()),
        };
        if encryption.access == Access::Locked && !encryption.takes_a_key() {
            let is_tpm = |kind: &ProtectorKind| matches!(kind, ProtectorKind::Tpm { .. });
            let mut action =
                "start the computer that it is from, and unlock or suspend it there".to_owned();
            if encryption.protectors.iter().any(is_tpm) {
                action.push_str("; a TPM alone cannot be replaced by a key");
            }
            let why = match encryption.kinds() {
                none if none.is_empty() => "its metadata has no protector".to_owned(),
                kinds => format!("its only protectors are: {kinds}"),
            };
            encryption.access = Access::Impossible { why, action };
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
            key_ids: Vec::new(),
            untried: 0,
            protectors: Vec::new(),
            label: None,
            cipher: "unknown",
        }
    }

    /// Whether any key that people can have opens it.
    pub(crate) fn takes_a_key(&self) -> bool {
        self.protectors.iter().any(|kind| kind.is_key())
    }

    /// The Key IDs to search for, for people.
    pub fn ids(&self) -> String {
        if self.key_ids.is_empty() { "unknown".to_owned() } else { self.key_ids.join(" or ") }
    }

    /// What to look for to open it, for people; begins with a small letter.
    pub(crate) fn what_to_find(&self) -> String {
        let has = |kind| self.protectors.contains(&kind);
        let mut ways = Vec::new();
        if has(ProtectorKind::RecoveryKey) {
            ways.push(format!("find the recovery key with Key ID {}", self.ids()));
        }
        if has(ProtectorKind::Password) {
            ways.push("ask for the password of the volume".to_owned());
        }
        if has(ProtectorKind::StartupKey) {
            ways.push("attach the stick with its startup key (a .BEK file)".to_owned());
        }
        ways.join(", or ")
    }

    /// Whether it is locked, and a key may open it.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.access, Access::Locked | Access::WrongKey)
    }

    /// The stable name of [`access`](Self::access), as in `--json`.
    pub(crate) fn access_name(&self) -> &'static str {
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
        let id = match &self.access {
            Access::UnlockedBy(ProtectorKind::RecoveryKey) => self.key_id.clone(),
            _ => Some(self.key_ids.join(", ")).filter(|ids| !ids.is_empty()),
        };
        if let Some(id) = id {
            text = format!("{text}; Key ID {id}");
        }
        if let Some(label) = &self.label {
            text = format!("{text}; name {label}");
        }
        if !self.protectors.is_empty() {
            text = format!("{text}; protectors: {}", self.kinds());
        }
        text
    }

    /// Why its files cannot be read, and what to do; `None` if they can.
    pub fn reason(&self) -> Option<String> {
        let find = self.what_to_find();
        let label = self.label.as_ref().map(|label| format!("; its name is {label}"));
        let label = label.unwrap_or_default();
        let kinds = self.kinds();
        Some(match &self.access {
            Access::Locked => {
                format!("locked by BitLocker ({kinds}): {find}{label}")
            }
            Access::WrongKey => format!(
                "locked by BitLocker ({kinds}): no key that was given opens it; {find}{label}"
            ),
            Access::Impossible { why, action } => {
                let key = self.key_id.as_ref().map(|_| format!(" (Key ID {})", self.ids()));
                format!("locked by BitLocker{}: {why}; {action}{label}", key.unwrap_or_default())
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
