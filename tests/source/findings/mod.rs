//! Every finding about a store: an image that shows it, and a sound one of the
//! same kind that does not. The images are real NTFS volumes.
#![cfg(target_os = "linux")]

mod made;
mod named;
mod page;

use lifeboat::health::Level;
use lifeboat::health::codes::{STORE, When};
use lifeboat::model::finding::Severity;
use lifeboat_maker::content::Content;
use lifeboat_maker::store::{Capture, capture, guid, hardlink_distributed};
use made::{
    compressed, container, container_of, empty, fixture, hard_link, log, one, person, put,
    uncompressed,
};
use support::need;

/// One test a code. `$level` is how closely to look; a code that metadata alone
/// shows has to be shown by it.
macro_rules! shows {
    ($($name:ident: $code:literal, $level:ident, $sound:expr, $made:expr;)*) => {
        $(
            #[test]
            fn $name() {
                need!("fuse");
                let level = Level::$level;
                let found = $made.findings(level);
                let shown = found.iter().find(|f| f.code == $code);
                let shown = shown.unwrap_or_else(|| panic!("{} is not among {found:#?}", $code));
                assert!(shown.what.is_ascii() || !shown.path.is_ascii(), "{shown:?}");
                let sound = $sound.findings(level);
                assert!(sound.iter().all(|f| f.code != $code), "a sound store shows {}", $code);
            }
        )*
        const SHOWN: &[(&str, Level)] = &[$(($code, Level::$level)),*];
    };
}

const USMT: &str = "StateStore/USMT";

shows! {
    an_estimate: "estimate-only", Quick, hard_link(), one(|tree| {
        tree.bytes("Estimate/USMT/USMTSIZE.TXT", "1234\r\n");
    });
    secondaries_alone: "primary-missing", Quick, hard_link(), one(|tree| {
        person().small_projects(tree, "Projects");
        capture(tree, &USMT.into(), 'D', &["Projects".into()], Capture::Link);
        hardlink_distributed(tree, &USMT.into(), &guid(2));
    });
    a_primary_without_its_secondary: "secondary-missing", Quick, made::two("StateStore/USMT", 2),
        hard_link().with(|tree| {
            let lines = format!("C\t{}\r\nD\t{}\r\n", guid(1), guid(2));
            put(tree, "StateStore/USMT/hardlink.main", lines);
        });
    a_secondary_at_another_path: "secondary-misplaced", Quick, made::two("StateStore/USMT", 2),
        made::two("Moved/USMT", 2);
    a_secondary_of_another_capture: "secondary-foreign", Quick, made::two("StateStore/USMT", 2),
        made::two_with("StateStore/USMT", 3, 'E');
    a_secondary_with_another_guid: "secondary-guid-differs", Quick, made::two("StateStore/USMT", 2),
        made::two("StateStore/USMT", 3);
    a_list_of_parts_that_says_nothing: "hardlink-main-unreadable", Quick, hard_link(),
        hard_link().with(|tree| put(tree, "StateStore/USMT/hardlink.main", ""));
    parts_that_may_be_on_locked_volumes: "parts-unknown", Quick,
        hard_link().beside_a_closed_volume(),
        hard_link().with(|tree| put(tree, "StateStore/USMT/hardlink.main", "")).beside_a_closed_volume();
    a_part_of_no_known_drive: "drive-unknown", Quick, hard_link(), hard_link().with(|tree| {
        tree.bytes("StateStore/USMT/File/D$/a.txt", "two drives: neither tells");
    });
    a_store_path_over_256: "store-path-long", Quick, hard_link(), one(|tree| {
        let long = ["a folder of some sixty characters, as nobody would ever name it"; 5].join("/");
        made::store_in(tree, &format!("{long}/USMT"));
    });
    no_catalog: "catalog-missing", Quick, hard_link(), hard_link().without("catalog.mig");
    an_empty_catalog: "catalog-empty", Quick, hard_link(), hard_link().emptied("catalog.mig");
    no_migstate: "migstate-missing", Quick, uncompressed(), uncompressed().without("MIGSTATE.DAT");
    an_empty_migstate: "migstate-empty", Quick, hard_link(), hard_link().emptied("MIGSTATE.DAT");
    no_closing_marker: "status-missing", Quick, hard_link(), hard_link().without("status.~lg");
    a_closing_marker_with_bytes: "status-not-empty", Quick, hard_link(),
        hard_link().with(|tree| put(tree, "StateStore/USMT/status.~lg", "x"));
    no_file_folder: "file-folder-missing", Quick, hard_link(), empty();
    a_store_has_no_users: "no-users", Quick, uncompressed(), one(|tree| {
        tree.bytes("Data/plan.txt", "nobody's");
        capture(tree, &USMT.into(), 'C', &["Data".into()], Capture::Copy);
        lifeboat_maker::store::markers(tree, &USMT.into(), 1, true);
    });
    a_container_has_no_users: "no-users", Quick, compressed(), container_of(
        &["File\\C:\\Data\\plan.txt", "File\\C:\\Users\\desktop.ini", "File\\C:\\Users\\Public\\a.txt"],
        false,
        |bytes| bytes,
    );
    a_container_has_nothing_in_it: "no-users", Quick, compressed(), container_of(&[], false, |bytes| bytes);
    a_file_whose_data_is_not_found: "unreadable", Full, hard_link(), hard_link().patched(
        "StateStore/USMT/File/C$/Users/heidi/Documents/Readme.txt",
        // The attribute with the data gets a type that nobody knows.
        |record| made::attribute(record, 0x80)[..4].copy_from_slice(&0xD0_u32.to_le_bytes()),
    );
    a_torn_record: "record-damaged", Quick, hard_link(), hard_link().torn(
        "StateStore/USMT/File/C$/Users/heidi/Documents/Readme.txt",
    );
    a_size_without_its_clusters: "size-contradicts", Quick, hard_link(), hard_link().patched(
        "StateStore/USMT/File/C$/Users/heidi/Documents/Plans/floor 1.dwg",
        |record| made::attribute(record, 0x80)[0x30..0x38].copy_from_slice(&9_000_000_u64.to_le_bytes()),
    );
    files_that_the_wipe_got: "deleted-files", Quick, hard_link(), hard_link().with(|tree| {
        tree.remove(&"StateStore/USMT/File/C$/Users/heidi/Documents/Readme.txt".into());
    });
    encrypted_files: "encrypted-files", Quick, hard_link(), fixture("facts");
    an_encrypted_file_without_its_keys: "encrypted-lost", Quick, fixture("facts"),
        fixture("facts").patched(
            "StateStore/USMT/File/C$/Users/judy/encrypted/secret.docx",
            |record| made::replace(record, &made::utf16("$EFS"), &made::utf16("$EFX")),
        );
    placeholders: "not-here", Quick, hard_link(), fixture("facts");
    reparse_points: "reparse-points", Quick, hard_link(), fixture("facts");
    names_that_win32_refuses: "names-refused", Quick, hard_link(), fixture("facts");
    long_paths: "paths-long", Quick, hard_link(), fixture("facts");
    a_store_younger_than_its_log: "store-newer-than-logs", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-01", true, ""));
    a_store_older_than_its_log: "store-older-than-logs", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-30", true, ""));
    a_capture_without_an_end: "capture-unfinished", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", false, ""));
    a_capture_that_failed: "capture-failed", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", true, "Unable to Complete Migration. MigDoMigration Failed= 0x4"));
    a_capture_that_says_failed_and_completed: "capture-failed", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", true, "Failed.[gle=0x00000002]"));
    a_capture_that_ignored_errors: "capture-errors", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", true, "Success, 2 errors ignored. See the log for more information.[gle=0x00000091]"));
    a_capture_that_ignored_a_profile: "capture-profiles", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", true, "[0x0803ba] User SID: S-1-5-21-1-2-3-1640"));
    a_capture_whose_log_lost_lines: "capture-log-damaged", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", true, &"\0".repeat(512)));
    a_capture_that_was_repeated: "capture-repeated", Quick, hard_link().with(log("2023-11-14", true, "")),
        hard_link().with(log("2023-11-14", true, "Failed.\r\nUSMT Started at 2023/11/14:09:24:30.000\r\nCommand line: scanstate.exe C:\\StateStore /c"));
    a_store_with_a_password: "store-encrypted", Quick, compressed(), container(true, |bytes| bytes);
    pieces_without_the_first: "container-missing", Quick, compressed(), one(|tree| {
        tree.bytes("StateStore/USMT/USMT.MIG01", "1giM");
    });
    an_empty_container: "container-empty", Quick, compressed(), container(false, |_| Vec::new());
    a_piece_is_missing: "container-piece-missing", Quick, compressed(), compressed().with(|tree| {
        tree.bytes("StateStore/USMT/USMT.MIG02", "x");
    });
    a_container_that_cannot_be_opened: "container-unreadable", Quick, compressed(),
        compressed()
            .with(|tree| {
                tree.bytes("StateStore/USMT/USMT.MIG01", "a second piece");
            })
            .patched("StateStore/USMT/USMT.MIG01", |record| {
                made::attribute(record, 0x80)[..4].copy_from_slice(&0xD0_u32.to_le_bytes());
            });
    no_container_at_all: "container-unknown", Quick, compressed(),
        container(false, |bytes| bytes.iter().map(|b| b ^ 0xFF).collect());
    a_container_cut_short: "container-damaged", Quick, compressed(),
        container(false, |mut bytes| { bytes.truncate(bytes.len() - 9); bytes });
    a_container_without_its_catalog: "container-no-catalog", Quick, compressed(),
        container(false, |mut bytes| {
            made::replace(&mut bytes, &made::utf16("CATALOG.IMG"), &made::utf16("CATALOG.XXX"));
            bytes
        });
    a_sound_container: "container-sound", Quick, container(false, |_| Vec::new()), compressed();
    bad_sectors: "hole", Full, hard_link(),
        hard_link().with_bad_sectors("StateStore/USMT/File/C$/Users/heidi/Documents/Plans/floor 1.dwg");
    a_catalog_of_zeros: "marker-zeros", Quick, hard_link(), hard_link().with(|tree| {
        put(tree, "StateStore/USMT/catalog.mig", [0; 5000]);
    });
    an_owner_that_is_not_found: "facts-lost", Full, hard_link(), hard_link().patched(
        "StateStore/USMT/File/C$/Users/heidi/Documents/Readme.txt",
        // The number of its security descriptor (MS-FSCC; Linux-NTFS).
        |record| made::value(record, 0x10)[0x34..0x38].copy_from_slice(&0x7777_u32.to_le_bytes()),
    );
}

/// A code that nothing shows is a promise that nobody keeps.
#[test]
fn every_code_about_stores_is_shown_by_a_test() {
    for code in STORE {
        let shown = SHOWN.iter().find(|(name, _)| *name == code.name);
        match (code.when, shown.map(|(_, level)| *level)) {
            // Shown by tests/windows/usmtutils.rs: it takes the Windows program.
            (When::Usmtutils, None)
            | (When::Full, Some(Level::Full))
            | (When::Quick, Some(Level::Quick)) => {}
            (When::Quick, Some(Level::Full)) if code.name == "unreadable" => {}
            other => panic!("{}: {other:?}", code.name),
        }
    }
    assert!(SHOWN.iter().all(|(name, _)| STORE.iter().any(|code| code.name == *name)));
}

/// Whose files are in a container nobody can say whose names are of another kind
/// than is known, or who has not seen all of them.
#[test]
fn a_container_whose_names_are_not_paths_is_not_reported_as_without_users() {
    need!("fuse");
    let found = container_of(&["0001", "0002"], false, |bytes| bytes).findings(Level::Quick);
    assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), ["container-sound"]);
    assert!(found[0].what.contains("names do not show whether users"), "{found:?}");
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() - 9);
        bytes
    };
    let found = container_of(&["File\\C:\\Data\\plan.txt"], false, cut).findings(Level::Quick);
    assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), ["container-damaged"]);
    let no_catalog = |mut bytes: Vec<u8>| {
        made::replace(&mut bytes, &made::utf16("CATALOG.IMG"), &made::utf16("CATALOG.XXX"));
        bytes
    };
    let found = container_of(&[r"File\C:\Data\plan.txt"], false, no_catalog).findings(Level::Quick);
    assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), ["container-no-catalog"]);
    let known = compressed().findings(Level::Quick);
    assert!(known.iter().all(|f| !f.what.contains("do not show")), "{known:?}");
}

/// A flipped bit in a payload is seen where the payloads are unpacked.
#[test]
fn damaged_data_in_a_container_is_seen_by_reading_it() {
    need!("fuse");
    let flipped = || {
        container(false, |mut bytes| {
            let at = bytes.windows(2).position(|w| w == [0x78, 0x9C]).unwrap();
            bytes[at + 20] ^= 0x10;
            bytes
        })
    };
    let codes = |level| flipped().findings(level).iter().map(|f| f.code).collect::<Vec<_>>();
    assert!(codes(Level::Full).contains(&"container-damaged"));
    assert!(!codes(Level::Full).contains(&"container-sound"));
    assert!(codes(Level::Quick).contains(&"container-sound"), "quick says what it did not check");
}

/// Sound stores of every kind are sound at both levels.
#[test]
fn sound_stores_have_nothing_worse_than_remarks() {
    need!("fuse");
    for (kind, sound) in [
        ("hard link", hard_link()),
        ("two parts", made::two("StateStore/USMT", 2)),
        ("uncompressed", uncompressed()),
        ("compressed", compressed()),
    ] {
        for level in [Level::Quick, Level::Full] {
            let found = sound.findings(level);
            assert!(found.iter().all(|f| f.severity == Severity::Info), "{kind}: {found:#?}");
        }
    }
}

/// What may be about very many files is bounded, and counts what it leaves out.
#[test]
fn findings_of_one_code_are_bounded_and_counted() {
    need!("fuse");
    let made = hard_link().with(|tree| {
        for number in 0..1200 {
            let path = format!("{USMT}/File/C$/Users/heidi/gone/{number}");
            tree.file(path, Content::empty());
        }
        tree.remove(&format!("{USMT}/File/C$/Users/heidi/gone").into());
    });
    let found = made.findings(Level::Quick);
    let deleted: Vec<_> = found.iter().filter(|f| f.code == "deleted-files").collect();
    assert_eq!(deleted.len(), 1001);
    assert_eq!(deleted.last().unwrap().what, "200 more of this kind");
}
