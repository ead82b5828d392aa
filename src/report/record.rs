//! The last section, for the technician: the duration, the set's files with
//! their hashes, and the hash that covers them all.

use super::html::{count, duration, escape, number, rate, shorten};
use super::words;
use crate::model::units::bytes;
use crate::set::format::names::MANIFEST;
use crate::set::format::rescue::{Rescue, Timings};

/// The number of files of the set that are listed: a split store can have many
/// volumes.
const MAX_FILES: usize = 40;

/// The section, as HTML.
pub(super) fn section(rescue: &Rescue) -> String {
    let mut html = String::from("<section>\n<h2>For the record</h2>\n");
    html.push_str(&vouching(rescue));
    html.push_str(&timings(rescue));
    html.push_str(&files(rescue));
    html.push_str("</section>\n");
    html
}

/// The hash that covers all other hashes.
fn vouching(rescue: &Rescue) -> String {
    let Some(manifest) = rescue.files.iter().find(|file| file.name == MANIFEST) else {
        return String::new();
    };
    format!(
        "<h3>The hash</h3>\n<p class=\"hash\"><code>{}</code></p>\n\
         <p class=\"quiet\">SHA-256 of {MANIFEST}. That file has the hash of every file and of \
                    every piece of the store. With these 64 digits on paper, you can prove that \
                    the set is the one in this report.</p>\n\
         <pre>sha256sum -c SHA256SUMS</pre>\n",
        escape(&shorten(&manifest.sha256, 80))
    )
}

fn timings(rescue: &Rescue) -> String {
    let mut html = String::from("<h3>Timings</h3>\n");
    let Some(timings) = &rescue.timings else {
        html.push_str(
            "<p class=\"quiet\">This set does not say how long it took: it was made without a \
             report.</p>\n",
        );
        return html;
    };
    html.push_str(
        "<table class=\"list\" data-timings>\n<tr><th>Stage</th><th>Time</th><th>Rate</th></tr>\n",
    );
    for (stage, millis, done) in stages(rescue, timings) {
        html.push_str(&format!(
            "<tr><td>{stage}</td><td data-run>{}</td><td data-run>{}</td></tr>\n",
            duration(millis),
            rate(done, millis).unwrap_or_default()
        ));
    }
    html.push_str("</table>\n");
    let resumed = if timings.resumed {
        "This rescue was interrupted and resumed. The times are those of the last run. "
    } else {
        ""
    };
    html.push_str(&format!(
        "<p class=\"quiet\">Begun <time>{}</time>, ended <time>{}</time>. <span data-run>{resumed}</span>\
         By the clock of the PC that ran Lifeboat, which may be wrong in WinPE.</p>\n",
        words::date(&rescue.created),
        words::date(&timings.ended)
    ));
    html
}

/// Name, milliseconds and bytes of each stage.
fn stages(rescue: &Rescue, timings: &Timings) -> Vec<(&'static str, u64, u64)> {
    let written = rescue.files.iter().filter(|file| format!("{}.", file.name).contains(".zst."));
    let written = written.fold(0_u64, |sum, file| sum.saturating_add(file.size));
    let mut stages = vec![("Reading the source and planning", timings.plan_ms, 0)];
    if let Some(millis) = timings.prove_ms {
        stages.push(("Validating the data of the interrupted run", millis, 0));
    }
    if let Some(millis) = timings.copy_ms {
        stages.push(("Reading, compressing and writing", millis, timings.copied_bytes));
    }
    if let Some(millis) = timings.read_back_ms {
        let left = written.saturating_sub(timings.beside_bytes);
        let name = match timings.beside_bytes {
            0 => "Reading back and comparing",
            _ => "Reading back what was not read back while writing",
        };
        stages.push((name, millis, left));
    }
    stages
}

fn files(rescue: &Rescue) -> String {
    let mut html = String::from(
        "<h3>The set\u{2019}s files</h3>\n<table class=\"files\">\n\
         <tr><th>File</th><th>Size</th><th>SHA-256</th></tr>\n",
    );
    for file in rescue.files.iter().take(MAX_FILES) {
        html.push_str(&format!(
            "<tr><td>{}</td><td data-run>{}</td><td><code>{}</code></td></tr>\n",
            escape(&shorten(&file.name, 60)),
            bytes(file.size),
            escape(&shorten(&file.sha256, 80))
        ));
    }
    html.push_str("</table>\n");
    let more = rescue.files.len().saturating_sub(MAX_FILES);
    if more > 0 {
        let more = number(more as u64);
        html.push_str(&format!(
            "<p class=\"quiet\">And {more} more: SHA256SUMS lists all files.</p>\n"
        ));
    }
    let options = &rescue.options;
    html.push_str(&format!(
        "<p class=\"quiet\">Compressed with zstd at level {}, in {} of at most {}{}. Plan \
         <code>{}</code>.</p>\n",
        options.level,
        count(rescue.totals.frames, "frame", "frames"),
        bytes(options.frame_bytes),
        options
            .split
            .map(|split| format!(", in volumes of at most {}", bytes(split)))
            .unwrap_or_default(),
        escape(&shorten(&rescue.plan, 80)),
    ));
    html
}
