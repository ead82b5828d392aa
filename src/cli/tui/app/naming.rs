//! The set's name, and the passphrase that encrypts it.

use super::{App, Effect, Page, Question};
use crate::cli::tui::keys::{Field, Key};
use crate::model::secret::Secret;
use crate::set::crypt::key::check_passphrase;

/// The state of [`Page::Naming`].
#[derive(Default)]
pub(crate) struct Naming {
    /// Name, passphrase, and the passphrase again.
    pub(crate) fields: [Field; 3],
    /// The active field.
    pub(crate) at: usize,
    /// Whether the passphrase is shown.
    pub(crate) reveal: bool,
    /// Why the passphrase was not taken.
    pub(crate) said: Option<String>,
    /// What was taken: the first part of the set's name, if not the computer's.
    pub(crate) name: Option<String>,
    /// What was taken; without one, the set is not encrypted.
    pub(crate) passphrase: Option<Secret>,
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

impl App {
    pub(super) fn key_naming(&mut self, key: Key) -> Effect {
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
}
