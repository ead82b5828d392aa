//! The progress bar, on standard error.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::model::monitor::Progress;
use crate::model::text::visible;

/// The interval between signs of life.
const SIGN_EVERY: Duration = Duration::from_secs(1);

/// Shows how far a stage is, in bytes, files, or a percentage of another program.
pub(super) struct Bar {
    bar: ProgressBar,
    /// Whether a stage has begun: from then on, there is a bar.
    has_begun: AtomicBool,
}

impl Bar {
    pub(super) fn new(is_shown: bool) -> Self {
        let target = if is_shown {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_style(style(false));
        Self { bar, has_begun: AtomicBool::new(false) }
    }

    /// A sign of life each second, whatever the job waits for. Not while something is asked for:
    /// then the bar is cleared.
    pub(super) fn turn(&self) {
        loop {
            std::thread::sleep(SIGN_EVERY);
            if self.has_begun.load(Ordering::SeqCst) && !self.bar.is_finished() {
                self.bar.tick();
            }
        }
    }

    /// Never draws it again.
    pub(super) fn hide(&self) {
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Removes it, until the next stage.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints without colliding with it.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// A stage begins, of which nothing is done yet.
    pub(super) fn stage(&self, message: String) {
        self.bar.reset();
        self.bar.unset_length();
        self.bar.set_style(style(false));
        show_files(0, 0);
        self.has_begun.store(true, Ordering::SeqCst);
        self.bar.set_message(message);
    }

    /// The progress of another program, as it reports it.
    pub(super) fn percent(&self, what: &str, percent: u8) {
        if self.bar.length() != Some(100) {
            self.bar.reset();
            self.bar.set_style(plain_style("{wide_msg}\n[{bar:28}] {percent:>3}% {elapsed}"));
            self.bar.set_length(100);
        }
        self.bar.set_message(visible(what).into_owned());
        self.bar.set_position(percent.into());
    }

    /// `progress` is what was read; `done`, how far the stage is: by what is compressed, if it does.
    pub(super) fn progress(&self, progress: Progress, done: Progress) {
        if done.total_bytes > 0 {
            let begins = self.bar.length().is_none();
            if self.bar.length() != Some(done.total_bytes) {
                self.bar.set_style(style(true));
                self.bar.set_length(done.total_bytes);
            }
            show_files(done.files, done.total_files);
            self.bar.set_position(done.bytes);
            if begins {
                // What an earlier run did must not count for the rate.
                self.bar.reset_eta();
            }
        } else if progress.total_files > 0 {
            if self.bar.length() != Some(progress.total_files) {
                self.bar.set_style(plain_style(
                    "{wide_msg}\n[{bar:28}] {percent:>3}% {human_pos} of {human_len} files {eta}",
                ));
                self.bar.set_length(progress.total_files);
            }
            self.bar.set_position(progress.files);
        } else {
            if progress.files > 0 {
                if self.bar.position() == 0 {
                    self.bar.set_style(plain_style("{spinner} {wide_msg} {human_pos} files"));
                }
                self.bar.set_position(progress.files);
            }
            self.bar.tick();
        }
    }
}

/// Plain ASCII: code page 437 and serial consoles may have nothing else.
fn style(with_total: bool) -> ProgressStyle {
    let template = if with_total {
        "{wide_msg}\n[{bar:12}] {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta} {files}"
    } else {
        "{spinner} {wide_msg}"
    };
    plain_style(template)
}

/// Files that are done and files in all, for the bar.
static FILES: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

fn show_files(done: u64, all: u64) {
    FILES.0.store(done, Ordering::Relaxed);
    FILES.1.store(all, Ordering::Relaxed);
}

fn write_files(_: &ProgressState, out: &mut dyn std::fmt::Write) {
    let (done, all) = (FILES.0.load(Ordering::Relaxed), FILES.1.load(Ordering::Relaxed));
    if all > 0 {
        let _ = write!(out, "{done}/{all} files");
    }
}

fn plain_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("files", write_files)
        .progress_chars("=> ")
        .tick_chars("|/-\\ ")
}
