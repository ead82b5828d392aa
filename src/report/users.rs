//! The section about users: a bar for each user, sized by bytes, divided by
//! kind of file.

use super::figures::{Figures, User};
use super::html::{count, name, number, shorten};
use super::kinds;
use super::sheet::Sheet;
use super::treemap::float;
use crate::model::units::bytes;
use crate::set::format::rescue::{Rescue, What};
use crate::usmt::StoreKind;

/// Users that get a bar.
const MAX_BARS: usize = 24;

/// The section, as HTML.
pub(super) fn section(rescue: &Rescue, figures: &Figures, sheet: &mut Sheet) -> String {
    let mut html = String::from("<section>\n<h2>Whose files</h2>\n");
    if figures.users.is_empty() {
        html.push_str(match (rescue.what, rescue.store_kind()) {
            (What::Store, Some(StoreKind::Compressed)) => {
                "<p class=\"quiet\">The users\u{2019} files are inside the compressed store, \
                 which is saved as one image. <code>lifeboat detect</code> lists the users of the \
                 store on its disk.</p>\n"
            }
            (What::Store, _) => "<p>This store has no user profile.</p>\n",
            (What::Folder, _) => "<p class=\"quiet\">The folder has no user profiles.</p>\n",
        });
        html.push_str("</section>\n");
        return html;
    }
    let largest = figures.users.first().map_or(1, |user| user.count.bytes.max(1));
    for user in figures.users.iter().take(MAX_BARS) {
        html.push_str(&bar(user, largest, sheet));
    }
    let mut more = figures.more_users.clone();
    let rest = figures.users.get(MAX_BARS..).unwrap_or_default();
    for user in rest {
        more.count.files += user.count.files;
        more.count.bytes = more.count.bytes.saturating_add(user.count.bytes);
        more.losses += user.losses;
    }
    if !rest.is_empty() {
        let beyond = figures.more_users.count.files > 0;
        let users = format!(
            "{}{} more users",
            if beyond { "over " } else { "" },
            number(rest.len() as u64)
        );
        html.push_str(&format!("<p class=\"quiet\">And {users}: {}</p>\n", summary(&more)));
    }
    html.push_str("</section>\n");
    html
}

fn bar(user: &User, largest: u64, sheet: &mut Sheet) -> String {
    let total = user.count.bytes;
    let width = float(total) / float(largest) * 100.0;
    let mut pieces = String::new();
    for (kind, &part) in user.kinds.iter().enumerate().filter(|(_, part)| **part > 0) {
        let class = sheet.width(float(part) / float(total.max(1)) * 100.0);
        pieces.push_str(&format!(
            "<i class=\"k{kind} {class}\" title=\"{}: {}\"></i>",
            kinds::name(kind),
            bytes(part)
        ));
    }
    let bar = sheet.width(width);
    format!(
        "<div class=\"user\">\n<p><b>{}</b><span class=\"sum\">{}</span></p>\n\
         <div class=\"track\"><div class=\"bar {bar}\">{pieces}</div></div>\n</div>\n",
        name(&shorten(&user.name, 60)),
        summary(user)
    )
}

fn summary(user: &User) -> String {
    let mut text =
        format!("{} in {}", bytes(user.count.bytes), count(user.count.files, "file", "files"));
    if user.losses > 0 {
        let losses = count(user.losses, "loss", "losses");
        text.push_str(&format!(", <b class=\"lost\">{losses}</b>"));
    }
    text
}
