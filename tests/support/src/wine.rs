//! Runs a Windows program under Wine, as plain as it gets: no window, no
//! console, a prefix of its own in the target folder.
//!
//! `docs/guide/windows.md` lists what Wine cannot show.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::require;

/// Longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Wine, ready to run programs.
pub struct Wine {
    program: PathBuf,
    prefix: PathBuf,
}

/// A drive letter that shows a folder, until this is dropped.
pub struct Letter {
    link: PathBuf,
}

impl Drop for Letter {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.link);
    }
}

/// How a program under Wine ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed, line ends as Unix has them.
    pub stdout: String,
    /// What it complained of, line ends as Unix has them.
    pub stderr: String,
}

/// A folder that programs under Wine see as a share, until this is dropped.
pub struct Share {
    link: PathBuf,
    /// `\\host\share`
    pub unc: String,
}

/// The drive `K:`, a stick with the label LIFEBOAT, for one test at a time.
pub struct Labelled {
    /// What programs see as `K:\`.
    pub folder: PathBuf,
    _one_at_a_time: File,
}

/// The drive `L:`, for one test at a time.
pub struct Drive {
    /// What programs see as `L:\`.
    pub folder: PathBuf,
    /// What programs see as the device `\\.\L:`.
    pub device: PathBuf,
    _one_at_a_time: File,
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.link);
        let _ = self.link.parent().map(fs::remove_dir);
    }
}

/// Wine with a prefix; `None` where it is not installed. The first call on a
/// machine takes some 7 s and 700 MB below `target/tmp`; all tests share it.
pub fn find() -> Option<Wine> {
    // Debian's /usr/bin/wine is a script that grumbles when there is no 32-bit Wine.
    let debian = Some(PathBuf::from("/usr/lib/wine/wine64")).filter(|file| file.is_file());
    let program =
        debian.or_else(|| require::program("wine64").or_else(|| require::program("wine")))?;
    let version = Command::new(&program).arg("--version").output().ok()?;
    let version =
        String::from_utf8_lossy(&version.stdout).replace(|c: char| !c.is_alphanumeric(), "-");
    let prefix = crate::target_folder().join(version.trim_matches('-'));
    let wine = Wine { program, prefix };
    wine.prepare().expect("Wine's prefix can be made");
    Some(wine)
}

impl Wine {
    /// Makes the prefix, unless an earlier test did.
    fn prepare(&self) -> io::Result<()> {
        let lock = File::create(self.prefix.with_extension("lock"))?;
        lock.lock()?; // until `lock` is dropped: one test makes it, the others wait
        let ready = self.prefix.join("lifeboat-ready-2"); // a number for what is prepared
        if ready.exists() {
            return Ok(());
        }
        if self.prefix.exists() {
            fs::remove_dir_all(&self.prefix)?; // the one who made it was interrupted
        }
        let mut boot = self.command();
        let boot = boot.args(["wineboot", "--init"]).stdout(Stdio::null()).stderr(Stdio::null());
        let status = wait(boot.spawn()?)?;
        assert!(status.success(), "wineboot: {status}");
        fs::create_dir_all(self.prefix.join("dosdevices/unc"))?;
        self.add_drives()?;
        // Wine's services outlive a program by seconds; the next ones see both.
        let server = require::program("wineserver");
        let server = server.unwrap_or_else(|| self.program.with_file_name("wineserver"));
        let ended = self.ours(server).arg("--wait").spawn()?;
        assert!(wait(ended)?.success(), "wineserver --wait");
        File::create(ready).map(drop)
    }

    fn command(&self) -> Command {
        self.ours(&self.program)
    }

    /// A part of Wine, with the prefix of the tests.
    fn ours(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            // No .NET, no HTML, nothing in the user's menus.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=;winemenubuilder.exe=d")
            .env("HOME", &self.prefix)
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        command
    }

    /// What a shell types to run a program with a console: variables, Wine, the
    /// program.
    pub fn shell_line(&self, exe: &Path) -> String {
        let command = self.command();
        let variables = command
            .get_envs()
            .filter_map(|(name, value)| Some(format!("{}='{}'", name.to_str()?, value?.to_str()?)));
        let variables: Vec<String> = variables.collect();
        format!("{} '{}' '{}'", variables.join(" "), self.program.display(), exe.display())
    }

    /// How Windows programs call a file or folder of this machine.
    pub fn path(path: &Path) -> String {
        let path = std::path::absolute(path).expect("the path is not empty");
        format!("Z:{}", path.to_str().expect("tests use plain names").replace('/', "\\"))
    }

    /// Shows a folder as a share, under a name that no other test has.
    pub fn share(&self, folder: &Path) -> Share {
        static SHARES: AtomicU32 = AtomicU32::new(0);
        let number = SHARES.fetch_add(1, Ordering::Relaxed);
        let host = format!("host-{}-{number}", std::process::id());
        let dir = self.prefix.join("dosdevices/unc").join(&host);
        fs::create_dir_all(&dir).expect("the prefix can be written to");
        let link = dir.join("share");
        let _ = fs::remove_file(&link); // left behind by a process of the same number
        symlink(std::path::absolute(folder).expect("the path is not empty"), &link)
            .expect("the prefix can be written to");
        Share { link, unc: format!("\\\\{host}\\share") }
    }

    /// The drive that programs see as a device too.
    pub fn drive(&self) -> Drive {
        let lock = File::create(self.prefix.with_extension("drive")).expect("the folder is ours");
        lock.lock().expect("files can be locked");
        let (folder, device) = self.drive_leads_to();
        Drive { folder, device, _one_at_a_time: lock }
    }

    /// Shows a folder as a drive. Tests that run side by side take different letters.
    pub fn letter(&self, letter: char, folder: &Path) -> Letter {
        let link = self.prefix.join("dosdevices").join(format!("{letter}:"));
        let _ = fs::remove_file(&link); // left behind by a test that died
        symlink(std::path::absolute(folder).expect("the path is not empty"), &link)
            .expect("the prefix can be written to");
        Letter { link }
    }

    fn drive_leads_to(&self) -> (PathBuf, PathBuf) {
        (self.prefix.join("drive_l"), self.prefix.join("drive_l.img"))
    }

    /// The drive whose label is LIFEBOAT.
    pub fn labelled(&self) -> Labelled {
        let lock = File::create(self.prefix.with_extension("labelled"));
        let lock = lock.expect("the folder is ours");
        lock.lock().expect("files can be locked");
        Labelled { folder: self.prefix.join("drive_k"), _one_at_a_time: lock }
    }

    /// Makes `L:` and `K:`. Wine learns of devices and labels once, when its services
    /// start, so they are there before any test; the tests change what `L:` leads to.
    fn add_drives(&self) -> io::Result<()> {
        let (folder, device) = self.drive_leads_to();
        fs::create_dir(&folder)?;
        File::create(&device)?.set_len(1 << 20)?;
        let dosdevices = self.prefix.join("dosdevices");
        symlink(std::path::absolute(folder)?, dosdevices.join("l:"))?;
        symlink(std::path::absolute(device)?, dosdevices.join("l::"))?;
        let stick = self.prefix.join("drive_k");
        fs::create_dir(&stick)?;
        fs::write(stick.join(".windows-label"), "LIFEBOAT\n")?;
        symlink(std::path::absolute(stick)?, dosdevices.join("k:"))
    }

    /// Runs a program to its end.
    pub fn run(&self, exe: &Path, args: &[&str]) -> Ran {
        self.run_with(exe, args, &[])
    }

    /// Starts a program that prints into a file: to be stopped in the middle.
    pub fn start(&self, exe: &Path, args: &[&str], out: &Path) -> Child {
        let out = File::create(out).expect("a scratch file");
        let mut command = self.command();
        let command = command.arg(exe).args(args).stdout(out).stderr(Stdio::null());
        command.spawn().expect("Wine starts")
    }

    /// Runs a program to its end, with variables.
    pub fn run_with(&self, exe: &Path, args: &[&str], env: &[(&str, &str)]) -> Ran {
        // Files, not pipes: Wine's own services outlive the program for some
        // seconds and would keep a pipe open.
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let (out, err) = (scratch.path().join("out"), scratch.path().join("err"));
        let child = self
            .command()
            .arg(exe)
            .args(args)
            .envs(env.iter().copied())
            .stdout(File::create(&out).expect("a scratch file"))
            .stderr(File::create(&err).expect("a scratch file"))
            .spawn()
            .expect("Wine starts");
        let status = wait(child).expect("Wine can be waited for");
        let text = |file| {
            let bytes = fs::read(file).expect("a scratch file");
            String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
        };
        let (stdout, stderr) = (text(out), without_wine(&text(err)));
        let code = status.code();
        let code = code.unwrap_or_else(|| panic!("{args:?} ended by {status}\n{stdout}\n{stderr}"));
        Ran { code, stdout, stderr }
    }
}

/// What the program itself has said: on a busy machine Wine, at a program's end,
/// may complain of its own service with a line like `wine client error:10c: sendmsg`, and
/// once after its services started that a drive has no label that it could read.
fn without_wine(stderr: &str) -> String {
    const OF_WINE: [&str; 2] = ["wine client error:", "wine: Read access denied for device"];
    let is_own = |line: &&str| !OF_WINE.iter().any(|start| line.starts_with(start));
    stderr.split_inclusive('\n').filter(is_own).collect()
}

/// Waits, but not for ever.
fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            panic!("no end after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
