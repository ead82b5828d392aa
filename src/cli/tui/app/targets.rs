//! What is to be saved: a set for each chosen store, and one for the chosen users of each Windows.

use super::App;
use crate::cli::tui::jobs::{Found, Item, Seen, SeenUser};
use crate::cli::users;
use crate::model::recovered::RecoveredCount;
use crate::profiles::{Installation, Profile};
use crate::set::write::parts::of_profiles;

/// One set to make.
pub(crate) struct Target<'a> {
    /// Tells it from the others while the list stays.
    pub(crate) number: usize,
    pub(crate) what: What<'a>,
}

/// What a set is made of.
pub(crate) enum What<'a> {
    Store(&'a Seen),
    Users(&'a Installation, Vec<&'a SeenUser>),
}

impl Target<'_> {
    /// For display.
    pub(crate) fn name(&self) -> String {
        match &self.what {
            What::Store(seen) => seen.store.display(),
            What::Users(one, users) => {
                let names: Vec<&str> =
                    users.iter().map(|user| user.profile.name.as_str()).collect();
                format!("users of {}: {}", one.path(), names.join(", "))
            }
        }
    }

    /// Bytes before compression.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.what {
            What::Store(seen) => seen.survey.total.bytes,
            What::Users(_, users) => {
                users.iter().fold(0, |sum, user| sum.saturating_add(user.contents.bytes))
            }
        }
    }

    pub(super) fn item(&self, found: &Found) -> Item {
        match &self.what {
            What::Store(seen) => Item::Store(Box::new((seen.store.clone(), seen.capture.clone()))),
            What::Users(one, users) => {
                let profiles: Vec<&Profile> = users.iter().map(|user| &user.profile).collect();
                let lacks =
                    users.iter().flat_map(|user| users::lacks(&user.profile, &user.contents));
                let lacks = lacks.collect();
                Item::Users(of_profiles(one, &profiles, &found.volumes, false), lacks)
            }
        }
    }
}

impl App {
    /// The sets to make: one for each chosen store, and one for the chosen users of each
    /// Windows.
    pub(crate) fn chosen(&self) -> Vec<Target<'_>> {
        let Some(found) = &self.found else { return Vec::new() };
        let is_marked = |at: usize| self.marked.get(at) == Some(&true);
        let stores = found.stores.iter().enumerate().filter(|(at, _)| is_marked(*at));
        let mut targets: Vec<Target<'_>> =
            stores.map(|(number, seen)| Target { number, what: What::Store(seen) }).collect();
        let count = found.stores.len();
        for (windows, one) in found.installations.iter().enumerate() {
            let users = found.users.iter().enumerate();
            let users: Vec<&SeenUser> = users
                .filter(|(at, user)| is_marked(count + at) && user.windows == windows)
                .map(|(_, user)| user)
                .collect();
            if !users.is_empty() {
                targets.push(Target { number: count + windows, what: What::Users(one, users) });
            }
        }
        targets
    }

    /// The chosen sets that are not saved yet.
    pub(crate) fn left(&self) -> Vec<Target<'_>> {
        let mut targets = self.chosen();
        targets.retain(|one| self.saved.sets.iter().all(|(number, _)| *number != one.number));
        targets
    }

    /// Bytes of what is to be saved, before compression.
    pub(crate) fn bytes(&self) -> u64 {
        self.left().iter().fold(0, |sum, target| sum.saturating_add(target.bytes()))
    }

    /// Files that were deleted from the stores to save.
    pub(crate) fn deleted(&self) -> RecoveredCount {
        let mut count = RecoveredCount::default();
        for target in self.left() {
            if let What::Store(seen) = target.what {
                count.join(&seen.deleted);
            }
        }
        count
    }

    /// The users to save whose folders are gone: deleted files of them may still be there.
    pub(crate) fn gone(&self) -> Vec<String> {
        let left = self.left();
        let users = left.iter().flat_map(|target| match &target.what {
            What::Users(_, users) => users.as_slice(),
            What::Store(_) => &[],
        });
        let gone = users.filter(|user| user.profile.place.is_none());
        gone.map(|user| user.profile.name.clone()).collect()
    }

    /// Whether deleted files are saved, too.
    pub(super) fn saves_deleted(&self) -> bool {
        self.recover && (self.deleted().files > 0 || !self.gone().is_empty())
    }
}
