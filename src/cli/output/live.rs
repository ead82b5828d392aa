//! The state of a running job for the screen: stages, rate, current file,
//! losses so far, retries.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::loss::Loss;
use crate::model::monitor::{Progress, Stage};

/// Losses that are kept to scroll through. All are counted, and the set's
/// manifest lists all.
const KEPT_LOSSES: usize = 10_000;

/// Notes that are kept.
const KEPT_NOTES: usize = 100;

/// The period over which the rate is measured.
const RATE_OVER: Duration = Duration::from_secs(10);
/// The time between two samples of it.
const SAMPLES_EVERY: Duration = Duration::from_millis(250);

/// How long a note about a retry is shown: a little more than the longest wait
/// between two retries.
const TROUBLE_LASTS: Duration = Duration::from_secs(35);

/// A stage of the job, finished or not.
#[derive(Clone, Debug)]
pub(crate) struct StageShown {
    pub(crate) stage: Stage,
    pub(crate) progress: Progress,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
}

impl StageShown {
    /// Whether it copies the source.
    pub(crate) fn copies(&self) -> bool {
        self.stage == Stage::Copy
    }

    /// Its duration, or its duration so far.
    pub(crate) fn took(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).saturating_duration_since(self.began)
    }
}

/// Everything that is shown about a job.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// In order; the last one is running.
    pub(crate) stages: Vec<StageShown>,
    /// What the current stage works on.
    pub(crate) on: String,
    /// The current file.
    pub(crate) file: String,
    /// The first losses.
    pub(crate) losses: Vec<Loss>,
    /// All losses.
    pub(crate) lost: u64,
    /// The last notes.
    pub(crate) notes: VecDeque<String>,
    /// The number of retries.
    pub(crate) retries: u64,
    trouble: Option<(String, Instant)>,
    /// Bytes a second while the last store was read and compressed.
    copying: Option<u64>,
    /// Times, and the bytes that were done then.
    samples: VecDeque<(Instant, u64)>,
    /// Of a stage that compresses: bytes that were done when it began, and compressed since.
    compressed: Option<(u64, u64)>,
    /// What was read of it.
    read: Progress,
}

impl Shown {
    /// Recent bytes a second; `None` until there are enough samples. While nothing happens, it
    /// becomes less.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate_at(Instant::now())
    }

    fn rate_at(&self, now: Instant) -> Option<u64> {
        let (from, before) = self.samples.front()?;
        let (last, done) = self.samples.back()?;
        // Between two samples is no standstill.
        let quiet = now.saturating_duration_since(*last) > SAMPLES_EVERY * 4;
        let to = if quiet { now } else { *last };
        let millis = u64::try_from(to.saturating_duration_since(*from).as_millis()).ok()?;
        (millis >= 500).then(|| done.saturating_sub(*before).saturating_mul(1000) / millis)
    }

    /// The remaining time of the current stage.
    pub(crate) fn left(&self) -> Option<Duration> {
        let progress = self.stages.last()?.progress;
        let left = progress.total_bytes.checked_sub(progress.bytes).filter(|&left| left > 0)?;
        let rate = self.rate().filter(|&rate| rate > 0)?;
        Some(Duration::from_secs(left.div_ceil(rate)))
    }

    /// How far the stage is: by what is compressed, if it compresses. That is behind what is read,
    /// and goes on while reading waits.
    fn done(&self) -> Progress {
        let read = self.read;
        let bytes = match self.compressed {
            // With the headers between files, it is a little more.
            Some((before, since)) => before.saturating_add(since).min(read.bytes),
            None => read.bytes,
        };
        Progress { bytes, ..read }
    }

    fn sample(&mut self) {
        let now = Instant::now();
        let done = self.done();
        if let Some(last) = self.stages.last_mut() {
            last.progress = done;
        }
        // A few samples a second are enough, and keep the list short.
        let due = |(at, _): &(Instant, u64)| now.duration_since(*at) >= SAMPLES_EVERY;
        if self.samples.back().is_none_or(due) {
            self.samples.push_back((now, done.bytes));
        }
        while self.samples.len() > 2
            && self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER)
        {
            self.samples.pop_front();
        }
        if self.stages.last().is_some_and(|last| last.stage == Stage::Copy) {
            self.copying = self.rate_at(now).or(self.copying);
        }
    }

    /// Bytes a second of reading and compressing, now or in the last store.
    pub(crate) fn copying(&self) -> Option<u64> {
        self.copying.filter(|&rate| rate > 0)
    }

    /// The stages of the current set: each set begins with planning.
    pub(crate) fn of_this_set(&self) -> &[StageShown] {
        let planned = self.stages.iter().rposition(|stage| stage.stage == Stage::Plan);
        &self.stages[planned.unwrap_or(0)..]
    }

    /// The problem that the job waits for.
    pub(crate) fn trouble(&self) -> Option<&str> {
        let (text, since) = self.trouble.as_ref()?;
        (since.elapsed() < TROUBLE_LASTS).then_some(text.as_str())
    }
}

/// The state of a job, shared by the screen and the job.
#[derive(Debug, Default)]
pub(crate) struct Live {
    shown: Mutex<Shown>,
    stopped: AtomicBool,
}

impl Live {
    /// Forgets the previous job.
    pub(crate) fn begin(&self) {
        *self.lock() = Shown::default();
        self.stopped.store(false, Ordering::SeqCst);
    }

    /// Asks the job to stop after the current block.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the job was asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Reads the state. The job waits meanwhile: be quick.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Shown) -> T) -> T {
        look(&self.lock())
    }

    pub(crate) fn stage(&self, stage: Stage, on: &str) {
        let mut shown = self.lock();
        let now = Instant::now();
        on.clone_into(&mut shown.on);
        shown.file.clear();
        match shown.stages.last_mut() {
            // The next volume of the same stage.
            Some(last) if last.stage == stage => return,
            Some(last) => last.ended = Some(now),
            None => {}
        }
        shown.samples.clear();
        (shown.compressed, shown.read) = (None, Progress::default());
        let progress = Progress::default();
        shown.stages.push(StageShown { stage, progress, began: now, ended: None });
    }

    /// The job ended.
    pub(crate) fn end(&self) {
        let mut shown = self.lock();
        if let Some(last) = shown.stages.last_mut() {
            last.ended = Some(Instant::now());
        }
    }

    /// Returns how far the stage is, by what is compressed if it compresses.
    pub(crate) fn progress(&self, progress: Progress) -> Progress {
        let mut shown = self.lock();
        let first = shown.read == Progress::default();
        shown.read = progress;
        if let Some((before, _)) = shown.compressed.as_mut().filter(|_| first) {
            *before = progress.bytes;
        }
        shown.sample();
        shown.done()
    }

    /// This many more bytes were compressed; how far the stage is now.
    pub(crate) fn compressed(&self, bytes: u64) -> Progress {
        let mut shown = self.lock();
        let (before, since) = shown.compressed.unwrap_or((shown.read.bytes, 0));
        shown.compressed = Some((before, since.saturating_add(bytes)));
        shown.sample();
        shown.done()
    }

    pub(crate) fn file(&self, path: &str) {
        path.clone_into(&mut self.lock().file);
    }

    pub(crate) fn loss(&self, loss: &Loss) {
        let mut shown = self.lock();
        shown.lost += 1;
        if shown.losses.len() < KEPT_LOSSES {
            shown.losses.push(loss.clone());
        }
    }

    /// A note.
    pub(crate) fn note(&self, text: &str) {
        let mut shown = self.lock();
        if shown.notes.len() == KEPT_NOTES {
            shown.notes.pop_front();
        }
        shown.notes.push_back(text.to_owned());
    }

    /// A call is repeated; shown until [`Live::recovered`].
    pub(crate) fn retrying(&self, text: &str) {
        self.lock().retries += 1;
        self.stalled(text);
    }

    /// A call takes long; shown until [`Live::recovered`].
    pub(crate) fn stalled(&self, text: &str) {
        self.lock().trouble = Some((text.to_owned(), Instant::now()));
        self.note(text);
    }

    /// What was repeated, or took long, works again.
    pub(crate) fn recovered(&self, text: &str) {
        self.lock().trouble = None;
        self.note(text);
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // A panic in another thread does not damage the state.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::loss::LossKind;

    #[test]
    fn a_stage_over_several_volumes_is_one_stage() {
        let live = Live::default();
        live.stage(Stage::Plan, "C");
        live.stage(Stage::Plan, "D");
        live.stage(Stage::Copy, "there");
        live.with(|shown| {
            let stages: Vec<Stage> = shown.stages.iter().map(|s| s.stage).collect();
            assert_eq!(stages, [Stage::Plan, Stage::Copy]);
            assert!(shown.stages[0].ended.is_some() && shown.stages[1].ended.is_none());
            assert_eq!(shown.on, "there");
        });
    }

    #[test]
    fn repetitions_are_counted_and_shown_until_it_works_again() {
        let live = Live::default();
        live.retrying("there: gone; trying again, for up to 10 min: find the cable");
        live.retrying("there: gone; trying again, for up to 9 min: find the cable");
        live.with(|shown| {
            assert_eq!(shown.retries, 2);
            assert!(shown.trouble().unwrap().contains("9 min"));
        });
        live.recovered("there: it works again");
        live.with(|shown| assert_eq!(shown.trouble(), None));
    }

    #[test]
    fn losses_are_all_counted_and_not_all_kept() {
        let live = Live::default();
        let kind = LossKind::Hole;
        let loss = Loss { path: "C/a".into(), kind, detail: "bad sector".into() };
        for _ in 0..=KEPT_LOSSES {
            live.loss(&loss);
        }
        live.with(|shown| {
            assert_eq!(shown.losses.len(), KEPT_LOSSES);
            assert_eq!(shown.lost, KEPT_LOSSES as u64 + 1);
        });
    }

    #[test]
    fn a_copy_is_as_far_as_its_compressed_bytes() {
        let live = Live::default();
        live.stage(Stage::Copy, "there");
        live.compressed(0);
        let at = |bytes| Progress { bytes, total_bytes: 10 << 30, ..Progress::default() };
        // What an earlier run did is done.
        assert_eq!(live.progress(at(5 << 30)).bytes, 5 << 30);
        assert_eq!(live.progress(at(6 << 30)).bytes, 5 << 30);
        assert_eq!(live.compressed(1 << 20).bytes, (5 << 30) + (1 << 20));
        assert_eq!(live.compressed(2 << 30).bytes, 6 << 30, "not more than was read");
        live.stage(Stage::ReadBack, "there");
        assert_eq!(live.progress(at(7)).bytes, 7);
    }

    #[test]
    fn the_rate_of_a_standstill_becomes_less() {
        let live = Live::default();
        live.stage(Stage::Copy, "there");
        let at = |bytes| Progress { bytes, total_bytes: 10 << 30, ..Progress::default() };
        live.progress(at(0));
        std::thread::sleep(Duration::from_millis(600));
        live.progress(at(60 << 20));
        live.with(|shown| {
            let now = Instant::now();
            let rate = shown.rate_at(now).unwrap();
            let later = shown.rate_at(now + Duration::from_secs(30)).unwrap();
            assert!(later < rate / 10, "{rate} {later}");
        });
    }

    #[test]
    fn the_rate_is_that_of_late() {
        let live = Live::default();
        live.stage(Stage::Copy, "there");
        let at = |bytes| Progress { bytes, total_bytes: 10 << 30, ..Progress::default() };
        live.progress(at(5 << 30)); // what an earlier run did
        live.with(|shown| assert_eq!(shown.rate(), None));
        std::thread::sleep(Duration::from_millis(600));
        live.progress(at((5 << 30) + (6 << 20)));
        live.with(|shown| {
            let rate = shown.rate().unwrap();
            assert!(rate > 1 << 20 && rate <= 10 << 20, "{rate}");
            assert!(shown.left().unwrap() > Duration::from_mins(5));
        });
    }
}
