//! The destination: one that is attached, or one that is typed, and the check of it.

use super::stores::moved;
use super::{App, Effect, Page, Question};
use crate::cli::args::Logon;
use crate::cli::exit::{Exit, Failure};
use crate::cli::tui::jobs::{self, Wish};
use crate::cli::tui::keys::{Field, Key};
use crate::destination::ErrorKind;
use crate::destination::address::Dest;

/// The fields of [`Page::Form`].
pub(crate) struct Form {
    /// Destination, user, password.
    pub(crate) fields: [Field; 3],
    /// The active field.
    pub(crate) at: usize,
    /// Whether the password is shown.
    pub(crate) reveal: bool,
}

/// The field of [`Form`] with the user.
pub(crate) const USER: usize = 1;
/// The field of [`Form`] with the password.
pub(crate) const PASSWORD: usize = 2;

impl App {
    /// Back from the destination: to the result, if there is one already.
    fn before_destination(&self) -> Page {
        if self.has_ended() { Page::End } else { Page::Stores }
    }

    pub(super) fn key_where(&mut self, key: Key) -> Effect {
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

    pub(super) fn key_form(&mut self, key: Key) -> Effect {
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
    pub(super) fn check(&mut self) -> Effect {
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

    pub(super) fn key_refused(&mut self, key: Key) -> Effect {
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
}
