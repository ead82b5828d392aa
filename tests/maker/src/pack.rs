//! The committed copies of the fixtures in `tests/fixtures`: packed with zstd,
//! unpacked once a machine into its folder for temporary files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

use crate::content::hex;
use crate::disk::copy_sparsely;
use crate::fixtures::{self, Expected};

/// Where the committed fixtures are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// A committed fixture, unpacked. The file is shared by all tests on the
/// machine: read it, never write to it ([`fixture_copy`] is for that).
pub fn fixture(name: &str) -> Result<PathBuf> {
    let packed_path = folder().join(format!("{name}.img.zst"));
    let packed = fs::read(&packed_path)
        .with_context(|| format!("cannot read the fixture {}", packed_path.display()))?;
    // Named by its contents, so that a changed fixture is not taken for the old
    // one and two checkouts do not meet.
    let user = Path::new("/proc/self").metadata()?.uid();
    let cache = std::env::temp_dir().join(format!("lifeboat-fixtures-{user}"));
    let sum = hex(&Sha256::digest(&packed)[..8]);
    let image = cache.join(format!("{name}-{sum}.img"));
    if !image.exists() {
        fs::create_dir_all(&cache)?;
        let fresh = tempfile::NamedTempFile::new_in(&cache)?;
        unpack(&packed, fresh.as_file())?;
        fresh.persist(&image)?;
    }
    Ok(image)
}

/// A committed fixture, unpacked into `dir` for a test to damage.
pub fn fixture_copy(name: &str, dir: &Path) -> Result<PathBuf> {
    let image = dir.join(format!("{name}.img"));
    write_sparsely(&mut File::open(fixture(name)?)?, &File::create(&image)?)?;
    Ok(image)
}

/// What must be found on the fixture called `name`.
pub fn expected(name: &str) -> Result<Expected> {
    Ok(fixtures::by_name(name)?.expected())
}

/// Makes every fixture anew (or those in `only`, where it names any) and packs it
/// into `dir`. Says the packed size of each.
pub fn pack_all(dir: &Path, only: &[&str]) -> Result<Vec<(&'static str, u64)>> {
    fs::create_dir_all(dir)?;
    let scratch = tempfile::tempdir()?;
    let mut sizes = Vec::new();
    for fixture in fixtures::all() {
        if !only.is_empty() && !only.contains(&fixture.name) {
            continue;
        }
        let image = scratch.path().join("fixture.img");
        fixture.make(&image)?;
        let packed = dir.join(format!("{}.img.zst", fixture.name));
        pack(&image, &packed)?;
        sizes.push((fixture.name, packed.metadata()?.len()));
    }
    Ok(sizes)
}

/// Packs with the length and a checksum in the frame, so that damage is noticed.
fn pack(image: &Path, packed: &Path) -> Result<()> {
    let mut image = File::open(image)?;
    let mut encoder = zstd::Encoder::new(File::create(packed)?, 19)?;
    encoder.set_pledged_src_size(Some(image.metadata()?.len()))?;
    encoder.include_checksum(true)?;
    // The table of capitals, 120 KB on every volume, is then packed once a disk.
    encoder.long_distance_matching(true)?;
    encoder.window_log(25)?;
    io::copy(&mut image, &mut encoder)?;
    encoder.finish()?;
    Ok(())
}

fn unpack(packed: &[u8], image: &File) -> Result<()> {
    let mut decoder = zstd::Decoder::with_buffer(packed)?;
    write_sparsely(&mut decoder, image)
}

fn write_sparsely(from: &mut dyn Read, image: &File) -> Result<()> {
    let bytes = copy_sparsely(from, image, 0)?;
    Ok(image.set_len(bytes)?) // the zeros at the end
}
