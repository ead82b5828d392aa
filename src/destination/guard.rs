//! Asks before each change of a destination whether this run may still make it: after sleep,
//! another run may have taken over the set.

use std::ops::Deref;
use std::sync::Arc;

use super::{Destination, DestinationEntry, DestinationError, DestinationFile};

/// Who is asked.
pub trait Guard: Send + Sync {
    /// Whether a change may be made now, at `path`.
    ///
    /// # Errors
    /// It may not: for good, or (a transient error) as long as that is not known.
    fn may_change(&self, path: &str) -> Result<(), DestinationError>;
}

/// A destination with a guard.
pub(crate) struct GuardedDestination<'a> {
    inner: Inner<'a>,
    guard: Arc<dyn Guard>,
}

/// The destination that is guarded.
pub(crate) enum Inner<'a> {
    /// One that others have, too.
    Shared(Arc<dyn Destination>),
    /// One of the caller's.
    Borrowed(&'a dyn Destination),
}

impl<'a> Deref for Inner<'a> {
    type Target = dyn Destination + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Shared(inner) => &**inner,
            Self::Borrowed(inner) => *inner,
        }
    }
}

impl<'a> GuardedDestination<'a> {
    /// Asks `guard` before each change of `inner`.
    pub(crate) fn new(inner: Inner<'a>, guard: Arc<dyn Guard>) -> Self {
        Self { inner, guard }
    }

    fn ask(&self, path: &str) -> Result<(), DestinationError> {
        self.guard.may_change(&self.inner.display(path))
    }

    fn file(&self, path: &str, file: Box<dyn DestinationFile>) -> Box<dyn DestinationFile> {
        let (guard, shown) = (Arc::clone(&self.guard), self.inner.display(path));
        Box::new(GuardedFile { file, guard, shown })
    }
}

impl Destination for GuardedDestination<'_> {
    fn display(&self, path: &str) -> String {
        self.inner.display(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        self.inner.list(dir)
    }

    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        self.inner.stat(path)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        self.ask(dir)?;
        self.inner.create_dir_all(dir)
    }

    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.ask(path)?;
        Ok(self.file(path, self.inner.create(path)?))
    }

    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.ask(path)?;
        Ok(self.file(path, self.inner.open_rw(path)?))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.inner.open(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.ask(from)?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.ask(path)?;
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.ask(path)?;
        self.inner.remove_dir(path)
    }

    fn below(&self) -> Option<&dyn Destination> {
        Some(&*self.inner)
    }

    /// A call without retries would change files without asking.
    fn without_retry(&self) -> Option<&dyn Destination> {
        None
    }
}

struct GuardedFile {
    file: Box<dyn DestinationFile>,
    guard: Arc<dyn Guard>,
    shown: String,
}

impl DestinationFile for GuardedFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        self.guard.may_change(&self.shown)?;
        self.file.write_all_at(offset, data)
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        self.file.read_at(offset, buf)
    }

    fn size(&mut self) -> Result<u64, DestinationError> {
        self.file.size()
    }

    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.guard.may_change(&self.shown)?;
        self.file.set_size(bytes)
    }

    fn sync(&mut self) -> Result<(), DestinationError> {
        self.file.sync()
    }

    fn close(self: Box<Self>) -> Result<(), DestinationError> {
        self.file.close()
    }
}
