//! The scripts for task sequences and boot images do under Wine's `cmd` what their
//! heads say: find the program and the settings, save, hand the exit code on.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::program::Guarded;
use support::wine::{self, Letter, Ran, Wine};
use support::{exe, need, require};

/// Makes a program that stands in for one of Microsoft's.
fn compile(gcc: impl AsRef<OsStr>, source: &str, exe: &Path) {
    let source = support::root().join("tests/windows").join(source);
    let mut compiler = Command::new(gcc);
    compiler.args(["-O1", "-s", "-o"]).arg(exe).arg(source);
    assert!(compiler.status().unwrap().success());
}

/// The scripts and the program in a folder of a drive, as on a stick.
struct Stick {
    wine: Wine,
    dir: tempfile::TempDir,
    letter: char,
    _drive: Letter,
}

impl Stick {
    fn new(letter: char) -> Option<Self> {
        let exe = need!("lifeboat.exe", exe::find);
        let wine = need!("wine", wine::find);
        let dir = tempfile::tempdir().unwrap();
        let scripts = support::root().join("scripts/task-sequence");
        let tools = dir.path().join("my tools"); // a space, as in "Program Files"
        fs::create_dir(&tools).unwrap();
        for entry in fs::read_dir(scripts).unwrap() {
            let from = entry.unwrap().path();
            let text = fs::read_to_string(&from).unwrap().replace('\n', "\r\n");
            fs::write(tools.join(from.file_name().unwrap()), text).unwrap();
        }
        fs::copy(exe, tools.join("lifeboat.exe")).unwrap();
        let drive = wine.letter(letter, dir.path());
        Some(Self { wine, dir, letter, _drive: drive })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, script: &str, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let script = format!("{}:\\my tools\\{script}", self.letter);
        let all = [&["/c", &script], args].concat();
        self.wine.run_with(Path::new("cmd"), &all, env)
    }

    /// With a folder for temporary files that lasts as long as the test wants, as in a
    /// session of WinPE; Wine takes that variable from no one.
    fn run_in_session(&self, script: &str, args: &[&str], env: &[(&str, &str)]) -> Ran {
        fs::create_dir_all(self.path("temp")).unwrap();
        let letter = self.letter;
        let text = format!("@echo off\r\nset TEMP={letter}:\\temp\r\n\"%~dp0{script}\" %*\r\n");
        fs::write(self.path("my tools/session.cmd"), text).unwrap();
        self.run("session.cmd", args, env)
    }

    /// A script of `pe-build`, beside the others.
    fn add_script(&self, path: &str) {
        let path = support::root().join("pe-build").join(path);
        let text = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
        fs::write(self.path("my tools").join(path.file_name().unwrap()), text).unwrap();
    }

    /// Has `variables.vbs` meet a task sequence with these variables: an object of
    /// the script's own language, in place of the one that COM would give.
    fn in_task_sequence(&self, variables: &[(&str, &str)]) {
        let cases = variables.iter().map(|(name, value)| {
            format!("Case \"{name}\" Item = \"{}\"\n", value.replace('"', "\"\""))
        });
        let stands_in = format!(
            "Option Explicit\n\
             Class Sequence\n\
             Public Default Property Get Item(name)\n\
             Select Case name\n{}Case Else Item = \"\"\nEnd Select\n\
             End Property\nEnd Class\n\
             Function CreateObject(name)\n\
             If name <> \"Microsoft.SMS.TSEnvironment\" Then Err.Raise 429\n\
             Set CreateObject = New Sequence\nEnd Function\n",
            cases.collect::<String>()
        );
        let script = support::root();
        let script = fs::read_to_string(script.join("scripts/task-sequence/variables.vbs"));
        let script = script.unwrap().replace("Option Explicit\n", &stands_in);
        fs::write(self.path("my tools/variables.vbs"), script.replace('\n', "\r\n")).unwrap();
    }

    /// A hard-link store of one part, in a folder of the stick.
    fn store(&self) -> PathBuf {
        let usmt = self.path("StateStore/USMT");
        let drive = self.letter.to_ascii_uppercase();
        let home = usmt.join(format!("File/{drive}$/Users/alice"));
        fs::create_dir_all(&home).unwrap();
        let parts = format!("{drive}\t{{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}}\r\n");
        for (name, text) in [
            ("hardlink.main", parts.as_str()),
            ("catalog.mig", "catalog"),
            ("MIGSTATE.DAT", "state"),
            ("status.~lg", ""),
        ] {
            fs::write(usmt.join(name), text).unwrap();
        }
        fs::write(home.join("letter.txt"), "Dear Bob").unwrap();
        self.path("StateStore")
    }

    fn sets(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        entries.map(|e| e.unwrap().path()).filter(|p| p.join("rescue.json").exists()).collect()
    }
}

#[test]
fn rescue_saves_where_the_settings_say_and_writes_a_log() {
    let stick = need!(Stick::new('s'));
    let image = Guarded::fixture("hardlink-one");
    let source = Wine::path(Path::new(image.arg()));
    fs::write(stick.path("my tools/lifeboat.toml"), "to = 'S:\\sets'\nname = 'FRONTDESK'\n")
        .unwrap();
    let logs = stick.path("logs");
    fs::create_dir(&logs).unwrap();

    let ran = stick.run("rescue.cmd", &[&source], &[("LOGS", "S:\\logs")]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let sets = stick.sets("sets");
    let name = sets[0].file_name().unwrap().to_str().unwrap();
    assert!(sets.len() == 1 && name.starts_with("FRONTDESK-"), "{sets:?}");
    let log = fs::read_to_string(logs.join("lifeboat-rescue.log")).unwrap();
    assert!(log.contains("<![LOG["), "{log}");
}

#[test]
fn rescue_hands_the_exit_code_on() {
    let stick = need!(Stick::new('n'));
    let image = Guarded::fixture("facts"); // holds what cannot be saved
    let source = Wine::path(Path::new(image.arg()));
    let ran = stick.run("rescue.cmd", &[&source], &[("LIFEBOAT_TO", "N:\\sets")]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    let ran = stick.run("rescue.cmd", &[&source], &[]);
    assert_eq!(ran.code, 2, "no destination: {}\n{}", ran.stdout, ran.stderr);
    let ran = stick.run("rescue.cmd", &[r"N:\missing.img"], &[("LIFEBOAT_TO", "N:\\sets")]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
}

/// From the capture to loadstate, with all that a task sequence tells.
#[test]
fn a_task_sequence_seals_rescues_and_restores() {
    let stick = need!(Stick::new('t'));
    let gcc = need!("mingw", require::mingw);
    let store = stick.store();
    fs::create_dir(stick.path("logs")).unwrap();
    let password = "geheim %x% !y! & z";
    // What cmd might stumble over, all in one name.
    let sets = "sets & b=c !x!";
    let to = format!("T:\\{sets}");
    let usmt = stick.path("usmt of ours");
    let variables = [
        ("OSDComputerName", "MININT-1A2B3C"), // WinPE's own: not taken
        ("_SMSTSMachineName", "FRONTDESK"),
        ("LifeboatTo", to.as_str()),
        ("LifeboatUser", "CORP\\svc"),
        ("LifeboatPassword", password),
        ("_SMSTSLogPath", "T:\\logs"),
        ("OSDStateStorePath", "T:\\StateStore"),
        ("LifeboatUsmt", "T:\\usmt of ours"),
        ("LifeboatMigrationXml", "own.xml"),
    ];
    stick.in_task_sequence(&variables);

    let ran = stick.run("seal.cmd", &[], &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(store.join("lifeboat.seal").is_file(), "{}", ran.stdout);

    let ran = stick.run("rescue.cmd", &["T:\\StateStore"], &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let found = stick.sets(sets);
    let name = found[0].file_name().unwrap().to_str().unwrap();
    assert!(found.len() == 1 && name.starts_with("FRONTDESK-"), "{found:?}");
    for script in ["seal", "rescue"] {
        let log = stick.path("logs").join(format!("lifeboat-{script}.log"));
        let log = fs::read_to_string(log).unwrap();
        assert!(log.starts_with("<![LOG[") && !log.contains("geheim"), "{log}");
    }
    assert!(!ran.stdout.contains("geheim") && !ran.stderr.contains("geheim"), "{ran:?}");

    // The new Windows, with nothing of the old one.
    fs::rename(&store, stick.path("old")).unwrap();
    fs::create_dir(&usmt).unwrap();
    fs::write(usmt.join("own.xml"), "<migration/>").unwrap();
    compile(gcc, "loadstate.c", &usmt.join("loadstate.exe"));
    let ran = stick.run("restore.cmd", &[], &[]);
    // Wine's drives keep no owners: that is a loss, and no reason to stop.
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    let letter = fs::read_to_string(store.join("USMT/File/T$/Users/alice/letter.txt"));
    assert_eq!(letter.unwrap(), "Dear Bob");
    let arguments = fs::read_to_string(usmt.join("arguments.txt")).unwrap();
    assert!(arguments.starts_with("T:\\StateStore\n/hardlink\n/nocompress\n"), "{arguments}");
    assert!(arguments.contains("/i:T:\\usmt of ours\\own.xml\n"), "{arguments}");

    let recorded = || {
        let record = fs::read_to_string(found[0].join("restored.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        record["runs"].as_array().unwrap().last().unwrap().clone()
    };
    let run = recorded();
    assert_eq!((&run["loadstate"], &run["whole"]), (&0.into(), &false.into()), "{run}");

    // loadstate's failure is the script's.
    fs::remove_dir_all(&store).unwrap();
    fs::write(usmt.join("code.txt"), "27").unwrap();
    let ran = stick.run("restore.cmd", &[], &[]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(recorded()["loadstate"], 27);
    // A PC of which there is no set.
    let ran = stick.run("restore.cmd", &["T:\\logs"], &[]);
    assert_eq!(ran.code, 4, "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn restore_takes_sets_of_exactly_this_pc() {
    let stick = need!(Stick::new('q'));
    let set_of = |what: &str, name: &str| {
        let folder = stick.path("sets").join(name);
        fs::create_dir_all(&folder).unwrap();
        let json = format!("{{\n  \"format\": 1,\n  \"what\": \"{what}\",\n  \"set\": \"0\"\n}}\n");
        fs::write(folder.join("rescue.json"), json).unwrap();
    };
    let set = |name: &str| set_of("store", name);
    set("PC-1-A-20260301T000000Z-1a2b3c4d");
    let run = |name: &str| {
        let env = [("LIFEBOAT_NAME", name), ("LIFEBOAT_LOADSTATE", "no")];
        stick.run("restore.cmd", &["Q:\\sets"], &env)
    };
    for name in ["PC-1", "PC", "1-A", "__"] {
        let ran = run(name);
        assert_eq!(ran.code, 4, "{name}: {}\n{}", ran.stdout, ran.stderr);
    }
    // As `offload` names the folder of such a PC.
    for name in ["pc-1-a", "PC_1_A", "-PC.1+A "] {
        let ran = run(name);
        assert!(ran.code != 4, "{name}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("Restoring \"Q:\\sets\\PC-1-A-20260301"), "{}", ran.stdout);
    }
    set("PC-1-20260101T000000Z-1a2b3c4d");
    set("PC-1-20260201T000000Z-00000000");
    let ran = run("PC-1");
    assert!(ran.stdout.contains("sets\\PC-1-20260201T000000Z"), "{}", ran.stdout);
    // One run saved two stores: none of them is the newest.
    set("PC-1-20260201T000000Z-11111111");
    let ran = run("PC-1");
    assert_eq!(ran.code, 2, "{}\n{}", ran.stdout, ran.stderr);
    for id in ["00000000", "11111111"] {
        let listed = format!("  \"Q:\\sets\\PC-1-20260201T000000Z-{id}\"\n");
        assert!(ran.stdout.contains(&listed), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("Restoring"), "{}", ran.stdout);
    // One that is not complete is no set; a newer one is not passed over for an older.
    for name in ["PC-1-20260301T000000Z-22222222", "PC-1-20260201T000000Z-22222222.partial"] {
        let folder = stick.path("sets").join(name);
        fs::create_dir(&folder).unwrap();
        let ran = run("PC-1");
        assert_eq!(ran.code, 2, "{name}: {}\n{}", ran.stdout, ran.stderr);
        let words = format!("a set is newer, but not complete:\n{name}\n");
        assert!(ran.stdout.contains(&words), "{}", ran.stdout);
        fs::remove_dir(folder).unwrap();
    }
    // An older one does not matter.
    fs::create_dir(stick.path("sets/PC-1-20260101T000000Z-22222222.partial")).unwrap();
    // Users' files, saved with and after the stores, are nothing for loadstate.
    set_of("folder", "PC-1-20260201T000000Z-44444444");
    set_of("folder", "PC-1-20260202T000000Z-44444444");
    let ran = run("PC-1");
    assert!(ran.code == 2 && !ran.stdout.contains("44444444"), "{ran:?}");
    set("PC-1-20260228T000000Z-33333333");
    let ran = run("PC-1");
    assert!(ran.stdout.contains("Restoring \"Q:\\sets\\PC-1-20260228"), "{ran:?}");
    // What before-wipe.cmd saved in this session, whatever the time in its name.
    let known = "PC-1-20260101T000000Z-1a2b3c4d";
    fs::create_dir(stick.path("temp")).unwrap();
    fs::write(stick.path("temp/lifeboat-set.txt"), format!("{known}\r\n")).unwrap();
    let in_session =
        |sets: &str| stick.run_in_session("restore.cmd", &[sets], &[("LIFEBOAT_NAME", "PC-1")]);
    let ran = in_session("Q:\\sets");
    assert!(ran.stdout.contains(&format!("Restoring \"Q:\\sets\\{known}\"")), "{ran:?}");
    fs::create_dir(stick.path("other")).unwrap();
    let ran = in_session("Q:\\other");
    assert!(ran.code == 4 && ran.stdout.contains(known), "{ran:?}");
    let ran = stick.run("restore.cmd", &["Q:\\nothing"], &[]);
    assert!(ran.code == 5 && ran.stdout.contains("cannot be reached"), "{ran:?}");
    // One after the other: every letter is taken.
    drop(stick);
    an_encrypted_set_of_two_drives_is_opened_before_the_wipe_and_restored_after_it();
}

#[test]
fn values_may_begin_with_an_equals_sign_and_end_in_a_backslash() {
    let stick = need!(Stick::new('w'));
    stick.in_task_sequence(&[
        ("LifeboatPassword", "=a=b;"),
        ("LifeboatUsmt", "C:\\USMT\\"),
        ("StatePath", "C:\\Store"),
    ]);
    let shows = "@echo off\r\nsetlocal DisableDelayedExpansion\r\n\
                 call \"%~dp0prepare.cmd\" shows\r\n\
                 echo [%LIFEBOAT_PASSWORD%] [%LIFEBOAT_USMT%] [%STORE%]\r\n";
    fs::write(stick.path("my tools/shows.cmd"), shows).unwrap();
    let ran = stick.run("shows.cmd", &[], &[]);
    assert!(ran.stdout.contains("[=a=b;] [C:\\USMT\\\\] [C:\\Store]"), "{ran:?}");
}

#[test]
fn mdt_s_variables_are_known_too_and_a_seal_can_be_quick() {
    let stick = need!(Stick::new('m'));
    let store = stick.store();
    stick.in_task_sequence(&[("StatePath", "M:\\StateStore"), ("LifeboatSeal", "quick")]);
    let ran = stick.run("seal.cmd", &[], &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let hashed = ran.stdout.contains("every byte hashed");
    assert!(store.join("lifeboat.seal").is_file() && !hashed, "{ran:?}");
    // Outside of a task sequence nothing says where the store is.
    stick.in_task_sequence(&[]);
    let ran = stick.run("seal.cmd", &[], &[]);
    assert!(ran.code == 2 && ran.stdout.contains("Where is the store?"), "{ran:?}");
    let ran = stick.run("seal.cmd", &["M:\\nothing"], &[]);
    assert!(ran.code != 0, "{ran:?}");
}

#[test]
fn a_stick_saves_onto_itself() {
    let stick = need!(Stick::new('o'));
    let image = Guarded::fixture("hardlink-one");
    let ran = stick.run("usb.cmd", &[&Wine::path(Path::new(image.arg()))], &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(stick.sets("Rescue").len(), 1);
}

/// In a boot image the script lies on the system's drive, and looks for a stick by
/// its label.
#[test]
fn a_stick_is_found_by_its_label() {
    let image = need!(Stick::new('u'));
    let labelled = image.wine.labelled();
    let rescue = labelled.folder.join("Rescue");
    let _ = fs::remove_dir_all(&rescue); // left behind by a test that died
    // Without call, under which Wine's cmd loses the exit code.
    let boots = "@echo off\r\nset SystemDrive=U:\r\n\"%~dp0usb.cmd\" %*\r\n";
    fs::write(image.path("my tools/boots.cmd"), boots).unwrap();
    let disk = Guarded::fixture("hardlink-one");
    let ran = image.run("boots.cmd", &[&Wine::path(Path::new(disk.arg()))], &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("Saving to K:\\Rescue"), "{}", ran.stdout);
    let sets = fs::read_dir(&rescue).unwrap().map(|set| set.unwrap().path());
    assert_eq!(sets.filter(|set| set.join("rescue.json").exists()).count(), 1);
    assert!(image.sets("Rescue").is_empty(), "nothing goes onto the system's drive");
    fs::remove_dir_all(&rescue).unwrap();

    // Without that drive: the others have no such label, or do not exist.
    let script = image.path("my tools/usb.cmd");
    let text = fs::read_to_string(&script).unwrap();
    assert!(text.contains(" J K L "), "{text}");
    fs::write(&script, text.replace(" J K L ", " J L ")).unwrap();
    let ran = image.run("boots.cmd", &[&Wine::path(Path::new(disk.arg()))], &[]);
    assert_eq!(ran.code, 5, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("No drive with the label LIFEBOAT"), "{}", ran.stdout);
    assert!(!rescue.exists() && image.sets("Rescue").is_empty());
}

/// As the recipes of `docs/guide/recipes.md` call it, with a scanstate that stands in.
#[test]
fn before_the_wipe_all_is_captured_and_saved_and_after_it_comes_back() {
    let stick = need!(Stick::new('e'));
    let gcc = need!("mingw", require::mingw);
    let usmt = stick.path("my tools/USMT");
    fs::create_dir(&usmt).unwrap();
    let config = stick.path("Windows/System32/config");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("SYSTEM"), "regf").unwrap();
    let other = tempfile::tempdir().unwrap();
    let _drive = stick.wine.letter('f', other.path());
    fs::create_dir(other.path().join("sets")).unwrap();
    let env = [
        ("LIFEBOAT_TO", "F:\\sets"),
        ("LIFEBOAT_NAME", "PC-7"),
        // Not where other tests have theirs: all see the same drives.
        ("STORE", "E:\\StoreOfE"),
        ("SOURCES", "E:\\StoreOfE"),
        // On another drive than the store.
        ("LOGS", "F:\\logs"),
    ];
    fs::create_dir(other.path().join("logs")).unwrap();
    let before = |windows: &str| stick.run_in_session("before-wipe.cmd", &[windows], &env);

    let ran = before("E:\\Windows");
    assert!(ran.code == 2 && ran.stdout.contains("scanstate.exe\": there is no"), "{ran:?}");

    compile(gcc, "scanstate.c", &usmt.join("scanstate.exe"));
    let store = stick.path("StoreOfE");
    let ran = before("E:\\nothing");
    assert!(ran.code == 2 && ran.stdout.contains("no Windows in this folder"), "{ran:?}");
    // It returns 0, and there is no store.
    let ran = before("E:\\Windows");
    assert!(ran.code == 1 && ran.stdout.contains("it left no store there"), "{ran:?}");
    assert!(!stick.path("temp/lifeboat-captured.txt").exists());
    fs::remove_dir_all(stick.path("temp")).unwrap();
    fs::rename(stick.store(), usmt.join("prepared")).unwrap();
    let ran = before("E:\\Windows");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("SAFE TO WIPE"), "{}", ran.stdout);
    assert!(store.join("lifeboat.seal").is_file(), "{}", ran.stdout);
    // What lifeboat reads of the capture, and which set has it.
    assert!(store.join("scanstate.log").is_file(), "{}", ran.stdout);
    let name = fs::read_to_string(stick.path("temp/lifeboat-set.txt")).unwrap();
    assert!(other.path().join("sets").join(name.trim()).join("rescue.json").is_file(), "{name}");
    let arguments = fs::read_to_string(usmt.join("arguments.txt")).unwrap().replace('\r', "");
    let wanted = "E:\\StoreOfE\n/offlineWinDir:E:\\Windows\n/hardlink\n/nocompress\n";
    assert!(arguments.starts_with(wanted), "{arguments}");

    // A new session. Files that scanstate could not capture, and a capture that failed.
    for (returned, code) in [("26", 1), ("3", 3)] {
        let _ = fs::remove_file(store.join("scanstate.log"));
        // A run is told from another by the second of its begin.
        thread::sleep(Duration::from_millis(1100));
        fs::remove_dir_all(stick.path("temp")).unwrap();
        fs::rename(&store, usmt.join("prepared")).unwrap();
        fs::write(usmt.join("code.txt"), returned).unwrap();
        let ran = before("E:\\Windows");
        assert_eq!(ran.code, code, "{returned}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(&format!("scanstate returned {returned}")), "{ran:?}");
    }
    // What it did not capture is not captured the second time either.
    thread::sleep(Duration::from_millis(1100));
    fs::remove_file(usmt.join("arguments.txt")).unwrap();
    let ran = before("E:\\Windows");
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    let log = "could not capture every file. Read\n\"E:\\StoreOfE\\scanstate.log\"\n";
    assert!(ran.stdout.contains(log), "{}", ran.stdout);
    assert!(!usmt.join("arguments.txt").exists(), "scanstate was started");
    there_is_a_way_on(&stick, &env, other.path());

    // The new Windows, on the wiped volume.
    fs::rename(&store, stick.path("wiped")).unwrap();
    let after = |args: &[&str], env: &[(&str, &str)]| stick.run("stage.cmd", args, env);
    for (args, code, why) in [
        (&[][..], 2, "Where is the new Windows"),
        (&["F:"][..], 2, "there is no Windows"),
        (&["E:"][..], 2, "loadstate.exe\": there is no"),
    ] {
        let ran = after(args, &env);
        assert!(ran.code == code && ran.stdout.contains(why), "{args:?}: {ran:?}");
    }
    fs::write(usmt.join("loadstate.exe"), "MZ").unwrap();
    let ran = after(&["E:"], &[env[0], ("LIFEBOAT_NAME", "PC-8")]);
    assert!(ran.code == 4, "{ran:?}");
    let ran = after(&["E:"], &env);
    // Wine's drives keep no owners: that is a loss, and no reason to stop.
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(store.join("USMT/hardlink.main").is_file());
    assert!(ran.stdout.contains("If the PC has an OEM product key"), "{}", ran.stdout);
    let setup = stick.path("Windows/Setup");
    let first = fs::read_to_string(setup.join("Lifeboat/first-start.cmd")).unwrap();
    assert!(first.contains(r#"loadstate "C:\StoreOfE" --run --usmt "%~dp0USMT""#), "{first}");
    // A crash is a negative number, and keeps the store's tools.
    assert!(
        first.contains("\nif not \"%ERRORLEVEL%\"==\"0\" exit /b %ERRORLEVEL%\r\nrd "),
        "{first}"
    );
    assert!(setup.join("Lifeboat/lifeboat.exe").is_file());
    assert!(setup.join("Lifeboat/USMT/loadstate.exe").is_file());
    let complete = setup.join("Scripts/SetupComplete.cmd");
    let ours = "@call \"%SystemRoot%\\Setup\\Lifeboat\\first-start.cmd\"\r\n";
    assert_eq!(fs::read_to_string(&complete).unwrap(), ours);
    // Once.
    assert_eq!(after(&["E:"], &env).code, 3);
    assert_eq!(fs::read_to_string(&complete).unwrap(), ours);

    what_is_there_keeps_its_lines(&stick, ours, &env);
    unwritten_is_not_done(&setup, &|| after(&["E:"], &env));
}

/// After a capture that left out files: what is done is not done again, and can be accepted.
fn there_is_a_way_on(stick: &Stick, env: &[(&str, &str); 5], other: &Path) {
    let usmt = stick.path("my tools/USMT");
    let store = stick.path("StoreOfE");
    let saved = || fs::read_dir(other.join("sets")).unwrap().count();
    let number = saved();
    let known = || {
        let name = fs::read_to_string(stick.path("temp/lifeboat-set.txt")).unwrap();
        let set = other.join("sets").join(name.trim());
        assert!(set.join("rescue.json").is_file(), "{name}");
        set
    };
    // Nor is what is safe saved again. And there is a way on.
    let accepts = [env[0], env[1], env[2], env[3], ("ACCEPT", "windows LOST")];
    let ran = stick.run_in_session("before-wipe.cmd", &["E:\\Windows"], &accepts);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(saved(), number);
    // The sources leave out the volume of the store: it is added.
    let elsewhere = Guarded::fixture("hardlink-one");
    let elsewhere = Wine::path(Path::new(elsewhere.arg()));
    let to = ("LIFEBOAT_TO", "F:\\covered");
    let without = [to, env[1], env[2], ("SOURCES", elsewhere.as_str()), accepts[4]];
    let ran = stick.run_in_session("before-wipe.cmd", &["E:\\Windows"], &without);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("E:\\StoreOfE\\USMT: safe"), "{}", ran.stdout);
    // Without a log, it is not known whom scanstate left out.
    fs::rename(store.join("scanstate.log"), stick.path("kept.log")).unwrap();
    let ran = stick.run_in_session("before-wipe.cmd", &["E:\\Windows"], &accepts);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    fs::rename(stick.path("kept.log"), store.join("scanstate.log")).unwrap();
    // A set with a later time in its name, as by a clock that was wrong, is not taken.
    let set = known();
    let name = set.file_name().unwrap().to_str().unwrap().to_owned();
    let later = set.with_file_name("PC-7-20391231T000000Z-00000000");
    fs::create_dir(&later).unwrap();
    fs::copy(set.join("rescue.json"), later.join("rescue.json")).unwrap();
    fs::write(usmt.join("loadstate.exe"), "MZ").unwrap();
    let check = [env[0], env[1], ("LIFEBOAT_RESTORE", "no")];
    let ran = stick.run_in_session("stage.cmd", &["E:"], &check);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(&format!("restore: \"F:\\sets\\{name}\"")), "{}", ran.stdout);
    fs::remove_dir_all(later).unwrap();
    fs::remove_file(usmt.join("loadstate.exe")).unwrap();
}

fn what_is_there_keeps_its_lines(stick: &Stick, ours: &str, env: &[(&str, &str); 5]) {
    let after = |args: &[&str], env: &[(&str, &str)]| stick.run("stage.cmd", args, env);
    let usmt = stick.path("my tools/USMT");
    let setup = stick.path("Windows/Setup");
    let complete = setup.join("Scripts/SetupComplete.cmd");
    // One that is there keeps its lines, whatever they are, and runs ours first.
    let own = "@echo off\r\nrem before Lifeboat\\first-start.cmd\r\nexit /b 0";
    fs::write(&complete, own).unwrap();
    fs::write(stick.path("own.xml"), "<migration/>").unwrap();
    fs::write(usmt.join("in.xml"), "<migration/>").unwrap();
    let xml = ("LIFEBOAT_XML", "in.xml E:\\own.xml");
    let with = [env[0], env[1], xml];
    let ran = after(&["E:\\"], &with);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(fs::read_to_string(&complete).unwrap(), format!("{ours}{own}"));
    let first = fs::read_to_string(setup.join("Lifeboat/first-start.cmd")).unwrap();
    assert!(first.contains(r#" --i "in.xml" --i "own.xml""#), "{first}");
    assert!(setup.join("Lifeboat/USMT/own.xml").is_file());
    let ran = after(&["E:"], &[env[0], env[1], ("LIFEBOAT_XML", "no.xml")]);
    assert!(ran.code == 2 && ran.stdout.contains("\"no.xml\": there is no such file"), "{ran:?}");
}

/// What cannot be written is not said to be done.
fn unwritten_is_not_done(setup: &Path, stage: &dyn Fn() -> Ran) {
    for (at, named) in
        [("Scripts", "SetupComplete.cmd"), ("Lifeboat/first-start.cmd", "first-start.cmd")]
    {
        let at = setup.join(at);
        let kept = at.with_extension("kept");
        fs::rename(&at, &kept).unwrap();
        // A file where a folder has to be, and the other way round.
        if kept.is_dir() {
            fs::write(&at, "").unwrap();
        } else {
            fs::create_dir(&at).unwrap();
        }
        let ran = stage();
        assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(&format!("{named}\" could not be written")), "{ran:?}");
        if at.is_dir() {
            fs::remove_dir(&at).unwrap();
        } else {
            fs::remove_file(&at).unwrap();
        }
        fs::rename(&kept, &at).unwrap();
    }
}

/// The very scene of a wipe that failed: nothing to capture, and perhaps a store.
#[test]
fn beside_a_windows_that_is_gone_stores_are_saved_and_4_means_nothing_is_there() {
    let stick = need!(Stick::new('b'));
    fs::create_dir(stick.path("sets")).unwrap();
    let to = [("LIFEBOAT_TO", "B:\\sets"), ("LIFEBOAT_NAME", "PC-5")];
    // All tests see the same drives: here, none of them is looked at.
    let script = stick.path("my tools/before-wipe.cmd");
    let text = fs::read_to_string(&script).unwrap();
    let drives = "for %%D in (C D E F G H I J K L M N O P Q R S T U V W Y Z) do call :look";
    assert!(text.contains(drives), "{text}");
    fs::write(&script, text.replace(drives, "for %%D in (1) do call :look")).unwrap();
    let accept = |image: &str, accepted: &str| {
        let store = ("STORE", "B:\\StoreOfB");
        let env = [to[0], to[1], ("SOURCES", image), store, ("ACCEPT", accepted)];
        stick.run_in_session("before-wipe.cmd", &[], &env)
    };
    let run = |image: &str| accept(image, "");
    let image = |name: &str| Guarded::fixture(name);
    let path = |image: &Guarded| Wine::path(Path::new(image.arg()));

    let store = image("hardlink-one");
    let ran = run(&path(&store));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("nothing was captured. The stores are saved"), "{}", ran.stdout);
    assert_eq!(stick.sets("sets").len(), 1);
    // A Windows with users beside it, which cmd cannot read, but lifeboat.
    let users = image("users");
    let both = format!("{} {}", path(&store), path(&users));
    let ran = run(&both);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("lifeboat sees one with users"), "{}", ran.stdout);
    let ran = accept(&both, "windows");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("lifeboat sees one with users"), "{}", ran.stdout);
    // What this session saved is not saved again.
    assert_eq!(stick.sets("sets").len(), 1, "{}", ran.stdout);
    // A volume beside it is locked.
    let locked = image("leftovers");
    let ran = run(&path(&locked));
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    // Users, and no store.
    let ran = run(&path(&users));
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("there is no store, but there is a Windows"), "{}", ran.stdout);
    // A disk that was never used.
    fs::write(stick.path("blank.img"), vec![0; 8 << 20]).unwrap();
    let ran = run("B:\\blank.img");
    assert_eq!(ran.code, 4, "{}\n{}", ran.stdout, ran.stderr);
    // One that is not NTFS, and cannot be read.
    let noise: Vec<u8> =
        (0..8u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(stick.path("noise.img"), noise).unwrap();
    let ran = run("B:\\noise.img");
    assert_eq!(ran.code, 7, "{}\n{}", ran.stdout, ran.stderr);
    // Encrypted, and checked with the same passphrase.
    fs::remove_dir_all(stick.path("temp")).unwrap();
    fs::remove_dir_all(stick.path("sets")).unwrap();
    let source = path(&store);
    let secret = ("LIFEBOAT_PASSPHRASE", "correct horse battery staple");
    let env = [to[0], to[1], ("SOURCES", source.as_str()), ("ENCRYPT", "yes"), secret];
    let ran = stick.run_in_session("before-wipe.cmd", &[], &env);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let set = fs::read_to_string(stick.sets("sets")[0].join("rescue.json")).unwrap();
    assert!(set.contains("\"how\": \"passphrase\""), "{set}");
}

/// The whole re-image of `pe-build/recipes/winpe.cmd`, up to the first step that is the user's.
#[test]
fn the_recipe_for_plain_winpe_wipes_nothing_that_is_not_safe() {
    let stick = need!(Stick::new('i'));
    stick.add_script("recipes/winpe.cmd");
    let wipes = "@echo wiped> \"%~d0\\wiped.txt\"\r\n@exit /b 1\r\n";
    fs::write(stick.path("my tools/partition.cmd"), wipes).unwrap();
    let other = tempfile::tempdir().unwrap();
    let _drive = stick.wine.letter('j', other.path());
    fs::create_dir(other.path().join("sets")).unwrap();
    let env = [("CAPTURE", "no"), ("SOURCES", "I:\\StateStore")];
    let run = || stick.run_in_session("winpe.cmd", &["J:\\sets", "PC-9"], &env);
    fs::write(stick.path("my tools/apply.cmd"), "@exit /b 0\r\n").unwrap();
    // What it needs after the wipe, it looks for before.
    let ran = run();
    assert!(ran.code == 2 && ran.stdout.contains("loadstate.exe: there is no"), "{ran:?}");
    fs::create_dir(stick.path("my tools/USMT")).unwrap();
    fs::write(stick.path("my tools/USMT/loadstate.exe"), "MZ").unwrap();
    // A file is there, where the folder would be made.
    fs::write(other.path().join("file"), "").unwrap();
    let ran = stick.run("winpe.cmd", &["J:\\file\\below", "PC-9"], &env);
    assert!(ran.code == 5 && ran.stdout.contains("cannot be reached"), "{ran:?}");
    // No store is there: before-wipe.cmd does not end with 0.
    let ran = run();
    assert!(ran.code == 10 && ran.stdout.contains("Nothing was wiped"), "{ran:?}");
    assert!(!stick.path("wiped.txt").exists());
    let store = stick.store();
    // Several stores of one run: stage.cmd would not know which.
    let before = stick.path("my tools/before-wipe.cmd");
    let kept = fs::read(&before).unwrap();
    fs::write(&before, "@exit /b 0\r\n").unwrap();
    for id in ["00000000", "11111111"] {
        let set = other.path().join(format!("sets/PC-9-20260101T000000Z-{id}"));
        fs::create_dir(&set).unwrap();
        fs::write(set.join("rescue.json"), "{\n  \"what\": \"store\"\n}\n").unwrap();
    }
    let ran = run();
    assert_eq!(ran.code, 12, "{}\n{}", ran.stdout, ran.stderr);
    assert!(!stick.path("wiped.txt").exists());
    fs::write(&before, kept).unwrap();
    let ran = run();
    assert_eq!(ran.code, 11, "{}\n{}", ran.stdout, ran.stderr);
    assert!(stick.path("wiped.txt").exists());
    // A new PC: neither a store nor a Windows, and no set.
    fs::rename(&store, stick.path("moved")).unwrap();
    fs::write(stick.path("my tools/partition.cmd"), "@exit /b 0\r\n").unwrap();
    fs::write(stick.path("blank.img"), vec![0; 8 << 20]).unwrap();
    let blank = [env[0], ("SOURCES", "I:\\blank.img")];
    let new = |name: &str| stick.run_in_session("winpe.cmd", &["J:\\sets", name], &blank);
    let ran = new("PC-NEW");
    assert!(ran.code == 0 && ran.stdout.contains("nothing to restore"), "{ran:?}");
    // Its set is on the share already: stage.cmd fails here, there is no W:.
    let ran = new("PC-9");
    assert!(ran.code == 13 && ran.stdout.contains("stage.cmd returned 2"), "{ran:?}");
    fs::rename(stick.path("moved"), &store).unwrap();
    // As a program that crashed ends: nothing goes on after it.
    fs::write(stick.path("my tools/partition.cmd"), "@exit /b -1073741819\r\n").unwrap();
    let applies = "@echo applied> \"%~d0\\applied.txt\"\r\n";
    fs::write(stick.path("my tools/apply.cmd"), applies).unwrap();
    let ran = run();
    assert_eq!(ran.code, 11, "{}\n{}", ran.stdout, ran.stderr);
    assert!(!stick.path("applied.txt").exists());
}

/// What cannot be restored after the wipe is known before it.
fn an_encrypted_set_of_two_drives_is_opened_before_the_wipe_and_restored_after_it() {
    let stick = need!(Stick::new('q'));
    let image = Guarded::fixture("hardlink-two");
    fs::write(stick.path("pp.txt"), "correct horse battery staple\n").unwrap();
    let source = Wine::path(Path::new(image.arg()));
    let exe = stick.path("my tools/lifeboat.exe");
    let secret = ["--passphrase-file", "Q:\\pp.txt"];
    let to = ["offload", &source, "--to", "Q:\\sets", "--name", "PC-3", "--encrypt"];
    let ran = stick.wine.run(&exe, &[&to[..], &secret].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    fs::create_dir(stick.path("my tools/USMT")).unwrap();
    fs::write(stick.path("my tools/USMT/loadstate.exe"), "MZ").unwrap();
    let stage = |options: &[&str], env: &[(&str, &str)]| {
        let args = [&["Q:", "Q:\\sets"], options].concat();
        stick.run_in_session("stage.cmd", &args, &[&[("LIFEBOAT_NAME", "PC-3")], env].concat())
    };
    let check = [("LIFEBOAT_RESTORE", "no")];
    let second = ["--to", "D=Q:\\second\\"];
    for (options, code, why) in [
        (vec![], 2, "cannot open this set"),
        (secret.to_vec(), 2, "cannot tell which volume is D:"),
        ([secret, second].concat(), 0, "The set to restore"),
        ([&secret[..], &["--part", "C"]].concat(), 0, "The set to restore"),
        ([&secret[..], &second, &["--no-such"]].concat(), 2, "--no-such"),
    ] {
        let ran = stage(&options, &check);
        assert_eq!(ran.code, code, "{options:?}: {}\n{}", ran.stdout, ran.stderr);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(why), "{options:?}: {said}");
    }
    assert!(!stick.path("StateStore").exists() && !stick.path("second").exists());
    let config = stick.path("Windows/System32/config");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("SYSTEM"), "regf").unwrap();
    fs::create_dir(stick.path("second")).unwrap();
    let all = [secret, second].concat();
    let ran = stage(&all, &[]);
    // Wine's drives keep no owners.
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    for part in ["StateStore/USMT", "second/StateStore/USMT"] {
        assert!(stick.path(part).is_dir(), "{part}: {}", ran.stdout);
    }
    let first = fs::read_to_string(stick.path("Windows/Setup/Lifeboat/first-start.cmd")).unwrap();
    assert!(first.contains("loadstate \"C:\\StateStore\" --run"), "{first}");
    // Restored already: the same again, or what is there is put aside.
    fs::write(stick.path("StateStore/USMT/catalog.mig"), "another").unwrap();
    let ran = stage(&all, &[]);
    assert!(ran.code == 5 && ran.stdout.contains("Not restored: see the lines"), "{ran:?}");
    let ran = stage(&[&all[..], &["--replace"]].concat(), &[]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
}

/// It may be the only copy of the users, beside a Windows that has none.
#[test]
fn a_store_that_is_there_already_is_not_captured_over() {
    let stick = need!(Stick::new('v'));
    let gcc = need!("mingw", require::mingw);
    let usmt = stick.path("my tools/USMT");
    fs::create_dir(&usmt).unwrap();
    compile(gcc, "scanstate.c", &usmt.join("scanstate.exe"));
    let config = stick.path("Windows/System32/config");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("SYSTEM"), "regf").unwrap();
    let drivers = "@echo loaded>> \"%~d0\\drivers.txt\"\r\n";
    fs::write(stick.path("my tools/drivers.cmd"), drivers).unwrap();
    let other = tempfile::tempdir().unwrap();
    let _drive = stick.wine.letter('y', other.path());
    fs::create_dir(other.path().join("sets")).unwrap();
    let (to, name) = (("LIFEBOAT_TO", "Y:\\sets"), ("LIFEBOAT_NAME", "PC-6"));
    // Not where other tests have theirs: all see the same drives.
    let (place, sources) = (("STORE", "V:\\StoreOfV"), ("SOURCES", "V:\\StoreOfV"));
    let run = |capture: &str| {
        let env = [to, name, place, sources, ("CAPTURE", capture)];
        stick.run_in_session("before-wipe.cmd", &["V:\\Windows"], &env)
    };
    let refused = || {
        let ran = run("yes");
        assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("there is a store already"), "{}", ran.stdout);
        assert!(!usmt.join("arguments.txt").exists(), "scanstate was started");
    };
    let store = stick.path("StoreOfV");
    fs::rename(stick.store(), &store).unwrap();
    refused();
    assert!(stick.path("drivers.txt").exists(), "no driver was loaded");
    // This session began another store.
    let mark = stick.path("temp/lifeboat-store.txt");
    fs::write(&mark, "\"V:\\Other\"\r\n").unwrap();
    refused();

    fs::rename(&store, usmt.join("prepared")).unwrap();
    // Its first part is lost, the one on another volume is not.
    fs::create_dir_all(other.path().join("StoreOfV/USMT")).unwrap();
    refused();
    fs::remove_dir_all(other.path().join("StoreOfV")).unwrap();

    // Without a store, it is captured; a capture that failed is begun again.
    for (returned, code, replaces) in [("26", 1, false), ("0", 0, true)] {
        fs::write(usmt.join("code.txt"), returned).unwrap();
        let ran = run("yes");
        assert_eq!(ran.code, code, "{}\n{}", ran.stdout, ran.stderr);
        let arguments = fs::read_to_string(usmt.join("arguments.txt")).unwrap().replace('\r', "");
        assert_eq!(arguments.contains("\n/o\n"), replaces, "{arguments}");
        // WinPE's own disk is in memory.
        assert!(arguments.contains("\n/l:V:\\Windows\\Temp\\lifeboat\\"), "{arguments}");
        fs::remove_file(usmt.join("arguments.txt")).unwrap();
    }
    // One that ended is saved again, beside the old Windows or a new one.
    let hive = config.join("SYSTEM");
    for text in ["regf", "another Windows"] {
        fs::write(&hive, text).unwrap();
        thread::sleep(Duration::from_millis(1100)); // a set is named by its second
        let ran = run("yes");
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("captured the store already"), "{}", ran.stdout);
        assert!(!usmt.join("arguments.txt").exists(), "scanstate was started");
    }
    // Nor is an empty Windows captured in place of the one that this session saved.
    fs::rename(&store, usmt.join("prepared")).unwrap();
    let ran = run("yes");
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("the Windows is another one"), "{}", ran.stdout);
    assert!(!usmt.join("arguments.txt").exists(), "scanstate was started");
    fs::rename(usmt.join("prepared"), &store).unwrap();
    // The next session did not capture; the tool's own capture is not captured.
    fs::remove_dir_all(stick.path("temp")).unwrap();
    refused();
    assert_eq!(run("no").code, 0);

    // An unfinished capture counts for its own Windows, and not for what was restored.
    for restored in [false, true] {
        fs::rename(&store, usmt.join("prepared")).unwrap();
        fs::write(usmt.join("code.txt"), "26").unwrap();
        assert_eq!(run("yes").code, 1);
        assert!(mark.exists());
        fs::remove_file(usmt.join("arguments.txt")).unwrap();
        if restored {
            assert_eq!(stick.run_in_session("restore.cmd", &["V:\\nothing"], &[name]).code, 5);
        } else {
            fs::write(&hive, "a Windows that was applied in between").unwrap();
        }
        refused();
        fs::remove_dir_all(stick.path("temp")).unwrap();
    }
}

#[test]
fn the_recipe_for_ffu_builder_takes_no_crash_and_no_old_skip_for_safe() {
    let stick = need!(Stick::new('d'));
    stick.add_script("recipes/ffu-startnet.cmd");
    fs::create_dir_all(stick.path("Windows/System32")).unwrap();
    fs::create_dir(stick.path("Lifeboat")).unwrap();
    // It crashes at first.
    let before = "@if exist \"%~d0\\ran.txt\" (echo safe>> \"%~d0\\log.txt\" & exit /b 0)\r\n\
                  @echo ran> \"%~d0\\ran.txt\"\r\n@exit /b -1073741819\r\n";
    fs::write(stick.path("Lifeboat/before-wipe.cmd"), before).unwrap();
    let wipes = "@if \"%2\"==\"-Command\" (echo SN-4711& exit /b 0)\r\n\
                 @echo wiped %LIFEBOAT_NAME%>> \"%~d0\\log.txt\"\r\n";
    fs::write(stick.path("my tools/powershell.cmd"), wipes).unwrap();
    let boots = "@echo off\r\nset SystemDrive=D:\r\nset SystemRoot=D:\\Windows\r\n\
                 set PATH=D:\\my tools;%PATH%\r\n\"%~dp0ffu-startnet.cmd\"\r\n";
    fs::write(stick.path("my tools/boots.cmd"), boots).unwrap();
    // Of an earlier run in the same session.
    fs::create_dir(stick.path("temp")).unwrap();
    fs::write(stick.path("temp/lifeboat-skip.txt"), "skipped").unwrap();
    let ran = stick.run_in_session("boots.cmd", &[], &[]);
    assert!(ran.stdout.contains("DO NOT WIPE"), "{}\n{}", ran.stdout, ran.stderr);
    let log = || {
        let log = fs::read_to_string(stick.path("log.txt")).unwrap();
        log.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    // The set's name is the serial number: the new Windows has another name.
    assert_eq!(log(), ["safe", "wiped", "SN-4711"]);
    // A new PC: no prompt.
    fs::write(stick.path("Lifeboat/before-wipe.cmd"), "@exit /b 4\r\n").unwrap();
    fs::remove_file(stick.path("log.txt")).unwrap();
    let ran = stick.run_in_session("boots.cmd", &[], &[]);
    assert!(ran.stdout.contains("Nothing to save"), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(log(), ["wiped", "SN-4711"]);
}

#[test]
fn without_the_program_they_say_what_is_missing() {
    let stick = need!(Stick::new('p'));
    fs::remove_file(stick.path("my tools/lifeboat.exe")).unwrap();
    for script in [
        "rescue.cmd",
        "usb.cmd",
        "seal.cmd",
        "gate.cmd",
        "restore.cmd",
        "before-wipe.cmd",
        "stage.cmd",
    ] {
        let ran = stick.run(script, &[], &[]);
        assert_eq!(ran.code, 1, "{script}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("lifeboat.exe was not found"), "{script}: {}", ran.stdout);
    }
}

#[test]
fn the_gate_opens_once_the_store_is_saved_and_closes_when_it_changes() {
    let stick = need!(Stick::new('g'));
    let store = stick.store();
    fs::create_dir(stick.path("logs")).unwrap();
    // On another drive: a set beside the store would be wiped with it.
    let other = tempfile::tempdir().unwrap();
    let _drive = stick.wine.letter('h', other.path());
    fs::create_dir(other.path().join("sets")).unwrap();
    let to = ("LifeboatTo", "H:\\sets");
    stick.in_task_sequence(&[to, ("_SMSTSLogPath", "G:\\logs")]);
    // Lines are wrapped to 80 columns.
    let words = |ran: &Ran| ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let gate = || stick.run("gate.cmd", &["G:\\StateStore"], &[]);
    let ran = gate();
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("DO NOT WIPE"), "{}", ran.stdout);

    let saved = stick.run("rescue.cmd", &["G:\\StateStore"], &[]);
    assert_eq!(saved.code, 0, "{}\n{}", saved.stdout, saved.stderr);
    let ran = gate();
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("SAFE TO WIPE"), "{}", ran.stdout);
    assert!(stick.path("logs/lifeboat-gate.log").is_file());
    let beside = stick.run("rescue.cmd", &["G:\\StateStore", "--to", "G:\\sets"], &[]);
    assert_eq!(beside.code, 0, "{}\n{}", beside.stdout, beside.stderr);
    let ran = stick.run("gate.cmd", &["G:\\StateStore", "--set", "G:\\sets"], &[]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(words(&ran).contains("which will be wiped"), "{}", ran.stdout);

    fs::write(store.join("USMT/File/G$/Users/alice/letter.txt"), "Dear Carol").unwrap();
    let ran = gate();
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    let changed = "letter.txt was changed after the set was made";
    assert!(words(&ran).contains(changed), "{}", ran.stdout);

    // It may stay, if it is sealed and its drive is not wiped.
    let sealed = stick.run("seal.cmd", &["G:\\StateStore"], &[]);
    assert_eq!(sealed.code, 0, "{}\n{}", sealed.stdout, sealed.stderr);
    for (wipes, code) in [("C: D:", 0), ("C: G:", 3)] {
        stick.in_task_sequence(&[to, ("LifeboatWipes", wipes)]);
        let ran = gate();
        assert_eq!(ran.code, code, "{wipes}: {}\n{}", ran.stdout, ran.stderr);
    }
    // The share is away.
    stick.in_task_sequence(&[("LifeboatTo", "G:\\no such\\folder")]);
    let ran = gate();
    assert_eq!(ran.code, 5, "{}\n{}", ran.stdout, ran.stderr);
}

/// What it really does needs the ADK: `docs/guide/windows.md` has the check by hand.
#[test]
fn the_boot_image_s_builder_names_each_step() {
    let stick = need!(Stick::new('r'));
    let kit = stick.path("kit/amd64/WinPE_OCs/en-us");
    fs::create_dir_all(&kit).unwrap();
    for package in ["WinPE-WMI", "WinPE-Scripting", "WinPE-SecureStartup"] {
        fs::write(kit.with_file_name(format!("{package}.cab")), "").unwrap();
        fs::write(kit.join(format!("{package}_en-us.cab")), "").unwrap();
    }
    stick.add_script("build.cmd");
    let root = [("WinPERoot", r"R:\kit")];

    let ran = stick.run("build.cmd", &["amd64", r"R:\new", "/dryrun"], &root);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let steps = [
        "copype amd64",
        "/Mount-Image",
        r"WinPE-WMI.cab",
        "WinPE-SecureStartup_en-us.cab",
        "/Set-ScratchSpace:512",
        r"Lifeboat\lifeboat.exe",
        // The boot manager that the CA of 2023 signed.
        r"EFI_EX\bootmgfw_EX.efi",
        "/Unmount-Image",
        "MakeWinPEMedia /ISO",
    ];
    let mut rest = ran.stdout.as_str();
    for step in steps {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step} is missing:\n{}", ran.stdout));
        rest = &rest[at..];
    }
    assert!(!stick.path("new").exists() && !ran.stdout.contains("/UFD"), "{}", ran.stdout);

    let ran = stick.run("build.cmd", &["amd64", r"R:\new", "/ca", "2011", "/dryrun"], &root);
    assert!(ran.code == 0 && !ran.stdout.contains("EFI_EX"), "{}", ran.stdout);
    for (file, text) in [
        ("fits/disk.inf", "[Manufacturer]\r\n%I%=Intel,NTamd64\r\n"),
        ("a/iaStorVD.inf", "[Manufacturer]\r\n%I%=Intel,NTamd64\r\n"),
        ("other/net.inf", "[Manufacturer]\r\n%I%=Intel,NTarm64\r\n"),
        ("bom/any.inf", "\u{feff}[Manufacturer]\r\n\"A; B\"=Intel,\\\r\nNTamd64\r\n"),
        ("quotes/any.inf", "[Manufacturer]\r\n\"A; B\" = Intel,ntAMD64 ; for NTx86\r\n"),
        ("old/a.inf", "; not NTamd64\r\n[Manufacturer] ; no NTamd64=\r\n%I%=I ; NTamd64\r\n"),
    ] {
        let file = stick.path("drivers").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let drivers = &["amd64", r"R:\new", "/drivers", r"R:\drivers", "/dryrun"];
    let ran = stick.run("build.cmd", drivers, &root);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(r#"/Add-Driver /Driver:"R:\drivers\fits\disk.inf""#), "{ran:?}");
    assert!(ran.stdout.contains(r#"/Add-Driver /Driver:"R:\drivers\bom\any.inf""#), "{ran:?}");
    let quotes = r#"/Add-Driver /Driver:"R:\drivers\quotes\any.inf""#;
    // Wine's find does not know /i.
    assert!(ran.stdout.contains(quotes) || ran.stdout.contains(r"left out: R:\drivers\quotes"));
    for other in ["other\\net.inf", "old\\a.inf"] {
        assert!(ran.stdout.contains(&format!("left out: R:\\drivers\\{other}")), "{ran:?}");
    }
    // Intel's driver for VMD is added after those without it.
    let added = |name: &str| ran.stdout.find(&format!("Add-Driver /Driver:\"R:\\drivers\\{name}"));
    assert!(added("fits") < added("a") && added("a").is_some(), "{}", ran.stdout);

    let arm = stick.path("kit/arm64/WinPE_OCs");
    fs::create_dir_all(&arm).unwrap();
    fs::write(arm.join("WinPE-WMI.cab"), "").unwrap();
    let args = &["arm64", r"R:\new", "/drivers", r"R:\drivers", "/exe", r"R:\arm64.exe", "/dryrun"];
    fs::write(stick.path("arm64.exe"), "").unwrap();
    let ran = stick.run("build.cmd", args, &root);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("copype arm64") && ran.stdout.contains("bootaa64.efi"), "{ran:?}");
    assert!(ran.stdout.contains(r#"/Add-Driver /Driver:"R:\drivers\other\net.inf""#), "{ran:?}");

    for (args, code, why) in [
        (&["arm", r"R:\new"][..], 2, "build.cmd amd64"),
        (&["amd64", r"R:\new", "/ca", "2012"], 2, "build.cmd amd64"),
        (&["amd64", r"R:\new", "/drivers", r"R:\drivers\other"], 1, "no .inf file for amd64"),
        (&["amd64", r"R:\new", "/settings"], 2, "build.cmd amd64"),
        (&["amd64", r"R:\kit", "/dryrun"], 1, "is there already"),
        (&["x86", r"R:\new", "/dryrun"], 1, "add-on"),
        (&["x86", r"R:\new", "/drivers", r"R:\drivers\fits"], 1, "no .inf file for x86"),
        // Only a comment has another architecture.
        (&["x86", r"R:\new", "/drivers", r"R:\drivers\old", "/dryrun"], 1, "add-on"),
        (&["amd64", r"R:\new", "/exe", r"R:\no.exe"], 1, "there is no such file"),
    ] {
        let ran = stick.run("build.cmd", args, &root);
        assert_eq!(ran.code, code, "{args:?}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(why), "{args:?}: {}", ran.stdout);
    }
}

/// With copype, Dism and `MakeWinPEMedia` that stand in for the ADK's.
#[test]
fn the_builder_knows_both_layouts_of_the_adk_and_leaves_no_image_mounted() {
    let stick = need!(Stick::new('a'));
    stick.add_script("build.cmd");
    let write = |path: &str, text: &str| {
        let path = stick.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace('\n', "\r\n")).unwrap();
    };
    for package in ["WinPE-WMI", "WinPE-Scripting", "WinPE-SecureStartup"] {
        write(&format!("kit/amd64/WinPE_OCs/{package}.cab"), "");
    }
    write("my tools/image/Lifeboat/start.cmd", "");
    write("scripts/task-sequence/rescue.cmd", "");
    write("scripts/task-sequence/variables.vbs", "");
    write("tools/amd64/Oscdimg/efisys_EX.bin", "new");
    write(
        "bin/copype.cmd",
        "@echo off\nmd \"%~2\\media\\EFI\\Boot\"\nmd \"%~2\\mount\"\nmd \"%~2\\%LAYOUT%\"\n\
         echo old> \"%~2\\%LAYOUT%\\efisys.bin\"\nif \"%LAYOUT%\"==\"fwfiles\" exit /b 0\n\
         echo new> \"%~2\\bootbins\\efisys_EX.bin\"\necho old> \"%~2\\bootbins\\bootmgfw.efi\"\n\
         exit /b 0\n",
    );
    write(
        "bin/Dism.cmd",
        "@echo off\necho Dism %*\nif \"%~1\"==\"%FAILS%\" exit /b -2147024894\n\
         if not \"%~1\"==\"/Mount-Image\" exit /b 0\nmd A:\\new\\mount\\Windows\\System32\n\
         md A:\\new\\mount\\Windows\\Boot\\EFI_EX\n\
         echo new> A:\\new\\mount\\Windows\\Boot\\EFI_EX\\bootmgfw_EX.efi\nexit /b 0\n",
    );
    write("bin/MakeWinPEMedia.cmd", "@echo MakeWinPEMedia %*\n@exit /b 0\n");
    write("my tools/adk.cmd", "@set PATH=A:\\bin;%PATH%\n@\"%~dp0build.cmd\" %*\n");
    let build = |layout: &str, fails: &str, args: &[&str]| {
        let _ = fs::remove_dir_all(stick.path("new"));
        let args = [&["amd64", "A:\\new"], args].concat();
        let kit = ("WinPERoot", "A:\\kit");
        let tools = ("OSCDImgRoot", "A:\\tools\\arm64\\Oscdimg");
        stick.run("adk.cmd", &args, &[kit, tools, ("LAYOUT", layout), ("FAILS", fails)])
    };
    for (layout, files) in [
        ("fwfiles", &["media/EFI/Boot/bootx64.efi", "fwfiles/efisys.bin"][..]),
        (
            "bootbins",
            &["media/EFI/Boot/bootx64.efi", "bootbins/efisys.bin", "bootbins/bootmgfw.efi"],
        ),
    ] {
        let ran = build(layout, "", &[]);
        assert_eq!(ran.code, 0, "{layout}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("MakeWinPEMedia /ISO"), "{layout}: {}", ran.stdout);
        for file in files {
            let text = fs::read_to_string(stick.path("new").join(file)).unwrap();
            assert_eq!(text.trim(), "new", "{layout}: {file}");
        }
    }
    // Neither folder is there for the boot sector: a step that fails late.
    for (layout, fails) in [("other", ""), ("bootbins", "/Unmount-Image")] {
        let ran = build(layout, fails, &[]);
        assert_eq!(ran.code, 1, "{layout}: {}\n{}", ran.stdout, ran.stderr);
        // Run once, and named once for a person.
        assert_eq!(ran.stdout.matches("/Discard\n").count(), 2, "{layout}: {}", ran.stdout);
        assert!(ran.stdout.contains("Dism /Cleanup-Mountpoints"), "{layout}: {}", ran.stdout);
        assert!(!ran.stdout.contains("MakeWinPEMedia"), "{layout}: {}", ran.stdout);
    }
    // DISM's numbers are negative.
    let ran = build("bootbins", "/Mount-Image", &[]);
    assert!(ran.code == 1 && !ran.stdout.contains("/Add-Package"), "{ran:?}");

    write("lifeboat.toml", "to = 'a'\npassword-file = 'password.txt'\n");
    let ran = build("bootbins", "", &["/settings", "A:\\lifeboat.toml"]);
    assert!(ran.code == 1 && ran.stdout.contains("password-file names password.txt"), "{ran:?}");
    assert!(!stick.path("new").exists());
    write("add/password.txt", "secret");
    write("add/USMT/scanstate.exe", "MZ");
    // Each is said before anything is made, as inject.sh does.
    for (text, why) in [
        ("password-file = \"password.txt\"\n", "password-file names password.txt"),
        ("bitlocker-keys = 'keys'\n", "bitlocker-keys names keys"),
        ("\u{feff}bitlocker-keys='keys\\'\n", "bitlocker-keys names keys"),
        ("pasword-file = 'password.txt'\n", "\"pasword-file\" is no setting of Lifeboat"),
        ("to = \"\\\\server\\rescue\"\n", "to: a single backslash in double quotes"),
        // As the program says it.
        ("to = \\\\server\\rescue\n", "string values must be quoted"),
        ("to = '\\\\server\\rescue\n", "invalid literal string"),
        ("to = 'a'\nto = 'b'\n", "line 2: duplicate key"),
        ("to = '\\server\\rescue'\n", "a single backslash"),
    ] {
        write("lifeboat.toml", text);
        let ran = build("bootbins", "", &["/settings", "A:\\lifeboat.toml"]);
        assert!(ran.code == 1 && ran.stdout.contains(why), "{text}: {ran:?}");
        assert!(!stick.path("new").exists(), "{text}");
    }
    programs_and_the_ca_are_looked_at(&stick, &write, &build);
    write("add/keys/1.bek", "key");
    write(
        "lifeboat.toml",
        "\u{feff}# don't \"&\" mind\n\nto\t= '\\\\server\\a & b' # \"x\"\nlog = \"X:\\\\a.log\"\n\
         password-file = \"password.txt\" # ours\nbitlocker-keys='keys'\n",
    );
    let ran = build("bootbins", "", &["/settings", "A:\\lifeboat.toml", "/add", "A:\\add\\"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    for file in ["password.txt", "lifeboat.toml", "lifeboat.exe", "USMT/scanstate.exe"] {
        assert!(stick.path("new/mount/Lifeboat").join(file).is_file(), "{file}");
    }
}

/// Of the architecture of the image, and with the boot manager that was asked for.
fn programs_and_the_ca_are_looked_at(
    stick: &Stick,
    write: &dyn Fn(&str, &str),
    build: &dyn Fn(&str, &str, &[&str]) -> Ran,
) {
    // Programs of another architecture: 332 is that of x86. PowerShell reads it from the file.
    write("lifeboat.toml", "to = 'a'\n");
    write("bin/powershell.cmd", "@echo %MACHINE%\n");
    write(
        "my tools/adk.cmd",
        "@set PATH=A:\\bin;%PATH%\n@set MACHINE=332\n@\"%~dp0build.cmd\" %*\n",
    );
    let ran = build("bootbins", "", &[]);
    assert!(
        ran.code == 1 && ran.stdout.contains("a program for x86. In WinPE for amd64"),
        "{ran:?}"
    );
    assert!(!stick.path("new").exists());
    write(
        "bin/powershell.cmd",
        "@if \"%LBFILE:scanstate=%\"==\"%LBFILE%\" (echo 34404) else echo 43620\n",
    );
    let ran = build("bootbins", "", &["/add", "A:\\add"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("scanstate.exe\": a program for arm64"),
        "{ran:?}"
    );
    write("bin/powershell.cmd", "@echo 34404\n");
    // The CA that was asked for is not silently another one.
    let dism = fs::read_to_string(stick.path("bin/Dism.cmd")).unwrap();
    write("bin/Dism.cmd", &dism.replace("bootmgfw_EX.efi", "none.efi").replace("\r\n", "\n"));
    let ran = build("bootbins", "", &["/ca", "2023"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("/ca 2023: this ADK has no boot manager"),
        "{ran:?}"
    );
    let ran = build("bootbins", "", &[]);
    assert!(ran.code == 0 && ran.stdout.contains("signed by the CA of 2011"), "{ran:?}");
    write("bin/Dism.cmd", &dism.replace("\r\n", "\n"));
}

/// PowerShell knows what kind of drive it is; here, `powershell.cmd` stands in for it.
#[test]
fn the_builder_takes_only_a_removable_drive_for_a_stick() {
    let stick = need!(Stick::new('s'));
    stick.add_script("build.cmd");
    let kit = stick.path("kit/amd64/WinPE_OCs");
    fs::create_dir_all(&kit).unwrap();
    fs::write(kit.join("WinPE-WMI.cab"), "").unwrap();
    fs::create_dir_all(stick.path("bin")).unwrap();
    fs::write(stick.path("bin/powershell.cmd"), "@echo %IT_IS%\r\n").unwrap();
    let text = "@set PATH=S:\\bin;%PATH%\r\n@\"%~dp0build.cmd\" %*\r\n";
    fs::write(stick.path("my tools/adk.cmd"), text).unwrap();
    for (drive, kind, code, why) in [
        ("f:", "Removable", 0, "MakeWinPEMedia /UFD \"S:\\new\" f:"),
        ("F:\\", "Removable", 0, "MakeWinPEMedia /UFD \"S:\\new\" F:"),
        ("f:", "Fixed", 1, "no removable drive (Fixed)"),
        ("f:", "", 1, "no removable drive"),
        ("c:\\", "Removable", 1, "Windows is there"),
        ("s:", "Removable", 1, "S:\\new is there"),
        ("F:\\folder", "Removable", 1, "give the letter of the stick"),
        ("stick", "Removable", 1, "give the letter of the stick"),
    ] {
        let env = [("WinPERoot", "S:\\kit"), ("IT_IS", kind)];
        let ran = stick.run("adk.cmd", &["amd64", "S:\\new", "/usb", drive, "/dryrun"], &env);
        assert_eq!(ran.code, code, "{drive} {kind}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(why), "{drive} {kind}: {}", ran.stdout);
        assert!(code == 0 || !ran.stdout.contains("MakeWinPEMedia /UFD \"S:\\new\" f"), "{ran:?}");
    }
}

#[test]
fn a_folder_set_is_restored_by_its_own_script_into_a_folder_with_a_backslash_at_the_end() {
    let stick = need!(Stick::new('r'));
    fs::create_dir_all(stick.path("files/papers")).unwrap();
    fs::write(stick.path("files/papers/letter.txt"), "Dear Bob").unwrap();
    let exe = stick.path("my tools/lifeboat.exe");
    let args = ["offload", "R:\\files", "--path", "\\", "--to", "R:\\sets"];
    let ran = stick.wine.run(&exe, &args);
    assert!([0, 3].contains(&ran.code), "{}\n{}", ran.stdout, ran.stderr);
    let sets = stick.sets("sets");
    let name = sets[0].file_name().unwrap().to_str().unwrap();
    fs::copy(&exe, stick.path("sets/lifeboat.exe")).unwrap();
    // By this key the script knows an administrator; Wine does not have it.
    let key = stick.wine.run_with(Path::new("reg"), &["add", "HKU\\S-1-5-19", "/f"], &[]);
    assert_eq!(key.code, 0, "{}", key.stderr);
    let script = format!("R:\\sets\\{name}\\restore.cmd");
    for (to, at) in [("R:\\out\\", "out"), ("R:\\two words\\", "two words")] {
        let ran = stick.wine.run_with(Path::new("cmd"), &["/c", &script, to, "/y"], &[]);
        // Wine's drives keep no owners.
        assert_eq!(ran.code, 3, "{to}: {}\n{}", ran.stdout, ran.stderr);
        let mut found = walkdir::WalkDir::new(stick.path(at)).into_iter().filter_map(Result::ok);
        assert!(found.any(|entry| entry.file_name() == "letter.txt"), "{to}: {}", ran.stdout);
    }
}
