//! Object ids are unique on a volume: while a store is kept aside that a restore replaces, and is
//! of the same capture, its files have the ids of the new ones. They are handed over when the
//! store gets its final name, not before: until then, the old one stays as it is.

use super::destination::Places;
use super::error::RestoreError;
use super::input::Input;
use super::names;
use super::place::{Fact, Kind};
use super::platform::Root;
use super::stage::{Stages, aside_names, is_below};
use crate::model::loss::{Loss, LossKind};
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::set::format::manifest::{MemberKind, from_base64};

/// The part of an id that is unique; birth ids follow.
const UNIQUE: usize = 16;

fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() >= UNIQUE && one.get(..UNIQUE) == other.get(..UNIQUE)
}

/// Where the file is in what the stage replaces: in the store that has its final name, and in
/// those that are kept aside. `at` is its path under the final name.
fn in_replaced(root: &mut Root, stages: &Stages, number: usize, at: &[NtName]) -> Vec<Vec<NtName>> {
    let folders = stages.folders().into_iter();
    let Some((_, folder)) = folders.into_iter().find(|(r, f)| *r == number && is_below(at, f))
    else {
        return Vec::new();
    };
    let below = &at[folder.len()..];
    let mut all = vec![at.to_vec()];
    for aside in aside_names(&folder) {
        if matches!(root.kind(&aside), Ok(Some(Kind::Folder))) {
            all.push([&aside[..], below].concat());
        }
    }
    all
}

/// The file of a replaced store that has this id.
fn owner(
    root: &mut Root,
    stages: &Stages,
    number: usize,
    at: &[NtName],
    id: &[u8],
) -> Option<Vec<NtName>> {
    let places = in_replaced(root, stages, number, at);
    places.into_iter().find(|at| root.object_id(at).is_ok_and(|found| is_same(&found, id)))
}

/// Whether the id that a file in a stage could not get will be handed over to it. `now` is its
/// path in the stage.
pub(super) fn will_be_handed_over(
    places: &mut Places,
    number: usize,
    now: &[NtName],
    id: &[u8],
) -> bool {
    let Some(at) = places.stages.final_name(number, now) else { return false };
    let Places { stages, roots, .. } = places;
    roots.get_mut(number).is_some_and(|r| owner(&mut r.root, stages, number, &at, id).is_some())
}

/// Hands the ids over, when the store has its final name. `places` has no stages any more.
/// Returns the number of files that do not get theirs: losses, which are reported.
///
/// # Errors
/// The set cannot be read; the monitor was cancelled.
pub(super) fn hand_over(
    input: &dyn Input,
    places: &mut Places,
    stages: &Stages,
    monitor: &dyn Monitor,
) -> Result<u64, RestoreError> {
    let mut losses = 0;
    let mut set = input.in_order()?;
    while let Some(member) = set.next_member() {
        if monitor.is_cancelled() {
            return Err(RestoreError::Cancelled);
        }
        // What is damaged was reported by the restore.
        let Ok(member) = member else { continue };
        let wanted = member.object_id.as_deref().and_then(from_base64);
        let Some(wanted) = wanted.filter(|_| member.kind != MemberKind::Link) else { continue };
        let path = member.exact_path();
        let Some(Ok((drive, below))) = path.as_deref().map(names::split) else { continue };
        let Some((number, at)) = places.find(&drive, &below) else { continue };
        let Some(opened) = places.roots.get_mut(number) else { continue };
        let root = &mut opened.root;
        match root.object_id(&at) {
            Ok(found) if !is_same(&found, &wanted) => {}
            Ok(_) | Err(_) => continue, // it has it; or it was not restored, or has none here
        }
        // Only what the restore left for this moment.
        let Some(old) = owner(root, stages, number, &at, &wanted) else { continue };
        let mut failed = root.remove_object_id(&old).err();
        if failed.is_none() {
            let fact = [Fact::ObjectId(&wanted)];
            let set = root.set(&at, &fact, &mut |_, error| failed = Some(error));
            failed = failed.or(set.err());
            let mut has_it = || root.object_id(&at).is_ok_and(|found| is_same(&found, &wanted));
            if failed.is_none() && !has_it() {
                failed = Some(std::io::Error::other("it was set, and is not there"));
            }
        }
        if let Some(error) = failed {
            losses += 1;
            monitor.loss(&Loss {
                path: member.path.clone(),
                kind: LossKind::Fact,
                detail: format!("object id: the replaced store keeps it: {error}"),
            });
        }
    }
    Ok(losses)
}
