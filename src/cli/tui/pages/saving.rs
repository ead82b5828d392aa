//! The live view: the progress of all stores and of each stage.

use std::time::Duration;

use super::super::super::output::words;
use super::super::app::{App, Target, What};
use super::super::canvas::{Canvas, Look};
use super::turning;
use crate::cli::output::live::{Live, Shown, StageShown};
use crate::model::monitor::Stage;
use crate::model::units;

/// The lines that the page has in all.
const LINES: u16 = 18;

/// Bytes that a run which is resumed may have to repeat: those between two checkpoints, and some
/// on their way to the destination.
const REPEATED: u64 = 160 << 20;

/// The share of a store's work that is reading and writing, per thousand. The
/// rest is the read-back, which reads only the compressed bytes.
const COPYING: u64 = 800;

/// Draws the running save.
pub(super) fn saving(app: &App, live: &Live, tick: usize, canvas: &mut Canvas<'_>) {
    canvas.frame("5 of 5: Save", &[("Esc", "Stop")]);
    // A low screen has no room for empty lines, and for one thing a line.
    let is_low = canvas.room() < LINES;
    let gap = |canvas: &mut Canvas<'_>| {
        if !is_low {
            canvas.next();
        }
    };
    live.with(|shown| {
        gap(canvas);
        let all = Overall::of(app, shown);
        let left = app.left();
        let count = left.len();
        let sign = if app.is_stopping() { ' ' } else { turning(tick) };
        let number = (all.now + 1).min(count);
        let now = left.get(all.now);
        let name = now.map(Target::name).unwrap_or_default();
        let what = match now.map(|target| &target.what) {
            Some(What::Users(..)) => "Set",
            _ => "Store",
        };
        canvas.line(&format!("{sign} {what} {number} of {count}: {name}"), Look::Plain);
        if !is_low {
            canvas.line(&format!("  to {}", app.to), Look::Plain);
        }
        gap(canvas);
        // What goes wrong is never what there is no room for.
        let look = if shown.lost > 0 { Look::Bad } else { Look::Plain };
        if is_low {
            let text = format!("{}, retries: {}", shown.lost, shown.retries);
            canvas.pair("Losses", &text, look);
        } else {
            canvas.pair("Losses", &shown.lost.to_string(), look);
            canvas.pair("Retries", &shown.retries.to_string(), Look::Plain);
        }
        let is_calm = !app.is_stopping() && shown.trouble().is_none();
        if is_calm || !is_low {
            super::warn(app, if is_low { 1 } else { 2 }, canvas);
        }
        if app.is_stopping() {
            canvas.text(
                1,
                "Stopping after the current block. Press Ctrl-C again to stop now; you can still \
                 resume.",
                Look::Doubtful,
            );
        } else if let Some(trouble) = shown.trouble() {
            canvas.pair("WAITING", trouble, Look::Doubtful);
        } else if let Some(loss) = shown.losses.last() {
            let text = format!("{}: {}", loss.path, loss.detail);
            canvas.at(1, "Last loss", Look::Plain);
            canvas.at(13, &text, Look::Plain);
            canvas.next();
        }
        gap(canvas);
        measured("All", all.permille, &amounts(took_in_all(shown), all.done, all.bytes), canvas);
        gap(canvas);
        stages(shown, is_low, canvas);
        gap(canvas);
        let progress = shown.stages.last().map(|stage| stage.progress).unwrap_or_default();
        let files = match progress.total_files {
            0 => "...".to_owned(),
            total => format!("{} of {total}", progress.files),
        };
        let rate = shown.rate().map_or("...".into(), |rate| format!("{}/s", units::bytes(rate)));
        let whole = all.left(shown).map_or("...".into(), span);
        if is_low {
            canvas.pair("Rate", &format!("{rate}, {whole} left"), Look::Plain);
            canvas.pair("Files", &files, Look::Plain);
        } else {
            canvas.pair("Files", &files, Look::Plain);
            canvas.pair("Rate", &rate, Look::Plain);
            canvas.pair("Time left", &whole, Look::Plain);
        }
        canvas.at(1, "File", Look::Plain);
        canvas.at(13, &shown.file, Look::Plain);
        canvas.next();
        if is_low {
            canvas.line(&format!("  to {}", app.to), Look::Plain);
        }
    });
}

/// What is kept if it stops now, in two lines.
pub(super) fn kept(shown: &Shown) -> [&'static str; 2] {
    let stages = shown.of_this_set();
    match stages.iter().find(|stage| stage.copies()) {
        Some(copy) if copy.ended.is_none() && copy.progress.bytes < REPEATED => [
            "Stop saving? Too little may be saved to resume from:",
            "then saving begins again at the start.",
        ],
        Some(_) => [
            "Stop saving? The saved data is kept. To resume, start",
            "again with the same destination.",
        ],
        None => ["Stop saving? Nothing new is saved yet of this set.", "What is there is kept."],
    }
}

/// Draws the stages of the current store: done, running, to come.
/// On a low screen, only that which runs.
fn stages(shown: &Shown, is_low: bool, canvas: &mut Canvas<'_>) {
    let stages = shown.of_this_set();
    if let (Some(last), true) = (stages.last(), is_low) {
        stage_row(last, canvas);
        return;
    }
    for stage in stages {
        stage_row(stage, canvas);
    }
    let copies = stages.iter().position(|stage| stage.stage == Stage::Copy);
    // The frames of an earlier run are read back before the copy, and all
    // frames after it.
    let rereads = stages.iter().rposition(|stage| stage.stage == Stage::ReadBack);
    for (stage, is_there) in
        [(Stage::Copy, copies.is_some()), (Stage::ReadBack, copies.is_some() && rereads > copies)]
    {
        if !is_there {
            canvas.line(&format!("[ ] {}", words(stage)), Look::Plain);
        }
    }
}

/// The progress of all stores.
struct Overall {
    /// Per thousand.
    permille: u64,
    /// The index of the current store.
    now: usize,
    /// Bytes of all stores that are read and compressed.
    done: u64,
    bytes: u64,
    /// Bytes of the stores after the current one.
    later: u64,
    /// Whether the current store is read and compressed.
    copied: bool,
}

impl Overall {
    fn of(app: &App, shown: &Shown) -> Self {
        let sizes: Vec<u64> = app.left().iter().map(Target::bytes).collect();
        let plans = shown.stages.iter().filter(|stage| stage.stage == Stage::Plan).count();
        Self::among(&sizes, plans.saturating_sub(1), shown.of_this_set())
    }

    /// For stores of these sizes, where store `now` is at the last of `stages`.
    fn among(sizes: &[u64], now: usize, stages: &[StageShown]) -> Self {
        let add = |sizes: &[u64]| sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(*size));
        let size = sizes.get(now).copied().unwrap_or(0);
        let before = add(&sizes[..now.min(sizes.len())]);
        let later = add(sizes.get(now + 1..).unwrap_or_default());
        let copy = stages.iter().find(|stage| stage.stage == Stage::Copy);
        let copied = copy.is_some_and(|copy| copy.ended.is_some());
        let done = match copy {
            None => 0,
            // The plan is more exact than the survey, and files may shrink.
            Some(_) if copied => size,
            Some(copy) => copy.progress.bytes.min(size),
        };
        let of_this = match (copy, stages.last()) {
            (None, _) => 0,
            (Some(_), Some(last)) if copied => COPYING + permille(last) * (1000 - COPYING) / 1000,
            (Some(copy), _) => permille(copy) * COPYING / 1000,
        };
        // A store without bytes counts as well.
        let weigh = |bytes: u64| u128::from(bytes.max(1));
        let all = sizes.iter().map(|size| weigh(*size)).sum::<u128>().max(1);
        let behind = sizes.iter().take(now).map(|size| weigh(*size)).sum::<u128>();
        let permille = (behind * 1000 + weigh(size) * u128::from(of_this)) / all;
        Self {
            permille: u64::try_from(permille).unwrap_or(1000).min(1000),
            now,
            done: before.saturating_add(done),
            bytes: add(sizes),
            later,
            copied,
        }
    }

    /// The remaining time of all stores, at the recent rate.
    fn left(&self, shown: &Shown) -> Option<Duration> {
        let rate = shown.copying()?;
        let packing = |bytes: u64| {
            let secs = u128::from(bytes) * 1000 / u128::from(COPYING) / u128::from(rate);
            Duration::from_secs(u64::try_from(secs).unwrap_or(u64::MAX))
        };
        let now = if self.copied {
            shown.left()?
        } else {
            packing(self.bytes.saturating_sub(self.done).saturating_sub(self.later))
        };
        Some(now.saturating_add(packing(self.later)))
    }
}

/// The progress of a stage per thousand: by bytes, or by files if there are no
/// bytes.
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
        canvas.at(columns(canvas).2, &clock(stage.took()), Look::Plain);
        canvas.next();
        return;
    }
    let progress = stage.progress;
    let more = match progress.total_bytes {
        0 => {
            let files = units::count(progress.files, "file", "files");
            [format!("{} {files} so far", clock(stage.took())), files.clone(), files]
        }
        total => amounts(stage.took(), progress.bytes, total),
    };
    measured(&text, permille(stage), &more, canvas);
}

/// Draws a name, a bar, a percentage, and the first of `more` that there is room for.
fn measured(name: &str, permille: u64, more: &[String; 3], canvas: &mut Canvas<'_>) {
    let (bar, percent, rest) = columns(canvas);
    canvas.at(1, name, Look::Plain);
    canvas.bar(22, bar, permille);
    canvas.at(percent, &format!("{:>3}%", permille / 10), Look::Plain);
    let room = usize::from(canvas.width().saturating_sub(rest.saturating_add(1)));
    if let Some(more) = more.iter().find(|text| text.chars().count() <= room) {
        canvas.at(rest, more, Look::Plain);
    }
    canvas.next();
}

/// The width of a bar, and where what follows begins: on a narrow screen the bar gives way.
fn columns(canvas: &Canvas<'_>) -> (u16, u16, u16) {
    let bar = canvas.width().saturating_sub(54).clamp(4, 20);
    (bar, 23 + bar, 28 + bar)
}

fn took_in_all(shown: &Shown) -> Duration {
    shown.stages.first().map(|stage| stage.began.elapsed()).unwrap_or_default()
}

/// `0:05 1.2 MiB of 3.0 GiB`, and the same in less room.
fn amounts(took: Duration, done: u64, total: u64) -> [String; 3] {
    let of = format!("{} of {}", units::bytes(done), units::bytes(total));
    [format!("{} {of}", clock(took)), of, units::bytes(done)]
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
    use std::time::Instant;

    use crate::model::monitor::Progress;

    use super::*;

    fn stage(stage: Stage, bytes: u64, ended: bool) -> StageShown {
        let began = Instant::now();
        let progress = Progress { bytes, total_bytes: 1000, ..Progress::default() };
        StageShown { stage, progress, began, ended: ended.then_some(began) }
    }

    #[test]
    fn all_stores_are_one_way_that_only_goes_on() {
        use Stage::{Copy, Plan, ReadBack};
        let plan = || stage(Plan, 0, true);
        let ways: [(usize, Vec<StageShown>); 8] = [
            (0, vec![stage(Plan, 0, false)]),
            // The frames of an earlier run are read back: no progress yet.
            (0, vec![plan(), stage(ReadBack, 900, false)]),
            (0, vec![plan(), stage(ReadBack, 1000, true), stage(Copy, 500, false)]),
            (0, vec![plan(), stage(Copy, 1000, true), stage(ReadBack, 0, false)]),
            (0, vec![plan(), stage(Copy, 1000, true), stage(ReadBack, 1000, false)]),
            (1, vec![stage(Plan, 0, false)]),
            (1, vec![plan(), stage(Copy, 250, false)]),
            (1, vec![plan(), stage(Copy, 1000, true), stage(ReadBack, 1000, true)]),
        ];
        let far = ways.iter().map(|(now, stages)| {
            let all = Overall::among(&[1000, 1000], *now, stages);
            (all.permille, all.done, all.later)
        });
        let wanted = [
            (0, 0, 1000),
            (0, 0, 1000),
            (200, 500, 1000),
            (400, 1000, 1000),
            (500, 1000, 1000),
            (500, 1000, 0),
            (600, 1250, 0),
            (1000, 2000, 0),
        ];
        assert_eq!(far.collect::<Vec<_>>(), wanted);
        assert_eq!(Overall::among(&[], 3, &[]).permille, 0, "nothing is there yet");
    }

    #[test]
    fn times_are_short() {
        let secs = Duration::from_secs;
        assert_eq!((clock(secs(5)), clock(secs(3723))), ("0:05".into(), "1:02:03".into()));
        assert_eq!((span(secs(89)), span(secs(90))), ("89 s".into(), "about 2 min".into()));
        assert_eq!(span(secs(7200)), "about 2 h");
    }

    #[test]
    fn before_it_stops_it_says_what_is_kept() {
        let shown = |bytes, ended| {
            let mut shown = Shown::default();
            shown.stages = vec![stage(Stage::Plan, 0, true), stage(Stage::Copy, bytes, ended)];
            shown
        };
        assert!(kept(&shown(1 << 20, false))[0].contains("Too little"));
        assert!(kept(&shown(REPEATED, false))[0].contains("is kept"));
        assert!(kept(&shown(1 << 20, true))[0].contains("is kept"), "only reading back is left");
        assert!(kept(&Shown::default())[0].contains("Nothing new"));
    }

    #[test]
    fn amounts_give_way_to_the_room_and_are_never_cut() {
        use crate::cli::tui::canvas::Glyphs;
        use ratatui::buffer::Buffer;
        use ratatui::layout::Rect;
        let amounts = amounts(Duration::from_secs(3723), 999 << 20, 999 << 20);
        for (width, said) in
            [(60, "999.0 MiB of 999.0 MiB"), (80, "1:02:03 999.0 MiB of 999.0 MiB")]
        {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, 24));
            measured("All", 500, &amounts, &mut Canvas::new(&mut buffer, Glyphs::ASCII));
            let cells = buffer.content.iter();
            let line: String = cells.map(ratatui::buffer::Cell::symbol).collect();
            assert!(line.trim_end().ends_with(&format!("% {said}")), "{width}: {}", line.trim());
        }
    }
}
