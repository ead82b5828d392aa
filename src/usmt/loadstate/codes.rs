//! The return codes of `loadstate`. Source: Microsoft's page "Return codes" of
//! USMT.

/// What a return code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meaning {
    /// What happened, in one sentence.
    pub what: &'static str,
    /// What to do; empty if nothing.
    pub action: &'static str,
}

const fn meaning(what: &'static str, action: &'static str) -> Meaning {
    Meaning { what, action }
}

/// What a return code of `loadstate` means, and what to do.
pub(crate) fn return_code(code: i32) -> Option<Meaning> {
    Some(match code {
        0 => meaning("Everything was restored.", ""),
        1 => meaning("It only showed its help.", "Check the command line."),
        2 => meaning("It was stopped before it finished.", "Run it again."),
        3 => meaning(
            "Restored, but loadstate ignored some errors because of /c.",
            "Check the log: it lists each error. The files are still in the store.",
        ),
        11 => meaning(
            "A parameter is wrong.",
            "Check the command line. The log says which parameter.",
        ),
        12 => meaning(
            "A parameter is too long: a store path can have 256 characters.",
            "Move the store to a shorter path.",
        ),
        13 => meaning(
            "The log cannot be written.",
            "Use a log (/l:) in a folder where you can write, not in the store.",
        ),
        14 => meaning("A local account is missing.", "Add /lac."),
        26 => meaning(
            "It could not start: often a damaged XML file, or Config.xml given as /i:.",
            "Check the /i: files. Check the log.",
        ),
        27 => meaning(
            "The store is missing, incomplete, not recognized, or from another version.",
            "Give the folder above USMT. Check that /nocompress and /hardlink match its kind.",
        ),
        28 => meaning("An /i: file is missing or damaged.", "Check the paths of the XML files."),
        29 => meaning(
            "It could not start: no 250 MB for temporary files, or another USMT is running.",
            "Free some space, end the other USMT, or check the log.",
        ),
        31 => meaning("It failed while it gathered what to restore.", "Check the log."),
        32 => meaning("The migration system failed.", "Check the log."),
        33 => meaning("The key file cannot be read, or is empty.", "Check --keyfile."),
        34 => meaning("Administrator rights are required.", "Run it as administrator."),
        35 => meaning(
            "Something in the store could not be removed: it is locked.",
            "End other runs of USMT, or restart.",
        ),
        36 => meaning(
            "It does not run on this system.",
            "Start Windows (not WinPE). Check that no user has a temporary profile.",
        ),
        37 => meaning("The key for the encrypted store is missing or wrong.", "Check --keyfile."),
        38 => meaning(
            "The store cannot be opened.",
            "Restore every part of a hard-link store to its original drive and path.",
        ),
        39 => meaning("Config.xml cannot be read.", "Check the file."),
        40 => meaning("The progress log cannot be written.", "Use another folder for it."),
        41 => meaning("An existing file could not be overwritten.", "Check the log."),
        42 => meaning(
            "Files in the store are damaged.",
            "Run lifeboat verify --level full to list them. Use the copies in the set.",
        ),
        61 => meaning(
            "Reading or writing failed.",
            "Check the disk or the network, then run it again.",
        ),
        71 => meaning("A Windows call failed after loadstate started.", "Check the log."),
        72 => meaning("Applying the migration failed.", "Check the log."),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_translated() {
        assert!(return_code(38).is_some_and(|m| m.action.contains("hard-link")));
        assert!(return_code(4711).is_none());
        for code in 0..=100 {
            let Some(Meaning { what, action }) = return_code(code) else { continue };
            assert!(what.len() <= 80 && what.ends_with('.') && what.is_ascii(), "{code}");
            assert!(action.len() <= 86 && action.is_ascii(), "{code}");
            assert!(code == 0 || action.ends_with('.'), "{code}: {action}");
        }
    }
}
