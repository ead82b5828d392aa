//! A share as a target, on a real smbd: what is written is there, what goes
//! wrong is said, and what passes is survived.
#![cfg(all(feature = "smb", target_os = "linux"))]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat::destination::address::{Dest, SmbPlace};
use lifeboat::destination::preflight::preflight;
use lifeboat::destination::retry::RetryDestination;
use lifeboat::destination::smb::{SmbDestination, TIMEOUT};
use lifeboat::destination::{
    Destination, DestinationError, DestinationFile, ErrorKind, Missing, open,
};
use lifeboat::model::monitor::{Collect, Monitor};
use lifeboat::model::secret::Secret;
use support::need;
use support::smbd::{self, Options, Smbd};

use crate::both::{self, pattern};

fn place(url: &str) -> SmbPlace {
    match url.parse() {
        Ok(Dest::Smb(place)) => place,
        other => panic!("{url}: {other:?}"),
    }
}

fn open_url(url: &str, password: &str) -> Result<SmbDestination, DestinationError> {
    SmbDestination::open(&place(url), &Secret::new(password), TIMEOUT, Missing::Make)
}

fn target(server: &Smbd) -> SmbDestination {
    open_url(&server.url(""), server.password()).unwrap()
}

#[test]
fn files_come_back_as_they_were_written() {
    let server = need!(Smbd::start());
    both::files_come_back(&target(&server), &server.share_path());
}

#[test]
fn small_writes_in_any_order_are_all_there() {
    let server = need!(Smbd::start());
    let target = target(&server);
    let bytes = pattern(5 << 20);
    let mut file = target.create("f").unwrap();
    // Forwards in small steps, then a rewrite in the middle, then a large one.
    for (i, part) in bytes.chunks(50_001).enumerate() {
        file.write_all_at(i as u64 * 50_001, part).unwrap();
    }
    file.write_all_at(1000, b"middle").unwrap();
    let mut peek = [0; 6];
    file.read_at(1000, &mut peek).unwrap();
    assert_eq!(&peek, b"middle");
    file.write_all_at(3 << 20, &bytes[..1 << 20]).unwrap();
    file.close().unwrap();

    let mut expected = bytes.clone();
    expected[1000..1006].copy_from_slice(b"middle");
    expected[3 << 20..4 << 20].copy_from_slice(&bytes[..1 << 20]);
    assert!(std::fs::read(server.share_path().join("f")).unwrap() == expected);
}

#[test]
fn odd_names_are_names_and_impossible_ones_are_refused() {
    let server = need!(Smbd::start());
    let target = target(&server);
    let good =
        ["%41", "50% off", "a#b", "two  spaces", " leading", "\u{1F600}.bin", "~$x", "ü&;+=@!"];
    both::names_are_kept(&target, &server.share_path(), &good);

    for name in ["a?b", "a*", "dots...", "space ", "a:b", "a\\b", ".."] {
        let error = target.create(name).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unfit, "{name}: {error}");
    }
    assert_eq!(std::fs::read_dir(server.share_path()).unwrap().count(), 1);
}

#[test]
fn a_rename_never_replaces() {
    let server = need!(Smbd::start());
    both::a_rename_never_replaces(&target(&server), &server.share_path());
}

#[test]
fn files_are_opened_again_cut_and_removed() {
    let server = need!(Smbd::start());
    let target = target(&server);
    both::files_are_opened_again_cut_and_removed(&target, &server.share_path());
    // What the server itself would do to the wrong kind.
    target.create_dir_all("d/e").unwrap();
    target.create("f").unwrap().close().unwrap();
    assert_eq!(target.remove_file("d/e").unwrap_err().kind, ErrorKind::AlreadyExists);
    assert_eq!(target.remove_dir("f").unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[test]
fn existing_files_are_reported() {
    let server = need!(Smbd::start());
    both::existing_files_are_reported(&target(&server));
    let error = open_url(&server.url("f"), server.password()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert!(!error.action.is_empty());
}

#[test]
fn only_the_last_folder_is_made_on_opening() {
    let server = need!(Smbd::start());
    let at = place(&server.url("new folder"));
    let password = Secret::new(server.password());
    let refused = SmbDestination::open(&at, &password, TIMEOUT, Missing::Fail).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    let made = SmbDestination::open(&at, &password, TIMEOUT, Missing::Make).unwrap();
    made.create("f").unwrap().close().unwrap();
    assert!(server.share_path().join("new folder/f").is_file());
    let shown = format!("smb://127.0.0.1:{}/share/new folder/a/b", server.port());
    assert_eq!(made.display("a/b"), shown);

    let error = open_url(&server.url("typo/new"), server.password()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.action.contains("parent folder"), "{}", error.action);
}

/// Everything that an error or a target would show anybody.
fn shown(error: &DestinationError) -> String {
    format!("{error} {error:?} {} {:?}", error.action, error.source)
}

#[test]
fn a_logon_that_fails_says_why_and_never_the_password() {
    let server = need!(Smbd::start());
    let port = server.port();
    let free = smbd::free_port();
    let wrong = "Wrong-Secret-42";
    let user = server.user();
    let cases = [
        (server.url(""), wrong, ErrorKind::Logon),
        (format!("smb://nobodyhere@127.0.0.1:{port}/share"), wrong, ErrorKind::Logon),
        (
            format!("smb://{user}@127.0.0.1:{port}/nosuch"),
            server.password(),
            ErrorKind::Unreachable,
        ),
        (format!("smb://{user}@127.0.0.1:{free}/share"), wrong, ErrorKind::Unreachable),
        (format!("smb://{user}@no-such-host.invalid/share"), wrong, ErrorKind::Unreachable),
        (format!("smb://127.0.0.1:{port}/share"), wrong, ErrorKind::Logon),
    ];
    for (url, password, trouble) in cases {
        let start = Instant::now();
        let error = open_url(&url, password).unwrap_err();
        assert_eq!(error.kind, trouble, "{url}: {error}");
        assert!(!shown(&error).contains(password), "{}", shown(&error));
        assert!(!error.action.is_empty());
        assert!(start.elapsed() < Duration::from_secs(15), "{url}: {:?}", start.elapsed());
    }
    // Nobody got in: not even as a guest.
    assert_eq!(std::fs::read_dir(server.share_path()).unwrap().count(), 0);
    let target = target(&server);
    assert!(!format!("{target:?} {}", target.display("x")).contains(server.password()));
}

#[test]
fn a_server_that_speaks_only_smb1_is_named_as_such() {
    let lines = ["server min protocol = NT1", "server max protocol = NT1"];
    let global = lines.map(String::from).to_vec();
    let server = need!(Smbd::with(Options { global, ..Options::default() }));
    let error = open_url(&server.url(""), server.password()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(error.what.contains("SMB1"), "{error}");
    assert!(error.action.contains("SMB2"), "{}", error.action);
}

#[test]
fn a_password_is_asked_for_once_and_only_where_one_is_needed() {
    let server = need!(Smbd::start());
    let monitor: Arc<dyn Monitor> = Arc::new(Collect::default());
    let temp = tempfile::tempdir().unwrap();
    let never = |_: &open::Login| -> Result<Option<Secret>, DestinationError> { panic!("asked") };
    let folder = Dest::Folder(temp.path().into());
    open::open(&folder, &never, &open::Options::default(), &monitor).unwrap();

    let dest: Dest = server.url("sets").parse().unwrap();
    let asked = std::cell::RefCell::new(Vec::new());
    let password = |login: &open::Login| {
        asked.borrow_mut().push(format!("{} on {}", login.account, login.server));
        Ok(Some(Secret::new(server.password())))
    };
    let target = open::open(&dest, &password, &open::Options::default(), &monitor).unwrap();
    target.create("f").unwrap().close().unwrap();
    assert_eq!(*asked.borrow(), ["technician on 127.0.0.1"]);

    let none = |_: &open::Login| Ok(None);
    let error = open::open(&dest, &none, &open::Options::default(), &monitor).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Logon);
    assert!(error.action.contains("--password-file"), "{}", error.action);
}

#[test]
fn a_logon_as_guest_happens_only_on_request() {
    let options = Options {
        global: vec!["map to guest = Bad User".into()],
        share: vec!["guest ok = yes".into()],
        ..Options::default()
    };
    let server = need!(Smbd::with(options));
    let url = format!("smb://127.0.0.1:{}/share", server.port());
    let monitor: Arc<dyn Monitor> = Arc::new(Collect::default());
    let never = |_: &open::Login| -> Result<Option<Secret>, DestinationError> { panic!("asked") };
    let open = |place: SmbPlace| {
        open::open(&Dest::Smb(place), &never, &open::Options::default(), &monitor)
    };
    let error = open(place(&url)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Logon);
    assert!(error.action.contains("--anonymous"), "{}", error.action);

    let target = open(SmbPlace { anonymous: true, ..place(&url) }).unwrap();
    assert_eq!(target.list("").unwrap(), []);
    // Where the share is for its user alone nobody stays out.
    let server = need!(Smbd::start());
    let url = format!("smb://127.0.0.1:{}/share", server.port());
    let error = open(SmbPlace { anonymous: true, ..place(&url) }).err().unwrap();
    assert!(matches!(error.kind, ErrorKind::Denied | ErrorKind::Logon), "{error}");
}

#[test]
fn a_domain_may_be_written() {
    let server = need!(Smbd::start());
    let url = server.url("").replace("smb://", "smb://WORKGROUP;");
    open_url(&url, server.password()).unwrap();
}

#[test]
fn what_the_server_demands_is_done() {
    for line in ["server signing = mandatory", "smb encrypt = required"] {
        let options = Options { global: vec![line.into()], ..Options::default() };
        let server = need!(Smbd::with(options));
        let target = target(&server);
        let bytes = pattern(3 << 20);
        let mut file = target.create("f").unwrap();
        file.write_all_at(0, &bytes).unwrap();
        file.close().unwrap();
        assert!(std::fs::read(server.share_path().join("f")).unwrap() == bytes, "{line}");
    }
}

#[test]
fn a_read_only_share_denies() {
    let server = need!(Smbd::with(Options { read_only: true, ..Options::default() }));
    std::fs::write(server.share_path().join("f"), "x").unwrap();
    let target = target(&server);
    for error in [
        target.create("new").err().unwrap(),
        target.open_rw("f").err().unwrap(),
        target.create_dir_all("d").unwrap_err(),
        target.rename("f", "g").unwrap_err(),
        target.remove_file("f").unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    }
    let mut byte = [0];
    assert_eq!(target.open("f").unwrap().read_at(0, &mut byte).unwrap(), 1);
}

#[test]
fn a_full_disk_is_full() {
    let options = Options { disk_bytes: Some(8 << 20), ..Options::default() };
    let server = need!(Smbd::with(options));
    let target = target(&server);
    let space = target.space().unwrap().unwrap();
    assert_eq!((space.total, space.free), (8 << 20, 8 << 20));

    let mut file = target.create("f").unwrap();
    let part = pattern(1 << 20);
    let error = (0..16).find_map(|i| file.write_all_at(i << 20, &part).err()).unwrap();
    assert_eq!(error.kind, ErrorKind::Full, "{error}");
    assert!(error.path.ends_with("/share/f"), "{error}");
    // Gathered writes too say so, at the latest when they are flushed.
    let mut small = target.create("g").unwrap();
    let failed = small.write_all_at(0, b"small").and_then(|()| small.sync());
    assert_eq!(failed.unwrap_err().kind, ErrorKind::Full);
    drop(file);
    assert!(target.space().unwrap().unwrap().free < 1 << 20);
}

#[test]
fn space_is_that_of_the_servers_disk() {
    let server = need!(Smbd::start());
    let space = target(&server).space().unwrap().unwrap();
    assert!(space.free > 0 && space.free <= space.total, "{space:?}");
    let total = rustix::fs::statvfs(server.share_path()).unwrap();
    assert_eq!(space.total / total.f_frsize, total.f_blocks);
}

/// Writes `bytes` in steps of 1 MiB and repeats each while its trouble passes;
/// before the fourth step, `trouble` happens. Returns how often one passed.
fn write_through(file: &mut dyn DestinationFile, bytes: &[u8], trouble: impl Fn()) -> usize {
    let mut passed = 0;
    for (i, part) in bytes.chunks(1 << 20).enumerate() {
        if i == 3 {
            trouble();
        }
        while let Err(error) = file.write_all_at((i as u64) << 20, part) {
            assert!(error.is_transient(), "{error}");
            passed += 1;
            assert!(passed < 10, "{error}");
        }
    }
    passed
}

#[test]
fn a_killed_connection_is_made_again() {
    let server = need!(Smbd::start());
    let target = target(&server);
    let bytes = pattern(8 << 20);
    let mut file = target.create("f").unwrap();
    let mut other = target.create("other").unwrap();
    other.write_all_at(0, b"kept in memory until the flush").unwrap();

    let passed = write_through(&mut *file, &bytes, || assert_eq!(server.kill_connections(), 1));
    assert_eq!(passed, 1, "the first failure is told, the repetition succeeds");
    file.sync().unwrap();
    let mut back = vec![0; bytes.len()];
    file.read_at(0, &mut back).unwrap();
    assert!(back == bytes);
    file.close().unwrap();
    // The other file's handle died as well, without its knowing.
    other.close().unwrap();
    let other = std::fs::read(server.share_path().join("other")).unwrap();
    assert_eq!(other, b"kept in memory until the flush");
    assert!(std::fs::read(server.share_path().join("f")).unwrap() == bytes);
}

#[test]
fn a_file_that_the_server_forgot_is_opened_again() {
    let server = need!(Smbd::start());
    let target = target(&server);
    let bytes = pattern(6 << 20);
    let mut file = target.create("f").unwrap();
    let passed = write_through(&mut *file, &bytes, || {
        assert!(server.close_share());
        // The message is on its way when smbcontrol ends.
        std::thread::sleep(Duration::from_millis(300));
    });
    assert!(passed >= 1, "the share was not closed");
    file.close().unwrap();
    assert!(std::fs::read(server.share_path().join("f")).unwrap() == bytes);
}

#[test]
fn a_server_that_lost_what_it_took_is_found_out() {
    let server = need!(Smbd::start());
    let target = target(&server);
    let bytes = pattern(4 << 20);
    let mut file = target.create("f").unwrap();
    write_through(&mut *file, &bytes, || {
        server.kill_connections();
        // What a power failure does to pages that were not on the disk yet. In the first part:
        // the second may still be on its way, and would repair what is done here.
        let path = server.share_path().join("f");
        let mut on_disk = std::fs::read(&path).unwrap();
        on_disk[5000..9096].fill(0);
        std::fs::write(path, on_disk).unwrap();
    });
    // The last write may be the one that finds the connection gone.
    let error = file.sync().unwrap_err();
    let error = if error.is_transient() { file.sync().unwrap_err() } else { error };
    assert_eq!(error.kind, ErrorKind::Corrupted);
    assert_eq!(file.close().unwrap_err().kind, ErrorKind::Corrupted);
}

#[test]
fn a_frozen_server_is_noticed_in_time_and_survived() {
    let server = need!(Smbd::start());
    let timeout = Duration::from_secs(2);
    let secret = Secret::new(server.password());
    let target =
        SmbDestination::open(&place(&server.url("")), &secret, timeout, Missing::Make).unwrap();
    let bytes = pattern(2 << 20);
    let mut file = target.create("f").unwrap();
    file.write_all_at(0, &bytes).unwrap();

    server.freeze();
    let start = Instant::now();
    // The write itself may be under way only.
    let error = file.write_all_at(2 << 20, &bytes).and_then(|()| file.sync()).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(start.elapsed() < timeout * 2, "{:?}", start.elapsed());
    // Still frozen: it passes still, and takes the time of one reconnection.
    let error = file.sync().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(start.elapsed() < timeout * 6, "{:?}", start.elapsed());

    server.thaw();
    file.sync().unwrap();
    file.close().unwrap();
    let on_disk = std::fs::read(server.share_path().join("f")).unwrap();
    assert!(on_disk[..2 << 20] == bytes && on_disk[2 << 20..] == bytes);

    // And one that is frozen from the start is unreachable, not passing.
    server.freeze();
    let error = SmbDestination::open(&place(&server.url("")), &secret, timeout, Missing::Make);
    assert_eq!(error.unwrap_err().kind, ErrorKind::Unreachable);
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let mut server = need!(Smbd::start());
    let monitor = Arc::new(Collect::default());
    let patient = RetryDestination::new(
        Arc::new(target(&server)),
        Duration::from_mins(1),
        Arc::clone(&monitor) as Arc<dyn Monitor>,
    );
    let bytes = pattern(6 << 20);
    let mut file = patient.create("f.partial").unwrap();
    file.write_all_at(0, &bytes[..3 << 20]).unwrap();

    server.stop();
    let writer = std::thread::spawn({
        let rest = bytes[3 << 20..].to_vec();
        move || {
            file.write_all_at(3 << 20, &rest).unwrap();
            file.close().unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!writer.is_finished(), "nobody can have taken the bytes");
    assert!(server.resume());
    writer.join().unwrap();
    patient.rename("f.partial", "f").unwrap();
    assert!(std::fs::read(server.share_path().join("f")).unwrap() == bytes);

    let notes = monitor.notes.lock().unwrap().join("\n");
    assert!(notes.contains("trying again"), "{notes}");
    assert!(notes.contains("it works again"), "{notes}");
    assert!(!notes.contains(server.password()), "{notes}");
}

#[test]
fn several_targets_work_at_once() {
    let server = need!(Smbd::start());
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let target = target(&server);
            std::thread::spawn(move || {
                let bytes = pattern((i + 1) << 20);
                let mut file = target.create(&format!("f{i}")).unwrap();
                file.write_all_at(0, &bytes).unwrap();
                file.set_size(bytes.len() as u64).unwrap();
                file.close().unwrap();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let sizes: Vec<u64> = target(&server).list("").unwrap().iter().map(|e| e.size).collect();
    assert_eq!(sizes, [1 << 20, 2 << 20, 3 << 20, 4 << 20]);
}

#[test]
fn a_preflight_check_reports_free_space_speed_and_clock() {
    let server = need!(Smbd::start());
    let target = target(&server);
    let found = preflight(&target, Some(1 << 20)).unwrap();
    assert!(found.write_speed > 1_000_000, "{found:?}");
    assert_eq!(found.clock_ahead, Some(0));
    assert_eq!(std::fs::read_dir(server.share_path()).unwrap().count(), 0);
    assert_eq!(preflight(&target, Some(u64::MAX)).unwrap_err().kind, ErrorKind::Full);
}

#[test]
fn a_preflight_finds_what_a_rescue_would_trip_over() {
    let server = need!(Smbd::with(Options { read_only: true, ..Options::default() }));
    let start = Instant::now();
    assert_eq!(preflight(&target(&server), None).unwrap_err().kind, ErrorKind::Denied);
    assert!(start.elapsed() < Duration::from_secs(10));

    let options = Options { disk_bytes: Some(2 << 20), ..Options::default() };
    let server = need!(Smbd::with(options));
    let target = target(&server);
    assert_eq!(preflight(&target, Some(4 << 20)).unwrap_err().kind, ErrorKind::Full);
    // The last of a set may still fit: a small disk is tried with little.
    preflight(&target, Some(1 << 20)).unwrap();
    assert_eq!(std::fs::read_dir(server.share_path()).unwrap().count(), 0);
    let _ = std::fs::write(server.share_path().join("filler"), vec![0; 3 << 20]);
    assert_eq!(preflight(&target, None).unwrap_err().kind, ErrorKind::Full);
    assert_eq!(std::fs::read_dir(server.share_path()).unwrap().count(), 1);
}

/// As old servers keep names, and shares that were set up for them.
#[test]
fn a_share_that_changes_the_case_of_names_takes_sets() {
    use support::program::{Guarded, lifeboat};
    let share = ["preserve case = no", "short preserve case = no", "default case = upper"];
    let share = share.map(str::to_owned).to_vec();
    let server = need!(Smbd::with(Options { share, ..Options::default() }));
    let found = preflight(&target(&server), None).unwrap();
    assert!(found.changes_case);
    assert_eq!(
        std::fs::read_dir(server.share_path()).unwrap().count(),
        0,
        "the trial leaves nothing"
    );
    let source = Guarded::fixture("hardlink-one");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), server.password()).unwrap();
    let password = ["--password-file", support::text(file.path())];
    let url = server.url("");
    let run =
        lifeboat(&["offload", source.arg(), "--to", &url, password[0], password[1]]).expect(0);
    assert!(run.stderr.contains("changes the letter case of names"), "{}", run.stderr);
    let set = std::fs::read_dir(server.share_path()).unwrap().next().unwrap().unwrap();
    let names: Vec<_> =
        std::fs::read_dir(set.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name == "RESCUE.JSON"), "{names:?}");
    let set = server.url(set.file_name().to_str().unwrap());
    lifeboat(&["verify", &set, "--level", "full", password[0], password[1]]).expect(0);
}
