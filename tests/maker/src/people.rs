//! Users and what they keep: profiles that look like real ones and follow from
//! a seed. Small ones for the committed fixtures, lively ones for the demo.

use crate::content::Content;
use crate::path::TreePath;
use crate::populate::seed_of;
use crate::reparse;
use crate::rng::Rng;
use crate::security::{Descriptor, Sid};
use crate::tree::{DAY, Entry, TreeSpec, WORKDAY};

/// Somebody with a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The profile folder's name.
    pub name: String,
    /// Their account.
    pub sid: Sid,
    /// What the contents of their files follow from.
    pub seed: u64,
}

impl Person {
    /// A person of a made-up domain.
    pub fn new(name: &str, rid: u32, seed: u64) -> Self {
        Self { name: name.to_owned(), sid: Sid::account(rid), seed }
    }

    /// `Users/<name>`.
    pub fn home(&self) -> TreePath {
        TreePath::from("Users").join(&self.name)
    }

    /// A small profile (about 45 files, 60 KB): one of everything that a real
    /// one has.
    pub fn small_profile(&self, tree: &mut TreeSpec) {
        let mut desk = Desk::new(self, tree, self.home());
        desk.folders(&[
            "",
            "AppData",
            "AppData/Local",
            "AppData/Roaming",
            "Contacts",
            "Desktop",
            "Documents",
            "Documents/Archive",
            "Documents/Archive/2019 (empty)",
            "Downloads",
            "Favorites",
            "Links",
            "Music",
            "Pictures",
            "Pictures/Camera Roll",
            "Saved Games",
            "Videos",
        ]);
        for folder in ["Desktop", "Documents", "Pictures"] {
            desk.put(&format!("{folder}/desktop.ini"), desktop_ini(folder)).attributes(0x26);
        }
        desk.put("Documents/Budget 2023.xlsx", office(1, 3100)).dos_name("BUDGET~1.XLS");
        desk.put("Documents/Letter to the landlord.docx", office(2, 2200));
        desk.put("Documents/notes.txt", Content::text(3, 700));
        desk.put("Documents/todo.txt", Content::text(4, 90)).attributes(0x21);
        desk.put("Documents/empty.txt", Content::empty());
        desk.put("Documents/one byte.bin", Content::Bytes(vec![0x2A]));
        desk.put("Documents/Archive/old report.doc", Content::text(5, 9000));
        desk.put("Documents/Archive/Отчёт за год.txt", Content::text(6, 400));
        desk.put("Documents/Archive/旅行の予定.txt", Content::text(7, 300));
        desk.put("Documents/Archive/party 🎉🎂.txt", Content::text(8, 200));
        desk.put("Documents/Archive/ends with a dot.", Content::text(9, 100));
        desk.put("Documents/Archive/ends with a space ", Content::text(10, 100));
        desk.put("Documents/Archive/CON", Content::text(11, 60));
        desk.put("Documents/tax.pdf", pdf(12, 2600))
            .stream("Zone.Identifier", zone("https://tax.example/return"));
        for number in 1..=4 {
            let name = format!("Pictures/Camera Roll/IMG_{:04}.JPG", 2300 + number);
            desk.put(&name, photo(20 + number, 2000 + 300 * number));
        }
        desk.put(
            "Pictures/cat.png",
            Content::ConcatenatedFile(vec![
                Content::Bytes(b"\x89PNG\r\n\x1a\n".to_vec()),
                Content::noise(30, 1500),
            ]),
        );
        desk.put(
            "Desktop/Budget 2023.lnk",
            shortcut("C:\\Users\\alice\\Documents\\Budget 2023.xlsx"),
        );
        desk.put("Desktop/IMPORTANT read me.txt", Content::text(31, 250))
            .stream("comment", Content::text(32, 80));
        desk.put(
            "Downloads/setup.exe",
            Content::ConcatenatedFile(vec![
                Content::Bytes(b"MZ\x90\0\x03\0\0\0".to_vec()),
                Content::noise(33, 4000),
            ]),
        )
        .stream("Zone.Identifier", zone("https://downloads.example/setup.exe"));
        desk.put(
            "Favorites/Weather.url",
            Content::Bytes(b"[InternetShortcut]\r\nURL=https://weather.example/\r\n".to_vec()),
        );
        desk.put(
            "Contacts/Bob.contact",
            Content::Bytes(b"<?xml version=\"1.0\"?><c:contact c:Version=\"1\"/>\r\n".to_vec()),
        );
        desk.put("AppData/Local/Microsoft/Outlook/archive.pst", mail(34, 6000))
            .object_id(Rng::from_text(self.seed, b"archive.pst").bytes(16));
        desk.put("AppData/Roaming/Microsoft/Signatures/Work.htm", Content::text(35, 500));
        desk.put("AppData/Roaming/Microsoft/Windows/Recent/notes.lnk", shortcut("C:\\notes.txt"));
        let deep = "one of nine levels of a long path below/".repeat(9);
        desk.put(&format!("Documents/{deep}far down.txt"), Content::text(36, 120));
    }

    /// What they keep on another drive: a project folder (about 15 files, 20 KB).
    pub fn small_projects(&self, tree: &mut TreeSpec, folder: &str) {
        let mut desk = Desk::new(self, tree, TreePath::from(folder));
        desk.folders(&["", "Plans", "Plans/Unused"]);
        desk.put("Readme.txt", Content::text(50, 600));
        for number in 0..6 {
            desk.put(&format!("Plans/floor {number}.dwg"), Content::noise(60 + number, 900));
            desk.put(&format!("Plans/floor {number}.txt"), Content::text(70 + number, 300));
        }
        desk.put("Plans/empty.log", Content::empty());
        desk.put("Plans/CAD settings.ini", Content::text(80, 200)).attributes(0x22);
    }

    /// The junction that Windows keeps in every profile for old programs.
    pub fn old_junctions(&self, tree: &mut TreeSpec) {
        let home = self.home();
        let windows_home = format!("C:\\Users\\{}", self.name);
        for (name, target) in [
            ("Application Data", "AppData\\Roaming"),
            ("My Documents", "Documents"),
            ("AppData/Local/Application Data", "AppData\\Local"),
        ] {
            tree.dir(home.join(name))
                .reparse(reparse::junction(&format!("{windows_home}\\{target}")))
                .attributes(0x2 | 0x4 | 0x2000);
        }
    }
}

/// A folder that somebody fills: every file gets times, an owner and contents
/// that follow from its path.
#[derive(Debug)]
pub struct Desk<'a> {
    tree: &'a mut TreeSpec,
    home: TreePath,
    seed: u64,
    security: Vec<u8>,
}

impl<'a> Desk<'a> {
    /// `person` at work below `home`.
    pub fn new(person: &Person, tree: &'a mut TreeSpec, home: TreePath) -> Self {
        let security = Descriptor::of_user(&person.sid).to_bytes();
        Self { tree, home, seed: person.seed, security }
    }

    /// Makes folders; `""` is the home itself.
    pub fn folders(&mut self, names: &[&str]) {
        for name in names {
            let path = self.home.join(name);
            let entry = self.tree.dir(&path);
            entry.security(self.security.clone());
            lived(entry, seed_of(self.seed, &path));
        }
    }

    /// Makes a file.
    pub fn put(&mut self, name: &str, content: Content) -> &mut Entry {
        let path = self.home.join(name);
        let entry = self.tree.file(&path, reseeded(content, seed_of(self.seed, &path)));
        lived(entry, seed_of(self.seed, &path));
        entry.security(self.security.clone())
    }
}

/// Times of the last five years, in the order that life has them.
fn lived(entry: &mut Entry, seed: u64) {
    let mut rng = Rng::new(seed);
    let created = WORKDAY - rng.below(1800 * DAY);
    let modified = created + rng.below(WORKDAY - created);
    let accessed = modified + rng.below(WORKDAY - modified);
    entry.times(created, modified, accessed);
}

/// The same kind of content, other bytes.
fn reseeded(content: Content, by: u64) -> Content {
    match content {
        Content::Noise { seed, len } => Content::Noise { seed: seed ^ by, len },
        Content::Text { seed, len } => Content::Text { seed: seed ^ by, len },
        Content::ConcatenatedFile(parts) => {
            Content::ConcatenatedFile(parts.into_iter().map(|part| reseeded(part, by)).collect())
        }
        other => other,
    }
}

/// An Office document: a zip archive by its first bytes, full of deflated data.
pub fn office(seed: u64, len: u64) -> Content {
    Content::ConcatenatedFile(vec![
        Content::Bytes(b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0".to_vec()),
        Content::noise(seed, len),
    ])
}

/// A photo: a JPEG by its first and last bytes.
pub fn photo(seed: u64, len: u64) -> Content {
    Content::ConcatenatedFile(vec![
        Content::Bytes(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec()),
        Content::noise(seed, len),
        Content::Bytes(b"\xFF\xD9".to_vec()),
    ])
}

/// A PDF: text around compressed objects.
pub fn pdf(seed: u64, len: u64) -> Content {
    Content::ConcatenatedFile(vec![
        Content::Bytes(b"%PDF-1.7\n1 0 obj\n<</Filter/FlateDecode>>stream\n".to_vec()),
        Content::noise(seed, len),
        Content::Bytes(b"\nendstream\nendobj\n%%EOF\n".to_vec()),
    ])
}

/// A mail file: Outlook's magic, then letters and attachments.
pub fn mail(seed: u64, len: u64) -> Content {
    Content::ConcatenatedFile(vec![
        Content::Bytes(b"!BDN".to_vec()),
        Content::text(seed, len / 2),
        Content::noise(seed, len / 4),
        Content::text(seed + 1, len / 4),
    ])
}

/// What a browser notes about a download (MS-FSCC 5.6.1).
pub fn zone(url: &str) -> Content {
    Content::Bytes(format!("[ZoneTransfer]\r\nZoneId=3\r\nHostUrl={url}\r\n").into_bytes())
}

/// A folder's `desktop.ini`: UTF-16 with a byte order mark.
fn desktop_ini(folder: &str) -> Content {
    let text = format!("\u{FEFF}[.ShellClassInfo]\r\nLocalizedResourceName={folder}\r\n");
    Content::Bytes(reparse::utf16(&text))
}

/// A shortcut: the header of MS-SHLLINK 2.1, then the target as text.
fn shortcut(target: &str) -> Content {
    let mut bytes = vec![0; 76];
    bytes[0] = 0x4C;
    bytes[4..20].copy_from_slice(b"\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46");
    bytes.extend(reparse::utf16(target));
    Content::Bytes(bytes)
}
