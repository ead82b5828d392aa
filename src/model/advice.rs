//! What an error means for the person at the keyboard, and for the exit code.

/// How a job ends that an error stopped. The program's exit codes follow from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Nothing usable was produced.
    Failed,
    /// What was asked for makes no sense.
    Usage,
    /// The destination is unreachable, refuses or is full.
    Destination,
    /// The user stopped the job; the same command resumes it.
    Interrupted,
}

/// An error that says what to do. Its `Display` is what happened.
pub trait Advice: std::error::Error {
    /// What to do, in plain words: the second line of a message.
    fn advice(&self) -> String;

    /// How the job ends.
    fn ending(&self) -> Ending {
        Ending::Failed
    }
}
