//! Kinds of files, by the extension of their names. A guess, without reading
//! the file.

use std::collections::HashMap;

/// The number of kinds.
pub(super) const COUNT: usize = 10;
/// The kind of the store's own files.
pub(super) const MIGRATION: usize = 8;
/// The kind of all other files.
pub(super) const OTHER: usize = 9;

/// The number of extensions that are counted individually; later ones are
/// "others". Real disks have a few hundred.
const MAX_ENDINGS: usize = 4096;

/// The name of a kind, and its extensions.
const KINDS: [(&str, &str); COUNT] = [
    (
        "Documents",
        "doc docx docm dot dotx odt rtf txt md pdf xps tex wpd pages epub \
         xls xlsx xlsm xlsb xlt xltx ods csv numbers ppt pptx pptm pps ppsx pot potx odp key \
         one onepkg vsd vsdx mpp pub html htm mht",
    ),
    (
        "Pictures",
        "jpg jpeg jpe png gif bmp tif tiff heic heif webp svg raw cr2 cr3 nef arw dng orf rw2 \
         psd ai eps ico wmf emf dwg dxf",
    ),
    ("Video", "mp4 mov avi mkv wmv m4v mpg mpeg webm 3gp mts m2ts vob flv"),
    ("Music and sound", "mp3 wav flac m4a aac ogg oga wma opus mid midi aif aiff"),
    ("Mail", "pst ost eml msg mbox dbx nst olm nsf"),
    ("Archives", "zip 7z rar gz tgz tar bz2 xz zst cab iso img vhd vhdx vmdk wim bak"),
    (
        "Programs and code",
        "exe dll sys msi msp ocx jar py js ts c h cpp cs java rs go php rb ps1 bat cmd vbs sh \
         class pdb lib",
    ),
    (
        "Settings and data",
        "db sqlite mdb accdb ldb dat reg ini xml json yaml toml cfg conf log pol lnk url etl \
         evtx pf cache tmp",
    ),
    ("The store itself", "mig"),
    ("Other files", ""),
];

/// The name of a kind, for display.
pub(super) fn name(kind: usize) -> &'static str {
    KINDS.get(kind).map_or("", |(name, _)| name)
}

/// Files and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Count {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Count {
    pub(super) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Counts by kind and by extension.
pub(super) struct Kinds {
    kind_of: HashMap<&'static str, usize>,
    /// By kind.
    pub(super) counts: [Count; COUNT],
    endings: HashMap<(usize, String), Count>,
}

impl Kinds {
    pub(super) fn new() -> Self {
        let endings = KINDS.iter().enumerate();
        let kind_of = endings
            .flat_map(|(kind, (_, list))| list.split_whitespace().map(move |ending| (ending, kind)))
            .collect();
        Self { kind_of, counts: [Count::default(); COUNT], endings: HashMap::new() }
    }

    /// Counts a file by its name; returns its kind. A file of the store itself
    /// has that kind, regardless of its name.
    pub(super) fn add(&mut self, name: &str, is_stores: bool, bytes: u64) -> usize {
        let ending = ending(name);
        let by_ending = self.kind_of.get(ending.as_str()).copied().unwrap_or(OTHER);
        let kind = if is_stores { MIGRATION } else { by_ending };
        self.counts[kind].add(bytes);
        let is_full = self.endings.len() >= MAX_ENDINGS;
        let mut key = (kind, ending);
        if is_full && !self.endings.contains_key(&key) {
            "others".clone_into(&mut key.1);
        }
        self.endings.entry(key).or_default().add(bytes);
        kind
    }

    /// The extensions of a kind that have bytes, largest first.
    pub(super) fn endings(&self, kind: usize) -> Vec<(&str, Count)> {
        let of_kind = self.endings.iter().filter(|((k, _), n)| *k == kind && n.bytes > 0);
        let mut list: Vec<_> = of_kind.map(|((_, ending), n)| (ending.as_str(), *n)).collect();
        list.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then(a.0.cmp(b.0)));
        list
    }
}

/// The extension of a name in lower case, without the dot; empty if it has no
/// usual one.
fn ending(name: &str) -> String {
    let plain = |ending: &&str| {
        (1..=10).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).filter(plain);
    ending.map(str::to_ascii_lowercase).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_tells_the_kind_and_no_other_part_of_the_name_does() {
        let mut kinds = Kinds::new();
        for (file, kind) in [
            ("report.DOCX", "Documents"),
            ("IMG_1.jpeg", "Pictures"),
            ("archive.pst", "Mail"),
            ("pdf", "Other files"),
            (".pdf.", "Other files"),
            ("a.p\"f", "Other files"),
            ("a.verylongending", "Other files"),
        ] {
            let found = kinds.add(file, false, 1);
            assert_eq!(name(found), kind, "{file}");
        }
        assert_eq!(kinds.add("photo.jpg", true, 1), MIGRATION);
    }

    #[test]
    fn no_ending_belongs_to_two_kinds() {
        let all: usize = KINDS.iter().map(|(_, list)| list.split_whitespace().count()).sum();
        assert_eq!(Kinds::new().kind_of.len(), all);
    }

    #[test]
    fn endings_without_end_are_counted_in_bounds_and_none_is_lost() {
        let mut kinds = Kinds::new();
        for i in 0..20_000 {
            kinds.add(&format!("a.x{i}"), false, 2);
        }
        assert!(kinds.endings.len() <= MAX_ENDINGS + 1, "{}", kinds.endings.len());
        let list = kinds.endings(OTHER);
        assert_eq!(list.iter().map(|(_, n)| n.bytes).sum::<u64>(), 40_000);
        assert_eq!(list[0].0, "others");
    }
}
