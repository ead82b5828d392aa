//! Shows an encrypted set as a plain one: a destination in which store and manifest have
//! their plain names. So readers of a set need no keys.

use std::sync::Arc;

use super::concatenated_file::{ConcatenatedFile, Segment};
use super::gate::is_bound;
use crate::destination::{
    Destination, DestinationEntry, DestinationError, DestinationFile, read_full,
};
use crate::set::crypt::key::{MAX_SMALL, is_of_passphrase};
use crate::set::crypt::{CryptError, Keys, SetKey};
use crate::set::error::{SetError, encryption_error};
use crate::set::format::names::{DETAILS, KEY, MANIFEST, PARTIAL, RESCUE, STORE};
use crate::set::format::rescue::{MOST_STORE_PARTS, REDACTED_PART, Rescue, What};

/// The largest `key.age` that is read, in bytes: one for hundreds of recipients.
const MAX_KEY: u64 = 1 << 20;

/// A set opened with its key.
pub(crate) struct DecryptingDestination {
    inner: Arc<dyn Destination>,
    key: SetKey,
    store: (String, Vec<Segment>),
    manifest: (String, Vec<Segment>),
}

impl DecryptingDestination {
    /// The set in `dir`, described by `rescue`.
    pub(crate) fn new(
        inner: Arc<dyn Destination>,
        key: SetKey,
        dir: &str,
        rescue: &Rescue,
    ) -> Self {
        let pieces = |what: &str| {
            let pieces = rescue.files.iter().filter_map(|file| {
                let is_one = file.name.starts_with(what) && is_plain(&file.name);
                let plain = file.plain_size.filter(|_| is_one)?;
                Some(Segment { path: format!("{dir}/{}", file.name), plain })
            });
            (format!("{dir}/{what}"), pieces.collect())
        };
        Self { store: pieces(STORE), manifest: pieces(MANIFEST), inner, key }
    }
}

/// A name in the set's own folder.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl Destination for DecryptingDestination {
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
        self.inner.create_dir_all(dir)
    }

    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.inner.create(path)
    }

    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.inner.open_rw(path)
    }

    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        for (name, pieces) in [&self.store, &self.manifest] {
            if path == name && !pieces.is_empty() {
                let (inner, key) = (Arc::clone(&self.inner), self.key.clone());
                return Ok(Box::new(ConcatenatedFile::new(inner, key, pieces.clone(), false)));
            }
        }
        self.inner.open(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.inner.remove_dir(path)
    }

    fn below(&self) -> Option<&dyn Destination> {
        Some(&*self.inner)
    }
}

/// Opens a set's `key.age`; `None` if there is none.
pub(crate) fn open_key(
    target: &dyn Destination,
    dir: &str,
    keys: &Keys,
) -> Result<Option<SetKey>, SetError> {
    let path = format!("{dir}/{KEY}");
    let Some(bytes) = small_file(target, &path, MAX_KEY)? else { return Ok(None) };
    keys.open(&bytes).map(Some).map_err(|error| encryption_error(target, &path, error))
}

/// How a set's `key.age` is locked; `None` if it cannot be read.
pub(crate) fn how_of_key(target: &dyn Destination, dir: &str) -> Option<String> {
    let bytes = small_file(target, &format!("{dir}/{KEY}"), MAX_KEY).ok()??;
    let of_passphrase = is_of_passphrase(&bytes)?;
    Some(if of_passphrase { "passphrase" } else { "recipients" }.to_owned())
}

/// The description for holders of the key: parts, seal, plan.
pub(crate) fn details(
    target: &dyn Destination,
    dir: &str,
    key: &SetKey,
    outer: &Rescue,
) -> Result<Rescue, SetError> {
    let path = format!("{dir}/{DETAILS}");
    let damaged = |what: &'static str| encryption_error(target, &path, CryptError::Damaged(what));
    let sealed = small_file(target, &path, MAX_SMALL)?.ok_or_else(|| damaged("it is missing"))?;
    let plain = key.open(&sealed).map_err(|error| encryption_error(target, &path, error))?;
    let inner: Rescue =
        serde_json::from_slice(&plain).map_err(|_| damaged("it has other contents"))?;
    if inner.what == What::Store && inner.parts.len() > MOST_STORE_PARTS {
        return Err(damaged("it has more parts than a store can have"));
    }
    // Its list has the store and the manifest; the others were not all written yet.
    if !is_bound(&inner, outer) {
        return Err(damaged("it belongs to another set"));
    }
    Ok(Rescue { files: outer.files.clone(), ..inner })
}

/// The content of a file with at most this many bytes; `None` if it does not exist.
pub(crate) fn small_file(
    target: &dyn Destination,
    path: &str,
    max: u64,
) -> Result<Option<Vec<u8>>, SetError> {
    let size = match target.stat(path)? {
        Some(entry) if !entry.is_dir && entry.size <= max => entry.size,
        Some(_) => {
            return Err(encryption_error(target, path, CryptError::Damaged("it is too large")));
        }
        None => return Ok(None),
    };
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = read_full(&mut *target.open(path)?, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Whether a file of an unfinished set is one of these, or a temporary one for it.
pub(crate) fn is_key(name: &str) -> bool {
    name.strip_suffix(PARTIAL).unwrap_or(name) == KEY
}

/// The public `rescue.json` of an encrypted set: no user, no file, no path, no
/// label.
pub(crate) fn redacted(inner: &Rescue) -> Rescue {
    let mut outer = inner.clone();
    outer.plan.clear();
    outer.seal = None;
    // They may contain the names of volumes.
    outer.lacks.fill(REDACTED_PART.to_owned());
    outer.damage.fill("damage (open the set with its key to see which)".to_owned());
    outer.closed.fill("a volume (open the set with its key to see which)".to_owned());
    for part in &mut outer.parts {
        // Keeps the drive letter, if it is one: restore.cmd needs it.
        let letter = part.drive.len() == 1 && part.drive.is_ascii();
        if !letter {
            "unnamed".clone_into(&mut part.drive);
        }
        part.drive_from.clear();
        part.path.clear();
        part.skipped.clear();
        part.volume_serial = None;
        part.volume_label.clear();
        part.user = None;
    }
    outer
}

/// The error for a set without a given key.
pub(crate) fn locked(target: &dyn Destination, dir: &str, how: &str) -> SetError {
    let error = if how == "passphrase" { CryptError::NoPassphrase } else { CryptError::NoIdentity };
    encryption_error(target, &format!("{dir}/{RESCUE}"), error)
}
