//! `loadstate`: the command that restores a store into Windows, by kind of
//! store. Sources: Microsoft's documentation of USMT ("LoadState syntax",
//! "Return codes", "Hard-link migration store"). What it does not document is
//! in one table, [`unsure`], and the messages use the answers there.

use crate::usmt::StoreKind;
mod codes;
pub mod unsure;

pub(crate) use codes::return_code;

use self::unsure::Answer;

/// What every command here requires.
pub(crate) const NEEDS: &str = "Run it as administrator in Windows (loadstate does not run in WinPE), \
                         with the same /i: files as at the capture.";

/// A store as `loadstate` must find it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadstateStore {
    /// Its kind; `None` for what is not a store.
    pub kind: Option<StoreKind>,
    /// Its parts.
    pub parts: Vec<LoadstatePart>,
}

/// One part of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadstatePart {
    /// The drive letter it had in Windows, or its substitute.
    pub drive: String,
    /// The folder above `USMT` on that drive, `/` between names.
    pub path: String,
    /// Useless without a primary part.
    pub is_secondary: bool,
}

impl LoadstatePart {
    /// `C:\StateStore`.
    pub fn place(&self) -> String {
        format!("{}:\\{}", self.drive, self.path.replace('/', "\\"))
    }

    fn has_letter(&self) -> bool {
        matches!(self.drive.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z'])
    }
}

/// The arguments besides the store and the flags of its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The program: its name, or its path.
    pub program: String,
    /// The migration files that were used at the capture.
    pub xml: Vec<String>,
    /// The file with the key of an encrypted store. The key itself is never on
    /// a command line, which everyone can read.
    pub key_file: Option<String>,
    /// The algorithm, if it is not the default.
    pub decrypt: Option<String>,
    /// Accounts that get another name: old and new (`/mu`).
    pub renamed: Vec<(String, String)>,
    /// Accounts that are restored (`/ui`); all, if there are none.
    pub included: Vec<String>,
    /// Accounts that are not restored (`/ue`).
    pub excluded: Vec<String>,
    /// The log. Must not be in the store.
    pub log: String,
    /// The progress log. Must not be in the store.
    pub progress: Option<String>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            program: "loadstate".to_owned(),
            xml: vec!["migdocs.xml".to_owned(), "migapp.xml".to_owned()],
            key_file: None,
            decrypt: None,
            renamed: Vec::new(),
            included: Vec::new(),
            excluded: Vec::new(),
            log: "C:\\Windows\\Temp\\loadstate.log".to_owned(),
            progress: None,
        }
    }
}

/// A way to restore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// `a` or `b`, as in `--way`.
    pub name: &'static str,
    /// When and why, in one line.
    pub when: String,
    /// What to do before the command; one line each.
    pub before: Vec<String>,
    /// The store path; `None` if it is not known, or if it has characters that
    /// are not safe on a command line.
    pub store: Option<String>,
    /// `/hardlink /nocompress`, depending on the kind of store.
    pub flags: &'static [&'static str],
    /// Whether it works, if Microsoft does not document that.
    pub answer: Option<Answer>,
}

impl Way {
    /// The unquoted arguments for a store at this path.
    pub fn arguments(&self, store: &str, call: &Call) -> Vec<String> {
        let mut words = vec![store.to_owned()];
        words.extend(self.flags.iter().map(|&flag| flag.to_owned()));
        words.extend(call.xml.iter().map(|file| format!("/i:{file}")));
        if let Some(file) = &call.key_file {
            words.push(match &call.decrypt {
                Some(algorithm) => format!("/decrypt:{algorithm}"),
                None => "/decrypt".to_owned(),
            });
            words.push(format!("/keyfile:{file}"));
        }
        // "LoadState syntax", Microsoft, "User options".
        words.extend(self::users("/ui:", &call.included));
        words.extend(self::users("/ue:", &call.excluded));
        // All accounts are restored by default; /ui alone leaves none out (the examples there
        // for one user alone have both).
        if !call.included.is_empty() && call.excluded.is_empty() {
            words.push(r"/ue:*\*".to_owned());
        }
        words.extend(call.renamed.iter().map(|(old, new)| format!("/mu:{old}:{new}")));
        // /c continues after an error, /lac makes missing local accounts, /v:5
        // logs the file of each error.
        words.extend(["/c", "/lac", "/v:5"].map(str::to_owned));
        words.push(format!("/l:{}", call.log));
        words.extend(call.progress.iter().map(|file| format!("/progress:{file}")));
        words
    }

    /// The quoted command line, to copy or to write to a script; `None` if a
    /// word cannot be quoted.
    pub fn line(&self, call: &Call) -> Option<String> {
        let store = self.store.as_deref()?;
        let words = std::iter::once(call.program.clone()).chain(self.arguments(store, call));
        let words: Option<Vec<String>> = words.map(|word| quoted(&word)).collect();
        Some(words?.join(" "))
    }

    /// The command line for display, if necessary with a placeholder.
    pub fn command(&self, call: &Call) -> String {
        self.line(call).unwrap_or_else(|| {
            let words = self.arguments("", call);
            let words = words.get(1..).unwrap_or_default().iter();
            let words: Vec<String> =
                words.map(|word| quoted(word).unwrap_or_else(|| word.clone())).collect();
            format!("{} <folder that contains USMT> {}", call.program, words.join(" "))
        })
    }
}

fn users(option: &'static str, names: &[String]) -> impl Iterator<Item = String> {
    names.iter().map(move |name| format!("{option}{name}"))
}

/// The ways to restore a store, best first; none if it is not a store.
pub fn ways(kept: &LoadstateStore) -> Vec<Way> {
    let Some(first) = kept.parts.iter().find(|p| !p.is_secondary).or(kept.parts.first()) else {
        return Vec::new();
    };
    let store = plain(&first.place()).filter(|_| first.has_letter() && !first.is_secondary);
    let anywhere = |flags, before| Way {
        name: "a",
        when: "From a local disk or a share, wherever the store is.".to_owned(),
        before,
        store: store.clone(),
        flags,
        answer: None,
    };
    let mut ways = match kept.kind {
        Some(StoreKind::HardLink) => hard_link(kept, store.as_deref()),
        Some(StoreKind::Uncompressed) => vec![anywhere(&["/nocompress"], Vec::new())],
        Some(StoreKind::Compressed) => {
            let key = "If it was captured with /encrypt, give the file with its key (--keyfile): \
                       the key is never in the store.";
            vec![anywhere(&[], vec![key.to_owned()])]
        }
        Some(StoreKind::Estimate) | None => Vec::new(),
    };
    let trouble = if first.is_secondary {
        Some("The primary part (with hardlink.main) is missing: loadstate needs it.")
    } else if !first.has_letter() {
        Some("The drive letter that the store had is not known: enter it in the command.")
    } else {
        None
    };
    for way in &mut ways {
        way.before.splice(0..0, trouble.map(str::to_owned));
    }
    ways
}

fn hard_link(kept: &LoadstateStore, store: Option<&str>) -> Vec<Way> {
    let places: Vec<String> = kept.parts.iter().map(LoadstatePart::place).collect();
    let mut ways = vec![Way {
        name: "a",
        when: "With every part at its original drive and path, on fixed NTFS disks.".to_owned(),
        before: vec![format!("The parts belong at: {}.", places.join(", "))],
        store: store.map(str::to_owned),
        flags: &["/hardlink", "/nocompress"],
        answer: Some(unsure::answer("A")),
    }];
    // As an uncompressed store, it would lose the files in the other parts.
    if kept.parts.len() == 1 {
        ways.push(Way {
            name: "b",
            when: format!(
                "If way a fails (return code 27 or 38). {}",
                unsure::answer("B").words("UNTESTED.")
            ),
            before: vec![
                "Work on a copy of the restored store, and delete hardlink.main in that copy."
                    .to_owned(),
            ],
            store: store.map(str::to_owned),
            flags: &["/nocompress"],
            answer: Some(unsure::answer("B")),
        });
    }
    ways
}

/// A path from a set or a store, if it is safe on a command line. A set may
/// have any text there: only harmless characters pass.
fn plain(path: &str) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b" ._-\\:$~".contains(&b);
    if !path.bytes().all(is_plain) {
        return None;
    }
    let shorter = path.trim_end_matches('\\');
    // `C:` alone would be the current folder of the drive.
    Some(if shorter.len() == 2 { format!("{shorter}\\") } else { shorter.to_owned() })
}

/// A word quoted for cmd and for the program; `None` if that is not possible.
pub fn quoted(word: &str) -> Option<String> {
    if word.is_empty() || word.chars().any(|c| c.is_control() || "\"%!^".contains(c)) {
        return None;
    }
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "._-\\:$~/+#@".contains(c);
    if word.chars().all(is_bare) {
        return Some(word.to_owned());
    }
    // A program reads `\"` as a literal quotation mark.
    let end = if word.ends_with('\\') { "\\" } else { "" };
    Some(format!("\"{word}{end}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(kind: &str, parts: &[(&str, &str, bool)]) -> LoadstateStore {
        let part = |&(drive, path, is_secondary): &(&str, &str, bool)| LoadstatePart {
            drive: drive.to_owned(),
            path: path.to_owned(),
            is_secondary,
        };
        LoadstateStore { kind: StoreKind::of_name(kind), parts: parts.iter().map(part).collect() }
    }

    fn commands(kind: &str, parts: &[(&str, &str, bool)]) -> Vec<String> {
        ways(&kept(kind, parts)).iter().map(|way| way.command(&Call::default())).collect()
    }

    #[test]
    fn each_kind_of_store_has_its_command() {
        let hard = commands("hard-link", &[("C", "StateStore", false)]);
        assert_eq!(
            hard[0],
            "loadstate C:\\StateStore /hardlink /nocompress /i:migdocs.xml /i:migapp.xml \
             /c /lac /v:5 /l:C:\\Windows\\Temp\\loadstate.log"
        );
        assert!(hard[1].starts_with("loadstate C:\\StateStore /nocompress /i:"));

        let two = [("D", "USMTMIG", true), ("C", "USMTMIG", false)];
        let two = ways(&kept("hard-link", &two));
        assert_eq!(two.len(), 1, "a copy as a regular store loses the other parts");
        assert_eq!(two[0].store.as_deref(), Some("C:\\USMTMIG"));
        assert!(two[0].before[0].contains("D:\\USMTMIG, C:\\USMTMIG"));

        let plain = commands("uncompressed", &[("D", "My Stores/a", false)]);
        assert!(plain[0].starts_with("loadstate \"D:\\My Stores\\a\" /nocompress /i:"));
        let packed = commands("compressed", &[("E", "", false)]);
        assert!(packed[0].starts_with("loadstate E:\\ /i:"), "{packed:?}");
        assert_eq!(commands("folder", &[("C", "Users", false)]), Vec::<String>::new());
        assert_eq!(commands("hard-link", &[]), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_run_has_no_command_line() {
        for parts in [
            [("volume-1234", "s", false)], // the drive is not known
            [("C", "a & del /q \"x", false)],
            [("C", "a%PATH%", false)],
            [("C", "USMTMIG", true)], // its primary part is missing
        ] {
            for way in ways(&kept("hard-link", &parts)) {
                assert_eq!(way.line(&Call::default()), None, "{parts:?}");
                let command = way.command(&Call::default());
                assert!(command.starts_with("loadstate <folder that contains USMT> "));
            }
        }
        let unknown = ways(&kept("compressed", &[("volume-1234", "s", false)]));
        assert!(unknown[0].before[0].contains("drive letter"));
        let orphan = ways(&kept("hard-link", &[("D", "s", true)]));
        assert!(orphan[0].before[0].contains("primary part"));
    }

    #[test]
    fn a_key_file_asks_for_decrypt() {
        let way = &ways(&kept("compressed", &[("C", "s", false)]))[0];
        let call = Call {
            key_file: Some("D:\\my key.txt".to_owned()),
            decrypt: Some("AES_256".to_owned()),
            xml: vec!["own.xml".to_owned()],
            ..Call::default()
        };
        let line = way.line(&call).unwrap();
        assert!(
            line.contains("/i:own.xml /decrypt:AES_256 \"/keyfile:D:\\my key.txt\" /c"),
            "{line}"
        );
        let call = Call { decrypt: None, ..call };
        assert!(way.line(&call).unwrap().contains(" /decrypt \"/keyfile:"));
    }

    /// "LoadState syntax", Microsoft: the names of these options.
    #[test]
    fn users_are_chosen_and_renamed() {
        let way = &ways(&kept("compressed", &[("C", "s", false)]))[0];
        let call = Call {
            renamed: vec![("CORP\\alice".into(), "AzureAD\\alice@example.com".into())],
            included: vec!["CORP\\alice".into()],
            ..Call::default()
        };
        // Only this account: all others have to be excluded.
        let line = way.line(&call).unwrap();
        let users = r#"/ui:CORP\alice "/ue:*\*" /mu:CORP\alice:AzureAD\alice@example.com /c"#;
        assert!(line.contains(users), "{line}");
    }

    #[test]
    fn words_are_quoted_for_the_command_processor() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(quoted("C:\\a.xml"), some("C:\\a.xml"));
        assert_eq!(quoted("C:\\a & b"), some("\"C:\\a & b\""));
        assert_eq!(quoted("C:\\a b\\"), some("\"C:\\a b\\\\\""));
        for bad in ["", "a\"b", "100%", "a!b", "a^b", "a\nb"] {
            assert_eq!(quoted(bad), None, "{bad:?}");
        }
    }
}
