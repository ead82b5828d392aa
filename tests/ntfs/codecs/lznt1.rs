//! Compressed files that ntfs-3g has written.

use std::collections::BTreeMap;

use support::codecs::made;
use support::codecs::volume::{Mounted, UNIT, Volume, decode};
use support::need;

#[test]
fn what_ntfs_3g_compresses_is_read() {
    let mounted = need!(Mounted::new(64, "compression"));
    let folder = mounted.packed_folder();
    let mut want = BTreeMap::new();
    for (number, bytes) in made::files().into_iter().enumerate() {
        let name = format!("{number:04}");
        std::fs::write(folder.join(&name), &bytes).unwrap();
        want.insert(name, bytes);
    }
    let (mut image, _dir) = mounted.into_image();
    let volume = Volume::open(&mut image);
    let (mut compressed, mut stored, mut zeros, mut resident) = (0, 0, 0, 0);
    for (name, bytes) in want {
        let Some((units, size)) = volume.units(&mut image, &["packed", &name]) else {
            resident += 1;
            continue;
        };
        for unit in &units {
            *(match unit.len() {
                UNIT => &mut stored,
                0 => &mut zeros,
                _ => &mut compressed,
            }) += 1;
        }
        assert!(decode(&units, size) == bytes, "file {name} of {} bytes", bytes.len());
    }
    println!("{compressed} units compressed, {stored} stored, {zeros} zeros; {resident} resident");
    assert!(compressed > 100 && stored > 5, "{compressed} compressed, {stored} stored");
}
