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
        boot.inject(&["--start", "yes"]);
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
    refused(&["--exe", exe, "--image", "7"], "there is no image 7");
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

/// A boot manager of the tests' own, signed under a CA of this name.
fn boot_manager(dir: &Path, ca: &str) -> PathBuf {
    let steps = r#"
        printf 'BOOTMGRSECURITYVERSIONNUMBER RCDATA { 0x0001, 0x0007 }\n' > r.rc
        printf 'int main(void) { return 0; }\n' > m.c
        x86_64-w64-mingw32-windres r.rc -O coff -o r.o
        x86_64-w64-mingw32-gcc -s m.c r.o -o m.exe
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj "/CN=$1"
        openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=Leaf
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem
        osslsigncode sign -certs leaf.pem -key leaf.key -in m.exe -out signed.efi
    "#;
    fs::create_dir_all(dir).unwrap();
    let mut shell = Command::new("bash");
    let done = shell.args(["-ec", steps, "bash", ca]).current_dir(dir).output().unwrap();
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
    let (code, said) = run(&old);
    assert!(code == Some(3) && said.contains("by the CA of 2011, SVN 7.1"), "{said}");
    assert!(said.contains("refuses it"), "{said}");
    let shim = boot_manager(&dir.path().join("shim"), "Microsoft UEFI CA 2023");
    let (code, said) = run(&shim);
    assert!(code == Some(3) && said.contains("by the UEFI CA of 2023 for other systems"), "{said}");
    let (code, said) = run(&dir.path().join("new/m.exe"));
    assert!(code == Some(3) && said.contains("neither"), "{said}");
    assert_eq!(run(&dir.path().join("new/r.rc")).0, Some(1));

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
