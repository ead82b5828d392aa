//! Finds installations on volumes, and the profiles of their users.

use std::collections::HashSet;

use regf::hive::RegistryKey;

use super::{Installation, Place, Profile, ProfileKind, Redirected, SidFrom};
use crate::model::descriptor;
use crate::model::metadata::{NodeKind, attributes};
use crate::model::monitor::{Monitor, Stage};
use crate::model::name::{NtName, NtPath};
use crate::model::reparse::link_target;
use crate::model::sid::{AccountKind, Sid};
use crate::tree::{Entry, Tree, exact_path};
use crate::usmt::hive::{self, Hive, NoHive};
use crate::usmt::{Drive, DriveFrom, StoreVolume, drive_of};

/// Where profiles are ("User profiles", Microsoft), and where Windows XP had them.
const USERS: [&str; 2] = ["Users", "Documents and Settings"];
/// Folders in there that are no one's: the template for new profiles, what an upgrade left of
/// it, and the accounts that set-up works under.
const NOT_USERS: [&str; 7] = [
    "Default",
    "Default User",
    "Default.migrated",
    "All Users",
    "defaultuser0",
    "defaultuser1",
    "defaultuser100000",
];
pub(super) const HIDDEN_SYSTEM: u32 = attributes::HIDDEN | attributes::SYSTEM;
const PUBLIC: &str = "Public";
const REGISTRY: &str = "NTUSER.DAT";
/// A root that has more folders is no Windows volume's; each costs a look.
const MAX_ROOT_FOLDERS: usize = 1000;
/// Junctions on one path that are followed.
const MAX_LINKS: usize = 8;

/// The values of `User Shell Folders` that are a user's files, and the names of these folders.
const SHELL_FOLDERS: [(&str, &str); 13] = [
    ("Desktop", "Desktop"),
    ("Personal", "Documents"),
    ("{374DE290-123F-4565-9164-39C4925E467B}", "Downloads"),
    ("My Pictures", "Pictures"),
    ("My Music", "Music"),
    ("My Video", "Videos"),
    ("Favorites", "Favorites"),
    ("{56784854-C6CB-462B-8169-88E350ACB882}", "Contacts"),
    ("{BFB9D5E0-C6A9-404C-B2B2-AE6DB6AF4968}", "Links"),
    ("{4C5C32FF-BB9D-43B0-B5B4-2D72E54EAAA4}", "Saved Games"),
    ("{7D1D3A04-DEBB-4115-95CF-2F29DA2920DA}", "Searches"),
    ("AppData", "AppData/Roaming"),
    ("Local AppData", "AppData/Local"),
];

/// Every Windows on `volumes`, and every folder `Users` that is left of one.
pub fn find(volumes: &[StoreVolume], monitor: &dyn Monitor) -> Vec<Installation> {
    let mut found: Vec<Installation> = Vec::new();
    let mut known = HashSet::new();
    // Those with a Windows first: they know whose the folders on other volumes are.
    for needs_windows in [true, false] {
        for (number, volume) in volumes.iter().enumerate() {
            monitor.stage(Stage::Detect, &volume.display);
            for base in bases(&*volume.tree) {
                if monitor.is_cancelled() {
                    return found;
                }
                if base.windows.is_some() != needs_windows {
                    continue;
                }
                let mut one = describe(number, volumes, base);
                one.profiles.retain(|profile| match &profile.place {
                    Some(place) => known.insert((place.volume, place.node)),
                    None => true,
                });
                if one.windows.is_some() || !one.profiles.is_empty() {
                    found.push(one);
                }
            }
        }
    }
    found.sort_by_key(|one| (one.volume, one.base.clone()));
    found
}

/// A folder that a Windows is, or was, in.
struct Base {
    path: NtPath,
    windows: Option<NtPath>,
    /// The folders with profiles.
    users: Vec<(NtPath, Vec<Entry>)>,
}

/// The root, if it has a Windows or users, and each folder in it that has (`Windows.old`).
fn bases(tree: &dyn Tree) -> Vec<Base> {
    let mut bases = Vec::new();
    let entries = folders(tree, &NtPath::root());
    let windows = |entry: &Entry| is_windows(tree, entry);
    // Mostly `Windows`, also if its registry is gone; a renamed one is still one.
    let is_called_so = |entry: &&Entry| entry.name.eq_ignore_ascii_case("Windows");
    let main = entries.iter().find(|e| is_called_so(e) && windows(e));
    let wiped = || entries.iter().filter(is_called_so).find(|e| has_system_folder(tree, e));
    let main = main.or_else(|| entries.iter().find(|entry| windows(entry)));
    let users = users_in(tree, &NtPath::root());
    // Without users, nothing says that it ever was one.
    let main = main.or_else(|| wiped().filter(|_| !users.is_empty()));
    let windows_path = main.map(|entry| NtPath::root().join(entry.name.clone()));
    if windows_path.is_some() || !users.is_empty() {
        bases.push(Base { path: NtPath::root(), windows: windows_path, users });
    }
    for entry in &entries {
        let path = NtPath::root().join(entry.name.clone());
        let inside = tree.lookup_in(entry.node, &NtName::from("Windows"));
        let windows = inside.ok().and_then(|node| {
            let inside = Entry { name: NtName::from("Windows"), node };
            let (own, _) = exact_path(tree, &path.join("Windows")).ok()?;
            is_windows(tree, &inside).then_some(own)
        });
        let users = users_in(tree, &path);
        let is_old = entry.name.as_wtf8().to_ascii_lowercase().starts_with(b"windows.old");
        // Any folder may have one called Users; one of set-up has no other meaning.
        if windows.is_some() || (is_old && !users.is_empty()) {
            bases.push(Base { path, windows, users });
        }
    }
    bases
}

fn folders(tree: &dyn Tree, path: &NtPath) -> Vec<Entry> {
    let entries = tree.lookup(path).and_then(|node| tree.children(node)).unwrap_or_default();
    let is_folder = |entry: &Entry| tree.node(entry.node).is_ok_and(|n| n.is_plain_directory());
    entries.into_iter().filter(is_folder).take(MAX_ROOT_FOLDERS).collect()
}

/// Whether the folder has Windows's own folder, which is the last thing that anyone deletes.
fn has_system_folder(tree: &dyn Tree, folder: &Entry) -> bool {
    tree.lookup_in(folder.node, &NtName::from("System32")).is_ok()
}

/// Whether the folder is a Windows: it has a registry.
fn is_windows(tree: &dyn Tree, folder: &Entry) -> bool {
    let below = ["System32", "config"].iter();
    let config = below
        .into_iter()
        .try_fold(folder.node, |at, name| tree.lookup_in(at, &NtName::from(*name)).ok());
    let hive = |name: &str| {
        config.is_some_and(|config| tree.lookup_in(config, &NtName::from(name)).is_ok())
    };
    hive("SOFTWARE") || hive("SYSTEM")
}

/// The folders for users' profiles in `base`, and what is in them.
fn users_in(tree: &dyn Tree, base: &NtPath) -> Vec<(NtPath, Vec<Entry>)> {
    let mut found = Vec::new();
    for name in USERS {
        let Ok(parent) = tree.lookup(base) else { continue };
        let Ok(node) = tree.lookup_in(parent, &NtName::from(name)) else { continue };
        // Since Windows Vista the second is a junction to the first.
        if !tree.node(node).is_ok_and(|node| node.is_plain_directory()) {
            continue;
        }
        let path = base.join(name);
        let inside = folders(tree, &path);
        if !inside.is_empty() {
            found.push((path, inside));
        }
    }
    found
}

/// An entry of the list of users that is none, or cannot be read.
struct NoProfile;

/// What the search for profiles needs to know.
struct Search<'a> {
    volumes: &'a [StoreVolume],
    volume: usize,
    base: &'a NtPath,
    /// The drive of that Windows, as its registry has it.
    drive: Drive,
}

fn describe(number: usize, volumes: &[StoreVolume], base: Base) -> Installation {
    let volume = &volumes[number];
    let tree = &*volume.tree;
    let config = |windows: &NtPath| windows.join("System32").join("config");
    let hive = match &base.windows {
        Some(windows) => Hive::read(tree, &config(windows).join("SOFTWARE")),
        None => Err(NoHive::Missing),
    };
    let current = |hive: &Hive| {
        let key = hive.key(&["Microsoft", "Windows NT", "CurrentVersion"])?;
        let root = hive::text(&key, "SystemRoot")?;
        letter_of(&root)
    };
    let mut drive = drive_of(number, volumes);
    if let Some(letter) = hive.as_ref().ok().and_then(current) {
        (drive.letter, drive.from) = (Some(letter), DriveFrom::Registry);
    } else if base.windows.is_some() && drive.letter.is_none() {
        (drive.letter, drive.from) = (Some('C'), DriveFrom::WindowsFolder);
    }
    let search = Search { volumes, volume: number, base: &base.path, drive: drive.clone() };
    let mut profiles = Vec::new();
    let unlisted = match &hive {
        Ok(hive) => match search.listed(hive) {
            Some((listed, is_all)) => {
                profiles = listed;
                let why = "an entry of its list of users cannot be read";
                (!is_all).then_some(why)
            }
            None => Some("the registry has no list of users"),
        },
        Err(NoHive::Missing) => Some("its registry (SOFTWARE) is gone"),
        Err(NoHive::Unreadable) => Some("its registry (SOFTWARE) cannot be read"),
        Err(NoHive::Damaged) => Some("its registry (SOFTWARE) is damaged"),
    };
    drop(hive);
    for (path, entries) in &base.users {
        for entry in entries {
            let is_listed = profiles.iter().any(|profile| {
                profile
                    .place
                    .as_ref()
                    .is_some_and(|place| place.volume == number && place.node == entry.node)
            });
            if !is_listed {
                profiles.extend(search.unlisted(path, entry));
            }
        }
        for (path, target) in search.links_in(path) {
            if !profiles.iter().any(|profile| profile.path.eq_ignore_ascii_case(&path)) {
                let (place, _) = search.follow(&target);
                let profile = search.profile(path, ProfileKind::Person, None, place);
                profiles.push(Profile { leads_to: Some(target), ..profile });
            }
        }
    }
    let order = |profile: &Profile| (profile.kind != ProfileKind::Person, profile.path.clone());
    profiles.sort_by_key(order);
    let computer = base.windows.as_ref().and_then(|path| hive::computer_name(tree, path));
    Installation {
        volume: number,
        volume_display: volume.display.clone(),
        base: base.path,
        windows: base.windows,
        drive,
        computer,
        unlisted,
        profiles,
    }
}

impl Search<'_> {
    fn tree(&self) -> &dyn Tree {
        &*self.volumes[self.volume].tree
    }

    /// The profiles in the hive's list, and whether each of its entries could be read; `None` if
    /// it has no list.
    fn listed(&self, hive: &Hive) -> Option<(Vec<Profile>, bool)> {
        let list = hive.key(&["Microsoft", "Windows NT", "CurrentVersion", "ProfileList"])?;
        let mut profiles: Vec<Profile> = Vec::new();
        let mut is_all = true;
        for key in list.subkeys().ok()? {
            let Ok(profile) = self.listed_one(&key) else {
                is_all = false;
                continue;
            };
            let Some(profile) = profile else { continue };
            // Windows keeps a key that it could not use as `SID.bak`, often with the same path. A
            // person's files are never taken for a service's.
            match profiles.iter_mut().find(|p| p.path.eq_ignore_ascii_case(&profile.path)) {
                None => profiles.push(profile),
                Some(known)
                    if profile.kind == ProfileKind::Person && known.kind != profile.kind =>
                {
                    *known = profile;
                }
                Some(_) => {}
            }
        }
        Some((profiles, is_all))
    }

    /// The profile of a key; `None` for an account of Windows itself.
    fn listed_one(&self, key: &RegistryKey<'_>) -> Result<Option<Profile>, NoProfile> {
        let name = key.name();
        let sid: Sid = name.strip_suffix(".bak").unwrap_or(&name).parse().map_err(|_| NoProfile)?;
        let text = hive::text(key, "ProfileImagePath").ok_or(NoProfile)?;
        if text.split(['\\', '/']).any(|name| name == "..") {
            return Err(NoProfile);
        }
        // A whole drive is no user's folder.
        let path = self.expand(&text).filter(|path| path.len() > 3).ok_or(NoProfile)?;
        let kind = match sid.account() {
            // No service has a SID of another form: the files are saved.
            AccountKind::Person | AccountKind::WellKnown => ProfileKind::Person,
            // The services' own folders belong to Windows.
            AccountKind::Service if !is_in_users(&path) => return Ok(None),
            // Those of Windows itself have none in `Users`: the entry is damaged.
            AccountKind::Service if sid.is_of_system() => return Err(NoProfile),
            AccountKind::Service => ProfileKind::Service,
        };
        let (place, leads_to) = self.follow(&path);
        let profile = self.profile(path, kind, Some((sid, SidFrom::ProfileList)), place);
        Ok(Some(Profile { leads_to, ..profile }))
    }

    /// A folder that the list does not have.
    fn unlisted(&self, users: &NtPath, entry: &Entry) -> Option<Profile> {
        if NOT_USERS.iter().any(|name| entry.name.eq_ignore_ascii_case(name)) {
            return None;
        }
        let is_public = entry.name.eq_ignore_ascii_case(PUBLIC);
        let kind = if is_public { ProfileKind::Shared } else { ProfileKind::Person };
        let below = users.join(entry.name.clone());
        let place = Place {
            volume: self.volume,
            drive: self.drive.clone(),
            path: below.clone(),
            node: entry.node,
        };
        // In Windows, the path has no Windows.old.
        let names = below.names().get(self.base.names().len()..).unwrap_or_default();
        let path: NtPath = names.iter().cloned().collect();
        let path = path.on_drive(&self.drive.name());
        let sid = if is_public { None } else { by_rights(self.tree(), entry) };
        let kind = match &sid {
            Some(sid) if sid.account() == AccountKind::Service => ProfileKind::Service,
            _ => kind,
        };
        Some(self.profile(path, kind, sid.map(|sid| (sid, SidFrom::Rights)), Some(place)))
    }

    fn profile(
        &self,
        path: String,
        kind: ProfileKind,
        sid: Option<(Sid, SidFrom)>,
        place: Option<Place>,
    ) -> Profile {
        let name = path.rsplit('\\').next().unwrap_or(&path).to_owned();
        let registry = place.as_ref().and_then(|place| {
            let tree = &*self.volumes.get(place.volume)?.tree;
            tree.lookup_in(place.node, &NtName::from(REGISTRY)).ok()?;
            Some(Hive::read(tree, &place.path.join(REGISTRY)).ok())
        });
        let has_registry = registry.is_some();
        let is_registry_damaged = matches!(registry, Some(None));
        let (redirected, unknown_folders) = match registry.flatten() {
            Some(hive) => self.redirected(&hive, &path),
            None => (Vec::new(), Vec::new()),
        };
        let (sid, sid_from) = match sid {
            Some((sid, from)) => (Some(sid), from),
            None => (None, SidFrom::Unknown),
        };
        Profile {
            name,
            kind,
            sid,
            sid_from,
            path,
            place,
            redirected,
            has_registry,
            is_registry_damaged,
            leads_to: None,
            unknown_folders,
        }
    }

    /// The user's folders that are outside the profile, and those of which it is not known.
    fn redirected(&self, hive: &Hive, profile: &str) -> (Vec<Redirected>, Vec<&'static str>) {
        let names = [
            "Software",
            "Microsoft",
            "Windows",
            "CurrentVersion",
            "Explorer",
            "User Shell Folders",
        ];
        let mut unknown = Vec::new();
        let Some(key) = hive.key(&names) else { return (Vec::new(), unknown) };
        let mut found: Vec<Redirected> = Vec::new();
        for (value, name) in SHELL_FOLDERS {
            if key.value(value).is_err() {
                continue;
            }
            let Some(text) = hive::text(&key, value).filter(|text| !text.trim().is_empty()) else {
                unknown.push(name);
                continue;
            };
            let text = user_variable(hive, &text).unwrap_or(text);
            let text = replace_variable(&text, "%USERPROFILE%", profile);
            let path = self.expand(&text).unwrap_or(text);
            let is_known = found.iter().any(|known| is_at_or_below(&path, &known.path));
            if is_at_or_below(&path, profile) || is_known {
                continue;
            }
            // All of a volume is not a user's folder.
            let place = self.follow(&path).0.filter(|place| !place.path.names().is_empty());
            found.push(Redirected { name, path, place });
        }
        (found, unknown)
    }

    /// A path of the registry as `C:\Users\alice`; `None` if it is not one on a drive.
    fn expand(&self, text: &str) -> Option<String> {
        let own = format!("{}:", self.drive.letter.unwrap_or('C'));
        let text = replace_variable(text.trim(), "%SystemDrive%", &own);
        let text = replace_variable(&text, "%SystemRoot%", &format!("{own}\\Windows"));
        let text = replace_variable(&text, "%windir%", &format!("{own}\\Windows"));
        let text = text.replace('/', "\\");
        // The prefixes of Win32 and of the kernel for paths that are taken as they are.
        let text = [r"\\?\", r"\??\"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(&text);
        let mut path = format!("{}:", letter_of(text)?);
        let mut names: Vec<&str> = Vec::new();
        for name in text.get(2..)?.split('\\').filter(|name| !matches!(*name, "" | ".")) {
            match name {
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        for name in names {
            path.push('\\');
            path.push_str(name);
        }
        if path.len() == 2 {
            path.push('\\');
        }
        Some(path)
    }

    /// Folders of users that are junctions, as paths in Windows, and where they lead. Those that
    /// Windows makes (`Default User`) are hidden.
    fn links_in(&self, users: &NtPath) -> Vec<(String, String)> {
        let tree = self.tree();
        let entries = tree.lookup(users).and_then(|node| tree.children(node)).unwrap_or_default();
        let links = entries.into_iter().filter_map(|entry| {
            let node = tree.node(entry.node).ok()?;
            let is_made = node.attributes & HIDDEN_SYSTEM == HIDDEN_SYSTEM
                || NOT_USERS.iter().any(|name| entry.name.eq_ignore_ascii_case(name));
            if is_made || node.kind != NodeKind::Directory || node.is_plain_directory() {
                return None;
            }
            let below = users.join(entry.name.clone());
            let names = below.names().get(self.base.names().len()..)?;
            let path = names.iter().cloned().collect::<NtPath>().on_drive(&self.drive.name());
            let target = self.target_of(tree, &entry).unwrap_or_else(|| "?".to_owned());
            Some((path, target))
        });
        links.collect()
    }

    /// Where a junction or symbolic link leads, as a path in Windows.
    fn target_of(&self, tree: &dyn Tree, entry: &Entry) -> Option<String> {
        let facts = tree.facts(entry.node, Some(&entry.name)).ok()?;
        let link = link_target(facts.reparse.as_deref()?)?;
        self.expand(NtName::from_wtf8(&link.target)?.as_str()?)
    }

    /// The folder of a path in Windows, and where it leads if junctions are on the way.
    fn follow(&self, path: &str) -> (Option<Place>, Option<String>) {
        let mut path = path.to_owned();
        let mut leads_to = None;
        for _ in 0..MAX_LINKS {
            if let Some(place) = self.locate(&path) {
                return (Some(place), leads_to);
            }
            let Some(next) = self.past_link(&path) else { break };
            leads_to = Some(next.clone());
            path = next;
        }
        (None, leads_to)
    }

    /// The path behind the first junction on the way; `None` if there is none on the volume of
    /// this Windows.
    fn past_link(&self, path: &str) -> Option<String> {
        if letter_of(path) != self.drive.letter {
            return None;
        }
        let tree = self.tree();
        let mut at = tree.lookup(self.base).ok()?;
        let names: Vec<&str> = path.get(2..)?.split('\\').filter(|name| !name.is_empty()).collect();
        for (number, name) in names.iter().enumerate() {
            let name = NtName::from(*name);
            at = tree.lookup_in(at, &name).ok()?;
            let node = tree.node(at).ok()?;
            if node.kind == NodeKind::Directory && !node.is_plain_directory() {
                let mut next = self.target_of(tree, &Entry { name, node: at })?;
                for name in names.get(number + 1..).unwrap_or_default() {
                    next.push('\\');
                    next.push_str(name);
                }
                return Some(next);
            }
        }
        None
    }

    /// The folder of a path in Windows.
    fn locate(&self, path: &str) -> Option<Place> {
        let letter = letter_of(path)?;
        let names = path.get(2..)?.split('\\').filter(|name| !name.is_empty());
        let names: Vec<NtName> = names.map(NtName::from).collect();
        if Some(letter) == self.drive.letter {
            let below = self.base.names().iter().cloned().chain(names).collect();
            return self.place(self.volume, &below, self.drive.clone());
        }
        let below: NtPath = names.into_iter().collect();
        let own = &self.volumes[self.volume];
        let others = (0..self.volumes.len()).filter(|number| *number != self.volume);
        let mut fitting: Vec<(bool, bool, Place)> = others
            .filter_map(|number| {
                let mut drive = drive_of(number, self.volumes);
                // Another Windows has its own letters.
                let is_other = drive.from == DriveFrom::WindowsFolder;
                let is_letter = drive.letter == Some(letter);
                if !is_letter {
                    (drive.letter, drive.from) = (Some(letter), DriveFrom::Registry);
                }
                let place = self.place(number, &below, drive).filter(|_| !is_other)?;
                let is_on_disk = self.volumes[number].disk == own.disk;
                Some((!is_on_disk, !is_letter, place))
            })
            .collect();
        fitting.sort_by_key(|(other_disk, other_letter, place)| {
            (*other_disk, *other_letter, place.volume)
        });
        fitting.into_iter().next().map(|(_, _, place)| place)
    }

    /// The folder on a volume, with the names as they are there.
    fn place(&self, volume: usize, below: &NtPath, drive: Drive) -> Option<Place> {
        let tree = &*self.volumes.get(volume)?.tree;
        let (path, node) = exact_path(tree, below).ok()?;
        let is_folder = tree.node(node).is_ok_and(|node| node.is_plain_directory());
        is_folder.then_some(Place { volume, drive, path, node })
    }
}

/// The account that the folder's rights name, if they name one person alone.
fn by_rights(tree: &dyn Tree, entry: &Entry) -> Option<Sid> {
    let facts = tree.facts(entry.node, Some(&entry.name)).ok()?;
    descriptor::only_person(facts.security.as_deref()?)
}

/// The letter of `C:\...`, upper case.
fn letter_of(path: &str) -> Option<char> {
    let mut chars = path.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    let is_rooted = chars.next() == Some(':') && matches!(chars.next(), None | Some('\\' | '/'));
    is_rooted.then(|| letter.to_ascii_uppercase())
}

/// The path with the user's own variable at its start replaced (`%OneDrive%`), if it has one.
fn user_variable(hive: &Hive, text: &str) -> Option<String> {
    let (name, rest) = text.strip_prefix('%')?.split_once('%')?;
    let value = hive::text(&hive.key(&["Environment"])?, name)?;
    Some(format!("{value}{rest}"))
}

/// Replaces a variable at the start of a path, in either letter case.
fn replace_variable(text: &str, variable: &str, value: &str) -> String {
    match text.get(..variable.len()) {
        Some(start) if start.eq_ignore_ascii_case(variable) => {
            format!("{value}{}", &text[variable.len()..])
        }
        _ => text.to_owned(),
    }
}

/// Whether a Windows path is another, or below it.
pub(super) fn is_at_or_below(path: &str, above: &str) -> bool {
    let above = above.trim_end_matches('\\');
    let rest = match path.get(..above.len()) {
        Some(start) if start.eq_ignore_ascii_case(above) => &path[above.len()..],
        _ => return false,
    };
    rest.is_empty() || rest.starts_with('\\')
}

/// Whether a profile is among those of people.
fn is_in_users(path: &str) -> bool {
    path.split('\\').nth(1).is_some_and(|n| USERS.iter().any(|users| n.eq_ignore_ascii_case(users)))
}
