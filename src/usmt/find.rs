//! Finds stores on volumes, and groups their parts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sha2::{Digest, Sha256};

use super::drive::{self, Drive, DriveFrom};
use super::{Markers, Misfit, Part, Place, Role, Store, StoreKind, StoreVolume};
use crate::model::metadata::{NodeId, NodeKind};
use crate::model::monitor::{Monitor, Stage};
use crate::model::name::NtPath;
use crate::tree::TreeError;
use crate::usmt::layout::{
    CATALOG, CONTAINER, CONTAINER3, ESTIMATE, HARDLINK_MAIN, MIGSTATE, USMT, USMT3,
};

/// The folders that USMT makes (USMT 4 to 10, and USMT 3), and files that only
/// a store has, to find a store whose folder was renamed.
const NAMES: [&str; 8] =
    [USMT, USMT3, CATALOG, MIGSTATE, HARDLINK_MAIN, CONTAINER, CONTAINER3, ESTIMATE];

/// Every store on `volumes`. A volume that cannot be searched is in the second
/// list, and hides only its own stores.
pub fn find_stores(
    volumes: &[StoreVolume],
    monitor: &dyn Monitor,
) -> (Vec<Store>, Vec<(usize, TreeError)>) {
    let mut found = Vec::new();
    let mut failed = Vec::new();
    for (number, volume) in volumes.iter().enumerate() {
        monitor.stage(Stage::Detect, &volume.display);
        match parts_on(number, volumes, monitor) {
            Ok(parts) => found.extend(parts),
            Err(error) => failed.push((number, error)),
        }
    }
    (group(found, volumes), failed)
}

/// A part that is not yet grouped into a store.
struct Found {
    kind: StoreKind,
    part: Part,
    /// What `hardlink.main` lists; only for primary parts.
    listed: Vec<(char, String)>,
}

fn parts_on(
    number: usize,
    volumes: &[StoreVolume],
    monitor: &dyn Monitor,
) -> Result<Vec<Found>, TreeError> {
    let tree = &volumes[number].tree;
    let mut folders = BTreeMap::new();
    for (path, node) in tree.find_named(&NAMES, monitor)? {
        let Ok(facts) = tree.node(node) else { continue };
        let is_usmt = path
            .file_name()
            .is_some_and(|n| n.eq_ignore_ascii_case(USMT) || n.eq_ignore_ascii_case(USMT3));
        match facts.kind {
            NodeKind::Directory if is_usmt && facts.is_plain_directory() => {
                folders.insert(path, node);
            }
            NodeKind::File if !is_usmt => {
                let Some(parent) = path.parent() else { continue };
                if let Entry::Vacant(slot) = folders.entry(parent) {
                    let Ok(node) = tree.lookup(slot.key()) else { continue };
                    slot.insert(node);
                }
            }
            _ => {}
        }
    }
    let mut found: Vec<Found> = Vec::new();
    for (path, node) in folders {
        // A store inside a store is user data.
        if found.iter().any(|f| is_below(&path, &f.part.usmt_path)) {
            continue;
        }
        let Ok(markers) = Markers::read(&**tree, node) else { continue };
        let Some((kind, role)) = markers.kind() else { continue };
        found.push(describe(number, volumes, path, node, kind, role, markers));
    }
    Ok(found)
}

fn is_below(path: &NtPath, above: &NtPath) -> bool {
    path.names().len() > above.names().len() && path.names().starts_with(above.names())
}

fn describe(
    number: usize,
    volumes: &[StoreVolume],
    path: NtPath,
    usmt: NodeId,
    kind: StoreKind,
    role: Role,
    markers: Markers,
) -> Found {
    let volume = &volumes[number];
    let tree = volume.tree.clone();
    let listed = markers
        .hardlink_main
        .and_then(|m| drive::read_small(&*tree, m.node, drive::MOST_MAIN))
        .map(|bytes| drive::parse_hardlink_main(&bytes))
        .unwrap_or_default();
    // A part of a hard-link store contains only files of its own volume. For
    // other kinds, the folder does not show which drive the store was on.
    let own = (kind == StoreKind::HardLink && markers.file_drives.len() == 1)
        .then(|| markers.file_drives[0]);
    let mut drive = drive_of(number, volumes);
    if let Some(letter) = own {
        (drive.letter, drive.from) = (Some(letter), DriveFrom::FileFolder);
    }
    let part = Part {
        volume: number,
        tree,
        volume_display: volume.display.clone(),
        present_letter: volume.present_letter,
        usmt_path: path,
        usmt,
        role,
        drive,
        markers,
    };
    Found { kind, part, listed }
}

/// The drive that volume `number` of a list was in Windows, judging by the
/// volumes themselves.
pub(crate) fn drive_of(number: usize, volumes: &[StoreVolume]) -> Drive {
    let volume = &volumes[number];
    // A folder that is often on C: says nothing if another volume has Windows.
    let is_windows = has(volume, &["Windows"])
        || has(volume, &["_SMSTaskSequence", "Users"])
            && !volumes.iter().any(|other| has(other, &["Windows"]));
    let (letter, from) = if is_windows {
        (Some('C'), DriveFrom::WindowsFolder)
    } else if let Some(letter) = volume.present_letter {
        (Some(letter), DriveFrom::Present)
    } else {
        (None, DriveFrom::Unknown)
    };
    let serial = volume.tree.info().serial;
    let fallback = serial
        .map_or_else(|| format!("volume-{}", number + 1), |serial| format!("volume-{serial:016x}"));
    Drive { letter, from, fallback }
}

/// Whether the volume has one of these folders in its root.
fn has(volume: &StoreVolume, names: &[&str]) -> bool {
    names.iter().any(|name| volume.tree.lookup(&NtPath::from(*name)).is_ok())
}

/// A store whose parts are not yet complete, and what its `hardlink.main` lists.
type Listing = (Store, Vec<(char, String)>);

/// Groups secondary parts with their primary part: by the GUID in
/// `hardlink.main` if it can be read (inferred), otherwise by the same path on
/// another volume. The format of that file is inferred, so a part on a drive
/// that it lists belongs to the store even if its GUID differs. A part on the
/// same disk comes first: a clone of the disk has the same GUIDs. A volume that
/// no partition table leads to is from another time: the same path there proves
/// nothing.
fn group(found: Vec<Found>, volumes: &[StoreVolume]) -> Vec<Store> {
    let is_lost = |part: &Part| volumes.get(part.volume).is_some_and(|v| v.is_lost);
    let disk = |part: &Part| volumes.get(part.volume).map(|v| v.disk.as_str());
    // How little a part fits to a store: it is there already, one of the two is
    // lost, it is on another disk.
    let misfit = |store: &Store, part: &Part| {
        let first = &store.parts[0];
        (has_copy(store, part), is_lost(first) != is_lost(part), disk(first) != disk(part))
    };
    let (secondaries, firsts): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|f| f.part.role == Role::Secondary);
    let mut stores: Vec<Listing> =
        firsts.into_iter().map(|found| (store_of(found.kind, found.part), found.listed)).collect();
    let mut others: Vec<Part> = Vec::new();
    let mut alone: Vec<Part> = Vec::new();
    let mut secondaries: Vec<Part> = secondaries.into_iter().map(|found| found.part).collect();
    // Those on the disk of a primary part first.
    secondaries.sort_by_key(|part| {
        stores
            .iter()
            .map(|(store, _)| misfit(store, part))
            .min()
            .map(|(_, lost, disk)| (lost, disk))
    });
    let copies = secondaries.clone();
    for mut part in secondaries {
        let guid = guid_of(&part);
        let best = |fits: &dyn Fn(&Store, &Listed) -> bool| {
            let candidates = stores.iter().enumerate().filter(|(_, (s, listed))| fits(s, listed));
            candidates.min_by_key(|(_, (store, _))| misfit(store, &part)).map(|(n, _)| n)
        };
        let by_guid = best(&|_, listed| lists(listed, guid.as_deref()));
        let by_path = || {
            best(&|store, listed| {
                listed.is_empty()
                    && is_beside(store, &part)
                    && store.parts[0].volume != part.volume
                    && is_lost(&store.parts[0]) == is_lost(&part)
            })
        };
        let home = by_guid.or_else(by_path);
        if home.is_some_and(|home| has_copy(&stores[home].0, &part)) {
            // The same part again, on a clone whose primary part is not there.
            alone.push(part);
            continue;
        }
        let Some(home) = home else {
            others.push(part);
            continue;
        };
        let (store, listed) = &mut stores[home];
        name_drive(&mut part, listed);
        store.parts.push(part);
    }
    // Where a clone of a store lacks a part, the other disk's will do.
    for (store, listed) in &mut stores {
        for copy in &copies {
            let guid = copy.markers.distributed.as_ref().map(|(guid, _)| guid.as_str());
            if lists(listed, guid) && !has_copy(store, copy) {
                let mut part = copy.clone();
                name_drive(&mut part, listed);
                store.parts.push(part);
            }
        }
    }
    alone.extend(join_by_drive(&mut stores, others, volumes));
    let mut stores: Vec<Store> = stores
        .into_iter()
        .map(|(mut store, listed)| {
            let missing = listed.iter().map(|(letter, _)| *letter).filter(|letter| {
                !store.parts.iter().any(|part| part.drive.letter == Some(*letter))
            });
            store.missing_drives = missing.map(String::from).collect();
            store.knows_parts = !listed.is_empty();
            separate_drives(&mut store);
            store
        })
        .collect();
    // Secondary parts without a primary: those with the same path are one
    // store.
    let mut orphans: BTreeMap<String, Store> = BTreeMap::new();
    for part in alone {
        match orphans.entry(part.usmt_path.to_string().to_ascii_lowercase()) {
            Entry::Occupied(mut store) => {
                store.get_mut().parts.push(part);
            }
            Entry::Vacant(slot) => {
                slot.insert(store_of(StoreKind::HardLink, part));
            }
        }
    }
    stores.extend(orphans.into_values().map(|mut store| {
        separate_drives(&mut store);
        store
    }));
    // Known places first: a store elsewhere is more often an old one.
    stores.sort_by_key(|store| (!store.kind.holds_data(), store.place == Place::Elsewhere));
    // Lost volumes last: what is on them is from before.
    stores.sort_by_key(|store| is_lost(&store.parts[0]));
    part_ids(&mut stores);
    stores
}

/// Puts parts whose GUID no store lists into the store that lists their drive, and returns the
/// others.
fn join_by_drive(stores: &mut [Listing], others: Vec<Part>, volumes: &[StoreVolume]) -> Vec<Part> {
    let is_lost = |part: &Part| volumes.get(part.volume).is_some_and(|v| v.is_lost);
    let disk = |part: &Part| volumes.get(part.volume).map(|v| v.disk.as_str());
    let mut alone: Vec<Part> = Vec::new();
    for mut part in others {
        let guid = guid_of(&part).unwrap_or_default();
        let mut homes: Vec<(usize, char)> = stores
            .iter()
            .enumerate()
            .filter(|(_, (store, _))| is_lost(&store.parts[0]) == is_lost(&part))
            .filter_map(|(number, listing)| Some((number, listed_drive(listing, &part)?)))
            .collect();
        // Of a store and its clone, the one on the same disk.
        if homes.len() > 1 {
            homes.retain(|(number, _)| disk(&stores[*number].0.parts[0]) == disk(&part));
        }
        if let [(home, letter)] = homes[..] {
            if part.drive.letter != Some(letter) {
                part.drive.letter = Some(letter);
                part.drive.from = DriveFrom::HardlinkMain;
            }
            let store = &mut stores[home].0;
            store.misfits.push(Misfit { path: part.windows_path(), drive: letter, guid });
            store.parts.push(part);
            continue;
        }
        let beside = stores.iter_mut().find(|(store, _)| is_beside(store, &part));
        if let Some((store, _)) = beside
            && !guid.is_empty()
        {
            store.strangers.push((part.windows_path(), guid));
        }
        alone.push(part);
    }
    alone
}

/// The GUID in the name of a secondary part's marker.
fn guid_of(part: &Part) -> Option<String> {
    part.markers.distributed.as_ref().map(|(guid, _)| guid.to_ascii_lowercase())
}

/// Whether the part has the relative path of the hard-link store.
fn is_beside(store: &Store, part: &Part) -> bool {
    store.kind == StoreKind::HardLink && same_path(&store.parts[0].usmt_path, &part.usmt_path)
}

/// The drive for which a store lists a part that was not found by its GUID, if
/// `part` can be that one: on another volume, at the same path, and on that
/// drive. If the drive of `part` is not sure, it is the only missing one.
fn listed_drive((store, listed): &Listing, part: &Part) -> Option<char> {
    if !is_beside(store, part) || store.parts.iter().any(|known| known.volume == part.volume) {
        return None;
    }
    let is_missing =
        |letter: &char| !store.parts.iter().any(|known| known.drive.letter == Some(*letter));
    let mut missing = listed.iter().map(|(letter, _)| *letter).filter(is_missing);
    if part.drive.from == DriveFrom::FileFolder {
        return missing.find(|letter| part.drive.letter == Some(*letter));
    }
    missing.next().filter(|_| missing.next().is_none())
}

/// Whether `hardlink.main` lists a part with that GUID.
fn lists(listed: &Listed, guid: Option<&str>) -> bool {
    guid.is_some_and(|guid| listed.iter().any(|(_, listed)| same_guid(listed, guid)))
}

/// Whether the store has a part with the GUID of `part` already.
fn has_copy(store: &Store, part: &Part) -> bool {
    let guid = |part: &Part| part.markers.distributed.as_ref().map(|(guid, _)| guid.clone());
    guid(part)
        .is_some_and(|own| store.parts.iter().filter_map(guid).any(|other| same_guid(&own, &other)))
}

/// Takes the drive of a part from `hardlink.main`, where its own files do not
/// show it.
fn name_drive(part: &mut Part, listed: &Listed) {
    let guid = part.markers.distributed.as_ref().map(|(guid, _)| guid.as_str());
    let line = listed.iter().find(|(_, g)| guid.is_some_and(|guid| same_guid(g, guid)));
    if let Some((letter, _)) = line.filter(|_| part.drive.from != DriveFrom::FileFolder) {
        part.drive.letter = Some(*letter);
        part.drive.from = DriveFrom::HardlinkMain;
    }
}

/// The parts that `hardlink.main` lists: drive and GUID.
type Listed = [(char, String)];

/// Makes the ids of the stores differ: on a clone of a disk, the serial number
/// and the path are the same.
fn part_ids(stores: &mut [Store]) {
    let mut taken = Vec::new();
    for store in stores {
        let first = &store.parts[0];
        let mut number = 0_u32;
        while taken.contains(&store.id) {
            let mut hash = Sha256::new();
            hash.update(first.tree.info().serial.unwrap_or_default().to_le_bytes());
            hash.update(first.usmt_path.to_string().to_ascii_lowercase());
            hash.update(first.volume_display.as_bytes());
            hash.update(number.to_le_bytes());
            store.id = short_id(&hash.finalize());
            number += 1;
        }
        taken.push(store.id.clone());
    }
}

/// The first eight digits.
fn short_id(digest: &[u8]) -> String {
    let first = digest.first_chunk().copied().unwrap_or_default();
    format!("{:08x}", u32::from_be_bytes(first))
}

/// Two parts of a store cannot have been on the same drive: if they seem to,
/// the letter of the later one was inferred wrongly, and is dropped.
fn separate_drives(store: &mut Store) {
    let mut taken = Vec::new();
    for part in &mut store.parts {
        match part.drive.letter {
            Some(letter) if taken.contains(&letter) => {
                part.drive.letter = None;
                part.drive.from = DriveFrom::Unknown;
            }
            Some(letter) => taken.push(letter),
            None => {}
        }
    }
}

/// GUIDs are compared without braces and case.
fn same_guid(a: &str, b: &str) -> bool {
    let bare = |g: &str| g.trim_matches(['{', '}']).to_ascii_lowercase();
    !bare(a).is_empty() && bare(a) == bare(b)
}

fn same_path(a: &NtPath, b: &NtPath) -> bool {
    a.to_string().eq_ignore_ascii_case(&b.to_string())
}

fn store_of(kind: StoreKind, part: Part) -> Store {
    let mut hash = Sha256::new();
    let info = part.tree.info();
    hash.update(info.serial.unwrap_or_default().to_le_bytes());
    hash.update(if info.serial.is_none() { info.source.as_bytes() } else { &[] });
    hash.update(part.usmt_path.to_string().to_ascii_lowercase());
    Store {
        id: short_id(&hash.finalize()),
        kind,
        place: Place::of(&part.store_path()),
        parts: vec![part],
        missing_drives: Vec::new(),
        strangers: Vec::new(),
        misfits: Vec::new(),
        knows_parts: false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::monitor::Silent;
    use crate::tree::memory::{MemoryData, MemoryTree};

    fn volumes(trees: Vec<MemoryTree>) -> Vec<StoreVolume> {
        let volume = |(number, tree): (usize, MemoryTree)| StoreVolume {
            tree: Arc::new(tree),
            display: format!("volume {number}"),
            present_letter: None,
            disk: String::new(),
            is_lost: false,
            attached: false,
        };
        trees.into_iter().enumerate().map(volume).collect()
    }

    fn stores(trees: Vec<MemoryTree>) -> Vec<Store> {
        let (stores, failed) = find_stores(&volumes(trees), &Silent);
        assert!(failed.is_empty());
        stores
    }

    /// A tree with a `USMT` folder that has this marker file and `File\<drive>$`.
    fn part(serial: u64, usmt: &str, marker: &str, text: &str, drive: &str) -> MemoryTree {
        let mut tree = MemoryTree::new("t", serial);
        tree.file(&*format!("{usmt}/{marker}"), MemoryData::new(text.as_bytes()));
        tree.file(&*format!("{usmt}/File/{drive}/a.txt"), MemoryData::new(*b"a"));
        tree
    }

    const USMT_PATH: &str = "StateStore/USMT";

    fn primary() -> MemoryTree {
        part(1, USMT_PATH, "hardlink.main", "C\t{aa}\r\nD\t{bb}\r\n", "C$")
    }

    fn secondary(serial: u64, guid: &str, drive: &str) -> MemoryTree {
        part(serial, USMT_PATH, &format!("hardlink.distributed.{guid}"), "", drive)
    }

    #[test]
    fn a_listed_drive_with_another_guid_is_one_store() {
        for drive in ["D$", "$unknown"] {
            let found = stores(vec![primary(), secondary(2, "{cc}", drive)]);
            assert_eq!(found.len(), 1, "{drive}");
            assert_eq!(found[0].parts.len(), 2);
            assert_eq!(found[0].parts[1].drive.letter, Some('D'));
            assert!(found[0].missing_drives.is_empty() && found[0].strangers.is_empty());
            let misfits: Vec<_> = found[0].misfits.iter().map(|m| &*m.guid).collect();
            assert_eq!(misfits, ["{cc}"]);
        }
    }

    #[test]
    fn the_part_with_the_right_guid_comes_first() {
        let right = || secondary(3, "{BB}", "D$");
        let wrong = || secondary(2, "{cc}", "D$");
        for trees in [vec![primary(), wrong(), right()], vec![primary(), right(), wrong()]] {
            let found = stores(trees);
            assert_eq!(found.len(), 2);
            assert_eq!((found[0].parts.len(), found[0].misfits.len()), (2, 0));
            assert_eq!(found[0].strangers.len(), 1);
        }
    }

    #[test]
    fn a_drive_or_path_that_is_not_listed_is_another_store() {
        let elsewhere = part(2, "Old/USMT", "hardlink.distributed.{cc}", "", "D$");
        for other in [secondary(2, "{cc}", "E$"), elsewhere] {
            let found = stores(vec![primary(), other]);
            assert_eq!(found.len(), 2);
            assert_eq!(found[0].missing_drives, ["D"]);
        }
    }

    #[test]
    fn a_part_that_two_stores_list_joins_neither() {
        let mut other = primary();
        other.dir("Marks the second disk");
        let found = stores(vec![primary(), other, secondary(2, "{cc}", "D$")]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn users_are_no_windows_where_another_volume_has_one() {
        let with = |name: &str| {
            let mut tree = MemoryTree::new("t", 1);
            tree.dir(name);
            tree
        };
        let letters = |trees| {
            let volumes = volumes(trees);
            (0..volumes.len()).map(|n| drive_of(n, &volumes).letter).collect::<Vec<_>>()
        };
        assert_eq!(letters(vec![with("Users"), with("Windows")]), [None, Some('C')]);
        assert_eq!(letters(vec![with("_SMSTaskSequence"), with("WINDOWS")]), [None, Some('C')]);
        assert_eq!(letters(vec![with("Users"), with("Data")]), [Some('C'), None]);
        assert_eq!(letters(vec![with("Windows"), with("Windows")]), [Some('C'), Some('C')]);
    }

    #[test]
    fn a_store_of_usmt_3_is_found_by_its_container() {
        for (path, place) in [
            ("StateStore/USMT3/USMT3.MIG", Place::Mdt),
            ("Old/Renamed/usmt3.mig", Place::Elsewhere),
            ("_t/StateStore/USMT/USMT.MIG", Place::Tanium),
            ("migdata/USMT/USMT.MIG", Place::Migdata),
        ] {
            let mut tree = MemoryTree::new("t", 1);
            tree.file(path, MemoryData::new(*b"1giM"));
            let found = stores(vec![tree]);
            assert_eq!(found.len(), 1, "{path}");
            assert_eq!((found[0].kind, found[0].place), (StoreKind::Compressed, place), "{path}");
            assert_eq!(found[0].parts[0].markers.pieces().len(), 1);
        }
    }
}
