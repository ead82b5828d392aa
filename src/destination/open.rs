//! Opens a destination from the address that the user gave.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Dest, SmbPlace};
use super::directory::DirectoryDestination;
use super::retry::{RETRY_FOR, RetryDestination};
use super::{Destination, DestinationError, ErrorKind, Missing};
use crate::model::monitor::Monitor;
use crate::model::secret::Secret;

/// How a destination is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// What to do if the folder does not exist.
    pub missing: Missing,
    /// How long a call is retried after a transient error.
    pub retry_for: Duration,
    /// This program, which is started a second time to read from an `smb://` share while the
    /// first writes; without it, everything is read back at the end.
    pub program: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { missing: Missing::Make, retry_for: RETRY_FOR, program: None }
    }
}

/// The account whose password is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// `DOMAIN\user`, or only the user.
    pub account: String,
    /// The server's name or address.
    pub server: String,
}

/// Opens `dest`. Errors of the logon and of making the folder are final; later
/// calls are retried after transient errors, with a note to `monitor`.
///
/// `password` is called at most once, and only if a password is needed.
/// `Ok(None)` means that none is available.
pub fn open(
    dest: &Dest,
    password: &dyn Fn(&Login) -> Result<Option<Secret>, DestinationError>,
    options: &Options,
    monitor: &Arc<dyn Monitor>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let target: Arc<dyn Destination> = match dest {
        Dest::Folder(path) => Arc::new(DirectoryDestination::open(path, options.missing)?),
        Dest::Smb(place) => open_smb(place, password, options)?,
    };
    Ok(Arc::new(RetryDestination::new(target, options.retry_for, Arc::clone(monitor))))
}

#[cfg(all(feature = "smb", target_os = "linux"))]
fn open_smb(
    place: &SmbPlace,
    password: &dyn Fn(&Login) -> Result<Option<Secret>, DestinationError>,
    options: &Options,
) -> Result<Arc<dyn Destination>, DestinationError> {
    use super::smb::{SmbDestination, TIMEOUT};
    let password = match login(place) {
        Some(login) => ask(place, &login, password)?,
        None => Secret::default(), // anonymous, or opening reports the missing user
    };
    let target = SmbDestination::open(place, &password, TIMEOUT, options.missing)?;
    Ok(match &options.program {
        Some(program) => Arc::new(target.with_reader(program.clone(), place, &password)),
        None => Arc::new(target),
    })
}

#[cfg(windows)]
fn open_smb(
    place: &SmbPlace,
    password: &dyn Fn(&Login) -> Result<Option<Secret>, DestinationError>,
    options: &Options,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let missing = options.missing;
    if place.anonymous {
        // An empty name and password: WNetAddConnection2W's null session.
        let none = Secret::default();
        return Ok(Arc::new(DirectoryDestination::open_with_logon(place, "", &none, missing)?));
    }
    let Some(login) = login(place) else {
        return Ok(Arc::new(DirectoryDestination::open(&place.unc_path(), missing)?));
    };
    let password = ask(place, &login, password)?;
    Ok(Arc::new(DirectoryDestination::open_with_logon(place, &login.account, &password, missing)?))
}

#[cfg(not(any(windows, all(feature = "smb", target_os = "linux"))))]
fn open_smb(
    place: &SmbPlace,
    _password: &dyn Fn(&Login) -> Result<Option<Secret>, DestinationError>,
    _options: &Options,
) -> Result<Arc<dyn Destination>, DestinationError> {
    Err(DestinationError {
        kind: ErrorKind::Unreachable,
        path: place.to_string(),
        what: "this build of Lifeboat has no SMB support".to_owned(),
        action:
            "mount the share (mount -t cifs) and give its folder, or use a build with SMB support"
                .to_owned(),
        source: None,
    })
}

#[cfg(any(windows, all(feature = "smb", target_os = "linux")))]
fn login(place: &SmbPlace) -> Option<Login> {
    place.account().map(|account| Login { account, server: place.server.clone() })
}

#[cfg(any(windows, all(feature = "smb", target_os = "linux")))]
fn ask(
    place: &SmbPlace,
    login: &Login,
    password: &dyn Fn(&Login) -> Result<Option<Secret>, DestinationError>,
) -> Result<Secret, DestinationError> {
    password(login)?.ok_or_else(|| DestinationError {
        kind: ErrorKind::Logon,
        path: place.to_string(),
        what: format!("no password was given for {}", login.account),
        action: "run Lifeboat in a terminal, or use --password-file or LIFEBOAT_PASSWORD"
            .to_owned(),
        source: None,
    })
}
