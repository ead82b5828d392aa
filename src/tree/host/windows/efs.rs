//! EFS files in the raw form that only Windows makes and takes back
//! (MS-EFSR 2.2.3): encrypted still, so that no key is needed here.
#![allow(unsafe_code)] // calls of advapi32

use std::ffi::c_void;
use std::io::{self, Read};
use std::ptr::null_mut;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use windows_sys::Win32::Foundation::{ERROR_CANCELLED, ERROR_READ_FAULT, ERROR_SUCCESS};
use windows_sys::Win32::Storage::FileSystem::{
    CloseEncryptedFileRaw, OpenEncryptedFileRawW, ReadEncryptedFileRaw, WriteEncryptedFileRaw,
};

use super::info::win32;
use crate::model::loss::Hole;
use crate::model::threads::{self, NoThread};
use crate::tree::{Stream, TreeError};

/// `CREATE_FOR_IMPORT` of `winefs.h`.
const CREATE_FOR_IMPORT: u32 = 1;
/// `OVERWRITE_HIDDEN` of `winefs.h`.
const OVERWRITE_HIDDEN: u32 = 4;
/// Pieces that wait for the reader; Windows makes them of 64 KiB or so.
const WAITING: usize = 16;

/// An open raw file of EFS; closed when dropped.
struct Raw(*mut c_void);

impl Raw {
    /// `path` ends in NUL.
    fn open(path: &[u16], flags: u32) -> io::Result<Self> {
        let mut context = null_mut();
        // SAFETY: the path ends in NUL; `context` takes the answer.
        let result = unsafe { OpenEncryptedFileRawW(path.as_ptr(), flags, &raw mut context) };
        if result == ERROR_SUCCESS { Ok(Self(context)) } else { Err(win32(result)) }
    }

    /// Calls `sink` with each piece of the export; it says whether to go on.
    fn export(&self, sink: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
        type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> bool;
        unsafe extern "system" fn take(data: *const u8, sink: *const c_void, length: u32) -> u32 {
            if length == 0 || data.is_null() {
                return ERROR_SUCCESS;
            }
            // SAFETY: Windows hands back the pointer that it was given below, while
            // `export` still runs, and nobody else uses the sink meanwhile.
            let sink = unsafe { &mut *sink.cast_mut().cast::<Sink<'_>>() };
            // SAFETY: Windows says that so many bytes are there, for this call.
            let piece = unsafe { std::slice::from_raw_parts(data, length as usize) };
            if sink(piece) { ERROR_SUCCESS } else { ERROR_CANCELLED }
        }
        let mut sink: Sink<'_> = sink;
        let context = (&raw mut sink).cast::<c_void>();
        // SAFETY: `take` gets `context`, which points to `sink` until the call ends.
        let result = unsafe { ReadEncryptedFileRaw(Some(take), context, self.0) };
        if result == ERROR_SUCCESS { Ok(()) } else { Err(win32(result)) }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: the context is open, and closed here only.
        unsafe { CloseEncryptedFileRaw(self.0) };
    }
}

/// The raw export of a file, made by a thread while it is read.
pub(super) struct EfsStream {
    path: Vec<u16>,
    /// For messages.
    shown: String,
    length: u64,
    at: u64,
    maker: Option<Maker>,
    rest: Vec<u8>,
    rest_at: usize,
}

struct Maker {
    pieces: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
}

impl EfsStream {
    /// `path` ends in NUL. Goes through the export once to learn its length,
    /// which is not known beforehand.
    pub(super) fn open(path: Vec<u16>, shown: String) -> Result<Self, TreeError> {
        let mut length = 0;
        let counted = Raw::open(&path, 0).and_then(|raw| {
            raw.export(&mut |piece| {
                length += piece.len() as u64;
                true
            })
        });
        match counted {
            Ok(()) => {
                Ok(Self { path, shown, length, at: 0, maker: None, rest: Vec::new(), rest_at: 0 })
            }
            Err(error) => Err(TreeError::Host { path: shown, error }),
        }
    }

    fn next_piece(&mut self) -> Result<(), TreeError> {
        let failed = |error| TreeError::Host { path: self.shown.clone(), error };
        let maker = match self.maker.take() {
            Some(maker) => maker,
            None => start(self.path.clone()).map_err(|error| failed(io::Error::other(error)))?,
        };
        let maker = self.maker.insert(maker);
        if let Ok(piece) = maker.pieces.recv() {
            (self.rest, self.rest_at) = (piece, 0);
            return Ok(());
        }
        let ended = self.maker.take().map(|maker| maker.thread.join());
        match ended {
            Some(Ok(Err(error))) => Err(failed(error)),
            _ => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn start(path: Vec<u16>) -> Result<Maker, NoThread> {
    let (sender, pieces): (SyncSender<Vec<u8>>, _) = sync_channel(WAITING);
    let thread = threads::start("efs", move || {
        Raw::open(&path, 0)?.export(&mut |piece| sender.send(piece.to_vec()).is_ok())
    })?;
    Ok(Maker { pieces, thread })
}

impl Stream for EfsStream {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let mut done = 0;
        while done < buf.len() && self.at < self.length {
            let rest = self.rest.get(self.rest_at..).unwrap_or_default();
            if rest.is_empty() {
                self.next_piece()?;
                continue;
            }
            let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
            let n = rest.len().min(buf.len() - done).min(left);
            buf[done..done + n].copy_from_slice(&rest[..n]);
            self.rest_at += n;
            self.at += n as u64;
            done += n;
        }
        Ok(done)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        let mut left = bytes.min(self.length - self.at);
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let n = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            left -= self.read(&mut buffer[..n])? as u64;
        }
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &[]
    }
}

/// Makes an encrypted file from its raw export, by the first of its paths that EFS
/// takes. Each ends in NUL; a file that is there is replaced.
pub(crate) fn import(paths: impl Iterator<Item = Vec<u16>>, data: &mut dyn Read) -> io::Result<()> {
    struct Source<'a> {
        data: &'a mut dyn Read,
        failed: Option<io::Error>,
    }
    unsafe extern "system" fn give(to: *mut u8, source: *const c_void, length: *mut u32) -> u32 {
        // SAFETY: Windows hands back the pointer that it was given below, while
        // `import` still runs, and nobody else uses the source meanwhile.
        let source = unsafe { &mut *source.cast_mut().cast::<Source<'_>>() };
        // SAFETY: Windows says how many bytes there is room for, for this call.
        let room = unsafe { std::slice::from_raw_parts_mut(to, *length as usize) };
        let mut done = 0;
        while done < room.len() {
            match source.data.read(&mut room[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    source.failed = Some(e);
                    return ERROR_READ_FAULT;
                }
            }
        }
        // SAFETY: as above; `done` is not more than was there.
        unsafe { *length = u32::try_from(done).unwrap_or(0) };
        ERROR_SUCCESS
    }
    let mut refusal = None;
    let mut opened = None;
    for path in paths {
        match Raw::open(&path, CREATE_FOR_IMPORT | OVERWRITE_HIDDEN) {
            Ok(raw) => {
                opened = Some(raw);
                break;
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    let Some(raw) = opened else {
        return Err(refusal.unwrap_or_else(|| io::ErrorKind::Unsupported.into()));
    };
    let mut source = Source { data, failed: None };
    let context = (&raw mut source).cast::<c_void>();
    // SAFETY: `give` gets `context`, which points to `source` until the call ends.
    let result = unsafe { WriteEncryptedFileRaw(Some(give), context, raw.0) };
    match source.failed {
        Some(error) => Err(error),
        None if result == ERROR_SUCCESS => Ok(()),
        None => Err(win32(result)),
    }
}
