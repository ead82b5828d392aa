//! What nobody has told about `loadstate` and its stores, in one table. Messages
//! are made from the answers, and `docs/guide/windows.md` says how to find each out:
//! whoever does so writes the answer here and the run there.

/// Whether something is so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nobody has tried it, or nobody has told.
    Unknown,
    /// It was tried, and is so: on what, and when.
    Yes(&'static str),
    /// It was tried, and is not so: on what, and when.
    No(&'static str),
}

impl Answer {
    /// `unknown` as long as nobody knows; else what was found.
    pub fn words(self, unknown: &'static str) -> String {
        match self {
            Self::Unknown => unknown.to_owned(),
            Self::Yes(on) => format!("It worked on {on}."),
            Self::No(on) => format!("IT DID NOT WORK on {on}."),
        }
    }

    /// The stable word, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Yes(_) => "yes",
            Self::No(_) => "no",
        }
    }
}

/// Something that only a real Windows can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// Its name in `docs/guide/windows.md`.
    pub id: &'static str,
    /// What is asked; the answer is yes or no.
    pub asks: &'static str,
    /// What is known.
    pub answer: Answer,
}

const fn open(id: &'static str, asks: &'static str) -> Question {
    Question { id, asks, answer: Answer::Unknown }
}

/// Every question, with what is known today.
pub const QUESTIONS: [Question; 10] = [
    open(
        "A",
        "Does loadstate /hardlink /nocompress take a hard-link store that was copied, and put \
         back at its original drives and paths with all facts?",
    ),
    open(
        "B",
        "Does loadstate /nocompress take a copied hard-link store whose hardlink.main was \
         deleted, where there was one part?",
    ),
    open("C", "Does loadstate /hardlink /nocompress take a hard-link store on a share?"),
    open(
        "D",
        "Does it take a store whose files are single files now, each with one name, where \
         Windows held links?",
    ),
    open("E", "Does it refuse a store without status.~lg?"),
    open("F", "Does it refuse a hard-link store with a part missing, with return code 38?"),
    open("G", "Is hardlink.main lines of drive letter, tab, GUID?"),
    open(
        "H",
        "Does it refuse a store that stands under another name (StateStore.lifeboat-partial), \
         so that nothing takes a half-restored one?",
    ),
    open("I", "Is the progress log text with commas, and in which encoding?"),
    open("J", "Does it put back files that a hard-link store holds encrypted by EFS?"),
];

/// The answer to a question; unknown for one that nobody asked.
pub fn answer(id: &str) -> Answer {
    QUESTIONS.iter().find(|q| q.id == id).map_or(Answer::Unknown, |q| q.answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_its_own_name() {
        for (n, question) in QUESTIONS.iter().enumerate() {
            assert!(QUESTIONS[..n].iter().all(|other| other.id != question.id));
            assert!(question.asks.ends_with('?'), "{}", question.id);
        }
        assert_eq!(answer("A").as_str(), answer("no such question").as_str());
    }

    #[test]
    fn an_answer_changes_the_words() {
        assert_eq!(Answer::Unknown.words("UNTESTED."), "UNTESTED.");
        assert!(Answer::Yes("Windows 11").words("UNTESTED.").contains("worked on Windows 11"));
        assert!(Answer::No("Windows 11").words("UNTESTED.").contains("DID NOT"));
    }
}
