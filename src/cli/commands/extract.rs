//! `lifeboat extract`.

use anyhow::Result;

use super::restore::show;
use super::{inside, plain};
use crate::cli::args::{Extract, Global};
use crate::cli::containers::Target;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Out;
use crate::cli::{containers, sets};
use crate::restore::{Chosen, Destinations, Input, Options, restore_verified};
use crate::usmt::StoreKind;

pub(crate) fn run(args: &Extract, global: &Global, out: Out) -> Result<Exit> {
    let target = containers::find(&args.set, &args.inside, &args.logon, global, out)?;
    if let Some(Target::Container(container)) = target {
        return inside::extract(&container, args, out);
    }
    if args.usmt.is_some() {
        let what = "--usmt is for a compressed store; the files here are plain ones";
        return Err(Failure::new(Exit::Usage, what, "Leave it out.").into());
    }
    if let Some(Target::Plain(store)) = target {
        return plain::extract(&store, args, out);
    }
    sets::refuse_in_set(&args.set, &args.to)?;
    let set = sets::open_files(&args.set, &args.logon, out)?;
    let name = set.display();
    let chosen = match &args.of_user {
        Some(user) => Chosen::user(set, user)?,
        None => Chosen::new(set, &args.paths)?,
    };
    if let Some(user) = args.of_user.as_ref().filter(|_| chosen.is_empty()) {
        let kind = chosen.rescue().store_kind();
        let action = if kind == Some(StoreKind::Compressed) {
            "A compressed store has its files in USMT.MIG: add --inside."
        } else {
            "Run lifeboat list: the users are the folders below File\\C$\\Users."
        };
        return Err(Failure::new(
            Exit::NothingFound,
            format!("{name}: there are no files of {user} in this set"),
            action,
        )
        .into());
    }
    if let Some(missing) = chosen.missing().first() {
        return Err(Failure::new(
            Exit::NothingFound,
            format!("{name}: there is no {missing} in this set"),
            "Run lifeboat list: it shows the paths in the set.",
        )
        .into());
    }
    let to = Destinations::Under(args.to.clone());
    let options = Options { replace: args.replace, ..Options::default() };
    let (done, verified) = restore_verified(&chosen, &to, options, out)?;
    let losses = show("Extracted", done, verified, out);
    Ok(if losses > 0 { Exit::Losses } else { Exit::Done })
}
