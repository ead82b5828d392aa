//! What Microsoft does not document about `loadstate` and its stores, in one
//! table. The messages use the answers. `docs/guide/windows.md` says how to
//! test each question on a real Windows: add the answer here, and the test run
//! there.

/// The answer to a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not tested.
    Unknown,
    /// Tested: yes. On which system, and when.
    Yes(&'static str),
    /// Tested: no. On which system, and when.
    No(&'static str),
}

impl Answer {
    /// `unknown` if it was not tested, otherwise the result.
    pub fn words(self, unknown: &'static str) -> String {
        match self {
            Self::Unknown => unknown.to_owned(),
            Self::Yes(on) => format!("It worked on {on}."),
            Self::No(on) => format!("IT DID NOT WORK on {on}."),
        }
    }

    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Yes(_) => "yes",
            Self::No(_) => "no",
        }
    }
}

/// A question that only a real Windows can answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// Its name in `docs/guide/windows.md`.
    pub id: &'static str,
    /// The question; the answer is yes or no.
    pub asks: &'static str,
    /// The answer.
    pub answer: Answer,
}

const fn open(id: &'static str, asks: &'static str) -> Question {
    Question { id, asks, answer: Answer::Unknown }
}

/// All questions, with their answers.
pub const QUESTIONS: [Question; 10] = [
    open(
        "A",
        "Does loadstate /hardlink /nocompress accept a hard-link store that was copied, and \
         restored to its original drives and paths with all metadata?",
    ),
    open(
        "B",
        "Does loadstate /nocompress accept a copied hard-link store of one part whose \
         hardlink.main was deleted?",
    ),
    open("C", "Does loadstate /hardlink /nocompress accept a hard-link store on a share?"),
    open("D", "Does it accept a store whose hard links are now separate files?"),
    open("E", "Does it refuse a store without status.~lg?"),
    open("F", "Does it refuse a hard-link store with a part missing, with return code 38?"),
    open("G", "Does hardlink.main consist of lines with drive letter, tab, GUID?"),
    open(
        "H",
        "Does it refuse a store with another name (StateStore.lifeboat-partial), so that a \
         partially restored store is never used?",
    ),
    open("I", "Is the progress log comma-separated text, and in which encoding?"),
    open("J", "Does it restore EFS-encrypted files from a hard-link store?"),
];

/// The answer to a question; unknown if the question does not exist.
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
