//! What `lifeboat --json` printed.

use serde_json::Value;

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

    /// The losses, as `kind path: detail`.
    pub fn losses(&self) -> Vec<String> {
        self.of("loss")
            .map(|l| format!("{} {}: {}", text(&l["kind"]), text(&l["path"]), text(&l["detail"])))
            .collect()
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
