//! The state of the guided rescue: the page, the choices, and what each key
//! does; a file for each larger page. It draws nothing and starts nothing: it returns an [`Effect`].

mod destination;
mod naming;
mod stores;
mod targets;
#[cfg(test)]
mod tests;
mod unlock;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use destination::Form;
pub(super) use destination::PASSWORD;
use naming::Naming;
pub(super) use targets::{Target, What};
use unlock::Unlock;

use super::super::args::{Guide, Logon};
use super::super::ending::{Around, End};
use super::super::exit::{Exit, Failure};
use super::canvas::Scroll;
use super::jobs::{Checked, Done, Found, Order, Saved, Wish};
use super::keys::{Field, Key};
use crate::cli::exit::interrupted;
use crate::destination::Destination;
use crate::disk::bitlocker::VolumeKey;
use crate::model::finding::Severity;

/// A job that was asked to stop and has not answered for this long waits for a disk or a server:
/// the result is shown without it.
const STOPS_WITHIN: Duration = Duration::from_millis(2500);

/// The pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    /// The search for stores.
    Finding,
    /// No store was found, or the search failed.
    Nothing,
    /// The stores.
    Stores,
    /// The field for the key of a locked volume.
    Unlock,
    /// The attached places.
    Where,
    /// The form for another destination.
    Form,
    /// The pre-flight check.
    Checking,
    /// The pre-flight check failed.
    Refused,
    /// The pre-flight check passed.
    Ready,
    /// The fields for the set's name and a passphrase.
    Naming,
    /// The save.
    Saving,
    /// The result.
    End,
}

/// What the program does next.
pub(super) enum Effect {
    Nothing,
    /// Search for stores.
    Find,
    /// Try this key, and search again.
    Unlock(VolumeKey),
    /// Test a destination.
    Check(Box<Wish>),
    /// Save.
    Save(Box<Order>),
    /// Stop the running job.
    Stop,
    /// Redraw everything.
    Redraw,
    /// End the program.
    Leave(Exit),
}

/// A question over a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// Leave before anything is saved?
    Quit,
    /// Stop saving?
    Stop,
}

/// Everything that the pages show, except the running job.
#[allow(clippy::struct_excessive_bools)] // independent
pub(super) struct App {
    pub(super) page: Page,
    pub(super) question: Option<Question>,
    pub(super) found: Option<Box<Found>>,
    /// Why the search failed, or why the destination was refused.
    pub(super) failure: Option<Failure>,
    /// Which stores to save.
    pub(super) marked: Vec<bool>,
    /// Those that were selected at first.
    proposed: Vec<bool>,
    /// The selected store and place.
    pub(super) store: usize,
    pub(super) place: usize,
    /// How far the page, or the details on it, are scrolled.
    pub(super) scroll: Scroll,
    /// Whether findings that are only information are shown.
    pub(super) unfolded: bool,
    /// Why the last key did nothing.
    pub(super) hint: Option<&'static str>,
    pub(super) form: Form,
    pub(super) naming: Naming,
    pub(super) unlock: Unlock,
    logon: Logon,
    allow_memory: bool,
    /// The destination on the command line.
    given_to: String,
    /// The destination that is tested, for display.
    pub(super) to: String,
    pub(super) checked: Option<Checked>,
    pub(super) saved: Saved,
    /// Where each set was saved.
    saved_at: HashMap<usize, Arc<dyn Destination>>,
    /// What the user marked, or did not, by [`Found::ids`].
    choices: HashMap<String, bool>,
    /// When the running job was asked to stop.
    stopping_since: Option<Instant>,
    /// Whether a job that was asked to stop still waits for a disk or a server.
    pub(super) is_stuck: bool,
    /// Whether to save when the destination passes, without a question.
    resuming: bool,
    /// Whether deleted files are recovered too, if there are any.
    pub(super) recover: bool,
}

impl App {
    pub(super) fn new(args: &Guide) -> Self {
        let to = args.to.as_deref().unwrap_or_default();
        let user = args.logon.user.as_deref().unwrap_or_default();
        Self {
            page: Page::Finding,
            question: None,
            found: None,
            failure: None,
            marked: Vec::new(),
            proposed: Vec::new(),
            store: 0,
            place: 0,
            scroll: Scroll::default(),
            unfolded: false,
            hint: None,
            form: Form {
                fields: [Field::new(to), Field::new(user), Field::default()],
                at: 0,
                reveal: false,
            },
            naming: Naming {
                fields: [
                    Field::new(args.name.as_deref().unwrap_or_default()),
                    Field::default(),
                    Field::default(),
                ],
                name: args.name.clone(),
                ..Naming::default()
            },
            unlock: Unlock::default(),
            logon: args.logon.clone(),
            allow_memory: args.allow_memory,
            given_to: to.to_owned(),
            to: String::new(),
            checked: None,
            saved: Saved::default(),
            saved_at: HashMap::new(),
            choices: HashMap::new(),
            stopping_since: None,
            is_stuck: false,
            resuming: false,
            recover: true,
        }
    }

    /// The result so far.
    pub(super) fn exit(&self) -> Exit {
        match &self.saved.failure {
            Some(failure) => failure.exit,
            None if self.saved.sets.iter().any(|(_, set)| set.exit != Exit::Done) => Exit::Losses,
            None if self.is_doubtful() => Exit::Losses,
            None => Exit::Done,
        }
    }

    /// Whether a store may be there that was not found.
    fn is_doubtful(&self) -> bool {
        let found = self.found.as_deref();
        found.is_some_and(|found| !found.closed.is_empty() || !found.doubts.is_empty())
    }

    /// What is known of the disks beside the sets.
    pub(super) fn around(&self) -> Around {
        let Some(found) = &self.found else { return Around::default() };
        let stores = found.stores.iter().map(|seen| seen.store.display());
        let users = found.users.iter().map(|user| format!("the files of {}", user.profile.name));
        let names = stores.chain(users).zip(self.marked.iter().zip(&self.proposed));
        let left_out = names.filter(|(_, (marked, proposed))| **proposed && !**marked);
        let left_out = left_out.map(|(name, _)| name).collect();
        Around { doubts: found.doubts.clone(), left_out }
    }

    /// The same, in words.
    pub(super) fn end(&self) -> End {
        let failed = self.saved.failure.as_ref().map(|failure| failure.exit);
        End::of_all(self.saved.sets.iter().map(|(_, set)| set), failed)
    }

    /// The path of a file of a set at its destination, or of the set itself. `number` is that of
    /// its [`Target`].
    pub(super) fn path_of(&self, number: usize, set: &str, file: &str) -> String {
        let path = if file.is_empty() { set.to_owned() } else { format!("{set}/{file}") };
        match self.saved_at.get(&number) {
            Some(target) => target.display(&path),
            None => path,
        }
    }

    /// Whether something was saved, or was tried.
    pub(super) fn has_ended(&self) -> bool {
        self.saved.failure.is_some() || !self.saved.sets.is_empty()
    }

    /// Whether the running job was asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping_since.is_some()
    }

    /// The job was asked to stop: by a key, or by a signal.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stopping_since.get_or_insert(now);
    }

    /// Time passes: a job that does not stop is not waited for.
    pub(super) fn tick(&mut self, now: Instant) {
        let is_late = |since: Instant| now.saturating_duration_since(since) >= STOPS_WITHIN;
        if self.page == Page::Saving && self.stopping_since.is_some_and(is_late) {
            self.is_stuck = true;
            self.saved.failure = Some(interrupted());
            self.saved.kept = None;
            self.go_to(Page::End);
        }
    }

    fn go_to(&mut self, page: Page) {
        self.page = page;
        self.question = None;
        self.scroll.reset();
    }

    /// A job has ended.
    pub(super) fn done(&mut self, done: Done) -> Effect {
        match done {
            Done::Found(Ok(found)) => self.take_found(found),
            Done::Found(Err(failure)) => {
                self.failure = Some(failure);
                self.go_to(Page::Nothing);
            }
            Done::Checked(Ok(checked)) => {
                self.checked = Some(*checked);
                self.go_to(Page::Ready);
                if std::mem::take(&mut self.resuming) {
                    return self.save();
                }
            }
            Done::Checked(Err(failure)) => {
                self.resuming = false;
                self.failure = Some(failure);
                self.go_to(Page::Refused);
            }
            Done::Saved(saved) => {
                if let Some(checked) = &self.checked {
                    let numbers = saved.sets.iter().map(|(number, _)| *number);
                    self.saved_at.extend(numbers.map(|n| (n, Arc::clone(&checked.target))));
                }
                self.saved.sets.extend(saved.sets);
                self.saved.failure = saved.failure;
                self.saved.kept = saved.kept;
                self.is_stuck = false;
                self.go_to(Page::End);
            }
        }
        (self.stopping_since, self.hint) = (None, None);
        Effect::Nothing
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key) -> Effect {
        if key == Key::Redraw {
            return Effect::Redraw;
        }
        self.hint = None;
        let page = self.page;
        let effect = self.key_on_page(key);
        if self.page != page {
            self.scroll.reset();
        }
        effect
    }

    fn key_on_page(&mut self, key: Key) -> Effect {
        if let Some(question) = self.question {
            return self.answer(question, key);
        }
        match self.page {
            Page::Finding => match key {
                Key::Esc | Key::Stop => Effect::Leave(Exit::Interrupted),
                _ => Effect::Nothing,
            },
            Page::Nothing => match key {
                Key::Enter => self.find(),
                Key::Char('k' | 'K') => self.show_locked(),
                Key::Char('i' | 'I') => self.fold(),
                Key::Esc | Key::Stop => Effect::Leave(self.nothing()),
                key => {
                    self.scroll.key_or_line(key);
                    Effect::Nothing
                }
            },
            Page::Stores => self.key_stores(key),
            Page::Unlock => self.key_unlock(key),
            Page::Where => self.key_where(key),
            Page::Form => self.key_form(key),
            Page::Checking => {
                if matches!(key, Key::Esc | Key::Stop) {
                    self.resuming = false;
                    self.page = Page::Form;
                    return Effect::Stop;
                }
                Effect::Nothing
            }
            Page::Refused => self.key_refused(key),
            Page::Ready => self.key_ready(key),
            Page::Naming => self.key_naming(key),
            Page::Saving => {
                if matches!(key, Key::Esc | Key::Stop | Key::Char('q' | 'Q')) {
                    if self.is_stopping() {
                        // The second time: leave. The rescue can be resumed.
                        return Effect::Leave(Exit::Interrupted);
                    }
                    self.question = Some(Question::Stop);
                }
                Effect::Nothing
            }
            Page::End => self.key_end(key),
        }
    }

    fn answer(&mut self, question: Question, key: Key) -> Effect {
        // Letters with the same position on most keyboards: WinPE starts with
        // the US keyboard layout, where Y may be Z.
        let letter = match question {
            Question::Quit => 'l',
            Question::Stop => 's',
        };
        let yes =
            key == Key::Stop || matches!(key, Key::Char(c) if c.eq_ignore_ascii_case(&letter));
        let no = matches!(key, Key::Esc | Key::Enter);
        if yes || no {
            self.question = None;
        }
        match question {
            Question::Quit if yes && self.has_ended() => Effect::Leave(self.exit()),
            Question::Quit if yes && !self.has_store() => Effect::Leave(self.nothing()),
            Question::Quit if yes => Effect::Leave(Exit::Interrupted),
            Question::Stop if yes && self.page == Page::Saving => {
                self.stop(Instant::now());
                Effect::Stop
            }
            _ => Effect::Nothing,
        }
    }

    /// Whether a store was found, or the search is not over.
    fn has_store(&self) -> bool {
        self.found.as_ref().is_none_or(|found| !found.stores.is_empty())
    }

    /// The exit code when nothing was found, as of `detect`.
    fn nothing(&self) -> Exit {
        let is_unread = |found: &Found| found.looked_into == 0 && !found.closed.is_empty();
        if self.failure.is_none() && self.found.as_deref().is_some_and(is_unread) {
            return Exit::NothingRead;
        }
        let is_doubtful = self.found.as_ref().is_some_and(|found| {
            let mut findings = found.findings.iter();
            !found.closed.is_empty() || findings.any(|f| f.severity >= Severity::Damage)
        });
        let exit = if is_doubtful { Exit::Losses } else { Exit::NothingFound };
        self.failure.as_ref().map_or(exit, |failure| failure.exit)
    }

    fn key_ready(&mut self, key: Key) -> Effect {
        match key {
            Key::Esc => self.page = Page::Form,
            Key::Stop => self.question = Some(Question::Quit),
            Key::Char('d' | 'D') => self.recover = !self.recover,
            Key::Char('n' | 'N') => {
                self.naming.at = 0;
                self.page = Page::Naming;
            }
            Key::Enter => return self.save(),
            key => {
                self.scroll.key_or_line(key);
            }
        }
        Effect::Nothing
    }

    /// Saves what is left to save.
    fn save(&mut self) -> Effect {
        let (Some(found), Some(to)) = (&self.found, &self.checked) else { return Effect::Nothing };
        let left = self.left();
        let items = left.iter().map(|target| (target.number, target.item(found)));
        let order = Order {
            items: items.collect(),
            machine: found.machine.clone(),
            closed: found.closed.clone(),
            deleted: self.saves_deleted(),
            name: self.naming.name.clone(),
            passphrase: self.naming.passphrase.clone(),
            to: to.clone(),
        };
        self.go_to(Page::Saving);
        Effect::Save(Box::new(order))
    }

    fn key_end(&mut self, key: Key) -> Effect {
        match key {
            Key::Enter | Key::Esc | Key::Stop => Effect::Leave(self.exit()),
            Key::Char('r' | 'R') if self.saved.failure.is_some() => {
                if self.is_stuck {
                    self.hint = Some("A disk or server has not answered yet. Wait, or leave.");
                    return Effect::Nothing;
                }
                let effect = self.check();
                // What was refused has to be put right first.
                self.resuming = matches!(effect, Effect::Check(_));
                effect
            }
            // To where it is chosen; what was saved stays saved.
            Key::Char('d' | 'D') if self.saved.failure.is_some() => {
                if self.is_stuck {
                    self.hint = Some("A disk or server has not answered yet. Wait, or leave.");
                    return Effect::Nothing;
                }
                let places = self.found.as_ref().is_some_and(|f| !f.places.found.is_empty());
                (self.form.at, self.place) = (0, 0);
                self.page = if places { Page::Where } else { Page::Form };
                Effect::Nothing
            }
            key => {
                self.scroll.key_or_line(key);
                Effect::Nothing
            }
        }
    }
}
