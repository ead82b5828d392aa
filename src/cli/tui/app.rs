//! The state of the guided rescue: the page, the choices, and what each key
//! does. It draws nothing and starts nothing: it returns an [`Effect`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::super::args::{Guide, Logon};
use super::super::ending::{Around, End};
use super::super::exit::{Exit, Failure};
use super::super::protect::Protected;
use super::super::sources;
use super::super::users;
use super::super::volume_keys::typed_key;
use super::canvas::Scroll;
use super::jobs::{self, Checked, Done, Found, Item, LockedVolume, Order, Saved, Seen, SeenUser};
use super::keys::{Field, Key};
use crate::destination::address::Dest;
use crate::destination::{Destination, ErrorKind};
use crate::disk::bitlocker::{VolumeKey, group_hint};
use crate::model::finding::Severity;
use crate::model::recovered::RecoveredCount;
use crate::model::secret::Secret;
use crate::profiles::{Installation, Profile};
use crate::set::crypt::key::check_passphrase;
use crate::set::write::parts::of_profiles;

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

/// A destination that was chosen or typed.
pub(super) struct Wish {
    pub(super) to: String,
    pub(super) logon: Logon,
    pub(super) password: String,
    pub(super) allow_memory: bool,
    /// The device that it was on, if it is to be the same again.
    pub(super) device: Option<u64>,
    /// The volumes that nothing is written to.
    pub(super) protected: Protected,
    /// What is to be saved there: bytes before compression, and whether deleted files are, too.
    pub(super) items: Vec<Item>,
    pub(super) bytes: u64,
    pub(super) deleted: bool,
}

/// One set to make.
pub(super) struct Target<'a> {
    /// Tells it from the others while the list stays.
    pub(super) number: usize,
    pub(super) what: What<'a>,
}

/// What a set is made of.
pub(super) enum What<'a> {
    Store(&'a Seen),
    Users(&'a Installation, Vec<&'a SeenUser>),
}

impl Target<'_> {
    /// For display.
    pub(super) fn name(&self) -> String {
        match &self.what {
            What::Store(seen) => seen.store.display(),
            What::Users(one, users) => {
                let names: Vec<&str> =
                    users.iter().map(|user| user.profile.name.as_str()).collect();
                format!("users of {}: {}", one.path(), names.join(", "))
            }
        }
    }

    /// Bytes before compression.
    pub(super) fn bytes(&self) -> u64 {
        match &self.what {
            What::Store(seen) => seen.survey.total.bytes,
            What::Users(_, users) => {
                users.iter().fold(0, |sum, user| sum.saturating_add(user.contents.bytes))
            }
        }
    }

    fn item(&self, found: &Found) -> Item {
        match &self.what {
            What::Store(seen) => Item::Store(Box::new((seen.store.clone(), seen.capture.clone()))),
            What::Users(one, users) => {
                let profiles: Vec<&Profile> = users.iter().map(|user| &user.profile).collect();
                let lacks =
                    users.iter().flat_map(|user| users::lacks(&user.profile, &user.contents));
                let lacks = lacks.collect();
                Item::Users(of_profiles(one, &profiles, &found.volumes, false), lacks)
            }
        }
    }
}

/// The fields of [`Page::Form`].
pub(super) struct Form {
    /// Destination, user, password.
    pub(super) fields: [Field; 3],
    /// The active field.
    pub(super) at: usize,
    /// Whether the password is shown.
    pub(super) reveal: bool,
}

/// The state of [`Page::Unlock`].
#[derive(Default)]
pub(super) struct Unlock {
    pub(super) field: Field,
    /// Whether stars are shown.
    pub(super) hidden: bool,
    /// The selected volume.
    pub(super) at: usize,
    /// The volume that the last key was for, while the search runs.
    tried: Option<String>,
    /// Why the last key was not taken.
    said: Option<String>,
}

impl Unlock {
    /// What to say below the field.
    pub(super) fn hint(&self, volume: &LockedVolume) -> Option<String> {
        let typed = Zeroizing::new(self.field.text());
        let group = group_hint(&typed).filter(|_| !volume.takes_password);
        group.or_else(|| self.said.clone().filter(|_| self.field.is_empty()))
    }
}

/// The state of [`Page::Naming`].
#[derive(Default)]
pub(super) struct Naming {
    /// Name, passphrase, and the passphrase again.
    pub(super) fields: [Field; 3],
    /// The active field.
    pub(super) at: usize,
    /// Whether the passphrase is shown.
    pub(super) reveal: bool,
    /// Why the passphrase was not taken.
    pub(super) said: Option<String>,
    /// What was taken: the first part of the set's name, if not the computer's.
    pub(super) name: Option<String>,
    /// What was taken; without one, the set is not encrypted.
    pub(super) passphrase: Option<Secret>,
}

impl Naming {
    /// Takes what is in the fields, or says why not.
    fn take(&mut self) -> bool {
        let [name, first, second] = &self.fields;
        let (first, second) = (Secret::new(first.text()), Secret::new(second.text()));
        let passphrase = if first.expose().is_empty() && second.expose().is_empty() {
            None
        } else if first != second {
            self.at = 2;
            self.said = Some("The two passphrases differ.".to_owned());
            return false;
        } else if let Err(error) = check_passphrase(&first) {
            self.at = 1;
            self.said = Some(format!("Not taken: {error}."));
            return false;
        } else {
            Some(first)
        };
        let name = name.text().trim().to_owned();
        self.name = Some(name).filter(|name| !name.is_empty());
        (self.passphrase, self.said) = (passphrase, None);
        true
    }
}

/// The field of [`Form`] with the user.
pub(super) const USER: usize = 1;
/// The field of [`Form`] with the password.
pub(super) const PASSWORD: usize = 2;

impl Found {
    /// The page after the search.
    fn first_page(&self) -> Page {
        let is_nothing = self.stores.is_empty() && self.users.is_empty();
        if is_nothing { Page::Nothing } else { Page::Stores }
    }

    /// What tells each store, then each user, from the others, in every search.
    fn ids(&self) -> Vec<String> {
        let stores = self.stores.iter().map(|seen| seen.store.id.clone());
        let users = self.users.iter().map(|user| {
            let windows = self.installations.get(user.windows).map(Installation::path);
            format!("{}: {}", windows.unwrap_or_default(), user.profile.path)
        });
        stores.chain(users).collect()
    }
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

    /// The users to save whose folders are gone: deleted files of them may still be there.
    pub(super) fn gone(&self) -> Vec<String> {
        let left = self.left();
        let users = left.iter().flat_map(|target| match &target.what {
            What::Users(_, users) => users.as_slice(),
            What::Store(_) => &[],
        });
        let gone = users.filter(|user| user.profile.place.is_none());
        gone.map(|user| user.profile.name.clone()).collect()
    }

    /// Files that were deleted from the stores to save.
    pub(super) fn deleted(&self) -> RecoveredCount {
        let mut count = RecoveredCount::default();
        for target in self.left() {
            if let What::Store(seen) = target.what {
                count.join(&seen.deleted);
            }
        }
        count
    }

    /// The sets to make: one for each chosen store, and one for the chosen users of each
    /// Windows.
    pub(super) fn chosen(&self) -> Vec<Target<'_>> {
        let Some(found) = &self.found else { return Vec::new() };
        let is_marked = |at: usize| self.marked.get(at) == Some(&true);
        let stores = found.stores.iter().enumerate().filter(|(at, _)| is_marked(*at));
        let mut targets: Vec<Target<'_>> =
            stores.map(|(number, seen)| Target { number, what: What::Store(seen) }).collect();
        let count = found.stores.len();
        for (windows, one) in found.installations.iter().enumerate() {
            let users = found.users.iter().enumerate();
            let users: Vec<&SeenUser> = users
                .filter(|(at, user)| is_marked(count + at) && user.windows == windows)
                .map(|(_, user)| user)
                .collect();
            if !users.is_empty() {
                targets.push(Target { number: count + windows, what: What::Users(one, users) });
            }
        }
        targets
    }

    /// The chosen sets that are not saved yet.
    pub(super) fn left(&self) -> Vec<Target<'_>> {
        let mut targets = self.chosen();
        targets.retain(|one| self.saved.sets.iter().all(|(number, _)| *number != one.number));
        targets
    }

    /// Bytes of what is to be saved, before compression.
    pub(super) fn bytes(&self) -> u64 {
        self.left().iter().fold(0, |sum, target| sum.saturating_add(target.bytes()))
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

    /// Whether deleted files are saved, too.
    fn saves_deleted(&self) -> bool {
        self.recover && (self.deleted().files > 0 || !self.gone().is_empty())
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
            self.saved.failure = Some(sources::interrupted());
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
            Done::Found(Ok(found)) => {
                // A store has what its capture took: users are for when there is none.
                let is_users = found.stores.is_empty();
                let users = std::iter::repeat_n(is_users, found.users.len());
                let stores = std::iter::repeat_n(true, found.stores.len());
                let ids = found.ids();
                self.proposed = stores.clone().chain(users.clone()).collect();
                let marked = stores.chain(users).zip(&ids);
                self.marked =
                    marked.map(|(mark, id)| *self.choices.get(id).unwrap_or(&mark)).collect();
                let before = self.found.as_ref().and_then(|f| f.ids().get(self.store).cloned());
                let at = before.and_then(|before| ids.iter().position(|id| *id == before));
                self.store = at.unwrap_or(0);
                self.go_to(found.first_page());
                if let Some(name) = self.unlock.tried.take()
                    && let Some(at) = found.locked.iter().position(|volume| volume.name == name)
                {
                    self.unlock.said = Some("That key does not unlock this volume.".to_owned());
                    (self.unlock.at, self.page) = (at, Page::Unlock);
                }
                self.found = Some(found);
                self.failure = None;
            }
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

    /// Shows the findings that are only information, or hides them.
    fn fold(&mut self) -> Effect {
        self.unfolded = !self.unfolded;
        Effect::Nothing
    }

    fn find(&mut self) -> Effect {
        self.page = Page::Finding;
        self.failure = None;
        Effect::Find
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

    fn key_stores(&mut self, key: Key) -> Effect {
        let count = self.marked.len();
        match key {
            Key::Esc | Key::Stop => self.question = Some(Question::Quit),
            Key::Up | Key::Down => {
                self.store = moved(self.store, count, key);
                self.scroll.reset();
            }
            Key::Char('i' | 'I') => return self.fold(),
            Key::Char(' ') => {
                if let Some(mark) = self.marked.get_mut(self.store) {
                    *mark = !*mark;
                    let ids = self.found.as_ref().map(|found| found.ids()).unwrap_or_default();
                    self.choices.extend(ids.get(self.store).cloned().map(|id| (id, *mark)));
                }
            }
            Key::Char('r' | 'R') => return self.find(),
            Key::Char('k' | 'K') => return self.show_locked(),
            Key::Enter if self.marked.contains(&true) => {
                let places = self.found.as_ref().map_or(0, |found| found.places.found.len());
                let typed = places == 0 || !self.form.fields[0].is_empty();
                self.page = if typed { Page::Form } else { Page::Where };
                self.place = 0;
            }
            Key::Enter => {
                self.hint = Some("Nothing is selected. Press Space to select what to save.");
            }
            key => {
                self.scroll.key(key);
            }
        }
        Effect::Nothing
    }

    /// Shows the field for a key, if a volume is locked.
    fn show_locked(&mut self) -> Effect {
        if self.found.as_ref().is_some_and(|found| !found.locked.is_empty()) {
            (self.unlock.at, self.unlock.said) = (0, None);
            self.page = Page::Unlock;
        }
        Effect::Nothing
    }

    fn key_unlock(&mut self, key: Key) -> Effect {
        let Some(found) = &self.found else { return Effect::Nothing };
        let unlock = &mut self.unlock;
        match key {
            Key::Esc => {
                unlock.field.clear();
                self.page = found.first_page();
            }
            Key::Stop => self.question = Some(Question::Quit),
            Key::Reveal => unlock.hidden = !unlock.hidden,
            Key::Up | Key::Down => unlock.at = moved(unlock.at, found.locked.len(), key),
            Key::Enter => {
                let typed = Zeroizing::new(unlock.field.text());
                let volume = found.locked.get(unlock.at);
                match typed_key(&typed, volume.is_some_and(|v| v.takes_password)) {
                    None => self.hint = Some("Type the key first. Esc goes back without one."),
                    Some(Err(why)) => {
                        unlock.field.clear();
                        unlock.said = Some(why);
                    }
                    Some(Ok(key)) => {
                        unlock.field.clear();
                        unlock.tried = volume.map(|volume| volume.name.clone());
                        self.page = Page::Finding;
                        return Effect::Unlock(key);
                    }
                }
            }
            key => {
                unlock.field.key(key);
            }
        }
        Effect::Nothing
    }

    /// Back from the destination: to the result, if there is one already.
    fn before_destination(&self) -> Page {
        if self.has_ended() { Page::End } else { Page::Stores }
    }

    fn key_where(&mut self, key: Key) -> Effect {
        let places = self.found.as_ref().map_or(0, |found| found.places.found.len());
        match key {
            Key::Esc => self.page = self.before_destination(),
            Key::Stop => self.question = Some(Question::Quit),
            Key::Enter => {
                let place = self.found.as_ref().and_then(|f| f.places.found.get(self.place));
                let Some(folder) = place.map(|place| place.folder.clone()) else {
                    self.page = Page::Form;
                    return Effect::Nothing;
                };
                self.form.fields[0] = Field::new(&folder);
                return self.check();
            }
            // The last line, after the places, is for typing one.
            key => self.place = moved(self.place, places + 1, key),
        }
        Effect::Nothing
    }

    fn key_form(&mut self, key: Key) -> Effect {
        let form = &mut self.form;
        match key {
            Key::Esc => {
                let places = self.found.as_ref().is_some_and(|f| !f.places.found.is_empty());
                self.page = if places { Page::Where } else { self.before_destination() };
            }
            Key::Stop => self.question = Some(Question::Quit),
            Key::Reveal => form.reveal = !form.reveal,
            Key::Tab | Key::Down => form.at = (form.at + 1) % form.fields.len(),
            Key::BackTab | Key::Up => {
                form.at = (form.at + form.fields.len() - 1) % form.fields.len();
            }
            Key::Enter if form.fields[0].is_empty() => {
                form.at = 0;
                self.hint = Some("Type a folder or a share first.");
            }
            Key::Enter => return self.check(),
            key => {
                let at = form.at;
                form.fields[at].key(key);
            }
        }
        Effect::Nothing
    }

    /// Tests the destination in the form.
    fn check(&mut self) -> Effect {
        let [to, user, password] = &self.form.fields;
        let to = jobs::destination(&to.text());
        self.to.clone_from(&to);
        if self.lacks_user(&to) {
            (self.page, self.form.at) = (Page::Form, USER);
            self.hint = Some("Fill in User: a share needs a user name.");
            return Effect::Nothing;
        }
        let own = self.found.as_ref().and_then(|found| found.places.is_on_a_source(&to));
        if let (Some(mount), false) = (own, to.starts_with("smb:") || to.starts_with(r"\\")) {
            self.failure = Some(Failure::new(
                Exit::Destination,
                format!("{to}: this is on {mount}, on the disk that has the store"),
                "Use another disk or a share. Lifeboat never writes to the disk with the store.",
            ));
            self.page = Page::Refused;
            return Effect::Nothing;
        }
        let user = Some(user.text()).filter(|user| !user.is_empty());
        // A typed user name overrides --anonymous.
        let anonymous = self.logon.anonymous && user.is_none();
        let is_typed = self.logon.is_typed || user.is_some() && user != self.logon.user;
        let is_given = to == self.given_to;
        if let (Ok(Dest::Folder(folder)), false) = (to.parse::<Dest>(), is_typed || is_given)
            && !folder.is_absolute()
        {
            let now = std::path::absolute(&folder).unwrap_or(folder);
            let example = if cfg!(windows) { r"E:\rescue" } else { "/media/usb/rescue" };
            self.failure = Some(Failure::new(
                Exit::Destination,
                format!("{to}: this is not a full path. From here it would be {}", now.display()),
                format!("Write the full path of the folder, such as {example}, or a share."),
            ));
            self.page = Page::Refused;
            return Effect::Nothing;
        }
        let logon = Logon { user, anonymous, is_typed, ..self.logon.clone() };
        let password = password.text();
        // After a failure, another disk at the same place would get a second half.
        let before = self.checked.as_ref().filter(|checked| checked.to == to && self.has_ended());
        let device = before.and_then(|checked| checked.device);
        let left = self.left();
        let items = self.found.iter().flat_map(|f| left.iter().map(|target| target.item(f)));
        let wish = Wish {
            to,
            logon,
            password,
            allow_memory: self.allow_memory,
            device,
            protected: self.found.as_ref().map(|f| f.protected.clone()).unwrap_or_default(),
            items: items.collect(),
            bytes: self.bytes(),
            deleted: self.saves_deleted(),
        };
        self.page = Page::Checking;
        Effect::Check(Box::new(wish))
    }

    /// Whether it is a share that cannot be opened without a user. (Windows has one already.)
    fn lacks_user(&self, to: &str) -> bool {
        let is_given = !self.form.fields[USER].is_empty() || self.logon.anonymous;
        let is_nameless = |dest| matches!(dest, Dest::Smb(place) if place.user.is_none());
        !cfg!(windows) && !is_given && to.parse().is_ok_and(is_nameless)
    }

    fn key_refused(&mut self, key: Key) -> Effect {
        match key {
            Key::Enter | Key::Esc => {
                let logon = self.failure.as_ref().is_some_and(|f| f.kind == Some(ErrorKind::Logon));
                self.form.at = if logon { PASSWORD } else { 0 };
                self.page = Page::Form;
            }
            Key::Stop => self.question = Some(Question::Quit),
            _ => {}
        }
        Effect::Nothing
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

    fn key_naming(&mut self, key: Key) -> Effect {
        let naming = &mut self.naming;
        let count = naming.fields.len();
        match key {
            Key::Esc => {
                // What was taken stays.
                for field in &mut naming.fields {
                    field.clear();
                }
                let taken = naming.passphrase.as_ref().map_or("", Secret::expose);
                naming.fields = [
                    Field::new(naming.name.as_deref().unwrap_or_default()),
                    Field::new(taken),
                    Field::new(taken),
                ];
                naming.said = None;
                self.page = Page::Ready;
            }
            Key::Stop => self.question = Some(Question::Quit),
            Key::Reveal => naming.reveal = !naming.reveal,
            Key::Tab | Key::Down => naming.at = (naming.at + 1) % count,
            Key::BackTab | Key::Up => naming.at = (naming.at + count - 1) % count,
            Key::Enter => {
                if naming.take() {
                    self.page = Page::Ready;
                }
            }
            key => {
                let at = naming.at;
                if naming.fields[at].key(key) {
                    naming.said = None;
                }
            }
        }
        Effect::Nothing
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

/// The next index in a list of `count`.
fn moved(at: usize, count: usize, key: Key) -> usize {
    let last = count.saturating_sub(1);
    match key {
        Key::Up => at.saturating_sub(1),
        Key::Down => (at + 1).min(last),
        Key::PageUp => at.saturating_sub(5),
        Key::PageDown => at.saturating_add(5).min(last),
        Key::Home => 0,
        Key::End => last,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use crate::usmt::Machine;

    use super::super::places::Places;
    use super::super::places::tests::place;
    use super::*;

    /// One store, and two sticks attached.
    fn app() -> App {
        let mut places = Places::default();
        places.found = vec![place("E:/rescue"), place("F:/rescue")];
        let mut app = App::new(&Guide::default());
        app.found = Some(Box::new(Found {
            stores: Vec::new(),
            installations: Vec::new(),
            users: Vec::new(),
            volumes: Vec::new(),
            machine: Machine::default(),
            places,
            protected: Protected::default(),
            closed: Vec::new(),
            unseen: 0,
            doubts: Vec::new(),
            locked: Vec::new(),
            findings: Vec::new(),
            notes: Vec::new(),
            looked_into: 1,
        }));
        app.marked = vec![true];
        app.page = Page::Stores;
        app
    }

    fn press(app: &mut App, keys: &[Key]) -> Effect {
        keys.iter().map(|key| app.key(*key)).last().unwrap_or(Effect::Nothing)
    }

    fn type_in(app: &mut App, text: &str) {
        for c in text.chars() {
            app.key(Key::Char(c));
        }
    }

    #[test]
    fn a_place_that_is_attached_is_two_keys_away() {
        let mut app = app();
        let effect = press(&mut app, &[Key::Enter, Key::Down, Key::Enter]);
        assert!(matches!(effect, Effect::Check(wish) if wish.to == "F:/rescue"));
        assert_eq!(app.page, Page::Checking);
    }

    #[test]
    fn another_place_is_typed() {
        let mut app = app();
        press(&mut app, &[Key::Enter, Key::End, Key::Enter]);
        assert_eq!(app.page, Page::Form);
        assert!(matches!(app.key(Key::Enter), Effect::Nothing), "nothing is typed yet");
        type_in(&mut app, "smb://server/share");
        app.key(Key::Tab);
        type_in(&mut app, "tech");
        app.key(Key::Tab);
        type_in(&mut app, "geheim");
        let Effect::Check(wish) = app.key(Key::Enter) else { panic!("it is tried") };
        assert_eq!((wish.to.as_str(), wish.password.as_str()), ("smb://server/share", "geheim"));
        assert_eq!(wish.logon.user.as_deref(), Some("tech"));
    }

    #[test]
    fn a_name_that_is_typed_is_no_anonymous_logon() {
        for name in ["", "tech"] {
            let mut app = app();
            app.logon.anonymous = true;
            press(&mut app, &[Key::Enter, Key::End, Key::Enter]);
            type_in(&mut app, "smb://server/share");
            app.key(Key::Tab);
            type_in(&mut app, name);
            let Effect::Check(wish) = app.key(Key::Enter) else { panic!("it is tried") };
            assert_eq!(wish.logon.anonymous, name.is_empty());
        }
    }

    #[test]
    fn stopping_is_asked_for_and_the_second_time_obeyed() {
        let mut app = app();
        app.page = Page::Saving;
        assert!(matches!(app.key(Key::Esc), Effect::Nothing));
        assert!(matches!(app.key(Key::Esc), Effect::Nothing), "no");
        assert_eq!(app.question, None);
        assert!(matches!(press(&mut app, &[Key::Esc, Key::Char('S')]), Effect::Stop));
        assert!(app.is_stopping());
        assert!(matches!(app.key(Key::Stop), Effect::Leave(Exit::Interrupted)));
    }

    #[test]
    fn nothing_is_left_without_a_question() {
        for page in [Page::Stores, Page::Where, Page::Form, Page::Refused, Page::Ready] {
            let mut app = app();
            app.page = page;
            assert!(matches!(app.key(Key::Stop), Effect::Nothing), "{page:?}");
            assert_eq!(app.question, Some(Question::Quit), "{page:?}");
            // No store was found here, and nothing saved.
            assert!(matches!(app.key(Key::Char('l')), Effect::Leave(Exit::NothingFound)));
        }
    }

    #[test]
    fn a_job_that_does_not_stop_is_not_waited_for() {
        let mut app = app();
        app.page = Page::Saving;
        let start = Instant::now();
        app.stop(start);
        app.tick(start + Duration::from_secs(2));
        assert_eq!(app.page, Page::Saving);
        app.tick(start + Duration::from_secs(3));
        assert_eq!((app.page, app.exit(), app.end()), (Page::End, Exit::Interrupted, End::Stopped));
        app.key(Key::Char('r'));
        assert!(app.page == Page::End && app.hint.is_some(), "it would meet itself");
        app.done(Done::Saved(Box::new(Saved {
            failure: Some(sources::interrupted()),
            ..Saved::default()
        })));
        app.form.fields[0] = Field::new("smb://tech@server/share");
        assert!(matches!(app.key(Key::Char('r')), Effect::Check(_)));
        assert_eq!(app.page, Page::Checking);
    }

    #[test]
    fn a_passphrase_is_typed_twice_and_empty_is_none() {
        let mut app = app();
        app.page = Page::Ready;
        app.key(Key::Char('n'));
        type_in(&mut app, "INC-4711");
        app.key(Key::Tab);
        type_in(&mut app, "correct horse");
        app.key(Key::Tab);
        type_in(&mut app, "correct hors");
        app.key(Key::Enter);
        assert_eq!((app.page, app.naming.at), (Page::Naming, 2));
        assert!(app.naming.said.as_ref().unwrap().contains("differ"));
        type_in(&mut app, "e");
        assert_eq!(app.naming.said, None);
        app.key(Key::Enter);
        assert_eq!(app.page, Page::Ready);
        assert_eq!(app.naming.name.as_deref(), Some("INC-4711"));
        assert_eq!(app.naming.passphrase, Some(Secret::new("correct horse")));
        // A short one is refused, and Esc keeps what was taken.
        app.key(Key::Char('n'));
        for at in 1..3 {
            app.naming.fields[at] = Field::new("short");
        }
        app.key(Key::Enter);
        assert!(app.page == Page::Naming && app.naming.said.is_some());
        app.key(Key::Esc);
        assert_eq!(app.naming.passphrase, Some(Secret::new("correct horse")));
        app.key(Key::Char('n'));
        for at in 1..3 {
            app.naming.fields[at].clear();
        }
        app.key(Key::Enter);
        assert_eq!((app.page, &app.naming.passphrase), (Page::Ready, &None));
    }

    #[test]
    fn a_key_that_cannot_go_on_says_why() {
        let mut app = app();
        press(&mut app, &[Key::Char(' '), Key::Enter]);
        assert!(app.hint.unwrap().contains("Space"));
        press(&mut app, &[Key::Char(' ')]);
        assert_eq!(app.hint, None);
        app.page = Page::Form;
        app.key(Key::Enter);
        assert!(app.hint.is_some());
    }

    #[test]
    fn a_store_that_is_not_chosen_is_not_saved() {
        let mut app = app();
        press(&mut app, &[Key::Char(' '), Key::Enter]);
        assert_eq!(app.page, Page::Stores, "there is nothing to save");
        press(&mut app, &[Key::Char(' '), Key::Enter]);
        assert_eq!(app.page, Page::Where);
    }

    #[test]
    #[cfg(not(windows))]
    fn a_share_without_a_user_leads_to_the_field_for_it() {
        let mut app = app();
        press(&mut app, &[Key::Enter, Key::End, Key::Enter]);
        type_in(&mut app, r"\\server\share\x");
        assert!(matches!(app.key(Key::Enter), Effect::Nothing));
        assert_eq!((app.page, app.form.at), (Page::Form, USER));
        assert!(app.hint.unwrap().contains("Fill in User"));
        type_in(&mut app, "tech");
        let Effect::Check(wish) = app.key(Key::Enter) else { panic!("it is tried") };
        assert_eq!(
            (wish.to.as_str(), wish.logon.user.as_deref()),
            ("smb://server/share/x", Some("tech"))
        );
    }
}
