//! What `lifeboat --json` printed.

use serde_json::Value;

/// Losses that a right lifeboat lists on this machine.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a kind by itself
pub struct Forgiven {
    /// Metadata that the host refuses: under Wine, and to who is no administrator.
    pub facts: bool,
    /// One of two names that differ only in case: the restored folder is not
    /// case-sensitive, which is documented.
    pub case_only: bool,
    /// The mark of a folder whose new files are encrypted, which is documented: one loss.
    pub encrypted_folder: bool,
    /// An object id that a file elsewhere on the volume has.
    pub object_ids: bool,
}

/// The folder of names that differ only in case, as it is in a set.
const CASE_ONLY: &str = "/case only/";

fn is_case_only(loss: &str) -> bool {
    loss.starts_with("name ") && loss.contains(CASE_ONLY) && loss.contains("letter case")
}

impl Forgiven {
    fn is(self, loss: &str) -> bool {
        let is_fact = loss.starts_with("fact ");
        (self.facts && is_fact)
            || (self.case_only && is_case_only(loss))
            || (self.encrypted_folder && is_fact && loss.contains("encryption of new files"))
            || (self.object_ids && is_fact && loss.contains("object id"))
    }
}

/// A run of lifeboat that has ended.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// Its exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// One for each line of standard output.
    pub events: Vec<Value>,
    /// Lines that are no JSON, and standard error: there should be none.
    pub stray: Vec<String>,
}

impl Ran {
    /// Takes what was printed apart.
    pub fn parse(code: Option<i32>, stdout: &str, stderr: &str) -> Self {
        let mut ran = Self { code, ..Self::default() };
        for line in stdout.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(event) if event.is_object() => ran.events.push(event),
                _ => ran.stray.push(line.to_owned()),
            }
        }
        ran.stray.extend(stderr.lines().map(str::to_owned));
        ran
    }

    /// The events of one kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["message_type"] == kind)
    }

    /// Whether its last error is that the server refused the user or the password, and
    /// not that nobody answers, or that there is a connection already.
    pub fn refuses_logon(&self) -> bool {
        self.of("error").last().is_some_and(|error| {
            let is = |key: &str, words: &[&str]| {
                let text = error[key].as_str().unwrap_or_default().to_lowercase();
                words.iter().any(|word| text.contains(word))
            };
            is("what", &["password", "logon"]) && is("action", &["password", "account", "user"])
        })
    }

    /// The set that an offload has written.
    pub fn set(&self) -> Option<&str> {
        self.of("set").last()?["set"].as_str()
    }

    /// Each store: its kind, and its path without the drive, which is another one for
    /// each way to it.
    pub fn stores(&self) -> Vec<String> {
        let mut stores: Vec<String> = self
            .of("store")
            .map(|store| {
                let path = store["path"].as_str().unwrap_or_default();
                let path =
                    path.get(2..).filter(|_| path.as_bytes().get(1) == Some(&b':')).unwrap_or(path);
                format!("{} {path} {} files", text(&store["kind"]), store["files"])
            })
            .collect();
        stores.sort();
        stores
    }

    /// How many files its stores have, if it has found any.
    pub fn files(&self) -> Option<u64> {
        let counts: Vec<u64> = self.of("store").filter_map(|s| s["files"].as_u64()).collect();
        (!counts.is_empty()).then(|| counts.iter().sum())
    }

    /// The losses, as `kind path: detail`.
    pub fn losses(&self) -> Vec<String> {
        self.of("loss")
            .map(|l| format!("{} {}: {}", text(&l["kind"]), text(&l["path"]), text(&l["detail"])))
            .collect()
    }

    /// Those losses that are not [`Forgiven`].
    pub fn unforgiven(&self, forgiven: Forgiven) -> Vec<String> {
        self.losses().into_iter().filter(|loss| !forgiven.is(loss)).collect()
    }

    /// Whether this is a right end: 0, or 3 with no loss but such as cannot be
    /// otherwise here. A 3 without any loss is damage, and never right.
    pub fn is_whole(&self, forgiven: Forgiven) -> bool {
        let losses = self.losses();
        let only_known = !losses.is_empty() && losses.iter().all(|loss| forgiven.is(loss));
        // Of two names that differ in case, one can be restored, and not none.
        let name_losses = losses.iter().filter(|loss| is_case_only(loss)).count();
        self.code == Some(0) || (self.code == Some(3) && only_known && name_losses <= 1)
    }

    /// Whether any event has a text with these words.
    pub fn says(&self, words: &str) -> bool {
        self.events.iter().any(|event| event.to_string().contains(words))
    }

    /// How it ended, for a report: exit code, error, first losses.
    pub fn ended(&self) -> String {
        let mut words = match self.code {
            Some(code) => format!("exit code {code}"),
            None => "it was killed, or took too long".to_owned(),
        };
        if let Some(error) = self.of("error").last() {
            words = format!("{words}, \"{}\"", text(&error["what"]));
        }
        let losses = self.losses();
        if !losses.is_empty() {
            let first: Vec<_> = losses.iter().take(3).cloned().collect();
            words = format!("{words}, {} losses: {}", losses.len(), first.join("; "));
        }
        if let (true, Some(line)) = (self.events.is_empty(), self.stray.first()) {
            words = format!("{words}, \"{line}\"");
        }
        words
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The stage that a line of output begins, if it begins one.
pub fn stage_of(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let is_stage = event["message_type"] == "stage";
    event["stage"].as_str().filter(|_| is_stage).map(str::to_owned)
}

/// The part of a stage's bytes that a line of progress says are done, 0 to 1; 1 if
/// nobody knows how many they are.
pub fn progress_of(line: &str) -> Option<f64> {
    let event: Value = serde_json::from_str(line).ok()?;
    let bytes = event["bytes"].as_f64().filter(|_| event["message_type"] == "progress")?;
    let total = event["total_bytes"].as_f64().unwrap_or(0.0);
    Some(if total > 0.0 { bytes / total } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_apart() {
        let out = concat!(
            r#"{"message_type":"store","kind":"hard-link","path":"X:\\StateStore\\USMT","files":3}"#,
            "\n",
            r#"{"message_type":"loss","kind":"fact","path":"C/a","detail":"owner"}"#,
            "\n",
            r#"{"message_type":"set","set":"D:\\sets\\x","name":"x"}"#,
            "\n",
            "not json\n",
            r#"{"message_type":"error","what":"no","action":"y","exit_code":5}"#,
            "\n",
        );
        let ran = Ran::parse(Some(5), out, "");
        assert_eq!(ran.stores(), [r"hard-link \StateStore\USMT 3 files"]);
        assert_eq!((ran.files(), Ran::default().files()), (Some(3), None));
        assert_eq!(ran.set(), Some(r"D:\sets\x"));
        assert_eq!(ran.stray, ["not json"]);
        assert_eq!(ran.ended(), r#"exit code 5, "no", 1 losses: fact C/a: owner"#);
        assert!(ran.says("owner") && !ran.says("locked"));
        assert_eq!(
            Ran::parse(None, "", "boom").ended(),
            r#"it was killed, or took too long, "boom""#
        );
    }

    #[test]
    fn a_refused_logon_is_no_other_error() {
        let ran = |what: &str, action: &str| {
            let line = serde_json::json!({"message_type": "error", "what": what, "action": action});
            Ran::parse(Some(5), &line.to_string(), "")
        };
        let fix = "check the user, domain, password and keyboard layout";
        assert!(ran("D: the user name or the password is wrong", fix).refuses_logon());
        assert!(ran("this Windows blocks guest logons", "log on as a user").refuses_logon());
        let fix = "leave out the user to use the existing connection";
        assert!(!ran("Windows is already connected as another user", fix).refuses_logon());
        assert!(!ran("the server does not answer", "check the cable").refuses_logon());
        assert!(!Ran::default().refuses_logon());
    }

    #[test]
    fn only_losses_that_cannot_be_otherwise_are_forgiven() {
        let ran = |code, losses: &[(&str, &str, &str)]| {
            let lines = losses.iter().map(|(kind, path, detail)| {
                serde_json::json!({
                    "message_type": "loss", "kind": kind, "path": path, "detail": detail,
                })
                .to_string()
            });
            Ran::parse(Some(code), &lines.collect::<Vec<_>>().join("\n"), "")
        };
        let none = Forgiven::default();
        let case = Forgiven { case_only: true, ..none };
        let (name, file) = ("not restored: ... except for letter case", "C/x/case only/NAME");
        assert!(ran(0, &[]).is_whole(none));
        assert!(!ran(3, &[]).is_whole(case), "damage without a loss");
        assert!(!ran(1, &[]).is_whole(case));
        assert!(ran(3, &[("name", file, name)]).is_whole(case));
        assert!(!ran(3, &[("name", file, name)]).is_whole(none));
        assert!(!ran(3, &[("name", file, name), ("name", file, name)]).is_whole(case), "both");
        assert!(!ran(3, &[("name", "C/x/other", name)]).is_whole(case));
        assert!(!ran(3, &[("name", file, name), ("fact", "C/a", "owner")]).is_whole(case));
        let facts = Forgiven { facts: true, ..case };
        assert!(ran(3, &[("name", file, name), ("fact", "C/a", "owner")]).is_whole(facts));
        assert!(!ran(3, &[("unreadable", "C/a", "x")]).is_whole(facts));
        let folder = Forgiven { encrypted_folder: true, ..none };
        let words = "encryption of new files in a folder (EFS)";
        assert!(ran(3, &[("fact", "C/a", words)]).is_whole(folder));
        assert!(!ran(3, &[("fact", "C/a", "owner")]).is_whole(folder));
        let lost = ran(3, &[("fact", "", "DOS name"), ("fact", "C/a", words)]);
        assert_eq!(lost.unforgiven(folder), ["fact : DOS name"]);
    }

    #[test]
    fn stages_and_progress_are_recognized() {
        assert_eq!(
            stage_of(r#"{"message_type":"stage","stage":"copy","on":"x"}"#).as_deref(),
            Some("copy")
        );
        assert_eq!(stage_of(r#"{"message_type":"progress","stage":"copy","bytes":5}"#), None);
        let line = |total| {
            format!(
                r#"{{"message_type":"progress","stage":"copy","bytes":5,"total_bytes":{total}}}"#
            )
        };
        assert!(progress_of(&line(20)).is_some_and(|part| (0.24..0.26).contains(&part)));
        assert!(progress_of(&line(0)).is_some_and(|part| part > 0.9));
        assert_eq!(progress_of("x"), None);
    }
}
