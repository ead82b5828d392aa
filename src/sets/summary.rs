//! What a list shows of one set: from its description, the users beside it, and the records of
//! what was done with it.

use super::age;
use super::find::SetFolder;
use super::name::by_name;
use super::record::{self, RestoreRun, VerifyRun, read_small};
use crate::destination::{Destination, DestinationEntry, DestinationError, ErrorKind};
use crate::model::metadata::FileTime;
use crate::set::error::SetError;
use crate::set::format::hash::sha256_hex;
use crate::set::format::names::{
    DELETING, IN_USE, MANIFEST, PARTIAL, REPORT, RESCUE, RESTORED, STORE, USERS, VERIFIED, is_own,
};
use crate::set::format::rescue::{EndState, Rescue, What};
use crate::set::format::users::{self, SetUser, SetUsers};
use crate::set::read::reader::{MAX_RESCUE, parse_rescue};

/// A mark that changed this recently is that of a run that is writing the set.
const BEATS_WITHIN_SECS: i64 = 600;
/// The number of names that are not the set's own and that are listed.
const MAX_OTHERS: usize = 20;
/// The number of users that are kept of a list of many sets.
const MAX_USERS: usize = 100;
/// The number of characters of a name that are kept.
const MAX_TEXT: usize = 200;

/// The state of a set, as its folder shows it. No byte of its data is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It has its description, and thus all that was written.
    Complete(EndState),
    /// It was not finished.
    Unfinished {
        /// A run is writing it, or was minutes ago.
        in_use: bool,
    },
    /// Its deletion began, and was not finished.
    Deleting,
    /// Its description is missing or damaged: why.
    Damaged(String),
    /// It could not be looked at: why.
    Unreadable(String),
}

impl State {
    /// The stable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Complete(EndState::Saved) => "saved",
            Self::Complete(EndState::SavedWithLosses) => "saved-with-losses",
            Self::Complete(EndState::Incomplete) => "incomplete",
            Self::Unfinished { .. } => "unfinished",
            Self::Deleting => "deleting",
            Self::Damaged(_) => "damaged",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// For people, in a few words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Complete(EndState::Saved) => "saved",
            Self::Complete(EndState::SavedWithLosses) => "LOSSES",
            Self::Complete(EndState::Incomplete) => "INCOMPLETE",
            Self::Unfinished { in_use: true } => "being saved",
            Self::Unfinished { in_use: false } => "UNFINISHED",
            Self::Deleting => "half deleted",
            Self::Damaged(_) => "DAMAGED",
            Self::Unreadable(_) => "UNREADABLE",
        }
    }

    /// Why a set is damaged or unreadable, for people.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Damaged(why) | Self::Unreadable(why) => Some(why),
            _ => None,
        }
    }
}

/// A set in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The path of its folder at the destination.
    pub path: String,
    /// The name of its folder.
    pub name: String,
    /// Its id; of an unfinished set, as its folder is named.
    pub id: Option<String>,
    /// Its state.
    pub state: State,
    /// The computer; of an unfinished set, as its folder is named.
    pub computer: Option<String>,
    /// The computer's serial number.
    pub serial: Option<String>,
    /// When it was begun (RFC 3339, UTC); of an unfinished set, as its folder is named.
    pub created: Option<String>,
    /// `store` or `folder`; `None` if not known.
    pub what: Option<What>,
    /// The kind of store.
    pub kind: Option<String>,
    /// The users, most bytes first; `None` if they are not known: an encrypted set, one of an
    /// earlier version, or one of a compressed store.
    pub users: Option<Vec<SetUser>>,
    /// Whether there are more users than these.
    pub more_users: bool,
    /// Files in the set.
    pub files: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// Losses.
    pub losses: Option<u64>,
    /// Parts of the store that are not in the set.
    pub lacks: u64,
    /// Bytes of its files at the destination, as they are now.
    pub set_bytes: u64,
    /// `passphrase` or `recipients`.
    pub encryption: Option<String>,
    /// Whether it was read back when it was made.
    pub read_back: bool,
    /// The last verification.
    pub verified: Option<VerifyRun>,
    /// The last restore.
    pub restored: Option<RestoreRun>,
    /// Whether it has a report.
    pub has_report: bool,
    /// Names in its folder that are not those of a set's files; the first 20.
    pub others: Vec<String>,
    /// How many there are.
    pub others_count: u64,
}

/// The verification that counts: the last one; but damage that every byte showed stays until
/// every byte was read again.
fn what_counts(runs: Vec<VerifyRun>) -> Option<VerifyRun> {
    let full = runs.iter().rposition(|run| run.full);
    let damaged = full.filter(|at| runs.get(*at).is_some_and(|run| run.damage > 0));
    let at = damaged.or_else(|| runs.len().checked_sub(1))?;
    runs.into_iter().nth(at)
}

/// Which sets are asked for. Texts are compared without regard to case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// A part of the computer's name or serial number.
    pub computer: Option<String>,
    /// The whole name of a user's profile folder.
    pub user: Option<String>,
    /// Begun at that time or later.
    pub since: Option<FileTime>,
}

impl Filter {
    /// Whether a set is asked for. A set of which that is not known is; if a user is asked for,
    /// only an encrypted one.
    pub fn fits(&self, set: &Listed) -> bool {
        let has = |text: &Option<String>, part: &str| {
            text.as_ref().is_some_and(|text| text.to_lowercase().contains(part))
        };
        let computer = self.computer.as_ref().map(|name| name.to_lowercase());
        let is_of = computer.is_none_or(|part| {
            let known = set.computer.is_some() || set.serial.is_some();
            let named = !known && set.name.to_lowercase().contains(&part);
            named || has(&set.computer, &part) || has(&set.serial, &part)
        });
        let user = self.user.as_ref().map(|name| name.to_lowercase());
        let has_user = user.is_none_or(|name| {
            let mut users = set.users.iter().flatten();
            // The users of an encrypted set are not known: it may be the one.
            set.encryption.is_some() || users.any(|user| user.name.to_lowercase() == name)
        });
        let created = set.created.as_deref().and_then(age::parse);
        let is_since = match (self.since, created) {
            (Some(since), Some(created)) => created >= since,
            _ => true,
        };
        is_of && has_user && is_since
    }
}

/// Reads what a list shows of a set. A set that cannot be read is one of the list.
///
/// # Errors
/// The destination is lost.
pub fn read(target: &dyn Destination, folder: &SetFolder) -> Result<Listed, DestinationError> {
    let mut set = of_folder(folder);
    let path = &folder.path;
    let rescue = folder.entries.iter().find(|entry| !entry.is_dir && entry.name == RESCUE);
    if path.ends_with(DELETING) {
        set.state = State::Deleting;
    } else if path.ends_with(PARTIAL) {
        set.state = State::Unfinished { in_use: is_in_use(target, folder) };
        return Ok(set);
    }
    let Some(rescue) = rescue else {
        if set.state != State::Deleting {
            set.state = State::Damaged("rescue.json is missing".to_owned());
        }
        return Ok(set);
    };
    let at = format!("{path}/{RESCUE}");
    let bytes = match read_small(target, &at, rescue.size, MAX_RESCUE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            set.state = State::Damaged("its rescue.json is not valid".to_owned());
            return Ok(set);
        }
        Err(error) => return unreadable(set, error),
    };
    let rescue = match parse_rescue(target, path, &bytes) {
        Ok(rescue) => rescue,
        Err(SetError::TooNew { format, .. }) => {
            let why = format!("format {format} is newer than this version supports");
            set.state = State::Unreadable(why);
            return Ok(set);
        }
        Err(_) => {
            set.state = State::Damaged("its rescue.json is not valid".to_owned());
            return Ok(set);
        }
    };
    if set.state != State::Deleting {
        set.state = match missing_data(folder, &rescue) {
            Some(why) => State::Damaged(why),
            None => State::Complete(rescue.end_state),
        };
    }
    let hash = sha256_hex(&bytes);
    describe(&mut set, &rescue);
    sort_out(&mut set, folder, |name| rescue.has_file(name));
    let entry = |name: &str| folder.entries.iter().find(|e| !e.is_dir && e.name == name);
    // An error here costs what it is about, unless the destination is lost.
    if let Some(entry) = entry(USERS).filter(|_| rescue.encryption.is_none()) {
        let at = format!("{path}/{USERS}");
        if let Some(bytes) = kept(read_small(target, &at, entry.size, users::MAX_BYTES))?.flatten()
        {
            add_users(&mut set, &rescue, &bytes);
        }
    }
    if let Some(entry) = entry(VERIFIED) {
        let runs = kept(record::runs::<VerifyRun>(target, path, entry, &hash))?;
        set.verified = runs.and_then(what_counts);
    }
    if let Some(entry) = entry(RESTORED) {
        let runs = kept(record::runs::<RestoreRun>(target, path, entry, &hash))?;
        // A later restore of one file does not take back that all of it was restored.
        set.restored = runs.and_then(|runs: Vec<RestoreRun>| {
            let whole = runs.iter().rposition(|run| run.whole && run.is_complete());
            let at = whole.or_else(|| runs.len().checked_sub(1))?;
            runs.into_iter().nth(at)
        });
    }
    Ok(set)
}

/// Which of the files with the data is not there, or not as long as it was.
fn missing_data(folder: &SetFolder, rescue: &Rescue) -> Option<String> {
    let is_data = |name: &str| name.starts_with(STORE) || name.starts_with(MANIFEST);
    rescue.files.iter().filter(|file| is_data(&file.name)).find_map(|file| {
        let there = |entry: &&DestinationEntry| {
            !entry.is_dir && entry.name.eq_ignore_ascii_case(&file.name)
        };
        match folder.entries.iter().find(there) {
            None => Some(format!("{} is missing", file.name)),
            Some(entry) if entry.size != file.size => {
                Some(format!("{} has {} bytes, not {}", file.name, entry.size, file.size))
            }
            Some(_) => None,
        }
    })
}

/// A result whose error is about one file.
fn kept<T>(result: Result<T, DestinationError>) -> Result<Option<T>, DestinationError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_lost(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn is_lost(error: &DestinationError) -> bool {
    matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Logon | ErrorKind::Transient)
}

fn unreadable(mut set: Listed, error: DestinationError) -> Result<Listed, DestinationError> {
    if is_lost(&error) {
        return Err(error);
    }
    set.state = State::Unreadable(error.what);
    Ok(set)
}

/// What the folder alone shows.
fn of_folder(folder: &SetFolder) -> Listed {
    let name = folder.path.rsplit('/').next().unwrap_or_default();
    let (computer, created, id) = match by_name(name) {
        Some((computer, created, id)) => (Some(computer), Some(created), Some(id)),
        None => (None, None, None),
    };
    let mut set = Listed {
        path: folder.path.clone(),
        name: name.to_owned(),
        id,
        state: State::Unfinished { in_use: false },
        computer,
        serial: None,
        created,
        what: None,
        kind: None,
        users: None,
        more_users: false,
        files: None,
        bytes: None,
        losses: None,
        lacks: 0,
        set_bytes: 0,
        encryption: None,
        read_back: false,
        verified: None,
        restored: None,
        has_report: folder.entries.iter().any(|e| !e.is_dir && e.name == REPORT),
        others: Vec::new(),
        others_count: 0,
    };
    sort_out(&mut set, folder, is_own);
    set
}

/// Which entries of the folder are the set's.
fn sort_out(set: &mut Listed, folder: &SetFolder, is_own: impl Fn(&str) -> bool) {
    let is_own = |entry: &&DestinationEntry| !entry.is_dir && is_own(&entry.name);
    let (own, others): (Vec<_>, Vec<_>) = folder.entries.iter().partition(is_own);
    set.set_bytes = own.iter().fold(0, |sum, entry| sum.saturating_add(entry.size));
    set.others = others.iter().take(MAX_OTHERS).map(|entry| cut(&entry.name)).collect();
    set.others_count = others.len() as u64;
}

fn describe(set: &mut Listed, rescue: &Rescue) {
    let text = |text: &Option<String>| text.as_deref().map(cut);
    set.id = Some(cut(&rescue.set));
    set.computer = text(&rescue.machine.name);
    set.serial = text(&rescue.machine.serial);
    set.created = Some(cut(&rescue.created));
    set.what = Some(rescue.what);
    set.kind = Some(cut(rescue.kind.as_str()));
    set.files = Some(rescue.totals.files);
    set.bytes = Some(rescue.totals.bytes);
    set.losses = Some(rescue.totals.losses);
    set.lacks = rescue.lacks.len() as u64;
    set.encryption = rescue.encryption.as_ref().map(|encryption| cut(&encryption.how));
    set.read_back = rescue.options.read_back;
    // What was chosen as a user's folder says whose it is, in a set of any version.
    let mut users: Vec<SetUser> = Vec::new();
    let named = rescue.parts.iter().filter_map(|part| part.user.as_ref());
    for user in named.filter(|_| rescue.encryption.is_none()).take(MAX_USERS) {
        if !users.iter().any(|known| known.name == user.name) {
            users.push(SetUser { name: cut(&user.name), ..SetUser::default() });
        }
    }
    set.users = Some(users).filter(|users| !users.is_empty());
}

fn add_users(set: &mut Listed, rescue: &Rescue, bytes: &[u8]) {
    let Ok(list) = serde_json::from_slice::<SetUsers>(bytes) else { return };
    // Inside a compressed store, nobody has counted.
    if list.format != users::FORMAT || list.set != rescue.set || list.users.is_empty() {
        return;
    }
    set.more_users = list.more || list.users.len() > MAX_USERS;
    let users = list.users.into_iter().take(MAX_USERS);
    set.users = Some(users.map(|user| SetUser { name: cut(&user.name), ..user }).collect());
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// Whether the mark of a run changed within minutes, by this machine's clock.
fn is_in_use(target: &dyn Destination, folder: &SetFolder) -> bool {
    if !folder.entries.iter().any(|entry| !entry.is_dir && entry.name == IN_USE) {
        return false;
    }
    let changed = target.modified(&format!("{}/{IN_USE}", folder.path)).ok().flatten();
    changed.is_some_and(|changed| {
        let ago = FileTime::now().to_unix().0.saturating_sub(changed.to_unix().0);
        ago.abs() < BEATS_WITHIN_SECS
    })
}
