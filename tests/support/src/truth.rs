//! Compares files on the disk with what the fixture's maker put into the image.

use std::os::fd::OwnedFd;
use std::path::Path;

use lifeboat_maker::fixtures::{Expected, ExpectedFile, ExpectedStore};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use sha2::{Digest, Sha256};

/// What was compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    pub files: usize,
    pub folders: usize,
    pub links: usize,
}

/// The files of a store, each with the drive that it belongs to.
pub fn files_of<'a>(
    truth: &'a Expected,
    store: &'a ExpectedStore,
) -> impl Iterator<Item = (char, &'a ExpectedFile)> {
    truth.files.iter().filter_map(|file| {
        let part = store.parts.iter().find(|part| {
            part.partition == file.partition && file.path.below(&part.folder).is_some()
        })?;
        Some((part.drive, file))
    })
}

/// Compares every file and folder of `store` with what stands below
/// `root/<drive>/`: bytes, kinds, and that links are links.
pub fn compare_store(truth: &Expected, store: &ExpectedStore, root: &Path) -> Compared {
    let mut compared = Compared::default();
    let mut inodes = std::collections::HashMap::new();
    for (drive, file) in files_of(truth, store) {
        // Their data is not plain bytes; other tests look at them.
        if file.facts.efs.is_some() || file.facts.reparse.is_some() {
            continue;
        }
        let shown = file.path.to_string();
        let fd = open_deep(root, drive, file).unwrap_or_else(|e| panic!("{shown}: {e}"));
        let stat = fstat(&fd).unwrap();
        if file.is_dir {
            assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::Directory, "{shown}");
            compared.folders += 1;
            continue;
        }
        let (bytes, sha256) = hash(fd);
        assert_eq!(bytes, file.size, "{shown}: its size");
        assert_eq!(sha256, file.sha256, "{shown}: its bytes");
        compared.files += 1;
        if let Some(inode) = inodes.insert((file.partition, file.file_number), stat.st_ino) {
            assert_eq!(inode, stat.st_ino, "{shown} is no hard link any more");
            compared.links += 1;
        }
    }
    assert!(compared.files > 0 && compared.folders > 0, "nothing was compared");
    compared
}

/// Opens a file however deep it lies (paths past `PATH_MAX` too).
fn open_deep(root: &Path, drive: char, file: &ExpectedFile) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // `root/C` itself may be a link to where the volume is mounted.
    let top = root.join(drive.to_string());
    let mut at = openat(CWD, top, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    for name in file.path.names() {
        at = openat(&at, name, flags, Mode::empty())?;
    }
    Ok(at)
}

fn hash(fd: OwnedFd) -> (u64, String) {
    let mut file = std::fs::File::from(fd);
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).unwrap() {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
    (bytes, crate::program::hex(&hash.finalize()))
}
