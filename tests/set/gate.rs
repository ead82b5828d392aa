//! The gate (docs/reference/format.md, section 16): for each invariant a set that breaks it and
//! is otherwise as sound as a forger can make it: its hashes and `SHA256SUMS` are right. No
//! command calls such a set whole.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat::model::monitor::Silent;
use lifeboat::set::format::frames::{Packer, TableWriter};
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::set::read::verify::{Level, verify_set};
use lifeboat::set::write::plan::Plan;
use lifeboat::set::write::writer::offload;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use lifeboat::usmt::Role;
use serde_json::{Value, json};
use support::program::lifeboat;
use support::sets::{self, broken_store, options, pack, scratch, target};
use support::text;

fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new("x", 1);
    for name in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"] {
        tree.file(format!("StateStore/USMT/{name}").as_str(), MemoryData::pattern(1, 90));
    }
    let mut last = None;
    for i in 0..40_u64 {
        let path = format!("StateStore/USMT/File/{i:02}");
        last = Some(tree.file(path.as_str(), MemoryData::pattern(i, 9000)));
    }
    tree.link(last.unwrap(), "StateStore/USMT/link");
    tree
}

/// A set, as a forger has it open.
struct Forged {
    set: PathBuf,
    rescue: Value,
    lines: Vec<Value>,
}

impl Forged {
    fn open(set: &Path) -> Self {
        let rescue = serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap();
        let packed = fs::read(set.join("manifest.jsonl.zst")).unwrap();
        let plain = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
        let lines = plain.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { set: set.to_owned(), rescue, lines }
    }

    /// Writes everything with hashes that are right.
    fn close(&mut self) {
        let lines: Vec<String> = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let packed = zstd::encode_all(lines.concat().as_bytes(), 3).unwrap();
        fs::write(self.set.join("manifest.jsonl.zst"), packed).unwrap();
        let mut sums = Vec::new();
        for file in self.rescue["files"].as_array_mut().unwrap() {
            let name = file["name"].as_str().unwrap().to_owned();
            if let Ok(bytes) = fs::read(self.set.join(&name)) {
                let is_kept = file["keep"].take() == json!(true);
                file.as_object_mut().unwrap().remove("keep");
                if !is_kept {
                    file["size"] = bytes.len().into();
                    file["sha256"] = sha256_hex(&bytes).into();
                }
            }
            sums.push(format!("{} *{name}\n", file["sha256"].as_str().unwrap()));
        }
        let rescue = self.rescue.to_string();
        sums.push(format!("{} *rescue.json\n", sha256_hex(rescue.as_bytes())));
        fs::write(self.set.join("rescue.json"), rescue).unwrap();
        fs::write(self.set.join("SHA256SUMS"), sums.concat()).unwrap();
    }

    /// Changes the plain bytes of the store; the frames' lines and the seek table fit again.
    fn change_store(&mut self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let number =
            |line: &Value, what: &str| usize::try_from(line[what].as_u64().unwrap()).unwrap();
        let path = self.set.join("store.tar.zst");
        let old = fs::read(&path).unwrap();
        let lines = || self.lines.iter().filter(|line| line["type"] == "frame");
        let plain = |line: &Value| {
            let at = number(line, "offset");
            zstd::decode_all(&old[at..at + number(line, "size")]).unwrap()
        };
        let mut frames: Vec<Vec<u8>> = lines().map(plain).collect();
        change(&mut frames);
        let (mut press, mut table) = (Packer::new(3).unwrap(), TableWriter::default());
        let (mut store, mut packed) = (Vec::new(), Vec::new());
        let lines = self.lines.iter_mut().filter(|line| line["type"] == "frame");
        for (line, plain) in lines.zip(&frames) {
            press.pack(plain, &mut packed).unwrap();
            table.push(packed.len() as u64, plain.len() as u64).unwrap();
            (line["offset"], line["size"]) = (store.len().into(), packed.len().into());
            let hash = twox_hash::XxHash3_128::oneshot(&packed);
            line["xxh128"] = format!("{hash:032x}").into();
            store.append(&mut packed);
        }
        store.extend(table.to_bytes());
        fs::write(path, store).unwrap();
    }

    fn members(&mut self) -> impl Iterator<Item = &mut Value> {
        self.lines.iter_mut().filter(|line| line["type"] == "member")
    }

    fn file(&mut self) -> &mut Value {
        self.member("C/StateStore/USMT/File/07")
    }

    fn member(&mut self, path: &str) -> &mut Value {
        self.members().find(|line| line["path"] == path).unwrap()
    }

    /// Takes members away, and makes all totals fit.
    fn without(&mut self, is_gone: impl Fn(&str) -> bool) {
        let is_gone = |line: &Value| line["path"].as_str().is_some_and(&is_gone);
        let files = self.lines.iter().filter(|line| is_gone(line) && line["kind"] == "file");
        let sizes: Vec<u64> = files.map(|line| line["data"]["size"].as_u64().unwrap()).collect();
        let count = |kind: &str| {
            self.lines.iter().filter(|line| is_gone(line) && line["kind"] == kind).count() as u64
        };
        let (folders, links) = (count("directory"), count("link"));
        self.lines.retain(|line| !is_gone(line));
        for totals in [&mut self.rescue["totals"], self.lines.last_mut().unwrap()] {
            for (what, less) in [
                ("files", sizes.len() as u64),
                ("bytes", sizes.iter().sum()),
                ("directories", folders),
                ("links", links),
            ] {
                totals[what] = (totals[what].as_u64().unwrap() - less).into();
            }
        }
    }
}

fn is_file(path: &str) -> bool {
    let marks = ["/catalog.mig", "/MIGSTATE.DAT", "/hardlink.main", "/link"];
    path.contains("/File/") || marks.iter().any(|mark| path.ends_with(mark))
}

/// What is broken, by the number of the invariant; the finding; and whether all bytes can still
/// be restored.
type Forgery = (&'static str, &'static str, fn(&mut Forged));

const FORGERIES: &[Forgery] = &[
    ("1: a plain set of format 2", "set-contradiction", |set| set.rescue["format"] = 2.into()),
    ("2: an end state without its losses", "set-contradiction", |set| {
        set.rescue["end_state"] = "saved-with-losses".into();
    }),
    ("2: incomplete, and nothing lacks", "set-contradiction", |set| {
        set.rescue["end_state"] = "incomplete".into();
    }),
    ("2: saved, and something lacks", "set-contradiction", |set| {
        set.rescue["lacks"] = json!(["the part on drive D:"]);
    }),
    ("3: a store's set without a part", "set-contradiction", |set| {
        set.rescue["parts"] = serde_json::json!([]);
    }),
    ("3: a second manifest with a wrong hash", "set-file-name", |set| {
        fs::write(set.set.join("manifest.jsonl.zst.001"), "x").unwrap();
        let file = json!({"name": "manifest.jsonl.zst.001", "size": 1,
                          "sha256": "00".repeat(32), "keep": true});
        set.rescue["files"].as_array_mut().unwrap().push(file);
    }),
    ("3: a file with a name of its own", "set-file-name", |set| {
        fs::write(set.set.join("run-me.cmd"), "x").unwrap();
        let file = json!({"name": "run-me.cmd", "size": 1, "sha256": ""});
        set.rescue["files"].as_array_mut().unwrap().push(file);
    }),
    ("3: a file twice", "set-file-name", |set| {
        let files = set.rescue["files"].as_array_mut().unwrap();
        let again = files.last().unwrap().clone();
        files.push(again);
    }),
    ("4: an entry with a size of plain bytes", "set-contradiction", |set| {
        set.rescue["files"][0]["plain_size"] = 7.into();
    }),
    ("7: no header", "set-manifest-damaged", |set| drop(set.lines.remove(0))),
    ("7: two headers", "set-manifest-damaged", |set| {
        let header = set.lines[0].clone();
        set.lines.insert(3, header);
    }),
    ("7: a header of an unknown format", "set-manifest-damaged", |set| {
        set.lines[0]["format"] = 9.into();
    }),
    ("7: the header of another set", "set-manifest-damaged", |set| {
        set.lines[0]["set"] = "0badc0de".into();
    }),
    ("8: no last line", "set-manifest-damaged", |set| drop(set.lines.pop())),
    ("8: two last lines", "set-manifest-damaged", |set| {
        let end = set.lines.last().unwrap().clone();
        set.lines.push(end);
    }),
    ("8: a line behind the last", "set-manifest-damaged", |set| {
        let line = set.lines.remove(5);
        set.lines.push(line);
    }),
    ("8: cut off", "set-manifest-damaged", |set| set.lines.truncate(9)),
    ("9: one folder's lines are gone", "set-totals", |set| {
        set.lines.retain(|line| !line["path"].as_str().is_some_and(|path| path.contains("File/1")));
    }),
    ("9: rescue.json has other totals", "set-totals", |set| {
        set.rescue["totals"]["streams"] = 1.into();
    }),
    ("9: a frame's line is gone", "set-manifest-damaged", |set| {
        let at = set.lines.iter().position(|line| line["type"] == "frame").unwrap();
        set.lines.remove(at);
    }),
    ("10: one folder's lines are gone, and all totals fit", "set-manifest-damaged", |set| {
        set.without(|path| path.contains("File/1"));
    }),
    ("10: the first file's line is gone, and all totals fit", "set-manifest-damaged", |set| {
        set.without(|path| path.ends_with("File/00"));
    }),
    ("10: the last lines are gone, and all totals fit", "set-manifest-damaged", |set| {
        set.without(|path| path.contains("File/3"));
    }),
    ("10: no file is left, and all totals fit", "set-contradiction", |set| set.without(is_file)),
    ("10: nothing is left, and all totals fit", "set-manifest-damaged", |set| {
        set.without(|_| true);
    }),
    ("9: a frame of nothing", "set-manifest-damaged", |set| {
        let frame = set.lines.iter_mut().find(|line| line["type"] == "frame").unwrap();
        frame["plain_size"] = 0.into();
    }),
    ("10: two files have each other's data", "set-contradiction", |set| {
        let one = set.file()["data"].clone();
        let other = set.member("C/StateStore/USMT/File/08");
        let other = std::mem::replace(&mut other["data"], one);
        set.file()["data"] = other;
    }),
    ("10: its data is elsewhere", "set-contradiction", |set| {
        set.file()["data"]["at"]["offset"] = 512.into();
    }),
    ("6: a part twice", "set-contradiction", |set| {
        let mut part = set.rescue["parts"][0].clone();
        part["path"] = "STATESTORE".into();
        set.rescue["parts"].as_array_mut().unwrap().push(part);
    }),
    ("11: a part with another path", "set-contradiction", |set| {
        set.rescue["parts"][0]["path"] = "Other".into();
    }),
    ("6: a part that leads upwards", "set-contradiction", |set| {
        set.rescue["parts"][0]["path"] = "../StateStore".into();
    }),
    ("6: a role that no store has", "set-contradiction", |set| {
        set.rescue["parts"][0]["role"] = "folder".into();
    }),
    ("6: a part inside another", "set-contradiction", |set| {
        let mut part = set.rescue["parts"][0].clone();
        part["path"] = "STATESTORE/usmt".into();
        part["role"] = "secondary".into();
        set.rescue["parts"].as_array_mut().unwrap().push(part);
    }),
    ("6: a store at a root that it is not at", "set-contradiction", |set| {
        set.rescue["parts"][0]["path"] = "".into();
    }),
    ("6: a kind that nobody knows", "set-contradiction", |set| set.rescue["kind"] = "foo".into()),
    ("6: a role that nobody knows", "set-contradiction", |set| {
        set.rescue["parts"][0]["role"] = "foo".into();
    }),
    ("6: a role of another kind of store", "set-contradiction", |set| {
        set.rescue["parts"][0]["role"] = "whole".into();
    }),
    ("6: no first part, and nothing lacks", "set-contradiction", |set| {
        set.rescue["parts"][0]["role"] = "secondary".into();
    }),
    ("11: the kind is of another store", "set-contradiction", |set| {
        set.rescue["kind"] = "compressed".into();
    }),
    ("13: its content is of no known kind", "set-contradiction", |set| {
        set.file()["content"] = "foo".into();
    }),
    ("14: a path twice", "set-contradiction", |set| {
        set.file()["path"] = "C/StateStore/USMT/File/08".into();
    }),
    ("14: a file in a file", "set-contradiction", |set| {
        set.file()["path"] = "C/StateStore/USMT/File/06/7".into();
    }),
    ("14: a name that leads upwards", "set-contradiction", |set| {
        set.file()["path"] = "C/StateStore/USMT/File/..".into();
    }),
    ("9: the store has what is in no frame", "set-contradiction", |set| {
        let path = set.set.join("store.tar.zst");
        let mut store = fs::read(&path).unwrap();
        store.splice(0..0, [0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
        fs::write(path, store).unwrap();
    }),
    ("6: a kind that no store has", "set-contradiction", |set| {
        set.rescue["kind"] = "folder".into();
    }),
    ("12: the result of a seal, and no seal", "set-contradiction", |set| {
        set.rescue["seal"] = json!({"state": "matches", "compared": 40});
    }),
    ("12: a file's result of a seal, and no seal", "set-contradiction", |set| {
        set.file()["seal"] = "touched".into();
    }),
    ("12: a seal lacks a file, and there is none", "set-contradiction", |set| {
        let line = json!({"type": "seal-missing", "path": "C/StateStore/USMT/File/77"});
        let at = set.lines.len() - 1;
        set.lines.insert(at, line);
    }),
    ("13: a hole without a loss", "set-contradiction", |set| {
        set.file()["data"]["holes"] = json!([{"offset": 0, "length": 10, "reason": "x"}]);
    }),
    ("13: holes beyond the size", "set-contradiction", |set| {
        set.file()["data"]["holes"] = json!([{"offset": 8999, "length": 10, "reason": "x"}]);
    }),
    ("13: a file of a store that only a cloud has", "set-contradiction", |set| {
        let empty = sha256_hex(b"");
        let file = set.file();
        let size = file["data"]["size"].as_u64().unwrap();
        file["content"] = "cloud".into();
        file["data"] = json!({"size": 0, "sha256": empty});
        for totals in [&mut set.rescue["totals"], set.lines.last_mut().unwrap()] {
            totals["bytes"] = (totals["bytes"].as_u64().unwrap() - size).into();
            totals["cloud"] = 1.into();
        }
    }),
    ("13: missing content without a loss", "set-contradiction", |set| {
        set.file()["content"] = "missing".into();
    }),
    ("13: recovered without a loss", "set-contradiction", |set| {
        set.file()["recovered"] = "sure".into();
    }),
    ("15: metadata that is no base64", "set-contradiction", |set| {
        set.file()["security"] = "?".into();
    }),
    ("15: an object id of 15 bytes", "set-contradiction", |set| {
        set.file()["object_id"] = "AAECAwQFBgcICQoLDA0O".into();
    }),
    ("15: a DOS name with a colon", "set-contradiction", |set| {
        set.file()["short_name"] = "A:B".into();
    }),
    ("13: a file without a hash", "set-contradiction", |set| {
        set.file()["data"]["sha256"] = "".into();
    }),
    ("14: a file in a junction", "set-contradiction", |set| {
        // A mount point's tag, and no more.
        set.member("C/StateStore/USMT/File")["reparse"] = "AwAAoAAAAAA=".into();
    }),
    ("1: an id that is none", "set-contradiction", |set| {
        set.rescue["set"] = "0123abc\u{1b}".into();
        set.lines[0]["set"] = "0123abc\u{1b}".into();
    }),
    ("1: frames that nobody can have", "set-contradiction", |set| {
        set.rescue["options"]["frame_bytes"] = (1_u64 << 40).into();
    }),
    ("13: a link to another file", "set-contradiction", |set| {
        set.members().find(|line| line["kind"] == "link").unwrap()["link_to"] =
            "C/StateStore/USMT/File/00".into();
    }),
    ("13: a link with a stream", "set-contradiction", |set| {
        let data = json!({"size": 0, "sha256": sha256_hex(b"")});
        let link = set.members().find(|line| line["kind"] == "link").unwrap();
        link["streams"] = json!([{"name": "a", "size": 0, "sha256": data["sha256"]}]);
        for totals in [&mut set.rescue["totals"], set.lines.last_mut().unwrap()] {
            totals["streams"] = 1.into();
        }
    }),
    ("13: a link with attributes", "set-contradiction", |set| {
        set.members().find(|line| line["kind"] == "link").unwrap()["attributes"] = 33.into();
    }),
    ("13: a link with a time", "set-contradiction", |set| {
        let link = set.members().find(|line| line["kind"] == "link").unwrap();
        link["times"]["modified"] = 134_398_386_270_000_000_u64.into();
    }),
    ("13: a folder with content", "set-contradiction", |set| {
        set.member("C/StateStore/USMT/File")["content"] = "wof".into();
    }),
    ("13: a link that leads nowhere", "set-contradiction", |set| {
        set.file()["kind"] = "link".into();
    }),
];

/// What is changed outside of an encrypted set, and how.
type OuterForgery = (&'static str, fn(&mut serde_json::Value));

#[test]
fn no_command_calls_a_set_whole_that_contradicts_itself() {
    let dir = scratch();
    let sound = dir.path().join(pack(&tree(), dir.path(), &options()).set);
    let name = sound.file_name().unwrap().to_str().unwrap().to_owned();
    let mut same = Forged::open(&sound);
    same.close();
    for command in commands(&sound, &dir.path().join("sound")) {
        let run = lifeboat(&command.iter().map(String::as_str).collect::<Vec<_>>());
        let text = run.stdout.clone() + &run.stderr;
        assert!(run.code == 0 || !text.contains("manifest"), "{command:?}: {text}");
    }
    for (number, (what, code, forge)) in FORGERIES.iter().enumerate() {
        let copy = dir.path().join(number.to_string());
        let set = copy.join(&name);
        fs::create_dir_all(&set).unwrap();
        for file in fs::read_dir(&sound).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), set.join(file.file_name())).unwrap();
        }
        let mut forged = Forged::open(&set);
        forge(&mut forged);
        forged.close();
        let verified = verify_set(target(&copy), &name, Level::Full, &Silent).unwrap();
        let codes: Vec<_> = verified.findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(code), "{what}: {codes:?}");
        for command in commands(&set, &copy) {
            let run = lifeboat(&command.iter().map(String::as_str).collect::<Vec<_>>());
            let text = run.stdout + &run.stderr;
            assert_eq!(run.code, 3, "{what}: {command:?}: {text}");
        }
        // What the manifest does not say comes from the tar.
        let is_of_lines = code == &"set-manifest-damaged" || code == &"set-totals";
        let is_of_lines = is_of_lines && !what.contains("of nothing");
        if is_of_lines {
            for place in ["restored/C/StateStore/USMT/File", "extracted/C/StateStore/USMT/File"] {
                let files = fs::read_dir(copy.join(place)).unwrap().count();
                assert_eq!(files, 40, "{what}: {place}");
            }
        }
        fs::remove_dir_all(copy).unwrap();
    }
}

/// Changes frames; with the number of one, and where the data of a file is in it.
type Change = fn(&mut [Vec<u8>], usize, usize);

/// What only the bytes of the store show.
#[test]
fn bytes_that_nothing_accounts_for_are_found_by_all_that_read_them() {
    let dir = scratch();
    let sound = dir.path().join(pack(&tree(), dir.path(), &options()).set);
    // (The file has 9000 bytes, and so 216 of padding.)
    let changes: [(&str, Change); 4] = [
        ("nothing", |_, _, _| {}),
        ("padding", |frames, frame, data| frames[frame][data + 9100] = 1),
        ("a header that is read as the same", |frames, frame, data| {
            let header = &mut frames[frame][data - 512..data];
            header[265] = b'x'; // the name of the owner
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }),
        ("the end of the tar", |frames, _, _| {
            *frames.last_mut().unwrap().last_mut().unwrap() = 1;
        }),
    ];
    for (number, (what, change)) in changes.into_iter().enumerate() {
        let copy = dir.path().join(number.to_string());
        let set = copy.join(sound.file_name().unwrap());
        fs::create_dir_all(&set).unwrap();
        for file in fs::read_dir(&sound).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), set.join(file.file_name())).unwrap();
        }
        let mut forged = Forged::open(&set);
        let last = forged.members().filter(|line| line["data"]["size"] == 9000).last();
        let at = last.unwrap()["data"]["at"].clone();
        let frame = usize::try_from(at["frame"].as_u64().unwrap()).unwrap();
        let offset = usize::try_from(at["offset"].as_u64().unwrap()).unwrap();
        forged.change_store(|frames| change(frames, frame, offset));
        forged.close();
        for command in commands(&set, &copy) {
            // These read no byte of the store.
            if ["list", "report"].contains(&command[0].as_str()) {
                continue;
            }
            let run = lifeboat(&command.iter().map(String::as_str).collect::<Vec<_>>());
            let said = run.stdout + &run.stderr;
            let is_wrong = ["padding", "header", "continues after", "that end the tar"]
                .iter()
                .any(|words| said.contains(words));
            assert_eq!(is_wrong, number > 0, "{what}: {command:?}: {said}");
            // (This disk keeps no creation time, which is a loss.)
            let code = if number > 0 || command[0] != "verify" { 3 } else { 0 };
            assert_eq!(run.code, code, "{what}: {command:?}: {said}");
        }
    }
}

/// A store's part that lacks what loadstate needs, or what makes it a part, in a set that says
/// nothing of it.
#[test]
fn a_part_without_its_marks_is_never_whole() {
    let first = ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"];
    let second = "hardlink.distributed.{0}";
    let all: Vec<&str> = first.into_iter().chain([second]).collect();
    for without in [None].into_iter().chain(all.iter().copied().map(Some)) {
        let dir = scratch();
        let mut trees = [MemoryTree::new("x", 1), MemoryTree::new("y", 2)];
        for (tree, drive) in trees.iter_mut().zip(["C", "D"]) {
            let path = format!("StateStore/USMT/File/{drive}$/a");
            tree.file(path.as_str(), MemoryData::pattern(1, 900));
            for name in all.iter().filter(|name| Some(**name) != without) {
                if (**name == *second) == (drive == "D") {
                    // (The mark of a second part may be empty.)
                    let bytes = if drive == "D" { 0 } else { 90 };
                    let path = format!("StateStore/USMT/{name}");
                    tree.file(path.as_str(), MemoryData::pattern(1, bytes));
                }
            }
        }
        let [c, d] = &trees;
        let mut parts = vec![
            sets::part(c, "C", "StateStore", &["StateStore"]),
            sets::part(d, "D", "StateStore", &["StateStore"]),
        ];
        parts[0].role = Role::Primary.into();
        parts[1].role = Role::Secondary.into();
        let plan = Plan::make(parts, &Silent).unwrap();
        let made = offload(&plan, &*target(dir.path()), &options(), &Silent).unwrap();
        let set = dir.path().join(made.set);
        let to = dir.path().join("to");
        fs::create_dir(&to).unwrap();
        for command in commands(&set, &to) {
            let run = lifeboat(&command.iter().map(String::as_str).collect::<Vec<_>>());
            let said = run.stdout + &run.stderr;
            let Some(name) = without else {
                assert!(!said.contains("part of the store without"), "{command:?}: {said}");
                // (This disk keeps no creation time, which is a loss.)
                let is_written = ["extract", "restore"].contains(&command[0].as_str());
                assert!(run.code == 0 || is_written, "{command:?}: {said}");
                continue;
            };
            assert_eq!(run.code, 3, "without {name}: {command:?}: {said}");
            let name = if name == second { "hardlink.distributed.*" } else { name };
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(&format!("without {name}")), "{command:?}: {said}");
        }
    }
}

/// A store on two drives, whose `hardlink.main` lists both.
fn two_drives(dir: &Path, drive_from: &str) -> PathBuf {
    let mut trees = [MemoryTree::new("x", 1), MemoryTree::new("y", 2)];
    for (tree, drive) in trees.iter_mut().zip(["C", "D"]) {
        let path = format!("StateStore/USMT/File/{drive}$/a");
        tree.file(path.as_str(), MemoryData::pattern(1, 900));
        let marks: &[&str] = if drive == "C" {
            &["catalog.mig", "MIGSTATE.DAT", "hardlink.main"]
        } else {
            &["hardlink.distributed.{1}"]
        };
        for name in marks {
            let path = format!("StateStore/USMT/{name}");
            let text = MemoryData::new(b"C\t{0}\r\nD\t{1}\r\n".to_vec());
            tree.file(path.as_str(), text);
        }
    }
    let [c, d] = &trees;
    let mut parts = vec![
        sets::part(c, "C", "StateStore", &["StateStore"]),
        sets::part(d, "D", "StateStore", &["StateStore"]),
    ];
    for (part, role) in parts.iter_mut().zip([Role::Primary, Role::Secondary]) {
        part.role = role.into();
        drive_from.clone_into(&mut part.drive_from);
    }
    let plan = Plan::make(parts, &Silent).unwrap();
    dir.join(offload(&plan, &*target(dir), &options(), &Silent).unwrap().set)
}

/// The findings of a set, with what they say.
fn contradictions(set: &Path) -> Vec<String> {
    let (above, name) = (set.parent().unwrap(), set.file_name().unwrap());
    let level = Level::Full;
    let verified = verify_set(target(above), name.to_str().unwrap(), level, &Silent).unwrap();
    let found = verified.findings.into_iter();
    found.filter(|finding| finding.code == "set-contradiction").map(|found| found.what).collect()
}

#[test]
fn a_part_that_hardlink_main_lists_is_there_or_lacking() {
    let dir = scratch();
    let set = two_drives(dir.path(), "from the store's File folder");
    assert_eq!(contradictions(&set), Vec::<String>::new());
    // As if there never was a second part.
    let mut forged = Forged::open(&set);
    forged.rescue["parts"][1]["drive"] = "E".into();
    for line in forged.members() {
        let path = line["path"].as_str().unwrap();
        if let Some(rest) = path.strip_prefix('D') {
            line["path"] = format!("E{rest}").replace("D$", "E$").into();
        }
    }
    forged.close();
    let found = contradictions(&set);
    assert!(found.iter().any(|what| what.contains("lists drive D:")), "{found:?}");
    for args in [vec!["list", text(&set)], vec!["verify", text(&set), "--level", "full"]] {
        assert_eq!(lifeboat(&args).code, 3, "{args:?}");
    }
    // One that says what it lacks is sound.
    forged.rescue["lacks"] = json!(["the part on drive D: was not found and is not in the set"]);
    forged.rescue["end_state"] = "incomplete".into();
    forged.close();
    assert_eq!(contradictions(&set), Vec::<String>::new());
}

#[test]
fn parts_do_not_change_their_drives() {
    for (from, is_wrong) in [("from the store's File folder", true), ("the test", false)] {
        let dir = scratch();
        let set = two_drives(dir.path(), from);
        let mut forged = Forged::open(&set);
        for (part, drive) in [(0, "D"), (1, "C")] {
            forged.rescue["parts"][part]["drive"] = drive.into();
        }
        for line in forged.members() {
            let path = line["path"].as_str().unwrap();
            let (drive, rest) = path.split_at(1);
            let drive = if drive == "C" { "D" } else { "C" };
            line["path"] = format!("{drive}{rest}").into();
        }
        forged.close();
        let found = contradictions(&set);
        let is_found = found.iter().any(|what| what.contains("has the files of another drive"));
        assert_eq!(is_found, is_wrong, "{from}: {found:?}");
    }
}

#[test]
fn a_link_stays_on_the_drive_of_its_file() {
    let dir = scratch();
    let set = two_drives(dir.path(), "the test");
    let mut forged = Forged::open(&set);
    let is_first = |line: &Value| line["path"] == "D/StateStore/USMT/hardlink.distributed.{1}";
    let at = forged.lines.iter().position(is_first).unwrap();
    let last = (0..at).rev().find(|at| forged.lines[*at]["kind"] == "file").unwrap();
    let to = forged.lines[last]["path"].clone();
    let link = json!({"type": "member", "path": "D/link", "kind": "link", "link_to": to,
        "start": {"frame": 0, "offset": 0}, "attributes": 0,
        "times": {"created": 0, "modified": 0, "changed": 0, "accessed": 0}});
    forged.lines.insert(last + 1, link);
    forged.close();
    let found = contradictions(&set);
    assert!(found.iter().any(|what| what.contains("file on another drive")), "{found:?}");
}

/// A damaged disk may have streams that NTFS cannot have.
#[test]
fn streams_that_ntfs_cannot_have_are_saved_with_a_loss() {
    let dir = scratch();
    let mut tree = tree();
    let file = tree.file("StateStore/USMT/File/streams", MemoryData::pattern(1, 10));
    for name in ["a", "A", "a:$DATA"] {
        tree.stream(file, name, MemoryData::pattern(2, 10));
    }
    let set = dir.path().join(pack(&tree, dir.path(), &options()).set);
    assert_eq!(contradictions(&set), Vec::<String>::new());
    let mut forged = Forged::open(&set);
    let losses = forged.member("C/StateStore/USMT/File/streams")["losses"].take();
    assert_eq!(losses.as_array().unwrap().len(), 2, "{losses}");
    forged.member("C/StateStore/USMT/File/streams")["losses"] = json!([]);
    forged.close();
    assert_eq!(contradictions(&set).len(), 1);
}

fn commands(set: &Path, to: &Path) -> Vec<Vec<String>> {
    let to = |name: &str| text(&to.join(name)).to_owned();
    [
        vec!["verify".to_owned(), text(set).to_owned(), "--level".to_owned(), "full".to_owned()],
        vec!["list".to_owned(), text(set).to_owned()],
        vec!["report".to_owned(), text(set).to_owned(), "--to".to_owned(), to("page.html")],
        vec!["extract".to_owned(), text(set).to_owned(), "--to".to_owned(), to("extracted")],
        vec!["restore".to_owned(), text(set).to_owned(), "--to".to_owned(), to("restored")],
    ]
    .into()
}

/// A member without data whose line is longer than its header in the tar: what its line adds hides
/// the file behind it.
#[test]
fn a_restore_compares_the_lines_with_the_tar_that_it_reads() {
    let dir = scratch();
    let set = dir.path().join(pack(&tree(), dir.path(), &options()).set);
    let mut forged = Forged::open(&set);
    let start =
        |set: &mut Forged, path: &str| set.member(path)["start"]["offset"].as_u64().unwrap();
    let hidden = start(&mut forged, "C/StateStore/USMT/File/01")
        - start(&mut forged, "C/StateStore/USMT/File/00");
    let hidden = usize::try_from(hidden).unwrap();
    forged.member("C/StateStore/USMT/File")["security"] = "A".repeat(hidden - 40).into();
    forged.without(|path| path.ends_with("File/00"));
    forged.close();
    for args in [
        vec!["verify", text(&set), "--level", "full"],
        vec!["restore", text(&set), "--to", text(&dir.path().join("restored"))],
        vec!["extract", text(&set), "--to", text(&dir.path().join("extracted"))],
    ] {
        let run = lifeboat(&args);
        let said = run.stdout.clone() + &run.stderr;
        assert_eq!(run.code, 3, "{args:?}: {said}");
        assert!(said.contains("header differs"), "{args:?}: {said}");
    }
}

#[test]
fn a_set_with_losses_and_gaps_of_its_own_passes_the_gate() {
    let dir = scratch();
    let set = pack(&broken_store(), dir.path(), &options()).set;
    let set = lifeboat::set::read::reader::SetReader::open(target(dir.path()), &set).unwrap();
    let gate = set.gate(&Silent).unwrap();
    assert!(gate.is_sound(), "{gate:?}");
}

/// The details of an encrypted set say where its files belong.
#[cfg(target_os = "linux")]
#[test]
fn without_the_details_of_its_own_an_encrypted_set_is_never_restored() {
    use support::program::{Guarded, lifeboat_with};
    let dir = tempfile::tempdir().unwrap();
    let env = [("LIFEBOAT_PASSPHRASE", "correct horse battery staple")];
    let make = |name: &str, fixture: &str| {
        let source = Guarded::fixture(fixture);
        let dest = dir.path().join(name);
        let args = ["offload", source.arg(), "--to", text(&dest), "--name", "PC", "--level", "1"];
        assert_eq!(lifeboat_with(&args, &env).code, 0);
        fs::read_dir(&dest).unwrap().next().unwrap().unwrap().path()
    };
    let (set, other) = (make("one", "hardlink-one"), make("two", "hardlink-two"));
    let details = set.join("details.json.age");
    let sound = fs::read(&details).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    let foreign = fs::read(other.join("details.json.age")).unwrap();
    for (what, bytes) in [("missing", None), ("a bit", Some(flipped)), ("another's", Some(foreign))]
    {
        match bytes {
            Some(bytes) => fs::write(&details, bytes).unwrap(),
            None => fs::remove_file(&details).unwrap(),
        }
        // A store of another capture is there already.
        let to = dir.path().join("to");
        fs::create_dir_all(to.join("C/StateStore/USMT")).unwrap();
        fs::write(to.join("C/StateStore/USMT/catalog.mig"), "another").unwrap();
        let page = dir.path().join("page.html");
        for args in [
            vec!["restore", text(&set), "--to", text(&to)],
            vec!["restore", text(&set), "--to", text(&to), "--replace"],
            vec!["loadstate", text(&set)],
            vec!["report", text(&set), "--to", text(&page)],
        ] {
            let run = lifeboat_with(&args, &env);
            assert_eq!(run.code, 1, "{what}: {args:?}: {}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains("details.json.age"), "{what}: {}", run.stderr);
        }
        let kept = fs::read(to.join("C/StateStore/USMT/catalog.mig")).unwrap();
        assert_eq!(kept, b"another", "{what}");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "{what}");
        // Verify says so; the files can be had.
        let run = lifeboat_with(&["verify", text(&set), "--level", "full", "--json"], &env);
        assert_eq!(run.code, 3, "{what}: {}", run.stdout);
        let codes = run.events("finding");
        assert!(codes.iter().any(|finding| finding["code"] == "set-details"), "{what}: {codes:?}");
        let out = dir.path().join("out");
        assert_eq!(lifeboat_with(&["list", text(&set)], &env).code, 3, "{what}");
        let run = lifeboat_with(&["extract", text(&set), "--to", text(&out)], &env);
        assert_eq!(run.code, 3, "{what}: {}", run.stderr);
        assert!(out.join("C/StateStore/USMT").is_dir(), "{what}");
        fs::remove_dir_all(out).unwrap();
        fs::remove_dir_all(to).unwrap();
    }
    // What is public differs from what is inside.
    fs::write(&details, &sound).unwrap();
    let outer = fs::read_to_string(set.join("rescue.json")).unwrap();
    let sums = fs::read_to_string(set.join("SHA256SUMS")).unwrap();
    let forgeries: [OuterForgery; 7] = [
        ("how it is locked", |outer| outer["encryption"]["how"] = "recipients".into()),
        ("its kind", |outer| outer["kind"] = "uncompressed".into()),
        ("a path", |outer| outer["parts"][0]["path"] = "Windows".into()),
        ("a volume", |outer| outer["parts"][0]["volume_serial"] = "0123456789abcdef".into()),
        ("a plan", |outer| outer["plan"] = "00".repeat(32).into()),
        ("a seal", |outer| outer["seal"] = json!({"state": "matches"})),
        ("no key", |outer| {
            outer["files"].as_array_mut().unwrap().retain(|file| file["name"] != "key.age");
        }),
    ];
    for (what, forge) in forgeries {
        let mut forged: serde_json::Value = serde_json::from_str(&outer).unwrap();
        forge(&mut forged);
        let forged = forged.to_string();
        fs::write(set.join("rescue.json"), &forged).unwrap();
        let (was, is) = (sha256_hex(outer.as_bytes()), sha256_hex(forged.as_bytes()));
        let lines = sums.replace(&was, &is);
        let lines = lines.split_inclusive('\n');
        let lines = lines.filter(|line| what != "no key" || !line.contains("key.age"));
        fs::write(set.join("SHA256SUMS"), lines.collect::<String>()).unwrap();
        let run = lifeboat_with(&["verify", text(&set), "--level", "full", "--json"], &env);
        assert_eq!(run.code, 3, "{what}: {}", run.stdout);
        assert!(run.stdout.contains("set-contradiction"), "{what}: {}", run.stdout);
        // Without the key, too, unless it is something that may be public.
        let run = lifeboat(&["verify", text(&set)]);
        assert_eq!(
            run.code,
            if matches!(what, "its kind" | "how it is locked") { 0 } else { 3 },
            "{what}: {}",
            run.stdout
        );
        let to = dir.path().join("to");
        let run = lifeboat_with(&["restore", text(&set), "--to", text(&to)], &env);
        assert_eq!(run.code, 3, "{what}: {}", run.stderr);
        fs::remove_dir_all(&to).unwrap();
    }
}
