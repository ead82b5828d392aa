//! The guided rescue: `lifeboat` on a terminal. It finds the stores, asks for
//! the destination, tests it, saves, and shows the result: with keys only, in
//! 80x24, readable without color.
//!
//! It does what `lifeboat offload` does, with the same functions ([`jobs`]) and
//! defaults. [`app`] is the state, [`pages`] show it,
//! [`live`](super::output::live) is the state of a running job.

mod app;
mod canvas;
#[cfg(windows)]
mod console;
mod jobs;
mod keys;
mod pages;
mod places;
mod terminal;

use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use app::{App, Effect, Page};
use canvas::{Canvas, Glyphs};
use crossterm::event::{self, Event};
use jobs::Done;
use keys::Key;
use terminal::Screen;

use super::args::{Global, Guide};
use super::ending::{self, SavedSet};
use super::exit::{Exit, Failure};
use super::output::{Out, is_interrupted};
use crate::model::threads;
use crate::set::write::level::Level;

/// How often a page is redrawn while no key is pressed.
const PICTURE: Duration = Duration::from_millis(150);

/// Runs the guided rescue on the terminal.
pub(crate) fn run(args: &Guide, global: &Global, out: Out) -> Result<Exit> {
    if out.is_json() || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "the guided rescue requires a terminal",
            "In a script, use a command: lifeboat offload --to DEST.",
        )
        .into());
    }
    let glyphs = if terminal::draws_lines() { Glyphs::LINES } else { Glyphs::ASCII };
    // Without it, only the end of the terminal is not noticed.
    let _ = threads::start("terminal", end_with_the_terminal);
    let mut guided = Guided::new(args, global, out);
    let screen = Screen::take()?;
    out.take_screen(true);
    let ended = guided.run(screen, glyphs);
    out.take_screen(false);
    let exit = ended?;
    guided.last_words(exit);
    Ok(exit)
}

/// Ends the program when the terminal is gone (a closed window, a lost
/// connection): reading it would return immediately, forever. The rescue can be
/// resumed.
fn end_with_the_terminal() {
    while std::io::stdin().is_terminal() {
        std::thread::sleep(Duration::from_secs(1));
    }
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

struct Guided<'a> {
    app: App,
    sources: Vec<String>,
    /// First part of the names of the sets, if it was given.
    name: Option<String>,
    level: Level,
    global: &'a Global,
    out: Out,
    /// The channel of the running job; an earlier job's channel is closed.
    tell: Sender<Done>,
    told: Receiver<Done>,
}

impl<'a> Guided<'a> {
    fn new(args: &Guide, global: &'a Global, out: Out) -> Self {
        let (tell, told) = channel();
        let (sources, name) = (args.sources.clone(), args.name.clone());
        Self { app: App::new(args), sources, name, level: args.level, global, out, tell, told }
    }

    /// Runs until the user leaves.
    fn run(&mut self, mut screen: Screen, glyphs: Glyphs) -> Result<Exit> {
        let mut tick = 0;
        self.do_it(Effect::Find, &mut screen)?;
        loop {
            screen.draw(|buffer| {
                pages::paint(&self.app, self.out, tick, &mut Canvas::new(buffer, glyphs));
            })?;
            tick += 1;
            let mut effect = Effect::Nothing;
            if event::poll(PICTURE)? {
                match event::read()? {
                    Event::Key(key) => {
                        if let Some(key) = Key::of(key) {
                            effect = self.app.key(key);
                        }
                    }
                    // Some terminals show garbage when they grow.
                    Event::Resize(..) => effect = Effect::Redraw,
                    _ => {}
                }
            }
            if let Some(exit) = self.do_it(effect, &mut screen)? {
                return Ok(exit);
            }
            while let Ok(done) = self.told.try_recv() {
                let effect = self.app.done(done);
                if let Some(exit) = self.do_it(effect, &mut screen)? {
                    return Ok(exit);
                }
            }
            // Ctrl-C as a signal, a closed window, a shutdown.
            if is_interrupted() {
                if self.app.page != Page::Saving {
                    return Ok(Exit::Interrupted);
                }
                self.app.stop(Instant::now());
            }
            self.app.tick(Instant::now());
        }
    }

    /// Does what a key requested; returns the exit code if that was to leave.
    fn do_it(&mut self, effect: Effect, screen: &mut Screen) -> Result<Option<Exit>> {
        let out = self.out;
        match effect {
            Effect::Nothing => {}
            Effect::Redraw => screen.redraw()?,
            Effect::Stop => {
                out.live().stop();
                if self.app.page != Page::Saving {
                    // Do not wait for the job: its result is ignored.
                    (self.tell, self.told) = channel();
                }
            }
            Effect::Leave(exit) => {
                out.live().stop();
                return Ok(Some(exit));
            }
            Effect::Find => {
                let (sources, global) = (self.sources.clone(), self.global.clone());
                self.start(move || jobs::find(&sources, &global, out));
            }
            Effect::Unlock(key) => {
                let (sources, global) = (self.sources.clone(), self.global.clone());
                global.volume_keys.add(key);
                self.start(move || jobs::find(&sources, &global, out));
            }
            Effect::Check(wish) => {
                let (name, level) = (self.name.clone(), self.level);
                let sources = self.sources.clone();
                self.start(move || jobs::check(*wish, &sources, name.as_deref(), level, out));
            }
            Effect::Save(order) => self.start(move || jobs::save(*order, out)),
        }
        Ok(None)
    }

    fn start(&mut self, job: impl FnOnce() -> Done + Send + 'static) {
        (self.tell, self.told) = channel();
        self.out.live().begin();
        jobs::start(&self.tell, job);
    }

    /// What remains on the terminal and in the log after the last page.
    fn last_words(&self, exit: Exit) {
        let saved = &self.app.saved;
        for (number, set) in &saved.sets {
            let at = |file: &str| self.app.path_of(*number, &set.outcome.set, file);
            // The log has it since it was saved.
            ending::print(set, &at, false, self.out);
        }
        // Without a store, the reason is why the search failed.
        let failure = self.app.failure.as_ref().filter(|_| self.app.page == Page::Nothing);
        if let Some(failure) = saved.failure.as_ref().or(failure) {
            self.out.error(&failure.what, &failure.action, failure.exit.code());
        } else if saved.sets.is_empty() {
            self.out.result("Nothing was saved.");
        } else {
            let (end, sets) = (self.app.end(), saved.sets.iter().map(|(_, set)| set));
            let sets: Vec<&SavedSet> = sets.collect();
            ending::print_next(end, &sets, &self.app.around(), false, self.out);
            let word = ending::exit_word(exit, end);
            self.out.print_field("exit", &format!("code {}: {word}", exit.code()));
        }
    }
}
