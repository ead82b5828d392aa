//! The page with the stores: what the search found, and what of it is chosen.

use super::{App, Effect, Page, Question};
use crate::cli::tui::jobs::Found;
use crate::cli::tui::keys::Key;
use crate::profiles::Installation;

impl Found {
    /// The page after the search.
    pub(super) fn first_page(&self) -> Page {
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

impl App {
    /// The search has ended: what was chosen before stays chosen, and the line selected.
    pub(super) fn take_found(&mut self, found: Box<Found>) {
        // A store has what its capture took: users are for when there is none.
        let is_users = found.stores.is_empty();
        let users = std::iter::repeat_n(is_users, found.users.len());
        let stores = std::iter::repeat_n(true, found.stores.len());
        let ids = found.ids();
        self.proposed = stores.clone().chain(users.clone()).collect();
        let marked = stores.chain(users).zip(&ids);
        self.marked = marked.map(|(mark, id)| *self.choices.get(id).unwrap_or(&mark)).collect();
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

    pub(super) fn key_stores(&mut self, key: Key) -> Effect {
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

    /// Shows the findings that are only information, or hides them.
    pub(super) fn fold(&mut self) -> Effect {
        self.unfolded = !self.unfolded;
        Effect::Nothing
    }

    pub(super) fn find(&mut self) -> Effect {
        self.page = Page::Finding;
        self.failure = None;
        Effect::Find
    }
}

/// The next index in a list of `count`.
pub(super) fn moved(at: usize, count: usize, key: Key) -> usize {
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
