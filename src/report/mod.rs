//! The report of a rescue: one HTML page for the director and the technician.
//! `archive` puts it into a set while it publishes it, and `lifeboat report`
//! makes it again from any set.
//!
//! It is a function of what the set says of itself: `rescue.json` and the lines
//! of the manifest, which are read once and counted within bounds (`figures`),
//! however many files there are. Everything in it that comes from a disk is
//! hostile until `html` has escaped it. The page holds no script, and a
//! Content-Security-Policy that allows nothing but its own style sheet.

// A page is small; `write!` into a text would only add errors that cannot be.
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

use crate::set::error::SetError;
use crate::set::format::manifest::Line;
use crate::set::format::names::REPORT;
use crate::set::format::rescue::Rescue;
use figures::Figures;

/// The largest page that is made, in bytes: whatever a set holds, what is
/// listed is bounded so that it stays below.
pub const MAX_BYTES: usize = 300 << 10;

/// Makes the page. The same set gives the same bytes.
///
/// Damaged lines are passed over, and the page says so.
///
/// # Errors
/// The manifest cannot be read, or reading it is cancelled.
pub fn make(
    rescue: &Rescue,
    lines: &mut dyn Iterator<Item = Result<Line, SetError>>,
) -> Result<Vec<u8>, SetError> {
    // When a set gets its report, that is no file of it yet.
    let mut rescue = rescue.clone();
    rescue.files.retain(|file| file.name != REPORT);
    let figures = Figures::gather(&rescue, lines)?;
    Ok(page::page(&rescue, &figures).into_bytes())
}

#[cfg(test)]
mod tests;
