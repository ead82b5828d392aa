//! Passphrases and keys that encrypt and decrypt sets, from a prompt, a file or
//! a variable. Never from the command line, never to a log.

use std::path::Path;

use anyhow::Result;

use super::args::{Offload, Unlock};
use super::exit::{Exit, Failure};
use super::output::Out;
use super::password;
use crate::destination::Destination;
use crate::model::advice::Advice as _;
use crate::model::secret::Secret;
use crate::set::crypt::key::{Identity, check_passphrase, parse_identities, parse_recipients};
use crate::set::crypt::{CryptError, Encryption, Keys, Locks};
use crate::set::read::reader::how_locked;

/// The variable with the passphrase.
pub(crate) const VARIABLE: &str = "LIFEBOAT_PASSPHRASE";
/// The largest file of keys that is read.
const LONGEST: u64 = 1 << 20;

/// How `offload` encrypts; `None` if it does not. It encrypts whenever a
/// passphrase or a recipient was given, by any way.
pub(crate) fn encryption(args: &Offload, out: Out) -> Result<Option<Encryption>> {
    let unlock = &args.logon.unlock;
    let mut recipients = args.recipient.concat_lines();
    for file in &args.recipients_file {
        recipients.push_str(&text_of(file)?);
        recipients.push('\n');
    }
    if recipients.is_empty() && unlock.passphrase_file.is_none() {
        recipients = unlock.recipients.concat_lines();
    }
    if !recipients.is_empty() {
        let list = parse_recipients(&recipients).map_err(|error| usage(&error))?;
        if list.is_empty() {
            let none = CryptError::NotAKey("the recipients file has none".to_owned());
            return Err(usage(&none).into());
        }
        let keys = Keys { passphrase: None, identities: identities(unlock)? };
        return Ok(Some(Encryption { locks: Locks::Recipients(list), keys }));
    }
    let passphrase = match given(unlock)? {
        Some(passphrase) => passphrase,
        None if args.encrypt => {
            out.clear();
            let first = ask("Passphrase for the set")?;
            check_passphrase(&first).map_err(|error| usage(&error))?;
            if ask("Repeat the passphrase")? != first {
                let what = "the two passphrases differ";
                return Err(Failure::new(Exit::Usage, what, "Run the command again.").into());
            }
            first
        }
        None => return Ok(None),
    };
    Ok(Some(by_passphrase(&passphrase).map_err(|error| usage(&error))?))
}

/// Encryption by a passphrase that was typed in the guided rescue.
pub(crate) fn by_passphrase(passphrase: &Secret) -> Result<Encryption, CryptError> {
    check_passphrase(passphrase)?;
    let keys = Keys { passphrase: Some(passphrase.clone()), identities: Vec::new() };
    Ok(Encryption { locks: Locks::Passphrase(passphrase.clone()), keys })
}

/// The keys of the set in `dir`: none for a plain one.
pub(crate) fn for_set(
    target: &dyn Destination,
    dir: &str,
    unlock: &Unlock,
    out: Out,
) -> Result<Keys> {
    Ok(find(target, dir, unlock, out, true)?.unwrap_or_default())
}

/// The same for `verify`, which can do without a key: `None` if there is none
/// and no terminal to ask on.
pub(crate) fn if_any(
    target: &dyn Destination,
    dir: &str,
    unlock: &Unlock,
    out: Out,
) -> Result<Option<Keys>> {
    find(target, dir, unlock, out, false)
}

/// The keys that were given without a prompt, for many sets.
pub(crate) fn given_for_all(unlock: &Unlock) -> Result<Keys> {
    Ok(Keys { passphrase: given(unlock)?, identities: identities(unlock)? })
}

fn find(
    target: &dyn Destination,
    dir: &str,
    unlock: &Unlock,
    out: Out,
    needed: bool,
) -> Result<Option<Keys>> {
    let Some(how) = how_locked(target, dir)? else { return Ok(Some(Keys::default())) };
    let mut keys = Keys { passphrase: None, identities: identities(unlock)? };
    if how == "recipients" {
        return Ok((needed || !keys.identities.is_empty()).then_some(keys));
    }
    keys.passphrase = given(unlock)?;
    if keys.passphrase.is_none() {
        if !needed && !password::can_ask() {
            return Ok(None);
        }
        out.clear();
        let enter = if needed { "" } else { "; Enter alone: none" };
        let typed = ask(&format!("Passphrase of {}{enter}", target.display(dir)))?;
        if !needed && typed.expose().is_empty() {
            return Ok(None);
        }
        keys.passphrase = Some(typed);
    }
    Ok(Some(keys))
}

/// The passphrase, if it was given without a prompt.
fn given(unlock: &Unlock) -> Result<Option<Secret>> {
    if let Some(path) = &unlock.passphrase_file {
        let text = text_of(path)?;
        let text = text.trim_start_matches('\u{feff}');
        return Ok(Some(Secret::new(text.lines().next().unwrap_or_default())));
    }
    Ok(std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()).map(Secret::new))
}

fn ask(what: &str) -> Result<Secret> {
    if !password::can_ask() {
        let what = "a passphrase is needed, but there is no terminal to ask on";
        let action = "Use --passphrase-file FILE, or set LIFEBOAT_PASSPHRASE.";
        return Err(Failure::new(Exit::Usage, what, action).into());
    }
    password::prompt(what).map(Secret::new)
}

fn identities(unlock: &Unlock) -> Result<Vec<Identity>> {
    let mut all = Vec::new();
    for path in &unlock.identity {
        let list = parse_identities(&text_of(path)?).map_err(|error| {
            let what = format!("{}: {error}", path.display());
            let action = "Give the file that age-keygen wrote. If the file itself is encrypted, \
                          decrypt it with age first.";
            Failure::new(Exit::Usage, what, action)
        })?;
        all.extend(list);
    }
    Ok(all)
}

fn text_of(path: &Path) -> Result<String> {
    let read = || {
        if path.metadata()?.len() > LONGEST {
            return Err(std::io::Error::other("it is too long"));
        }
        std::fs::read_to_string(path)
    };
    Ok(read().map_err(|error| {
        let what = format!("{}: this file cannot be read: {error}", path.display());
        Failure::new(Exit::Usage, what, "Give a text file with the passphrase or keys.")
    })?)
}

fn usage(error: &CryptError) -> Failure {
    Failure::new(Exit::Usage, error.to_string(), error.advice())
}

trait ConcatLines {
    fn concat_lines(&self) -> String;
}

impl ConcatLines for Vec<String> {
    fn concat_lines(&self) -> String {
        self.iter().flat_map(|text| [text.as_str(), "\n"]).collect()
    }
}
