//! What `loadstate` returns. Source: Microsoft's page "Return codes" of USMT.

/// What a return code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// What happened, in one sentence.
    pub what: &'static str,
    /// What to do; empty where there is nothing.
    pub action: &'static str,
}

const fn meaning(what: &'static str, action: &'static str) -> Meaning {
    Meaning { what, action }
}

/// What a return code of `loadstate` means, and what to do.
pub fn return_code(code: i32) -> Option<Meaning> {
    Some(match code {
        0 => meaning("Everything was restored.", ""),
        1 => meaning("It only showed its help.", "Check the command line."),
        2 => meaning("It was stopped before it was done.", "Run it again."),
        3 => meaning(
            "Restored, but some errors were passed over because of /c.",
            "The log names each; the files are still in the store.",
        ),
        11 => meaning("A parameter is wrong.", "Check the command line; the log says which."),
        12 => meaning(
            "A parameter is too long; a store path may have 256 characters.",
            "Move the store nearer to the root.",
        ),
        13 => meaning(
            "The log cannot be written.",
            "Name a log (/l:) in a folder that can be written to, and not in the store.",
        ),
        14 => meaning("A local account would have to be made.", "Add /lac."),
        26 => meaning(
            "It could not start: often a damaged XML file, or Config.xml given as /i:.",
            "Check the /i: files; look at the log.",
        ),
        27 => meaning(
            "The store is missing, not whole, not recognised, or made by another version.",
            "Give the folder that holds USMT; check /nocompress and /hardlink against its kind.",
        ),
        28 => meaning("An /i: file is missing or damaged.", "Check the paths of the XML files."),
        29 => meaning(
            "It could not begin: no 250 MB for temporary files, or another USMT is running.",
            "Make room, end the other one, or look at the log.",
        ),
        31 => meaning("It failed while it looked for what to restore.", "Look at the log."),
        32 => meaning("The migration system failed.", "Look at the log."),
        33 => meaning("The key file cannot be read, or is empty.", "Check --keyfile."),
        34 => meaning("Not enough rights.", "Run it elevated, as administrator."),
        35 => meaning(
            "Something in the store could not be removed: it is locked.",
            "End other runs of USMT, or restart.",
        ),
        36 => meaning(
            "It does not run on this system.",
            "Start full Windows, not WinPE; check that nobody has a temporary profile.",
        ),
        37 => meaning("The key for the encrypted store is missing or wrong.", "Check --keyfile."),
        38 => meaning(
            "The store cannot be opened.",
            "Put every part of a hard-link store at its original drive and path.",
        ),
        39 => meaning("Config.xml cannot be read.", "Check the file."),
        40 => meaning("The progress log cannot be written.", "Free or name another folder."),
        41 => meaning("A file that is there could not be overwritten.", "Look at the log."),
        42 => meaning(
            "Files in the store are damaged.",
            "lifeboat verify --level full says which; take the set's copy of them.",
        ),
        61 => meaning("Reading or writing failed.", "Check disk or network, then run it again."),
        71 => meaning("A call of Windows failed after it had begun.", "Look at the log."),
        72 => meaning("Applying failed.", "Look at the log."),
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
