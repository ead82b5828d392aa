//! What can happen to a destination in the middle of a rescue, on a real smbd:
//! either it goes on by itself, or it ends clearly and the same command goes on
//! later. Either way the set is that of an unbroken run, byte for byte.
#![cfg(all(feature = "smb", target_os = "linux"))]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::need;
use support::same_set::{self, Set};
use support::smbd::{Options, Smbd};

/// A store of 64 MB that does not pack, and the set of it.
struct Reference {
    source: PathBuf,
    set: Set,
    _folder: tempfile::TempDir,
}

/// `None` where no image can be made.
fn reference() -> Option<&'static Reference> {
    static REFERENCE: OnceLock<Option<Reference>> = OnceLock::new();
    let made = REFERENCE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("disk.img");
        same_set::make_image(&source, 32, 2_000_000, 100)?;
        let dest = folder.path().join("unbroken");
        let ran = Run::start(&source, dest.to_str().unwrap(), "", &[]).end();
        assert_eq!(ran.code, 0, "{ran:?}");
        let set = same_set::only_set_in(&dest, "unbroken");
        Some(Reference { source, set, _folder: folder })
    });
    made.as_ref()
}

/// A server, and the store that goes there; `None` where there is none.
fn server(options: Options) -> Option<Smbd> {
    reference()?;
    Smbd::with(options)
}

/// A rescue that is under way.
struct Run(Child);

#[derive(Debug)]
struct Ended {
    code: i32,
    events: Vec<Value>,
}

impl Run {
    fn start(source: &Path, to: &str, password: &str, more: &[&str]) -> Self {
        let child = Command::new(support::program::path())
            .arg("offload")
            .arg(source)
            // A checkpoint every 8 MiB.
            .args(["--to", to, "--frame-bytes", "262144", "--level", "1", "--name", "PC", "--json"])
            .args(more)
            .env("LIFEBOAT_PASSWORD", password)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// To the share.
    fn to(server: &Smbd) -> Self {
        let source = &reference().unwrap().source;
        Self::start(source, &server.url("rescue"), server.password(), &[])
    }

    fn end(self) -> Ended {
        let done = self.0.wait_with_output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Ended { code: done.status.code().unwrap_or(-1), events }
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Ended {
    fn texts(&self, message_type: &str, field: &str) -> Vec<String> {
        let events = self.events.iter().filter(|event| event["message_type"] == message_type);
        events.map(|event| event[field].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn told(&self, words: &str) -> bool {
        self.texts("note", "text").iter().any(|note| note.contains(words))
    }

    fn resumed_frames(&self) -> u64 {
        let set = self.events.iter().find(|event| event["message_type"] == "set").unwrap();
        set["resumed_frames"].as_u64().unwrap()
    }

    /// It ended by itself as if nothing had been.
    #[track_caller]
    fn is_whole(&self, server: &Smbd, when: &str) {
        assert_eq!(self.code, 0, "{when}: {self:?}");
        let found = same_set::only_set_in(&server.share_path().join("rescue"), when);
        same_set::assert_same(&found, &reference().unwrap().set, when);
    }

    /// It ended because of the destination, and says so; nothing half is named
    /// like something whole.
    #[track_caller]
    fn is_refused(&self, server: &Smbd, words: &str) {
        assert_eq!(self.code, 5, "{self:?}");
        let said = self.texts("error", "what");
        assert!(said.iter().any(|what| what.contains(words)), "{said:?}");
        assert!(!self.texts("error", "action")[0].is_empty());
        for entry in std::fs::read_dir(server.share_path().join("rescue")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name.ends_with(".partial"), "{name}");
        }
    }
}

/// The store's file in the unfinished set.
fn growing(server: &Smbd) -> Option<PathBuf> {
    let folders = std::fs::read_dir(server.share_path().join("rescue")).ok()?;
    let files = folders.flatten().map(|entry| entry.path().join("store.tar.zst.partial"));
    files.into_iter().find(|file| file.is_file())
}

/// Waits until the store at the share has so many bytes.
fn wait_for(server: &Smbd, bytes: u64) {
    let end = Instant::now() + Duration::from_mins(1);
    let size = || growing(server).and_then(|file| file.metadata().ok()).map_or(0, |m| m.len());
    while size() < bytes {
        assert!(Instant::now() < end, "the store does not grow");
        sleep(Duration::from_millis(1));
    }
}

const MB: u64 = 1_000_000;

#[test]
fn connections_that_are_killed_are_made_again() {
    let server = need!(server(Options::default()));
    let run = Run::to(&server);
    for at in [5, 20, 40] {
        wait_for(&server, at * MB);
        assert!(server.kill_connections() > 0);
    }
    let ended = run.end();
    ended.is_whole(&server, "with connections killed");
    assert!(ended.told("trying again") && ended.told("it works again"), "{ended:?}");
}

#[test]
fn a_server_that_is_started_again_is_waited_for() {
    let mut server = need!(server(Options::default()));
    let run = Run::to(&server);
    wait_for(&server, 20 * MB);
    server.stop();
    sleep(Duration::from_secs(20));
    assert!(server.resume());
    let ended = run.end();
    ended.is_whole(&server, "with the server away for 20 s");
    assert!(ended.told("trying again"), "{ended:?}");
}

#[test]
fn a_server_that_stays_away_ends_it_in_the_time_that_was_given() {
    let mut server = need!(server(Options::default()));
    let source = &reference().unwrap().source;
    let (url, password) = (server.url("rescue"), server.password().to_owned());
    let run = Run::start(source, &url, &password, &["--retry-for", "3s"]);
    wait_for(&server, 20 * MB);
    server.stop();
    let began = Instant::now();
    let ended = run.end();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    ended.is_refused(&server, "tried for 3 s");
    assert!(server.resume());
    let ended = Run::to(&server).end();
    ended.is_whole(&server, "after the server came back");
    assert!(ended.resumed_frames() > 0);
}

#[test]
fn a_frozen_server_is_reported_and_waited_for() {
    let server = need!(server(Options::default()));
    let run = Run::to(&server);
    wait_for(&server, 20 * MB);
    server.freeze();
    // Longer than libsmbclient waits for an answer: the call fails, and is repeated.
    sleep(lifeboat::destination::smb::TIMEOUT + Duration::from_secs(4));
    server.thaw();
    let ended = run.end();
    ended.is_whole(&server, "with the server frozen for 24 s");
    assert!(ended.told("no answer for 1") && ended.told("it answers again"), "{ended:?}");
    assert!(ended.told("trying again"), "{ended:?}");
}

#[test]
fn a_share_that_turns_read_only_ends_it_and_it_resumes_later() {
    let options = Options { disk_bytes: Some(300 << 20), ..Options::default() };
    let server = need!(server(options));
    let run = Run::to(&server);
    wait_for(&server, 20 * MB);
    // Not while files are open for writing: those are ended first.
    let end = Instant::now() + Duration::from_secs(20);
    while server.kill_connections() == 0 || !server.remount("ro") {
        assert!(Instant::now() < end, "the disk stays busy");
    }
    let ended = run.end();
    ended.is_refused(&server, "it is read-only");
    assert!(ended.texts("error", "action")[0].contains("fsck"), "nobody protected it: {ended:?}");
    assert!(server.remount("rw"));
    let ended = Run::to(&server).end();
    ended.is_whole(&server, "once it could be written again");
    assert!(ended.resumed_frames() > 0);
}

#[test]
fn a_full_disk_says_how_much_is_missing_and_the_run_resumes_with_more() {
    // Nearly enough: a sample can be wrong by a fifth.
    let options = Options { disk_bytes: Some(54 << 20), ..Options::default() };
    let server = need!(server(options));
    let ended = Run::to(&server).end();
    ended.is_refused(&server, "the disk is full; about ");
    assert!(ended.told("the set may not fit"), "{ended:?}");
    let again = Run::to(&server).end();
    again.is_refused(&server, "are needed, but only ");
    assert!(server.remount(&format!("size={}", 200 << 20)));
    let ended = Run::to(&server).end();
    ended.is_whole(&server, "with a larger disk");
    assert!(ended.resumed_frames() > 0);
}

#[test]
fn a_disk_that_is_far_too_small_is_refused_at_once() {
    let options = Options { disk_bytes: Some(20 << 20), ..Options::default() };
    let server = need!(server(options));
    let ended = Run::to(&server).end();
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.texts("error", "what")[0].contains("about 6"), "{ended:?}");
    assert!(ended.texts("error", "what")[0].contains("are free"), "{ended:?}");
    assert_eq!(std::fs::read_dir(server.share_path().join("rescue")).unwrap().count(), 0);
}

#[test]
fn a_password_changed_meanwhile_is_not_retried() {
    let mut server = need!(server(Options::default()));
    let run = Run::to(&server);
    wait_for(&server, 20 * MB);
    let right = server.password().to_owned();
    server.set_password("another one");
    assert!(server.kill_connections() > 0);
    let began = Instant::now();
    let ended = run.end();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    ended.is_refused(&server, "the user name or the password is wrong");
    let shown = format!("{ended:?}");
    assert!(!shown.contains(&right), "the password is shown");
    let ended = Run::to(&server).end();
    ended.is_whole(&server, "with the new password");
    assert!(ended.resumed_frames() > 0);
}

#[test]
fn what_was_cut_or_changed_at_the_target_is_written_again() {
    let server = need!(server(Options::default()));
    for damage in ["cut", "changed", "gone"] {
        let mut run = Run::to(&server);
        wait_for(&server, 40 * MB);
        run.0.kill().unwrap();
        run.0.wait().unwrap();
        let file = growing(&server).unwrap();
        match damage {
            "cut" => {
                std::fs::File::options().write(true).open(&file).unwrap().set_len(12 * MB).unwrap();
            }
            "changed" => {
                let mut bytes = std::fs::read(&file).unwrap();
                bytes[20_000_000] ^= 0x20;
                std::fs::write(&file, bytes).unwrap();
            }
            _ => std::fs::remove_file(&file).unwrap(),
        }
        let ended = Run::to(&server).end();
        ended.is_whole(&server, damage);
        assert!(ended.told("writing again from there"), "{damage}: {ended:?}");
        assert_eq!(ended.resumed_frames() > 0, damage != "gone", "{damage}");
        std::fs::remove_dir_all(server.share_path().join("rescue")).unwrap();
    }
}

#[test]
fn the_second_of_two_runs_at_once_is_refused() {
    let server = need!(server(Options::default()));
    let first = Run::to(&server);
    wait_for(&server, 20 * MB);
    first.signal("STOP");
    let mut second = Run::to(&server);
    let lines = BufReader::new(second.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    // It exists, though it stands still: nobody waits until it may be dead.
    let rest: Vec<String> = lines.collect();
    assert_eq!(second.0.wait().unwrap().code(), Some(5), "{rest:?}");
    first.signal("CONT");
    assert!(rest.iter().any(|line| line.contains("another run of lifeboat")), "{rest:?}");
    first.end().is_whole(&server, "with another run about");
}

/// Over the network as well single files come out of a set, and a volume that is
/// gone costs only what is in it.
#[test]
fn single_files_come_from_a_share_whatever_else_is_gone() {
    let server = need!(server(Options::default()));
    let source = &reference().unwrap().source;
    let (url, password) = (server.url("rescue"), server.password());
    let ended = Run::start(source, &url, password, &["--split", "16M"]).end();
    assert_eq!(ended.code, 0, "{ended:?}");
    let name = ended.texts("set", "name").remove(0);
    let volume = server.share_path().join("rescue").join(&name).join("store.tar.zst.003");
    std::fs::remove_file(volume).unwrap();

    let scratch = tempfile::tempdir().unwrap();
    let extract = |path: &str, out: &Path| {
        Command::new(support::program::path())
            .args(["extract", &format!("{url}/{name}"), path, "--json", "--to"])
            .arg(out)
            .env("LIFEBOAT_PASSWORD", password)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let mut lost = 0;
    for i in 0..32 {
        let path = format!("C/StateStore/USMT/File/C$/Users/alice/photo {i}.jpg");
        // Each into a folder of its own: beside a store nothing is put.
        let out = scratch.path().join(i.to_string());
        std::fs::create_dir(&out).unwrap();
        let ran = extract(&path, &out);
        let said = String::from_utf8(ran.stdout).unwrap();
        let is_whole = std::fs::read(out.join(&path))
            .is_ok_and(|bytes| bytes == support::made::noise(i + 2, 2_000_000));
        // Of a whole one only facts are lost, which this folder cannot hold.
        assert!(matches!(ran.status.code(), Some(0 | 3)), "{path}: {said}");
        assert_eq!(said.contains("store.tar.zst.003"), !is_whole, "{path}: {said}");
        lost += u32::from(!is_whole);
    }
    assert!((7..=11).contains(&lost), "{lost} of 32 lay in a volume of 16 MiB");
}
