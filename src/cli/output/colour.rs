//! Colours of verdicts, where a terminal takes them. Never the only sign of anything.

use std::borrow::Cow;

/// How good news is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
}

impl Tone {
    /// `text` in its colour, the same as in the guided rescue.
    pub(crate) fn paint(self, text: &str, is_on: bool) -> Cow<'_, str> {
        let code = match self {
            Self::Good if is_on => 92,
            Self::Doubtful if is_on => 93,
            Self::Bad if is_on => 91,
            _ => return Cow::Borrowed(text),
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }
}

/// Whether the output takes colours: a terminal, and neither `NO_COLOR` (<https://no-color.org>)
/// nor a console that would show the sequences as text.
pub(crate) fn is_on(is_terminal: bool) -> bool {
    is_terminal && is_wanted(|name| std::env::var_os(name)) && takes_sequences()
}

fn is_wanted(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let no_colour = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let term = variable("TERM");
    let is_dumb = term.as_ref().is_some_and(|term| term == "dumb" || term.is_empty());
    !no_colour && !is_dumb && (cfg!(windows) || term.is_some())
}

#[cfg(windows)]
fn takes_sequences() -> bool {
    crossterm::ansi_support::supports_ansi()
}

#[cfg(not(windows))]
fn takes_sequences() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_switches_colours_off() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| match asked {
                asked if asked == name => Some(value.into()),
                "TERM" => Some("xterm".into()),
                _ => None,
            }
        };
        assert!(is_wanted(with("X", "")));
        assert!(is_wanted(with("NO_COLOR", "")));
        assert!(!is_wanted(with("NO_COLOR", "1")));
        assert!(!is_wanted(with("TERM", "dumb")));
    }

    #[test]
    fn what_is_not_coloured_is_the_text() {
        assert_eq!(Tone::Bad.paint("INCOMPLETE", false), "INCOMPLETE");
        assert_eq!(Tone::Plain.paint("x", true), "x");
        assert_eq!(Tone::Good.paint("Saved", true), "\x1b[92mSaved\x1b[0m");
    }
}
