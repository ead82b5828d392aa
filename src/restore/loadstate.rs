//! The command that puts a restored store back into Windows, and what its
//! return codes mean. Sources: Microsoft's documentation of USMT ("LoadState
//! syntax", "Return codes", "Hard-link migration store"), except where a line
//! says that it is not sure.

use crate::archive::rescue::Rescue;

/// A way to restore, best first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// When and why, in one line.
    pub when: String,
    /// What to do before the command; one line each.
    pub before: Vec<String>,
    /// The command, to be run in full Windows, elevated.
    pub command: String,
    /// Whether Microsoft documents it for such a store.
    pub is_documented: bool,
}

/// What every command here needs.
pub const NEEDS: &str = "Run it in full Windows (loadstate refuses to run in WinPE), elevated, \
     with the same /i: files as at capture.";

/// The part of the commands that is always the same.
const COMMON: &str =
    "/i:migdocs.xml /i:migapp.xml /c /lac /v:5 /l:C:\\Windows\\Temp\\loadstate.log";

/// The ways to restore a set's store, best first; none for a folder that is no
/// store.
pub fn ways(rescue: &Rescue) -> Vec<Way> {
    let primary = rescue
        .parts
        .iter()
        .find(|p| p.role != "secondary")
        .or(rescue.parts.first())
        .map(|p| (p.drive.as_str(), p.path.replace('/', "\\")));
    let Some((drive, path)) = primary else { return Vec::new() };
    let is_letter = matches!(drive.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z']);
    let drive = if is_letter { drive } else { "X" };
    let store = written(&format!("{drive}:\\{path}"));
    let mut ways = match rescue.kind.as_str() {
        "hard-link" => hard_link(rescue, &store),
        "uncompressed" => vec![Way {
            when: "From a local disk or a share, wherever the store lies.".to_owned(),
            before: Vec::new(),
            command: format!("loadstate {store} /nocompress {COMMON}"),
            is_documented: true,
        }],
        "compressed" => vec![Way {
            when: "From a local disk or a share, wherever the store lies.".to_owned(),
            before: vec![
                "If it was captured with /encrypt, add /decrypt and the same /key: or /keyfile: \
                 (the key is never in the store)."
                    .to_owned(),
            ],
            command: format!("loadstate {store} {COMMON}"),
            is_documented: true,
        }],
        _ => Vec::new(),
    };
    if !is_letter {
        for way in &mut ways {
            way.before.insert(
                0,
                "The drive letter it had is not known: put the right one for X.".to_owned(),
            );
        }
    }
    ways
}

fn hard_link(rescue: &Rescue, store: &str) -> Vec<Way> {
    let places: Vec<String> = rescue
        .parts
        .iter()
        .map(|p| format!("{}:\\{}", p.drive, p.path.replace('/', "\\")))
        .collect();
    let mut ways = vec![Way {
        when: "With every part back at its original drive and path, on fixed NTFS disks."
            .to_owned(),
        before: vec![format!("The parts belong at: {}.", places.join(", "))],
        command: format!("loadstate {store} /hardlink /nocompress {COMMON}"),
        is_documented: true,
    }];
    // A copy is said to be "as in a non-compressed migration-store scenario",
    // but loadstate also knows the words "Cannot open a hardlink store as a
    // regular store": nobody can say from here.
    if rescue.parts.len() == 1 {
        ways.push(Way {
            when: "If that fails, or the store cannot go back to its place. UNTESTED.".to_owned(),
            before: vec![
                "Work on a copy of the restored store, and delete hardlink.main in that copy."
                    .to_owned(),
            ],
            command: format!("loadstate {store} /nocompress {COMMON}"),
            is_documented: false,
        });
    }
    ways
}

/// A path as it must stand on a command line. A set can hold any text in its
/// place, and this is copied and run: only harmless characters get there.
fn written(path: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b" ._-\\:$~".contains(&b);
    if !path.bytes().all(is_plain) {
        return "<the folder that holds USMT>".to_owned();
    }
    let path = match path.trim_end_matches('\\') {
        drive if drive.len() == 2 => path, // `C:` alone would be another folder
        shorter => shorter,
    };
    if path.contains(' ') { format!("\"{path}\"") } else { path.to_owned() }
}

/// What a return code of `loadstate` means, and what to do.
pub fn return_code(code: i32) -> Option<&'static str> {
    Some(match code {
        0 => "Everything was restored.",
        3 => "Restored, but some errors were passed over because of /c: the log names them.",
        11 => "A parameter is wrong: check the command line.",
        12 => "The store's path is longer than 256 characters: move the store nearer to the root.",
        14 => "A local account would have to be made: add /lac.",
        26 => "It could not start: look at the log; run it elevated, from its own folder.",
        27 => {
            "The store is missing, not whole, not recognised, or not for this version: give the \
             folder that holds USMT, and check /nocompress and /hardlink against the kind of store."
        }
        34 => "Not enough rights: run it elevated.",
        35 => "The store is locked: end other runs of USMT, or restart.",
        36 => "It does not run on this system: start full Windows, not WinPE.",
        37 => "The key for the encrypted store is missing or wrong.",
        38 => {
            "The store cannot be opened: for a hard-link store, are all parts at their original \
             drives and paths?"
        }
        42 => "Files in the store are damaged.",
        61 => "Reading or writing failed: check disk or network, then run it again.",
        71 => "The environment is not fit for it: look at the log.",
        72 => "Gathering or applying failed: look at the log.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::rescue::{EndState, Options, Part, What};

    fn set(kind: &str, parts: &[(&str, &str, &str)]) -> Rescue {
        let part = |&(drive, path, role): &(&str, &str, &str)| Part {
            drive: drive.to_owned(),
            drive_from: String::new(),
            path: path.to_owned(),
            role: role.to_owned(),
            volume_serial: None,
            volume_label: String::new(),
            file_system: "NTFS".to_owned(),
            via: "raw".to_owned(),
        };
        Rescue {
            format: 1,
            program: String::new(),
            set: "00000000".to_owned(),
            created: String::new(),
            machine: crate::archive::rescue::Machine::default(),
            what: What::Store,
            kind: kind.to_owned(),
            parts: parts.iter().map(part).collect(),
            totals: crate::archive::manifest::Totals::default(),
            end_state: EndState::Saved,
            options: Options { level: 3, frame_bytes: 1, split: None, read_back: true },
            plan: String::new(),
            seal: None,
            files: Vec::new(),
        }
    }

    #[test]
    fn each_kind_of_store_has_its_command() {
        let hard = ways(&set("hard-link", &[("C", "StateStore", "whole")]));
        assert!(hard[0].command.starts_with("loadstate C:\\StateStore /hardlink /nocompress /i:"));
        assert!(hard[0].is_documented && !hard[1].is_documented);
        assert!(hard[1].command.starts_with("loadstate C:\\StateStore /nocompress /i:"));

        let two = [("D", "USMTMIG", "secondary"), ("C", "USMTMIG", "primary")];
        let two = ways(&set("hard-link", &two));
        assert_eq!(two.len(), 1, "a copy as a regular store loses the other parts");
        assert!(two[0].command.starts_with("loadstate C:\\USMTMIG /hardlink"));
        assert!(two[0].before[0].contains("D:\\USMTMIG, C:\\USMTMIG"));

        let plain = ways(&set("uncompressed", &[("D", "My Stores/a", "whole")]));
        assert!(plain[0].command.starts_with("loadstate \"D:\\My Stores\\a\" /nocompress /i:"));
        let packed = ways(&set("compressed", &[("volume-1234", "s", "whole")]));
        assert!(packed[0].command.starts_with("loadstate X:\\s /i:"));
        assert!(packed[0].before[0].contains("drive letter"));
        let hostile = ways(&set("uncompressed", &[("C", "a & del /q \"x", "whole")]));
        assert!(
            hostile[0].command.starts_with("loadstate <the folder that holds USMT> /nocompress")
        );
        let whole = ways(&set("uncompressed", &[("E", "", "whole")]));
        assert!(whole[0].command.starts_with("loadstate E:\\ /nocompress"));
        assert_eq!(ways(&set("folder", &[("C", "Users", "folder")])), []);
        assert_eq!(ways(&set("hard-link", &[])), []);
    }

    #[test]
    fn codes_are_translated() {
        assert!(return_code(38).unwrap().contains("hard-link"));
        assert!(return_code(4711).is_none());
    }
}
