//! What to say where a search found no store: whether that is known, and what to do.

use super::exit::{Exit, Failure};
use super::sets;
use super::sources::Found;
use crate::model::units;
use crate::tree::source::SourceVolume;

/// The error when nothing was found. If a volume could not be read, that is no
/// proof that there is nothing: the exit code is 3 then, and 7 if none could be read.
pub(crate) fn nothing_found(found: &Found) -> Failure {
    if let Some(failure) = found.volumes.iter().find_map(|v| sets::folder_of_sets(&v.disk)) {
        return failure;
    }
    let looked = found.volumes.iter().filter(|v| v.tree.is_ok()).count() as u64;
    let searched = units::count(looked, "volume", "volumes");
    if found.unseen > 0 && found.unseen == found.closed.len() {
        return Failure::new(
            if looked == 0 { Exit::NothingRead } else { Exit::Losses },
            format!(
                "no migration store found, but a disk of this PC is not seen ({searched} searched)"
            ),
            "A store may be there. See above: load the driver, and search again before you wipe \
             anything.",
        );
    }
    if looked == 0 && !found.closed.is_empty() {
        return nothing_read(found.closed.len());
    }
    if found.closed.is_empty() && found.is_damaged() {
        return Failure::new(
            Exit::Losses,
            format!("no migration store found, but a volume is damaged ({searched} searched)"),
            "A store may be in the damaged part: see above. Look before you wipe anything.",
        );
    }
    if found.closed.is_empty() && found.is_part_of_array() {
        return Failure::new(
            Exit::Losses,
            format!(
                "no migration store found, but the disk is a part of an array ({searched} searched)"
            ),
            "A store may be on its other disks: see above. Look before you wipe anything.",
        );
    }
    if found.closed.is_empty() && found.lacks_disk {
        return Failure::new(
            Exit::NothingFound,
            format!(
                "no migration store found, and no disk of this PC is there ({searched} searched)"
            ),
            "Check that the firmware's settings list the disk. If not, check its cable and seat.",
        );
    }
    if found.closed.is_empty() {
        return Failure::new(
            Exit::NothingFound,
            format!("no migration store found ({searched} searched)"),
            right_disk(found, looked),
        );
    }
    let closed = units::count(found.closed.len() as u64, "volume", "volumes");
    Failure::new(
        Exit::Losses,
        format!("no migration store found, but {closed} could not be read ({searched} searched)"),
        "A store may be there: see above. Make it readable before you wipe anything.",
    )
}

/// What to do where no store is, and what is there instead, if nothing could be searched.
fn right_disk(found: &Found, looked: u64) -> String {
    let check = "Check that the right disk is attached. lifeboat detect without a source searches \
                 all.";
    let other = |volume: &SourceVolume| {
        let why = volume.tree.as_ref().err()?;
        Some(format!("{}: {why}", volume.display))
    };
    let others: Vec<String> = found.volumes.iter().filter_map(other).take(3).collect();
    if looked > 0 || others.is_empty() {
        return check.to_owned();
    }
    format!("Not searched: {}. {check}", others.join("; "))
}

/// The error when volumes are there, and none could be read.
pub(crate) fn nothing_read(closed: usize) -> Failure {
    let closed = units::count(closed as u64, "volume is", "volumes are");
    Failure::new(
        Exit::NothingRead,
        format!("no volume could be read ({closed} there): whether a store is there is not known"),
        "A store may be there. See above for each: unlock or repair it, and search again before you \
         wipe anything.",
    )
}
