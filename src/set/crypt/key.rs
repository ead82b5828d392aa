//! The key of a set, and how it is encrypted: by a passphrase or to recipients.

use std::fmt;
use std::io::Read;

use age::secrecy::{ExposeSecret, SecretString};
pub use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};

use super::CryptError;
use crate::model::secret::Secret;

/// Rounds of scrypt for a new set, as a power of two: 64 MiB, so that a rescue
/// stays within its memory.
const WORK: u8 = 16;
/// The most rounds tried on an untrusted file: what `age -p` accepts.
const MAX_WORK: u8 = 18;
/// The minimum length of a passphrase, in characters.
const SHORTEST: usize = 12;
/// The largest file that is decrypted in memory, in bytes.
pub(crate) const MAX_SMALL: u64 = 64 << 20;

/// How a new set's key is encrypted.
#[derive(Clone, Debug)]
pub enum Locks {
    /// The passphrase decrypts the set.
    Passphrase(Secret),
    /// The identity of any of these decrypts the set.
    Recipients(Vec<x25519::Recipient>),
}

impl Locks {
    /// The word for it in `rescue.json`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::Recipients(_) => "recipients",
        }
    }
}

/// How a set is encrypted, and the keys for one of ours that was interrupted.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// How a new set's key is encrypted.
    pub locks: Locks,
    /// The keys for an unfinished set.
    pub keys: Keys,
}

/// The keys for a set.
#[derive(Clone, Default)]
pub struct Keys {
    /// A passphrase.
    pub passphrase: Option<Secret>,
    /// Secret keys.
    pub identities: Vec<x25519::Identity>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passphrase, identities) = (self.passphrase.is_some(), self.identities.len());
        write!(f, "Keys {{ passphrase: {passphrase}, identities: {identities} }}")
    }
}

/// Whether a `key.age` is locked with a passphrase; `None` if it is damaged.
pub(crate) fn is_of_passphrase(file: &[u8]) -> Option<bool> {
    Decryptor::new_buffered(file).ok().map(|sealed| sealed.is_scrypt())
}

impl Keys {
    /// Reads the set's key from its `key.age`.
    ///
    /// # Errors
    /// None of the keys opens it, or it is damaged.
    pub fn open(&self, file: &[u8]) -> Result<SetKey, CryptError> {
        let damaged = || CryptError::Damaged("key.age is damaged");
        let sealed = Decryptor::new_buffered(file).map_err(|_| damaged())?;
        let of_passphrase = sealed.is_scrypt();
        let result = if of_passphrase {
            let passphrase = self.passphrase.as_ref().ok_or(CryptError::NoPassphrase)?;
            let mut identity = scrypt::Identity::new(secret(passphrase));
            identity.set_max_work_factor(MAX_WORK);
            sealed.decrypt(std::iter::once(&identity as &dyn age::Identity))
        } else {
            sealed.decrypt(self.identities.iter().map(|identity| identity as &dyn age::Identity))
        };
        let reader = result.map_err(|error| match error {
            DecryptError::ExcessiveWork { required, .. } => CryptError::TooMuchWork(required),
            // The error is the same for a damaged file.
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed if of_passphrase => {
                CryptError::WrongPassphrase
            }
            DecryptError::NoMatchingKeys if !of_passphrase => CryptError::NoIdentity,
            _ => damaged(),
        })?;
        let mut text = String::new();
        reader.take(4096).read_to_string(&mut text).map_err(|_| damaged())?;
        let identities = parse_identities(&text).map_err(|_| damaged())?;
        identities.into_iter().next().map(SetKey).ok_or_else(damaged)
    }
}

/// The key of one set.
#[derive(Clone)]
pub struct SetKey(x25519::Identity);

impl fmt::Debug for SetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetKey(********)")
    }
}

impl SetKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// The content of `key.age`: an encrypted identity file.
    ///
    /// # Errors
    /// There are no recipients.
    pub fn lock(&self, set: &str, locks: &Locks) -> Result<Vec<u8>, CryptError> {
        let text =
            format!("# key of the rescue set {set}\n{}\n", self.0.to_string().expose_secret());
        let encryptor = match locks {
            Locks::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(secret(passphrase));
                recipient.set_work_factor(WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
            Locks::Recipients(list) => {
                Encryptor::with_recipients(list.iter().map(|one| one as &dyn age::Recipient))
            }
        };
        whole(encryptor.map_err(|e| CryptError::Failed(e.to_string()))?, text.as_bytes())
    }

    /// Encrypts a small file.
    ///
    /// # Errors
    /// None is known.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, CryptError> {
        let recipient = self.0.to_public();
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient));
        whole(encryptor.map_err(|e| CryptError::Failed(e.to_string()))?, plain)
    }

    /// Decrypts what [`SetKey::seal`] encrypted.
    ///
    /// # Errors
    /// It is damaged, or belongs to another set.
    pub fn open(&self, file: &[u8]) -> Result<Vec<u8>, CryptError> {
        let damaged = || CryptError::Damaged("it does not decrypt with the set's key");
        let sealed = Decryptor::new_buffered(file).map_err(|_| damaged())?;
        let identities = std::iter::once(&self.0 as &dyn age::Identity);
        let mut reader = sealed.decrypt(identities).map_err(|_| damaged())?.take(MAX_SMALL);
        let mut plain = Vec::new();
        reader.read_to_end(&mut plain).map_err(|_| damaged())?;
        Ok(plain)
    }

    pub(crate) fn identity(&self) -> &x25519::Identity {
        &self.0
    }
}

fn whole(encryptor: Encryptor, plain: &[u8]) -> Result<Vec<u8>, CryptError> {
    let mut sealed = Vec::new();
    let write = || {
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        std::io::Write::write_all(&mut writer, plain)?;
        writer.finish().map(drop)
    };
    write().map_err(|error: std::io::Error| CryptError::Failed(error.to_string()))?;
    Ok(sealed)
}

fn secret(passphrase: &Secret) -> SecretString {
    SecretString::from(passphrase.expose().to_owned())
}

/// Refuses a passphrase that can be guessed: a lost stick can be attacked for
/// years.
///
/// # Errors
/// [`CryptError::WeakPassphrase`] with the reason.
pub(crate) fn check_passphrase(passphrase: &Secret) -> Result<(), CryptError> {
    let text = passphrase.expose();
    let mut letters: Vec<char> = text.chars().collect();
    let count = letters.len();
    letters.sort_unstable();
    letters.dedup();
    if count == 0 {
        return Err(CryptError::WeakPassphrase("the passphrase is empty"));
    }
    if count < SHORTEST {
        return Err(CryptError::WeakPassphrase("the passphrase has fewer than 12 characters"));
    }
    if letters.len() < 5 {
        return Err(CryptError::WeakPassphrase(
            "the passphrase has fewer than 5 different characters",
        ));
    }
    Ok(())
}

/// Parses recipients: one per line, `#` begins a comment.
///
/// # Errors
/// A line is not a recipient.
pub(crate) fn parse_recipients(text: &str) -> Result<Vec<x25519::Recipient>, CryptError> {
    let parse = |line: &str| {
        line.parse::<x25519::Recipient>()
            .map_err(|_| CryptError::NotAKey(format!("'{line}' is not a recipient (age1...)")))
    };
    lines(text).map(parse).collect()
}

/// Parses identities: one per line, `#` begins a comment.
///
/// # Errors
/// A line is not an identity. It is not repeated: it may be a mistyped secret.
pub fn parse_identities(text: &str) -> Result<Vec<x25519::Identity>, CryptError> {
    let parse = |line: &str| {
        let what = "a line is not an identity (AGE-SECRET-KEY-1...)";
        line.parse::<x25519::Identity>().map_err(|_| CryptError::NotAKey(what.to_owned()))
    };
    lines(text).map(parse).collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim_start_matches('\u{feff}');
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(passphrase: &str) -> Keys {
        Keys { passphrase: Some(Secret::new(passphrase)), identities: Vec::new() }
    }

    #[test]
    fn a_passphrase_opens_what_it_locked_and_no_other_does() {
        let key = SetKey::generate();
        let file = key.lock("00000001", &Locks::Passphrase(Secret::new("right"))).unwrap();
        let back = keys("right").open(&file).unwrap();
        assert_eq!(back.open(&key.seal(b"text").unwrap()).unwrap(), b"text");
        assert_eq!(keys("wrong").open(&file).unwrap_err(), CryptError::WrongPassphrase);
        assert_eq!(Keys::default().open(&file).unwrap_err(), CryptError::NoPassphrase);
        assert!(matches!(keys("right").open(&file[1..]), Err(CryptError::Damaged(_))));
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let (one, two, other) = (SetKey::generate(), SetKey::generate(), SetKey::generate());
        let to = |key: &SetKey| key.0.to_public();
        let key = SetKey::generate();
        let file = key.lock("1", &Locks::Recipients(vec![to(&one), to(&two)])).unwrap();
        for own in [one, two] {
            let keys = Keys { passphrase: None, identities: vec![other.0.clone(), own.0] };
            assert!(keys.open(&file).is_ok());
        }
        let keys = Keys { passphrase: None, identities: vec![other.0.clone()] };
        assert_eq!(keys.open(&file).unwrap_err(), CryptError::NoIdentity);
        let sealed = key.seal(b"text").unwrap();
        assert!(other.open(&sealed).is_err());
        assert!(key.lock("1", &Locks::Recipients(Vec::new())).is_err());
    }

    #[test]
    fn what_would_be_guessed_is_refused() {
        for weak in ["", "short", "elevenchars", "aaaaaaaaaaaaaaaaaaa", "ababababababab"] {
            assert!(check_passphrase(&Secret::new(weak)).is_err(), "{weak}");
        }
        assert!(check_passphrase(&Secret::new("staple battery horse")).is_ok());
    }

    #[test]
    fn a_secret_is_in_no_message() {
        let text = "AGE-SECRET-KEY-1WRONG";
        let Err(error) = parse_identities(text) else { panic!("it is none") };
        assert!(!error.to_string().contains("WRONG"));
        let key = SetKey::generate();
        assert!(!format!("{key:?} {:?}", keys("hidden")).contains("hidden"));
        assert_eq!(parse_identities("# none\n\n").unwrap().len(), 0);
    }
}
