//! The page: head, verdict, table of facts, and the sections.

use super::figures::Figures;
use super::html::{count, escape, name, number, shorten};
use super::sheet::Sheet;
use super::words::{self, Tone};
use super::{lost, record, restoring, saved, users};
use crate::model::units::bytes;
use crate::set::format::rescue::{Part, Rescue};

/// The number of parts that are listed; a store has one per volume.
const MAX_PARTS: usize = 26;

/// The whole page.
pub(super) fn page(rescue: &Rescue, figures: &Figures) -> String {
    let mut sheet = Sheet::new();
    let body = [
        header(rescue, figures),
        // What to know and to do comes first; what is nice to see, after it.
        lost::section(rescue, figures),
        users::section(rescue, figures, &mut sheet),
        restoring::section(rescue),
        saved::section(rescue, figures, &mut sheet),
        record::section(rescue),
        footer(rescue),
    ]
    .concat();
    let (css, hash) = sheet.finish();
    let machine = escape(&shorten(&words::machine(&rescue.machine), 60));
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src {hash}; base-uri 'none'; form-action 'none'\">\n\
         <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{machine}: rescue report</title>\n\
         <style>{css}</style>\n\
         </head>\n\
         <body>\n\
         <main>\n{body}</main>\n\
         </body>\n\
         </html>\n"
    )
}

fn header(rescue: &Rescue, figures: &Figures) -> String {
    let verdict = words::verdict(rescue, figures);
    let (tone, mark) = match verdict.tone {
        Tone::Good => ("good", CHECK),
        Tone::Plain => ("plain", NOTICE),
        Tone::Warn => ("warn", NOTICE),
    };
    let reasons: String = verdict
        .reasons
        .iter()
        .map(|reason| format!("<p class=\"reason\">{reason}</p>\n"))
        .collect();
    format!(
        "<header>\n\
         <p class=\"kicker\">Rescue report</p>\n\
         <h1>{}</h1>\n\
         <p class=\"date\"><time datetime=\"{}\">{}</time></p>\n\
         </header>\n\
         <section class=\"verdict {tone}\">\n\
         {mark}\
         <div>\n<p class=\"title\">{}</p>\n\
         <p>{}</p>\n{reasons}</div>\n\
         </section>\n{}",
        name(&shorten(&words::machine(&rescue.machine), 120)),
        escape(&shorten(&rescue.created, 40)),
        words::date(&rescue.created),
        verdict.title,
        in_short(rescue, figures),
        facts(rescue, figures),
    )
}

/// A summary in one sentence.
fn in_short(rescue: &Rescue, figures: &Figures) -> String {
    let totals = &rescue.totals;
    let users = figures.users.len() + usize::from(figures.more_users.count.files > 0);
    let of_users = if users == 0 {
        String::new()
    } else {
        format!(" of {}", count(users as u64, "user", "users"))
    };
    let proof = if rescue.options.read_back {
        " The saved copy was read back and matches the source."
    } else {
        ""
    };
    format!("{}{of_users}, {}.{proof}", words::files_and_folders(totals), bytes(totals.bytes))
}

fn facts(rescue: &Rescue, figures: &Figures) -> String {
    let mut rows = String::new();
    let mut row = |label: &str, value: &str| {
        rows.push_str(&format!("<tr><th scope=\"row\">{label}</th><td>{value}</td></tr>\n"));
    };
    let machine = &rescue.machine;
    let unknown = || "not known".to_owned();
    let known = |text: &Option<String>| text.as_ref().map(|text| name(&shorten(text, 200)));
    row("Computer", &known(&machine.name).unwrap_or_else(unknown));
    if let Some(serial) = known(&machine.serial) {
        row("Serial number", &serial);
    }
    row("Contents", words::holds(rescue));
    for (number, part) in rescue.parts.iter().take(MAX_PARTS).enumerate() {
        row(if number == 0 { "Original place" } else { "" }, &place(part));
    }
    if rescue.parts.len() > MAX_PARTS {
        let more = number((rescue.parts.len() - MAX_PARTS) as u64);
        row("", &format!("and {more} more: rescue.json lists all"));
    }
    if let Some((time, file)) = &figures.store_written {
        row(
            "Captured",
            &format!(
                "{}<span class=\"quiet\"> when {} was last written, by that PC\u{2019}s clock</span>",
                words::file_date(*time),
                escape(file)
            ),
        );
    }
    row(
        "Rescued",
        &format!(
            "<time>{}</time><span class=\"quiet\"> by the clock of the PC that ran Lifeboat</span>",
            words::date(&rescue.created)
        ),
    );
    row(
        "Verified",
        if rescue.options.read_back {
            "when it was saved: read back, and the same as what was read from the source"
        } else {
            "NOT when it was saved: it was not read back"
        },
    );
    if rescue.totals.cloud > 0 {
        let files = count(rescue.totals.cloud, "file", "files");
        row("Only in the cloud", &format!("{files}: nothing of them was on the disk"));
    }
    if let Some(recovered) = rescue.totals.recovered {
        row(
            "Recovered",
            &format!(
                "{}<span class=\"quiet\">: {}</span>",
                count(recovered.files, "deleted file", "deleted files"),
                escape(&recovered.words())
            ),
        );
    }
    if rescue.seal.is_some() {
        let words = shorten(&words::sentence(&words::seal_words(rescue)), 400);
        row("Seal", &escape(&words));
    }
    row("Set", &format!("<code>{}</code>", escape(&shorten(&rescue.set, 40))));
    format!("<table class=\"facts\">\n{rows}</table>\n")
}

/// A part: its original place, and how it was read.
fn place(part: &Part) -> String {
    let path = format!("{}:\\{}", part.drive, part.path.replace('/', "\\"));
    let mut more = vec![words::role(part.role.of_store()).to_owned()];
    if !part.volume_label.is_empty() {
        more.push(format!("volume {}", name(&shorten(&part.volume_label, 60))));
    }
    more.push(escape(&shorten(&part.file_system, 30)));
    more.push(match part.via.as_str() {
        "raw" => "read from the device".to_owned(),
        _ => "read through the file API".to_owned(),
    });
    if !part.drive_from.is_empty() {
        more.push(format!("drive letter: {}", escape(&shorten(&part.drive_from, 90))));
    }
    let mut html = format!(
        "<b>{}</b><br><span class=\"quiet\">{}",
        name(&shorten(&path, 200)),
        more.join(", ")
    );
    if !part.skipped.is_empty() {
        let names: Vec<String> =
            part.skipped.iter().take(12).map(|path| name(&shorten(path, 80))).collect();
        html.push_str(&format!("; left out: {}", names.join(", ")));
    }
    html.push_str("</span>");
    html
}

fn footer(rescue: &Rescue) -> String {
    format!(
        "<footer>\n<p>Made by {} from this set\u{2019}s rescue.json and manifest. This page loads \
         nothing: no script, no picture, no font. It lists users and files: keep it as safe as \
         the set.</p>\n</footer>\n",
        escape(&shorten(&rescue.program, 60))
    )
}

const CHECK: &str = "<svg class=\"mark\" viewBox=\"0 0 40 40\" width=\"40\" height=\"40\" \
    aria-hidden=\"true\"><circle cx=\"20\" cy=\"20\" r=\"20\"/>\
    <path d=\"M11.5 20.8l5.8 5.7 11.2-12.6\"/></svg>\n";

const NOTICE: &str = "<svg class=\"mark\" viewBox=\"0 0 40 40\" width=\"40\" height=\"40\" \
    aria-hidden=\"true\"><circle cx=\"20\" cy=\"20\" r=\"20\"/>\
    <path d=\"M20 10.5v12.5M20 28.6v.6\"/></svg>\n";
