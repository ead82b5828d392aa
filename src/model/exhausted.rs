//! Errors of a PC that has no more of something that every file needs: memory, open files. They say
//! nothing about the file at which they occur, and must never be its loss.

use std::io;

/// What to do.
pub(crate) const ADVICE: &str = "Close other programs, or raise the limit of open files and memory \
    (ulimit -n, ulimit -v). Then run the same command again: it resumes.";

/// Whether the PC, not the file, is what the error is about.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let is_code = |code| {
        if cfg!(windows) {
            // TOO_MANY_OPEN_FILES, NOT_ENOUGH_MEMORY, OUTOFMEMORY, NO_SYSTEM_RESOURCES,
            // COMMITMENT_LIMIT, NOT_ENOUGH_QUOTA.
            matches!(code, 4 | 8 | 14 | 1450 | 1455 | 1816)
        } else {
            // ENOMEM, ENFILE, EMFILE, ENOBUFS.
            matches!(code, 12 | 23 | 24 | 105)
        }
    };
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error().is_some_and(is_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_not_lost_because_the_pc_has_no_more() {
        let code = if cfg!(windows) { 4 } else { 24 };
        assert!(is_exhausted(&io::Error::from_raw_os_error(code)));
        assert!(is_exhausted(&io::ErrorKind::OutOfMemory.into()));
        assert!(!is_exhausted(&io::Error::from_raw_os_error(2)));
        assert!(!is_exhausted(&io::ErrorKind::NotFound.into()));
    }
}
