//! An image mounted through ntfs-3g, and unmounted again whatever happens.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// How long ntfs-3g may take to mount, and to finish after the unmount.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a mount shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MountOptions {
    /// Nothing is written to the image.
    pub read_only: bool,
    /// Streams are `file:stream`, of any size, in place of `user.stream`
    /// attributes of 64 KiB at most. Names with a colon cannot be reached then.
    pub windows_streams: bool,
}

/// A mounted image. Dropped, it is unmounted; [`unmount`](Self::unmount) also
/// tells whether that went well.
#[derive(Debug)]
pub struct Mount {
    dir: tempfile::TempDir,
    driver: Option<Child>,
    /// What ntfs-3g said.
    said: File,
}

impl Mount {
    /// Mounts `image` on a folder of its own.
    pub fn new(image: &Path, options: MountOptions) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lifeboat-mount-").tempdir()?;
        let mut words = vec!["no_detach", "big_writes", "permissions", "compression", "efs_raw"];
        words.push(if options.read_only { "ro" } else { "rw" });
        words.push(if options.windows_streams {
            "streams_interface=windows"
        } else {
            "streams_interface=xattr"
        });
        // In the foreground, so that its end can be waited for: only then is
        // everything in the image. Its words go to a file: with a pipe that
        // nobody empties it would stop for ever at the 65,537th byte.
        let said = tempfile::tempfile()?;
        let driver = Command::new("ntfs-3g")
            .args(["-o", &words.join(",")])
            .arg(image)
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.try_clone()?)
            .spawn()
            .context("cannot run ntfs-3g")?;
        let mut mount = Self { dir, driver: Some(driver), said };
        mount.wait_until_there().with_context(|| format!("cannot mount {}", image.display()))?;
        Ok(mount)
    }

    /// Where the volume's root is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Unmounts and waits until everything is in the image.
    pub fn unmount(mut self) -> Result<()> {
        self.end()
    }

    fn wait_until_there(&mut self) -> Result<()> {
        let outside = self.path().parent().unwrap_or(Path::new("/")).metadata()?.dev();
        let start = Instant::now();
        while self.path().metadata()?.dev() == outside {
            if let Some(child) = &mut self.driver
                && child.try_wait()?.is_some()
            {
                self.driver = None;
                let mut said = String::new();
                self.said.rewind()?;
                self.said.read_to_string(&mut said)?;
                bail!("ntfs-3g refused: {}", said.trim());
            }
            ensure!(start.elapsed() < PATIENCE, "ntfs-3g did not mount within {PATIENCE:?}");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut child) = self.driver.take() else { return Ok(()) };
        let start = Instant::now();
        let mut tries = 0;
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "ntfs-3g ended with {status}");
                return Ok(());
            }
            if tries % 50 == 0 {
                // Lazily once asking nicely has failed for a while: a mount left
                // behind would keep its folder and its image busy for ever.
                let flags: &[&str] = if tries < 500 { &["-u"] } else { &["-u", "-z"] };
                let _ = Command::new("fusermount")
                    .args(flags)
                    .arg(self.dir.path())
                    .stderr(Stdio::null())
                    .status();
            }
            ensure!(start.elapsed() < PATIENCE, "{} stays mounted", self.dir.path().display());
            tries += 1;
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Whether volumes can be made and mounted on this machine; if not, what is
/// missing, by name.
pub fn is_available() -> Result<(), String> {
    for program in ["mkntfs", "ntfs-3g", "fusermount"] {
        if find_program(program).is_none() {
            return Err(format!("{program} is not installed (package ntfs-3g or fuse)"));
        }
    }
    match File::open("/dev/fuse") {
        Ok(_) => Ok(()),
        // Users who may not open it have setuid programs that do.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && !is_root() => Ok(()),
        Err(error) => Err(format!("/dev/fuse cannot be opened: {error}")),
    }
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}

/// Where a program is: on the path or where Debian keeps those of root.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
