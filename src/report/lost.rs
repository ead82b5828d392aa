//! The section about losses: each kind with its meaning, the first losses of
//! each kind, and where all others are listed.

use super::figures::Figures;
use super::html::{count, escape, name, number};
use super::words;
use crate::set::format::rescue::Rescue;

/// The number of losses that are listed.
const MAX_ROWS: usize = 200;
/// The size of all rows: hostile names grow sixfold when escaped.
const MAX_ROW_BYTES: usize = 72 << 10;

/// The section, as HTML.
pub(super) fn section(rescue: &Rescue, figures: &Figures) -> String {
    let mut html = String::from("<section>\n<h2>What was lost</h2>\n");
    let lost = rescue.totals.losses.max(figures.lost());
    if lost == 0 {
        html.push_str(if rescue.is_of_whole_store() && figures.damaged == 0 {
            "<p>Nothing. Every file that was found could be read completely, and all its metadata \
             was saved.</p>\n"
        } else {
            "<p>None of the files that were found. The top of this page lists what was not \
             found.</p>\n"
        });
        html.push_str("</section>\n");
        return html;
    }
    html.push_str("<table class=\"list\">\n<tr><th>What happened</th><th>Number</th></tr>\n");
    for (kind, losses) in &figures.losses {
        let (title, meaning) = words::loss(*kind);
        html.push_str(&format!(
            "<tr><td><b>{title}</b><span class=\"quiet\">: {meaning}</span></td><td>{}</td></tr>\n",
            number(losses.count)
        ));
    }
    html.push_str("</table>\n");
    let (rows, shown) = rows(figures);
    if shown > 0 {
        html.push_str(&format!(
            "<table class=\"losses\">\n<tr><th>Path in the set</th><th>Why</th></tr>\n\
             {rows}</table>\n"
        ));
    }
    if shown < lost {
        html.push_str(&format!(
            "<p class=\"more\"><b>And {} more.</b> <code>lifeboat list &lt;this folder&gt;</code> \
             lists all of them. Without Lifeboat: <code>zstd -dc manifest.jsonl.zst | grep \
             &#39;&quot;losses&quot;&#39;</code>.</p>\n",
            count(lost - shown, "loss", "losses")
        ));
    }
    html.push_str("</section>\n");
    html
}

/// The rows, and their number. Every kind gets its share, so that many small
/// losses do not hide a severe one.
fn rows(figures: &Figures) -> (String, u64) {
    let (mut html, mut shown) = (String::new(), 0);
    let kinds = figures.losses.len();
    for (number, (kind, losses)) in figures.losses.iter().enumerate() {
        let (title, _) = words::loss(*kind);
        let room = MAX_ROWS.saturating_sub(shown) / (kinds - number);
        let until = MAX_ROW_BYTES / kinds * (number + 1);
        for lost in losses.shown.iter().take(room) {
            let row = format!(
                "<tr><td class=\"path\">{}</td><td><b>{title}</b>{}{}</td></tr>\n",
                name(&lost.path),
                if lost.detail.is_empty() { "" } else { ": " },
                escape(&lost.detail)
            );
            if html.len() + row.len() > until {
                break;
            }
            html.push_str(&row);
            shown += 1;
        }
    }
    (html, shown as u64)
}
