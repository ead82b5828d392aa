//! An open set: its description, its members, and their data, checked while it is
//! read.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

pub use super::all_lines::AllLines;
pub use super::data_reader::DataReader;
use super::data_reader::Frames;
use super::gate::{self, Fault, Gate};
pub use super::in_order::InOrder;
use super::index::Index;
use super::lines::Lines;
use super::source::{RandomAccessFrames, Shared};
use super::volumes::Volumes;
use crate::destination::Destination;
use crate::model::monitor::{Monitor, Silent};
use crate::set::crypt::{CryptError, Keys};
use crate::set::error::SetError;
use crate::set::format::manifest::Data;
use crate::set::format::names::{DELETING, DETAILS, MANIFEST, PARTIAL, RESCUE};
use crate::set::format::rescue::{FORMAT_ENCRYPTED, MOST_STORE_PARTS, Rescue, What};
use crate::set::read::decrypting_destination::{
    DecryptingDestination, details, how_of_key, locked, open_key, redacted,
};

/// The largest `rescue.json` that is read, in bytes: for 100,000 volumes.
pub(crate) const MAX_RESCUE: u64 = 32 << 20;

/// A rescue set.
#[derive(Clone)]
pub struct SetReader {
    target: Arc<dyn Destination>,
    /// The destination as it is: of an encrypted set, its encrypted files.
    stored: Arc<dyn Destination>,
    dir: String,
    rescue: Rescue,
    shared: Arc<Shared>,
    /// What its descriptions show.
    described: Gate,
    gate: Arc<OnceLock<Gate>>,
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
    /// Those of [`SetReader::open`]; none of the keys opens it; the details of an encrypted set
    /// are missing, damaged, or those of another set.
    pub fn open_with(
        target: Arc<dyn Destination>,
        path: &str,
        keys: &Keys,
    ) -> Result<Self, SetError> {
        Self::open_as(target, path, keys, true)
    }

    /// The same, but without the details of an encrypted set if they are damaged: only for what
    /// needs no paths of parts. The gate has a fault then.
    ///
    /// # Errors
    /// Those of [`SetReader::open`], and none of the keys opens it.
    pub(crate) fn open_without_details(
        target: Arc<dyn Destination>,
        path: &str,
        keys: &Keys,
    ) -> Result<Self, SetError> {
        Self::open_as(target, path, keys, false)
    }

    fn open_as(
        target: Arc<dyn Destination>,
        path: &str,
        keys: &Keys,
        needs_details: bool,
    ) -> Result<Self, SetError> {
        let dir = path.trim_end_matches('/').to_owned();
        let stored = target;
        let outer = read_rescue(&*stored, &dir)?;
        let mut described = gate::of_description(&outer);
        let (mut rescue, mut target) = (outer.clone(), Arc::clone(&stored));
        if let Some(encryption) = &outer.encryption {
            let Some(key) = open_key(&*stored, &dir, keys)? else {
                return Err(locked(&*stored, &dir, &encryption.how));
            };
            match details(&*stored, &dir, &key, &outer) {
                Ok(inner) => {
                    described.add(gate::of_details(&inner, &outer, redacted));
                    rescue = inner;
                }
                // The members can be read anyway, but where they belong is unknown.
                Err(SetError::Crypt { error: CryptError::Damaged(what), .. }) if !needs_details => {
                    described.fault("set-details", DETAILS, what);
                }
                Err(error) => return Err(error),
            }
            target = Arc::new(DecryptingDestination::new(target, key, &dir, &rescue));
        }
        let volumes = Volumes::of(&rescue, &dir)?;
        let index = Index::load(&target, &dir, &rescue, &volumes)?;
        let shared = Arc::new(Shared { target: Arc::clone(&target), volumes, index });
        let gate = Arc::default();
        Ok(Self { target, stored, dir, rescue, shared, described, gate, closed: false })
    }

    /// Opens the public part of an encrypted set.
    pub(crate) fn open_closed(target: Arc<dyn Destination>, path: &str) -> Result<Self, SetError> {
        let dir = path.trim_end_matches('/').to_owned();
        let rescue = read_rescue(&*target, &dir)?;
        let volumes = Volumes::of(&rescue, &dir)?;
        let index = Index { places: Vec::new(), from_table: true };
        let shared = Arc::new(Shared { target: Arc::clone(&target), volumes, index });
        let (described, stored) = (gate::of_description(&rescue), Arc::clone(&target));
        let gate = Arc::default();
        Ok(Self { target, stored, dir, rescue, shared, described, gate, closed: true })
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

    /// What its descriptions show, without its manifest.
    pub(crate) fn described(&self) -> &Gate {
        &self.described
    }

    /// Whether it is what it says: see [`gate`]. Reads the manifest, the first time.
    ///
    /// # Errors
    /// The destination fails; the monitor was cancelled.
    pub fn gate(&self, monitor: &dyn Monitor) -> Result<&Gate, SetError> {
        if let Some(gate) = self.gate.get() {
            return Ok(gate);
        }
        let mut gate = self.described.clone();
        if !self.closed {
            let targets = (&*self.stored, &*self.target);
            gate::of_manifest(&mut gate, targets, self, monitor)?;
        }
        Ok(self.gate.get_or_init(|| gate))
    }

    /// Where a fault is, for people.
    pub fn place_of(&self, fault: &Fault) -> String {
        match fault.at.as_str() {
            "" => self.display(),
            at if at.contains('/') => at.to_owned(), // a member
            name => self.target.display(&format!("{}/{name}", self.dir)),
        }
    }

    /// The manifest's lines. An error in between costs the lines that it is about; the lines
    /// after it can be read. If the manifest is not whole, these are the lines of its members
    /// and of those that only the tar has, without frames. The faults that the gate found come
    /// first, each as an error.
    pub fn lines(&self) -> Result<AllLines, SetError> {
        let gate = self.gate(&Silent)?;
        if gate.manifest_is_whole {
            return Ok(AllLines::Manifest(self.errors(gate), self.manifest()?));
        }
        Ok(AllLines::Tar(Box::new(self.in_order()?)))
    }

    /// The gate's faults as errors.
    fn errors(&self, gate: &Gate) -> VecDeque<SetError> {
        let damaged = |path, what| SetError::Damaged { path, offset: 0, what };
        let known =
            gate.faults.iter().map(|fault| damaged(self.place_of(fault), fault.what.clone()));
        let more = gate.count.saturating_sub(gate.faults.len() as u64);
        let more = (more > 0).then(|| damaged(self.display(), format!("{more} more like these")));
        known.chain(more).collect()
    }

    /// The manifest's lines as they are.
    pub(crate) fn manifest(&self) -> Result<Lines, SetError> {
        Lines::open(&*self.target, &format!("{}/{MANIFEST}", self.dir))
    }

    /// Reads any stream of any member. [`SetReader::in_order`] is faster for many in
    /// order.
    pub fn open_data(&self, data: &Data) -> Result<DataReader<'static>, SetError> {
        let source = RandomAccessFrames::new(Arc::clone(&self.shared))?;
        Ok(DataReader::new(Arc::clone(&self.shared), Frames::Own(Box::new(source)), data))
    }

    /// All members in the order of the set; reads frames ahead. The faults that the gate found
    /// come first, each as an error.
    pub fn in_order(&self) -> Result<InOrder, SetError> {
        let gate = self.gate(&Silent)?;
        let whole = (gate.manifest_is_whole, self.errors(gate));
        InOrder::new(self.manifest(), &self.shared, whole)
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
        return Err(SetError::Deleting { path: target.display(dir) });
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
    let rescue: Rescue = serde_json::from_slice(bytes).map_err(damaged)?;
    if rescue.what == What::Store && rescue.parts.len() > MOST_STORE_PARTS {
        let what = format!("{} parts of a store", rescue.parts.len());
        return Err(damaged(serde::de::Error::custom(what)));
    }
    Ok(rescue)
}

/// How a set is encrypted; `None` for a plain one.
///
/// # Errors
/// There is no set.
pub(crate) fn how_locked(target: &dyn Destination, dir: &str) -> Result<Option<String>, SetError> {
    let dir = dir.trim_end_matches('/');
    let Some(encryption) = read_rescue(target, dir)?.encryption else { return Ok(None) };
    // The key itself knows; whoever changes rescue.json must not keep it from being used.
    Ok(Some(how_of_key(target, dir).unwrap_or(encryption.how)))
}

#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}
