//! One NTFS volume in an image of its own: formatted, filled, closed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::mount::find_program;
use crate::populate::populate;
use crate::tree::TreeSpec;

/// A volume before it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeSpec {
    /// Its label.
    pub label: String,
    /// Its size in bytes; a few sectors at the end may stay unused.
    pub bytes: u64,
    /// Bytes per sector: 512 or 4096. File records are 1 KiB or 4 KiB with it
    /// (mkntfs gives no other choice).
    pub sector: u32,
    /// Bytes per cluster: a power of two, from one sector to 2 MiB.
    pub cluster: u32,
    /// The serial number in the boot sector.
    pub serial: u64,
    /// What is on it.
    pub tree: TreeSpec,
}

impl VolumeSpec {
    /// A volume of 512-byte sectors and 4 KiB clusters, empty so far.
    pub fn new(label: &str, bytes: u64) -> Self {
        Self {
            label: label.to_owned(),
            bytes,
            sector: 512,
            cluster: 4096,
            serial: 0x1F0A_7E50_0000_0000 | bytes,
            tree: TreeSpec::new(),
        }
    }

    /// Makes the image at `path`, formatted and filled.
    pub fn make(&self, path: &Path) -> Result<()> {
        self.format(path)?;
        populate(path, &self.tree)
            .with_context(|| format!("cannot fill the volume {} in {}", self.label, path.display()))
    }

    /// Makes the image at `path`, formatted and empty.
    pub fn format(&self, path: &Path) -> Result<()> {
        File::create(path)
            .and_then(|file| file.set_len(self.bytes))
            .with_context(|| format!("cannot create {}", path.display()))?;
        let mkntfs = find_program("mkntfs").context("mkntfs is not installed")?;
        let output = Command::new(mkntfs)
            // The geometry only keeps mkntfs from complaining.
            .args(["-F", "-Q", "-q", "-p", "2048", "-H", "255", "-S", "63"])
            .args(["-s", &self.sector.to_string()])
            .args(["-c", &self.cluster.to_string()])
            .args(["-L", &self.label])
            .arg(path)
            .output()
            .context("cannot run mkntfs")?;
        ensure!(
            output.status.success(),
            "mkntfs failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        self.set_serial(path)
    }

    /// Where the copy of the boot sector is: in the last sector.
    pub fn backup_boot_sector(&self) -> u64 {
        let sector = u64::from(self.sector);
        (self.bytes / sector - 1) * sector
    }

    /// mkntfs draws a serial number; a made volume has the one it was given, in
    /// the boot sector and in its copy.
    fn set_serial(&self, path: &Path) -> Result<()> {
        const SERIAL: usize = 0x48;
        let image = OpenOptions::new().read(true).write(true).open(path)?;
        let mut boot = [0; 512];
        image.read_exact_at(&mut boot, 0)?;
        let copy_at = self.backup_boot_sector();
        let mut copy = [0; 512];
        image.read_exact_at(&mut copy, copy_at)?;
        ensure!(copy[..SERIAL] == boot[..SERIAL], "mkntfs left no boot sector copy at {copy_at}");
        for at in [0, copy_at] {
            image.write_all_at(&self.serial.to_le_bytes(), at + SERIAL as u64)?;
        }
        Ok(())
    }
}
