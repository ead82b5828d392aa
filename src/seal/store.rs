//! A store and the seal beside it: for `verify`, which reads the store, and for
//! `offload`, which saves it and compares every member.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::NAME;
use super::compare::{Comparer, Depth, Present, Side, marker_names};
use super::hashing::Hashers;
use super::parts::Here;
use super::read::Seal;
use crate::health::StreamObserver;
use crate::health::seal::{SealCode, finding};
use crate::model::metadata::{Metadata, NodeId};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::set::error::SetError;
use crate::set::format::manifest::{Line, Member, MemberKind, SealMissing, to_text};
use crate::set::format::rescue::{SealOutcome, SealState};
use crate::set::write::observer::MemberObserver;
use crate::set::write::parts::usmt_folder;
use crate::set::write::plan::{Plan, PlanKind};
use crate::usmt::{Part, Store};

/// FAT rounds times to two seconds; other file systems and copy programs to
/// one.
const SLACK: u64 = 20_000_000;

/// The seal beside a store.
pub(crate) struct Guard {
    /// Its path, for display.
    shown: String,
    seal: Option<Seal>,
    sides: Vec<Side>,
    /// Marker files: part, name, bytes, last write.
    markers: Vec<(usize, Vec<u8>, u64, u64)>,
}

impl Guard {
    /// Looks for the seal of a store, beside its first part and then beside the
    /// others; `None` if there is none. Reports a damaged one.
    pub(crate) fn of(store: &Store, monitor: &dyn Monitor) -> Option<Self> {
        let (part, found) =
            store.parts.iter().find_map(|part| Seal::beside(part).map(|found| (part, found)))?;
        let shown = part.store_path().join(NAME).on_drive(&part.drive.name());
        let seal = match found {
            Ok(seal) => Some(seal),
            Err(error) => {
                monitor.finding(&finding(SealCode::Damaged, &shown, error.to_string()));
                None
            }
        };
        let sides = store.parts.iter().map(side).collect();
        let markers = store.parts.iter().enumerate().flat_map(|(n, part)| markers(n, part));
        Some(Self { shown, seal, sides, markers: markers.collect() })
    }

    /// A comparison with the seal, or the outcome if that is not possible.
    fn compare<'a>(
        &'a mut self,
        depth: Depth,
        monitor: &'a dyn Monitor,
    ) -> Result<Comparer<'a>, SealOutcome> {
        let damaged = || SealOutcome { state: SealState::Damaged, ..SealOutcome::default() };
        let Some(seal) = &self.seal else { return Err(damaged()) };
        let sides = std::mem::take(&mut self.sides);
        let mut comparer = Comparer::new(seal, sides, depth, monitor).map_err(|error| {
            monitor.finding(&finding(SealCode::Damaged, &self.shown, error.to_string()));
            damaged()
        })?;
        if !comparer.is_of(&self.markers) {
            return Err(comparer.refuse(&self.shown));
        }
        comparer.begin(&self.shown);
        Ok(comparer)
    }

    /// An observer for saving the store.
    pub(crate) fn observer<'a>(&'a mut self, monitor: &'a dyn Monitor) -> impl MemberObserver + 'a {
        let state = match self.compare(Depth::Members, monitor) {
            Ok(comparer) => Testimony::Comparing(Box::new(comparer)),
            Err(outcome) => Testimony::Over(outcome),
        };
        Packing { state: Mutex::new(state) }
    }
}

fn side(part: &Part) -> Side {
    let info = part.tree.info();
    Side {
        here: Here {
            drive: part.drive.name(),
            path: part.store_path().to_string(),
            serial: info.serial.map(|serial| format!("{serial:016x}")),
            role: part.role.into(),
        },
        folder: Some(folder_name(part)),
        via: info.via.as_str().to_owned(),
        slack: if info.file_system.to_ascii_uppercase().starts_with("NTFS") { 0 } else { SLACK },
    }
}

/// The name of a part's store folder: `USMT`.
pub(super) fn folder_name(part: &Part) -> String {
    part.usmt_path.file_name().map(NtName::to_string_lossy).unwrap_or_default()
}

fn markers(number: usize, part: &Part) -> Vec<(usize, Vec<u8>, u64, u64)> {
    let look = |name: &str| {
        let name = NtName::from(name);
        let children = part.tree.children(part.usmt).ok()?;
        let entry = children.into_iter().find(|entry| {
            name.as_str().is_some_and(|name| entry.name.eq_ignore_ascii_case(name))
        })?;
        let node = part.tree.node(entry.node).ok()?;
        Some((number, entry.name.as_wtf8().to_vec(), node.size, node.times.modified.0))
    };
    marker_names().into_iter().filter_map(look).collect()
}

/// A store being verified against its seal: first by its metadata, then, where
/// every byte is read, as an onlooker of that.
pub(crate) struct StoreCheck<'a> {
    comparer: Result<Box<Comparer<'a>>, SealOutcome>,
    hashers: Hashers<Asked>,
    /// For files with several hard links: the first name.
    first_names: HashMap<(usize, NodeId), Vec<u8>>,
    store: &'a Store,
    now: Option<(usize, Vec<u8>)>,
    stream: Option<Vec<u8>>,
}

/// The stream of a hash: part, path below its folder, stream.
type Asked = (usize, Vec<u8>, Option<Vec<u8>>);

impl<'a> StoreCheck<'a> {
    /// Compares names, kinds, sizes and times. With `full`, the hashes follow
    /// through [`StreamObserver`].
    ///
    /// # Errors
    /// The store cannot be walked; the monitor was cancelled.
    pub(crate) fn begin(
        store: &'a Store,
        guard: &'a mut Guard,
        full: bool,
        monitor: &'a dyn Monitor,
    ) -> Result<Self, SetError> {
        let depth = if full { Depth::Later } else { Depth::Metadata };
        let mut check = Self {
            comparer: guard.compare(depth, monitor).map(Box::new),
            hashers: Hashers::new(),
            first_names: HashMap::new(),
            store,
            now: None,
            stream: None,
        };
        if let Ok(comparer) = &mut check.comparer {
            let parts = store.parts.iter().map(usmt_folder).collect();
            let plan = Plan::make(parts, monitor)?;
            check.first_names = walk(&plan, comparer);
        }
        Ok(check)
    }

    /// The outcome.
    pub(crate) fn finish(mut self) -> SealOutcome {
        self.take_hashes(true);
        let mut comparer = match self.comparer {
            Ok(comparer) => comparer,
            Err(outcome) => return outcome,
        };
        comparer.finish(|_| ()).unwrap_or_else(|error| comparer.give_up(&error))
    }

    fn take_hashes(&mut self, wait: bool) {
        let Ok(comparer) = &mut self.comparer else { return };
        while let Some(((part, below, stream), hash)) = self.hashers.take(wait) {
            comparer.hash(part, &below, stream.as_deref(), hash);
        }
    }
}

/// Passes everything that exists to the comparer. Returns the first names of
/// files with several hard links.
fn walk(plan: &Plan, comparer: &mut Comparer<'_>) -> HashMap<(usize, NodeId), Vec<u8>> {
    let mut first_names = HashMap::new();
    for number in 0..plan.len() {
        let Some(member) = plan.member(number) else { continue };
        let path = plan.path(number);
        let Some((part, below)) = comparer.place(&path) else { continue };
        let node = member.tree.node(member.node).ok();
        let kind = match member.kind {
            PlanKind::Directory => MemberKind::Directory,
            PlanKind::File => MemberKind::File,
            PlanKind::Link(to) => {
                let first = plan.path(to);
                if let Some((part, below)) = comparer.place(&first) {
                    first_names.insert((part, member.node), below.to_vec());
                }
                MemberKind::Link
            }
        };
        let is_file = kind == MemberKind::File;
        let present = Present {
            kind,
            size: node.as_ref().filter(|_| is_file).map(|node| node.size),
            modified: node.as_ref().filter(|_| is_file).map(|node| node.times.modified.0),
            facts: None,
            rights: 0,
            sha256: None,
        };
        comparer.see(part, below, &present);
    }
    first_names
}

impl StreamObserver for StoreCheck<'_> {
    fn file(&mut self, part: usize, below: &NtPath, node: NodeId, facts: &Metadata) {
        let path = match self.first_names.get(&(part, node)) {
            Some(first) => first.clone(),
            None => below.names().iter().map(NtName::as_wtf8).collect::<Vec<_>>().join(&b'/'),
        };
        let (Ok(comparer), Some(of)) = (&mut self.comparer, self.store.parts.get(part)) else {
            return;
        };
        if let Ok(node) = of.tree.node(node) {
            let reparse = facts.reparse.as_deref();
            let is_wof = matches!(facts.content, crate::model::metadata::Content::Wof(_));
            let created = node.times.created.0;
            let cheap = comparer.index.facts(node.attributes, created, reparse.filter(|_| !is_wof));
            let rights = comparer.index.rights(facts.security.as_deref());
            comparer.late_facts(part, &path, cheap, rights);
        }
        self.now = Some((part, path));
    }

    fn stream(&mut self, name: Option<&NtName>) {
        self.stream = name.map(crate::set::write::draft::stream_name);
        if self.comparer.is_ok() {
            self.hashers.begin();
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.hashers.bytes(bytes);
    }

    fn end(&mut self) {
        if let Some((part, path)) = &self.now {
            self.hashers.end((*part, path.clone(), self.stream.take()));
        }
        self.take_hashes(false);
    }
}

/// A store that is being saved.
struct Packing<'a> {
    state: Mutex<Testimony<'a>>,
}

enum Testimony<'a> {
    Comparing(Box<Comparer<'a>>),
    /// Nothing was compared.
    Over(SealOutcome),
}

impl MemberObserver for Packing<'_> {
    fn member(&self, member: &mut Member) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Testimony::Comparing(comparer) = &mut *state {
            member.seal = comparer.member(member).map(str::to_owned);
        }
    }

    fn recovered(&self, member: &mut Member) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Testimony::Comparing(comparer) = &*state {
            comparer.recovered(member);
        }
    }

    fn finish(
        &self,
        line: &mut dyn FnMut(&Line) -> Result<(), SetError>,
    ) -> Result<SealOutcome, SetError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let comparer = match &mut *state {
            Testimony::Comparing(comparer) => comparer,
            Testimony::Over(outcome) => return Ok(outcome.clone()),
        };
        let mut written = Ok(());
        let outcome = comparer.finish(|path| {
            let (path, raw_path) = to_text(path);
            if written.is_ok() {
                written = line(&Line::SealMissing(SealMissing { path, raw_path }));
            }
        });
        written?;
        Ok(outcome.unwrap_or_else(|error| comparer.give_up(&error)))
    }
}
