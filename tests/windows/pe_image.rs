//! `pe-build/inject.sh` puts Lifeboat into a boot.wim and takes it out again; the
//! rest of the image stays what it was.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::tmux::Tmux;
use support::{exe, need, wine};

const HOOK: &str = "call %SystemDrive%\\Lifeboat\\start.cmd & rem added by Lifeboat\r\n";

/// A boot.wim with what matters here in it, and a program to put in.
struct Boot {
    dir: tempfile::TempDir,
    exe: PathBuf,
}

impl Boot {
    fn new(more: &[(&str, &str)]) -> Option<Self> {
        need!("wimtools");
        let exe = need!("lifeboat.exe", exe::find);
        let dir = tempfile::tempdir().unwrap();
        let boot = Self { dir, exe };
        // ConfigMgr's and MDT's images write their names in whatever case.
        let files = [
            ("Windows/System32/startnet.cmd", "wpeinit\r\n"),
            ("Windows/System32/config/SYSTEM", "regf"),
            ("Windows/System32/cmd.exe", "MZ"),
            ("sources/recovery/a.txt", "text"),
        ];
        for (path, text) in files.iter().chain(more) {
            let path = boot.path("tree").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        boot.wimlib(&["capture", "tree", "boot.wim", "WinPE", "--compress=LZX", "--boot"]);
        boot.wimlib(&["info", "boot.wim", "1", "--image-property", "WINDOWS/ARCH=9"]);
        Some(boot)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn wimlib(&self, args: &[&str]) -> String {
        let mut command = Command::new("wimlib-imagex");
        let done = command.args(args).current_dir(self.dir.path()).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        let script = support::root().join("pe-build/inject.sh");
        let mut command = Command::new(script);
        command.arg(self.path("boot.wim")).args(args).output().unwrap()
    }

    #[track_caller]
    fn inject(&self, args: &[&str]) -> String {
        let done = self.run(&[&["--exe", self.exe.to_str().unwrap()], args].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// All that the image says of each path but when it was last looked at; a
    /// folder's times are those of its entries.
    fn listing(&self) -> BTreeMap<String, Vec<String>> {
        let text = self.wimlib(&["dir", "boot.wim", "1", "--detailed"]);
        let mut entries = BTreeMap::new();
        for entry in text.split("--------------------------------------------------------------") {
            let lines = entry.lines().filter(|line| {
                let what = line.split('=').next().unwrap_or_default().trim();
                !what.is_empty() && !["Last Access Time", "Hard Link Group ID"].contains(&what)
            });
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            let path = lines.iter().find_map(|line| line.strip_prefix("Full Path"));
            if let Some(path) = path {
                entries.insert(path.trim_matches([' ', '=', '"']).to_owned(), lines);
            }
        }
        assert!(entries.len() > 4, "{text}");
        entries
    }

    fn text_of(&self, path: &str) -> String {
        self.wimlib(&["extract", "boot.wim", "1", path, "--to-stdout"])
    }
}

#[test]
fn it_goes_in_where_it_belongs_and_nothing_else_changes() {
    let boot = need!(Boot::new(&[]));
    let before = boot.listing();
    boot.inject(&[]);
    let after = boot.listing();
    let added: Vec<&str> =
        after.keys().filter(|path| !before.contains_key(*path)).map(String::as_str).collect();
    for wanted in [
        "/Lifeboat/lifeboat.exe",
        "/Lifeboat/rescue.cmd",
        "/Lifeboat/start.cmd",
        "/Windows/System32/lifeboat.cmd",
    ] {
        assert!(added.contains(&wanted), "{added:?}");
    }
    let ours = |path: &&str| path.starts_with("/Lifeboat") || path.ends_with("/lifeboat.cmd");
    assert!(added.iter().all(ours), "{added:?}");
    for (path, facts) in &before {
        if path != "/Windows/System32/startnet.cmd" {
            assert_eq!(after.get(path), Some(facts), "{path}");
        }
    }
    assert_eq!(boot.text_of("/Windows/System32/startnet.cmd"), format!("wpeinit\r\n{HOOK}"));
    assert!(boot.wimlib(&["info", "boot.wim"]).contains("Boot Index:     1"));
}

#[test]
fn repeating_it_changes_nothing_and_undo_restores_what_was() {
    let boot = need!(Boot::new(&[]));
    let before = boot.listing();
    boot.inject(&[]);
    let once = fs::read(boot.path("boot.wim")).unwrap();
    assert!(boot.inject(&[]).contains("nothing to do"));
    assert!(fs::read(boot.path("boot.wim")).unwrap() == once);
    boot.inject(&["--undo"]);
    assert_eq!(boot.listing(), before);
    assert!(boot.inject(&["--undo"]).contains("nothing to do"));
}

#[test]
fn new_settings_replace_the_old_and_later_changes_to_startnet_stay() {
    let boot = need!(Boot::new(&[]));
    let settings = boot.path("some.toml");
    fs::write(&settings, "to = 'a'\n").unwrap();
    boot.inject(&["--settings", settings.to_str().unwrap()]);
    fs::write(&settings, "to = 'b'\n").unwrap();
    boot.inject(&["--settings", settings.to_str().unwrap()]);
    assert_eq!(boot.text_of("/Lifeboat/lifeboat.toml"), "to = 'b'\n");
    // Somebody adds a line by hand; undo takes out ours alone.
    fs::write(boot.path("new.cmd"), format!("wpeinit\r\n{HOOK}drvload x.inf\r\n")).unwrap();
    let add = "--command=add new.cmd /Windows/System32/startnet.cmd";
    boot.wimlib(&["update", "boot.wim", "1", add]);
    boot.inject(&["--undo"]);
    let left = boot.text_of("/Windows/System32/startnet.cmd");
    assert_eq!(left, "wpeinit\r\ndrvload x.inf\r\n");
}

/// The image of `build.cmd` has our line; one made by hand, after winpe.md, a plain call.
#[test]
fn an_image_made_otherwise_starts_it_once_and_undo_leaves_no_call() {
    let by_hand = "call %SystemDrive%\\Lifeboat\\start.cmd\r\n";
    let quoted = "  @CALL \"X:\\lifeboat\\Start.cmd\"\r\n";
    for calls in [HOOK.to_owned(), by_hand.to_owned(), quoted.to_owned(), [HOOK, by_hand].concat()]
    {
        let text = format!("wpeinit\r\n{calls}echo call \\Lifeboat\\start.cmd later\r\n");
        let boot = need!(Boot::new(&[
            ("Windows/System32/startnet.cmd", &text),
            ("Lifeboat/lifeboat.exe", "MZ"),
            ("Lifeboat/start.cmd", "old"),
        ]));
        let rest = "wpeinit\r\necho call \\Lifeboat\\start.cmd later\r\n";
        let now = || boot.text_of("/Windows/System32/startnet.cmd");
        boot.inject(&["--start", "yes"]);
        assert_eq!(now(), format!("{rest}{HOOK}"), "{calls}");
        assert!(boot.inject(&["--start", "yes"]).contains("nothing to do"), "{calls}");
        boot.inject(&["--start", "no"]);
        assert_eq!(now(), rest, "{calls}");
        boot.inject(&["--undo"]);
        assert_eq!(now(), rest, "{calls}");
        assert!(!boot.listing().contains_key("/Lifeboat"), "{calls}");
    }
}

/// What the program would stop at (`src/cli/settings.rs`) must not get into an image.
#[test]
fn settings_that_would_stop_lifeboat_are_refused() {
    let boot = need!(Boot::new(&[]));
    let settings = boot.path("some.toml");
    let exe = boot.exe.to_str().unwrap();
    let run = |text: &[u8], more: &[&str]| {
        fs::write(&settings, text).unwrap();
        let args = ["--exe", exe, "--dry-run", "--settings", settings.to_str().unwrap()];
        let done = boot.run(&[&args, more].concat());
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let folder = boot.path("add");
    fs::create_dir_all(folder.join("keys")).unwrap();
    fs::write(folder.join("password.txt"), "secret").unwrap();
    let add = ["--add", folder.to_str().unwrap()];
    for (text, why) in [
        ("to = 'a\n", "line 1: the value of to has no quote at its end"),
        ("# a\n\nto = a\n", "line 3: the value of to needs quotes"),
        ("to 'a'\n", "line 1: this is no setting"),
        ("[server]\nto = 'a'\n", "line 1: this is no setting"),
        (r#"to = "\\server\rescue""#, "a single backslash in double quotes"),
        (r#"to = "\\server\\rescue""#, "a share begins with two backslashes"),
        (r"to = '\server'", "a share begins with two backslashes"),
        ("to = 'a' 'b'\n", "something behind the value of to"),
        ("to = 'a'\nto = 'b'\n", "line 2: to is there twice"),
        ("pasword-file = 'password.txt'\n", "line 1: pasword-file is no setting of Lifeboat"),
        ("\u{feff}password-file = 'none.txt'\n", "password-file names none.txt"),
        ("bitlocker-keys = 'none'\n", "bitlocker-keys names none"),
        ("bitlocker-keys = 'password.txt'\n", "bitlocker-keys names password.txt"),
        ("password-file = 'keys'\n", "password-file names keys"),
    ] {
        let (code, said) = run(text.as_bytes(), &add);
        assert!(code == Some(1) && said.contains(why), "{text}: {said}");
    }
    let (code, said) = run(b"\xff\xfet\0o\0", &[]);
    assert!(code == Some(1) && said.contains("UTF-8"), "{said}");
    for text in [
        "\u{feff}to = '\\\\server\\rescue'\r\nuser='CORP\\svc' # ours\r\n\r\n",
        r#"to = "\\\\server\\rescue" # "doubled""#,
        "password-file = \"password.txt\"\nbitlocker-keys = 'Keys\\'\nlog = 'X:\\a.log'\n",
        "bitlocker-keys = 'E:\\'\nname = 'Büro'\n",
    ] {
        let (code, said) = run(text.as_bytes(), &add);
        assert_eq!(code, Some(0), "{text}: {said}");
    }
}

/// The scripts know the settings that the program knows.
#[test]
fn the_scripts_know_the_settings_of_the_program() {
    let read = |path: &str| fs::read_to_string(support::root().join(path)).unwrap();
    let source = read("src/cli/settings.rs");
    let from = source.find("struct Settings {").unwrap();
    let body = &source[from..from + source[from..].find("\n}").unwrap()];
    let fields: Vec<(String, bool)> = body
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub(crate) ").split_once(": Option<"))
        .map(|(name, kind)| (name.replace('_', "-"), kind.starts_with("PathBuf")))
        .collect();
    assert!(fields.len() > 5, "{fields:?}");
    let all: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    // The log is written, not read: it need not be there.
    let files = fields.iter().filter(|(name, is_path)| *is_path && name != "log");
    let files: Vec<&str> = files.map(|(name, _)| name.as_str()).collect();
    for (script, key, end, wanted) in [
        ("pe-build/inject.sh", "\nknown_keys='", "'", &all),
        ("pe-build/inject.sh", "\nfile_keys='", "'", &files),
        ("pe-build/build.cmd", "\nset \"KNOWN=", "\"", &all),
        ("pe-build/build.cmd", "\nset \"FILES=", "\"", &files),
    ] {
        let text = read(script);
        let from = text.find(key).unwrap_or_else(|| panic!("{script}: {key}")) + key.len();
        let list = &text[from..from + text[from..].find(end).unwrap()];
        assert_eq!(&list.split_whitespace().collect::<Vec<_>>(), wanted, "{script}: {key}");
    }
}

#[test]
fn what_was_added_stays_and_settings_whose_files_are_missing_are_refused() {
    let boot = need!(Boot::new(&[]));
    let before = boot.listing();
    let settings = boot.path("some.toml");
    fs::write(&settings, "to = 'a'\n  password-file = 'Password.txt' # ours\n").unwrap();
    let settings = settings.to_str().unwrap();
    let done = boot.run(&["--exe", boot.exe.to_str().unwrap(), "--settings", settings]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(1) && said.contains("names Password.txt"), "{said}");
    assert_eq!(boot.listing(), before);

    for (path, text) in [
        ("first/password.txt", "secret"),
        ("first/USMT/scanstate.exe", "old"),
        ("first/USMT/own.xml", "xml"),
        ("second/usmt/ScanState.exe", "new"),
    ] {
        let path = boot.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (first, second) = (boot.path("first"), boot.path("second"));
    boot.inject(&["--settings", settings, "--add", first.to_str().unwrap()]);
    let said = boot.inject(&["--add", second.to_str().unwrap()]);
    assert!(said.contains("  = \\Lifeboat\\password.txt\n"), "{said}");
    assert!(said.contains("  + \\Lifeboat\\usmt\\ScanState.exe\n"), "{said}");
    assert_eq!(boot.text_of("/Lifeboat/password.txt"), "secret");
    assert!(boot.text_of("/Lifeboat/lifeboat.toml").contains("to = 'a'"));
    // Names that differ only in letter case are one file.
    assert_eq!(boot.text_of("/Lifeboat/usmt/ScanState.exe"), "new");
    assert_eq!(boot.text_of("/Lifeboat/usmt/own.xml"), "xml");
    let listing = boot.listing();
    let same = |path: &&String| path.eq_ignore_ascii_case("/Lifeboat/USMT/scanstate.exe");
    assert_eq!(listing.keys().filter(same).count(), 1);
    assert!(boot.inject(&[]).contains("nothing to do"));
    boot.inject(&["--undo"]);
    assert_eq!(boot.listing(), before);
}

#[test]
fn a_dry_run_changes_nothing() {
    let boot = need!(Boot::new(&[]));
    let before = fs::read(boot.path("boot.wim")).unwrap();
    let said = boot.inject(&["--dry-run"]);
    assert!(said.contains("+ \\Lifeboat\\lifeboat.exe"), "{said}");
    assert!(said.contains("~ \\Windows\\System32\\startnet.cmd"), "{said}");
    assert!(fs::read(boot.path("boot.wim")).unwrap() == before);
}

#[test]
fn where_another_shell_starts_it_waits_to_be_called() {
    for text in [
        // ConfigMgr's, and MDT's.
        "[LaunchApp]\r\nAppPath=%SYSTEMDRIVE%\\sms\\bin\\x64\\TsBootShell.exe\r\n",
        "[LaunchApps]\r\n%SYSTEMROOT%\\System32\\bddrun.exe,/bootstrap\r\n",
    ] {
        let shell = ("Windows/System32/WINPESHL.INI", text);
        let boot = need!(Boot::new(&[shell]));
        boot.inject(&[]);
        assert_eq!(boot.text_of("/Windows/System32/startnet.cmd"), "wpeinit\r\n");
        let said = boot.inject(&["--start", "yes"]);
        assert!(said.contains("startnet.cmd, which gets the call, does\n  not run"), "{said}");
        assert!(boot.text_of("/Windows/System32/startnet.cmd").ends_with(HOOK));
        assert_eq!(boot.text_of("/Windows/System32/WINPESHL.INI"), text);
        boot.inject(&["--undo"]);
        assert_eq!(boot.text_of("/Windows/System32/startnet.cmd"), "wpeinit\r\n");
        assert_eq!(boot.text_of("/Windows/System32/WINPESHL.INI"), text);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_changes() {
    let boot = need!(Boot::new(&[]));
    let before = boot.listing();
    let refused = |args: &[&str], why: &str| {
        let done = boot.run(args);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains(why), "{args:?}: {said}");
    };
    let exe = boot.exe.to_str().unwrap();
    refused(&["--exe", "/no/such.exe"], "there is no such file");
    refused(
        &["--exe", boot.path("tree/sources/recovery/a.txt").to_str().unwrap()],
        "not a Windows",
    );
    refused(&["--exe", exe, "--settings", "/no/such.toml"], "there is no such file");
    // USMT for another architecture: scanstate.exe would not start.
    let usmt = boot.path("add/USMT");
    fs::create_dir_all(&usmt).unwrap();
    let mut program = fs::read(exe).unwrap();
    let header = u32::from_le_bytes(program[0x3C..0x40].try_into().unwrap()) as usize;
    program[header + 4..header + 6].copy_from_slice(&0x014C_u16.to_le_bytes());
    fs::write(usmt.join("ScanState.exe"), program).unwrap();
    let add = boot.path("add");
    let add = add.to_str().unwrap();
    refused(
        &["--exe", exe, "--add", add],
        "the boot image is for x64, USMT's scanstate.exe for x86",
    );
    refused(&["--exe", exe, "--image", "7"], "there is no image 7");
    refused(&["--exe", exe, "--image", "all"], "Give the number of one image");
    boot.wimlib(&["info", "boot.wim", "1", "--image-property", "WINDOWS/ARCH=0"]);
    refused(&["--exe", exe], "the boot image is for x86, the program for x64");
    boot.wimlib(&["info", "boot.wim", "1", "--image-property", "WINDOWS/ARCH=12"]);
    refused(&["--exe", exe], "the boot image is for arm64, the program for x64");
    boot.wimlib(&["info", "boot.wim", "1", "--image-property", "WINDOWS/ARCH=9"]);
    assert_eq!(boot.listing(), before);
}

#[test]
fn drivers_for_the_image_s_architecture_go_in_and_others_are_named() {
    let boot = need!(Boot::new(&[]));
    let drivers = boot.path("drivers");
    let inf = |path: &str, text: &[u8]| {
        let path = drivers.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    inf("vmd/iaStorVD.inf", b"[Manufacturer]\r\n%I% = Intel,NTamd64.10.0...19041\r\n");
    inf("vmd/sub/iaStorVD.sys", b"MZ");
    // UTF-16, as many vendors write them; what stands in a comment does not count.
    let text = "\u{feff}[Manufacturer]\r\n%I% = Intel, NTarm64 ; NTamd64\r\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    inf("nic/nic.inf", &wide);
    inf("old/old.inf", b"[Version]\r\n[Manufacturer]\r\n\"X\"=X\r\n[X]\r\na=b,NTamd64\r\n");
    let said = boot.inject(&["--drivers", drivers.to_str().unwrap()]);
    assert!(said.contains("driver for arm64, not for x64"), "{said}");
    assert!(said.contains("driver for x86, not for x64"), "{said}");
    let listing = boot.listing();
    for (path, is_there) in [
        ("/Lifeboat/drivers/vmd/iaStorVD.inf", true),
        ("/Lifeboat/drivers/vmd/sub/iaStorVD.sys", true),
        ("/Lifeboat/drivers/nic/nic.inf", false),
        ("/Lifeboat/drivers/old/old.inf", false),
        ("/Lifeboat/drivers.cmd", true),
    ] {
        assert_eq!(listing.contains_key(path), is_there, "{path}");
    }
    // Paths as in a vendor's package, too long for drvload behind \\Lifeboat\\drivers.
    let deep = format!("{}/RAID/f6vmdflpy-x64", ["Latitude 3410 (09EC) & others"; 8].join("/"));
    inf(&format!("{deep}/iaStorVD.inf"), b"[Manufacturer]\r\n%I% = Intel,NTamd64.10.0\r\n");
    inf(&format!("{deep}/iaStorVD.sys"), b"MZ");
    let said = boot.inject(&["--drivers", drivers.to_str().unwrap()]);
    assert!(said.contains(r"too long for WinPE, it becomes \Lifeboat\drivers\"), "{said}");
    let listing = boot.listing();
    let is_there = |name: &str| listing.keys().filter(|path| path.ends_with(name)).count();
    // The one from before, and the new one.
    assert_eq!((is_there("/iaStorVD.inf"), is_there("/iaStorVD.sys")), (2, 2));
    let longest = listing.keys().map(|path| path.chars().count()).max();
    assert!(longest.is_some_and(|len| len < 250), "{listing:?}");
    assert!(boot.inject(&[]).contains("nothing to do"));
    // None that fits.
    let exe = boot.exe.to_str().unwrap();
    let nic = drivers.join("nic");
    let done = boot.run(&["--exe", exe, "--drivers", nic.to_str().unwrap()]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(1) && said.contains("no driver (.inf) for x64"), "{said}");
}

/// As vendors write them: what Windows reads is read here too.
#[test]
fn every_sound_inf_is_read_also_behind_a_link() {
    let boot = need!(Boot::new(&[]));
    let plain = "[Manufacturer]\r\n%I% = Intel,NTamd64\r\n";
    let wide = |text: &str, of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect();
    let cases: [(&str, Vec<u8>); 7] = [
        ("bom", format!("\u{feff}{plain}").into_bytes()),
        ("continued", b"[Manufacturer]\r\n%I% = Intel, \\\r\n  NTamd64 ; x\r\n".to_vec()),
        ("semicolon", b"[Manufacturer]\r\n\"Intel; Corp\"=Models,NTamd64\r\n".to_vec()),
        ("equals", b"[Manufacturer]\r\n\"A=B, C\"=Models,NTamd64\r\n".to_vec()),
        ("wide", wide(plain, u16::to_le_bytes)),
        ("wide-bom", wide(&format!("\u{feff}{plain}"), u16::to_be_bytes)),
        ("lower", b"[manufacturer]\n%i%=intel,ntAMD64.10.0...16299\n".to_vec()),
    ];
    for (name, text) in &cases {
        let folder = boot.path("real").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("x.inf"), text).unwrap();
    }
    fs::write(boot.path("real/top.inf"), plain).unwrap();
    // Another folder, by a link in this one.
    fs::create_dir(boot.path("linked")).unwrap();
    fs::write(boot.path("linked/y.inf"), plain).unwrap();
    std::os::unix::fs::symlink(boot.path("linked"), boot.path("real/more")).unwrap();
    std::os::unix::fs::symlink(boot.path("real"), boot.path("drivers")).unwrap();
    let said = boot.inject(&["--drivers", boot.path("drivers").to_str().unwrap()]);
    let listing = boot.listing();
    for (name, _) in &cases {
        assert!(listing.contains_key(&format!("/Lifeboat/drivers/{name}/x.inf")), "{name}: {said}");
    }
    assert!(listing.contains_key("/Lifeboat/drivers/top.inf"), "{said}");
    assert!(listing.contains_key("/Lifeboat/drivers/more/y.inf"), "{said}");
}

#[test]
fn its_temporary_folder_may_have_any_name_and_says_so_when_it_is_full() {
    let boot = need!(Boot::new(&[]));
    let odd = boot.path("it's \"here\"");
    fs::create_dir(&odd).unwrap();
    let run = |tmp: &Path| {
        let mut command = Command::new(support::root().join("pe-build/inject.sh"));
        command.arg(boot.path("boot.wim")).arg("--exe").arg(&boot.exe).env("TMPDIR", tmp);
        command.output().unwrap()
    };
    let done = run(&odd);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(boot.text_of("/Windows/System32/startnet.cmd").ends_with(HOOK));
    assert_eq!(fs::read_dir(&odd).unwrap().count(), 0);
    let done = run(&boot.path("none"));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(1) && said.contains("TMPDIR=FOLDER"), "{said}");
    // A `cp` that fails stands in for a full disk.
    let bin = boot.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("cp"), "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(bin.join("cp"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let mut command = Command::new(support::root().join("pe-build/inject.sh"));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    command.arg(boot.path("boot.wim")).arg("--exe").arg(&boot.exe).env("PATH", path);
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("could not be copied") && said.contains("TMPDIR=FOLDER"), "{said}");
}

/// A boot manager of the tests' own, signed under a CA of this name.
fn boot_manager(dir: &Path, ca: &str) -> PathBuf {
    let steps = r#"
        printf 'BOOTMGRSECURITYVERSIONNUMBER RCDATA { 0x0001, 0x0007 }\n' > r.rc
        printf 'int main(void) { return 0; }\n' > m.c
        x86_64-w64-mingw32-windres r.rc -O coff -o r.o
        x86_64-w64-mingw32-gcc -s m.c r.o -o m.exe
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj "$1"
        openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=Leaf
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem
        osslsigncode sign -certs leaf.pem -key leaf.key -in m.exe -out signed.efi
    "#;
    let subject = if ca.starts_with('/') { ca.to_owned() } else { format!("/CN={ca}") };
    fs::create_dir_all(dir).unwrap();
    let mut shell = Command::new("bash");
    let done = shell.args(["-ec", steps, "bash", &subject]).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    dir.join("signed.efi")
}

/// A signed program with the signature of another one behind its own.
fn with_signature_of(mut file: Vec<u8>, other: &[u8]) -> Vec<u8> {
    // The fifth data directory of a PE32+ (PE/COFF 3.4.3): where the signatures are, and their length.
    let place = |file: &[u8]| {
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let directory = number(0x3C) + 24 + 112 + 4 * 8;
        (directory, number(directory), number(directory + 4))
    };
    let (_, from, len) = place(other);
    file.extend_from_slice(&other[from..from + len]);
    let (directory, _, own) = place(&file);
    let both = u32::try_from(own + len).unwrap();
    file[directory + 4..directory + 8].copy_from_slice(&both.to_le_bytes());
    file
}

#[test]
fn by_which_ca_a_boot_manager_is_signed_is_said() {
    need!("mingw", "openssl", "osslsigncode", "python3");
    let dir = tempfile::tempdir().unwrap();
    let old = boot_manager(&dir.path().join("old"), "Microsoft Windows Production PCA 2011");
    let new = boot_manager(&dir.path().join("new"), "Windows UEFI CA 2023");
    let run = |file: &Path| {
        let mut command = Command::new(support::root().join("pe-build/bootmgr.py"));
        let done = command.arg(file).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let (code, said) = run(&new);
    assert!(code == Some(0) && said.contains("by the CA of 2023, SVN 7.1"), "{said}");
    assert!(said.contains("firmware stores a higher SVN") && said.contains("have 8.0"), "{said}");
    assert!(said.contains("were not verified"), "{said}");
    let (code, said) = run(&old);
    assert!(code == Some(3) && said.contains("by the CA of 2011, SVN 7.1"), "{said}");
    assert!(said.contains("refuses it"), "{said}");
    let shim = boot_manager(&dir.path().join("shim"), "Microsoft UEFI CA 2023");
    let (code, said) = run(&shim);
    assert!(code == Some(3) && said.contains("by the UEFI CA of 2023 for other systems"), "{said}");
    let (code, said) = run(&dir.path().join("new/m.exe"));
    assert!(code == Some(3) && said.contains("m.exe: unsigned, SVN 7.1\n"), "{said}");
    assert!(!said.contains("verified"), "{said}");
    assert_eq!(run(&dir.path().join("new/r.rc")).0, Some(1));
    // A file that was not copied to its end is not an unsigned one.
    let whole = fs::read(&new).unwrap();
    for length in [whole.len() - 8, whole.len() / 2, 100] {
        let cut = dir.path().join("cut.efi");
        fs::write(&cut, &whole[..length]).unwrap();
        let mut command = Command::new(support::root().join("pe-build/bootmgr.py"));
        let done = command.arg(&cut).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains("cut short"), "{length}: {said}");
    }
    // Only the common name is the CA's, and only as a whole.
    for (at, subject) in ["/O=Windows UEFI CA 2023/CN=Mallory", "/CN=Not the Windows UEFI CA 2023"]
        .iter()
        .enumerate()
    {
        let alike = boot_manager(&dir.path().join(format!("alike{at}")), subject);
        let (code, said) = run(&alike);
        assert!(code == Some(3) && said.contains("signed by neither"), "{subject}: {said}");
    }
    // A file that cannot be read does not hide the others.
    let mut command = Command::new(support::root().join("pe-build/bootmgr.py"));
    let done = command.arg(dir.path().join("none")).arg(&new).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.code() == Some(1) && said.contains("by the CA of 2023"), "{said}");

    // Signed by both. Of a signature within a signature, firmware knows nothing; of two beside
    // each other, the one that is revoked is enough to refuse the file.
    let keys = dir.path().join("new");
    let nest = |out: &str, args: &[&str]| {
        let mut command = Command::new("osslsigncode");
        command.args(["sign", "-certs", "leaf.pem", "-key", "leaf.key", "-out", out]);
        let done = command.args(args).current_dir(&keys).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        keys.join(out)
    };
    let nested = nest("nested.efi", &["-nest", "-in", old.to_str().unwrap()]);
    let (code, said) = run(&nested);
    assert!(code == Some(3) && said.contains("by the CA of 2011,"), "{said}");
    let both = keys.join("both.efi");
    fs::write(&both, with_signature_of(fs::read(&old).unwrap(), &fs::read(&new).unwrap())).unwrap();
    let (code, said) = run(&both);
    assert!(code == Some(3) && said.contains("by the CAs of 2011 and 2023"), "{said}");

    // And of the image that Lifeboat goes into.
    let boot = need!(Boot::new(&[]));
    let add = format!("--command=add '{}' /Windows/Boot/EFI/bootmgfw.efi", old.display());
    boot.wimlib(&["update", "boot.wim", "1", &add]);
    let said = boot.inject(&["--dry-run"]);
    assert!(said.contains("bootmgfw.efi: signed by the CA of 2011"), "{said}");
}

#[test]
fn startnet_of_the_image_reaches_the_guided_rescue() {
    let boot = need!(Boot::new(&[]));
    let wine = need!("wine", wine::find);
    boot.inject(&[]);
    boot.wimlib(&["extract", "boot.wim", "1", "/", "--dest-dir=booted", "--no-acls"]);
    let _x = wine.letter('x', &boot.path("booted"));
    // Wine starts from C:, WinPE from X:.
    let booted = |command: &str| format!("SystemDrive=X:&&{command}");
    let startnet = booted(r"X:\Windows\System32\startnet.cmd");
    let screen = need!(Tmux::start(boot.dir.path(), &[]));
    screen.run(&format!("{} /c set '{startnet}' 2> err", wine.shell_line(Path::new("cmd"))));
    // Wine's console draws a page in pieces.
    screen.wait("its first page", |page| page.contains("guided rescue") && page.contains("of 5"));
    // It may have looked through Wine's drives already.
    screen.press(&["Escape"]);
    screen.wait("the prompt after it", |page| {
        if page.contains("Leave?") {
            screen.press(&["l"]);
        }
        page.contains("To start again, type:  lifeboat")
    });
    let ran = wine.run(Path::new("cmd"), &["/c", "set", &startnet]);
    // Without a console there is nobody to guide: it says so, and leaves a prompt.
    assert!(ran.stderr.contains("no command was given"), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("To start again, type:  lifeboat"), "{}", ran.stdout);
    // What F8's prompt finds.
    let shim = booted(r"X:\Windows\System32\lifeboat.cmd");
    let ran = wine.run(Path::new("cmd"), &["/c", "set", &shim, "--version"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("lifeboat "), "{}\n{}", ran.stdout, ran.stderr);
}
