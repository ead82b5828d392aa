//! What this run has made. It is written down before each thing is made, so that
//! `--cleanup` can remove it after a crash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The file in the work folder. A folder without it is not ours.
pub const FILE: &str = "lifeboat-selftest-made.json";
const MAGIC: &str = "made by lifeboat-selftest; remove it with: lifeboat-selftest --cleanup";

/// One thing outside of the work folder, or that keeps it from being removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A disk in a file; the file.
    Disk(String),
    /// A volume mounted in a folder; the folder.
    Mount(String),
    /// A share; its name.
    Share(String),
    /// A local user; the name.
    User(String),
    /// A connection to a share; `\\server\share`.
    Connection(String),
}

impl Thing {
    fn to_json(&self) -> Value {
        let (kind, name) = match self {
            Self::Disk(name) => ("disk", name),
            Self::Mount(name) => ("mount", name),
            Self::Share(name) => ("share", name),
            Self::User(name) => ("user", name),
            Self::Connection(name) => ("connection", name),
        };
        json!({ "kind": kind, "name": name })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let name = value["name"].as_str()?.to_owned();
        Some(match value["kind"].as_str()? {
            "disk" => Self::Disk(name),
            "mount" => Self::Mount(name),
            "share" => Self::Share(name),
            "user" => Self::User(name),
            "connection" => Self::Connection(name),
            _ => return None,
        })
    }

    /// Whether it can only be something that this program makes: it is in the work
    /// folder, or has a name that begins as ours do.
    pub fn is_ours(&self, work: &Path) -> bool {
        match self {
            Self::Disk(name) | Self::Mount(name) => {
                let path = Path::new(name);
                let is_plain = !name.contains("..");
                is_plain && path.starts_with(work) && path != work
            }
            Self::Share(name) | Self::User(name) => name.starts_with(PREFIX),
            Self::Connection(name) => {
                name.rsplit('\\').next().is_some_and(|share| share.starts_with(PREFIX))
            }
        }
    }
}

/// Shares and users are called so.
pub const PREFIX: &str = "lbst-";

/// The work folder, and what was made from it.
#[derive(Debug)]
pub struct Made {
    folder: PathBuf,
    things: Vec<Thing>,
}

impl Made {
    /// Makes the work folder, which must not exist, and its marker. The folder above is
    /// not made: nobody would remove it.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        let made = Self { folder: folder.to_owned(), things: Vec::new() };
        made.save().inspect_err(|_| {
            let _ = fs::remove_file(folder.join(FILE));
            let _ = fs::remove_dir(folder);
        })?;
        Ok(made)
    }

    /// What to do about an error of [`Made::create`]. `cleanup`: the options that name
    /// the folder, `--on D:\x`.
    pub fn advice(folder: &Path, error: &io::Error, cleanup: &str, option: &str) -> String {
        match error.kind() {
            io::ErrorKind::AlreadyExists if Self::open(folder).is_ok() => {
                format!("An earlier run left it. Remove it: lifeboat-selftest --cleanup{cleanup}")
            }
            io::ErrorKind::AlreadyExists => {
                format!("It is not of this program. Rename it, or use {option} with another one.")
            }
            io::ErrorKind::NotFound => {
                format!("Make the folder above it first, or use {option} with another one.")
            }
            _ => format!("Use {option} with a folder on a disk that you may write to."),
        }
    }

    /// Reads what an earlier run has made. An error if the folder is not ours.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(folder.join(FILE))?;
        let foreign = || io::Error::other("its marker is not that of this program");
        let value: Value = serde_json::from_str(&text).map_err(|_| foreign())?;
        if value["magic"] != MAGIC {
            return Err(foreign());
        }
        let things = value["things"].as_array().ok_or_else(foreign)?;
        let things: Vec<Thing> = things.iter().filter_map(Thing::from_json).collect();
        if let Some(not_ours) = things.iter().find(|thing| !thing.is_ours(folder)) {
            return Err(io::Error::other(format!(
                "its marker lists {not_ours:?}, which is not ours"
            )));
        }
        Ok(Self { folder: folder.to_owned(), things })
    }

    /// The work folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes down what is about to be made.
    pub fn will_make(&mut self, thing: Thing) -> io::Result<()> {
        if !thing.is_ours(&self.folder) {
            return Err(io::Error::other(format!("{thing:?} would not be ours")));
        }
        if !self.things.contains(&thing) {
            self.things.push(thing);
        }
        self.save()
    }

    /// Forgets what was removed.
    pub fn removed(&mut self, thing: &Thing) {
        self.things.retain(|known| known != thing);
        let _ = self.save();
    }

    /// What is left, in the order to remove it: connections before shares, mounts
    /// before disks.
    pub fn left(&self) -> Vec<Thing> {
        let mut left = self.things.clone();
        left.reverse();
        left.sort_by_key(|thing| match thing {
            Thing::Connection(_) => 0,
            Thing::Share(_) => 1,
            Thing::User(_) => 2,
            Thing::Mount(_) => 3,
            Thing::Disk(_) => 4,
        });
        left
    }

    fn save(&self) -> io::Result<()> {
        let things: Vec<Value> = self.things.iter().map(Thing::to_json).collect();
        let text = serde_json::to_string_pretty(&json!({ "magic": MAGIC, "things": things }))?;
        let partial = self.folder.join(format!("{FILE}.partial"));
        fs::write(&partial, text)?;
        fs::rename(partial, self.folder.join(FILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("lifeboat-selftest-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_was_made_is_known_after_a_crash() {
        let folder = scratch("made");
        let mut made = Made::create(&folder).unwrap();
        assert!(Made::create(&folder).is_err(), "made exclusively");
        let disk = Thing::Disk(folder.join("source.vhdx").display().to_string());
        let mount = Thing::Mount(folder.join("mnt").display().to_string());
        let share = Thing::Share("lbst-share".into());
        for thing in [&disk, &mount, &share, &Thing::Connection(r"\\h\lbst-share".into())] {
            made.will_make(thing.clone()).unwrap();
        }
        made.removed(&mount);
        drop(made); // as a crash would
        let left = Made::open(&folder).unwrap().left();
        assert_eq!(left, [Thing::Connection(r"\\h\lbst-share".into()), share, disk]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_advice_is_that_of_the_cause() {
        let folder = scratch("advice");
        let cause = |folder: &Path| {
            let error = Made::create(folder).unwrap_err();
            Made::advice(folder, &error, " --on D:", "--on")
        };
        let made = Made::create(&folder).unwrap();
        assert!(cause(&folder).contains("lifeboat-selftest --cleanup --on D:"));
        assert!(cause(&folder.join("a/b")).contains("folder above"));
        assert!(!folder.join("a").exists(), "nothing is made above it");
        fs::write(folder.join(FILE), "{}").unwrap();
        assert!(cause(&folder).contains("not of this program"));
        fs::write(folder.join("file"), "").unwrap();
        let below_a_file = cause(&folder.join("file").join("x"));
        assert!(!below_a_file.contains("--cleanup"), "{below_a_file}");
        drop(made);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_neither_made_nor_removed() {
        let folder = scratch("foreign");
        let mut made = Made::create(&folder).unwrap();
        for foreign in [
            Thing::Disk("/other/disk.vhdx".into()),
            Thing::Disk(folder.display().to_string()),
            Thing::Disk(folder.join("../disk.vhdx").display().to_string()),
            Thing::Share("C$".into()),
            Thing::User("Administrator".into()),
            Thing::Connection(r"\\server\data".into()),
        ] {
            assert!(made.will_make(foreign.clone()).is_err(), "{foreign:?}");
        }
        let marker = folder.join(FILE);
        let text = fs::read_to_string(&marker).unwrap();
        let evil = text.replace("\"things\": []", r#""things": [{"kind":"user","name":"alice"}]"#);
        assert_ne!(text, evil);
        fs::write(&marker, evil).unwrap();
        assert!(Made::open(&folder).is_err());
        fs::write(&marker, "{}").unwrap();
        assert!(Made::open(&folder).is_err());
        fs::remove_file(&marker).unwrap();
        assert!(Made::open(&folder).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
