//! A fresh NTFS volume in an image file, mounted by ntfs-3g for one test.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Every kind of fact set and shown, as the project's notes on ntfs-3g tell.
pub const ALL_FACTS: &str = "streams_interface=xattr,permissions,compression,efs_raw";

/// A mounted image; unmounted when dropped.
pub struct Mounted {
    at: PathBuf,
    _scratch: tempfile::TempDir,
    image: PathBuf,
    server: Option<Child>,
    /// The loop device that it is mounted through.
    device: Option<String>,
}

impl Mounted {
    /// A new volume of `mib` MiB, mounted for writing with all facts.
    pub fn fresh(mib: u64) -> Self {
        Self::fresh_at(mib, "mount")
    }

    /// The same, mounted at a folder of this name.
    pub fn fresh_at(mib: u64, name: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("volume.img");
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        run(Command::new("mkntfs").args(["-F", "-Q", "-q", "-L", "LIFEBOAT"]).arg(&image));
        let at = scratch.path().join(name);
        std::fs::create_dir(&at).unwrap();
        let mut made = Self { at, _scratch: scratch, image, server: None, device: None };
        made.mount(ALL_FACTS);
        made
    }

    pub fn path(&self) -> &Path {
        &self.at
    }

    pub fn image(&self) -> &Path {
        &self.image
    }

    fn mount(&mut self, options: &str) {
        let from = self.device.as_deref().map_or(self.image.as_path(), Path::new);
        let server = Command::new("ntfs-3g")
            // In the foreground, so that its end is seen.
            .args(["-n", "-o", &format!("no_detach,{options}")])
            .args([from, &self.at])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = self.server.insert(server);
        let below = std::fs::metadata(self.at.parent().unwrap()).unwrap().dev();
        let until = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(&self.at).unwrap().dev() == below {
            assert!(server.try_wait().unwrap().is_none(), "ntfs-3g refused the image");
            assert!(Instant::now() < until, "ntfs-3g did not mount the image");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Unmounts, and waits until ntfs-3g has closed the image.
    pub fn unmount(&mut self) {
        if let Some(mut server) = self.server.take() {
            run(Command::new("fusermount").arg("-u").arg(&self.at));
            server.wait().unwrap();
        }
    }

    /// Stops ntfs-3g, as a server or a disk that does not answer: whoever looks at
    /// the mount waits, until it is thawed or dropped.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let server = self.server.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &server]).status().unwrap().success());
    }

    /// Mounts it again with other options.
    pub fn remount(&mut self, options: &str) {
        self.unmount();
        self.mount(options);
    }

    /// Mounts it again through a block device, whose name it returns.
    pub fn remount_by_loop(&mut self) -> String {
        self.unmount();
        let attached =
            Command::new("losetup").args(["-f", "--show"]).arg(&self.image).output().unwrap();
        assert!(attached.status.success(), "{attached:?}");
        let device = String::from_utf8(attached.stdout).unwrap().trim().to_owned();
        self.device = Some(device.clone());
        self.mount(ALL_FACTS);
        device
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = Command::new("kill").args(["-CONT", &server.id().to_string()]).status();
            let _ = Command::new("fusermount").arg("-uz").arg(&self.at).status();
            let _ = server.wait();
        }
        if let Some(device) = &self.device {
            let _ = Command::new("losetup").args(["-d", device]).status();
        }
    }
}

fn run(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{path}:/sbin:/usr/sbin")).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
