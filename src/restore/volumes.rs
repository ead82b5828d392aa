//! Finds the volume of this machine that a part of a set belongs to. After a
//! re-image the volume of C: is a new one, and WinPE assigns other letters than
//! Windows: in doubt the user is asked.

use std::path::{Path, PathBuf};

use crate::set::format::rescue::Part;
use crate::tree::Tree;
use crate::tree::host::HostTree;

/// A writable volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volume {
    /// Its root on this machine.
    pub root: PathBuf,
    /// Its current letter (Windows).
    pub letter: Option<char>,
    /// Its label; empty if it has none or it is unknown.
    pub label: String,
    /// The NTFS serial number.
    pub serial: Option<u64>,
    /// Whether it is NTFS, with all metadata.
    pub is_ntfs: bool,
    /// Whether it has an installed Windows.
    pub has_windows: bool,
}

impl Volume {
    /// For people: `D:\ "Data", NTFS`.
    pub fn describe(&self) -> String {
        let label = match self.label.as_str() {
            "" => String::new(),
            label => format!(" \"{label}\""),
        };
        let kind = if self.is_ntfs { "NTFS" } else { "not NTFS" };
        let windows = if self.has_windows { ", with Windows" } else { "" };
        format!("{}{label}, {kind}{windows}", self.root.display())
    }
}

/// The volume of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fit {
    /// This volume (by index), and the reason.
    Sure(usize, &'static str),
    /// Perhaps one of these.
    Unsure(Vec<usize>),
}

/// The volumes that a store can be restored to: on Windows those with a letter, on
/// Linux the NTFS volumes that ntfs-3g has mounted for writing.
pub fn attached() -> Vec<Volume> {
    roots().into_iter().filter_map(look_at).collect()
}

#[cfg(windows)]
fn roots() -> Vec<(PathBuf, Option<char>)> {
    // A store must not go to the RAM disk of WinPE.
    let own = std::env::var("SystemDrive").unwrap_or_default().to_ascii_uppercase();
    let variable = |name: &str| std::env::var_os(name);
    let is_pe = super::loadstate::is_windows_pe(&super::loadstate::Around {
        variable: &variable,
        program: None,
    });
    ('C'..='Z')
        .filter(|letter| !(is_pe && own.starts_with(*letter)))
        .map(|letter| (PathBuf::from(format!("{letter}:\\")), Some(letter)))
        .filter(|(root, _)| root.is_dir())
        .collect()
}

#[cfg(target_os = "linux")]
fn roots() -> Vec<(PathBuf, Option<char>)> {
    let points = crate::tree::host::linux::writable_ntfs_mounts();
    points.into_iter().map(|point| (point, None)).collect()
}

fn look_at((root, letter): (PathBuf, Option<char>)) -> Option<Volume> {
    let tree = HostTree::open(&root).ok()?;
    let info = tree.info();
    let is_ntfs = info.file_system == "NTFS";
    if letter.is_none() && !is_ntfs {
        return None;
    }
    let has_windows = root.join(Path::new("Windows/System32/config/SYSTEM")).is_file();
    Some(Volume {
        letter,
        label: info.label.clone(),
        serial: info.serial,
        is_ntfs,
        has_windows,
        root,
    })
}

/// Finds the volume of a part. `is_full_windows`: the letters are those that
/// `loadstate` will see, so they take precedence.
pub fn fit(part: &Part, volumes: &[Volume], is_full_windows: bool) -> Fit {
    let letter = match part.drive.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(char::from(letter.to_ascii_uppercase())),
        _ => None,
    };
    let serial = part.volume_serial.as_deref().and_then(|s| u64::from_str_radix(s, 16).ok());
    let those = |is_it: &dyn Fn(&Volume) -> bool| -> Vec<usize> {
        (0..volumes.len()).filter(|&n| is_it(&volumes[n])).collect()
    };
    let by_serial = those(&|v| serial.is_some() && v.serial == serial);
    let by_letter = those(&|v| is_full_windows && letter.is_some() && v.letter == letter);
    match (by_letter.as_slice(), by_serial.as_slice()) {
        ([one], []) => return Fit::Sure(*one, "it has the same drive letter"),
        ([one], [same]) if one == same => {
            return Fit::Sure(*one, "it has the same serial number and drive letter");
        }
        ([one], more) => return Fit::Unsure([&[*one], more].concat()),
        ([], [one]) if !is_full_windows || letter.is_none() => {
            return Fit::Sure(*one, "it has the same serial number");
        }
        // loadstate will look for the letter, so the user must decide.
        ([], more @ [_, ..]) => return Fit::Unsure(more.to_vec()),
        _ => {}
    }
    if !is_full_windows {
        let windows = those(&|v| letter == Some('C') && v.has_windows && v.is_ntfs);
        if let [one] = windows.as_slice() {
            return Fit::Sure(*one, "the new Windows is on it, so it will be C:");
        }
        let label = part.volume_label.as_str();
        let by_label = those(&|v| windows.is_empty() && !label.is_empty() && v.label == label);
        if let [one] = by_label.as_slice() {
            return Fit::Sure(*one, "it has the same label");
        }
    }
    Fit::Unsure(those(&|v| v.is_ntfs || part.file_system != "NTFS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(letter: char, label: &str, serial: u64, has_windows: bool) -> Volume {
        Volume {
            root: PathBuf::from(format!("{letter}:\\")),
            letter: Some(letter),
            label: label.to_owned(),
            serial: Some(serial),
            is_ntfs: true,
            has_windows,
        }
    }

    fn part(drive: &str, label: &str, serial: u64) -> Part {
        Part {
            drive: drive.to_owned(),
            drive_from: String::new(),
            path: "StateStore".to_owned(),
            role: crate::usmt::Role::Whole.into(),
            volume_serial: Some(format!("{serial:016x}")),
            skipped: Vec::new(),
            volume_label: label.to_owned(),
            file_system: "NTFS".to_owned(),
            via: "raw".to_owned(),
            user: None,
        }
    }

    #[test]
    fn in_windows_pe_letters_say_nothing() {
        // The system is E: there, the data disk has taken C:.
        let volumes = [
            volume('C', "Data", 0xD, false),
            volume('E', "New", 0x9, true),
            volume('F', "", 7, false),
        ];
        let fit = |part: &Part| fit(part, &volumes, false);
        assert!(matches!(fit(&part("D", "Data", 0xD)), Fit::Sure(0, _)), "by serial number");
        assert!(matches!(fit(&part("D", "Data", 0xBAD)), Fit::Sure(0, _)), "by label");
        assert!(matches!(fit(&part("C", "Windows", 0xC)), Fit::Sure(1, _)), "by its Windows");
        assert_eq!(fit(&part("D", "", 0xBAD)), Fit::Unsure(vec![0, 1, 2]));
        assert_eq!(fit(&part("D", "Gone", 0xBAD)), Fit::Unsure(vec![0, 1, 2]));
        let twins = [volume('C', "x", 1, true), volume('D', "x", 2, true)];
        let unsure = super::fit(&part("C", "x", 3), &twins, false);
        assert_eq!(unsure, Fit::Unsure(vec![0, 1]), "two Windows, two of that label");
    }

    #[test]
    fn in_full_windows_the_letter_counts() {
        let volumes = [volume('C', "New", 0x9, true), volume('D', "Data", 0xD, false)];
        let fit = |part: &Part| fit(part, &volumes, true);
        assert!(matches!(fit(&part("C", "Old", 0xC)), Fit::Sure(0, _)));
        assert!(matches!(fit(&part("D", "Data", 0xD)), Fit::Sure(1, _)));
        // The letter is on one volume, the store came from another.
        assert_eq!(fit(&part("C", "Data", 0xD)), Fit::Unsure(vec![0, 1]));
        // Its volume has another letter now: loadstate would not find it.
        assert_eq!(fit(&part("E", "Data", 0xD)), Fit::Unsure(vec![1]));
        assert_eq!(fit(&part("E", "", 0xBAD)), Fit::Unsure(vec![0, 1]));
        assert!(matches!(fit(&part("volume-d", "", 0xD)), Fit::Sure(1, _)));
    }
}
