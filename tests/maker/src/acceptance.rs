//! The set that a rescue must bring back byte for byte: 1,000 files of the sizes
//! where things go wrong, with the names where things go wrong, in a hard-link
//! store. 70 MB, so it is made when needed and not committed.

use crate::content::Content;
use crate::disk::DiskSpec;
use crate::fixtures::{ExpectedPart, ExpectedStore, Fixture};
use crate::path::TreePath;
use crate::people::{Desk, Person};
use crate::store::{self, Capture, StoreKind};
use crate::volume::VolumeSpec;
use crate::wipe::wipe;

const FILES: u64 = 1000;
/// Bytes; every ninth file has each.
const SIZES: [u64; 9] = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_536];
/// Bytes of the three largest files.
const LARGE: u64 = 20_000_000;

/// The disk with the set.
pub fn acceptance() -> Fixture {
    let mut volume = VolumeSpec::new("Windows", 128 * 1024 * 1024);
    let tree = &mut volume.tree;
    let person = Person::new("alice", 1104, 1000);
    let mut desk = Desk::new(&person, tree, person.home());
    desk.folders(&["", "Documents", "Documents/an empty folder", "Pictures"]);
    for number in 0..FILES {
        let len = match number {
            100 | 500 | 900 => LARGE,
            _ => SIZES[usize::try_from(number % 9).unwrap_or(0)],
        };
        let content =
            if number % 2 == 0 { Content::text(number, len) } else { Content::noise(number, len) };
        desk.put(&name(number), content);
    }
    let usmt = TreePath::from("StateStore/USMT");
    store::capture(tree, &usmt, 'C', &[person.home()], Capture::Link);
    store::markers(tree, &usmt, 1000, true);
    store::hardlink_main(tree, &usmt, &[('C', store::guid(1000))]);
    wipe(tree, &["StateStore".into()]);
    Fixture {
        name: "acceptance",
        about: "a hard-link store of 1,000 files: sizes from 0 to 20 MB, names of every kind",
        disk: DiskSpec::bare(volume),
        stores: vec![ExpectedStore::whole(
            StoreKind::HardLink,
            vec![ExpectedPart::primary(0, 'C', &usmt)],
        )],
    }
}

/// A path in the profile. Ten kinds of names, prime to the nine sizes.
fn name(number: u64) -> String {
    /// As many UTF-16 units as NTFS allows, `fill` after the number.
    fn full(number: u64, fill: &str) -> String {
        let head = format!("{number:04} ");
        let units = fill.encode_utf16().count();
        head + &fill.repeat((255 - 5) / units)
    }
    match number % 10 {
        0 => format!("Documents/{}", full(number, "n")),
        1 => format!("Documents/{}", full(number, "🎉")), // 1,005 bytes in UTF-8
        2 => format!("Documents/{number:04} ends with dots..."),
        3 => format!("Documents/{number:04} ends with spaces  "),
        4 => format!("Pictures/{number:04} 🎂 party 👩‍👩‍👧.jpg"),
        5 => {
            // 9 levels of 40 characters: beyond the 260 of MAX_PATH.
            let deep = "a folder with a name of forty characters/".repeat(9);
            format!("Documents/{deep}{number:04}.txt")
        }
        6 => format!("Documents/旅行/{number:04} の予定.docx"),
        7 => format!("Documents/dir ends with a dot./{number:04}.bin"),
        8 => format!("Pictures/{:02}/IMG_{number:04}.JPG", number / 100),
        _ => format!("Documents/Report {number:04}.xlsx"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Kind;

    #[test]
    fn it_is_what_was_asked_for() {
        let made = acceptance();
        let expected = made.expected();
        let files: Vec<_> = expected
            .files
            .iter()
            .filter(|f| !f.is_dir && f.path.to_string().contains("File/C$/"))
            .collect();
        assert_eq!(files.len(), 1000);
        for size in SIZES.into_iter().chain([LARGE]) {
            assert!(files.iter().filter(|f| f.size == size).count() >= 3, "{size}");
        }
        let units = |name: &[u8]| String::from_utf8_lossy(name).encode_utf16().count();
        assert!(files.iter().filter(|f| units(f.path.file_name()) == 255).count() >= 200);
        assert!(files.iter().any(|f| units(f.path.as_bytes()) > 260));
        let (_, volume) = made.disk.volumes().next().unwrap();
        assert!(volume.tree.survivors().any(|e| matches!(e.kind, Kind::Link(_))));
    }
}
