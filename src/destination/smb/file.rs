//! An open file on a share. The session's thread owns the file itself; this side
//! keeps what is needed to continue after a lost connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Receiver;

use super::super::errors::{bytes_are_missing, from_io};
use super::super::ledger::Ledger;
use super::super::{DestinationError, DestinationFile};
use super::Connection;
use super::session::Access;

/// Writes smaller than this are buffered, ...
const GATHER_BELOW: usize = 1 << 20;

/// ... until there are so many bytes. (Calls of 64 KiB reach a third of the
/// speed of large ones.)
const GATHERED: usize = 2 << 20;

/// The most that is read in one call, which limits the buffer.
const READ: usize = 8 << 20;

/// Writes that the session has at a time: the current one and the next one. Each
/// takes its bytes of memory.
const UNDER_WAY: usize = 2;

/// See the module.
pub(super) struct SmbFile {
    connection: Arc<Connection>,
    /// The session's id for it.
    id: u64,
    shown: String,
    writable: bool,
    /// Accepted and not yet sent: offset and bytes. Kept until the server has them,
    /// so that a call can be repeated after a transient error.
    gathered_at: u64,
    gathered: Vec<u8>,
    /// Writes handed to the session. The caller prepares the next bytes in the
    /// meantime.
    under_way: VecDeque<UnderWay>,
    /// Failed writes. If the call is repeated, they come first.
    failed: VecDeque<(u64, Vec<u8>)>,
    /// A write failed; those behind it must not be tried.
    halted: Arc<AtomicBool>,
    /// Memory for the next large calls.
    spare: Vec<Vec<u8>>,
    /// What the server has accepted since the last flush.
    ledger: Ledger,
}

/// A write whose result was not read yet.
struct UnderWay {
    offset: u64,
    bytes: Arc<Vec<u8>>,
    answer: Receiver<io::Result<()>>,
}

impl SmbFile {
    pub(super) fn open(
        connection: Arc<Connection>,
        path: String,
        shown: String,
        access: Access,
    ) -> Result<Self, DestinationError> {
        let opened = connection.ask(move |session| session.open(&path, access));
        let id = opened.map_err(|error| from_io(error, shown.clone(), true))?;
        Ok(Self {
            connection,
            id,
            shown,
            writable: access != Access::Read,
            gathered_at: 0,
            gathered: Vec::new(),
            under_way: VecDeque::new(),
            failed: VecDeque::new(),
            halted: Arc::default(),
            spare: Vec::new(),
            ledger: Ledger::default(),
        })
    }

    fn fail(&self, error: io::Error) -> DestinationError {
        from_io(error, self.shown.clone(), true)
    }

    /// Has the session write `data` in the background; a later call reports the
    /// result. Accepts nothing if an earlier write fails.
    fn send(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        self.send_again()?;
        while self.under_way.len() >= UNDER_WAY {
            self.settle_one()?;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(data);
        self.begin(offset, buffer)
    }

    /// Hands a write to the session.
    fn begin(&mut self, offset: u64, buffer: Vec<u8>) -> Result<(), DestinationError> {
        // Shared: it is hashed here while it is being sent.
        let bytes = Arc::new(buffer);
        let (id, sent, halted) = (self.id, Arc::clone(&bytes), Arc::clone(&self.halted));
        let answer = self.connection.begin(move |session| {
            // Nothing behind a failed write is tried: it would cost another time-out.
            if halted.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let done = session.write_all_at(id, offset, &sent);
            halted.store(done.is_err(), Ordering::Relaxed);
            done
        });
        let answer = answer.map_err(|error| self.fail(error))?;
        self.under_way.push_back(UnderWay { offset, bytes, answer });
        Ok(())
    }

    /// Waits for the oldest write. If it fails, also for the others, and keeps
    /// those that failed.
    fn settle_one(&mut self) -> Result<(), DestinationError> {
        let mut first = Ok(());
        while let Some(UnderWay { offset, bytes, answer }) = self.under_way.pop_front() {
            // Computed while the server is busy with it.
            let piece = self.ledger.piece(offset, &bytes);
            let done = answer.recv().map_err(|end| self.fail(super::thread_ended(end)))?;
            // The session no longer uses it.
            let bytes = Arc::try_unwrap(bytes).unwrap_or_else(|shared| (*shared).clone());
            match done {
                Ok(()) => {
                    self.ledger.put(piece);
                    self.spare.push(bytes);
                }
                Err(error) => {
                    self.failed.push_back((offset, bytes));
                    first = first.and(Err(self.fail(error)));
                }
            }
            if first.is_ok() {
                break;
            }
        }
        first
    }

    /// Resends failed writes in their order.
    fn send_again(&mut self) -> Result<(), DestinationError> {
        let mut waiting = std::mem::take(&mut self.failed);
        if !waiting.is_empty() {
            self.halted.store(false, Ordering::Relaxed); // no write is pending
        }
        while let Some((offset, bytes)) = waiting.pop_front() {
            if let Err(error) = self.begin(offset, bytes).and_then(|()| self.settle_one()) {
                self.failed.append(&mut waiting);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits until the server has accepted everything that was handed over.
    fn settle(&mut self) -> Result<(), DestinationError> {
        self.send_again()?;
        while !self.under_way.is_empty() {
            self.settle_one()?;
        }
        Ok(())
    }

    /// Sends the buffered bytes; keeps them if that fails.
    fn flush_gathered(&mut self) -> Result<(), DestinationError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let data = std::mem::take(&mut self.gathered);
        let done = self.send(self.gathered_at, &data);
        self.gathered = data;
        if done.is_ok() {
            self.gathered.clear();
        }
        done
    }

    /// Makes the server accept everything.
    fn flush(&mut self) -> Result<(), DestinationError> {
        self.flush_gathered()?;
        self.settle()
    }

    /// Reads at most [`READ`] bytes.
    fn read_some(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        let id = self.id;
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.resize(buf.len(), 0);
        let (buffer, done) = self
            .connection
            .ask(move |session| {
                let done = session.read_at(id, offset, &mut buffer);
                Ok((buffer, done))
            })
            .map_err(|error| self.fail(error))?;
        if let Ok(read) = done {
            buf[..read].copy_from_slice(&buffer[..read]);
        }
        self.spare.push(buffer);
        let read = done.map_err(|error| self.fail(error))?;
        Ok(read)
    }

    /// Checks that the file has everything that was written, if the connection was
    /// lost since: a server that crashed may have lost it.
    fn check(&mut self) -> Result<(), DestinationError> {
        let id = self.id;
        let reopened = self.connection.ask(move |session| session.was_reopened(id));
        if !reopened.map_err(|error| self.fail(error))? {
            return Ok(());
        }
        let ledger = std::mem::take(&mut self.ledger);
        let kept = ledger.is_kept(|offset, buf| self.read_some(offset, buf));
        self.ledger = ledger;
        if !kept? {
            return Err(bytes_are_missing(self.shown.clone()));
        }
        let settled = self.connection.ask(move |session| {
            session.settled(id);
            Ok(())
        });
        settled.map_err(|error| self.fail(error))
    }
}

impl DestinationFile for SmbFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        let end = self.gathered_at.saturating_add(self.gathered.len() as u64);
        let small = data.len() < GATHER_BELOW;
        if !self.gathered.is_empty()
            && (!small || offset != end || self.gathered.len() + data.len() > GATHERED)
        {
            self.flush_gathered()?;
        }
        if small {
            if self.gathered.is_empty() {
                self.gathered_at = offset;
            }
            self.gathered.extend_from_slice(data);
            return Ok(());
        }
        self.send(offset, data)
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        self.flush()?;
        let mut done = 0;
        while done < buf.len() {
            let end = buf.len().min(done + READ);
            let part = &mut buf[done..end];
            let wanted = part.len();
            let read = self.read_some(offset.saturating_add(done as u64), part)?;
            done += read;
            if read < wanted {
                break;
            }
        }
        Ok(done)
    }

    fn size(&mut self) -> Result<u64, DestinationError> {
        self.flush()?;
        let id = self.id;
        self.connection.ask(move |session| session.size(id)).map_err(|error| self.fail(error))
    }

    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.flush()?;
        let id = self.id;
        let cut = self.connection.ask(move |session| session.set_size(id, bytes));
        cut.map_err(|error| self.fail(error))?;
        self.ledger.resized(bytes);
        Ok(())
    }

    /// Returns when the server has the bytes. libsmbclient has no call for a flush
    /// on the server; reading back is what verifies a set.
    fn sync(&mut self) -> Result<(), DestinationError> {
        if !self.writable {
            return Ok(());
        }
        self.flush()?;
        self.check()?;
        self.ledger.clear();
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), DestinationError> {
        let waits = [self.gathered.is_empty(), self.under_way.is_empty(), self.failed.is_empty()];
        let waits = waits.contains(&false);
        if waits || self.ledger.is_dirty() { self.sync() } else { Ok(()) }
        // Dropping it closes the handle.
    }
}

impl Drop for SmbFile {
    fn drop(&mut self) {
        let id = self.id;
        self.connection.tell(move |session| session.close(id));
    }
}
