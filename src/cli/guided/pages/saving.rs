//! The live view: how far it is, over all and stage by stage.

use std::time::Duration;

use lifeboat::monitor::Stage;

use super::super::super::output::words;
use super::super::super::units;
use super::super::app::App;
use super::super::canvas::{Canvas, Look};
use super::super::live::{Live, Shown, StageShown};
use super::turning;

/// How much of a store's work is reading and writing it, in a thousand; the
/// rest is reading it back, which goes over the packed bytes alone.
const COPYING: u64 = 800;

/// The stores are being saved.
pub(super) fn saving(app: &App, live: &Live, tick: usize, canvas: &mut Canvas<'_>) {
    canvas.frame("5 of 5: Save", &[("Esc", "Stop")]);
    live.with(|shown| {
        canvas.next();
        let (done, now) = overall(app, shown);
        let count = app.left().count();
        let sign = if app.stopping { ' ' } else { turning(tick) };
        let number = (now + 1).min(count);
        let name = app.left().nth(now).map(|(_, seen)| seen.store.display()).unwrap_or_default();
        canvas.line(&format!("{sign} Store {number} of {count}: {name}"), Look::Plain);
        canvas.line(&format!("  to {}", app.to), Look::Plain);
        canvas.next();
        measured("All", done, &took_in_all(shown), canvas);
        canvas.next();
        for stage in shown.stages.iter().rev().take(5).rev() {
            stage_row(stage, canvas);
        }
        let last = shown.stages.last().map(|stage| stage.stage);
        for (stage, before) in [(Stage::Copy, [None, Some(Stage::Plan)])] {
            if before.contains(&last) {
                canvas.line(&format!("[ ] {}", words(stage)), Look::Plain);
            }
        }
        if last != Some(Stage::ReadBack) {
            canvas.line(&format!("[ ] {}", words(Stage::ReadBack)), Look::Plain);
        }
        canvas.next();
        let progress = shown.stages.last().map(|stage| stage.progress).unwrap_or_default();
        if progress.total_files > 0 {
            canvas.pair(
                "Files",
                &format!("{} of {}", progress.files, progress.total_files),
                Look::Plain,
            );
        }
        let rate = shown.rate().map_or("...".into(), |rate| format!("{}/s", units::bytes(rate)));
        let left = shown.left().map_or("...".into(), span);
        canvas.pair("Rate", &format!("{rate}, {left} left in this stage"), Look::Plain);
        canvas.at(1, "File", Look::Plain);
        canvas.at(13, &shown.file, Look::Plain);
        canvas.next();
        let look = if shown.lost > 0 { Look::Bad } else { Look::Plain };
        canvas.pair("Losses", &shown.lost.to_string(), look);
        canvas.pair("Retries", &shown.retries.to_string(), Look::Plain);
        if app.stopping {
            canvas.text(
                1,
                "STOPPING at the next good moment. Ctrl-C again: at once.",
                Look::Doubtful,
            );
        } else if let Some(trouble) = shown.trouble() {
            canvas.pair("WAITING", trouble, Look::Doubtful);
        } else if let Some(loss) = shown.losses.last().filter(|_| canvas.room() > 0) {
            let text = format!("{}: {}", loss.path, loss.detail);
            canvas.at(1, "Last loss", Look::Plain);
            canvas.at(13, &text, Look::Plain);
            canvas.next();
        }
    });
}

/// How far all stores are, in a thousand, and which store is worked on.
fn overall(app: &App, shown: &Shown) -> (u64, usize) {
    let sizes: Vec<u64> = app.left().map(|(_, seen)| seen.survey.total.bytes.max(1)).collect();
    // Each store begins by planning.
    let plans = shown.stages.iter().filter(|stage| stage.stage == Stage::Plan).count();
    let now = plans.saturating_sub(1);
    let copied = shown.stages.iter().rposition(|stage| stage.stage == Stage::Copy);
    let planned = shown.stages.iter().rposition(|stage| stage.stage == Stage::Plan);
    let of_this = match (shown.stages.last(), copied > planned) {
        (Some(last), _) if last.stage == Stage::Copy => permille(last) * COPYING / 1000,
        // Read back after it was copied; before, what an earlier run left.
        (Some(last), true) if last.stage == Stage::ReadBack => {
            COPYING + permille(last) * (1000 - COPYING) / 1000
        }
        _ => 0,
    };
    let all = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(*size)).max(1);
    let before = sizes.iter().take(now).fold(0_u64, |sum, size| sum.saturating_add(*size));
    let size = sizes.get(now).copied().unwrap_or(0);
    let done = u128::from(before) * 1000 + u128::from(size) * u128::from(of_this);
    (u64::try_from(done / u128::from(all)).unwrap_or(1000), now)
}

/// How far a stage is, in a thousand: by bytes, or by files where there are none.
fn permille(stage: &StageShown) -> u64 {
    let progress = stage.progress;
    let (done, all) = match (progress.total_bytes, progress.total_files) {
        (0, 0) => return 0,
        (0, all) => (progress.files, all),
        (all, _) => (progress.bytes, all),
    };
    u64::try_from(u128::from(done) * 1000 / u128::from(all)).unwrap_or(1000).min(1000)
}

fn stage_row(stage: &StageShown, canvas: &mut Canvas<'_>) {
    let mark = if stage.ended.is_some() { "[x]" } else { "[>]" };
    let text = format!("{mark} {}", words(stage.stage));
    if stage.ended.is_some() {
        canvas.at(1, &text, Look::Plain);
        canvas.at(48, &clock(stage.took()), Look::Plain);
        canvas.next();
        return;
    }
    let progress = stage.progress;
    let bytes = match progress.total_bytes {
        0 => format!("{} so far", units::count(progress.files, "file", "files")),
        total => format!("{} of {}", units::bytes(progress.bytes), units::bytes(total)),
    };
    measured(&text, permille(stage), &format!("{} {bytes}", clock(stage.took())), canvas);
}

/// A name, a bar, a percentage, and more.
fn measured(name: &str, permille: u64, more: &str, canvas: &mut Canvas<'_>) {
    canvas.at(1, name, Look::Plain);
    canvas.bar(22, 20, permille);
    canvas.at(43, &format!("{:>3}%", permille / 10), Look::Plain);
    canvas.at(48, more, Look::Plain);
    canvas.next();
}

fn took_in_all(shown: &Shown) -> String {
    let first = shown.stages.first().map(|stage| stage.began.elapsed());
    clock(first.unwrap_or_default())
}

/// `0:05`, `1:02:03`.
fn clock(span: Duration) -> String {
    let secs = span.as_secs();
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{secs:02}")
    } else {
        format!("{minutes}:{secs:02}")
    }
}

/// `40 s`, `about 12 min`, `about 3 h`.
fn span(span: Duration) -> String {
    match span.as_secs() {
        secs @ 0..=89 => format!("{secs} s"),
        secs @ 90..=5399 => format!("about {} min", secs.div_ceil(60)),
        secs => format!("about {} h", secs.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let secs = Duration::from_secs;
        assert_eq!((clock(secs(5)), clock(secs(3723))), ("0:05".into(), "1:02:03".into()));
        assert_eq!((span(secs(89)), span(secs(90))), ("89 s".into(), "about 2 min".into()));
        assert_eq!(span(secs(7200)), "about 2 h");
    }
}
