//! An open set: its description, its members, and their data, checked while it is
//! read.

use std::sync::Arc;

pub use super::data_reader::DataReader;
use super::data_reader::Frames;
pub use super::in_order::InOrder;
use super::index::Index;
use super::lines::Lines;
use super::source::{RandomAccessFrames, Shared};
use super::volumes::Volumes;
use crate::destination::Destination;
use crate::set::crypt::{CryptError, Keys};
use crate::set::error::SetError;
use crate::set::format::manifest::Data;
use crate::set::format::names::RESCUE;
use crate::set::format::names::{DELETING, MANIFEST, PARTIAL};
use crate::set::format::rescue::{FORMAT_ENCRYPTED, Rescue};
use crate::set::read::decrypting_destination::{DecryptingDestination, details, locked, open_key};

/// The largest `rescue.json` that is read, in bytes: for 100,000 volumes.
pub(crate) const MAX_RESCUE: u64 = 32 << 20;

/// A rescue set.
#[derive(Clone)]
pub struct SetReader {
    target: Arc<dyn Destination>,
    dir: String,
    rescue: Rescue,
    shared: Arc<Shared>,
    /// It is encrypted and was opened without its key.
    closed: bool,
}

impl SetReader {
    /// Opens the set in the folder `path` of the destination.
    ///
    /// # Errors
    /// There is no set, or it is incomplete, encrypted, or of a later format. A damaged store
    /// or manifest is not an error here; reading the affected data will be one.
    pub fn open(target: Arc<dyn Destination>, path: &str) -> Result<Self, SetError> {
        Self::open_with(target, path, &Keys::default())
    }

    /// Opens the set in the folder `path` of the destination, which may be encrypted.
    ///
    /// # Errors
    /// Those of [`SetReader::open`], and none of the keys opens it.
    pub fn open_with(
        target: Arc<dyn Destination>,
        path: &str,
        keys: &Keys,
    ) -> Result<Self, SetError> {
        let dir = path.trim_end_matches('/').to_owned();
        let mut rescue = read_rescue(&*target, &dir)?;
        let mut target = target;
        if let Some(encryption) = &rescue.encryption {
            let Some(key) = open_key(&*target, &dir, keys)? else {
                return Err(locked(&*target, &dir, &encryption.how));
            };
            rescue = match details(&*target, &dir, &key, &rescue) {
                // The set has the files anyway.
                Err(SetError::Crypt { error: CryptError::Damaged(_), .. }) => rescue,
                details => details?,
            };
            target = Arc::new(DecryptingDestination::new(target, key, &dir, &rescue));
        }
        let volumes = Volumes::of(&rescue, &dir)?;
        let index = Index::load(&target, &dir, &rescue, &volumes)?;
        let shared = Arc::new(Shared { target: Arc::clone(&target), volumes, index });
        Ok(Self { target, dir, rescue, shared, closed: false })
    }

    /// Opens the public part of an encrypted set.
    pub(crate) fn open_closed(target: Arc<dyn Destination>, path: &str) -> Result<Self, SetError> {
        let dir = path.trim_end_matches('/').to_owned();
        let rescue = read_rescue(&*target, &dir)?;
        let volumes = Volumes::of(&rescue, &dir)?;
        let index = Index { places: Vec::new(), from_table: true };
        let shared = Arc::new(Shared { target: Arc::clone(&target), volumes, index });
        Ok(Self { target, dir, rescue, shared, closed: true })
    }

    /// Whether it is encrypted and was opened without its key.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The name of the set's folder.
    pub fn name(&self) -> &str {
        self.dir().rsplit('/').next().unwrap_or_default()
    }

    /// The set's description.
    pub fn rescue(&self) -> &Rescue {
        &self.rescue
    }

    /// The full path of the set's folder, for people.
    pub fn display(&self) -> String {
        self.target.display(&self.dir)
    }

    /// Plain bytes of all frames, from the set's own tables.
    pub fn plain_bytes(&self) -> u64 {
        self.shared.index.places.iter().map(|place| u64::from(place.plain)).sum()
    }

    /// The manifest's lines. An error in between costs the lines that it is about; the lines
    /// after it can be read.
    pub fn lines(&self) -> Result<Lines, SetError> {
        Lines::open(&*self.target, &format!("{}/{MANIFEST}", self.dir))
    }

    /// Reads any stream of any member. [`SetReader::in_order`] is faster for many in
    /// order.
    pub fn open_data(&self, data: &Data) -> Result<DataReader<'static>, SetError> {
        let source = RandomAccessFrames::new(Arc::clone(&self.shared))?;
        Ok(DataReader::new(Arc::clone(&self.shared), Frames::Own(Box::new(source)), data))
    }

    /// All members in the order of the set; reads frames ahead.
    pub fn in_order(&self) -> Result<InOrder, SetError> {
        InOrder::new(self.lines(), &self.shared)
    }

    pub(crate) fn target(&self) -> &Arc<dyn Destination> {
        &self.target
    }

    pub(crate) fn dir(&self) -> &str {
        &self.dir
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Reads and checks `rescue.json`.
pub(crate) fn read_rescue(target: &dyn Destination, dir: &str) -> Result<Rescue, SetError> {
    let path = format!("{dir}/{RESCUE}");
    let not_a_set =
        |what: &str| Err(SetError::NotASet { path: target.display(dir), what: what.to_owned() });
    if dir.ends_with(DELETING) {
        return not_a_set("this rescue set is being deleted");
    }
    match target.stat(&path)? {
        Some(entry) if !entry.is_dir && entry.size <= MAX_RESCUE => {}
        Some(_) => return not_a_set("its rescue.json is not valid"),
        None if dir.ends_with(PARTIAL) => return not_a_set("this is an unfinished rescue set"),
        None => return not_a_set("this is not a rescue set (rescue.json is missing)"),
    }
    let mut file = target.open(&path)?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while bytes.len() as u64 <= MAX_RESCUE {
        match file.read_at(bytes.len() as u64, &mut chunk)? {
            0 => break,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    parse_rescue(target, dir, &bytes)
}

/// Reads the bytes of a set's `rescue.json`.
pub(crate) fn parse_rescue(
    target: &dyn Destination,
    dir: &str,
    bytes: &[u8],
) -> Result<Rescue, SetError> {
    let damaged = |error: serde_json::Error| SetError::Damaged {
        path: target.display(&format!("{dir}/{RESCUE}")),
        offset: 0,
        what: error.to_string(),
    };
    // The version first: a later format may have other fields.
    let version: Version = serde_json::from_slice(bytes).map_err(damaged)?;
    if version.format > FORMAT_ENCRYPTED {
        return Err(SetError::TooNew { path: target.display(dir), format: version.format });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

/// How a set is encrypted; `None` for a plain one.
///
/// # Errors
/// There is no set.
pub(crate) fn how_locked(target: &dyn Destination, dir: &str) -> Result<Option<String>, SetError> {
    let rescue = read_rescue(target, dir.trim_end_matches('/'))?;
    Ok(rescue.encryption.map(|encryption| encryption.how))
}

#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}
