//! Opens the sources, and finds the stores in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use serde_json::json;

use super::args::{Global, Search, ViaArg};
use super::exit::{Exit, Failure, interrupted, sentence, shell_word};
use super::output::Out;
use crate::destination::Destination;
use crate::destination::tree::{DestinationTree, NOT_SHOWN};
use crate::disk::bitlocker::{Access, Encryption, KeySource};
use crate::disk::condition::{Health, Lock};
use crate::disk::controllers::{Controller, Driver, controllers};
use crate::disk::{self, Depth, Disk, DiskError, Hardware};
use crate::health::{check_clones, check_deleted_stores};
use crate::model::advice::Advice as _;
use crate::model::finding::{Finding, Severity};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::units;
use crate::tree::source::{OpenOptions, Source, SourceError, SourceVolume};
use crate::tree::{Tree, Via};
use crate::usmt::{Logs, Machine, Store, StoreVolume, find_stores};

/// The opened volumes, and the stores on them.
pub(crate) struct Found {
    pub(crate) volumes: Vec<SourceVolume>,
    pub(crate) stores: Vec<Store>,
    /// What the logs say.
    pub(crate) logs: Logs,
    /// The computer that the volumes are from.
    pub(crate) machine: Machine,
    /// Volumes and disks that could not be read, or not completely.
    pub(crate) closed: Vec<String>,
    /// Stores that were deleted as a whole, of which files may be recovered.
    pub(crate) deleted: Vec<Finding>,
    /// How many of `closed` are controllers whose disks are not seen.
    pub(crate) unseen: usize,
    /// Whether everything attached was searched, and no disk is built into this PC.
    pub(crate) lacks_disk: bool,
}

/// Findings about disks and volumes of which a part is not there: a store may be in it. (Those
/// that are damage count anyway.)
const CUT_SHORT: [&str; 8] = [
    "raid-part",
    // The volume is read by the copies of what its start lost: more may be lost there.
    "ntfs-boot-copy",
    "ntfs-mft-mirror",
    "partition-outside",
    "partition-cut-short",
    "volume-cut-short",
    "bitlocker-cut-short",
    "image-unread",
];

/// Opens the sources and finds the stores.
pub(crate) fn find(sources: &[String], global: &Global, out: Out) -> Result<Found> {
    find_with(sources, global, &Search::default(), out)
}

/// The same, read as `how` says.
pub(crate) fn find_with(
    sources: &[String],
    global: &Global,
    how: &Search,
    out: Out,
) -> Result<Found> {
    let (found, controllers) = open_all(sources, global, how, out)?;
    let mut found = search(found, out)?;
    found.show_hidden(&controllers, out);
    Ok(found)
}

/// Finds manually copied stores in a folder at a destination.
pub(crate) fn find_at(target: Arc<dyn Destination>, dir: &str, out: Out) -> Result<Found> {
    let tree = DestinationTree::open(target, dir, "a share")?;
    let volume = SourceVolume {
        display: tree.info().source.clone(),
        kind: tree.info().file_system.clone(),
        tree: Ok(Arc::new(tree)),
        encryption: None,
        may_hold_stores: true,
        letter: None,
        mount: None,
        disk: dir.to_owned(),
        is_lost: false,
        attached: false,
        findings: Vec::new(),
        why: "a folder on a share".to_owned(),
        not_shown: NOT_SHOWN.to_vec(),
    };
    search(announce(vec![volume], Vec::new(), out), out)
}

fn search(mut found: Found, out: Out) -> Result<Found> {
    let searched: Vec<StoreVolume> = found.searchable().collect();
    let search = WholeSearch { out, cut: Mutex::default() };
    let (stores, failed) = find_stores(&searched, &search);
    found.closed.extend(search.cut.into_inner().unwrap_or_default());
    for (number, error) in failed {
        let display = &searched[number].display;
        found.close(display, &format!("cannot be searched: {error}"), out);
    }
    found.logs = Logs::read(&searched, &stores, out);
    found.machine = Machine::find(&searched, &found.logs);
    found.deleted = check_deleted_stores(&searched, &stores, out);
    check_clones(&searched, out);
    found.stores = stores;
    if out.is_cancelled() {
        return Err(interrupted().into());
    }
    Ok(found)
}

/// Opens the sources, or everything attached if there are none. Reports the
/// volumes that cannot be read: "locked" must never look like "no store".
pub(crate) fn open(sources: &[String], global: &Global, how: &Search, out: Out) -> Result<Found> {
    let (mut found, controllers) = open_all(sources, global, how, out)?;
    found.show_hidden(&controllers, out);
    Ok(found)
}

/// The controllers of the machine, and whether a disk that is built in is seen.
struct Controllers {
    all: Vec<Controller>,
    is_any_disk_seen: bool,
}

/// The same, without the controllers that keep disks from view: whether they do, what is found
/// says.
fn open_all(
    sources: &[String],
    global: &Global,
    how: &Search,
    out: Out,
) -> Result<(Found, Controllers)> {
    let via = global.via.map(|via| match via {
        ViaArg::Raw => Via::Raw,
        ViaArg::Host => Via::Host,
    });
    let depth = if how.deep { Depth::Deep } else { Depth::Usual };
    let keys: Arc<dyn KeySource> = global.volume_keys.clone();
    let options = OpenOptions { via, depth, mapfile: how.mapfile.clone(), keys: Some(keys) };
    let image = |spec: &String| Path::new(spec).is_file();
    if how.mapfile.is_some() && !(sources.len() == 1 && sources.iter().all(image)) {
        return Err(Failure::new(
            Exit::Usage,
            "--mapfile belongs to one disk image",
            "Name the image that ddrescue wrote as the only SOURCE.",
        )
        .into());
    }
    let mut opened = Vec::new();
    let mut errors = Vec::new();
    let mut known = Vec::new();
    if sources.is_empty() {
        let attached;
        (attached, errors) = Source::attached(&options, out);
        opened.extend(attached);
        known = controllers();
    }
    if let Some(set) = sources.iter().find(|s| Path::new(s).join("rescue.json").is_file()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{set}: this is a rescue set, not a source"),
            {
                let set = shell_word(set);
                format!(
                    "lifeboat verify {set} checks it, lifeboat list {set} shows its files, and \
                     lifeboat restore {set} restores it."
                )
            },
        )
        .into());
    }
    for spec in sources {
        let source = Source::open_with(spec, &options, out);
        opened.push(source.map_err(|error| why_missing(error, out))?);
    }
    // While a key was asked for, too.
    if out.is_cancelled() {
        return Err(interrupted().into());
    }
    // A disk that cannot be opened is seen, too.
    let is_built_in = |source: &Source| source.hardware.as_ref().is_some_and(Hardware::is_built_in);
    let is_any_disk_seen = !errors.is_empty() || opened.iter().any(is_built_in);
    for source in &opened {
        show_disk(source, out);
    }
    let volumes: Vec<SourceVolume> = opened.into_iter().flat_map(|s| s.volumes).collect();
    if !sources.is_empty() && global.volume_keys.was_given() {
        refuse_wrong_key(&volumes)?;
    }
    let mut found = announce(volumes, errors, out);
    found.lacks_disk = sources.is_empty() && !is_any_disk_seen;
    Ok((found, Controllers { all: known, is_any_disk_seen }))
}

/// The error about a source that cannot be opened. A disk that was named and is not there may be
/// behind a controller without a driver.
fn why_missing(error: SourceError, out: Out) -> anyhow::Error {
    let is_missing_disk = matches!(&error, SourceError::Disk(DiskError::NotFound { path })
        if disk::is_name_of_disk(path));
    if !is_missing_disk {
        return error.into();
    }
    let all = controllers();
    let is_built_in = |disk: &Disk| disk.hardware.as_ref().is_some_and(Hardware::is_built_in);
    let is_any_disk_seen =
        disk::attached().iter().any(|disk| disk.as_ref().map_or(true, is_built_in));
    show_controllers(&all, is_any_disk_seen, out);
    let Some(suspect) = all.iter().find(|one| one.keeps_disks_from_view(false)) else {
        return error.into();
    };
    let trouble = suspect.trouble().unwrap_or_default();
    Failure::new(
        Exit::Failed,
        error.to_string(),
        format!(
            "Check the name: lifeboat detect without a source lists everything attached. Or the \
             disk is behind the {}, which {trouble}: {}",
            suspect.describe(),
            suspect.advice()
        ),
    )
    .into()
}

/// Says which controllers keep disks from view. The disks that are not seen for that reason, for
/// people: each counts as a volume that cannot be read.
pub(crate) fn show_controllers(
    controllers: &[Controller],
    is_any_disk_seen: bool,
    out: Out,
) -> Vec<String> {
    let mut hidden = Vec::new();
    for controller in controllers {
        let (driver, problem) = match &controller.driver {
            Driver::Works(name) => (Some(name), None),
            Driver::Missing => (None, None),
            Driver::Fails(name, problem) => (Some(name), Some(*problem)),
        };
        out.event(
            "controller",
            &json!({
                "controller": controller.describe(),
                "kind": controller.kind(),
                "address": controller.address,
                "class": format!("{:06x}", controller.class),
                "vendor": format!("{:04x}", controller.vendor),
                "device": format!("{:04x}", controller.device),
                "driver": driver,
                "problem": problem,
                "hidden_disks": controller.hidden,
            }),
        );
        let Some(finding) = controller.finding(is_any_disk_seen) else { continue };
        out.finding(&finding);
        if controller.keeps_disks_from_view(is_any_disk_seen) {
            out.live().note(&format!("{} {}. {}", finding.path, finding.what, finding.action));
            hidden.push(format!("the disk behind the {}", finding.path));
        }
    }
    hidden
}

/// Says what a disk of this machine is, and how it is.
fn show_disk(source: &Source, out: Out) {
    let Some(hardware) = &source.hardware else { return };
    let condition = &hardware.condition;
    out.event(
        "disk",
        &json!({
            "disk": source.display,
            "bytes": source.len,
            "model": hardware.model,
            "serial": hardware.serial,
            "transport": hardware.transport,
            "built_in": hardware.is_built_in(),
            "logical_sector": hardware.logical_sector,
            "physical_sector": hardware.physical_sector,
            "health": condition.health().as_str(),
            "health_from": Some(condition.from).filter(|from| !from.is_empty()),
            "expects_to_fail": condition.failing,
            "critical_warning": condition.critical_warning,
            "reallocated": condition.reallocated,
            "pending": condition.pending,
            "uncorrectable": condition.uncorrectable,
            "locked": condition.lock.map(Lock::as_str),
        }),
    );
    let health = match condition.health() {
        Health::Unknown => "its health is not known".to_owned(),
        health => format!("health {}: {}", health.as_str(), condition.signs()),
    };
    out.detail(&format!("{}: {}, {health}", source.display, hardware.describe(source.len)));
}

/// A key that was given for these sources and opens none of their volumes is an error, not a
/// volume that cannot be read.
fn refuse_wrong_key(volumes: &[SourceVolume]) -> Result<()> {
    let all = || volumes.iter().filter_map(|volume| Some((volume, volume.encryption.as_ref()?)));
    if all().any(|(_, encryption)| matches!(encryption.access, Access::UnlockedBy(_))) {
        return Ok(());
    }
    match all().find(|(_, encryption)| encryption.access == Access::WrongKey) {
        Some((volume, encryption)) => {
            let mut what = format!("{}: no key that was given unlocks it", volume.display);
            if encryption.untried > 0 {
                what = format!(
                    "{what} ({} listed for other Key IDs were not tried)",
                    units::count(encryption.untried as u64, "key", "keys")
                );
            }
            let mut action = encryption.what_to_find();
            if let Some(first) = action.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let action = format!("{action}; then run the command again.");
            Err(Failure::new(Exit::Failed, what, action).into())
        }
        None => Ok(()),
    }
}

/// The fields of a BitLocker volume in the event `volume`.
fn describe(encryption: &Encryption) -> serde_json::Value {
    let kinds: Vec<&str> = encryption.protectors.iter().map(|kind| kind.as_str()).collect();
    let by = match encryption.access {
        Access::UnlockedBy(kind) => Some(kind.as_str()),
        Access::Suspended => Some("clear-key"),
        _ => None,
    };
    json!({
        "state": encryption.access_name(),
        "unlocked_by": by,
        "percent_encrypted": encryption.conversion.percent(),
        "key_id": encryption.key_id,
        "key_ids": encryption.key_ids,
        "protectors": kinds,
        "label": encryption.label,
        "cipher": encryption.cipher,
    })
}

/// Reports what was opened and what was not.
fn announce(volumes: Vec<SourceVolume>, errors: Vec<SourceError>, out: Out) -> Found {
    let mut found = Found {
        volumes,
        stores: Vec::new(),
        logs: Logs::default(),
        machine: Machine::default(),
        closed: Vec::new(),
        deleted: Vec::new(),
        unseen: 0,
        lacks_disk: false,
    };
    for error in errors {
        found.close_disk(&error, out);
    }
    let mut closed = Vec::new();
    for volume in &found.volumes {
        let (readable, reason) = match &volume.tree {
            Ok(_) => (true, None),
            Err(reason) => (false, Some(reason.clone())),
        };
        out.event(
            "volume",
            &json!({
                "volume": volume.display,
                "kind": volume.kind,
                "readable": readable,
                "reason": reason,
                "letter": volume.letter,
                "label": volume.tree.as_ref().map(|t| t.info().label.clone()).ok(),
                "via": volume.tree.as_ref().map(|t| t.info().via.as_str()).ok(),
                "why": Some(&volume.why).filter(|why| !why.is_empty()),
                "not_shown": volume.not_shown,
                "bitlocker": volume.encryption.as_ref().map(describe),
            }),
        );
        if let Some(encryption) = &volume.encryption {
            let text = format!("{}: BitLocker, {}", volume.display, encryption.describe());
            // If it cannot be read, the reason says the same.
            if volume.tree.is_ok() { out.note(&text) } else { out.detail(&text) }
        }
        say_which_way(volume, out);
        for finding in &volume.findings {
            out.finding(finding);
        }
        match &volume.tree {
            Err(reason) if volume.may_hold_stores => {
                let encryption = volume.encryption.as_ref();
                let ids = encryption.filter(|e| !e.key_ids.is_empty()).map(Encryption::ids);
                closed.push((volume.display.clone(), reason.clone(), ids));
            }
            Ok(_) | Err(_) => {}
        }
    }
    for (display, reason, ids) in closed {
        found.close(&display, &reason, out);
        // A set that was saved says what to search for.
        if let (Some(ids), Some(last)) = (ids, found.closed.last_mut()) {
            *last = format!("{last}, Key ID {ids}");
        }
    }
    let searched: Vec<StoreVolume> = found.searchable().collect();
    found.machine = Machine::find(&searched, &found.logs);
    found
}

/// Says how a volume is read, and why: if it is not the usual way, or with
/// `--verbose`.
fn say_which_way(volume: &SourceVolume, out: Out) {
    let Ok(tree) = &volume.tree else { return };
    let way = match tree.info().via {
        Via::Raw => "raw, from the device",
        Via::Host => "host, through the system's file API",
        Via::Memory => "from memory",
    };
    let text = format!("{}: read {way} ({})", volume.display, volume.why);
    if tree.info().via == Via::Host {
        out.note(&text);
    } else {
        out.detail(&text);
    }
    if !volume.not_shown.is_empty() {
        out.detail(&format!("not shown this way: {}", volume.not_shown.join("; ")));
    }
}

impl Found {
    /// Reports that a volume or disk cannot be read, and remembers it.
    fn close(&mut self, display: &str, reason: &str, out: Out) {
        out.finding(&Finding {
            code: "volume-closed",
            severity: Severity::Warning,
            path: display.to_owned(),
            what: format!("could not be read: {reason}"),
            meaning: "A store, or a part of one, may be there.".to_owned(),
            action: "Make it readable and run the command again before you wipe anything."
                .to_owned(),
        });
        out.live().note(&format!("{display}: {reason}"));
        self.closed.push(display.to_owned());
    }

    /// The same of a disk of this machine that cannot be opened.
    fn close_disk(&mut self, error: &SourceError, out: Out) {
        let finding = closed_disk(error);
        out.finding(&finding);
        out.live().note(&format!("{}: {}", finding.path, finding.what));
        self.closed.push(finding.path);
    }

    /// Whether a volume, or the image that it is in, is damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        let mut findings = self.volumes.iter().flat_map(|volume| &volume.findings);
        findings.any(|finding| finding.severity >= Severity::Damage)
    }

    /// Whether a disk has only a part of the data of its RAID array.
    pub(crate) fn is_part_of_array(&self) -> bool {
        let mut findings = self.volumes.iter().flat_map(|volume| &volume.findings);
        findings.any(|finding| finding.code == "raid-part")
    }

    /// Why the disks must not be wiped yet although what was found on them is saved, for people.
    /// The volumes that could not be read are apart ([`Found::closed`]).
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> = Vec::new();
        for volume in &self.volumes {
            let hides = |finding: &&Finding| {
                finding.severity >= Severity::Damage || CUT_SHORT.contains(&finding.code)
            };
            let Some(first) = volume.findings.iter().find(hides) else { continue };
            let place = match first.code {
                "raid-part" => "on its other disks",
                _ => "in the damaged part",
            };
            let doubt = format!("{}: {}: a store may be {place}", first.path, first.what);
            if !doubts.contains(&doubt) {
                doubts.push(doubt);
            }
        }
        doubts.extend(self.deleted.iter().map(|one| format!("{}: {}", one.path, one.what)));
        doubts
    }

    /// Says which controllers keep disks from view. A blank disk beside one without a driver is not
    /// the disk that is looked for.
    fn show_hidden(&mut self, controllers: &Controllers, out: Out) {
        let is_any_disk_seen = controllers.is_any_disk_seen && self.has_something();
        let hidden = show_controllers(&controllers.all, is_any_disk_seen, out);
        self.unseen = hidden.len();
        self.closed.extend(hidden);
    }

    /// Whether a store, a Windows, or something that could not be read was found.
    fn has_something(&self) -> bool {
        // WinPE itself runs from X:.
        let has_windows = |volume: &SourceVolume| {
            let windows = "Windows/System32".into();
            volume.letter != Some('X')
                && volume.tree.as_ref().is_ok_and(|tree| tree.lookup(&windows).is_ok())
        };
        !self.closed.is_empty()
            || self.stores.iter().any(|store| store.kind.holds_data())
            || self.volumes.iter().any(has_windows)
    }

    /// The volumes that can be read.
    pub(crate) fn searchable(&self) -> impl Iterator<Item = StoreVolume> {
        self.volumes.iter().filter_map(StoreVolume::of)
    }
}

/// The finding about a disk of this machine that cannot be opened.
pub(crate) fn closed_disk(error: &SourceError) -> Finding {
    let (path, what) = match error {
        SourceError::Disk(error) => (error.path(), error.what()),
        SourceError::Tree(_) | SourceError::FolderRaw(_) => (error.to_string(), String::new()),
    };
    let reason = if what.is_empty() { String::new() } else { format!(": {what}") };
    Finding {
        code: "volume-closed",
        severity: Severity::Warning,
        path,
        what: format!("the disk cannot be read{reason}"),
        meaning: "A store, or a part of one, may be there.".to_owned(),
        action: sentence(&error.advice()),
    }
}

/// Observes the search: a volume that was not searched completely counts as
/// closed.
struct WholeSearch {
    out: Out,
    cut: Mutex<Vec<String>>,
}

impl Monitor for WholeSearch {
    fn stage(&self, stage: Stage, on: &str) {
        self.out.stage(stage, on);
    }
    fn progress(&self, progress: Progress) {
        self.out.progress(progress);
    }
    fn finding(&self, finding: &Finding) {
        if matches!(finding.code, "search-cut-short" | "fat-folders-lost")
            && let Ok(mut cut) = self.cut.lock()
        {
            cut.push(finding.path.clone());
        }
        self.out.finding(finding);
    }
    fn note(&self, text: &str) {
        self.out.note(text);
    }
    fn is_cancelled(&self) -> bool {
        self.out.is_cancelled()
    }
}

/// The stores selected by `--store`, or all.
pub(crate) fn choose(stores: Vec<Store>, wanted: &[String]) -> Result<Vec<Store>> {
    if wanted.is_empty() {
        return Ok(stores);
    }
    let fits = |store: &Store, want: &String| {
        let want = want.replace('/', "\\");
        let want = want.trim_end_matches('\\');
        store.id.eq_ignore_ascii_case(want)
            || store.parts.iter().any(|part| {
                let drive = part.drive.name();
                part.windows_path().eq_ignore_ascii_case(want)
                    || part.store_path().on_drive(&drive).eq_ignore_ascii_case(want)
            })
    };
    if let Some(missing) = wanted.iter().find(|w| !stores.iter().any(|s| fits(s, w))) {
        return Err(Failure::new(
            Exit::NothingFound,
            format!("no store '{missing}' found"),
            "Run lifeboat detect: it lists the ids and paths of the stores.",
        )
        .into());
    }
    Ok(stores.into_iter().filter(|s| wanted.iter().any(|w| fits(s, w))).collect())
}

/// Where the volumes of the source are mounted: those of a disk of this machine, and a mounted
/// volume that was named. A folder on a volume may be a copy, beside which files can be written.
pub(crate) fn mounts(what: &str, volumes: &[SourceVolume]) -> Vec<PathBuf> {
    let named = Path::new(what).canonicalize().ok();
    let is_source = |volume: &&SourceVolume| {
        let mount = volume.mount.as_ref().and_then(|mount| mount.canonicalize().ok());
        volume.attached || (mount.is_some() && mount == named)
    };
    volumes.iter().filter(is_source).filter_map(|volume| volume.mount.clone()).collect()
}
