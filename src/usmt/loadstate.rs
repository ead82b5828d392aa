//! `loadstate`: the command that puts a store back into Windows, by kind of
//! store. Sources: Microsoft's documentation of USMT ("LoadState syntax",
//! "Return codes", "Hard-link migration store"). What it does not say stands in
//! one table, [`unsure`], and every message is made from the answers there.

mod codes;
pub mod unsure;

pub use codes::{Meaning, return_code};

use self::unsure::Answer;

/// What every command here needs.
pub const NEEDS: &str = "Run it in full Windows (loadstate refuses to run in WinPE), elevated, \
     with the same /i: files as at capture.";

/// A store as `loadstate` is to find it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadstateStore {
    /// `hard-link`, `uncompressed` or `compressed`; anything else is no store.
    pub kind: String,
    /// Its parts.
    pub parts: Vec<LoadstatePart>,
}

/// One part of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadstatePart {
    /// The drive letter it had in Windows, or what stands in for it.
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

/// What a command line holds beside the store and what its kind asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The program: its name, or its path.
    pub program: String,
    /// The migration files: the ones that were used at the capture.
    pub xml: Vec<String>,
    /// The file that holds the key of an encrypted store. The key itself never
    /// stands on a command line of ours: everybody can read those.
    pub key_file: Option<String>,
    /// The algorithm, where it is not the default one.
    pub decrypt: Option<String>,
    /// The log. Must not lie in the store.
    pub log: String,
    /// The progress log. Must not lie in the store.
    pub progress: Option<String>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            program: "loadstate".to_owned(),
            xml: vec!["migdocs.xml".to_owned(), "migapp.xml".to_owned()],
            key_file: None,
            decrypt: None,
            log: "C:\\Windows\\Temp\\loadstate.log".to_owned(),
            progress: None,
        }
    }
}

/// A way to restore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// `a` or `b`, as `--way` has it.
    pub name: &'static str,
    /// When and why, in one line.
    pub when: String,
    /// What to do before the command; one line each.
    pub before: Vec<String>,
    /// The store path; `None` where nobody knows it, or where it has letters
    /// that should not stand on a command line that is copied and run.
    pub store: Option<String>,
    /// `/hardlink /nocompress`, as the kind of store asks for.
    pub flags: &'static [&'static str],
    /// Whether it works, where Microsoft does not say so.
    pub answer: Option<Answer>,
}

impl Way {
    /// The arguments for a store at this path, each as the program gets it.
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
        // /c goes on after an error, /lac makes the local accounts that are
        // missing, /v:5 is the log that says which file it was.
        words.extend(["/c", "/lac", "/v:5"].map(str::to_owned));
        words.push(format!("/l:{}", call.log));
        words.extend(call.progress.iter().map(|file| format!("/progress:{file}")));
        words
    }

    /// The command line, to be copied or put into a script; `None` where a word
    /// of it can stand in neither.
    pub fn line(&self, call: &Call) -> Option<String> {
        let store = self.store.as_deref()?;
        let words = std::iter::once(call.program.clone()).chain(self.arguments(store, call));
        let words: Option<Vec<String>> = words.map(|word| quoted(&word)).collect();
        Some(words?.join(" "))
    }

    /// The command line for people, where need be with words for what they have
    /// to fill in.
    pub fn command(&self, call: &Call) -> String {
        self.line(call).unwrap_or_else(|| {
            let words = self.arguments("", call);
            let words = words.get(1..).unwrap_or_default().iter();
            let words: Vec<String> =
                words.map(|word| quoted(word).unwrap_or_else(|| word.clone())).collect();
            format!("{} <the folder that holds USMT> {}", call.program, words.join(" "))
        })
    }
}

/// The ways to restore a store, best first; none for what is no store.
pub fn ways(kept: &LoadstateStore) -> Vec<Way> {
    let Some(first) = kept.parts.iter().find(|p| !p.is_secondary).or(kept.parts.first()) else {
        return Vec::new();
    };
    let store = plain(&first.place()).filter(|_| first.has_letter() && !first.is_secondary);
    let anywhere = |flags, before| Way {
        name: "a",
        when: "From a local disk or a share, wherever the store lies.".to_owned(),
        before,
        store: store.clone(),
        flags,
        answer: None,
    };
    let mut ways = match kept.kind.as_str() {
        "hard-link" => hard_link(kept, store.as_deref()),
        "uncompressed" => vec![anywhere(&["/nocompress"], Vec::new())],
        "compressed" => {
            let key = "If it was captured with /encrypt, name the file with its key (--keyfile): \
                       the key is never in the store.";
            vec![anywhere(&[], vec![key.to_owned()])]
        }
        _ => Vec::new(),
    };
    let trouble = if first.is_secondary {
        Some("The primary part (with hardlink.main) is missing: loadstate needs it.")
    } else if !first.has_letter() {
        Some("The drive letter that the store had is not known: fill it in.")
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
        when: "With every part back at its original drive and path, on fixed NTFS disks."
            .to_owned(),
        before: vec![format!("The parts belong at: {}.", places.join(", "))],
        store: store.map(str::to_owned),
        flags: &["/hardlink", "/nocompress"],
        answer: Some(unsure::answer("A")),
    }];
    // As a regular store it would lose what lies in the other parts.
    if kept.parts.len() == 1 {
        ways.push(Way {
            name: "b",
            when: format!(
                "If that fails (return code 27 or 38). {}",
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

/// A path from a set or a store, if it can stand on a command line. A set can
/// hold any text in its place: only harmless characters pass.
fn plain(path: &str) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b" ._-\\:$~".contains(&b);
    if !path.bytes().all(is_plain) {
        return None;
    }
    let shorter = path.trim_end_matches('\\');
    // `C:` alone would be another folder.
    Some(if shorter.len() == 2 { format!("{shorter}\\") } else { shorter.to_owned() })
}

/// A word as the command processor and the program behind it both read it, in
/// quotes where need be; `None` where they cannot.
pub fn quoted(word: &str) -> Option<String> {
    if word.is_empty() || word.chars().any(|c| c.is_control() || "\"%!^".contains(c)) {
        return None;
    }
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "._-\\:$~/+#@".contains(c);
    if word.chars().all(is_bare) {
        return Some(word.to_owned());
    }
    // A program takes `\"` for a quotation mark that is meant.
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
        LoadstateStore { kind: kind.to_owned(), parts: parts.iter().map(part).collect() }
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
            [("volume-1234", "s", false)], // nobody knows the drive
            [("C", "a & del /q \"x", false)],
            [("C", "a%PATH%", false)],
            [("C", "USMTMIG", true)], // its primary is missing
        ] {
            for way in ways(&kept("hard-link", &parts)) {
                assert_eq!(way.line(&Call::default()), None, "{parts:?}");
                let command = way.command(&Call::default());
                assert!(command.starts_with("loadstate <the folder that holds USMT> "));
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
