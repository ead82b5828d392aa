//! `lifeboat check`: tries settings, destination and account before they are needed.

use anyhow::Result;
use serde_json::json;

use super::offload::{in_memory, look_at, request};
use crate::cli::args::{CheckArgs, Offload};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Out;
use crate::cli::settings::Settings;
use crate::cli::{keys, sets, sources};
use crate::destination::address::Dest;
use crate::disk::controllers::controllers;
use crate::disk::{self, DiskError};
use crate::model::monitor::Monitor as _;
use crate::model::units;

pub(crate) fn run(args: &CheckArgs, out: Out) -> Result<Exit> {
    // Settings that are wrong end the program before it comes here.
    match Settings::path() {
        Some(path) => say("settings", &path.display().to_string(), out),
        None => say("settings", "none; the command line and the variables count", out),
    }
    let to = sets::given_dest(args.to.as_deref())?;
    let offload = Offload::to(to, &args.logon).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{to}: this is not a destination"), "Check --to.")
    })?;
    let encryption = keys::encryption(&offload, out)?;
    let how = match &encryption {
        Some(encryption) => format!("sets are encrypted with a {}", encryption.locks.word()),
        None => "sets are not encrypted".to_owned(),
    };
    say("encryption", &how, out);
    let target = sets::open_dest(to, &args.logon, args.retry_for, out)?;
    let in_address = match to.parse() {
        Ok(Dest::Smb(place)) => place.account(),
        _ => None,
    };
    let account = match (&args.logon.user, args.logon.anonymous) {
        (_, true) => "as guest".to_owned(),
        (Some(user), _) => user.clone(),
        (None, _) => in_address.unwrap_or_else(|| "that of this session".to_owned()),
    };
    say("account", &account, out);
    let _traceless = sets::Traceless(&*target);
    sets::refuse_set(&*target, to)?;
    let (found, request) = look_at(&*target, request(&offload, encryption), out)?;
    if found.in_memory {
        let action = "Use a USB disk or a share.";
        return Err(Failure::new(Exit::Destination, in_memory(&target.display("")), action).into());
    }
    let free = found.space.map_or("not known".to_owned(), |space| units::bytes(space.free));
    say("destination", &target.display(""), out);
    say("free space", &free, out);
    let speed = format!(
        "{} a second; compression level {}",
        units::bytes(found.write_speed),
        request.zstd_level()
    );
    say("writes", &speed, out);
    if found.max_file_size < u64::MAX {
        let largest = format!("{}: sets are split", units::bytes(found.max_file_size));
        say("largest file", &largest, out);
    }
    match show_disks(out) {
        Disks::Seen => {
            out.result("OK: sets can be saved there");
            return Ok(Exit::Done);
        }
        Disks::NotSeen => {
            out.result("Sets can be saved there, but a disk of this PC is NOT SEEN: see above");
        }
        Disks::NotRead => {
            out.result("Sets can be saved there, but a disk of this PC CANNOT BE READ: see above");
        }
    }
    Ok(Exit::Losses)
}

/// What became of the disks of this PC.
enum Disks {
    /// All that the system shows can be read.
    Seen,
    /// A controller keeps one from view.
    NotSeen,
    /// One cannot be opened.
    NotRead,
}

/// Shows the disks of this PC.
fn show_disks(out: Out) -> Disks {
    let (mut is_any_seen, mut is_any_closed) = (false, false);
    for disk in disk::attached() {
        let mut disk = match disk {
            Ok(disk) => disk,
            // One that cannot be read is there all the same.
            Err(error) => {
                is_any_seen = true;
                // Who tries a destination need not be the one who rescues.
                let is_for_want_of_rights = matches!(error, DiskError::Denied { .. });
                is_any_closed |= !is_for_want_of_rights;
                say("disk", &format!("{error}: NOT READ"), out);
                out.finding(&sources::closed_disk(&error.into()));
                continue;
            }
        };
        disk.ask_condition();
        let Some(hardware) = disk.hardware.as_ref().filter(|known| known.is_built_in()) else {
            continue;
        };
        is_any_seen = true;
        say("disk", &hardware.describe(disk.device.len()), out);
        hardware.condition.findings(&disk.display).iter().for_each(|finding| out.finding(finding));
    }
    if !sources::show_controllers(&controllers(), is_any_seen, out).is_empty() {
        Disks::NotSeen
    } else if is_any_closed {
        Disks::NotRead
    } else {
        Disks::Seen
    }
}

fn say(what: &str, detail: &str, out: Out) {
    out.event("checked", &json!({"what": what, "detail": detail}));
    out.result(&format!("  {what:<13} {detail}"));
}
