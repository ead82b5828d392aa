//! `lifeboat report`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::cli::args::Report;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Out;
use crate::cli::sets;
use crate::model::advice::Advice as _;
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::report::make;
use crate::set::error::SetError;
use crate::set::format::hash::sha256_hex;
use crate::set::format::manifest::Line;

pub(crate) fn run(args: &Report, out: Out) -> Result<Exit> {
    let set = sets::open_set(&args.set, &args.logon, out)?;
    let to = args.to.clone().unwrap_or_else(|| PathBuf::from(format!("{}.html", set.name())));
    // Checked before a large manifest is read.
    if to.exists() {
        return Err(is_there(&to).into());
    }
    let mut damaged = 0_u64;
    let mut lines = set.lines()?.map(|line: Result<Line, SetError>| {
        if out.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        if let Err(error @ SetError::Damaged { .. }) = &line {
            // The lines after a damaged piece are still good.
            damaged += 1;
            out.error(&error.to_string(), &error.advice(), Exit::Losses.code());
        }
        line
    });
    let page = make(set.rescue(), &mut lines)?;
    write(&to, &page)?;
    out.event(
        "report",
        &json!({
            "set": set.display(),
            "file": to.display().to_string(),
            "bytes": page.len(),
            "sha256": sha256_hex(&page),
        }),
    );
    out.result(&format!("{}: {}", to.display(), units::bytes(page.len() as u64)));
    Ok(if damaged == 0 { Exit::Done } else { Exit::Losses })
}

/// Writes the complete page, or leaves no file.
fn write(to: &Path, page: &[u8]) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(
            Exit::Destination,
            format!("{}: the report cannot be written: {error}", to.display()),
            "Give a file in an existing folder where you can write: --to FILE.",
        )
    };
    let mut file = match File::create_new(to) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(is_there(to));
        }
        Err(error) => return Err(failed(&error)),
    };
    let written = file.write_all(page).and_then(|()| file.sync_all());
    drop(file);
    written.map_err(|error| {
        // A partial page would look like a complete one.
        let _ = std::fs::remove_file(to);
        failed(&error)
    })
}

fn is_there(to: &Path) -> Failure {
    Failure::new(
        Exit::Destination,
        format!("{}: this file already exists", to.display()),
        "Give another file: --to FILE. report does not overwrite files.",
    )
}
