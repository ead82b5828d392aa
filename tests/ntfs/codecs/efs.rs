//! An EFS file from one volume to another: ntfs-3g makes an encrypted file of
//! ciphertext that is given to it (`efs_raw`), we export what stands on that
//! volume, import the export through ntfs-3g into a second one, and both volumes
//! hold the same.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lifeboat::model::name::NtName;
use lifeboat::ntfs::read::efs::{EfsEvent, EfsExport, EfsImport, EfsStream, ntfs_3g_tail};
use ntfs::NtfsAttributeType;
use ntfs::attribute_value::NtfsAttributeValue;
use support::codecs::made;
use support::codecs::volume::{Mounted, Volume};
use support::need;

/// What an encrypted file is on a volume.
#[derive(PartialEq, Debug)]
struct Encrypted {
    efs: Vec<u8>,
    size: u64,
    /// Whole sectors.
    ciphertext: Vec<u8>,
}

/// Lets ntfs-3g make an encrypted file.
fn write(path: &Path, file: &Encrypted) {
    let tail = ntfs_3g_tail(file.size);
    std::fs::write(path, [&file.ciphertext[..], &tail].concat()).unwrap();
    xattr::set(path, "system.ntfs_efsinfo", &file.efs).unwrap();
}

/// Reads an encrypted file from the volume's own structures.
fn read(image: &mut File, volume: &Volume, name: &str) -> Encrypted {
    let file = volume.find(image, &[name]);
    let mut found = Encrypted { efs: Vec::new(), size: 0, ciphertext: Vec::new() };
    // With lists followed: $EFS may stand in a record of its own.
    let mut attributes = file.attributes();
    while let Some(item) = attributes.next(image) {
        let item = item.unwrap();
        let attribute = item.to_attribute().unwrap();
        match attribute.ty().unwrap() {
            NtfsAttributeType::LoggedUtilityStream => {
                assert_eq!(attribute.name().unwrap().to_string_lossy(), "$EFS");
                let mut value = attribute.value(image).unwrap().attach(image);
                value.read_to_end(&mut found.efs).unwrap();
            }
            NtfsAttributeType::Data => {
                assert_eq!(attribute.flags().bits() & 0x4000, 0x4000, "{name}: not encrypted");
                found.size = attribute.value_length();
                let NtfsAttributeValue::NonResident(value) = attribute.value(image).unwrap() else {
                    panic!("{name}: resident");
                };
                for run in value.data_runs().map(Result::unwrap) {
                    let mut bytes = vec![0; usize::try_from(run.allocated_size()).unwrap()];
                    let position = run.data_position().value().unwrap().get();
                    image.read_exact_at(&mut bytes, position).unwrap();
                    found.ciphertext.extend(bytes);
                }
                found.ciphertext.truncate(found.size.next_multiple_of(512) as usize);
            }
            _ => {}
        }
    }
    found
}

fn export(file: &Encrypted) -> Vec<u8> {
    let read_at = |at: u64, buf: &mut [u8]| {
        let at = usize::try_from(at).unwrap();
        buf.copy_from_slice(&file.ciphertext[at..at + buf.len()]);
        Ok::<(), std::convert::Infallible>(())
    };
    let (name, size) = (NtName::default(), file.size);
    let stream = EfsStream { name, size, valid: size, sparse: None, is_encrypted: true, read_at };
    let mut export = EfsExport::new(&file.efs, vec![stream], 4096).unwrap();
    let mut bytes = vec![0; usize::try_from(export.len()).unwrap()];
    assert_eq!(export.read(&mut bytes), Ok(bytes.len()));
    bytes
}

fn import(bytes: &[u8]) -> Encrypted {
    let mut file = Encrypted { efs: Vec::new(), size: 0, ciphertext: Vec::new() };
    let mut import = EfsImport::new(bytes);
    while let Some(event) = import.next_event().unwrap() {
        match event {
            EfsEvent::Metadata(efs) => file.efs = efs,
            EfsEvent::Stream { name, is_encrypted } => assert!(name.is_empty() && is_encrypted),
            EfsEvent::Segment { size_end, .. } => file.size = file.size.max(size_end),
            EfsEvent::Data { offset, bytes } => {
                assert_eq!(offset, file.ciphertext.len() as u64);
                file.ciphertext.extend(bytes);
            }
        }
    }
    file
}

#[test]
fn an_encrypted_file_goes_from_volume_to_volume() {
    let first = need!(Mounted::new(16, "efs_raw"));
    let second = need!(Mounted::new(16, "efs_raw"));
    let mut efs = made::random(700, 3);
    for (place, word) in efs.chunks_exact_mut(4).zip([700_u32, 0, 2]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let sizes = [1_u64, 511, 512, 513, 4096, 65_535, 65_536, 65_537, 300_001];
    let made: Vec<_> = sizes
        .iter()
        .map(|size| {
            let ciphertext = made::random(size.next_multiple_of(512) as usize, *size);
            Encrypted { efs: efs.clone(), size: *size, ciphertext }
        })
        .collect();
    for file in &made {
        write(&first.root().join(format!("{}.enc", file.size)), file);
    }
    let (mut image, _first) = first.into_image();
    let volume = Volume::open(&mut image);
    for file in &made {
        let name = format!("{}.enc", file.size);
        let found = read(&mut image, &volume, &name);
        assert!(found == *file, "{name}: ntfs-3g has written something else");
        write(&second.root().join(&name), &import(&export(&found)));
    }
    let (mut image, _second) = second.into_image();
    let volume = Volume::open(&mut image);
    for file in &made {
        let name = format!("{}.enc", file.size);
        assert!(read(&mut image, &volume, &name) == *file, "{name} is another");
    }
}
