//! Real NTFS images: made by mkntfs, filled and shown through ntfs-3g.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat::disk::Device;
use tempfile::TempDir;

/// An image file, read as a device.
pub struct ImageDevice {
    file: File,
    len: u64,
}

impl Device for ImageDevice {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
    fn len(&self) -> u64 {
        self.len
    }
    fn sector_size(&self) -> u32 {
        512
    }
}

/// An NTFS image in a scratch folder of its own.
pub struct Image {
    dir: TempDir,
}

/// A mounted image; unmounted when dropped.
pub struct Mount {
    child: Child,
    path: PathBuf,
}

fn path_with_sbin() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

impl Image {
    /// A fresh volume; `mkntfs` arguments such as `-c 65536` as they are typed.
    pub fn make(bytes: u64, mkntfs: &[&str]) -> Self {
        let image = Self { dir: TempDir::new().expect("a scratch folder") };
        File::create(image.path()).unwrap().set_len(bytes).unwrap();
        let output = Command::new("mkntfs")
            .env("PATH", path_with_sbin())
            .args(["-F", "-Q", "-L", "Lifeboat test"])
            .args(mkntfs)
            .arg(image.path())
            .output()
            .expect("mkntfs runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "mkntfs {mkntfs:?}: {said}");
        image
    }

    /// The image file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("ntfs.img")
    }

    /// A place beside the image.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Mounts it with ntfs-3g and these options (`ro` among them or not).
    pub fn mount(&self, options: &str) -> Mount {
        let path = self.dir.path().join("mnt");
        std::fs::create_dir_all(&path).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        let child = Command::new("ntfs-3g")
            .env("PATH", path_with_sbin())
            .args(["-o", &format!("no_detach,{options}")])
            .args([&self.path(), &path])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ntfs-3g runs");
        let mut mount = Mount { child, path };
        let start = Instant::now();
        loop {
            use std::os::unix::fs::MetadataExt;
            let now = std::fs::metadata(&mount.path).unwrap();
            if now.dev() != before.dev() {
                return mount;
            }
            let ended = mount.child.try_wait().unwrap();
            assert!(ended.is_none(), "ntfs-3g -o {options} refused: {ended:?}");
            assert!(start.elapsed() < Duration::from_secs(20), "ntfs-3g does not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Mounts it for writing, lets `fill` work, and unmounts it.
    pub fn fill(&self, options: &str, fill: impl FnOnce(&Path)) {
        let mount = self.mount(options);
        fill(mount.path());
    }

    /// The image as a device.
    pub fn device(&self) -> Arc<dyn Device> {
        let file = File::open(self.path()).unwrap();
        let len = file.metadata().unwrap().len();
        Arc::new(ImageDevice { file, len })
    }

    /// Overwrites bytes of the image.
    pub fn overwrite(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    /// Bytes of the image.
    pub fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        File::open(self.path()).unwrap().read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }
}

/// Cuts all free space of a mounted volume into pieces of 8 KiB, `count` of
/// them, few of which touch. What is written then is in very many pieces.
pub fn shred_free_space(root: &Path, count: usize) {
    use std::io::Write;
    let folder = root.join("shreds");
    std::fs::create_dir(&folder).unwrap();
    let shred = |i: usize| folder.join(format!("{i}"));
    for i in 0..count * 2 {
        std::fs::write(shred(i), [0x5A; 8192]).unwrap();
    }
    let mut rest = File::create(root.join("rest")).unwrap();
    let mut piece = vec![0xA5; 1 << 20];
    while !piece.is_empty() {
        if rest.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
    rest.sync_all().unwrap();
    // ntfs-3g does not put them side by side in order: any regular choice might
    // free neighbours only.
    let mut state = 1_u64;
    let mut left = count;
    for i in 0..count * 2 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if left > 0 && (state >> 60).is_multiple_of(2) {
            std::fs::remove_file(shred(i)).unwrap();
            left -= 1;
        }
    }
}

impl Mount {
    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let start = Instant::now();
        let mut is_unmounted = false;
        // Only when ntfs-3g has ended is everything in the image.
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Busy for a moment where another thread is just starting a process.
            if !is_unmounted {
                let mut unmount = Command::new("fusermount");
                unmount.arg("-u").arg(&self.path).stderr(Stdio::null());
                is_unmounted = unmount.status().is_ok_and(|status| status.success());
            }
            if start.elapsed() > Duration::from_secs(30) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
