//! The field for the key of a locked volume.

use zeroize::Zeroizing;

use super::stores::moved;
use super::{App, Effect, Page, Question};
use crate::cli::tui::jobs::LockedVolume;
use crate::cli::tui::keys::{Field, Key};
use crate::cli::volume_keys::typed_key;
use crate::disk::bitlocker::group_hint;

/// The state of [`Page::Unlock`].
#[derive(Default)]
pub(crate) struct Unlock {
    pub(crate) field: Field,
    /// Whether stars are shown.
    pub(crate) hidden: bool,
    /// The selected volume.
    pub(crate) at: usize,
    /// The volume that the last key was for, while the search runs.
    pub(super) tried: Option<String>,
    /// Why the last key was not taken.
    pub(super) said: Option<String>,
}

impl Unlock {
    /// What to say below the field.
    pub(crate) fn hint(&self, volume: &LockedVolume) -> Option<String> {
        let typed = Zeroizing::new(self.field.text());
        let group = group_hint(&typed).filter(|_| !volume.takes_password);
        group.or_else(|| self.said.clone().filter(|_| self.field.is_empty()))
    }
}

impl App {
    /// Shows the field for a key, if a volume is locked.
    pub(super) fn show_locked(&mut self) -> Effect {
        if self.found.as_ref().is_some_and(|found| !found.locked.is_empty()) {
            (self.unlock.at, self.unlock.said) = (0, None);
            self.page = Page::Unlock;
        }
        Effect::Nothing
    }

    pub(super) fn key_unlock(&mut self, key: Key) -> Effect {
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
}
