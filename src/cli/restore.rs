//! `lifeboat restore`.

use anyhow::Result;
use lifeboat::archive::reader::SetReader;
use lifeboat::archive::rescue::What;
use lifeboat::restore::loadstate::ways;
use lifeboat::restore::{Destinations, Options, Restored, Verified, restore_verified};
use lifeboat::seal::{Looked, check_set};
use serde_json::json;

use super::args::Restore;
use super::exit::Exit;
use super::output::Out;
use super::{seal, sets, units};

pub(crate) fn run(args: &Restore, out: Out) -> Result<Exit> {
    let to = Destinations::parse(&args.to)?;
    let set = sets::open_set(&args.set, &args.logon, out)?;
    let options = Options { replace: args.replace };
    let (done, verified) = restore_verified(&set, &to, options, out)?;
    let sealed = check_set(&set, out)?;
    let losses = show("Restored", done, verified, out);
    let differs =
        sealed.is_some_and(|sealed| seal::tell(&set.display(), &sealed, Looked::Bytes, out));
    advise(&set, out);
    Ok(if losses > 0 || differs { Exit::Losses } else { Exit::Done })
}

/// What loadstate needs now.
fn advise(set: &SetReader, out: Out) {
    let rescue = set.rescue();
    if rescue.what != What::Store {
        out.say("This set is a folder, not a store: loadstate has no use for it.");
        return;
    }
    if let Some(way) = ways(rescue).first() {
        out.say("Next, elevated, in the full Windows (loadstate does not run in WinPE):");
        out.say(&format!("  {}", way.command));
    }
}

/// Says what was done; gives the number of losses, old ones included.
pub(super) fn show(verb: &str, done: Restored, verified: Verified, out: Out) -> u64 {
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
        if losses == 0 { verb.to_owned() } else { format!("{} WITH LOSSES", verb.to_uppercase()) },
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
    losses + done.carried
}
