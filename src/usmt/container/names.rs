//! What the name of a record says: the path of a file, or something else; and the patterns that
//! choose among them.

use crate::model::name::NtName;
use crate::usmt::layout::{FILE, is_profiles_folder};

/// The catalog of a container.
const CATALOG: &str = "CATALOG.IMG";

/// Whether a record is the catalog, which has the settings.
pub(crate) fn is_catalog(name: &NtName) -> bool {
    name.eq_ignore_ascii_case(CATALOG)
}

/// The path on a drive that a record is named after: `File\C:\Users\alice\a.txt` (inferred).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The drive's letter, in upper case.
    pub drive: char,
    /// The names below the drive's root. They are foreign: nothing is checked.
    pub names: Vec<NtName>,
    /// Whether the name ends like a folder's, with a separator.
    pub is_folder: bool,
}

impl Place {
    /// The place of the record of that name; `None` for the catalog, and for what is not known.
    pub fn of(name: &NtName) -> Option<Self> {
        let mut names = record_names(name);
        let is_folder = names.len() > 2 && names.last().is_some_and(NtName::is_empty);
        if is_folder {
            names.pop();
        }
        let [file, drive, below @ ..] = names.as_slice() else { return None };
        let [letter, b':' | b'$'] = *drive.as_wtf8() else { return None };
        let is_place = file.eq_ignore_ascii_case(FILE) && letter.is_ascii_alphabetic();
        (is_place && !below.is_empty()).then(|| Self {
            drive: char::from(letter.to_ascii_uppercase()),
            names: below.to_vec(),
            is_folder,
        })
    }

    /// The user whose profile it is in, by its folder's name.
    pub fn user(&self) -> Option<String> {
        let [profiles, user, _, ..] = self.names.as_slice() else { return None };
        let is_profile = is_profiles_folder(profiles);
        is_profile.then(|| user.to_string_lossy())
    }

    /// The names from the drive's letter on.
    pub fn path(&self) -> Vec<NtName> {
        let drive = NtName::from(&*self.drive.to_string());
        std::iter::once(drive).chain(self.names.iter().cloned()).collect()
    }

    /// The path in Windows: `C:\Users\alice\a.txt`.
    pub fn windows_path(&self) -> String {
        let names: Vec<String> = self.names.iter().map(NtName::to_string_lossy).collect();
        let end = if self.is_folder { "\\" } else { "" };
        format!("{}:\\{}{end}", self.drive, names.join("\\"))
    }
}

/// The names of a path in a record's name.
pub(crate) fn record_names(name: &NtName) -> Vec<NtName> {
    // A part of WTF-8 at an ASCII byte is WTF-8.
    name.as_wtf8().split(|b| *b == b'\\').filter_map(NtName::from_wtf8).collect()
}

/// Which records are chosen: a path in Windows with `*` and `?`, a folder, or a name in any
/// folder. Ignores letter case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    text: String,
    /// In upper case; any drive if there is none.
    drive: Option<char>,
    /// In lower case.
    names: Vec<Vec<char>>,
    /// Whether it has no separator: then it is a name in any folder.
    is_name: bool,
}

impl Pattern {
    /// Reads what the user gave: `C:\Users\alice\*.docx`, `C:/Users/alice`, `\Users\alice`,
    /// `*.docx`, or the name of a record.
    pub fn new(text: &str) -> Self {
        let plain = text.replace('/', "\\");
        let is_name = !plain.contains(['\\', ':']);
        let mut names: Vec<&str> = plain.split('\\').filter(|name| !name.is_empty()).collect();
        let drive_of = |name: &str| match *name.as_bytes() {
            [letter, b':' | b'$'] if letter.is_ascii_alphabetic() => {
                Some(char::from(letter.to_ascii_uppercase()))
            }
            _ => None,
        };
        if let [file, drive, ..] = *names
            && file.eq_ignore_ascii_case(FILE)
            && drive_of(drive).is_some()
        {
            names.remove(0);
        }
        // `C` too: that is how a drive is called where the files are extracted.
        let is_plain_drive = |name: &str| name.len() == 1 && !is_name;
        let drive = names.first().and_then(|name| {
            let own = is_plain_drive(name) && !plain.starts_with('\\');
            drive_of(name).or_else(|| drive_of(&format!("{name}:")).filter(|_| own))
        });
        if drive.is_some() {
            names.remove(0);
        }
        let names = names.into_iter().map(folded).collect();
        Self { text: text.to_owned(), drive, names, is_name }
    }

    /// As the user gave it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has a separator, so that it is more than a name.
    pub fn is_path(&self) -> bool {
        !self.is_name
    }

    /// Whether it chooses that record, or a folder above it.
    pub fn fits(&self, record: &NtName) -> bool {
        let Some(place) = Place::of(record) else {
            // What is no file is only chosen by its whole name.
            return folded(&record.to_string_lossy()) == folded(&self.text.replace('/', "\\"));
        };
        if self.drive.is_some_and(|drive| drive != place.drive) {
            return false;
        }
        let fits = |(pattern, name): (&Vec<char>, &NtName)| {
            is_like(pattern, &folded(&name.to_string_lossy()))
        };
        match (self.names.as_slice(), place.names.last()) {
            ([pattern], Some(name)) if self.is_name => fits((pattern, name)),
            (patterns, _) => {
                patterns.len() <= place.names.len() && patterns.iter().zip(&place.names).all(fits)
            }
        }
    }
}

fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether `name` is like `pattern`, in which `*` is any text and `?` any character.
fn is_like(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut from) = (0, 0);
    // After the last `*`, and the place in the name where it is tried.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((after, tried)) = star else { return false };
                star = Some((after, tried + 1));
                (at, from) = (after, tried + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, record: &str) -> bool {
        Pattern::new(pattern).fits(&NtName::from(record))
    }

    const DOCX: &str = r"File\C:\Users\Alice\Documents\Plan.docx";

    #[test]
    fn pasted_paths_choose_files_and_folders() {
        for pattern in [
            r"C:\Users\alice\Documents\Plan.docx",
            r"c:/users/ALICE/documents",
            r"C:\Users\alice\Documents\*.docx",
            r"C:\Users\*\Documents",
            r"C:\Users\alice\",
            r"\Users\alice",
            "C/Users/alice",
            "C:",
            "C:\\",
            "*.docx",
            "plan.docx",
            r"File\C:\Users\alice",
            r"File\C$\Users\alice",
            "*",
        ] {
            assert!(fits(pattern, DOCX), "{pattern}");
        }
        for pattern in [
            r"D:\Users\alice",
            r"C:\Users\ali",
            r"C:\Users\alice\*.docx",
            r"C:\Users\alice\Documents\*.xlsx",
            r"C:\Users\alice\Documents\Plan.docx\x",
            "alice",
            "*.doc",
            "Users/bob",
        ] {
            assert!(!fits(pattern, DOCX), "{pattern}");
        }
        assert!(fits(r"C:\Users\alice", r"File\C$\Users\ALICE\x"), "both forms of a drive");
    }

    #[test]
    fn what_is_no_file_is_only_chosen_by_its_name() {
        assert!(fits("catalog.img", "CATALOG.IMG"));
        assert!(fits(r"Odd\thing", r"Odd\Thing"));
        for pattern in ["*", "C:", "*.img", "catalog"] {
            assert!(!fits(pattern, "CATALOG.IMG"), "{pattern}");
        }
    }

    #[test]
    fn places_are_read_from_names() {
        let place = |name: &str| Place::of(&NtName::from(name));
        let docx = place(DOCX).unwrap();
        assert_eq!(docx.windows_path(), r"C:\Users\Alice\Documents\Plan.docx");
        assert_eq!(docx.user().as_deref(), Some("Alice"));
        assert!(!docx.is_folder);
        let folder = place(r"file\d$\Data\").unwrap();
        assert_eq!((folder.drive, folder.is_folder), ('D', true));
        assert_eq!(folder.user(), None);
        let profile = place(r"File\C:\Users\alice").unwrap();
        assert_eq!(profile.user(), None, "the folder itself");
        for other in ["CATALOG.IMG", "File", r"File\C:", r"File\C:\", r"Reg\C:\x", r"File\1:\x", ""]
        {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn stars_and_question_marks_are_matched_in_bounded_time() {
        let like = |pattern: &str, name: &str| is_like(&folded(pattern), &folded(name));
        assert!(like("a*b?c", "aXXbYc") && like("**", "") && like("*.*", "a.b"));
        assert!(!like("a*b?c", "abc") && !like("?", "") && !like("", "a"));
        let long = "a".repeat(30_000);
        assert!(!like(&format!("{}b", "a*".repeat(20)), &long));
    }
}
