//! A folder on an SMB share as a destination, through libsmbclient.
//!
//! One thread owns the logon and the files (`session`); other threads send it jobs
//! through a bounded queue and wait for the answers.

mod beside;
mod file;
mod raw;
mod session;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use beside::SERVE;
pub use beside::serve as serve_reads;
use beside::{Second, SecondConnection};
use crossbeam_channel::{Receiver, RecvError, Sender, bounded};
use file::SmbFile;
use session::{Access, Session};

use super::address::SmbPlace;
use super::errors::{from_io, in_the_way, no_folder_above};
use super::{
    BesideReader, Destination, DestinationEntry, DestinationError, DestinationFile, ErrorKind,
    Missing, Space, names,
};
use crate::model::metadata::FileTime;
use crate::model::secret::Secret;
use crate::model::threads;

/// How long a server may be silent in the middle of a call.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Jobs that may be queued for the thread.
const QUEUE: usize = 4;

/// A folder on a share.
#[derive(Debug)]
pub struct SmbDestination {
    connection: Arc<Connection>,
    /// `smb://server:port/share/dir`.
    shown: String,
    /// The folder on the share: `/a/b`, or empty for the share itself.
    base: String,
    /// It was made when it was opened.
    made: bool,
    /// What a second connection takes, if one can be made.
    second: Option<Second>,
}

impl SmbDestination {
    /// Logs on and opens the folder, which is made only if its parent exists.
    /// `timeout` limits the server's silence in one call ([`TIMEOUT`]).
    pub fn open(
        place: &SmbPlace,
        password: &Secret,
        timeout: Duration,
        missing: Missing,
    ) -> Result<Self, DestinationError> {
        let shown = place.to_string();
        let server = place.server_url();
        if place.user.is_none() && !place.anonymous {
            return Err(DestinationError {
                kind: ErrorKind::Logon,
                what: "the address has no user name".to_owned(),
                action: format!(
                    "write smb://user@{}, or use --anonymous if everyone may write there",
                    shown.trim_start_matches("smb://")
                ),
                path: shown,
                source: None,
            });
        }
        let connection = Connection::start(place.clone(), password.clone(), timeout);
        let connection = Arc::new(connection.map_err(|error| refused(error, server, place))?);

        let names = names::split_for_windows(&place.dir)
            .map_err(|error| DestinationError { path: shown.clone(), ..error })?;
        let base: String = names.iter().flat_map(|name| ["/", name]).collect();
        let mut target = Self { connection, shown, base, made: false, second: None };
        match (target.stat("")?, missing) {
            (Some(entry), _) if entry.is_dir => {}
            (Some(_), _) => {
                return Err(in_the_way(target.shown, "there is a file where a folder is needed"));
            }
            (None, Missing::Make) => {
                let base = target.base.clone();
                let made = target.ask("", move |session| session.make_dir(&base));
                made.map_err(|error| match error.kind {
                    ErrorKind::NotFound => no_folder_above(error),
                    _ => error,
                })?;
                target.made = true;
            }
            (None, Missing::Fail) => {
                let not_found = io::Error::from_raw_os_error(2); // ENOENT
                return Err(from_io(not_found, target.shown, true));
            }
        }
        Ok(target)
    }

    /// What is written can be read beside the writing, by a process of `program`, which is a
    /// Lifeboat ([`SERVE`]).
    #[must_use]
    pub(crate) fn with_reader(self, program: PathBuf, place: &SmbPlace, password: &Secret) -> Self {
        let second = Second { program, place: place.clone(), password: password.clone() };
        Self { second: Some(second), ..self }
    }

    /// The path of `path` on the share.
    fn at(&self, path: &str) -> Result<String, DestinationError> {
        let names = names::split_for_windows(path)
            .map_err(|error| DestinationError { path: self.display(path), ..error })?;
        let mut at = self.base.clone();
        for name in names {
            at.push('/');
            at.push_str(name);
        }
        // The share itself is `/`.
        Ok(if at.is_empty() { "/".to_owned() } else { at })
    }

    /// Runs `job` in the session; an error becomes one about `path`.
    fn ask<T: Send + 'static>(
        &self,
        path: &str,
        job: impl FnOnce(&mut Session<'_>) -> io::Result<T> + Send + 'static,
    ) -> Result<T, DestinationError> {
        self.connection.ask(job).map_err(|error| from_io(error, self.display(path), true))
    }

    fn open_as(
        &self,
        path: &str,
        access: Access,
    ) -> Result<Box<dyn DestinationFile>, DestinationError> {
        let (connection, shown) = (Arc::clone(&self.connection), self.display(path));
        Ok(Box::new(SmbFile::open(connection, self.at(path)?, shown, access)?))
    }
}

impl Destination for SmbDestination {
    fn display(&self, path: &str) -> String {
        let mut text = self.shown.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            text.push('/');
            text.push_str(name);
        }
        text
    }

    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        let at = self.at(dir)?;
        let mut entries = self.ask(dir, move |session| session.list(&at))?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        let at = self.at(path)?;
        self.ask(path, move |session| session.stat(&at))
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        self.at(dir)?; // checks the names
        let base = self.base.clone();
        let names = dir.split('/').filter(|name| !name.is_empty()).map(str::to_owned);
        let names: Vec<String> = names.collect();
        self.ask(dir, move |session| session.make_dirs(&base, &names))
    }

    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.open_as(path, Access::Create)
    }

    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.open_as(path, Access::ReadWrite)
    }

    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.open_as(path, Access::Read)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        let (source, goal) = (self.at(from)?, self.at(to)?);
        self.ask(to, move |session| session.rename(&source, &goal)).map_err(|error| {
            // "Not found" is about the old path.
            let missing = error.kind == ErrorKind::NotFound;
            if missing { DestinationError { path: self.display(from), ..error } } else { error }
        })
    }

    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        let at = self.at(path)?;
        self.ask(path, move |session| session.remove_file(&at))
    }

    fn was_made(&self) -> bool {
        self.made
    }

    fn beside(&self) -> Option<Box<dyn BesideReader>> {
        Some(Box::new(SecondConnection::new(self.second.clone()?)))
    }

    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        let at = self.at(path)?;
        self.ask(path, move |session| session.remove_dir(&at))
    }

    fn space(&self) -> Result<Option<Space>, DestinationError> {
        let at = self.at("")?;
        self.ask("", move |session| session.space(&at))
    }

    fn modified(&self, path: &str) -> Result<Option<FileTime>, DestinationError> {
        let at = self.at(path)?;
        let seconds = self.ask(path, move |session| session.modified(&at))?;
        Ok(seconds.map(|seconds| FileTime::from_unix(seconds, 0)))
    }
}

/// Why a logon failed. During the logon, codes have other meanings than later.
fn refused(error: io::Error, server: String, place: &SmbPlace) -> DestinationError {
    let base = from_io(error, server, false);
    let account = place.account().unwrap_or_default();
    let (kind, what, action) = match base.source.as_ref().and_then(io::Error::raw_os_error) {
        // EPERM, EACCES: the library does not distinguish a wrong password from a
        // share that this user may not use.
        Some(1 | 13) => (
            ErrorKind::Logon,
            format!(
                "the server refuses {account}: the user name or the password is wrong, \
                 or that user may not use the share {}",
                place.share
            ),
            "check the user, domain (smb://DOMAIN;user@server/...), password and Caps Lock"
                .to_owned(),
        ),
        // ENOENT, ENODEV
        Some(2 | 19) => (
            ErrorKind::Unreachable,
            format!("the server has no share named {}", place.share),
            format!("check the share name: smbclient -L {} -U {account}", place.server),
        ),
        // EINVAL: the name does not resolve.
        Some(22) => (
            ErrorKind::Unreachable,
            "the server name cannot be resolved".to_owned(),
            "check the name, or use the server's IP address: smb://user@192.0.2.1/share".to_owned(),
        ),
        // EPIPE, ENETRESET, ECONNABORTED, ECONNRESET: the server listens, and hangs
        // up when asked for SMB2 or newer.
        Some(32 | 102..=104) => (
            ErrorKind::Unreachable,
            "the server closes the connection: it may support only SMB1, which Lifeboat does not use"
                .to_owned(),
            "turn on SMB2 on the server, or use another server or a USB disk".to_owned(),
        ),
        // Nothing has worked yet, so waiting is unlikely to help.
        _ if base.is_transient() => (ErrorKind::Unreachable, base.what, base.action),
        _ => return base,
    };
    DestinationError { kind, what, action, ..base }
}

/// A job for the session's thread.
type Job = Box<dyn FnOnce(&mut Session<'_>) + Send>;

/// A handle to the session's thread, which ends when this is dropped.
#[derive(Debug)]
struct Connection {
    jobs: Sender<Job>,
}

impl Connection {
    /// Starts the thread, which logs on.
    fn start(place: SmbPlace, password: Secret, timeout: Duration) -> io::Result<Self> {
        let (jobs, queue) = bounded(QUEUE);
        let (ready, is_ready) = bounded(1);
        threads::start("smb", move || serve(&place, &password, timeout, &ready, &queue))
            .map_err(io::Error::other)?;
        is_ready.recv().map_err(thread_ended)??;
        Ok(Self { jobs })
    }

    /// Queues a job; the caller can wait for the answer.
    fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Session<'_>) -> T + Send + 'static,
    ) -> io::Result<Receiver<T>> {
        let (answer, receiver) = bounded(1);
        let job: Job = Box::new(move |session| {
            let _ = answer.send(job(session)); // the caller may no longer wait
        });
        self.jobs.send(job).map_err(|_| thread_ended(RecvError))?;
        Ok(receiver)
    }

    /// Queues a job and waits for its answer.
    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Session<'_>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.begin(job)?.recv().map_err(thread_ended)?
    }

    /// Queues a job without an answer, unless the queue is full.
    fn tell(&self, job: impl FnOnce(&mut Session<'_>) + Send + 'static) {
        let _ = self.jobs.try_send(Box::new(job));
    }
}

/// The thread.
fn serve(
    place: &SmbPlace,
    password: &Secret,
    timeout: Duration,
    ready: &Sender<io::Result<()>>,
    queue: &Receiver<Job>,
) {
    let library = session::library();
    let client = match session::client(place, password, timeout) {
        Ok(client) => client,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let mut session = Session::new(&client, place);
    let logged_on = session.log_on();
    drop(library);
    let _ = ready.send(logged_on);
    for job in queue {
        let _library = session::library();
        job(&mut session);
    }
    let _library = session::library();
    drop(session);
    drop(client);
}

/// The thread is gone; only a panic in it can cause this.
fn thread_ended(_: RecvError) -> io::Error {
    io::Error::other("the thread for the SMB connection has ended")
}
