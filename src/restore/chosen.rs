//! Selected files and folders of a set, as input for a restore.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::input::Checked;
use super::{Bytes, Input, Ordered};
use crate::model::name::{USMT, fold_case};
use crate::set::error::SetError;
use crate::set::format::kinds::PartRole;
use crate::set::format::manifest::{Data, Line, Member, MemberKind, Totals, to_text};
use crate::set::format::names::{DELETED, is_of_deleted};
use crate::set::format::rescue::{Part, Rescue, What};
use crate::set::read::reader::SetReader;

/// A set with only some of its members: those selected, everything below them,
/// and their parent folders.
pub struct Chosen {
    set: SetReader,
    /// The description of the set, with the totals of the selection.
    rescue: Rescue,
    /// Without `/` at either end; empty if everything is selected.
    paths: Vec<String>,
    missing: Vec<String>,
    /// The targets of selected hard links that are not selected themselves. The
    /// first such link becomes the file, the others link to it.
    homeless: HashSet<String>,
    /// Path prefixes and their replacements; members that match none are skipped.
    /// Empty if paths stay as they are.
    moves: Vec<(String, String)>,
}

impl Chosen {
    /// Looks for `paths` in the set; `/` and `\` both separate names. No paths
    /// select everything. `C:\Users\alice` is what the set has at that place, or what its store
    /// has from there. A path that the set only has in other letter case is that one.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn new<S: AsRef<str>>(set: SetReader, paths: &[S]) -> Result<Self, SetError> {
        let paths: Vec<String> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        let chosen = Self::exactly(set, &paths)?;
        let spelled = spelled(&chosen)?;
        if spelled.is_empty() {
            return Ok(chosen);
        }
        let wrong = |path: &String| {
            let tried = in_set(&chosen.rescue, &clean(path));
            tried.iter().any(|path| spelled.iter().any(|(missing, _)| missing == path))
        };
        let right = paths.iter().filter(|path| !wrong(path)).cloned();
        let all: Vec<String> = right.chain(spelled.iter().map(|(_, path)| path.clone())).collect();
        Self::exactly(chosen.set, &all)
    }

    /// The same, by letter case.
    fn exactly(set: SetReader, paths: &[String]) -> Result<Self, SetError> {
        let mut rescue = set.rescue().clone();
        // Which of the given ones each is about.
        let (given, paths): (Vec<usize>, Vec<String>) = paths
            .iter()
            .map(|path| clean(path))
            .enumerate()
            .flat_map(|(at, path)| in_set(&rescue, &path).into_iter().map(move |path| (at, path)))
            .unzip();
        if rescue.totals.recovered.is_some() {
            rescue.parts.push(part_of(DELETED, PartRole::Deleted));
        }
        let (missing, homeless) = (Vec::new(), HashSet::new());
        let mut chosen = Self { set, rescue, paths, missing, homeless, moves: Vec::new() };
        let mut met = HashSet::new();
        let mut totals = Totals::default();
        for line in chosen.set.lines()? {
            let member = match line {
                Ok(Line::Member(member)) => member,
                Ok(_) | Err(SetError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            let by: Vec<usize> = (0..chosen.paths.len())
                .filter(|&at| is_at_or_below(&member.path, &chosen.paths[at]))
                .collect();
            if by.is_empty() && !chosen.paths.is_empty() {
                continue;
            }
            totals.count(&member);
            if let Some(target) = &member.link_to
                && !chosen.takes(target)
            {
                chosen.homeless.insert(target.clone());
            }
            met.extend(by.into_iter().map(|at| given[at]));
        }
        chosen.rescue.totals = totals;
        let missing = (0..chosen.paths.len()).filter(|at| !met.contains(&given[*at]));
        let missing: Vec<String> = missing.map(|at| chosen.paths[at].clone()).collect();
        chosen.missing = missing;
        Ok(chosen)
    }

    /// The part of one drive, by its name in the set.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn part(set: SetReader, drive: &str) -> Result<Self, SetError> {
        let mut chosen = Self::new(set, &[drive])?;
        chosen.rescue.parts.retain(|part| part.drive == drive);
        Ok(chosen)
    }

    /// Everything but the deleted files that were recovered.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub(crate) fn without_recovered(set: SetReader) -> Result<Self, SetError> {
        let drives: Vec<String> =
            set.rescue().parts.iter().map(|part| part.drive.clone()).collect();
        // No paths would select everything.
        let drives = if drives.is_empty() { vec!["/".into()] } else { drives };
        let mut chosen = Self::new(set, &drives)?;
        chosen.rescue.parts.retain(|part| part.drive != DELETED);
        chosen.missing = Vec::new();
        Ok(chosen)
    }

    /// The deleted files that were recovered, at the paths that they had: `deleted/C/Users`
    /// becomes `C/Users`.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub(super) fn recovered(set: SetReader) -> Result<Self, SetError> {
        let mut drives: Vec<String> = Vec::new();
        for line in set.lines()? {
            let member = match line {
                Ok(Line::Member(member)) => member,
                Ok(_) | Err(SetError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            let Some(below) = member.path.strip_prefix(DELETED) else { continue };
            let drive = below.strip_prefix('/').and_then(|below| below.split('/').next());
            if let Some(drive) = drive.filter(|drive| !drives.iter().any(|known| known == drive)) {
                drives.push(drive.to_owned());
            }
        }
        let old = |drive: &String| format!("{DELETED}/{drive}");
        // No paths would select everything.
        let paths = drives.iter().map(old).collect::<Vec<_>>();
        let paths = if paths.is_empty() { vec!["/".into()] } else { paths };
        let mut chosen = Self::new(set, &paths)?;
        let part = |drive: &String| {
            let known = chosen.rescue.parts.iter().find(|part| part.drive == *drive);
            Part {
                drive: drive.clone(),
                path: String::new(),
                role: PartRole::Folder,
                skipped: Vec::new(),
                ..known.cloned().unwrap_or_else(|| part_of(drive, PartRole::Folder))
            }
        };
        chosen.rescue.parts = drives.iter().map(part).collect();
        chosen.rescue.what = What::Folder;
        chosen.missing = Vec::new();
        chosen.moves = drives.iter().map(|drive| (old(drive), drive.clone())).collect();
        Ok(chosen)
    }

    /// One user's files, as plain files at their original drive and path:
    /// `...\USMT\File\C$\Users\alice` becomes `C/Users/alice`. Empty if the set has
    /// none; ignores letter case.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn user(set: SetReader, name: &str) -> Result<Self, SetError> {
        let mut homes: Vec<(String, String)> = Vec::new();
        // A user's folders stay where they were.
        for part in &set.rescue().parts {
            if part.user.as_ref().is_some_and(|own| fold_case(&own.name) == fold_case(name)) {
                let path = format!("{}/{}", part.drive, part.path);
                homes.push((path.clone(), path));
            }
        }
        for line in set.lines()? {
            let member = match line {
                Ok(Line::Member(member)) => member,
                Ok(_) | Err(SetError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            // A deleted file is not mixed with those that were there.
            if let Some((home, own)) = home_of(&member.path, name)
                && !is_of_deleted(&member.path)
                && !homes.iter().any(|(known, _)| known == home)
            {
                homes.push((home.to_owned(), own));
            }
        }
        let parts: Vec<String> = homes.iter().map(|(_, own)| own.clone()).collect();
        Self::moving(set, homes, &parts)
    }

    /// The files below some paths, each moved to another path. `parts` are the folders that a
    /// restore puts them into: a drive's name, or one and a path.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub(super) fn moving(
        set: SetReader,
        moves: Vec<(String, String)>,
        parts: &[String],
    ) -> Result<Self, SetError> {
        // No paths would select everything.
        let paths = moves.iter().map(|(from, _)| from.clone());
        let paths: Vec<String> = if moves.is_empty() { vec!["/".into()] } else { paths.collect() };
        let mut chosen = Self::new(set, &paths)?;
        let part = |own: &String| {
            let (drive, path) = own.split_once('/').unwrap_or((own, ""));
            Some(Part {
                drive: drive.to_owned(),
                drive_from: "the store's own folder names".to_owned(),
                path: path.to_owned(),
                role: PartRole::Folder,
                ..chosen.rescue.parts.first()?.clone()
            })
        };
        chosen.rescue.parts = parts.iter().filter_map(part).collect();
        chosen.rescue.what = What::Folder;
        chosen.missing = Vec::new();
        chosen.moves = moves;
        Ok(chosen)
    }

    /// Whether the selection is empty.
    pub fn is_empty(&self) -> bool {
        self.rescue.parts.is_empty()
    }

    /// The paths that are not in the set.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    fn takes(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|chosen| is_at_or_below(path, chosen))
    }

    /// A member with its new paths.
    fn moved(&self, mut member: Member) -> Member {
        if self.moves.is_empty() {
            return member;
        }
        let exact = member.exact_path();
        if let Some(path) = exact.and_then(|path| self.moved_path(&path)) {
            (member.path, member.raw_path) = to_text(&path);
        }
        if let Some(path) = member.exact_link_to().and_then(|path| self.moved_path(&path)) {
            let (text, raw) = to_text(&path);
            (member.link_to, member.raw_link_to) = (Some(text), raw);
        }
        member
    }

    fn moved_path(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.moves.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_bytes())?;
            (rest.is_empty() || rest.starts_with(b"/")).then(|| [to.as_bytes(), rest].concat())
        })
    }

    fn leads_to_chosen(&self, path: &str) -> bool {
        self.paths.iter().any(|chosen| is_at_or_below(chosen, path))
    }
}

/// A drive of recovered files of which only its name is known.
fn part_of(drive: &str, role: PartRole) -> Part {
    Part {
        drive: drive.to_owned(),
        drive_from: "the paths of deleted files".to_owned(),
        path: String::new(),
        role,
        skipped: Vec::new(),
        volume_serial: None,
        volume_label: String::new(),
        file_system: "NTFS".to_owned(),
        via: "raw".to_owned(),
        user: None,
    }
}

/// `C/StateStore/USMT/File/C$/Users/alice`, and `C/Users/alice`, for that path or
/// one below it.
pub(super) fn home_of<'a>(path: &'a str, user: &str) -> Option<(&'a str, String)> {
    let names: Vec<&str> = path.split('/').collect();
    let at = names.windows(5).position(|names| {
        let [usmt, file, drive, users, name] = names else { return false };
        usmt.eq_ignore_ascii_case("USMT")
            && file.eq_ignore_ascii_case("File")
            && matches!(drive.as_bytes(), [letter, b'$'] if letter.is_ascii_alphabetic())
            && ["Users", "Documents and Settings"].iter().any(|n| users.eq_ignore_ascii_case(n))
            && fold_case(name) == fold_case(user)
    })?;
    let [drive, users, name] = names.get(at + 2..at + 5)? else { return None };
    let length = names.get(..at + 5)?.join("/").len();
    let own = format!("{}/{users}/{name}", drive.trim_end_matches('$').to_ascii_uppercase());
    Some((path.get(..length)?, own))
}

/// Where in a set `C:/Users/alice` may be; any other path as it is.
fn in_set(rescue: &Rescue, path: &str) -> Vec<String> {
    let mut letters = path.chars();
    let drive = letters.next().filter(char::is_ascii_alphabetic);
    let rest = letters.as_str().strip_prefix(':').filter(|r| r.is_empty() || r.starts_with('/'));
    let (Some(drive), Some(rest)) = (drive, rest) else { return vec![path.to_owned()] };
    let drive = drive.to_ascii_uppercase();
    let of_store = rescue.parts.iter().filter(|_| rescue.what == What::Store).map(|part| {
        let above: Vec<&str> =
            [&*part.drive, &*part.path].into_iter().filter(|name| !name.is_empty()).collect();
        format!("{}/{USMT}/File/{drive}${rest}", above.join("/"))
    });
    [format!("{drive}{rest}")].into_iter().chain(of_store).collect()
}

/// A path as typed, with `/` between names and none at the ends.
fn clean(path: &str) -> String {
    path.replace('\\', "/").trim_matches('/').to_owned()
}

/// Paths that were not found, each with the one that the set has in other letter case.
fn spelled(chosen: &Chosen) -> Result<BTreeSet<(String, String)>, SetError> {
    let mut found = BTreeSet::new();
    if chosen.missing.is_empty() {
        return Ok(found);
    }
    let wanted: Vec<(&String, String)> =
        chosen.missing.iter().map(|path| (path, path.to_lowercase())).collect();
    for line in chosen.set.lines()? {
        let member = match line {
            Ok(Line::Member(member)) => member,
            Ok(_) | Err(SetError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        for (missing, lower) in &wanted {
            let names = missing.split('/').count();
            let there: Vec<&str> = member.path.split('/').take(names).collect();
            let there = there.join("/");
            if there.to_lowercase() == *lower {
                found.insert(((*missing).clone(), there));
            }
        }
    }
    Ok(found)
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Input for Chosen {
    fn rescue(&self) -> &Rescue {
        &self.rescue
    }

    fn most_bytes(&self) -> Option<u64> {
        Some(self.set.plain_bytes())
    }

    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError> {
        let all = Checked::new(self.set.in_order()?);
        Ok(Box::new(ChosenInOrder { chosen: self, all, homes: HashMap::new() }))
    }
}

struct ChosenInOrder<'a> {
    chosen: &'a Chosen,
    all: Checked,
    /// Files that are not selected but have a selected link, and the path of that
    /// link once it was read.
    homes: HashMap<String, Home>,
}

enum Home {
    Waiting(Box<Member>),
    At(String, Option<String>),
}

impl ChosenInOrder<'_> {
    /// A selected link whose file is not selected: becomes the file, or a link to
    /// the one that did.
    fn rehouse(&mut self, mut link: Member) -> Member {
        let Some(target) = &link.link_to else { return link };
        match self.homes.get_mut(target) {
            Some(Home::At(path, raw)) => {
                link.link_to = Some(path.clone());
                link.raw_link_to.clone_from(raw);
                link
            }
            Some(home) => {
                let here = Home::At(link.path.clone(), link.raw_path.clone());
                match std::mem::replace(home, here) {
                    Home::Waiting(file) => {
                        Member { path: link.path, raw_path: link.raw_path, ..*file }
                    }
                    Home::At(..) => link,
                }
            }
            None => link,
        }
    }
}

impl Ordered for ChosenInOrder<'_> {
    fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        loop {
            let chosen = self.chosen;
            let is_of_it = |member: &Member| {
                chosen.homeless.contains(&member.path)
                    || chosen.takes(&member.path)
                    || chosen.leads_to_chosen(&member.path)
            };
            let member = match self.all.next_of(is_of_it)? {
                Ok(member) => member,
                Err(error) => return Some(Err(error)),
            };
            if self.chosen.homeless.contains(&member.path) {
                self.homes.insert(member.path.clone(), Home::Waiting(Box::new(member)));
            } else if self.chosen.takes(&member.path) {
                return Some(Ok(self.chosen.moved(self.rehouse(member))));
            } else if self.chosen.moves.is_empty()
                && member.kind == MemberKind::Directory
                && self.chosen.leads_to_chosen(&member.path)
            {
                // The set has nothing above the moved folder.
                return Some(Ok(member));
            }
        }
    }

    fn check_headers(&mut self) {
        self.all.check_headers();
    }

    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a> {
        self.all.data(data)
    }
}
