//! Microsoft's usmtutils is asked where it is at hand, and what it says becomes
//! findings. A stand-in that speaks as the real one is documented to, built
//! here, plays its part; `docs/guide/windows.md` says how to try the real one.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_maker::container::Container;
use lifeboat_maker::content::Content;
use serde_json::Value;
use support::wine::{self, Wine};
use support::{exe, need, require};
use tempfile::TempDir;

/// Reads the container that it is named, as the real one must: an `!` for its
/// last byte stands for a corrupted one, a `?` for one of an unknown kind.
const STAND_IN: &str = r#"
#include <stdio.h>
#include <string.h>
/* Says what it was asked for, in a file. */
static int extract(int argc, char **argv, char last) {
    char path[1024];
    if (argc < 4) return 11;
    snprintf(path, sizeof path, "%s\\asked.txt", argv[3]);
    FILE *f = fopen(path, "wb");
    if (!f) return 61;
    for (int i = 1; i < argc; i++) fprintf(f, "%s\n", argv[i]);
    fclose(f);
    return last == '!' ? 42 : last == '?' ? 37 : 0;
}
int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "/extract")) {
        FILE *f = fopen(argv[2], "rb");
        char last = 0;
        if (!f) return 27;
        fseek(f, -1, SEEK_END);
        fread(&last, 1, 1, f);
        fclose(f);
        return extract(argc, argv, last);
    }
    if (argc != 3 || strcmp(argv[1], "/verify:all")) return 11;
    FILE *f = fopen(argv[2], "rb");
    char magic[4] = {0}, last = 0;
    if (!f || fread(magic, 1, 4, f) != 4 || memcmp(magic, "1giM", 4)) return 27;
    fseek(f, -1, SEEK_END);
    fread(&last, 1, 1, f);
    if (last == '?') return 26;
    printf("Verifying\r\nFile\\C:\\Users\\heidi\\0.txt\tOK\r\n");
    printf("File\\C:\\Users\\heidi\\1.txt\t%s\r\n", last == '!' ? "CORRUPTED" : "OK");
    return last == '!' ? 42 : 0;
}
"#;

struct Scene {
    wine: Wine,
    lifeboat: PathBuf,
    dir: TempDir,
}

/// A folder with the stand-in in `usmt/amd64`; `None` where something lacks.
fn scene() -> Option<Scene> {
    let lifeboat = need!("lifeboat.exe", exe::find);
    let gcc = need!("mingw", require::mingw);
    let wine = need!("wine", wine::find);
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("stand-in.c");
    fs::write(&source, STAND_IN).unwrap();
    let folder = dir.path().join("usmt/amd64");
    fs::create_dir_all(&folder).unwrap();
    let built = Command::new(gcc).arg("-o").arg(folder.join("usmtutils.exe")).arg(&source).status();
    assert!(built.unwrap().success());
    Some(Scene { wine, lifeboat, dir })
}

impl Scene {
    /// A folder with a compressed store whose container ends with `end`.
    fn store(&self, name: &str, end: &[u8]) -> PathBuf {
        let folder = self.dir.path().join(name).join("StateStore/USMT");
        fs::create_dir_all(&folder).unwrap();
        let mut container = Container::new(false, 5);
        container.add("File\\C:\\Users\\heidi\\0.txt", &Content::text(1, 900)).unwrap();
        let mut bytes = container.finish(&Content::text(9, 500)).unwrap();
        let last = bytes.len() - end.len();
        bytes[last..].copy_from_slice(end);
        fs::write(folder.join("USMT.MIG"), bytes).unwrap();
        self.dir.path().join(name)
    }

    /// Verifies it; the exit code, and the codes of the findings with what was
    /// found.
    fn verify(&self, source: &Path, more: &[&str]) -> (i32, Vec<(String, String)>) {
        let source = Wine::path(source);
        let args: Vec<&str> = ["verify", "--json", &source].iter().chain(more).copied().collect();
        let ran = self.wine.run(&self.lifeboat, &args);
        let events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        let findings = events
            .filter(|event| event["message_type"] == "finding")
            .map(|event| (text(&event, "code"), text(&event, "what")))
            .filter(|(code, _)| code.starts_with("usmtutils"));
        (ran.code, findings.collect())
    }

    fn usmt(&self) -> String {
        Wine::path(&self.dir.path().join("usmt"))
    }
}

fn found(code: &str, what: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), what.to_owned())]
}

#[test]
fn what_usmtutils_says_becomes_findings() {
    let scene = need!(scene());
    let usmt = ["--usmt", &scene.usmt()];
    let sound = scene.store("sound", b"");
    let what = "usmtutils /verify:all: 2 files OK";
    assert_eq!(scene.verify(&sound, &usmt), (0, found("usmtutils-sound", what)));
    let corrupted = scene.store("corrupted", b"!");
    let what = "File\\C:\\Users\\heidi\\1.txt: CORRUPTED";
    assert_eq!(scene.verify(&corrupted, &usmt), (3, found("usmtutils-corrupted", what)));
    let refused = scene.store("refused", b"?");
    let (code, findings) = scene.verify(&refused, &usmt);
    assert_eq!((code, findings), (0, found("usmtutils-failed", "usmtutils ended with code 26")));
}

#[test]
fn without_usmtutils_nothing_is_reported_about_it() {
    let scene = need!(scene());
    assert_eq!(scene.verify(&scene.store("sound", b""), &[]), (0, vec![]));
}

#[test]
fn a_folder_without_usmtutils_is_a_wrong_command_line() {
    let scene = need!(scene());
    let empty = Wine::path(scene.dir.path());
    assert_eq!(scene.verify(&scene.store("sound", b""), &["--usmt", &empty]).0, 2);
}

#[test]
fn usmtutils_extracts_as_it_is_asked_to() {
    let scene = need!(scene());
    let to = scene.dir.path().join("out");
    fs::create_dir(&to).unwrap();
    let key = scene.dir.path().join("key.txt");
    fs::write(&key, "secret").unwrap();
    let (there, key) = (Wine::path(&to), Wine::path(&key));
    let usmt = scene.usmt();
    let mig = |source: &Path| Wine::path(&source.join("StateStore/USMT/USMT.MIG"));
    let extract = |source: &Path, more: &[&str]| {
        let source = Wine::path(source);
        let args = ["extract", &*source, "--usmt", &*usmt, "--to", &*there];
        let args: Vec<&str> = args.iter().chain(more).copied().collect();
        scene.wine.run(&scene.lifeboat, &args)
    };
    let asked = || fs::read_to_string(to.join("asked.txt")).unwrap();
    let sound = scene.store("sound", b"");
    let run = extract(&sound, &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(asked(), format!("/extract\n{}\n{there}\n", mig(&sound)));
    let more = ["*.docx", "--replace", "--keyfile", &*key, "--decrypt", "AES_256"];
    assert_eq!(extract(&sound, &more).code, 0);
    let options = format!("/i:*.docx\n/decrypt:AES_256\n/keyfile:{key}\n/o\n");
    assert!(asked().ends_with(&options), "{}", asked());
    let corrupted = extract(&scene.store("corrupted", b"!"), &[]);
    assert_eq!(corrupted.code, 3, "{}", corrupted.stdout);
    assert!(corrupted.stderr.contains("found corrupted files"), "{}", corrupted.stderr);
    let refused = extract(&scene.store("refused", b"?"), &[]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("code 37"), "{}", refused.stderr);
    // Nothing that Microsoft does not document is asked for.
    assert_eq!(extract(&sound, &["C:\\Users\\heidi\\*.docx"]).code, 2);
}
