//! Chooses the volumes for the parts of a set: `restore --in-place`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::Out;
use crate::model::monitor::Monitor;
use crate::model::text::visible;
use crate::restore::Destinations;
use crate::restore::loadstate::{Around, is_windows_pe};
use crate::restore::volumes::{Fit, Volume, attached, fit};
use crate::set::format::rescue::{Part, Rescue};

/// Finds a root for each drive of the set; uses those in `named`.
pub(crate) fn find(rescue: &Rescue, named: Option<Destinations>, out: Out) -> Result<Destinations> {
    let mut roots = match named {
        None => BTreeMap::new(),
        Some(Destinations::Drives(roots)) => roots,
        Some(_) => {
            return Err(Failure::new(
                Exit::Usage,
                "--in-place and --to DIR cannot be combined",
                "Leave one out. --to C=ROOT gives the root of one drive.",
            )
            .into());
        }
    };
    let variable = |name: &str| std::env::var_os(name);
    let is_pe = is_windows_pe(&Around { variable: &variable, program: None });
    let volumes = attached();
    let mut unsure = Vec::new();
    for part in &rescue.parts {
        if roots.keys().any(|drive| drive.eq_ignore_ascii_case(&part.drive)) {
            continue;
        }
        // Each volume takes one part only.
        let free: Vec<Volume> = volumes
            .iter()
            .filter(|volume| !roots.values().any(|root| *root == volume.root))
            .cloned()
            .collect();
        let root = match fit(part, &free, cfg!(windows) && !is_pe) {
            Fit::Sure(number, why) => {
                say(part, &free[number], why, out);
                Some(free[number].root.clone())
            }
            Fit::Unsure(among) => {
                let among: Vec<&Volume> = among.iter().map(|number| &free[*number]).collect();
                ask(part, &among, out)
            }
        };
        match root {
            Some(root) => drop(roots.insert(part.drive.clone(), root)),
            None => unsure.push(part),
        }
    }
    if unsure.is_empty() { Ok(Destinations::Drives(roots)) } else { Err(refuse(&unsure, &volumes)) }
}

fn say(part: &Part, volume: &Volume, why: &str, out: Out) {
    out.event(
        "place",
        &json!({"drive": part.drive, "root": volume.root.display().to_string(), "why": why}),
    );
    out.say(&format!("The {}: part goes to {}: {why}", part.drive, volume.describe()));
}

/// Asks on a terminal; `None` without one, or without an answer.
fn ask(part: &Part, among: &[&Volume], out: Out) -> Option<PathBuf> {
    let is_asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !is_asked || among.is_empty() || out.is_cancelled() {
        return None;
    }
    out.clear();
    let mut to = std::io::stderr();
    let number = choose(part, among, &mut std::io::stdin().lock(), &mut to)?;
    let volume = among.get(number)?;
    say(part, volume, "your choice", out);
    Some(volume.root.clone())
}

fn choose(
    part: &Part,
    among: &[&Volume],
    from: &mut dyn BufRead,
    to: &mut dyn Write,
) -> Option<usize> {
    let label = match part.volume_label.as_str() {
        "" => String::new(),
        label => format!(" (label \"{label}\")"),
    };
    writeln!(to, "Which volume is drive {}:{}?", visible(&part.drive), visible(&label)).ok()?;
    for (number, volume) in among.iter().enumerate() {
        writeln!(to, "  {}  {}", number + 1, visible(&volume.describe())).ok()?;
    }
    for _ in 0..3 {
        write!(to, "Number, or Enter to stop: ").and_then(|()| to.flush()).ok()?;
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        match line.trim() {
            "" => return None,
            text => match text.parse::<usize>() {
                Ok(number) if (1..=among.len()).contains(&number) => return Some(number - 1),
                _ => writeln!(to, "That is not a number in the list.").ok()?,
            },
        }
    }
    None
}

fn refuse(unsure: &[&Part], volumes: &[Volume]) -> anyhow::Error {
    // A set of users' folders has several parts of one drive.
    let unsure: BTreeSet<&str> = unsure.iter().map(|part| part.drive.as_str()).collect();
    let drives: Vec<String> = unsure.iter().map(|drive| format!("{drive}:")).collect();
    let options: Vec<String> = unsure.iter().map(|drive| format!("--to {drive}=ROOT")).collect();
    let there: Vec<String> = volumes.iter().map(Volume::describe).collect();
    let there = if there.is_empty() {
        "No volume is mounted for writing (on Linux: with ntfs-3g).".to_owned()
    } else {
        format!("Volumes: {}.", there.join("; "))
    };
    Failure::new(
        Exit::Usage,
        format!("--in-place: cannot tell which volume is {}", drives.join(", ")),
        format!("Use {}. {there}", options.join(" ")),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(root: &str) -> Volume {
        Volume {
            root: root.into(),
            letter: None,
            label: "Data".to_owned(),
            serial: None,
            is_ntfs: true,
            has_windows: false,
        }
    }

    fn answered(text: &str) -> (Option<usize>, String) {
        let part = Part {
            drive: "D".to_owned(),
            drive_from: String::new(),
            path: "s".to_owned(),
            role: crate::usmt::Role::Whole.into(),
            volume_serial: None,
            skipped: Vec::new(),
            volume_label: "Old".to_owned(),
            file_system: "NTFS".to_owned(),
            via: "raw".to_owned(),
            user: None,
        };
        let volumes = [volume("E:\\"), volume("F:\\")];
        let mut shown = Vec::new();
        let among: Vec<&Volume> = volumes.iter().collect();
        let number = choose(&part, &among, &mut text.as_bytes(), &mut shown);
        (number, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn an_answer_is_a_number_of_the_list() {
        let (number, shown) = answered("2\n");
        assert_eq!(number, Some(1));
        assert!(shown.contains("drive D: (label \"Old\")"), "{shown}");
        assert!(shown.contains("  1  E:\\ \"Data\", NTFS\n"), "{shown}");
        assert_eq!(answered("0\nx\n1\n").0, Some(0));
        assert_eq!(answered("9\n9\n9\n1\n").0, None, "three tries");
        assert_eq!(answered("\n2\n").0, None);
        assert_eq!(answered("").0, None);
    }
}
