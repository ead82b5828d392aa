//! Volumes with very many files, for benches: a Windows folder of the size that
//! real ones have, written through ntfs-3g like everything else, and one small
//! store to find in it; or, with [`Where::Store`], a store of that many files.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::mount::{Mount, MountOptions};
use crate::path::TreePath;
use crate::people::Person;
use crate::populate::populate;
use crate::rng::Rng;
use crate::store::{self, Capture};
use crate::volume::VolumeSpec;

/// Where the many files are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    /// In the Windows folder.
    Windows,
    /// In the store.
    Store,
    /// In a user's profile.
    Profile,
}

impl Where {
    fn folder(self) -> &'static str {
        match self {
            Self::Windows => "Windows/WinSxS",
            Self::Profile => "Users/alice/Projects",
            Self::Store => "StateStore/USMT/File/C$/Users/alice/AppData/Local/Cache",
        }
    }

    /// Files in one folder. A Windows folder of today is nearly all small ones:
    /// somebody counted 277,286 files in 97,319 folders below his `C:\Windows`.
    fn in_folder(self) -> u64 {
        match self {
            Self::Windows => 3,
            Self::Store => 250,
            Self::Profile => 20,
        }
    }
}

/// Makes a bare volume with `files` files and a hard-link store.
pub fn many(path: &Path, files: u64, place: Where, mut progress: impl FnMut(u64)) -> Result<()> {
    // A record of 1 KiB each, an index entry, a cluster for every eighth; a record
    // and a block of its index for each folder.
    let folders = files / place.in_folder();
    let mut volume = VolumeSpec::new("Many", (64 << 20) + files * 2200 + folders * 6000);
    let alice = Person::new("alice", 1104, 1);
    alice.small_profile(&mut volume.tree);
    let usmt = TreePath::from("StateStore/USMT");
    store::capture(&mut volume.tree, &usmt, 'C', &[alice.home()], Capture::Link);
    store::markers(&mut volume.tree, &usmt, 1, true);
    store::hardlink_main(&mut volume.tree, &usmt, &[('C', store::guid(1))]);
    volume.format(path)?;
    populate(path, &volume.tree)?;

    let mount = Mount::new(path, MountOptions::default())?;
    let done =
        write_files(&mount.path().join(place.folder()), files, place.in_folder(), &mut progress);
    mount.unmount()?;
    done
}

fn write_files(
    root: &Path,
    files: u64,
    in_folder: u64,
    progress: &mut impl FnMut(u64),
) -> Result<()> {
    let mut rng = Rng::new(files);
    let mut folder = root.to_owned();
    for number in 0..files {
        if number % in_folder == 0 {
            let id = rng.next_u64();
            folder = root.join(format!(
                "{:02x}/amd64_microsoft-windows-component_{id:016x}_10.0.19041.1_none",
                id >> 56
            ));
            fs::create_dir_all(&folder)?;
            progress(number);
        }
        let name =
            folder.join(format!("component{number:07}.{}", rng.pick(&["dll", "mui", "man"])));
        let mut file = File::create(&name).with_context(|| name.display().to_string())?;
        // Most of it fits the record; every eighth file takes a cluster.
        let len = if number % 8 == 0 { 900 } else { 80 };
        file.write_all(&[0x2E; 900][..len])?;
    }
    progress(files);
    Ok(())
}
