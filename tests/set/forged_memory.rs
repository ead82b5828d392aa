//! No command needs more than 256 MiB of memory for any set (docs/reference/format.md, section 11):
//! the real program on sets that a forger has made as costly as the format lets them be.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat::set::format::hash::sha256_hex;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use serde_json::{Value, json};
use support::program::path;
use support::sets::{options, pack, scratch};
use support::{need, text};

/// MiB that a command may have.
const MOST: u64 = 256;
const END: &str = "end";

/// Runs the program; its exit code, and the most memory that it had, in MiB.
fn run(args: &[&str]) -> (i32, u64, String) {
    let script = "import resource, subprocess, sys\n\
        end = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, timeout=240,\n\
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)\n\
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n\
        print(end.returncode, most // 1024)\n\
        sys.stderr.buffer.write(end.stderr[-2000:])";
    let mut python = Command::new("python3");
    let out = python.args(["-c", script, path()]).args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let numbers = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut numbers = numbers.split_whitespace().map(|n| n.parse::<i64>().unwrap());
    let (Some(code), Some(most)) = (numbers.next(), numbers.next()) else { panic!("{said}") };
    (i32::try_from(code).unwrap(), u64::try_from(most).unwrap(), said)
}

/// What a forger has open: `rescue.json`, and the lines of the manifest.
struct Forged {
    rescue: Value,
    lines: Vec<String>,
}

impl Forged {
    fn first_file(&mut self) -> &mut String {
        self.lines.iter_mut().find(|line| line.contains("File/00")).unwrap()
    }

    /// Adds a list to the line of a file.
    fn add(&mut self, field: &str, list: &str) {
        let line = self.first_file();
        assert_eq!(line.pop(), Some('}'));
        write!(line, ",\"{field}\":[{list}]}}").unwrap();
    }

    /// Puts lines in, before the last one.
    fn insert(&mut self, lines: impl Iterator<Item = String>) {
        let last = self.lines.pop().unwrap();
        assert!(last.contains(END));
        self.lines.extend(lines);
        self.lines.push(last);
    }
}

fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    let all: Vec<String> = (0..count).map(item).collect();
    all.join(",")
}

/// A million, or (in a test that is run often) less.
fn million() -> usize {
    if std::env::var_os("LIFEBOAT_SWEEP").is_some() { 1_000_000 } else { 30_000 }
}

type Forgery = (&'static str, fn(&mut Forged));

const FORGERIES: &[Forgery] = &[
    ("more streams than there may be", |set| {
        let stream = |n| format!("{{\"name\":\"{n}\",\"size\":0,\"sha256\":\"\"}}");
        set.add("streams", &many(200_000, stream));
    }),
    ("as many streams as there may be", |set| {
        let stream = |n| format!("{{\"name\":\"{n}\",\"size\":0,\"sha256\":\"\"}}");
        set.add("streams", &many(65_536, stream));
    }),
    ("as many losses as there may be", |set| {
        set.add("losses", &many(65_536, |_| "{\"kind\":\"fact\",\"detail\":\"\"}".to_owned()));
    }),
    ("lines of nothing but numbers", |set| {
        let line = format!("{{\"type\":\"x\",\"y\":[{}]}}", many(7_000_000, |_| "1".to_owned()));
        set.insert((0..3).map(|_| line.clone()));
    }),
    ("a line of 15 MiB, and one of 100", |set| {
        let one = set.first_file().clone();
        let long = |mib: usize| one.replace("File/00", &format!("File/{}", "x".repeat(mib << 20)));
        let lines = [long(15), long(100)];
        set.insert(lines.into_iter());
    }),
    ("deep paths", |set| {
        let one = set.first_file().clone();
        let deep = "/d".repeat(10_000);
        let line = move |n: usize| one.replace("File/00", &format!("File/{n}{deep}"));
        set.insert((0..2).map(line));
    }),
    ("millions of members", |set| {
        let one = set.first_file().clone();
        set.insert((0..2 * million()).map(move |n| one.replace("File/00", &format!("File/n{n}"))));
    }),
    ("many long names", |set| {
        let one = set.first_file().clone();
        let name = "\u{4E2D}".repeat(240);
        let line = move |n: usize| one.replace("File/00", &format!("File/{n}{name}"));
        set.insert((0..million() / 5).map(line));
    }),
    ("losses of different files", |set| {
        let mut one = set.first_file().clone();
        one.pop();
        one.push_str(",\"losses\":[{\"kind\":\"hole\",\"detail\":\"a sector\"}]}");
        set.insert((0..million()).map(move |n| one.replace("File/00", &format!("File/n{n}"))));
    }),
    ("millions of frames", |set| {
        let line = |n| {
            format!(
                "{{\"type\":\"frame\",\"frame\":{n},\"volume\":1,\"offset\":0,\"size\":1,\
                 \"plain_size\":512,\"xxh128\":\"{}\"}}",
                "0".repeat(32)
            )
        };
        set.insert((1..2 * million()).map(line));
    }),
    ("lists in rescue.json", |set| {
        let words: Vec<Value> = (0..1_500_000).map(|n| json!(format!("{n}"))).collect();
        set.rescue["lacks"] = words.clone().into();
    }),
    ("files in rescue.json", |set| {
        let file = |n: usize| {
            json!({"name": format!("store.tar.zst.{n:03}"), "size": 1,
                                     "sha256": "0"})
        };
        set.rescue["files"] = (1..400_000).map(file).collect::<Vec<Value>>().into();
    }),
    ("parts in rescue.json", |set| {
        set.rescue["what"] = "folder".into();
        let part = set.rescue["parts"][0].clone();
        set.rescue["parts"] = vec![part; 100_000].into();
    }),
    ("brackets in rescue.json", |set| {
        let mut deep = json!([]);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        set.rescue["more"] = json!([deep, "x".repeat(30 << 20)]);
    }),
];

#[test]
fn no_forged_set_makes_a_command_take_more_memory() {
    need!("python3");
    let dir = scratch();
    let mut tree = MemoryTree::new("x", 1);
    for name in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"] {
        tree.file(format!("StateStore/USMT/{name}").as_str(), MemoryData::pattern(1, 90));
    }
    for number in 0..30_u64 {
        let path = format!("StateStore/USMT/File/{number:02}");
        tree.file(path.as_str(), MemoryData::pattern(number, 9000));
    }
    let sound = dir.path().join(pack(&tree, dir.path(), &options()).set);
    let (mut wrong, mut most_of_all) = (Vec::new(), 0);
    for (what, forge) in FORGERIES {
        let copy = dir.path().join("copy");
        let set = copy.join(sound.file_name().unwrap());
        forged(&sound, &set, *forge);
        let to = |name: &str| text(&copy.join(name)).to_owned();
        let (page, extracted, restored) = (to("page.html"), to("extracted"), to("restored"));
        for args in [
            vec!["verify", text(&set), "--level", "quick"],
            vec!["verify", text(&set), "--level", "full"],
            vec!["list", text(&set)],
            vec!["report", text(&set), "--to", &page],
            vec!["sets", text(&copy)],
            vec!["extract", text(&set), "--to", &extracted],
            vec!["restore", text(&set), "--to", &restored],
        ] {
            let (code, most, said) = run(&args);
            most_of_all = most_of_all.max(most);
            println!("{most:4} MiB, {code}: {what}: {}", args[0]);
            if most > MOST || !(0..=7).contains(&code) {
                wrong.push(format!("{what}: {args:?}: {most} MiB, {code}: {said}"));
            }
        }
        // (The standard library needs its stack for each folder in a folder.)
        assert!(Command::new("rm").arg("-rf").arg(&copy).status().unwrap().success());
    }
    println!("at most {most_of_all} MiB");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A copy of a set with what the forger makes of it; its hashes are right.
fn forged(sound: &Path, set: &Path, forge: fn(&mut Forged)) {
    fs::create_dir_all(set).unwrap();
    for file in fs::read_dir(sound).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), set.join(file.file_name())).unwrap();
    }
    let packed = fs::read(set.join("manifest.jsonl.zst")).unwrap();
    let plain = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let rescue = serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap();
    let lines = plain.lines().map(str::to_owned).collect();
    let mut open = Forged { rescue, lines };
    forge(&mut open);
    let packed = zstd::encode_all((open.lines.join("\n") + "\n").as_bytes(), 1).unwrap();
    fs::write(set.join("manifest.jsonl.zst"), &packed).unwrap();
    for file in open.rescue["files"].as_array_mut().unwrap() {
        if file["name"] == "manifest.jsonl.zst" {
            (file["size"], file["sha256"]) = (packed.len().into(), sha256_hex(&packed).into());
        }
    }
    fs::write(set.join("rescue.json"), open.rescue.to_string()).unwrap();
    fs::remove_file(set.join("SHA256SUMS")).unwrap();
}
