//! One user's files of a set, as input for a restore into another profile: at their places below
//! it, and with the rights of its account.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use super::chosen::{Chosen, home_of};
use super::{Bytes, Input, Ordered};
use crate::model::advice::{Advice, Ending};
use crate::model::descriptor;
use crate::model::inherit::{self, Change};
use crate::model::metadata::attributes::{HIDDEN, SYSTEM};
use crate::model::metadata::{NodeId, is_name_surrogate};
use crate::model::name::{NtName, NtPath, fold_case};
use crate::model::sid::{AccountKind, Sid};
use crate::set::error::SetError;
use crate::set::format::manifest::{Data, Line, Member, MemberKind, from_base64, to_base64};
use crate::set::format::names::is_of_deleted;
use crate::set::format::rescue::{PartUser, Rescue, What};
use crate::set::read::reader::SetReader;
use crate::tree::host::HostTree;
use crate::tree::{Entry, Tree, TreeError};

/// The name of the profile among the drives of the moved set.
pub const PROFILE: &str = "profile";

/// The registry of a user, by how its files' names begin, and where they are. Windows has the new
/// user's own loaded.
const REGISTRY: [(&str, &str); 2] =
    [("", "ntuser."), ("AppData/Local/Microsoft/Windows/", "usrclass.dat")];

/// The files of one user of a set, moved into another profile.
pub(crate) struct IntoProfile {
    chosen: Chosen,
    /// Whose rights become whose; `None` where the profile's file system has no rights.
    change: Option<Change>,
    /// Whether the profile's folder has rights.
    has_rights: bool,
    /// The descriptors of the profile and of the folders in it, as they were before.
    there: HashMap<String, Rc<[u8]>>,
    /// Paths below the profile that are there already in other letter case, and how. Windows does
    /// not tell them apart; a mount of NTFS on Linux does, and would make a second folder.
    other_case: HashMap<String, String>,
    /// Members that are left out: the registry, and the links that Windows makes itself.
    left_out: Cell<u64>,
}

/// Why a user's files cannot be restored into a profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntoProfileError {
    /// The set has no such user.
    #[error("{set}: there are no files of {user} in this set")]
    NoUser {
        /// The set.
        set: String,
        /// The name.
        user: String,
        /// The users that it has.
        others: Vec<String>,
        /// Whether it has files that were deleted.
        has_deleted: bool,
    },
    /// Two accounts of the set have that name.
    #[error("{user}: two accounts of the set have this name")]
    TwoUsers {
        /// The name.
        user: String,
        /// Their SIDs.
        sids: Vec<String>,
    },
    /// The folder cannot be opened.
    #[error("this profile folder cannot be opened: {error}")]
    NoFolder {
        /// The folder.
        path: String,
        /// Why.
        error: TreeError,
    },
    /// It is not known whose the profile is.
    #[error("{path}: its permissions do not show which account the profile belongs to")]
    WhoseProfile {
        /// The folder.
        path: String,
    },
    /// The set cannot be read.
    #[error(transparent)]
    Set(#[from] SetError),
}

impl Advice for IntoProfileError {
    fn advice(&self) -> String {
        match self {
            Self::NoUser { has_deleted: true, .. } => {
                "The set has recovered deleted files: restore --deleted --to DIR \
                 restores them."
                    .to_owned()
            }
            Self::NoUser { others, .. } if others.is_empty() => {
                "Run lifeboat list: it shows what the set has.".to_owned()
            }
            Self::NoUser { others, .. } => format!("Users in it: {}.", others.join(", ")),
            Self::TwoUsers { sids, .. } => {
                format!("Give the SID of one in place of the name: {}.", sids.join(" or "))
            }
            Self::NoFolder { .. } => {
                "Log on once as the new user: Windows makes the profile. Then restore into it."
                    .to_owned()
            }
            Self::WhoseProfile { .. } => {
                "Say who gets the files: --as SID or --as NAME (whoami /user shows the SID)."
                    .to_owned()
            }
            Self::Set(error) => error.advice(),
        }
    }

    fn ending(&self) -> Ending {
        match self {
            Self::NoUser { .. } | Self::NoFolder { .. } => Ending::Failed,
            Self::WhoseProfile { .. } | Self::TwoUsers { .. } => Ending::Usage,
            Self::Set(error) => error.ending(),
        }
    }
}

impl IntoProfile {
    /// The files of `user` in the set, for the profile in the folder `into`, and for the account
    /// `to`; without it, for the account that the folder's rights name.
    ///
    /// # Errors
    /// No such user, no such folder, or it is not known whose it is; the set cannot be read.
    pub(crate) fn new(
        set: SetReader,
        user: &str,
        into: &Path,
        to: Option<Sid>,
    ) -> Result<Self, IntoProfileError> {
        let path = into.display().to_string();
        let tree = HostTree::open(into)
            .map_err(|error| IntoProfileError::NoFolder { path: path.clone(), error })?;
        let moves = moves(&set, user)?;
        if moves.is_empty() {
            let others = users(&set)?;
            return Err(IntoProfileError::NoUser {
                set: set.display(),
                user: user.to_owned(),
                has_deleted: set.rescue().totals.recovered.is_some(),
                others,
            });
        }
        let known = set.rescue().parts.iter().find_map(|part| {
            let own = part.user.as_ref().filter(|own| is_user(own, user))?;
            own.sid.as_ref()?.parse().ok()
        });
        let parts = set.rescue().parts.iter().filter_map(|part| part.user.as_ref());
        let mut sids: Vec<String> = parts
            .filter(|own| is_user(own, user))
            .map(|own| own.sid.clone().unwrap_or_else(|| "unknown".to_owned()))
            .collect();
        sids.sort();
        sids.dedup();
        if sids.len() > 1 {
            return Err(IntoProfileError::TwoUsers { user: user.to_owned(), sids });
        }
        let chosen = Chosen::moving(set, moves, &[PROFILE.to_owned()])?;
        let root = security(&tree, &NtPath::root());
        let mut this = Self {
            chosen,
            change: None,
            has_rights: root.is_some(),
            there: HashMap::new(),
            other_case: HashMap::new(),
            left_out: Cell::new(0),
        };
        this.look_for_other_case(&tree)?;
        let from = match known {
            Some(sid) => Some(sid),
            None => this.usual_owner()?,
        };
        // Without the old account there is nothing to change, and without rights nothing to set.
        if let (Some(root), Some(from)) = (root, from) {
            let to = match to {
                Some(to) => to,
                None => {
                    descriptor::only_person(&root).ok_or(IntoProfileError::WhoseProfile { path })?
                }
            };
            this.change = Some(Change { from, to });
            this.there.insert(String::new(), root.into());
            this.look_at_folders(&tree)?;
        }
        Ok(this)
    }

    /// Why owners and permissions are not set, if [`accounts`](Self::accounts) has none.
    pub(crate) fn why_not_set(&self) -> &'static str {
        if self.has_rights {
            "the set does not show which account the files belonged to"
        } else {
            "the folder's file system has none, or none that can be read"
        }
    }

    /// The old account and the new one, if rights are changed.
    pub(crate) fn accounts(&self) -> Option<(&Sid, &Sid)> {
        self.change.as_ref().map(|change| (&change.from, &change.to))
    }

    /// How many files and links were left out, in the last reading of the set.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.get()
    }

    /// Looks at each member that can be read: the restore reports the others.
    fn each_member(&self, mut look: impl FnMut(&Member)) -> Result<(), SetError> {
        let mut set = self.chosen.in_order()?;
        while let Some(member) = set.next_member() {
            match member {
                Ok(member) => look(&member),
                Err(SetError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The person who owns most of the files.
    fn usual_owner(&self) -> Result<Option<Sid>, SetError> {
        let mut owners: HashMap<Sid, u64> = HashMap::new();
        self.each_member(|member| {
            let bytes = member.security.as_deref().and_then(from_base64);
            let owner = bytes.as_deref().and_then(descriptor::parts).and_then(|parts| {
                Sid::from_bytes(parts.owner?).filter(|sid| sid.account() == AccountKind::Person)
            });
            if let Some(owner) = owner {
                *owners.entry(owner).or_default() += 1;
            }
        })?;
        let most = owners.into_iter().max_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        Ok(most.map(|(owner, _)| owner))
    }

    /// Finds what is there already under a name that differs in letter case.
    fn look_for_other_case(&mut self, tree: &HostTree) -> Result<(), SetError> {
        if !tree.info().file_system.to_ascii_uppercase().starts_with("NTFS") {
            return Ok(());
        }
        let mut folders: HashMap<NodeId, Vec<Entry>> = HashMap::new();
        let mut other_case = HashMap::new();
        self.each_member(|member| {
            let Some(path) = below(member).filter(|path| !path.is_empty()) else { return };
            let mut at = Some(tree.root());
            let mut there: Vec<String> = Vec::new();
            for name in path.split('/') {
                let entries = at.map(|at| {
                    let list = || tree.children(at).unwrap_or_default();
                    folders.entry(at).or_insert_with(list).as_slice()
                });
                let entries = entries.unwrap_or_default();
                let exact = entries.iter().find(|entry| entry.name.as_str() == Some(name));
                let folded = fold_case(name);
                let found = exact.or_else(|| {
                    let is_same = |entry: &&Entry| {
                        entry.name.as_str().is_some_and(|own| fold_case(own) == folded)
                    };
                    entries.iter().find(is_same)
                });
                at = found.map(|entry| entry.node);
                let own = found.and_then(|entry| entry.name.as_str()).unwrap_or(name);
                there.push(own.to_owned());
            }
            let there = there.join("/");
            if there != path {
                other_case.insert(path.to_owned(), there);
            }
        })?;
        self.other_case = other_case;
        Ok(())
    }

    /// A member under the names that are there already.
    fn in_other_case(&self, mut member: Member) -> Member {
        if self.other_case.is_empty() {
            return member;
        }
        let known = |path: &str| {
            let below = path.strip_prefix(PROFILE)?.strip_prefix('/')?;
            Some(format!("{PROFILE}/{}", self.other_case.get(below)?))
        };
        if let Some(path) = known(&member.path) {
            (member.path, member.raw_path) = (path, None);
        }
        if let Some(path) = member.link_to.as_deref().and_then(known) {
            (member.link_to, member.raw_link_to) = (Some(path), None);
        }
        member
    }

    /// Reads the descriptors of the folders that are in the profile already.
    fn look_at_folders(&mut self, tree: &HostTree) -> Result<(), SetError> {
        let mut there: HashMap<String, Rc<[u8]>> = HashMap::new();
        let mut known: HashMap<Vec<u8>, Rc<[u8]>> = HashMap::new();
        self.each_member(|member| {
            let Some(below) = below(member) else { return };
            if member.kind != MemberKind::Directory {
                return;
            }
            let names = below.split('/').filter(|name| !name.is_empty()).map(NtName::from);
            if let Some(bytes) = security(tree, &names.collect()) {
                let bytes = known.entry(bytes).or_insert_with_key(|bytes| bytes.as_slice().into());
                there.insert(fold_case(below), Rc::clone(bytes));
            }
        })?;
        self.there.extend(there);
        Ok(())
    }
}

fn security(tree: &HostTree, path: &NtPath) -> Option<Vec<u8>> {
    let node = tree.at(path.names()).ok()?;
    tree.facts(node, path.file_name()).ok()?.security
}

fn is_called(name: &str, wanted: &str) -> bool {
    fold_case(name) == fold_case(wanted)
}

/// Whether a part is of the user whom a name or a SID means.
fn is_user(own: &PartUser, wanted: &str) -> bool {
    let is_sid = own.sid.as_ref().is_some_and(|sid| sid.eq_ignore_ascii_case(wanted));
    is_called(&own.name, wanted) || is_sid
}

/// In the name of an older copy.
const OLD: &str = "(in the old profile)";
/// A profile may still have a file that the user's folder elsewhere has, too: that one is older,
/// and goes beside the current one. More of them than this go to a folder of their own.
const MAX_OLD_COPIES: usize = 1000;

/// The files of the profile at `home` whose place in the profile a file of a folder elsewhere (its
/// name, and its path in the set) takes, with the places that they get.
fn old_copies(
    set: &SetReader,
    home: &str,
    elsewhere: &[(String, String)],
) -> Result<Vec<(String, String)>, SetError> {
    if elsewhere.is_empty() {
        return Ok(Vec::new());
    }
    // By number of the folder and the path below it, in lower case.
    let mut current: HashSet<(usize, String)> = HashSet::new();
    let mut old: Vec<(usize, String)> = Vec::new();
    for line in set.lines()? {
        let member = match line {
            Ok(Line::Member(member)) => member,
            Ok(_) | Err(SetError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        if member.kind == MemberKind::Directory {
            continue;
        }
        for (number, (name, at)) in elsewhere.iter().enumerate() {
            let below =
                |top: &str| Some(member.path.strip_prefix(top)?.strip_prefix('/')?.to_owned());
            if let Some(below) = below(at) {
                current.insert((number, fold_case(&below)));
            } else if let Some(below) = below(&format!("{home}/{name}")) {
                old.push((number, below));
            }
        }
    }
    old.retain(|(number, below)| current.contains(&(*number, fold_case(below))));
    let from = |number: usize| format!("{home}/{}", elsewhere[number].0);
    if old.len() > MAX_OLD_COPIES {
        let folders: BTreeSet<usize> = old.iter().map(|(number, _)| *number).collect();
        let apart = |number| (from(number), format!("{PROFILE}/{} {OLD}", elsewhere[number].0));
        return Ok(folders.into_iter().map(apart).collect());
    }
    let apart = |(number, below): (usize, String)| {
        let (above, name) = below.rsplit_once('/').map_or(("", &*below), |(a, n)| (a, n));
        let (stem, ending) = match name.rfind('.').filter(|at| *at > 0) {
            Some(at) => name.split_at(at),
            None => (name, ""),
        };
        let slash = if above.is_empty() { "" } else { "/" };
        let to = format!("{PROFILE}/{}/{above}{slash}{stem} {OLD}{ending}", elsewhere[number].0);
        (format!("{}/{below}", from(number)), to)
    };
    Ok(old.into_iter().map(apart).collect())
}

/// The folders of a user in the set, each with its place in the profile.
fn moves(set: &SetReader, user: &str) -> Result<Vec<(String, String)>, SetError> {
    let rescue = set.rescue();
    let mut moves: Vec<(String, String)> = Vec::new();
    let (mut home, mut elsewhere) = (None, Vec::new());
    for part in &rescue.parts {
        if let Some(own) = part.user.as_ref().filter(|own| is_user(own, user)) {
            let from = format!("{}/{}", part.drive, part.path);
            if let Some(folder) = &own.folder {
                elsewhere.push((folder.clone(), from.clone()));
                moves.push((from, format!("{PROFILE}/{folder}")));
            } else {
                home = Some(from.clone());
                moves.push((from, PROFILE.to_owned()));
            }
        }
    }
    if let Some(home) = home {
        let apart = old_copies(set, &home, &elsewhere)?;
        // The first that fits counts.
        moves.splice(0..0, apart);
    }
    if !moves.is_empty() {
        return Ok(moves);
    }
    for line in set.lines()? {
        let member = match line {
            Ok(Line::Member(member)) => member,
            Ok(_) | Err(SetError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        let home = match rescue.what {
            What::Store => home_of(&member.path, user).map(|(home, _)| home),
            What::Folder => folder_of(&member.path, user),
        };
        // A deleted file is not mixed with those that were there.
        if let Some(home) = home
            && !is_of_deleted(&member.path)
            && !moves.iter().any(|(known, _)| known == home)
        {
            moves.push((home.to_owned(), PROFILE.to_owned()));
        }
    }
    Ok(moves)
}

/// `C/Users/alice` of a path in a set of folders.
fn folder_of<'a>(path: &'a str, user: &str) -> Option<&'a str> {
    let names: Vec<&str> = path.split('/').collect();
    let at = names.windows(2).position(|pair| {
        let is_users = |name: &str| {
            name.eq_ignore_ascii_case("Users")
                || name.eq_ignore_ascii_case("Documents and Settings")
        };
        matches!(pair, [users, name] if is_users(users) && is_called(name, user))
    })?;
    path.get(..names.get(..at + 2)?.join("/").len())
}

/// The users of the set, for the error.
fn users(set: &SetReader) -> Result<Vec<String>, SetError> {
    let mut users: Vec<String> = Vec::new();
    for line in set.lines()? {
        let member = match line {
            Ok(Line::Member(member)) => member,
            Ok(_) | Err(SetError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        let mut names = member.path.split('/');
        if names.any(|name| name.eq_ignore_ascii_case("Users"))
            && let Some(name) = names.next()
            && member.kind == MemberKind::Directory
            && !users.iter().any(|known| known == name)
            && users.len() < 20
        {
            users.push(name.to_owned());
        }
    }
    users.sort();
    Ok(users)
}

/// The path below the profile; empty for the profile itself.
fn below(member: &Member) -> Option<&str> {
    let rest = member.path.strip_prefix(PROFILE)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Whether a member has no place in a profile that is in use.
fn is_left_out(member: &Member) -> bool {
    let path = below(member).unwrap_or_default().to_lowercase();
    let is_registry = REGISTRY.iter().any(|(folder, start)| {
        path.strip_prefix(&folder.to_lowercase())
            .is_some_and(|name| name.starts_with(start) && !name.contains('/'))
    });
    // `Application Data` and the like lead into the old profile; the new one has its own.
    let is_hidden = member.attributes & (HIDDEN | SYSTEM) == HIDDEN | SYSTEM;
    let is_junction = member.kind == MemberKind::Directory
        && is_hidden
        && member.reparse.as_deref().and_then(from_base64).is_some_and(|data| {
            data.first_chunk::<4>().is_some_and(|tag| is_name_surrogate(u32::from_le_bytes(*tag)))
        });
    is_registry && member.kind != MemberKind::Directory || is_junction
}

impl Input for IntoProfile {
    fn rescue(&self) -> &Rescue {
        self.chosen.rescue()
    }

    fn most_bytes(&self) -> Option<u64> {
        self.chosen.most_bytes()
    }

    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, SetError> {
        self.left_out.set(0);
        let all = self.chosen.in_order()?;
        let (folders, seen, kinds) = (HashMap::new(), HashSet::new(), HashMap::new());
        Ok(Box::new(InProfile { from: self, all, folders, seen, kinds }))
    }
}

struct InProfile<'a> {
    from: &'a IntoProfile,
    all: Box<dyn Ordered + 'a>,
    /// The descriptors of folders that the restore makes, by path.
    folders: HashMap<String, Rc<[u8]>>,
    /// The folders so far, by path.
    seen: HashSet<String>,
    /// The same bytes are kept once.
    kinds: HashMap<Vec<u8>, Rc<[u8]>>,
}

impl InProfile<'_> {
    /// The descriptor of the folder above.
    fn above(&self, path: &str) -> Option<Rc<[u8]>> {
        let (above, _) = path.rsplit_once('/').unwrap_or(("", path));
        let found = self.from.there.get(above).or_else(|| self.folders.get(above));
        found.map(Rc::clone)
    }

    fn with_rights(&mut self, mut member: Member) -> Member {
        let Some(change) = &self.from.change else {
            member.security = None; // there is nothing to set them on
            return member;
        };
        let Some(path) = below(&member).map(fold_case) else { return member };
        let Some(bytes) = member.security.as_deref().and_then(from_base64) else { return member };
        let is_folder = member.kind == MemberKind::Directory;
        let above = self.above(&path);
        let Some(moved) = inherit::moved(&bytes, change, above.as_deref(), is_folder) else {
            return member;
        };
        member.security = Some(to_base64(&moved));
        if is_folder && !self.from.there.contains_key(&path) {
            let kept = self.kinds.entry(moved).or_insert_with_key(|bytes| bytes.as_slice().into());
            self.folders.insert(path, Rc::clone(kept));
        }
        member
    }
}

impl Ordered for InProfile<'_> {
    fn next_member(&mut self) -> Option<Result<Member, SetError>> {
        loop {
            let member = match self.all.next_member()? {
                Ok(member) => member,
                Err(error) => return Some(Err(error)),
            };
            // `Documents` of the profile, and the one that the user had elsewhere.
            let is_again = member.kind == MemberKind::Directory
                && below(&member).is_some_and(|path| !self.seen.insert(fold_case(path)));
            if is_left_out(&member) {
                self.from.left_out.set(self.from.left_out.get() + 1);
            } else if !is_again {
                return Some(Ok(self.from.in_other_case(self.with_rights(member))));
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
