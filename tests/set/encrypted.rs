//! Encrypted rescue sets: what everybody sees of one, who reads it and who does
//! not, what stock tools make of it, what a break and damage cost.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::program::{Guarded, Run, lifeboat, lifeboat_with};
#[cfg(feature = "smb")]
use support::smbd;
use support::{need, same_set, text, unpack};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery staple";

/// What `age-keygen` makes: the file, and the recipient.
struct Pair {
    file: PathBuf,
    recipient: String,
}

fn keygen(dir: &Path, name: &str) -> Pair {
    let file = dir.join(name);
    let made = Command::new("age-keygen").arg("-o").arg(&file).output().unwrap();
    assert!(made.status.success());
    let text = fs::read_to_string(&file).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    Pair { recipient: recipient.to_owned(), file }
}

fn passphrase_file(dir: &Path, passphrase: &str) -> PathBuf {
    let file = dir.join(format!("{}.txt", passphrase.replace(' ', "-")));
    fs::write(&file, format!("{passphrase}\r\n")).unwrap();
    file
}

fn only_set(dest: &Path) -> PathBuf {
    let entries: Vec<PathBuf> =
        fs::read_dir(dest).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn rescue(set: &Path) -> Value {
    serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap()
}

/// The members of a set as `list` tells them, without where they lie.
fn members(run: &Run) -> Vec<Value> {
    let mut members = run.events("member");
    for member in &mut members {
        let member = member.as_object_mut().unwrap();
        member.remove("start");
        if let Some(data) = member.get_mut("data") {
            data.as_object_mut().unwrap().remove("at");
        }
    }
    assert!(!members.is_empty());
    members
}

/// Files of a set whose names begin so, in their order.
fn pieces(set: &Path, name: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(set).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(name);
    let mut pieces: Vec<PathBuf> = all.filter(is_one).collect();
    pieces.sort();
    pieces
}

/// What stock `age` makes of the store or the manifest, with the key that a
/// recipient's identity opens: one behind the other, as docs/reference/format.md says.
fn by_age(set: &Path, identity: &Path, name: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.txt");
    let locked = set.join("key.age");
    let args = ["-d", "-o", text(&key), "-i", text(identity), text(&locked)];
    decrypt(Command::new("age").args(args));
    let mut all = Vec::new();
    for piece in pieces(set, name) {
        all.extend(decrypt(Command::new("age").args(["-d", "-i", text(&key), text(&piece)])));
    }
    all
}

fn decrypt(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Every file of a folder, below it too, and its name.
fn all_bytes(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        all.extend(entry.file_name().as_encoded_bytes());
        all.push(0);
        if entry.file_type().is_file() {
            all.extend(fs::read(entry.path()).unwrap());
        }
    }
    all
}

/// Names that must not be seen, as bytes and as UTF-16.
fn assert_names_nobody(dir: &Path, names: &[&str]) {
    let bytes = all_bytes(dir);
    for name in names {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for needle in [name.as_bytes(), &wide] {
            assert!(!bytes.windows(needle.len()).any(|at| at == needle), "{name} is to be seen");
        }
    }
}

#[test]
fn with_the_passphrase_every_command_takes_it_and_without_none_does() {
    let image = Guarded::fixture("hardlink-two");
    let dir = tempfile::tempdir().unwrap();
    let (plain, secret) = (dir.path().join("plain"), dir.path().join("secret"));
    let (right, wrong) = (
        passphrase_file(dir.path(), PASSPHRASE),
        passphrase_file(dir.path(), "a passphrase that is another"),
    );
    lifeboat(&["offload", image.arg(), "--to", text(&plain)]).expect(0);
    let key = ["--passphrase-file", text(&right)];
    let made = lifeboat(&["offload", image.arg(), "--to", text(&secret), key[0], key[1]]);
    assert!(made.expect(0).stdout.contains("encrypted"));
    let (plain, set) = (only_set(&plain), only_set(&secret));
    unpack::sums_are_right(&set);
    let said = rescue(&set);
    assert_eq!((&said["format"], &said["encryption"]["how"]), (&2.into(), &"passphrase".into()));
    assert_eq!(rescue(&plain)["format"], 1, "a plain set is as it was");
    assert_eq!(said["totals"]["files"], rescue(&plain)["totals"]["files"]);

    // It says the same as a plain set, to who may know.
    let listed = lifeboat(&["list", text(&set), "--json", key[0], key[1]]).expect(0);
    let of_plain = lifeboat(&["list", text(&plain), "--json"]).expect(0);
    assert_eq!(members(&listed), members(&of_plain));
    let (inner, outer) = (&listed.events("set")[0], &of_plain.events("set")[0]);
    assert_eq!(inner["rescue"]["parts"], outer["rescue"]["parts"]);
    for level in ["quick", "full"] {
        lifeboat(&["verify", text(&set), "--level", level, key[0], key[1]]).expect(0);
    }
    for (name, set, args) in [("a", &plain, &[][..]), ("b", &set, &key[..])] {
        let to = dir.path().join(name);
        let restore = [&["restore", text(set), "--to", text(&to)][..], args].concat();
        lifeboat(&restore).expect(3); // this file system holds no rights
        let extract = dir.path().join(format!("{name}-x"));
        lifeboat(&[&["extract", text(set), "--to", text(&extract)][..], args].concat()).expect(3);
    }
    for what in ["", "-x"] {
        let (a, b) = (dir.path().join(format!("a{what}")), dir.path().join(format!("b{what}")));
        assert!(all_bytes(&a) == all_bytes(&b) && all_bytes(&a).len() > 10_000);
    }
    let command = lifeboat(&["loadstate", text(&set), key[0], key[1]]).expect(0).stdout;
    assert!(command.contains(r"C:\StateStore"), "{command}");

    // Nobody else.
    let (out, page) = (dir.path().join("out"), dir.path().join("page.html"));
    for command in [
        &["list", text(&set)][..],
        &["extract", text(&set), "--to", text(&out)],
        &["restore", text(&set), "--to", text(&out)],
        &["loadstate", text(&set)],
        &["report", text(&set), "--to", text(&page)],
    ] {
        let run = lifeboat(&[command, &["--passphrase-file", text(&wrong)]].concat()).expect(1);
        assert!(run.stderr.contains("the passphrase is wrong"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
        let run = lifeboat(command).expect(2);
        assert!(run.stderr.contains("a passphrase is needed"), "{}", run.stderr);
        let run = lifeboat_with(command, &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)]);
        assert!(matches!(run.code, 0 | 3), "{}", run.stderr);
        let _ = fs::remove_dir_all(&out);
    }
    // The set itself has no report: it would name users and files.
    assert!(!set.join("report.html").exists());
    assert!(fs::read_to_string(&page).unwrap().contains("alice"));
    // But whether its files are whole anybody can tell, and is told what is not known.
    let run = lifeboat(&["verify", text(&set), "--level", "full"]).expect(0);
    assert!(run.stdout.contains("its contents were not checked"), "{}", run.stdout);
}

#[test]
fn stock_age_zstd_and_tar_give_the_same_bytes() {
    need!("age");
    let image = Guarded::fixture("facts");
    let dir = tempfile::tempdir().unwrap();
    let (mine, other) = (keygen(dir.path(), "mine"), keygen(dir.path(), "other"));
    let (plain, secret) = (dir.path().join("plain"), dir.path().join("secret"));
    let code = lifeboat(&["offload", image.arg(), "--to", text(&plain), "--path", "\\"]).code;
    let list = dir.path().join("recipients.txt");
    fs::write(&list, format!("# ours\n{}\n", mine.recipient)).unwrap();
    let args = ["offload", image.arg(), "--to", text(&secret), "--path", "\\"];
    let to = ["--recipients-file", text(&list), "--recipient", &other.recipient];
    lifeboat(&[&args[..], &to].concat()).expect(code);
    let (plain, set) = (only_set(&plain), only_set(&secret));

    let unpack = |store: &[u8]| zstd::decode_all(store).unwrap();
    let tar = unpack(&fs::read(plain.join("store.tar.zst")).unwrap());
    for identity in [&mine.file, &other.file] {
        assert!(unpack(&by_age(&set, identity, "store.tar.zst")) == tar);
    }
    let manifest = String::from_utf8(unpack(&by_age(&set, &mine.file, "manifest"))).unwrap();
    assert!(manifest.starts_with(r#"{"type":"header","format":2,"#), "{manifest:.100}");
    assert!(manifest.lines().last().unwrap().contains(r#""type":"end""#));

    let third = keygen(dir.path(), "third");
    let run = lifeboat(&["list", text(&set), "--identity", text(&third.file)]).expect(2);
    assert!(run.stderr.contains("none of the given identities matches"), "{}", run.stderr);
    lifeboat(&["list", text(&set), "--identity", text(&mine.file)]).expect(0);
}

#[test]
fn stock_age_opens_the_key_with_the_passphrase() {
    need!("age");
    let image = Guarded::fixture("hardlink-one");
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("dest");
    let args = ["offload", image.arg(), "--to", text(&dest)];
    lifeboat_with(&args, &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)]).expect(0);
    let key = dir.path().join("key.txt");
    // age asks on a terminal alone; `script` is one.
    let command = format!("age -d -o {} {}/key.age", text(&key), text(&only_set(&dest)));
    let mut asked = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let typed = format!("{PASSPHRASE}\n");
    let mut stdin = asked.stdin.take().unwrap();
    std::thread::sleep(Duration::from_millis(500)); // what is typed before it asks is lost
    std::io::Write::write_all(&mut stdin, typed.as_bytes()).unwrap();
    assert!(asked.wait().unwrap().success());
    let key = fs::read_to_string(&key).unwrap();
    assert!(key.starts_with("# key of the rescue set ") && key.contains("\nAGE-SECRET-KEY-1"));
}

/// Neither a store's set nor a user's folder's, whole or not, tells a name.
#[test]
fn without_the_key_no_user_and_no_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // No short ones: in so many random bytes they come up by themselves.
    let names = ["alice", "Alice", "StateStore", "catalog.mig", "USMT\\File", "Users/"];
    let env = [("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
    for (fixture, more) in [
        ("hardlink-two", &[][..]),
        ("leftovers", &["--path", r"\Users\alice"]),
        ("leftovers", &["--path", "\\"]),
    ] {
        let image = Guarded::fixture(fixture);
        let dest = TempDir::new_in(dir.path()).unwrap();
        let args = [&["offload", image.arg(), "--to", text(dest.path())][..], more].concat();
        let run = lifeboat_with(&args, &env);
        assert!(matches!(run.code, 0 | 3), "{}", run.stderr);
        // One set a volume that has the folder.
        let sets = pieces(dest.path(), "");
        let list = |set: &PathBuf| lifeboat_with(&["list", text(set)], &env).expect(0).stdout;
        let listed: String = sets.iter().map(list).collect();
        assert!(listed.to_lowercase().contains("alice"), "the test looks for the wrong name");
        assert_names_nobody(dest.path(), &names);
    }
}

#[test]
fn an_unfinished_set_names_no_user_and_no_file_either() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 8, 900_000, 200));
    let dest = dir.path().join("dest");
    fs::create_dir(&dest).unwrap();
    let mut run = start(&source, &dest, &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)], &[]);
    wait_for_journal(&dest, 20_000, &mut run);
    run.kill().unwrap();
    run.wait().unwrap();
    let partial = only_set(&dest);
    assert!(text(&partial).ends_with(".partial"));
    assert!(all_bytes(&partial).len() > 100_000);
    assert_names_nobody(
        &partial,
        &["StateStore", "catalog.mig", "USMT/File", "checkpoint", "manifest_bytes"],
    );
}

fn start(source: &Path, dest: &Path, env: &[(&str, &str)], more: &[&str]) -> std::process::Child {
    Command::new(support::program::path())
        .args(["offload", text(source), "--to", text(dest), "--level", "1", "--name", "PC"])
        // Small frames: many checkpoints.
        .args(["--frame-bytes", "4096", "--json"])
        .args(more)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the journal of the one set there has so many bytes.
fn wait_for_journal(dest: &Path, bytes: u64, run: &mut std::process::Child) {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let folders = fs::read_dir(dest).unwrap().map(|entry| entry.unwrap().path());
        let size = |folder: PathBuf| folder.join("journal.jsonl").metadata().ok().map(|m| m.len());
        if folders.into_iter().filter_map(size).any(|size| size >= bytes) {
            return;
        }
        assert!(run.try_wait().unwrap().is_none(), "it was too fast");
        assert!(Instant::now() < end, "it is too slow");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs to the end; the set's event.
fn finish(source: &Path, dest: &Path, env: &[(&str, &str)], more: &[&str], when: &str) -> Value {
    let done = start(source, dest, env, more).wait_with_output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{when}: {said}\n{errors}");
    let mut sets = said.lines().filter(|line| line.contains(r#""message_type":"set""#));
    serde_json::from_str(sets.next_back().unwrap()).unwrap()
}

/// Kills runs at moments spread over a whole one, then goes on: what decrypts is
/// what an unbroken run wrote, byte for byte, and no file of the store that was
/// there was begun again under its key.
#[test]
fn killed_at_any_moment_it_decrypts_to_the_same_bytes() {
    const KILLS: u32 = 30;
    need!("age");
    let shm = Path::new("/dev/shm");
    let scratch = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    let scratch = scratch.unwrap();
    let source = scratch.path().join("disk.img");
    need!(same_set::make_image(&source, 8, 900_000, 200));
    let pair = keygen(scratch.path(), "pair");
    let more = ["--recipient", &pair.recipient, "--identity", text(&pair.file)];
    let place = |name: &str| {
        let dest = scratch.path().join(name);
        fs::create_dir(&dest).unwrap();
        dest
    };
    let unbroken = place("unbroken");
    finish(&source, &unbroken, &[], &more, "unbroken");
    let began = Instant::now();
    finish(&source, &place("timed"), &[], &more, "timed");
    let whole_run = began.elapsed();
    let set = only_set(&unbroken);
    assert_eq!(pieces(&set, "store.tar.zst").len(), 1);
    let store = by_age(&set, &pair.file, "store.tar.zst");
    let listed = |set: &Path| {
        let list = ["list", text(set), "--json", "--identity", text(&pair.file)];
        lifeboat(&list).expect(0).events("member")
    };
    let members = listed(&set);

    let (mut gone_on, mut most) = (0, 0);
    for number in 0..KILLS {
        let dest = place(&format!("broken {number}"));
        let mut when = String::new();
        for again in 0..=number % 3 {
            let mut run = start(&source, &dest, &[], &more);
            let after = whole_run * (number + again * 7) / (KILLS + 10);
            std::thread::sleep(after);
            run.kill().unwrap();
            run.wait().unwrap();

            write!(when, "killed after {after:?}; ").unwrap();
            let whole = pieces(&dest, "PC-");
            if whole.iter().any(|path| !text(path).ends_with(".partial")) {
                break;
            }
        }
        // What the destination is tried out with may have been left, too.
        if pieces(&dest, "").iter().all(|entry| !entry.join("rescue.json").exists())
            || pieces(&dest, "").iter().any(|entry| text(entry).ends_with(".partial"))
        {
            let done = finish(&source, &dest, &[], &more, &when);
            gone_on += u32::from(done["resumed_frames"].as_u64().unwrap() > 0);
        }
        let set = only_set(&dest);
        unpack::sums_are_right(&set);
        assert!(by_age(&set, &pair.file, "store.tar.zst") == store, "{when}");
        assert!(listed(&set) == members, "{when}");
        let full = ["verify", text(&set), "--level", "full", "--identity", text(&pair.file)];
        lifeboat(&full).expect(0);
        most = most.max(pieces(&set, "store.tar.zst").len());
        fs::remove_dir_all(&dest).unwrap();
    }
    assert!(gone_on > 0, "none of {KILLS} had anything to go on with");
    assert!(most >= 2, "no break began a new file");
}

#[test]
fn without_its_key_a_set_is_begun_beside_the_unfinished_one() {
    need!("age");
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 8, 900_000, 200));
    let pair = keygen(dir.path(), "pair");
    let dest = dir.path().join("dest");
    fs::create_dir(&dest).unwrap();
    let to = ["--recipient", &pair.recipient];
    let mut run = start(&source, &dest, &[], &to);
    wait_for_journal(&dest, 20_000, &mut run);
    run.kill().unwrap();
    run.wait().unwrap();
    let left = only_set(&dest);
    let before = all_bytes(&left);

    // A plain run and one without the identity leave it alone and say so.
    for more in [&[][..], &to[..]] {
        let args = [&["offload", text(&source), "--to", text(&dest), "--name", "PC"][..], more];
        let run = lifeboat(&args.concat()).expect(0);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("unfinished and encrypted"), "{said}");
        assert!(all_bytes(&left) == before);
    }
    let own = [&to[..], &["--identity", text(&pair.file)]].concat();
    let done = finish(&source, &dest, &[], &own, "with the identity");
    assert!(done["resumed_frames"].as_u64().unwrap() > 0);
    assert!(!left.exists());
    assert_eq!(fs::read_dir(&dest).unwrap().count(), 3);
}

#[test]
fn damage_costs_what_is_in_it_and_what_is_cut_off_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 12, 4_000_000, 100));
    let dest = dir.path().join("dest");
    let env = [("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
    let args = ["offload", text(&source), "--to", text(&dest), "--split", "16M"];
    lifeboat_with(&args, &env).expect(0);
    let set = only_set(&dest);
    let volumes = pieces(&set, "store.tar.zst");
    assert!(volumes.len() >= 3, "{volumes:?}");
    assert!(volumes.iter().all(|path| path.metadata().unwrap().len() <= 16 << 20));
    lifeboat_with(&["verify", text(&set), "--level", "full"], &env).expect(0);
    let hit = |level: &str| {
        let run = lifeboat_with(&["verify", text(&set), "--level", level, "--json"], &env);
        let verdict = run.events("verdict")[0].clone();
        (run.code, verdict["members_hit"].as_u64().unwrap())
    };
    let total = rescue(&set)["totals"]["files"].as_u64().unwrap();
    let sound = fs::read(&volumes[1]).unwrap();

    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    fs::write(&volumes[1], &flipped).unwrap();
    let (code, members) = hit("full");
    assert!(code == 3 && (1..=3).contains(&members), "{code} {members}");
    let out = dir.path().join("out");
    let extract = ["extract", text(&set), "--to", text(&out), "--json"];
    let run = lifeboat_with(&extract, &env).expect(3);
    assert!(run.stdout.contains("does not decrypt"), "{}", run.stdout);
    let there = walkdir::WalkDir::new(&out).into_iter().flatten();
    let there = there.filter(|entry| entry.file_type().is_file()).count() as u64;
    assert!(there + 3 >= total && there < total + 1, "{there} of {total}");

    // A whole number of chunks is gone, and nothing but the mark of the last tells.
    fs::write(&volumes[1], &sound[..sound.len() - (sound.len() - 300) % 65_552]).unwrap();
    let (code, members) = hit("full");
    assert!(code == 3 && members >= 1, "{code} {members}");
    // The header's own bytes: nothing of this file opens.
    let mut flipped = sound.clone();
    flipped[60] ^= 1;
    fs::write(&volumes[1], &flipped).unwrap();
    let (code, members) = hit("full");
    assert!(code == 3 && members >= 2 && members < total / 2, "{code} {members}");
    fs::remove_file(&volumes[1]).unwrap();
    let (code, members) = hit("full");
    assert!(code == 3 && members >= 2 && members < total / 2, "{code} {members}");
    fs::write(&volumes[1], &sound).unwrap();
    assert_eq!(hit("full"), (0, 0));

    // The manifest: the tar tells what it lost.
    let manifest = &pieces(&set, "manifest")[0];
    let sound = fs::read(manifest).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    fs::write(manifest, &flipped).unwrap();
    assert_eq!(hit("full").0, 3);
    fs::remove_dir_all(&out).unwrap();
    lifeboat_with(&extract, &env).expect(3);
    let there = walkdir::WalkDir::new(&out).into_iter().flatten();
    let there = there.filter(|entry| entry.file_type().is_file()).count() as u64;
    assert_eq!(there, total);
}

#[cfg(feature = "smb")]
#[test]
fn it_goes_to_a_share_and_comes_back() {
    let server = need!(smbd::Smbd::start());
    let image = Guarded::fixture("hardlink-one");
    let env = [("LIFEBOAT_PASSWORD", server.password()), ("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
    let url = server.url("rescue");
    let run = lifeboat_with(&["offload", image.arg(), "--to", &url, "--json"], &env).expect(0);
    let sets = run.events("set");
    let set = sets[0]["set"].as_str().unwrap();
    // An address that is told names no user.
    let set = set.replacen("smb://", &format!("smb://{}@", server.user()), 1);
    lifeboat_with(&["verify", &set, "--level", "full"], &env).expect(0);
    let out = tempfile::tempdir().unwrap();
    lifeboat_with(&["extract", &set, "--to", text(out.path())], &env).expect(3);
    assert!(all_bytes(out.path()).len() > 10_000);
    assert_names_nobody(&server.share_path().join("rescue"), &["StateStore", "catalog.mig"]);
}

#[test]
fn settings_that_ask_for_encryption_are_never_ignored() {
    need!("age");
    let image = Guarded::fixture("hardlink-one");
    let dir = tempfile::tempdir().unwrap();
    let pair = keygen(dir.path(), "pair");
    let settings = dir.path().join("lifeboat.toml");
    let how = |dest: &str, env: &[(&str, &str)], more: &[&str]| {
        let dest = dir.path().join(dest);
        let args = [&["offload", image.arg(), "--to", text(&dest)][..], more].concat();
        let env = [&[("LIFEBOAT_SETTINGS", text(&settings))][..], env].concat();
        lifeboat_with(&args, &env).expect(0);
        rescue(&only_set(&dest))["encryption"]["how"].as_str().map(str::to_owned)
    };
    fs::write(&settings, format!("recipient = '{}'\n", pair.recipient)).unwrap();
    assert_eq!(how("a", &[], &[]).as_deref(), Some("recipients"));
    // The command line comes first.
    let file = passphrase_file(dir.path(), PASSPHRASE);
    let more = ["--passphrase-file", text(&file)];
    assert_eq!(how("b", &[], &more).as_deref(), Some("passphrase"));
    fs::write(&settings, format!("passphrase-file = '{}'\n", text(&file))).unwrap();
    assert_eq!(how("c", &[], &[]).as_deref(), Some("passphrase"));
    fs::write(&settings, "").unwrap();
    let env = [("LIFEBOAT_RECIPIENT", pair.recipient.as_str())];
    assert_eq!(how("d", &env, &[]).as_deref(), Some("recipients"));
    assert_eq!(how("e", &[], &[]), None);
}

#[test]
fn what_would_not_protect_is_refused_before_anything_is_written() {
    let image = Guarded::fixture("hardlink-one");
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("dest");
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    let weak = passphrase_file(dir.path(), "hunter2");
    for (more, word) in [
        (["--passphrase-file", text(&empty)], "empty"),
        (["--passphrase-file", text(&weak)], "fewer than 12 characters"),
        (["--passphrase-file", "/no/such/file"], "cannot be read"),
        (["--recipient", "age1nonsense"], "not a recipient"),
        (["--recipients-file", text(&empty)], "has none"),
    ] {
        let args = [&["offload", image.arg(), "--to", text(&dest)][..], &more].concat();
        let run = lifeboat(&args).expect(2);
        assert!(run.stderr.contains(word), "{more:?}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2") && !dest.exists());
    }
    let run = lifeboat(&["offload", image.arg(), "--to", text(&dest), "--encrypt"]).expect(2);
    assert!(run.stderr.contains("no terminal"), "{}", run.stderr);
}
