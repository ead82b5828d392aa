//! NTFS volumes that ntfs-3g writes, and another reader of them (the `ntfs`
//! crate, which gives the runs but does not decode).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat::ntfs::codec::lznt1;
use ntfs::attribute_value::NtfsAttributeValue;
use ntfs::indexes::NtfsFileNameIndex;
use ntfs::{Ntfs, NtfsFile};

use crate::need;

/// Bytes of a compression unit: 16 clusters of 4 KiB.
pub const UNIT: usize = 65_536;

/// An NTFS image, mounted with compression for as long as this lives.
pub struct Mounted {
    ntfs_3g: Child,
    /// `None` once it is unmounted.
    dir: Option<tempfile::TempDir>,
}

impl Mounted {
    /// `None` where the machine cannot mount one; says so.
    pub fn new(megabytes: u64, options: &str) -> Option<Self> {
        need!("fuse");
        let dir = tempfile::tempdir().unwrap();
        let (image, mount) = (dir.path().join("ntfs.img"), dir.path().join("mnt"));
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        std::fs::create_dir(&mount).unwrap();
        let made = Command::new("mkntfs")
            .args(["-F", "-Q", "-q", "-c", "4096"])
            .arg(&image)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "mkntfs failed");
        let ntfs_3g = Command::new("ntfs-3g")
            .args(["-o", &format!("no_detach,{options}")])
            .args([&image, &mount])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut this = Self { ntfs_3g, dir: Some(dir) };
        let begun = Instant::now();
        while !is_mounted(&mount) {
            let status = this.ntfs_3g.try_wait().unwrap();
            assert!(status.is_none(), "ntfs-3g ended by itself: {status:?}");
            assert!(begun.elapsed() < Duration::from_secs(50), "ntfs-3g does not mount");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(this)
    }

    pub fn root(&self) -> std::path::PathBuf {
        self.dir.as_ref().unwrap().path().join("mnt")
    }

    /// A folder all whose files are compressed.
    pub fn packed_folder(&self) -> std::path::PathBuf {
        let folder = self.root().join("packed");
        std::fs::create_dir(&folder).unwrap();
        // FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_COMPRESSED
        xattr::set(&folder, "system.ntfs_attrib_be", &0x810_u32.to_be_bytes()).unwrap();
        folder
    }

    /// Unmounts, waits until all is written, and opens the image.
    pub fn into_image(mut self) -> (File, tempfile::TempDir) {
        let dir = self.dir.take().unwrap();
        let status = Command::new("umount").arg(dir.path().join("mnt")).status().unwrap();
        assert!(status.success(), "umount failed");
        self.ntfs_3g.wait().unwrap();
        (File::open(dir.path().join("ntfs.img")).unwrap(), dir)
    }
}

/// A failed test leaves no mount behind.
impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            let _ = Command::new("umount").arg("-l").arg(dir.path().join("mnt")).output();
            let _ = self.ntfs_3g.wait();
        }
    }
}

fn is_mounted(mount: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|l| l.split(' ').nth(1) == mount.to_str())
}

/// The volume in an image, as the other reader sees it.
pub struct Volume(Ntfs);

impl Volume {
    pub fn open(image: &mut File) -> Self {
        let mut ntfs = Ntfs::new(image).unwrap();
        ntfs.read_upcase_table(image).unwrap();
        Self(ntfs)
    }

    /// A file, by the names from the root down.
    pub fn find(&self, image: &mut File, path: &[&str]) -> NtfsFile<'_> {
        let mut file = self.0.root_directory(image).unwrap();
        for name in path {
            let index = file.directory_index(image).unwrap();
            let mut finder = index.finder();
            let entry = NtfsFileNameIndex::find(&mut finder, &self.0, image, name);
            file = entry.unwrap().unwrap().to_file(&self.0, image).unwrap();
        }
        file
    }

    /// The compression units of a file, raw: what is on the volume of each (16
    /// clusters: stored; fewer: compressed; none: zeros), and the plain size.
    /// `None` for a file that has no runs.
    pub fn units(&self, image: &mut File, path: &[&str]) -> Option<(Vec<Vec<u8>>, usize)> {
        let file = self.find(image, path);
        let data = file.data(image, "").unwrap().unwrap();
        let attribute = data.to_attribute().unwrap();
        let size = usize::try_from(attribute.value_length()).unwrap();
        let runs: Vec<_> = match attribute.value(image).unwrap() {
            NtfsAttributeValue::NonResident(value) => {
                value.data_runs().map(|r| r.unwrap()).collect()
            }
            NtfsAttributeValue::Resident(_) => return None,
            NtfsAttributeValue::AttributeListNonResident(_) => panic!("too fragmented for this"),
        };
        let mut units = vec![Vec::new(); size.div_ceil(UNIT)];
        let mut at = 0;
        for run in runs {
            let mut bytes = vec![0; usize::try_from(run.allocated_size()).unwrap()];
            let position = run.data_position().value();
            if let Some(position) = position {
                image.read_exact_at(&mut bytes, position.get()).unwrap();
            }
            for cluster in bytes.chunks(4096) {
                if position.is_some() && at / UNIT < units.len() {
                    units[at / UNIT].extend_from_slice(cluster);
                }
                at += 4096;
            }
        }
        Some((units, size))
    }
}

/// The plain bytes of a file's units.
pub fn decode(units: &[Vec<u8>], size: usize) -> Vec<u8> {
    let mut plain = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        match unit.len() {
            UNIT => plain.extend_from_slice(unit),
            0 => {}
            _ => lznt1::decompress(unit, &mut plain, UNIT).unwrap(),
        }
        plain.resize((number + 1) * UNIT, 0);
    }
    plain.truncate(size);
    plain
}
