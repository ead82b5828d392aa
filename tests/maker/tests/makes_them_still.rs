//! The committed fixtures hold what the maker says, and it still makes them.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use lifeboat_maker::fixtures::{self, Fixture};
use lifeboat_maker::{fixture, is_available, witness};

/// What differs between the image and the data it is made from.
fn differences(fixture: &Fixture, image: &Path) -> Result<Vec<String>> {
    let scratch = tempfile::tempdir()?;
    let extents = fixture.disk.extents();
    let mut found = Vec::new();
    for (partition, volume) in fixture.disk.volumes() {
        let extent = extents[partition];
        let part = cut(image, extent.offset, extent.bytes, scratch.path())?;
        found.extend(witness::differences(&part, &volume.tree)?);
    }
    Ok(found)
}

/// ntfs-3g takes no offset: a partition is mounted as a file of its own.
fn cut(image: &Path, offset: u64, bytes: u64, dir: &Path) -> Result<PathBuf> {
    let path = dir.join("volume.img");
    let mut disk = File::open(image)?;
    disk.seek(SeekFrom::Start(offset))?;
    let mut data = Vec::new();
    disk.take(bytes).read_to_end(&mut data)?;
    File::create(&path)?.write_all(&data)?;
    Ok(path)
}

#[test]
fn the_committed_fixtures_hold_what_the_maker_says() {
    if let Err(missing) = is_available() {
        println!("skipped: {missing}");
        return;
    }
    for made in fixtures::all() {
        let image = fixture(made.name).unwrap();
        assert_eq!(differences(&made, &image).unwrap(), Vec::<String>::new(), "{}", made.name);
    }
}

#[test]
fn the_maker_still_makes_them() {
    if let Err(missing) = is_available() {
        println!("skipped: {missing}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    for made in fixtures::all() {
        let image = scratch.path().join("fixture.img");
        made.make(&image).unwrap();
        assert_eq!(differences(&made, &image).unwrap(), Vec::<String>::new(), "{}", made.name);
        assert_eq!(
            image.metadata().unwrap().len(),
            fixture(made.name).unwrap().metadata().unwrap().len()
        );
    }
}
