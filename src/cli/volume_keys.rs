//! Keys of BitLocker volumes: from files, `LIFEBOAT_RECOVERY_KEY`, the settings, or a prompt.
//! Never from the command line, never to a log. A key that opened one volume is tried on the next,
//! so that none is asked for twice.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::args::BitLockerArgs;
use super::exit::{Exit, Failure};
use crate::disk::Guid;
use crate::disk::bitlocker::{
    BitLockerError, KeyFile, KeySource, Keyring, Locked, ProtectorKind, RecoveryKey, StartupKey,
    Unlocked, VolumeKey, VolumePassword, group_hint,
};

/// The variable with a recovery key.
pub(crate) const VARIABLE: &str = "LIFEBOAT_RECOVERY_KEY";
/// The largest file with keys that is read: an export of a large directory.
const LONGEST: u64 = 64 << 20;
/// The largest `.BEK` file that is read; they have 156 or 180 bytes.
const LONGEST_BEK: u64 = 64 << 10;
/// A folder for `.BEK` files has no more of them.
const MOST_FILES: usize = 10_000;
/// So often a key is asked for.
const TRIES: usize = 3;

/// Asks on the terminal: a line before the prompt, and what to say about what was typed so far.
/// `None` if nothing was typed.
pub(crate) type Ask = fn(&str, &dyn Fn(&str) -> Option<String>) -> Option<String>;

/// The keys of this run.
#[derive(Default)]
pub(crate) struct VolumeKeys {
    state: Mutex<State>,
    /// Whether a key was given by an option or a variable, not by the settings alone.
    given: bool,
    /// Set if there is a terminal to ask on.
    ask: OnceLock<Ask>,
}

#[derive(Default)]
struct State {
    ring: Keyring,
    /// Volumes for which no key was typed when asked.
    declined: Vec<Guid>,
}

impl std::fmt::Debug for VolumeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VolumeKeys(********)")
    }
}

impl VolumeKeys {
    /// Reads what the options, the variable and the settings (`from_settings`: files that are
    /// theirs) give.
    pub(crate) fn load(options: &BitLockerArgs, from_settings: bool) -> Result<Arc<Self>, Failure> {
        let mut ring = Keyring::default();
        for path in &options.recovery_key_file {
            ring.files.push(key_file(path)?);
        }
        if let Some(path) = &options.bitlocker_password_file {
            ring.passwords.push(password_file(path)?);
        }
        if let Some(folder) = &options.bitlocker_keys {
            ring.startup = startup_keys(folder)?;
        }
        let mut given = !ring.is_empty() && !from_settings;
        // An unset and an empty variable are the same: cmd cannot set an empty one.
        if let Some(text) = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()) {
            let key = RecoveryKey::parse(&text).map_err(|fault| {
                let action = "Set it to the 48 digits of the recovery key.";
                Failure::new(Exit::Usage, format!("{VARIABLE}: {fault}"), action)
            })?;
            ring.loose.push(VolumeKey::Recovery(key));
            given = true;
        }
        let state = Mutex::new(State { ring, declined: Vec::new() });
        Ok(Arc::new(Self { state, given, ask: OnceLock::new() }))
    }

    /// Asks for keys that were not given.
    pub(crate) fn ask_by(&self, ask: Ask) {
        let _ = self.ask.set(ask);
    }

    /// Whether a key was given by an option or a variable.
    pub(crate) fn was_given(&self) -> bool {
        self.given
    }

    /// Takes a key that was typed.
    pub(crate) fn add(&self, key: VolumeKey) {
        let mut state = self.lock();
        if !state.ring.loose.contains(&key) {
            // The newest is the likeliest.
            state.ring.loose.insert(0, key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a key of the volume, until one opens it.
    fn unlock_by(&self, ask: Ask, locked: &Locked, name: &str) -> Option<Unlocked> {
        let has = |kind| locked.protectors().iter().any(|protector| protector.kind == kind);
        let what = match (has(ProtectorKind::RecoveryKey), has(ProtectorKind::Password)) {
            (true, true) => "recovery key or password",
            (true, false) => "recovery key",
            (false, true) => "password",
            (false, false) => return None,
        };
        let id = locked.key_ids().join(" or ");
        let mut line = format!("{name}, Key ID {id}: enter its {what}. Enter alone: none.");
        for _ in 0..TRIES {
            let typed =
                ask(&line, &|typed| group_hint(typed).filter(|_| !has(ProtectorKind::Password)));
            let typed = zeroize::Zeroizing::new(typed.unwrap_or_default());
            let Some(key) = typed_key(&typed, has(ProtectorKind::Password)) else { break };
            match key.and_then(|key| {
                let unlocked = locked.unlock(&key).map_err(|error| error.to_string())?;
                self.add(key);
                Ok(unlocked)
            }) {
                Ok(unlocked) => return Some(unlocked),
                Err(error) => line = error,
            }
        }
        None
    }
}

/// What a person typed for a volume: a recovery key, or a password if the volume has one
/// (`or_password`) and it cannot be a key. `None` for nothing.
pub(crate) fn typed_key(text: &str, or_password: bool) -> Option<Result<VolumeKey, String>> {
    if text.trim().is_empty() {
        return None;
    }
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let others = text.chars().filter(|c| c.is_alphabetic()).count();
    Some(match RecoveryKey::parse(text) {
        Ok(key) => Ok(VolumeKey::Recovery(key)),
        Err(fault) if !or_password || digits >= 24 && others == 0 => Err(fault.to_string()),
        Err(_) => Ok(VolumeKey::Password(VolumePassword::new(text))),
    })
}

impl KeySource for VolumeKeys {
    fn unlock(&self, locked: &Locked, name: &str) -> Option<Result<Unlocked, BitLockerError>> {
        let ring = {
            let mut state = self.lock();
            let found = startup_keys_on_drives(locked, &state.ring);
            state.ring.startup.extend(found);
            state.ring.clone()
        };
        let tried = ring.try_all(locked);
        let Some(ask) = self.ask.get().filter(|_| !matches!(tried, Some(Ok(_)))) else {
            return tried;
        };
        let volume = locked.metadata().map(|metadata| metadata.volume).unwrap_or_default();
        if self.lock().declined.contains(&volume) {
            return tried;
        }
        if let Some(unlocked) = self.unlock_by(*ask, locked, name) {
            return Some(Ok(unlocked));
        }
        self.lock().declined.push(volume);
        tried
    }
}

fn refused(path: &Path, why: &str, action: &str) -> Failure {
    let shown = path.display().to_string();
    if shown.chars().filter(char::is_ascii_digit).count() >= 40 {
        let what = format!("a recovery key was given where a path belongs: {why}");
        let action = "Save the key in a file and name the file: others can see command lines.";
        return Failure::new(Exit::Usage, what, action);
    }
    Failure::new(Exit::Usage, format!("{shown}: {why}"), action)
}

fn read(path: &Path, longest: u64) -> Result<Vec<u8>, Failure> {
    let action = "Check the path.";
    let unreadable = |error: std::io::Error| {
        refused(path, &format!("this file cannot be read: {error}"), action)
    };
    if path.metadata().map_err(unreadable)?.len() > longest {
        return Err(refused(path, "this file is too long for a file of keys", action));
    }
    std::fs::read(path).map_err(unreadable)
}

fn key_file(path: &Path) -> Result<KeyFile, Failure> {
    let file = KeyFile::parse(&zeroize::Zeroizing::new(read(path, LONGEST)?));
    if let Some((line, group)) = file.mistyped().filter(|_| file.is_empty()) {
        let why = format!("line {line}: group {group} of the recovery key is mistyped");
        return Err(refused(path, &why, "Correct the key in the file: 8 groups of 6 digits."));
    }
    if file.is_empty() {
        let action = "Give a text file with recovery keys: 8 groups of 6 digits.";
        return Err(refused(path, "no recovery key is in this file", action));
    }
    Ok(file)
}

fn password_file(path: &Path) -> Result<VolumePassword, Failure> {
    let bytes = zeroize::Zeroizing::new(read(path, 1 << 20)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        refused(path, "this file is not text in UTF-8", "Save it in UTF-8, the password first.")
    })?;
    let text = text.trim_start_matches('\u{feff}');
    Ok(VolumePassword::new(text.lines().next().unwrap_or_default()))
}

fn startup_keys(folder: &Path) -> Result<Vec<StartupKey>, Failure> {
    let action = "Give the folder or drive with the .BEK files.";
    let entries = std::fs::read_dir(folder)
        .map_err(|error| refused(folder, &format!("cannot be listed: {error}"), action))?;
    let is_bek = |path: &PathBuf| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("bek"));
    let files = entries.flatten().take(MOST_FILES).map(|entry| entry.path()).filter(is_bek);
    let keys: Vec<StartupKey> =
        files.filter_map(|path| StartupKey::parse(&read(&path, LONGEST_BEK).ok()?)).collect();
    if keys.is_empty() {
        return Err(refused(folder, "no startup key (.BEK) is in this folder", action));
    }
    Ok(keys)
}

/// The startup keys of a volume on the drives that are attached and mounted: a file is called
/// after the protector that it is for.
fn startup_keys_on_drives(locked: &Locked, ring: &Keyring) -> Vec<StartupKey> {
    let has = |id: &Guid| ring.startup.iter().any(|key| key.protector == *id);
    let wanted = locked
        .protectors()
        .iter()
        .filter(|protector| protector.kind == ProtectorKind::StartupKey && !has(&protector.id));
    let wanted: Vec<String> = wanted.map(|protector| protector.id.to_string()).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let names =
        wanted.iter().flat_map(|id| [format!("{}.BEK", id.to_uppercase()), format!("{id}.bek")]);
    let names: Vec<String> = names.collect();
    let files = drives().into_iter().flat_map(|root| names.iter().map(move |n| root.join(n)));
    files.filter_map(|path| StartupKey::parse(&read(&path, LONGEST_BEK).ok()?)).collect()
}

/// Where drives are mounted.
fn drives() -> Vec<PathBuf> {
    if cfg!(windows) {
        return ('A'..='Z').map(|letter| PathBuf::from(format!("{letter}:\\"))).collect();
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter(|line| line.starts_with("/dev/"));
    points
        .filter_map(|line| line.split(' ').nth(1))
        .map(|p| p.replace("\\040", " ").into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_recovery_key_and_anything_else_a_password() {
        let key = "235818-357951-253979-013365-241120-245575-342914-591910";
        assert!(matches!(typed_key(key, true), Some(Ok(VolumeKey::Recovery(_)))));
        assert!(matches!(typed_key("hunter 2", true), Some(Ok(VolumeKey::Password(_)))));
        assert!(matches!(typed_key("12345678", true), Some(Ok(VolumeKey::Password(_)))));
        assert!(matches!(typed_key("12345678", false), Some(Err(_))));
        let wrong = typed_key(&key.replace("013365", "013356"), true).unwrap().unwrap_err();
        assert!(wrong.contains("group 4"), "{wrong}");
        assert!(typed_key(" ", true).is_none());
    }
}
