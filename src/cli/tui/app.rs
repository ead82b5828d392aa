//! The state of the guided rescue: the page, the choices, and what each key
//! does. It draws nothing and starts nothing: it returns an [`Effect`].

use zeroize::Zeroizing;

use super::super::args::{Guide, Logon};
use super::super::exit::{Exit, Failure};
use super::super::users;
use super::super::volume_keys::typed_key;
use super::jobs::{self, Checked, Done, Found, Item, LockedVolume, Order, Saved, Seen, SeenUser};
use super::keys::{Field, Key};
use crate::destination::ErrorKind;
use crate::destination::address::Dest;
use crate::disk::bitlocker::{VolumeKey, group_hint};
use crate::model::finding::Severity;
use crate::model::recovered::RecoveredCount;
use crate::profiles::{Installation, Profile};
use crate::set::write::parts::of_profiles;

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

/// The field of [`Form`] with the password.
pub(super) const PASSWORD: usize = 2;

impl Found {
    /// The page after the search.
    fn first_page(&self) -> Page {
        let is_nothing = self.stores.is_empty() && self.users.is_empty();
        if is_nothing { Page::Nothing } else { Page::Stores }
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
pub(super) struct App {
    pub(super) page: Page,
    pub(super) question: Option<Question>,
    pub(super) found: Option<Box<Found>>,
    /// Why the search failed, or why the destination was refused.
    pub(super) failure: Option<Failure>,
    /// Which stores to save.
    pub(super) marked: Vec<bool>,
    /// The selected store and place, and the first visible loss.
    pub(super) store: usize,
    pub(super) place: usize,
    pub(super) loss: usize,
    /// How far the details of the store are scrolled.
    pub(super) details: usize,
    pub(super) form: Form,
    pub(super) unlock: Unlock,
    logon: Logon,
    allow_memory: bool,
    /// The destination on the command line.
    given_to: String,
    /// The destination that is tested, for display.
    pub(super) to: String,
    pub(super) checked: Option<Checked>,
    pub(super) saved: Saved,
    /// Whether the running job was asked to stop.
    pub(super) stopping: bool,
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
            store: 0,
            place: 0,
            loss: 0,
            details: 0,
            form: Form {
                fields: [Field::new(to), Field::new(user), Field::default()],
                at: 0,
                reveal: false,
            },
            unlock: Unlock::default(),
            logon: args.logon.clone(),
            allow_memory: args.allow_memory,
            given_to: to.to_owned(),
            to: String::new(),
            checked: None,
            saved: Saved::default(),
            stopping: false,
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
        targets.retain(|one| self.saved.sets.iter().all(|(number, ..)| *number != one.number));
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
            None if self.saved.sets.iter().any(|(_, _, end)| *end != Exit::Done) => Exit::Losses,
            None => Exit::Done,
        }
    }

    /// A job has ended.
    pub(super) fn done(&mut self, done: Done) -> Effect {
        match done {
            Done::Found(Ok(found)) => {
                // A store has what its capture took: users are for when there is none.
                let is_users = found.stores.is_empty();
                let users = std::iter::repeat_n(is_users, found.users.len());
                let stores = std::iter::repeat_n(true, found.stores.len());
                self.marked = stores.chain(users).collect();
                (self.store, self.details) = (0, 0);
                self.page = found.first_page();
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
                self.page = Page::Nothing;
            }
            Done::Checked(Ok(checked)) => {
                self.checked = Some(*checked);
                self.page = Page::Ready;
            }
            Done::Checked(Err(failure)) => {
                self.failure = Some(failure);
                self.page = Page::Refused;
            }
            Done::Saved(saved) => {
                self.saved.sets.extend(saved.sets);
                self.saved.failure = saved.failure;
                self.question = None;
                self.loss = 0;
                self.page = Page::End;
            }
        }
        self.stopping = false;
        Effect::Nothing
    }

    /// A key was pressed. `losses` is the length of the list on the last page.
    pub(super) fn key(&mut self, key: Key, losses: usize) -> Effect {
        if key == Key::Redraw {
            return Effect::Redraw;
        }
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
                Key::Esc | Key::Stop => Effect::Leave(self.nothing()),
                _ => Effect::Nothing,
            },
            Page::Stores => self.key_stores(key),
            Page::Unlock => self.key_unlock(key),
            Page::Where => self.key_where(key),
            Page::Form => self.key_form(key),
            Page::Checking => {
                if matches!(key, Key::Esc | Key::Stop) {
                    self.page = Page::Form;
                    return Effect::Stop;
                }
                Effect::Nothing
            }
            Page::Refused => self.key_refused(key),
            Page::Ready => self.key_ready(key),
            Page::Saving => {
                if matches!(key, Key::Esc | Key::Stop) {
                    if self.stopping {
                        // The second time: leave. The rescue can be resumed.
                        return Effect::Leave(Exit::Interrupted);
                    }
                    self.question = Some(Question::Stop);
                }
                Effect::Nothing
            }
            Page::End => self.key_end(key, losses),
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
            Question::Quit if yes && !self.has_store() => Effect::Leave(self.nothing()),
            Question::Quit if yes => Effect::Leave(Exit::Interrupted),
            Question::Stop if yes && self.page == Page::Saving => {
                self.stopping = true;
                Effect::Stop
            }
            _ => Effect::Nothing,
        }
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
            Key::Up | Key::Down | Key::Home | Key::End => {
                self.store = moved(self.store, count, key);
                self.details = 0;
            }
            Key::PageDown => self.details = self.details.saturating_add(5),
            Key::PageUp => self.details = self.details.saturating_sub(5),
            Key::Char(' ') => {
                if let Some(mark) = self.marked.get_mut(self.store) {
                    *mark = !*mark;
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
            _ => {}
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
                    None => {}
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

    fn key_where(&mut self, key: Key) -> Effect {
        let places = self.found.as_ref().map_or(0, |found| found.places.found.len());
        match key {
            Key::Esc => self.page = Page::Stores,
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
                self.page = if places { Page::Where } else { Page::Stores };
            }
            Key::Stop => self.question = Some(Question::Quit),
            Key::Reveal => form.reveal = !form.reveal,
            Key::Tab | Key::Down => form.at = (form.at + 1) % form.fields.len(),
            Key::BackTab | Key::Up => {
                form.at = (form.at + form.fields.len() - 1) % form.fields.len();
            }
            Key::Enter if form.fields[0].is_empty() => form.at = 0,
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
        let allow_memory = self.allow_memory;
        self.page = Page::Checking;
        Effect::Check(Box::new(Wish { to, logon, password: password.text(), allow_memory }))
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
            Key::Enter => {
                if let (Some(found), Some(to)) = (&self.found, &self.checked) {
                    let left = self.left();
                    let items = left.iter().map(|target| (target.number, target.item(found)));
                    let order = Order {
                        items: items.collect(),
                        machine: found.machine.clone(),
                        closed: found.closed.clone(),
                        deleted: self.recover
                            && (self.deleted().files > 0 || !self.gone().is_empty()),
                        to: to.clone(),
                    };
                    self.page = Page::Saving;
                    return Effect::Save(Box::new(order));
                }
            }
            _ => {}
        }
        Effect::Nothing
    }

    fn key_end(&mut self, key: Key, losses: usize) -> Effect {
        match key {
            Key::Enter | Key::Esc | Key::Stop => Effect::Leave(self.exit()),
            Key::Char('r' | 'R') if self.saved.failure.is_some() => self.check(),
            key => {
                self.loss = moved(self.loss, losses, key);
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
            closed: Vec::new(),
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
        keys.iter().map(|key| app.key(*key, 0)).last().unwrap_or(Effect::Nothing)
    }

    fn type_in(app: &mut App, text: &str) {
        for c in text.chars() {
            app.key(Key::Char(c), 0);
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
        assert!(matches!(app.key(Key::Enter, 0), Effect::Nothing), "nothing is typed yet");
        type_in(&mut app, "smb://server/share");
        app.key(Key::Tab, 0);
        type_in(&mut app, "tech");
        app.key(Key::Tab, 0);
        type_in(&mut app, "geheim");
        let Effect::Check(wish) = app.key(Key::Enter, 0) else { panic!("it is tried") };
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
            app.key(Key::Tab, 0);
            type_in(&mut app, name);
            let Effect::Check(wish) = app.key(Key::Enter, 0) else { panic!("it is tried") };
            assert_eq!(wish.logon.anonymous, name.is_empty());
        }
    }

    #[test]
    fn stopping_is_asked_for_and_the_second_time_obeyed() {
        let mut app = app();
        app.page = Page::Saving;
        assert!(matches!(app.key(Key::Esc, 0), Effect::Nothing));
        assert!(matches!(app.key(Key::Esc, 0), Effect::Nothing), "no");
        assert_eq!(app.question, None);
        assert!(matches!(press(&mut app, &[Key::Esc, Key::Char('S')]), Effect::Stop));
        assert!(app.stopping);
        assert!(matches!(app.key(Key::Stop, 0), Effect::Leave(Exit::Interrupted)));
    }

    #[test]
    fn nothing_is_left_without_a_question() {
        for page in [Page::Stores, Page::Where, Page::Form, Page::Refused, Page::Ready] {
            let mut app = app();
            app.page = page;
            assert!(matches!(app.key(Key::Stop, 0), Effect::Nothing), "{page:?}");
            assert_eq!(app.question, Some(Question::Quit), "{page:?}");
            // No store was found here, and nothing saved.
            assert!(matches!(app.key(Key::Char('l'), 0), Effect::Leave(Exit::NothingFound)));
        }
    }

    #[test]
    fn a_store_that_is_not_chosen_is_not_saved() {
        let mut app = app();
        press(&mut app, &[Key::Char(' '), Key::Enter]);
        assert_eq!(app.page, Page::Stores, "there is nothing to save");
        press(&mut app, &[Key::Char(' '), Key::Enter]);
        assert_eq!(app.page, Page::Where);
    }
}
