//! `lifeboat restore`.

use anyhow::Result;
use lifeboat::archive::rescue::What;
use lifeboat::restore::loadstate::ways;
use lifeboat::restore::{Destinations, Options, SetInput, restore, verify_restored};
use serde_json::json;

use super::args::Restore;
use super::exit::Exit;
use super::output::Out;
use super::{sets, units};

pub(crate) fn run(args: &Restore, out: Out) -> Result<Exit> {
    let to = Destinations::parse(&args.to)?;
    let input = SetInput::new(sets::open_set(&args.set, &args.logon, out)?);
    let options = Options { replace: args.replace };
    let done = restore(&input, &to, options, out)?;
    let verified = verify_restored(&input, &to, out)?;
    out.clear();
    let losses = done.losses + verified.losses;
    out.event(
        "restored",
        &json!({
            "files": done.files,
            "directories": done.directories,
            "links": done.links,
            "streams": done.streams,
            "bytes": done.bytes,
            "losses": losses,
            "lost_before": done.carried,
            "verified_files": verified.files,
            "verified_bytes": verified.bytes,
        }),
    );
    out.result(&format!(
        "{}: {}, {}, {}; read back and compared",
        if losses == 0 { "Restored" } else { "RESTORED WITH LOSSES" },
        units::count(done.files, "file", "files"),
        units::count(done.directories, "folder", "folders"),
        units::bytes(done.bytes),
    ));
    if losses > 0 {
        out.result(&format!("  {} here (see above)", units::count(losses, "loss", "losses")));
    }
    if done.carried > 0 {
        out.result(&format!(
            "  {} when the set was made; lifeboat list names each",
            units::count(done.carried, "loss", "losses")
        ));
    }
    advise(&input, out);
    Ok(if losses + done.carried > 0 { Exit::Losses } else { Exit::Done })
}

/// What loadstate needs now.
fn advise(input: &SetInput, out: Out) {
    use lifeboat::restore::Input;
    let rescue = input.rescue();
    if rescue.what != What::Store {
        out.say("This set is a folder, not a store: loadstate has no use for it.");
        return;
    }
    if let Some(way) = ways(rescue).first() {
        out.say("Next, elevated, in the full Windows (loadstate does not run in WinPE):");
        out.say(&format!("  {}", way.command));
    }
}
