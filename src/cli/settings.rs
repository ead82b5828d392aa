//! Settings that need not be typed: `lifeboat.toml` beside the program, and
//! `LIFEBOAT_…` variables.
//!
//! The command line overrides the environment, which overrides the file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::{BitLockerArgs, Cli, Command, Logon, Unlock};
use super::exit::{Exit, Failure};

/// The path of another file than `lifeboat.toml` beside the program.
const VARIABLE: &str = "LIFEBOAT_SETTINGS";
/// The variable of `--accept-ignored`.
const ACCEPT_IGNORED: &str = "LIFEBOAT_ACCEPT_IGNORED";
const FILE: &str = "lifeboat.toml";
/// Far longer than any settings file.
const LONGEST: u64 = 1 << 20;

/// The file's contents.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The destination of rescue sets.
    pub(crate) to: Option<String>,
    /// The user who logs on there.
    user: Option<String>,
    /// The file with the password; a relative path is relative to the settings.
    password_file: Option<PathBuf>,
    /// The file with the passphrase of encrypted sets; likewise.
    passphrase_file: Option<PathBuf>,
    /// Files with recovery keys of BitLocker volumes; likewise.
    recovery_key_file: Option<PathBuf>,
    /// The file with the password of BitLocker volumes; likewise.
    bitlocker_password_file: Option<PathBuf>,
    /// The folder with startup keys of BitLocker volumes; likewise.
    bitlocker_keys: Option<PathBuf>,
    /// The recipient of new sets.
    recipient: Option<String>,
    /// First part of the sets' names.
    name: Option<String>,
    /// The log file.
    log: Option<PathBuf>,
}

impl Settings {
    /// Reads the file, if there is one.
    pub(crate) fn load() -> Result<Self, Failure> {
        let named = variable(VARIABLE).map(PathBuf::from);
        let is_named = named.is_some();
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join(FILE));
        match named.or_else(beside) {
            Some(path) if is_named || path.is_file() => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| {
            let what = format!("{shown}: the settings cannot be read: {error}");
            Failure::new(Exit::Usage, what, format!("Correct the file, or unset {VARIABLE}."))
        };
        if path.metadata().map_err(unreadable)?.len() > LONGEST {
            let what = format!("{shown}: this is not a settings file: it is too long");
            return Err(Failure::new(Exit::Usage, what, "Check the path of the settings file."));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut settings = Self::parse(&text).map_err(|(what, action)| {
            Failure::new(Exit::Usage, format!("{shown}: {what}"), action)
        })?;
        let files = [
            &mut settings.password_file,
            &mut settings.passphrase_file,
            &mut settings.recovery_key_file,
            &mut settings.bitlocker_password_file,
            &mut settings.bitlocker_keys,
        ];
        for file in files.into_iter().flatten() {
            if let Some(folder) = path.parent() {
                *file = folder.join(&*file); // an absolute path stays as it is
            }
        }
        Ok(settings)
    }

    /// Parses the text; an error is what is wrong and what to do.
    fn parse(text: &str) -> Result<Self, (String, String)> {
        // Notepad writes a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let settings: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let what = error.message().lines().next().unwrap_or_default();
            let action = "Write lines such as: to = '\\\\server\\share\\folder'";
            (format!("line {line}: {what}"), action.to_owned())
        })?;
        // In double quotes, `\r` is a line end, so the share would not be
        // found.
        let Self { to, user, log, .. } = &settings;
        let files = [
            &settings.password_file,
            &settings.passphrase_file,
            &settings.recovery_key_file,
            &settings.bitlocker_password_file,
            &settings.bitlocker_keys,
            log,
        ];
        let paths = files.map(|path| path.as_deref().and_then(Path::to_str));
        let texts = [to.as_deref(), user.as_deref()];
        let is_short = |to: &String| to.starts_with('\\') && !to.starts_with("\\\\");
        if paths.into_iter().chain(texts).any(is_mangled) || to.as_ref().is_some_and(is_short) {
            let what = "a single backslash in double quotes is not a backslash";
            let action = "Put the value in single quotes: to = '\\\\server\\share'";
            return Err((what.to_owned(), action.to_owned()));
        }
        Ok(settings)
    }

    /// Fills in what the command line does not give. Returns whether what unlocks BitLocker volumes
    /// is from the file alone.
    pub(crate) fn fill(&self, cli: &mut Cli) -> bool {
        let from_file = self.fill_bitlocker(&mut cli.global.bitlocker);
        let log = variable("LIFEBOAT_LOG").map(PathBuf::from).or_else(|| self.log.clone());
        cli.global.log = cli.global.log.take().or(log);
        match &mut cli.command {
            Some(Command::Offload(args)) => {
                let own = args.logon.unlock.passphrase_file.is_some();
                let to = variable("LIFEBOAT_TO").or_else(|| self.to.clone());
                args.to = args.to.take().or(to);
                let name = variable("LIFEBOAT_NAME").or_else(|| self.name.clone());
                args.name = args.name.take().or(name);
                args.allow_memory |= variable("LIFEBOAT_ALLOW_MEMORY").is_some();
                args.accept_ignored |= variable(ACCEPT_IGNORED).is_some();
                let to = args.to.clone().unwrap_or_default();
                self.fill_logon(&mut args.logon, &[&to]);
                let is_named = !args.recipient.is_empty() || !args.recipients_file.is_empty();
                if !is_named {
                    self.fill_recipients(&mut args.logon.unlock, own);
                }
            }
            Some(Command::Verify(args)) => {
                let what: Vec<&str> = args.what.iter().map(String::as_str).collect();
                self.fill_logon(&mut args.logon, &what);
            }
            Some(Command::Sets(args)) => {
                args.dest = args.dest.take().or_else(|| self.destination());
                let dest = args.dest.clone().unwrap_or_default();
                self.fill_logon(&mut args.logon, &[&dest]);
            }
            Some(Command::Prune(args)) => self.fill_logon(&mut args.logon, &[&args.dest]),
            Some(Command::Gate(args)) => {
                if args.set.is_empty() {
                    args.set.extend(self.destination());
                }
                args.accept_ignored |= variable(ACCEPT_IGNORED).is_some();
                let sets: Vec<&str> = args.set.iter().map(String::as_str).collect();
                self.fill_logon(&mut args.logon, &sets);
            }
            Some(Command::Check(args)) => {
                args.to = args.to.take().or_else(|| self.destination());
                let to = args.to.clone().unwrap_or_default();
                let own = args.logon.unlock.passphrase_file.is_some();
                self.fill_logon(&mut args.logon, &[&to]);
                self.fill_recipients(&mut args.logon.unlock, own);
            }
            Some(Command::List(args)) => self.fill_logon(&mut args.logon, &[&args.set]),
            Some(Command::Report(args)) => self.fill_logon(&mut args.logon, &[&args.set]),
            Some(Command::Extract(args)) => self.fill_logon(&mut args.logon, &[&args.set]),
            Some(Command::Restore(args)) => self.fill_logon(&mut args.logon, &[&args.set]),
            Some(Command::Loadstate(args)) => {
                let what: Vec<&str> = args.what.iter().map(String::as_str).collect();
                self.fill_logon(&mut args.logon, &what);
            }
            Some(Command::Guide(args)) => {
                let to = variable("LIFEBOAT_TO").or_else(|| self.to.clone());
                args.to = args.to.take().or(to);
                let name = variable("LIFEBOAT_NAME").or_else(|| self.name.clone());
                args.name = args.name.take().or(name);
                let to = args.to.clone().unwrap_or_default();
                args.allow_memory |= variable("LIFEBOAT_ALLOW_MEMORY").is_some();
                let own = args.logon.unlock.passphrase_file.is_some();
                self.fill_logon(&mut args.logon, &[&to]);
                self.fill_recipients(&mut args.logon.unlock, own);
            }
            Some(Command::Detect(_) | Command::Seal(_) | Command::Completions(_)) | None => {}
        }
        from_file
    }

    /// The keys of BitLocker volumes. They are sent nowhere.
    fn fill_bitlocker(&self, keys: &mut BitLockerArgs) -> bool {
        let path = |name: &str| variable(name).map(PathBuf::from);
        if keys.recovery_key_file.is_empty() {
            keys.recovery_key_file.extend(path("LIFEBOAT_RECOVERY_KEY_FILE"));
        }
        keys.bitlocker_password_file = keys
            .bitlocker_password_file
            .take()
            .or_else(|| path("LIFEBOAT_BITLOCKER_PASSWORD_FILE"));
        keys.bitlocker_keys =
            keys.bitlocker_keys.take().or_else(|| path("LIFEBOAT_BITLOCKER_KEYS"));
        let was_given = !keys.recovery_key_file.is_empty()
            || keys.bitlocker_password_file.is_some()
            || keys.bitlocker_keys.is_some();
        if keys.recovery_key_file.is_empty() {
            keys.recovery_key_file.extend(self.recovery_key_file.clone());
        }
        let password = || self.bitlocker_password_file.clone();
        keys.bitlocker_password_file = keys.bitlocker_password_file.take().or_else(password);
        keys.bitlocker_keys = keys.bitlocker_keys.take().or_else(|| self.bitlocker_keys.clone());
        !was_given
    }

    /// Uses the user and password of the file only for the file's own
    /// destination, never for another server. Those of the environment are used
    /// for all.
    fn fill_logon(&self, logon: &mut Logon, places: &[&str]) {
        // A passphrase is never sent.
        if logon.unlock.passphrase_file.is_none() {
            let file = variable("LIFEBOAT_PASSPHRASE_FILE").map(PathBuf::from);
            let own = || self.passphrase_file.clone();
            let is_set = variable(super::keys::VARIABLE).is_some();
            logon.unlock.passphrase_file = file.or_else(|| own().filter(|_| !is_set));
        }
        logon.is_typed = logon.user.is_some() || logon.anonymous;
        let is_ours = !places.is_empty() && places.iter().all(|place| self.is_below_to(place));
        if logon.anonymous {
            return;
        }
        if logon.user.is_none() {
            logon.user =
                variable("LIFEBOAT_USER").or_else(|| self.user.clone().filter(|_| is_ours));
        }
        if logon.password_file.is_none() {
            let file = self.password_file.clone();
            logon.password_file = variable("LIFEBOAT_PASSWORD_FILE")
                .map(PathBuf::from)
                .or_else(|| file.filter(|_| is_ours && variable("LIFEBOAT_PASSWORD").is_none()));
        }
    }

    /// The recipient of a new set, if the command line does not say how to
    /// encrypt (`own`: it has a passphrase). It overrides a passphrase of the
    /// settings, which then only decrypts sets.
    fn fill_recipients(&self, unlock: &mut Unlock, own: bool) {
        if let Some(recipient) =
            variable("LIFEBOAT_RECIPIENT").or_else(|| self.recipient.clone()).filter(|_| !own)
        {
            unlock.recipients = vec![recipient];
            unlock.passphrase_file = None;
        }
    }

    /// The destination of the settings.
    fn destination(&self) -> Option<String> {
        variable("LIFEBOAT_TO").or_else(|| self.to.clone())
    }

    /// The settings file that is read, if there is one.
    pub(crate) fn path() -> Option<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join(FILE));
        let named = variable(VARIABLE).map(PathBuf::from);
        named.or_else(|| beside().filter(|path| path.is_file()))
    }

    fn is_below_to(&self, place: &str) -> bool {
        let plain = |text: &str| text.to_lowercase().replace('\\', "/");
        let Some(to) = self.to.as_deref().map(plain) else { return false };
        let to = to.trim_end_matches('/');
        plain(place).strip_prefix(to).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn is_mangled(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.contains(char::is_control))
}

/// An empty variable counts as unset: cmd cannot set an empty one.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notepad_s_files_are_read() {
        let text = "\u{feff}to = '\\\\server\\rescue'\r\nuser = 'CORP\\svc'\r\n# a note\r\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.to.as_deref(), Some(r"\\server\rescue"));
        assert_eq!(settings.user.as_deref(), Some(r"CORP\svc"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let (what, action) = Settings::parse("to = 'x'\nuzer = 'y'\n").unwrap_err();
        assert!(what.starts_with("line 2: ") && what.contains("uzer"), "{what}");
        assert!(action.contains("to = '"), "{action}");
        // Each of them parses, and means another place than the one that was typed.
        for text in [
            r#"to = "\\server\rescue""#,
            r#"to = "\\server\\rescue""#,
            r#"password-file = "X:\notes""#,
        ] {
            let (what, _) = Settings::parse(text).unwrap_err();
            assert!(what.contains("backslash"), "{text}: {what}");
        }
        assert!(Settings::parse(r#"to = "\\\\server\\rescue""#).is_ok());
    }

    #[test]
    fn a_password_goes_nowhere_else() {
        let settings = Settings::parse("to = '\\\\server\\rescue'").unwrap();
        for ours in [r"\\SERVER\Rescue", r"\\server\rescue\", r"\\server\rescue\PC-1"] {
            assert!(settings.is_below_to(ours), "{ours}");
        }
        for other in [r"\\server2\rescue", r"\\server\rescue2\PC-1", "", r"E:\"] {
            assert!(!settings.is_below_to(other), "{other}");
        }
        assert!(!Settings::default().is_below_to(r"\\server\rescue"));
    }
}
