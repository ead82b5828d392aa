//! The report of a rescue: one HTML page. The writer of a set adds it when it
//! publishes the set, and `lifeboat report` makes it again from any set.
//!
//! It is made only from `rescue.json` and the lines of the manifest, which are
//! read once and counted within bounds (`figures`). Everything that comes from
//! a disk is hostile until `html` has escaped it. The page has no script, and a
//! Content-Security-Policy that allows only its own style sheet.

// A page is small; `write!` would only add errors that cannot happen.
#![allow(clippy::format_push_string, clippy::format_collect)]

mod figures;
mod folders;
mod html;
mod kinds;
mod lost;
mod page;
mod record;
mod restoring;
mod saved;
mod sheet;
mod treemap;
mod users;
mod words;

use figures::Figures;

use crate::set::error::SetError;
use crate::set::format::manifest::Line;
use crate::set::format::names::REPORT;
use crate::set::format::rescue::Rescue;

/// The largest page, in bytes: the lists are bounded so that the page stays
/// below.
pub const MAX_BYTES: usize = 300 << 10;

/// Makes the page. The same set gives the same bytes.
///
/// Damaged lines are skipped, and the page says so.
///
/// # Errors
/// The manifest cannot be read, or reading it is cancelled.
pub fn make(
    rescue: &Rescue,
    lines: &mut dyn Iterator<Item = Result<Line, SetError>>,
) -> Result<Vec<u8>, SetError> {
    // While a set gets its report, the report is not yet one of its files.
    let mut rescue = rescue.clone();
    rescue.files.retain(|file| file.name != REPORT);
    let figures = Figures::gather(&rescue, lines)?;
    Ok(page::page(&rescue, &figures).into_bytes())
}

#[cfg(test)]
mod tests;
