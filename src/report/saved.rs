//! The section about the saved files: treemaps by folder and by kind of file,
//! each with a table.

use super::figures::Figures;
use super::folders::{Cell as Folder, Group as Place};
use super::html::{count, escape, name, number, share, shorten};
use super::kinds::{self, Count};
use super::sheet::Sheet;
use super::treemap::{Rect, squarify};
use crate::model::units::bytes;
use crate::set::format::rescue::{Rescue, What};
use crate::usmt::StoreKind;

/// The number of groups in the treemap by folder, and of folders in each.
const MAX_GROUPS: usize = 10;
const MAX_CELLS: usize = 12;
/// The number of rows in the table of folders.
const MAX_ROWS: usize = 10;
/// The number of extensions of a kind that are shown.
const MAX_ENDINGS: usize = 12;

/// The layout size of a treemap in CSS pixels; it stretches from there.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
/// The height of the strip with a group's name.
const STRIP: f64 = 20.0;
/// The smallest area in which a word is legible.
const LEGIBLE: (f64, f64) = (46.0, 17.0);

/// A rectangle of a treemap.
struct Tile {
    label: String,
    title: String,
    weight: u64,
    kind: usize,
}

/// A group of rectangles.
struct Group {
    label: String,
    title: String,
    weight: u64,
    tiles: Vec<Tile>,
}

/// The section, as HTML.
pub(super) fn section(rescue: &Rescue, figures: &Figures, sheet: &mut Sheet) -> String {
    let totals = &rescue.totals;
    let mut html = String::from("<section>\n<h2>What was saved</h2>\n<ul class=\"figures\">\n");
    for (n, what) in [
        (number(totals.files), if totals.files == 1 { "file" } else { "files" }),
        (number(totals.directories), if totals.directories == 1 { "folder" } else { "folders" }),
        (bytes(totals.bytes), "of data"),
    ] {
        html.push_str(&format!("<li><b>{n}</b> {what}</li>\n"));
    }
    let packed = rescue.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    html.push_str(&format!("<li><b data-run>{}</b> compressed</li>\n</ul>\n", bytes(packed)));
    let mut also = Vec::new();
    if totals.links > 0 {
        also.push(count(totals.links, "hard link", "hard links"));
    }
    if totals.streams > 0 {
        also.push(count(totals.streams, "alternate data stream", "alternate data streams"));
    }
    if !also.is_empty() {
        html.push_str(&format!("<p class=\"quiet\">Also {}.</p>\n", also.join(" and ")));
    }
    if figures.folders.total().bytes == 0 {
        html.push_str("<p class=\"quiet\">All files are empty.</p>\n</section>\n");
        return html;
    }
    let is_image = rescue.what == What::Store && rescue.store_kind() == Some(StoreKind::Compressed);
    if !is_image {
        html.push_str(&by_folder(figures, sheet));
    }
    html.push_str(&by_kind(figures, sheet));
    html.push_str("</section>\n");
    html
}

fn by_folder(figures: &Figures, sheet: &mut Sheet) -> String {
    let places = figures.folders.groups(MAX_GROUPS, MAX_CELLS);
    let groups: Vec<Group> = places.iter().map(place).collect();
    let mut html = String::from("<h3>By folder</h3>\n");
    html.push_str(&picture("What was saved, by folder", &groups, sheet));
    html.push_str(
        "<p class=\"caption\">Each rectangle is a folder, sized by its contents. Its color shows \
         the main kind of file in it; the list below shows the colors.</p>\n",
    );
    let total = figures.folders.total().bytes;
    let mut rows: Vec<(String, Count)> = Vec::new();
    for place in &places {
        for cell in place.cells.iter().filter(|cell| cell.folders == 1) {
            let path: Vec<&str> = place.path.iter().chain(&cell.path).map(String::as_str).collect();
            rows.push((path.join("\\"), cell.count));
        }
    }
    rows.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
    html.push_str("<table class=\"list\">\n<tr><th>Largest folders</th><th>Size</th><th>Share</th><th>Files</th></tr>\n");
    for (path, n) in rows.iter().take(MAX_ROWS) {
        html.push_str(&format!(
            "<tr><td class=\"path\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            name(&shorten(path, 110)),
            bytes(n.bytes),
            share(n.bytes, total),
            number(n.files)
        ));
    }
    html.push_str("</table>\n");
    if figures.folders.is_cut {
        html.push_str(
            "<p class=\"caption\">There are too many folders to count each one: the files of \
             small folders count for the parent folder.</p>\n",
        );
    }
    html
}

/// A user or another place, as a group of the treemap.
fn place(place: &Place) -> Group {
    let path = place.path.join("\\");
    let label = if place.path.is_empty() { "Other places".to_owned() } else { path.clone() };
    let tile = |cell: &Folder| {
        let own = cell.path.join("\\");
        let label = match (cell.folders, own.is_empty(), cell.is_rest) {
            (2.., _, _) => format!("{} smaller", number(cell.folders as u64)),
            (_, true, _) => "its own files".to_owned(),
            (_, false, true) => format!("{own}, rest"),
            _ => own.clone(),
        };
        let full = if cell.folders > 1 || own.is_empty() {
            format!("{path}: {label}")
        } else {
            format!("{path}\\{label}")
        };
        Tile {
            title: described(&full, cell.count),
            label,
            weight: cell.count.bytes,
            kind: cell.kind,
        }
    };
    Group {
        title: described(&label, place.count),
        label,
        weight: place.count.bytes,
        tiles: place.cells.iter().map(tile).collect(),
    }
}

fn by_kind(figures: &Figures, sheet: &mut Sheet) -> String {
    let total = figures.folders.total().bytes;
    let mut order: Vec<(usize, Count)> = figures.kinds.counts.iter().copied().enumerate().collect();
    order.retain(|(_, n)| n.files > 0);
    order.sort_by_key(|(kind, n)| (std::cmp::Reverse(n.bytes), *kind));
    let groups: Vec<Group> = order
        .iter()
        .filter(|(_, n)| n.bytes > 0)
        .map(|&(kind, n)| Group {
            label: kinds::name(kind).to_owned(),
            title: described(kinds::name(kind), n),
            weight: n.bytes,
            tiles: endings(figures, kind, total),
        })
        .collect();
    let mut html = String::from("<h3>By kind of file</h3>\n");
    html.push_str(&picture("What was saved, by kind of file", &groups, sheet));
    html.push_str("<p class=\"caption\">By file extension.</p>\n");
    html.push_str(
        "<table class=\"list\">\n<tr><th>Kind</th><th>Size</th><th>Share</th><th>Files</th></tr>\n",
    );
    for (kind, n) in order {
        html.push_str(&format!(
            "<tr><td><i class=\"swatch k{kind}\"></i>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            kinds::name(kind),
            bytes(n.bytes),
            share(n.bytes, total),
            number(n.files)
        ));
    }
    html.push_str("</table>\n");
    html
}

/// The extensions of a kind; those too small to be visible are combined.
fn endings(figures: &Figures, kind: usize, total: u64) -> Vec<Tile> {
    let mut list = figures.kinds.endings(kind);
    let seen = list.iter().take_while(|(_, n)| n.bytes >= total / 250).count();
    let small = list.split_off(seen.min(MAX_ENDINGS));
    let tile = |label: String, n: Count| Tile {
        title: described(&label, n),
        label,
        weight: n.bytes,
        kind,
    };
    let mut tiles: Vec<Tile> = list
        .into_iter()
        .map(|(ending, n)| match ending {
            "" => tile("no extension".to_owned(), n),
            "others" => tile(ending.to_owned(), n),
            ending => tile(format!(".{ending}"), n),
        })
        .collect();
    if !small.is_empty() {
        let label = match &small[..] {
            [(ending, _)] if !ending.is_empty() => format!(".{ending}"),
            many => format!("{} smaller", number(many.len() as u64)),
        };
        let mut sum = Count::default();
        for (_, n) in small {
            sum.files += n.files;
            sum.bytes = sum.bytes.saturating_add(n.bytes);
        }
        tiles.push(tile(label, sum));
        tiles.sort_by_key(|tile| std::cmp::Reverse(tile.weight));
    }
    tiles
}

fn described(what: &str, n: Count) -> String {
    format!("{}: {}, {}", shorten(what, 90), bytes(n.bytes), count(n.files, "file", "files"))
}

/// Draws a treemap of two levels: named groups with tiles.
fn picture(what: &str, groups: &[Group], sheet: &mut Sheet) -> String {
    let mut html = format!("<div class=\"map\" role=\"img\" aria-label=\"{}\">\n", escape(what));
    let all = Rect { left: 0.0, top: 0.0, width: WIDTH, height: HEIGHT };
    let weights: Vec<u64> = groups.iter().map(|group| group.weight).collect();
    for (group, area) in groups.iter().zip(squarify(&weights, all)) {
        if area.width < 1.0 || area.height < 1.0 {
            continue; // nothing to see
        }
        let is_named = area.width > 64.0 && area.height > STRIP + LEGIBLE.1;
        let inner = if is_named { area.below(STRIP) } else { area };
        if is_named {
            let strip = Rect { height: STRIP, ..area };
            html.push_str(&format!(
                "<b class=\"{}\" title=\"{}\">{}</b>\n",
                sheet.place(strip, WIDTH, HEIGHT),
                escape(&group.title),
                name(&shorten(&group.label, 60))
            ));
        }
        let weights: Vec<u64> = group.tiles.iter().map(|tile| tile.weight).collect();
        for (tile, rect) in group.tiles.iter().zip(squarify(&weights, inner)) {
            if rect.width < 1.0 || rect.height < 1.0 {
                continue;
            }
            // If the group has no strip, its largest tile shows its name.
            let label = if is_named { &tile.label } else { &group.label };
            let legible = rect.width > LEGIBLE.0 && rect.height > LEGIBLE.1;
            let mut words = String::new();
            if legible {
                words = name(&shorten(label, 40));
                if rect.height > 2.2 * LEGIBLE.1 {
                    words.push_str(&format!("<small>{}</small>", bytes(tile.weight)));
                }
            }
            html.push_str(&format!(
                "<span class=\"t{} {}{}\" title=\"{}\">{words}</span>\n",
                tile.kind,
                sheet.place(rect, WIDTH, HEIGHT),
                // Padding would make a sliver wider.
                if legible { " w" } else { "" },
                escape(&tile.title),
            ));
        }
    }
    html.push_str("</div>\n");
    html
}
