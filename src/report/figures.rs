//! The figures of a report, counted from the lines of a manifest: users, kinds,
//! folders, losses. One pass, with bounded memory for any set.

use std::collections::{BTreeMap, HashMap};

use super::folders::Folders;
use super::html::shorten;
use super::kinds::{self, COUNT, Count, Kinds};
use crate::model::loss::LossKind;
use crate::model::metadata::FileTime;
use crate::set::error::SetError;
use crate::set::format::manifest::{Line, Member, MemberKind, Totals};
use crate::set::format::rescue::{Part, Rescue, What};
use crate::usmt::layout::{CATALOG, CONTAINER, CONTAINER3, FILE, MIGSTATE, STATUS};

/// The number of users that are kept by name.
const MAX_USERS: usize = 2000;
/// The number of losses of each kind that are kept.
const MAX_LOSSES: usize = 80;
/// The number of characters of a path and of a reason that are kept.
const MAX_TEXT: usize = 260;

/// A user, by profile folder.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) count: Count,
    /// Bytes by kind.
    pub(super) kinds: [u64; COUNT],
    /// Losses among the user's files.
    pub(super) losses: u64,
}

/// A loss that is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lost {
    /// The path in the set, shortened.
    pub(super) path: String,
    pub(super) detail: String,
}

/// The losses of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Losses {
    pub(super) count: u64,
    /// The first of them.
    pub(super) shown: Vec<Lost>,
}

/// See the module.
pub(super) struct Figures {
    /// Largest first.
    pub(super) users: Vec<User>,
    /// The files of users that are not kept by name.
    pub(super) more_users: User,
    pub(super) folders: Folders,
    pub(super) kinds: Kinds,
    /// By kind, worst first; `None` for kinds that this program does not know.
    pub(super) losses: Vec<(Option<LossKind>, Losses)>,
    /// When the store was last written, and the file that shows it.
    pub(super) store_written: Option<(FileTime, String)>,
    /// What was counted.
    pub(super) totals: Totals,
    /// Pieces of the manifest that could not be read.
    pub(super) damaged: u64,
}

/// The kinds of loss, worst first.
pub(super) const GRAVITY: [LossKind; 8] = [
    LossKind::Unreadable,
    LossKind::NotHere,
    LossKind::Encrypted,
    LossKind::Hole,
    LossKind::Changed,
    LossKind::Name,
    LossKind::Fact,
    LossKind::Recovered,
];

impl Figures {
    /// Counts.
    ///
    /// # Errors
    /// Those of `lines` that are not damage.
    pub(super) fn gather(
        rescue: &Rescue,
        lines: &mut dyn Iterator<Item = Result<Line, SetError>>,
    ) -> Result<Self, SetError> {
        let mut gathering = Gathering {
            rescue,
            users: HashMap::new(),
            more_users: User::default(),
            folders: Folders::new(),
            kinds: Kinds::new(),
            losses: BTreeMap::new(),
            store_written: None,
            totals: Totals::default(),
        };
        let mut damaged = 0;
        for line in lines {
            match line {
                Ok(Line::Member(member)) => gathering.member(&member),
                Ok(Line::Frame(_)) => gathering.totals.frames += 1,
                Ok(_) => {}
                Err(SetError::Damaged { .. }) => damaged += 1,
                Err(error) => return Err(error),
            }
        }
        let Gathering { users, more_users, folders, kinds, losses, store_written, totals, .. } =
            gathering;
        let mut users: Vec<User> = users.into_values().collect();
        users.sort_by(|a, b| b.count.bytes.cmp(&a.count.bytes).then_with(|| a.name.cmp(&b.name)));
        let losses = losses.into_iter().map(|(rank, losses)| (GRAVITY.get(rank).copied(), losses));
        Ok(Self {
            users,
            more_users,
            folders,
            kinds,
            losses: losses.collect(),
            store_written: store_written.map(|(time, name, _)| (time, name)),
            totals,
            damaged,
        })
    }

    /// Losses in all, as counted.
    pub(super) fn lost(&self) -> u64 {
        self.totals.losses
    }
}

struct Gathering<'a> {
    rescue: &'a Rescue,
    users: HashMap<String, User>,
    more_users: User,
    folders: Folders,
    kinds: Kinds,
    /// By index in [`GRAVITY`].
    losses: BTreeMap<usize, Losses>,
    /// The time, the file, and its rank.
    store_written: Option<(FileTime, String, usize)>,
    totals: Totals,
}

/// The files that show the time of their store, best first. Inferred: USMT
/// writes them last.
const WITNESSES: [&str; 5] = [STATUS, MIGSTATE, CATALOG, CONTAINER, CONTAINER3];

impl Gathering<'_> {
    fn member(&mut self, member: &Member) {
        self.totals.count(member);
        let place = Place::of(&member.path, &self.rescue.parts, self.rescue.what);
        let sizes = member.data.iter().chain(member.streams.iter().map(|stream| &stream.data));
        let bytes = sizes.fold(0_u64, |sum, data| sum.saturating_add(data.size));
        let mut kind = kinds::OTHER;
        if member.kind == MemberKind::File {
            let (name, folder) = place.names.split_last().unwrap_or((&"", &[]));
            kind = self.kinds.add(name, place.is_stores, bytes);
            self.folders.add(folder, kind, bytes);
            if place.is_stores {
                self.date(name, member);
            }
        }
        let losses = member.losses.len() as u64;
        let is_junction = member.kind == MemberKind::Directory && member.reparse.is_some();
        if let Some(name) = place.user(member.kind).filter(|_| !is_junction || losses > 0) {
            let user = if self.users.contains_key(name) || self.users.len() < MAX_USERS {
                self.users
                    .entry(name.to_owned())
                    .or_insert_with(|| User { name: name.to_owned(), ..User::default() })
            } else {
                &mut self.more_users
            };
            user.losses += losses;
            if member.kind == MemberKind::File {
                user.count.add(bytes);
                user.kinds[kind] = user.kinds[kind].saturating_add(bytes);
            }
        }
        for loss in &member.losses {
            let known = GRAVITY.iter().position(|kind| kind.as_str() == loss.kind);
            let losses = self.losses.entry(known.unwrap_or(GRAVITY.len())).or_default();
            losses.count += 1;
            if losses.shown.len() < MAX_LOSSES {
                let path = shorten(&member.path, MAX_TEXT);
                let detail = shorten(&loss.detail, MAX_TEXT);
                losses.shown.push(Lost { path, detail });
            }
        }
    }

    fn date(&mut self, name: &str, member: &Member) {
        let time = FileTime(member.times.modified);
        let rank = WITNESSES.iter().position(|observer| observer.eq_ignore_ascii_case(name));
        let Some(rank) = rank.filter(|_| time != FileTime(0)) else { return };
        if self.store_written.as_ref().is_none_or(|(_, _, best)| rank < *best) {
            self.store_written = Some((time, WITNESSES[rank].to_owned(), rank));
        }
    }
}

/// The original place of a member, before the capture.
struct Place<'a> {
    /// The names from the drive on; the store's own files have its kind as
    /// first name.
    names: Vec<&'a str>,
    is_stores: bool,
    /// The user whose folder was saved as such.
    owner: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str, parts: &'a [Part], what: What) -> Self {
        let names: Vec<&str> = path.split('/').collect();
        if what == What::Folder {
            let owner = parts.iter().find_map(|part| {
                let rest = path.strip_prefix(part.drive.as_str())?.strip_prefix('/')?;
                let rest = rest.strip_prefix(part.path.as_str())?;
                let is_inside = rest.is_empty() || rest.starts_with('/');
                part.user.as_ref().filter(|_| is_inside).map(|user| user.name.as_str())
            });
            return Self { names: with_colon(names), is_stores: false, owner };
        }
        let below = parts.iter().find_map(|part| {
            let rest = path.strip_prefix(part.drive.as_str())?.strip_prefix('/')?;
            match part.path.as_str() {
                "" => Some(rest),
                store => rest.strip_prefix(store)?.strip_prefix('/'),
            }
        });
        let inside: Vec<&str> = below.map(|rest| rest.split('/').collect()).unwrap_or_default();
        // USMT\File\C$\Users\alice: the file was at C:\Users\alice.
        if let [_usmt, file, drive, own @ ..] = &inside[..]
            && file.eq_ignore_ascii_case(FILE)
            && let Some(letter) = letter_of(drive)
            && !own.is_empty()
        {
            let names = std::iter::once(letter).chain(own.iter().copied()).collect();
            return Self { names, is_stores: false, owner: None };
        }
        let own = names.last().copied();
        Self {
            names: std::iter::once(kinds::name(kinds::MIGRATION)).chain(own).collect(),
            is_stores: true,
            owner: None,
        }
    }

    /// The user of the profile that this is, or is in. A file directly in
    /// `Users` has no user.
    fn user(&self, kind: MemberKind) -> Option<&'a str> {
        if self.is_stores || self.owner.is_some() {
            return self.owner;
        }
        let is_home = kind == MemberKind::Directory;
        match self.names[..] {
            [_, users, name] if is_home && is_users(users) => Some(name),
            [_, users, name, _, ..] if is_users(users) => Some(name),
            _ => None,
        }
    }
}

/// Whether this folder of a drive contains the profiles. Windows XP had them
/// elsewhere; USMT 4 and 5 could capture them.
pub(super) fn is_users(name: &str) -> bool {
    name.eq_ignore_ascii_case("Users") || name.eq_ignore_ascii_case("Documents and Settings")
}

/// `C$` is the drive `C:`.
fn letter_of(name: &str) -> Option<&'static str> {
    match name.as_bytes() {
        [letter, b'$'] if letter.is_ascii_alphabetic() => drive(*letter),
        _ => None,
    }
}

/// `C:` for `c`.
fn drive(letter: u8) -> Option<&'static str> {
    const DRIVES: &str = "A:B:C:D:E:F:G:H:I:J:K:L:M:N:O:P:Q:R:S:T:U:V:W:X:Y:Z:";
    let at = 2 * usize::from(letter.to_ascii_uppercase().checked_sub(b'A')?);
    DRIVES.get(at..at + 2)
}

/// A set's path begins with `C`; for display it is `C:`.
fn with_colon(mut names: Vec<&str>) -> Vec<&str> {
    if let Some(first) = names.first_mut()
        && let [letter] = first.as_bytes()
        && let Some(drive) = drive(*letter)
    {
        *first = drive;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{folder_set, store_set};
    use crate::set::format::manifest::Data;

    fn file(path: &str, size: u64) -> Member {
        let data = Data { size, ..Data::default() };
        Member { data: Some(data), ..Member::new(path.as_bytes(), MemberKind::File) }
    }

    fn gather(rescue: &Rescue, members: Vec<Member>) -> Figures {
        let mut lines = members.into_iter().map(|member| Ok(Line::Member(Box::new(member))));
        Figures::gather(rescue, &mut lines).unwrap()
    }

    fn users(figures: &Figures) -> Vec<(&str, u64, u64)> {
        let user = |user: &User| (user.count.files, user.count.bytes);
        figures.users.iter().map(|u| (u.name.as_str(), user(u).0, user(u).1)).collect()
    }

    const STORE: &str = "C/StateStore/USMT";

    #[test]
    fn users_are_those_of_the_store_on_whichever_drive() {
        let at = |path: &str| format!("{STORE}/{path}");
        let second = "D/StateStore/USMT/File/D$/Users/alice/big.pst";
        let figures = gather(
            &store_set(&["C", "D"]),
            vec![
                file(&at("catalog.mig"), 100),
                Member::new(at("File/C$/Users/carol").as_bytes(), MemberKind::Directory),
                file(&at("File/C$/Users/alice/Documents/a.docx"), 10),
                file(&at("file/c$/users/bob/b.jpg"), 20),
                file(&at("File/C$/Documents and Settings/dave/d.txt"), 3),
                file(&at("File/C$/Users/desktop.ini"), 1),
                file(&at("File/C$/Data/x.zip"), 5),
                file("C/StateStore/lifeboat.seal", 7),
                file(second, 1000),
                // A link has no bytes of its own.
                Member::new(at("File/C$/Users/alice/link").as_bytes(), MemberKind::Link),
            ],
        );
        let expected = [("alice", 2, 1010), ("bob", 1, 20), ("dave", 1, 3), ("carol", 0, 0)];
        assert_eq!(users(&figures), expected);
        assert_eq!(figures.totals.files, 8);
        let stores = figures.kinds.counts[kinds::MIGRATION];
        assert_eq!((stores.files, stores.bytes), (2, 107));
        assert_eq!(figures.folders.total().bytes, figures.totals.bytes);
    }

    #[test]
    fn of_a_folder_the_paths_are_what_they_are() {
        let figures = gather(
            &folder_set("Users"),
            vec![
                file("C/Users/alice/a.txt", 1),
                file("C/Users/alice/USMT/File/C$/Users/eve/x.txt", 2),
                file("volume-1234/Users/mallory/x", 4),
            ],
        );
        assert_eq!(users(&figures), [("mallory", 1, 4), ("alice", 2, 3)]);
    }

    #[test]
    fn a_junction_among_the_users_is_no_user() {
        let at = |name: &str| format!("{STORE}/File/C$/Users/{name}");
        let mut junction = Member::new(at("Default User").as_bytes(), MemberKind::Directory);
        junction.reparse = Some("AAAA".to_owned());
        let figures = gather(&store_set(&["C"]), vec![junction, file(&at("alice/x"), 1)]);
        assert_eq!(users(&figures), [("alice", 1, 1)]);
    }

    #[test]
    fn the_stores_time_is_that_of_its_last_written_file() {
        let mut catalog = file(&format!("{STORE}/catalog.mig"), 1);
        catalog.times.modified = 500;
        let mut status = file(&format!("{STORE}/status.~lg"), 0);
        status.times.modified = 400;
        let mut stranger = file(&format!("{STORE}/File/C$/Users/a/status.~lg"), 0);
        stranger.times.modified = 900;
        let figures = gather(&store_set(&["C"]), vec![catalog, status, stranger]);
        assert_eq!(figures.store_written, Some((FileTime(400), "status.~lg".to_owned())));
    }

    #[test]
    fn of_a_hundred_thousand_losses_each_kind_is_shown_and_all_are_counted() {
        let mut members = Vec::new();
        for i in 0..100_000 {
            let mut member = file(&format!("{STORE}/File/C$/Users/alice/{i}"), 1);
            member.lose(LossKind::Fact, "an owner");
            members.push(member);
        }
        let mut last = file(&format!("{STORE}/File/C$/Users/bob/{}", "x".repeat(9000)), 1);
        last.lose(LossKind::Unreadable, "a sector");
        last.losses[0].detail.push_str(&"y".repeat(1 << 20));
        last.losses.push(crate::set::format::manifest::LossLine {
            kind: "of a later version".to_owned(),
            detail: String::new(),
        });
        members.push(last);
        let figures = gather(&store_set(&["C"]), members);
        assert_eq!(figures.lost(), 100_002);
        let kinds: Vec<_> = figures.losses.iter().map(|(kind, n)| (*kind, n.count)).collect();
        let expected =
            [(Some(LossKind::Unreadable), 1), (Some(LossKind::Fact), 100_000), (None, 1)];
        assert_eq!(kinds, expected);
        for (_, losses) in &figures.losses {
            assert!(losses.shown.len() <= MAX_LOSSES);
            let texts = losses.shown.iter().flat_map(|lost| [&lost.path, &lost.detail]);
            assert!(texts.map(|text| text.chars().count()).all(|n| n <= MAX_TEXT));
        }
        let of_users: Vec<_> =
            figures.users.iter().map(|user| (user.name.as_str(), user.losses)).collect();
        assert_eq!(of_users, [("alice", 100_000), ("bob", 2)]);
    }

    #[test]
    fn users_without_end_are_counted_in_bounds() {
        let members = (0..5000).map(|i| file(&format!("{STORE}/File/C$/Users/u{i}/x"), 2));
        let figures = gather(&store_set(&["C"]), members.collect());
        assert_eq!(figures.users.len(), MAX_USERS);
        assert_eq!(figures.more_users.count, Count { files: 3000, bytes: 6000 });
    }
}
