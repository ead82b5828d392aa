//! `lifeboat list`.

use std::io::IsTerminal;

use anyhow::Result;

use super::{inside, plain};
use crate::cli::args::{Global, List};
use crate::cli::containers::Target;
use crate::cli::exit::{Exit, interrupted};
use crate::cli::output::Out;
use crate::cli::{containers, sets};
use crate::model::advice::Advice as _;
use crate::model::loss::LossKind;
use crate::model::metadata::FileTime;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::units;
use crate::set::format::manifest::{Line, Member, MemberKind};
use crate::usmt::StoreKind;

pub(crate) fn run(args: &List, global: &Global, out: Out) -> Result<Exit> {
    match containers::find(&args.set, &args.inside, &args.logon, global, out)? {
        Some(Target::Container(container)) => return inside::list(&container, out),
        Some(Target::Plain(store)) => return plain::list(&store, out),
        None => {}
    }
    let set = sets::open_files(&args.set, &args.logon, out)?;
    let rescue = set.rescue();
    out.event("set", &serde_json::json!({"set": set.display(), "rescue": rescue}));
    out.say(&format!("{} ({}, {})", set.display(), rescue.kind, rescue.created));
    for (label, text) in rescue.shortfalls() {
        out.field(label, text);
    }
    let mut exit = Exit::Done;
    let totals = rescue.totals;
    // Lines on a terminal already show the progress.
    let show_progress = out.is_json() || !std::io::stdout().is_terminal();
    let mut progress = Progress {
        total_files: totals.files + totals.links + totals.directories,
        ..Progress::default()
    };
    if show_progress {
        out.stage(Stage::List, &set.display());
    }
    for line in set.lines()? {
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        match line {
            Ok(Line::Member(member)) => {
                show(&member, out);
                progress.files += 1;
                if show_progress {
                    out.progress(progress);
                }
            }
            Ok(_) => {}
            Err(error) => {
                // The lines after a damaged piece are still good.
                exit = Exit::Losses;
                out.error(&error.to_string(), &error.advice(), exit.code());
            }
        }
    }
    out.clear();
    out.say(&format!(
        "{}, {}, {}; {}",
        units::count(rescue.totals.files, "file", "files"),
        units::count(rescue.totals.directories, "folder", "folders"),
        units::bytes(rescue.totals.bytes),
        units::count(rescue.totals.losses, "loss", "losses"),
    ));
    if rescue.store_kind() == Some(StoreKind::Compressed) {
        out.say("USMT.MIG has the files of the store: --inside lists them");
    }
    if let Some(recovered) = totals.recovered {
        out.say(&format!(
            "{} recovered: {}",
            units::count(recovered.files, "deleted file", "deleted files"),
            recovered.words()
        ));
    }
    Ok(exit)
}

fn show(member: &Member, out: Out) {
    out.event("member", member);
    let modified = FileTime(member.times.modified);
    let size = member.data.as_ref().map(|data| data.size);
    let what = match (member.kind, size) {
        (MemberKind::Directory, _) => "<DIR>".to_owned(),
        (MemberKind::Link, _) => "<LINK>".to_owned(),
        (MemberKind::File, size) => size.unwrap_or(0).to_string(),
    };
    out.result(&format!("{modified} {what:>15} {}", member.path));
    for stream in &member.streams {
        let size = stream.data.size;
        out.result(&format!("{:20} {size:>15} {}:{}", "", member.path, stream.name));
    }
    for loss in &member.losses {
        let label = match &member.recovered {
            Some(_) if LossKind::of_name(&loss.kind) == LossKind::Recovered => "RECOVERED:",
            _ => "LOST:",
        };
        out.result(&format!("{:20} {label:>15} {}", "", loss.detail));
    }
}
