//! The guided rescue: `lifeboat` on a terminal. It finds the stores, asks where
//! to, tries the place, saves, and says how it ended; by keys alone, in 80x24,
//! readable without colour.
//!
//! It does what `lifeboat offload` does, by the same functions ([`jobs`]), with
//! that command's own defaults. [`app`] is the state, [`pages`] show it,
//! [`live`](super::output::live) is what a running job tells.

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
use std::time::Duration;

use anyhow::Result;
use crossterm::event::{self, Event};

use super::args::{Global, Guide};
use super::exit::{Exit, Failure};
use super::output::{Out, is_interrupted};
use crate::set::write::level::Level;
use app::{App, Effect, Page};
use canvas::{Canvas, Glyphs};
use jobs::Done;
use keys::Key;
use terminal::Screen;

/// How often a page is drawn anew while nothing is pressed.
const PICTURE: Duration = Duration::from_millis(150);

/// Takes the terminal, guides, gives it back.
pub(crate) fn run(args: &Guide, global: &Global, out: Out) -> Result<Exit> {
    if out.is_json() || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "the guided rescue is for people at a terminal",
            "Scripts name a command: lifeboat offload --to DEST; see lifeboat --help.",
        )
        .into());
    }
    let glyphs = if terminal::draws_lines() { Glyphs::LINES } else { Glyphs::ASCII };
    std::thread::spawn(end_with_the_terminal);
    let mut guided = Guided::new(args, global, out);
    let screen = Screen::take()?;
    out.take_screen(true);
    let ended = guided.run(screen, glyphs);
    out.take_screen(false);
    let exit = ended?;
    guided.last_words(exit);
    Ok(exit)
}

/// A terminal that is gone (a closed window, a lost connection) sends no more
/// keys, and reading it comes back at once for ever. What was saved so far goes on
/// when the program is started again.
fn end_with_the_terminal() {
    while std::io::stdin().is_terminal() {
        std::thread::sleep(Duration::from_secs(1));
    }
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

struct Guided<'a> {
    app: App,
    sources: Vec<String>,
    /// First part of the sets' names, if it was given.
    name: Option<String>,
    level: Level,
    global: &'a Global,
    out: Out,
    /// Of the job that runs; an earlier one speaks to nobody.
    tell: Sender<Done>,
    told: Receiver<Done>,
}

impl<'a> Guided<'a> {
    fn new(args: &Guide, global: &'a Global, out: Out) -> Self {
        let (tell, told) = channel();
        let (sources, name) = (args.sources.clone(), args.name.clone());
        Self { app: App::new(args), sources, name, level: args.level, global, out, tell, told }
    }

    /// Until it is left.
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
                            let losses = self.out.live().with(|shown| shown.losses.len());
                            effect = self.app.key(key, losses);
                        }
                    }
                    // Some terminals leave rubbish where they grow.
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
            // Ctrl-C as a signal, the window closed, the system going down.
            if is_interrupted() {
                if self.app.page != Page::Saving {
                    return Ok(Exit::Interrupted);
                }
                self.app.stopping = true;
            }
        }
    }

    /// Does what a key asked for; the exit code if that was to leave.
    fn do_it(&mut self, effect: Effect, screen: &mut Screen) -> Result<Option<Exit>> {
        let out = self.out;
        match effect {
            Effect::Nothing => {}
            Effect::Redraw => screen.redraw()?,
            Effect::Stop => {
                out.live().stop();
                if self.app.page != Page::Saving {
                    // It is not waited for: what it finds is not asked for any more.
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
            Effect::Check(wish) => {
                let (name, level) = (self.name.clone(), self.level);
                self.start(move || jobs::check(&wish, name.as_deref(), level, out));
            }
            Effect::Save(order) => self.start(move || jobs::save(&order, out)),
        }
        Ok(None)
    }

    fn start(&mut self, job: impl FnOnce() -> Done + Send + 'static) {
        (self.tell, self.told) = channel();
        self.out.live().begin();
        jobs::start(&self.tell, job);
    }

    /// What stays on the terminal, and in the log, once the pages are gone.
    fn last_words(&self, exit: Exit) {
        let saved = &self.app.saved;
        for (_, outcome, _) in &saved.sets {
            self.out.result(&format!("Saved: {} in {}", outcome.set, self.app.to));
        }
        if let Some(failure) = &saved.failure {
            self.out.error(&failure.what, &failure.action, failure.exit.code());
        } else if exit == Exit::Losses {
            let lost = self.out.live().with(|shown| shown.lost);
            self.out.result(&match lost {
                0 => "SAVED WITH LOSSES: parts are missing, or it is not as it was sealed".into(),
                lost => format!("SAVED WITH LOSSES: {lost} named in the manifest"),
            });
        } else if saved.sets.is_empty() {
            self.out.result("Nothing was saved.");
        }
    }
}
