//! Reads from a share beside the connection that writes to it: by a second connection, in a
//! separate process. libsmbclient lets one thread of a process in at a time, also while a call
//! waits for the server, so that a second connection in this process would only take turns.
//!
//! The process is this program again ([`SERVE`]). It is asked by lines of JSON on its standard
//! input, and answers with a line of JSON and the bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{SmbDestination, TIMEOUT};
use crate::destination::address::SmbPlace;
use crate::destination::errors::from_io;
use crate::destination::{
    BesideReader, Destination, DestinationError, DestinationFile, Missing, read_full,
};
use crate::model::secret::Secret;

/// The only argument of a process that reads for another.
pub(crate) const SERVE: &str = "--serve-smb-reads";

/// More than is ever asked for at once.
const MOST: usize = 16 << 20;

/// What a second connection takes.
#[derive(Clone, Debug)]
pub(super) struct Second {
    pub(super) program: PathBuf,
    pub(super) place: SmbPlace,
    pub(super) password: Secret,
}

/// The first line to the process.
#[derive(Serialize, Deserialize)]
struct Hello {
    place: SmbPlace,
    password: Zeroizing<String>,
}

/// Each further line.
#[derive(Serialize, Deserialize)]
struct Ask {
    path: String,
    at: u64,
    bytes: usize,
}

/// Its answer: so many bytes follow.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Read(usize),
    Failed(String),
}

/// Starts the process with the first read.
pub(super) struct SecondConnection {
    second: Second,
    process: Option<ReaderProcess>,
}

impl SecondConnection {
    pub(super) fn new(second: Second) -> Self {
        Self { second, process: None }
    }

    fn read(&mut self, path: &str, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let process = match self.process.take() {
            Some(process) => process,
            None => ReaderProcess::start(&self.second)?,
        };
        self.process.insert(process).read(path, at, buf)
    }
}

impl BesideReader for SecondConnection {
    fn read_at(
        &mut self,
        path: &str,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, DestinationError> {
        let shown = format!("{}/{path}", self.second.place);
        self.read(path, offset, buf).map_err(|error| from_io(error, shown, true))
    }
}

/// The process. It ends with this.
struct ReaderProcess {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl ReaderProcess {
    /// Starts it; it logs on before it answers the first time.
    fn start(second: &Second) -> io::Result<Self> {
        let mut child = Command::new(&second.program)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let from = BufReader::new(from.ok_or(io::ErrorKind::BrokenPipe)?);
        let mut process = Self { child, to, from };
        let password = Zeroizing::new(second.password.expose().to_owned());
        process.say(&Hello { place: second.place.clone(), password })?;
        Ok(process)
    }

    fn say(&mut self, what: &impl Serialize) -> io::Result<()> {
        let to = self.to.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        say(to, what)
    }

    fn read(&mut self, path: &str, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.say(&Ask { path: path.to_owned(), at, bytes: buf.len().min(MOST) })?;
        match hear(&mut self.from)?.ok_or(io::ErrorKind::UnexpectedEof)? {
            Answer::Read(bytes) => {
                let buf = buf.get_mut(..bytes).ok_or(io::ErrorKind::InvalidData)?;
                self.from.read_exact(buf)?;
                Ok(bytes)
            }
            Answer::Failed(what) => Err(io::Error::other(what)),
        }
    }
}

impl Drop for ReaderProcess {
    fn drop(&mut self) {
        // It ends when it hears nothing more. If it waits for the server, it need not.
        self.to = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads for another process, until its input ends.
///
/// # Errors
/// The other process is gone, or is no Lifeboat.
pub fn serve(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let Some(Hello { place, password }) = hear(&mut input)? else { return Ok(()) };
    let target =
        SmbDestination::open(&place, &Secret::new(password.as_str()), TIMEOUT, Missing::Fail);
    let mut open: Option<(String, Box<dyn DestinationFile>)> = None;
    let mut buf = Vec::new();
    while let Some(Ask { path, at, bytes }) = hear(&mut input)? {
        buf.resize(bytes.min(MOST), 0);
        let read = match &target {
            Ok(target) => read(target, &mut open, &path, at, &mut buf).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(read) => {
                say(&mut output, &Answer::Read(read))?;
                output.write_all(buf.get(..read).unwrap_or_default())?;
                output.flush()?;
            }
            Err(what) => say(&mut output, &Answer::Failed(what))?,
        }
    }
    Ok(())
}

fn read(
    target: &SmbDestination,
    open: &mut Option<(String, Box<dyn DestinationFile>)>,
    path: &str,
    at: u64,
    buf: &mut [u8],
) -> Result<usize, DestinationError> {
    let file = match open.take() {
        Some((of, file)) if of == path => file,
        _ => target.open(path)?,
    };
    let (_, file) = open.insert((path.to_owned(), file));
    read_full(&mut **file, at, buf)
}

fn say(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    // The first line has a password.
    let mut line = Zeroizing::new(serde_json::to_vec(what)?);
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// The next line; `None` at the end.
fn hear<T: for<'de> Deserialize<'de>>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Zeroizing::new(Vec::new());
    from.take(1 << 20).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
