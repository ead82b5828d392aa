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
pub mod sets_page;
mod sheet;
mod treemap;
mod users;
mod words;

use figures::Figures;
use html::shorten;

use crate::set::error::SetError;
use crate::set::format::manifest::Line;
use crate::set::format::names::{REPORT, USERS};
use crate::set::format::rescue::Rescue;
use crate::set::format::users::SetUser;
use crate::set::write::writer::Report;

/// The largest page, in bytes: the lists are bounded so that the page stays
/// below.
#[cfg(test)]
const MAX_BYTES: usize = 300 << 10;
/// The number of characters of a user's name that are kept; Windows allows 104.
const MAX_NAME: usize = 120;

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
    Ok(make_with_users(rescue, lines)?.page)
}

/// The same, and the users that it lists.
///
/// # Errors
/// As for [`make`].
pub(crate) fn make_with_users(
    rescue: &Rescue,
    lines: &mut dyn Iterator<Item = Result<Line, SetError>>,
) -> Result<Report, SetError> {
    // While a set gets its report, the report is not yet one of its files.
    let mut rescue = rescue.clone();
    rescue.files.retain(|file| file.name != REPORT && file.name != USERS);
    let figures = Figures::gather(&rescue, lines)?;
    let user = |user: &figures::User| SetUser {
        name: shorten(&user.name, MAX_NAME),
        files: user.count.files,
        bytes: user.count.bytes,
    };
    Ok(Report {
        page: page::page(&rescue, &figures).into_bytes(),
        users: figures.users.iter().map(user).collect(),
        more_users: figures.more_users != figures::User::default(),
    })
}

#[cfg(test)]
mod tests;
