//! Keys from files, and which of them to try on which volume.

use zeroize::Zeroizing;

use super::error::BitLockerError;
use super::key::{RecoveryKey, StartupKey, VolumeKey, VolumePassword, is_separator};
use super::locked::{Locked, Unlocked};
use super::protector::ProtectorKind;

/// So many keys of a file are tried on a volume though the file says that they are for others:
/// each takes half a second.
const MAX_STRANGERS: usize = 16;

/// The recovery keys of a text file, in any layout: what `manage-bde -protectors -get` prints, what
/// Windows saves, exports of Active Directory and Entra ID, a list by hand.
#[derive(Clone, Debug, Default)]
pub struct KeyFile {
    keys: Vec<FileKey>,
    /// The first line with 8 groups that are no key, and the group that is mistyped.
    mistyped: Option<(usize, usize)>,
}

/// A key, and the Key IDs between it and the keys before and behind it.
#[derive(Clone, Debug)]
struct FileKey {
    key: RecoveryKey,
    line: usize,
    before: Vec<Id>,
    behind: Vec<Id>,
}

/// A Key ID, or the first digits of one: lower case, without hyphens.
#[derive(Clone, Debug)]
struct Id {
    digits: String,
    line: usize,
}

impl KeyFile {
    /// From a file's bytes: UTF-8, or UTF-16 with a byte order mark, as Windows saves it.
    pub fn parse(bytes: &[u8]) -> Self {
        let utf16 = |decode: fn([u8; 2]) -> u16| {
            let units = bytes.get(2..).unwrap_or_default().as_chunks::<2>().0.iter();
            let units: Zeroizing<Vec<u16>> = Zeroizing::new(units.copied().map(decode).collect());
            String::from_utf16_lossy(&units)
        };
        let text = Zeroizing::new(match bytes {
            [0xFF, 0xFE, ..] => utf16(u16::from_le_bytes),
            [0xFE, 0xFF, ..] => utf16(u16::from_be_bytes),
            // Windows' order without its mark.
            [1..=0xFF, 0, 1..=0xFF, 0, ..] => String::from_utf8_lossy(&Zeroizing::new(
                bytes.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>(),
            ))
            .into_owned(),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        });
        Self::from_text(&text)
    }

    fn from_text(text: &str) -> Self {
        let mut file = Self::default();
        let mut ids: Vec<Id> = Vec::new();
        let mut rest = text;
        let mut line = 0;
        while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
            line += rest[..start].matches('\n').count();
            let before = rest[..start].chars().next_back();
            rest = &rest[start..];
            let len = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            // A part of a word is no number.
            let is_word = before.is_some_and(char::is_alphanumeric)
                || rest[len..].chars().next().is_some_and(char::is_alphanumeric);
            let group = if is_word { None } else { mistyped(rest) };
            file.mistyped = file.mistyped.or(group.map(|group| (line + 1, group)));
            if !is_word && let Some((key, taken)) = recovery_key(rest) {
                if let Some(last) = file.keys.last_mut() {
                    last.behind.clone_from(&ids);
                }
                let before = std::mem::take(&mut ids);
                file.keys.push(FileKey { key, line, before, behind: Vec::new() });
                line += rest[..taken].matches('\n').count();
                rest = &rest[taken..];
            } else if !is_word && let Some((digits, taken)) = key_id(rest, len) {
                ids.push(Id { digits, line });
                rest = &rest[taken..];
            } else {
                rest = &rest[len..];
            }
        }
        if let Some(last) = file.keys.last_mut() {
            last.behind = ids;
        }
        file
    }

    /// The first key that is mistyped: its line, and its group, both counted from 1.
    pub fn mistyped(&self) -> Option<(usize, usize)> {
        self.mistyped
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys to try on a volume whose recovery keys have these Key IDs, the likeliest first:
    /// those with that ID in their line, those with it before or behind them, those without any,
    /// and a few that are for others by what is written there.
    ///
    /// The second is how many others there are.
    fn for_volume(&self, ids: &[String]) -> (Vec<&RecoveryKey>, usize) {
        const STRANGER: u8 = 5;
        let rank = |key: &FileKey| {
            let is_own = |id: &&Id| ids.iter().any(|own| own.starts_with(&id.digits));
            let rank = |listed: &[Id], ranks: [u8; 2]| {
                let own = listed.iter().filter(is_own);
                own.map(|id| ranks[usize::from(id.line != key.line)]).min()
            };
            let named = [rank(&key.before, [0, 2]), rank(&key.behind, [1, 3])];
            let is_bare = key.before.is_empty() && key.behind.is_empty();
            let other = if is_bare { 4 } else { STRANGER };
            named.into_iter().flatten().min().unwrap_or(other)
        };
        let mut ranked: Vec<_> = self.keys.iter().map(|key| (rank(key), &key.key)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let named = ranked.iter().filter(|(rank, _)| *rank < STRANGER).count();
        let all = ranked.len();
        ranked.truncate(named.saturating_add(MAX_STRANGERS));
        let untried = all - ranked.len();
        (ranked.into_iter().map(|(_, key)| key).collect(), untried)
    }
}

/// The group that is mistyped in 8 groups of 6 digits at the start of `text`, with hyphens
/// between them.
fn mistyped(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let groups: Vec<&str> = text.get(..end)?.split('-').collect();
    let has_form = groups.len() == 8 && groups.iter().all(|group| group.len() == 6);
    has_form.then(|| RecoveryKey::wrong_group(&text[..end])).flatten()
}

/// 48 digits at the start of `text` that are a recovery key, and the bytes that they take. Between
/// the groups there are hyphens, spaces or ends of lines, or nothing.
fn recovery_key(text: &str) -> Option<(RecoveryKey, usize)> {
    let mut digits = 0;
    // Behind the end of a line: exports fold long ones, within a group too.
    let mut is_folded = false;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            digits += 1;
            if digits == 48 {
                let end = at + 1;
                let goes_on = text[end..].chars().next().is_some_and(char::is_alphanumeric);
                let key = RecoveryKey::parse(&text[..end]).ok().filter(|_| !goes_on)?;
                return Some((key, end));
            }
        } else if matches!(c, '\r' | '\n') {
            is_folded = true;
        } else if !is_separator(c) || digits % 6 != 0 && !(is_folded && c.is_whitespace()) {
            return None;
        }
        is_folded &= !c.is_ascii_digit();
    }
    None
}

/// A GUID at the start of `text`, or its first eight digits alone, and the bytes that it takes.
fn key_id(text: &str, word: usize) -> Option<(String, usize)> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let guid = text.get(..36).filter(|guid| {
        guid.bytes().enumerate().all(|(i, byte)| {
            if HYPHENS.contains(&i) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
    });
    let id = guid.or_else(|| text.get(..8).filter(|_| word == 8))?;
    Some((id.replace('-', "").to_ascii_lowercase(), id.len()))
}

/// Where the keys of volumes come from.
pub trait KeySource: Send + Sync {
    /// Unlocks a volume, which `name` is for people. `None` if there is nothing to try on it.
    fn unlock(&self, locked: &Locked, name: &str) -> Option<Result<Unlocked, BitLockerError>>;
}

/// What was given to unlock volumes with.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Recovery keys in files.
    pub files: Vec<KeyFile>,
    /// Recovery keys and passwords that were given or typed without a file.
    pub loose: Vec<VolumeKey>,
    /// From `.BEK` files.
    pub startup: Vec<StartupKey>,
    /// Passwords.
    pub passwords: Vec<VolumePassword>,
}

impl Keyring {
    /// Whether there is nothing to try.
    pub fn is_empty(&self) -> bool {
        let no_keys = self.files.iter().all(KeyFile::is_empty) && self.loose.is_empty();
        no_keys && self.startup.is_empty() && self.passwords.is_empty()
    }

    /// Tries what there is on a volume: the key beside its data, then startup keys, recovery keys and
    /// passwords. `None` if there is nothing to try on it.
    pub fn try_all(&self, locked: &Locked) -> Option<Result<Unlocked, BitLockerError>> {
        let mut failure: Option<BitLockerError> = None;
        match locked.unlock_suspended() {
            Some(Ok(unlocked)) => return Some(Ok(unlocked)),
            Some(Err(error)) => failure = Some(error),
            None => {}
        }
        let takes_a_key = locked.protectors().iter().any(|protector| protector.kind.is_key());
        // A failure that says more is not replaced by one that says less.
        let note = |failure: &mut Option<BitLockerError>, error: BitLockerError| {
            if failure.as_ref().is_none_or(|known| error.weight() > known.weight()) {
                *failure = Some(error);
            }
        };
        let mut try_key = |key: VolumeKey| match locked.unlock(&key) {
            Ok(unlocked) => Some(Ok(unlocked)),
            Err(BitLockerError::NoSuchProtector(_)) if !takes_a_key => None,
            Err(error) => {
                note(&mut failure, error);
                None
            }
        };
        let recovery: Vec<String> = locked
            .protectors()
            .iter()
            .filter(|protector| protector.kind == ProtectorKind::RecoveryKey)
            .map(|protector| protector.id.to_string().replace('-', ""))
            .collect();
        let startup = self.startup.iter().cloned().map(VolumeKey::Startup);
        let mut untried = 0_usize;
        let mut in_files = Vec::new();
        for file in &self.files {
            let (keys, others) = file.for_volume(&recovery);
            untried = untried.saturating_add(others);
            in_files.extend(keys.into_iter().cloned().map(VolumeKey::Recovery));
        }
        let passwords = self.passwords.iter().cloned().map(VolumeKey::Password);
        let mut all = startup.chain(self.loose.iter().cloned()).chain(in_files).chain(passwords);
        let opened = all.find_map(&mut try_key);
        drop(all);
        if opened.is_some() {
            return opened;
        }
        if untried > 0 && !recovery.is_empty() {
            note(&mut failure, BitLockerError::Untried(untried));
        }
        failure.map(Err)
    }
}

impl KeySource for Keyring {
    fn unlock(&self, locked: &Locked, _name: &str) -> Option<Result<Unlocked, BitLockerError>> {
        self.try_all(locked)
    }
}

/// What to say while a recovery key is being typed: the group that is mistyped.
pub fn group_hint(typed: &str) -> Option<String> {
    RecoveryKey::wrong_group(typed).map(|group| format!("group {group} is mistyped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "235818-357951-253979-013365-241120-245575-342914-591910";
    const B: &str = "111111-222222-333333-444444-555555-666666-000011-000022";
    const ID_A: &str = "f48bbd62-4e4d-4c5a-9a2c-7e9f1c5c8a11";
    const ID_B: &str = "0b1c2d3e-aaaa-bbbb-cccc-0123456789ab";

    fn keys(text: &str, id: &str) -> Vec<RecoveryKey> {
        let file = KeyFile::parse(text.as_bytes());
        file.for_volume(&[id.replace('-', "")]).0.into_iter().cloned().collect()
    }

    #[test]
    fn any_layout_of_an_export_is_read() {
        let (a, b) = (RecoveryKey::parse(A).unwrap(), RecoveryKey::parse(B).unwrap());
        let upper = ID_A.to_uppercase();
        let layouts = [
            // manage-bde -protectors -get
            format!(
                "  Numerical Password:\r\n    ID: {{{ID_B}}}\r\n    Password:\r\n      {B}\r\n\r\n  Numerical Password:\r\n    ID: {{{upper}}}\r\n    Password:\r\n      {A}\r\n"
            ),
            // A CSV of Active Directory's objects, and one with the key before the ID.
            format!(
                "Name,Password\n\"2026-01-01T10:00:00-00:00{{{ID_B}}}\",\"{B}\"\n\"2026-01-02T10:00:00-00:00{{{upper}}}\",\"{A}\"\n"
            ),
            format!("key;id\n{B};{ID_B}\n{A};{ID_A}\n"),
            // Entra ID by Graph: the device's ID stands behind.
            format!(
                "[{{\"id\":\"{ID_B}\",\"key\":\"{B}\",\"deviceId\":\"99999999-1111-2222-3333-444444444444\"}},{{\"id\":\"{ID_A}\",\"key\":\"{A}\",\"deviceId\":\"99999999-1111-2222-3333-555555555555\"}}]"
            ),
            // By hand, with the eight digits.
            format!(
                "PC-0815 {} {B}\nPC-0816 {} {}\n",
                &ID_B[..8],
                &upper[..8],
                A.replace('-', " ")
            ),
        ];
        for text in &layouts {
            let found = keys(text, ID_A);
            assert_eq!((found.len(), &found[0]), (2, &a), "{text}");
            let found = keys(text, ID_B);
            assert_eq!((found.len(), &found[0]), (2, &b), "{text}");
        }
    }

    #[test]
    fn windows_saves_utf_16_and_keys_without_an_id_are_tried_in_order() {
        let text = format!("Identifier:\r\n\r\n\t{ID_A}\r\n\r\nRecovery Key:\r\n\r\n\t{A}\r\n");
        for (mark, encode) in
            [([0xFF, 0xFE], u16::to_le_bytes as fn(u16) -> _), ([0xFE, 0xFF], u16::to_be_bytes)]
        {
            let bytes: Vec<u8> =
                mark.into_iter().chain(text.encode_utf16().flat_map(encode)).collect();
            assert_eq!(KeyFile::parse(&bytes).len(), 1);
        }
        let (a, b) = (RecoveryKey::parse(A).unwrap(), RecoveryKey::parse(B).unwrap());
        assert_eq!(keys(&format!("{A}\n{}\n", B.replace('-', "")), ID_A), [a, b]);
        // Neither a group that no key has, nor digits in the middle of others.
        for none in [A.replace("235818", "235819"), format!("1{A}"), format!("{A}1"), "1234".into()]
        {
            assert!(KeyFile::parse(none.as_bytes()).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_key_that_is_folded_over_lines_is_one() {
        let a = RecoveryKey::parse(A).unwrap();
        // LDIF folds with a space within a group, PowerShell with as many as fit; one group a line.
        let folded = format!("msFVE-RecoveryPassword: {}\n {}\n", &A[..52], &A[52..]);
        let wide =
            format!("msFVE-RecoveryPassword : {}\r\n{}{}\r\n", &A[..49], " ".repeat(25), &A[49..]);
        let lines = format!("{}\n", A.replace('-', "\n"));
        let two = format!("{}\n{}\n", &A[..28], &A[28..]);
        for text in [folded, wide, lines, two] {
            assert_eq!(keys(&text, ID_A), std::slice::from_ref(&a), "{text}");
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(KeyFile::parse(&utf16).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_thousand_keys_of_other_volumes_are_not_tried() {
        let lines = (0..1000).map(|i| format!("{i:08x}-0000-0000-0000-000000000000,{B}"));
        let text = lines.collect::<Vec<_>>().join("\n");
        assert_eq!(keys(&text, ID_A).len(), MAX_STRANGERS);
        assert_eq!(keys(&format!("{text}\n{ID_A},{A}\n"), ID_A)[0], RecoveryKey::parse(A).unwrap());
    }
}
