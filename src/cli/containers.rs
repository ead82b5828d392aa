//! Finds the store that a command is to look into: the container of a compressed one, or a store
//! of plain files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::args::{Global, Logon, Within};
use super::exit::{Exit, Failure};
use super::output::Out;
use super::{protect, sets, sources};
use crate::cli::nothing_found::nothing_found;
use crate::destination::address::Dest;
use crate::disk;
use crate::health::container_pieces;
use crate::model::finding::Finding;
use crate::model::metadata::NodeId;
use crate::set::error::SetError;
use crate::set::format::manifest::{Line, Member, MemberKind};
use crate::set::read::member_stream::MemberStream;
use crate::set::read::reader::SetReader;
use crate::tree::host::HostTree;

use crate::tree::{Stream, Tree, TreeError};
use crate::usmt::container::OpenPieces;
use crate::usmt::layout::{USMT, USMT3};
use crate::usmt::{Lack, Markers, Store, StoreKind, is_container_name, piece_number};

/// What a command looks into.
pub(crate) enum Target {
    /// The container of a compressed store.
    Container(Container),
    /// A store of plain files.
    Plain(PlainStore),
}

/// A store of plain files.
pub(crate) struct PlainStore {
    pub(crate) store: Store,
    /// The parts that are missing, for display.
    pub(crate) lacks: Vec<String>,
    /// Whether its volumes are damaged.
    pub(crate) is_damaged: bool,
    sources: Vec<PathBuf>,
}

impl PlainStore {
    /// Refuses a folder on a volume that the store is read from.
    pub(crate) fn refuse_on_source(&self, dir: &Path) -> Result<()> {
        protect::refuse_on_source(dir, &self.sources)
    }
}

/// The container of a compressed store.
pub(crate) struct Container {
    /// For display: the path of its first piece.
    pub(crate) display: String,
    pieces: Pieces,
    /// What is wrong with its pieces.
    pub(crate) findings: Vec<Finding>,
    /// Whether the log of its capture says that it is encrypted.
    pub(crate) is_told_encrypted: bool,
    /// Its path for a program of Windows, if it has one.
    pub(crate) file: Option<PathBuf>,
    /// Whether its volume is damaged.
    pub(crate) is_damaged: bool,
    /// Folders on the disk that it is read from: nothing may be written there.
    sources: Vec<PathBuf>,
}

enum Pieces {
    Files(Arc<dyn Tree>, Vec<NodeId>),
    Members(Box<SetReader>, Vec<Member>),
}

impl Container {
    /// Opens its pieces, as often as is necessary.
    pub(crate) fn open(&self) -> OpenPieces<'_> {
        match &self.pieces {
            Pieces::Files(tree, nodes) => {
                Box::new(|| nodes.iter().map(|node| tree.open(*node, None)).collect())
            }
            Pieces::Members(set, members) => {
                let open = |member: &Member| match MemberStream::open(set, member) {
                    Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                    Err(error) => Err(TreeError::Host {
                        path: member.path.clone(),
                        error: std::io::Error::other(error),
                    }),
                };
                Box::new(move || members.iter().map(open).collect())
            }
        }
    }

    /// The number of its pieces.
    pub(crate) fn pieces(&self) -> usize {
        match &self.pieces {
            Pieces::Files(_, nodes) => nodes.len(),
            Pieces::Members(_, members) => members.len(),
        }
    }

    /// Refuses a folder on the volume that the container is read from.
    pub(crate) fn refuse_on_source(&self, dir: &Path) -> Result<()> {
        protect::refuse_on_source(dir, &self.sources)
    }
}

/// The store that `what` means; `None` if it is a rescue set whose own files are meant.
pub(crate) fn find(
    what: &str,
    inside: &Within,
    logon: &Logon,
    global: &Global,
    out: Out,
) -> Result<Option<Target>> {
    if is_container_file(Path::new(what)) {
        return of_file(what).map(Target::Container).map(Some);
    }
    if is_set(what, logon, out)? {
        if inside.inside {
            return of_set(what, inside, logon, out).map(Target::Container).map(Some);
        }
        if inside.store.is_some() {
            let problem = "--store belongs to a source, or to a set with --inside";
            return Err(Failure::new(Exit::Usage, problem, "Add --inside, or leave it out.").into());
        }
        return Ok(None);
    }
    let found = if is_smb(what) {
        let (target, name) = sets::find_set(what, logon, out)?;
        let folder = sets::copied_store(&*target, &name)?.unwrap_or(&name);
        sources::find_at(target, folder, out)?
    } else {
        sources::find_with(&[what.to_owned()], global, &inside.search, out)?
    };
    of_found(what, &found, inside).map(Some)
}

fn is_smb(what: &str) -> bool {
    what.starts_with("smb://")
}

/// Whether `what` is a rescue set, or something that can only be one.
fn is_set(what: &str, logon: &Logon, out: Out) -> Result<bool> {
    if is_smb(what) {
        let Ok(Dest::Smb(_)) = what.parse() else { return Ok(true) };
        let (target, name) = sets::find_set(what, logon, out)?;
        return Ok(sets::copied_store(&*target, &name)?.is_none());
    }
    let path = Path::new(what);
    Ok(sets::looks_like_set(what) || !(path.exists() || disk::names_a_device(path)))
}

/// Whether a file is the container of a compressed store, by its name or its first bytes.
fn is_container_file(path: &Path) -> bool {
    if !path.is_file() || disk::names_a_device(path) {
        return false;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut magic = [0; 4];
    let begins = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    is_container_name(&name) || (begins.is_ok() && magic == *b"1giM")
}

/// A container file, with the other pieces beside it.
fn of_file(what: &str) -> Result<Container> {
    let path = std::path::absolute(what)?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tree: Arc<dyn Tree> =
        Arc::new(HostTree::open(&folder).map_err(crate::tree::source::SourceError::from)?);
    let of = |error: TreeError| anyhow::Error::from(crate::tree::source::SourceError::from(error));
    let (nodes, findings) = if piece_number(&name).is_some() {
        let markers = Markers::read(&*tree, tree.root()).map_err(of)?;
        let pieces = markers.pieces().into_iter().map(|(_, marker)| marker.node).collect();
        (pieces, container_pieces(&markers, what))
    } else {
        let name = crate::model::name::NtName::from(&*name);
        (vec![tree.lookup_in(tree.root(), &name).map_err(of)?], Vec::new())
    };
    Ok(Container {
        display: what.to_owned(),
        pieces: Pieces::Files(tree, nodes),
        findings,
        is_told_encrypted: false,
        file: Some(path),
        is_damaged: false,
        sources: Vec::new(),
    })
}

/// The one store of a source.
fn of_found(what: &str, found: &sources::Found, inside: &Within) -> Result<Target> {
    let wanted: Vec<String> = inside.store.iter().cloned().collect();
    let stores = sources::choose(found.stores.clone(), &wanted)?;
    let with_data: Vec<&Store> = stores.iter().filter(|store| store.kind.holds_data()).collect();
    if with_data.is_empty() {
        return Err(nothing_found(found).into());
    }
    let [store] = *with_data.as_slice() else {
        let all: Vec<String> =
            with_data.iter().map(|s| format!("{} {}", s.id, s.display())).collect();
        return Err(Failure::new(
            Exit::Usage,
            format!("{what}: there are {} stores", all.len()),
            format!("Choose one with --store: {}.", all.join("; ")),
        )
        .into());
    };
    let is_damaged = found.is_damaged();
    let sources = sources::mounts(what, &found.volumes);
    if store.kind != StoreKind::Compressed {
        return Ok(Target::Plain(PlainStore {
            store: store.clone(),
            lacks: store.lacks(&found.closed).iter().map(missing).collect(),
            is_damaged,
            sources,
        }));
    }
    let part = store.first().ok_or_else(|| nothing_found(found))?;
    let name = part.markers.container_name();
    let display = format!("{}\\{name}", part.windows_path());
    let capture = found.logs.capture_of(store, &found.stores);
    let findings = container_pieces(&part.markers, &display);
    let file = part.present_letter.map(|letter| {
        let usmt = part.usmt_path.on_drive(&letter.to_string());
        PathBuf::from(format!("{usmt}\\{name}"))
    });
    Ok(Target::Container(Container {
        pieces: Pieces::Files(
            Arc::clone(&part.tree),
            part.markers.pieces().iter().map(|(_, marker)| marker.node).collect(),
        ),
        findings,
        is_told_encrypted: capture.is_some_and(|(run, named)| named && run.is_encrypted()),
        file,
        is_damaged,
        sources,
        display,
    }))
}

/// A part that is not there, for display.
fn missing(lack: &Lack) -> String {
    match lack {
        Lack::Primary => "the primary part was not found".to_owned(),
        Lack::Drive(drive) => format!("the part on drive {drive}: was not found"),
        Lack::Unknown(_) => lack.to_string(),
    }
}

/// The compressed store in a set.
fn of_set(what: &str, inside: &Within, logon: &Logon, out: Out) -> Result<Container> {
    let set = sets::open_set(what, logon, out)?;
    let mut folders: Vec<(String, Vec<(u32, Member)>)> = Vec::new();
    for line in set.lines()? {
        let member = match line {
            Ok(Line::Member(member)) if member.kind == MemberKind::File => member,
            Ok(_) | Err(SetError::Damaged { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let Some((folder, name)) = member.path.rsplit_once('/') else { continue };
        let above = folder.rsplit('/').next().unwrap_or_default();
        let is_store = [USMT, USMT3].iter().any(|usmt| above.eq_ignore_ascii_case(usmt));
        let Some(number) = piece_number(name).filter(|_| is_store) else { continue };
        let folder = folder.to_owned();
        match folders.iter_mut().find(|(known, _)| *known == folder) {
            Some((_, pieces)) => pieces.push((number, *member)),
            None => folders.push((folder, vec![(number, *member)])),
        }
    }
    if let Some(wanted) = &inside.store {
        let plain = |path: &str| path.replace(['\\', ':'], "/").replace("//", "/").to_lowercase();
        let wanted = plain(wanted);
        let wanted = wanted.trim_matches('/');
        folders.retain(|(folder, _)| {
            let folder = plain(folder);
            folder == wanted || folder.rsplit_once('/').is_some_and(|(above, _)| above == wanted)
        });
    }
    let names: Vec<String> = folders.iter().map(|(folder, _)| folder.clone()).collect();
    let mut folders = folders.into_iter();
    let (Some((folder, mut pieces)), None) = (folders.next(), folders.next()) else {
        return Err(if names.is_empty() {
            Failure::new(
                Exit::NothingFound,
                format!("{}: the set has no compressed store", set.display()),
                "Leave out --inside: lifeboat list lists the files of the set.",
            )
        } else {
            Failure::new(
                Exit::Usage,
                format!("{}: the set has several compressed stores", set.display()),
                format!("Choose one with --store: {}.", names.join("; ")),
            )
        }
        .into());
    };
    pieces.sort_by_key(|(number, _)| *number);
    let display = format!("{}, {folder}/{}", set.display(), "USMT.MIG");
    let mut findings = Vec::new();
    let last = pieces.last().map_or(0, |(number, _)| *number);
    for missing in (0..last).filter(|n| pieces.iter().all(|(number, _)| number != n)) {
        let text = format!("piece {missing} is missing, but piece {last} exists");
        findings.push(crate::health::codes::CONTAINER_PIECE_MISSING.at(display.clone(), text));
    }
    let members = pieces.into_iter().map(|(_, member)| member).collect();
    Ok(Container {
        display,
        pieces: Pieces::Members(Box::new(set), members),
        findings,
        is_told_encrypted: false,
        file: None,
        is_damaged: false,
        sources: Vec::new(),
    })
}
