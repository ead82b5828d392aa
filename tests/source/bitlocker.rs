//! BitLocker volumes of every kind: what is read of them equals the image that was wrapped, byte
//! for byte.
#![cfg(target_os = "linux")]

use std::io;
use std::sync::{Arc, OnceLock};

use lifeboat::disk::bitlocker::{
    BitLockerError, Conversion, Doubt, InConversion, KeyFile, Keyring, Locked, ProtectorKind,
    RecoveryKey, StartupKey, Unlocked, VolumeKey, VolumePassword,
};
use lifeboat::disk::{Device, MemoryDevice};
use lifeboat_maker::bitlocker::{
    Cipher, OTHER_RECOVERY, PASSWORD, Progress, Protector, RECOVERY, Wrap, Wrapped, kinds,
    set_encrypted, wrap,
};
use lifeboat_maker::rng::Rng;

/// An NTFS volume with a store.
fn plain() -> &'static [u8] {
    static PLAIN: OnceLock<Vec<u8>> = OnceLock::new();
    PLAIN.get_or_init(|| std::fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap())
}

fn device(image: Vec<u8>) -> Arc<dyn Device> {
    Arc::new(MemoryDevice::new(image))
}

fn recovery(digits: &str) -> VolumeKey {
    VolumeKey::Recovery(RecoveryKey::parse(digits).unwrap())
}

/// Everything that opens the made volumes.
fn ring(made: &Wrapped) -> Keyring {
    Keyring {
        files: vec![KeyFile::parse(RECOVERY.as_bytes())],
        loose: Vec::new(),
        startup: vec![StartupKey::parse(&made.bek[0]).unwrap()],
        passwords: vec![VolumePassword::new(PASSWORD)],
    }
}

fn open(made: &Wrapped) -> Unlocked {
    let locked = Locked::read(&device(made.image.clone())).unwrap();
    ring(made).try_all(&locked).unwrap().unwrap()
}

fn view(device: &dyn Device) -> Vec<u8> {
    let mut all = vec![0; usize::try_from(device.len()).unwrap()];
    device.read_exact_at(0, &mut all).unwrap();
    all
}

/// The first sector that differs.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    assert_eq!(a.len(), b.len());
    a.chunks(512).zip(b.chunks(512)).position(|(a, b)| a != b).map(|sector| sector * 512)
}

#[test]
fn every_sector_of_every_kind_equals_the_image() {
    let plain = plain();
    let all = kinds(plain.len() as u64);
    assert!(all.len() >= 20, "{}", all.len());
    for (name, how) in all {
        let made = wrap(plain, &how).unwrap();
        let unlocked = open(&made);
        let Some(caught) = made.caught else {
            let seen = view(&*unlocked.device);
            assert_eq!(first_difference(&seen, plain), None, "{name}");
            let doubts = match name {
                "two-bad-copies" => vec![Doubt::BadCopies { bad: 2 }],
                "no-good-copy" => vec![Doubt::NoGoodCopy, Doubt::HashDiffers],
                _ => Vec::new(),
            };
            assert_eq!(unlocked.doubts, doubts, "{name}");
            continue;
        };
        // What was caught in conversion is an error by name, and nothing else is.
        let len = plain.len() as u64;
        let named = InConversion { start: caught.start, len: caught.end - caught.start };
        for at in (0..len).step_by(4096) {
            let mut sector = [0; 4096];
            let read = unlocked.device.read_exact_at(at, &mut sector);
            if caught.contains(&at) {
                let error = read.unwrap_err();
                let inner = error.get_ref().and_then(|e| e.downcast_ref::<InConversion>());
                let inner = inner.unwrap_or_else(|| panic!("{name}: {error} at {at:#x}"));
                assert_eq!(inner.start + inner.len, named.start + named.len, "{name}");
            } else {
                read.unwrap_or_else(|error| panic!("{name}: {error} at {at:#x}"));
                let index = usize::try_from(at).unwrap();
                assert_eq!(sector, plain[index..index + 4096], "{name} at {at:#x}");
            }
        }
        assert!(matches!(unlocked.doubts[..], [Doubt::InConversion(_)]), "{:?}", unlocked.doubts);
    }
}

#[test]
fn reads_of_any_offset_and_length_give_the_same() {
    let plain = plain();
    for (name, how) in kinds(plain.len() as u64) {
        let made = wrap(plain, &how).unwrap();
        if made.caught.is_some() {
            continue;
        }
        let unlocked = open(&made).device;
        let mut rng = Rng::from_text(15, name.as_bytes());
        for _ in 0..400 {
            let longest = *rng.pick(&[1_u64, 17, 513, 5000, 70_000, 300_000]);
            let at = rng.below(unlocked.len());
            let len = rng.below(longest + 1).min(unlocked.len() - at);
            let mut bytes = vec![0xEE; usize::try_from(len).unwrap()];
            unlocked.read_exact_at(at, &mut bytes).unwrap();
            let from = usize::try_from(at).unwrap();
            assert!(bytes == plain[from..from + bytes.len()], "{name}: {len} bytes at {at:#x}");
        }
        // From one hidden place to the next, and over the end.
        let last = unlocked.len();
        assert!(unlocked.read_exact_at(last, &mut []).is_ok());
        for at in [last, last - 3, u64::MAX - 1] {
            let error = unlocked.read_exact_at(at, &mut [0; 4]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{name}");
        }
    }
}

#[test]
fn each_protector_opens_with_its_own_key_and_no_other() {
    let plain = plain();
    let password = || VolumeKey::Password(VolumePassword::new(PASSWORD));
    let made = wrap(
        plain,
        &Wrap::new(Cipher::XtsAes128).opened_by(&[
            Protector::Tpm,
            Protector::Recovery(OTHER_RECOVERY.to_owned()),
            Protector::Recovery(RECOVERY.to_owned()),
            Protector::Password(PASSWORD.to_owned()),
            Protector::Startup,
        ]),
    )
    .unwrap();
    let locked = Locked::read(&device(made.image.clone())).unwrap();
    assert!(!locked.is_suspended() && locked.unlock_suspended().is_none());
    assert_eq!(locked.conversion(), Conversion::Encrypted);
    let kinds: Vec<_> = locked.protectors().iter().map(|p| p.kind.as_str()).collect();
    assert_eq!(kinds, ["tpm", "recovery-key", "recovery-key", "password", "startup-key"]);
    let id = locked.key_id().unwrap();
    assert_eq!(id, locked.protectors()[1].short_id());
    assert_eq!((id.len(), id.to_uppercase()), (8, id.clone()));
    let startup = |file: &[u8]| VolumeKey::Startup(StartupKey::parse(file).unwrap());
    for (key, which) in [
        (recovery(OTHER_RECOVERY), 1),
        (recovery(RECOVERY), 2),
        (password(), 3),
        (startup(&made.bek[0]), 4),
        (startup(&made.bek[1]), 4),
    ] {
        let unlocked = locked.unlock(&key).unwrap();
        assert_eq!(unlocked.protector.as_ref(), Some(&locked.protectors()[which]));
        assert_eq!(first_difference(&view(&*unlocked.device), plain), None);
    }
    let wrong = recovery("000011-000022-000033-000044-000055-000066-000077-000088");
    for key in [wrong, VolumeKey::Password(VolumePassword::new("wrong"))] {
        let error = locked.unlock(&key).err().unwrap();
        assert!(matches!(error, BitLockerError::WrongKey(_)), "{error}");
    }
    // A volume that only its own computer opens.
    let made = wrap(plain, &Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Tpm])).unwrap();
    let locked = Locked::read(&device(made.image.clone())).unwrap();
    for key in [recovery(RECOVERY), password(), startup(&made.bek[0])] {
        let error = locked.unlock(&key).err().unwrap();
        assert!(matches!(error, BitLockerError::NoSuchProtector(_)), "{error}");
    }
    assert!(ring(&made).try_all(&locked).is_none());
}

#[test]
fn what_is_suspended_or_converted_is_known_without_a_key() {
    let plain = plain();
    let half = plain.len() as u64 / 2;
    let of = |progress| Wrap { progress, ..Wrap::new(Cipher::XtsAes128) };
    let bare = || Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Clear]);
    for (how, suspended, free) in [
        (bare(), true, true),
        (of(Progress::Decrypted), false, true),
        (of(Progress::UpTo(half)), false, false),
    ] {
        let made = wrap(plain, &how).unwrap();
        let locked = Locked::read(&device(made.image)).unwrap();
        assert_eq!(locked.is_suspended(), suspended);
        let opened = locked.unlock_suspended();
        assert_eq!(opened.is_some(), free);
        if let Some(opened) = opened {
            let opened = opened.unwrap();
            assert_eq!(first_difference(&view(&*opened.device), plain), None);
            let kind = opened.protector.map(|protector| protector.kind);
            assert_eq!(kind, suspended.then_some(ProtectorKind::Clear));
        }
    }
    for (progress, wanted) in
        [(Progress::UpTo(half), 50..=50), (Progress::Bitmaps(0x1_0000), 45..=60)]
    {
        let made = wrap(plain, &of(progress)).unwrap();
        let locked = Locked::read(&device(made.image)).unwrap();
        let Conversion::Partly(part) = locked.conversion() else { panic!("{progress:?}") };
        assert!(wanted.contains(&part), "{part}");
    }
}

/// A key that the volume's metadata does not match must be refused, whatever is damaged; nothing
/// may panic, and no byte may be wrong without a word.
#[test]
fn damaged_and_truncated_metadata_is_refused_or_read_right() {
    let plain = plain();
    let made = wrap(plain, &Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Clear])).unwrap();
    let eow = Wrap { progress: Progress::Bitmaps(0x1_0000), ..Wrap::new(Cipher::XtsAes256) };
    let eow = wrap(plain, &eow.opened_by(&[Protector::Clear])).unwrap();
    let (mut read, mut refused) = (0, 0);
    let mut look = |image: Vec<u8>| {
        let opened = Locked::read(&device(image)).map(|locked| locked.unlock_suspended());
        match opened {
            Ok(Some(Ok(unlocked))) => {
                let mut bytes = vec![0; 1 << 16];
                let _ = unlocked.device.read_exact_at(0, &mut bytes);
                read += 1;
            }
            _ => refused += 1,
        }
    };
    let mut rng = Rng::new(15);
    for made in [&made, &eow] {
        // In all three copies at once: one that is damaged alone is passed over.
        for _ in 0..300 {
            let mut image = made.image.clone();
            let (at, bit) = (rng.index(600), rng.below(8));
            for area in made.areas {
                image[usize::try_from(area).unwrap() + at] ^= 1 << bit;
            }
            look(image);
        }
        for _ in 0..200 {
            let mut image = made.image.clone();
            let at = rng.index(512);
            image[at] = rng.next_u64().to_le_bytes()[0];
            look(image);
        }
        for _ in 0..100 {
            let mut image = made.image.clone();
            image.truncate(rng.index(image.len()));
            look(image);
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");

    // One damaged copy, at any place of it, does not matter.
    for copy in 0..3 {
        let mut image = made.image.clone();
        let at = usize::try_from(made.areas[copy]).unwrap();
        image[at..at + 0x1_0000].fill(0);
        let locked = Locked::read(&device(image)).unwrap();
        let unlocked = locked.unlock_suspended().unwrap().unwrap();
        assert_eq!(unlocked.doubts, [Doubt::BadCopies { bad: 1 }]);
        assert_eq!(first_difference(&view(&*unlocked.device), plain), None);
    }
}

#[test]
fn a_volume_cut_short_is_read_as_far_as_it_goes() {
    let plain = plain();
    let how = Wrap { at_the_end: true, ..Wrap::new(Cipher::XtsAes128) };
    let made = wrap(plain, &how.opened_by(&[Protector::Clear])).unwrap();
    let mut image = made.image.clone();
    // The last copy of the metadata is behind the end.
    let last = made.areas.into_iter().max().unwrap();
    let cut = usize::try_from(last).unwrap() - 4096;
    image.truncate(cut);
    let unlocked = Locked::read(&device(image)).unwrap().unlock_suspended().unwrap().unwrap();
    assert_eq!(unlocked.doubts, [Doubt::BadCopies { bad: 1 }, Doubt::CutShort]);
    assert_eq!(first_difference(&view(&*unlocked.device), &plain[..cut]), None);
}

#[test]
fn damaged_maps_of_a_conversion_are_said() {
    let plain = plain();
    let how = Wrap { progress: Progress::Bitmaps(0x1_0000), ..Wrap::new(Cipher::XtsAes128) };
    let made = wrap(plain, &how.opened_by(&[Protector::Clear])).unwrap();
    let find = |what: &[u8], nth: usize| {
        let places = made.image.windows(what.len()).enumerate().filter(|(_, w)| *w == what);
        places.map(|(at, _)| at).nth(nth).unwrap()
    };
    let open =
        |image: Vec<u8>| Locked::read(&device(image)).unwrap().unlock_suspended().unwrap().unwrap();
    // One descriptor: its copy. The newer record of a map: the older one, which is of before.
    let mut image = made.image.clone();
    image[find(b"FVE-EOW\0", 0) + 20] ^= 1;
    let unlocked = open(image.clone());
    assert_eq!(unlocked.doubts, []);
    assert_eq!(first_difference(&view(&*unlocked.device), plain), None);
    image[find(b"FVE-EOW\0", 1) + 20] ^= 1;
    assert!(matches!(open(image).doubts[..], [Doubt::ConversionMap { bytes: 1.., .. }]));
    let mut image = made.image.clone();
    image[find(b"FVE-EOWBM\0", 0) + 21] ^= 1;
    let unlocked = open(image);
    assert!(matches!(unlocked.doubts[..], [Doubt::ConversionMap { bytes: 1.., .. }]));
}

/// What other readers were reported to fail on: libbde's issues 31, 33, 52, 60 and 74, dislocker's
/// 113, 251, 252 and 364.
#[test]
fn cases_from_the_field_are_read() {
    let plain = plain();
    let clear = Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Clear]);
    let same = |image: Vec<u8>, doubts: &[Doubt], what: &str| {
        let locked = Locked::read(&device(image)).unwrap();
        let unlocked = locked.unlock_suspended().unwrap().unwrap();
        assert_eq!(first_difference(&view(&*unlocked.device), plain), None, "{what}");
        assert_eq!(unlocked.doubts, doubts, "{what}");
    };
    let made = wrap(plain, &clear).unwrap();
    let mut image = made.image.clone();
    image[0x0B..0x0D].fill(0);
    same(image, &[], "a sector size of 0");

    // What is changed in the block below has its checksum wrong, and opens all the same.
    let doubts = [Doubt::NoGoodCopy, Doubt::HashDiffers];
    let in_all = |change: &dyn Fn(&mut [u8])| {
        let mut image = made.image.clone();
        for area in made.areas {
            let at = usize::try_from(area).unwrap();
            change(&mut image[at..at + 0x400]);
        }
        image
    };
    let odd_versions = in_all(&|block| {
        let mut at = 0x70;
        while block[at] != 0 {
            block[at + 6..at + 8].copy_from_slice(&261_u16.to_le_bytes());
            at += usize::from(u16::from_le_bytes([block[at], block[at + 1]]));
        }
    });
    same(odd_versions, &doubts, "entries of version 261");
    // Disk Management shrinks the volume and leaves the size in the metadata.
    let beyond = plain.len() as u64 + (1 << 20);
    let shrunk = in_all(&|block| block[16..24].copy_from_slice(&beyond.to_le_bytes()));
    same(shrunk, &doubts, "a volume that was shrunk");
    // The wanted cipher beside the one in use.
    let two_ciphers = in_all(&|block| block[0x66..0x68].fill(0));
    same(two_ciphers, &doubts, "a code of two ciphers");

    let mut many = vec![Protector::Tpm; 60];
    many.push(Protector::Clear);
    let made = wrap(plain, &clear.clone().opened_by(&many)).unwrap();
    same(made.image, &[], "a sector key behind more than 8 KiB of protectors");
    let end = Progress::UpTo(plain.len() as u64 - 1024);
    let made = wrap(plain, &Wrap { progress: end, ..clear }).unwrap();
    same(made.image, &[], "last sectors that were never encrypted");
}

/// Good inputs for the fuzzer.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_the_seeds() {
    let plain = plain();
    let corpus = support::root().join("fuzz/corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let made =
        |how: Wrap| wrap(plain, &how.opened_by(&[Protector::Clear, Protector::Tpm])).unwrap();
    let whole = made(Wrap::new(Cipher::XtsAes128));
    put("bitlocker_header", "normal", &whole.image[..512]);
    put("bitlocker_bek", "windows-10", &whole.bek[0]);
    put("bitlocker_bek", "windows-11", &whole.bek[1]);
    put("bitlocker_bek", "list", format!("0b1c2d3e {RECOVERY}\n").as_bytes());
    let area = |made: &Wrapped| {
        let at = usize::try_from(made.areas[0]).unwrap();
        // Its places are those of another volume; put them where the target has them.
        let mut area = made.image[at..at + 0x600].to_vec();
        for (i, place) in [0x2_0000_u64, 0x4_0000, 0x6_0000, 0x8_0000].into_iter().enumerate() {
            area[32 + 8 * i..40 + 8 * i].copy_from_slice(&place.to_le_bytes());
        }
        let spare = made.image[at + 56..at + 64].to_vec();
        let old = area.windows(8).rposition(|bytes| bytes == spare).unwrap();
        area[old..old + 8].copy_from_slice(&0x8_0000_u64.to_le_bytes());
        [&[0], &area[..]].concat()
    };
    put("bitlocker_metadata", "xts", &area(&whole));
    let half = Progress::UpTo(0x9_0000);
    let half = Wrap { progress: half, ..Wrap::new(Cipher::ElephantAes128) };
    put("bitlocker_metadata", "half", &area(&made(half)));
    let maps = made(Wrap { progress: Progress::Bitmaps(0x1_0000), ..Wrap::new(Cipher::CbcAes128) });
    let find = |what: &[u8]| maps.image.windows(what.len()).position(|b| b == what).unwrap();
    let descriptor = find(b"FVE-EOW\0");
    let map = find(b"FVE-EOWBM\0");
    let mut device = maps.image[descriptor..descriptor + 0x200].to_vec();
    device[32..36].copy_from_slice(&1_u32.to_le_bytes());
    device[56..64].copy_from_slice(&0x200_u64.to_le_bytes());
    device.extend(&maps.image[map..map + 0x600]);
    device[0x200 + 36..0x200 + 44].copy_from_slice(&0x800_u64.to_le_bytes());
    device.extend(&maps.image[map + 4096..map + 4096 + 0x1C00]);
    put("bitlocker_eow", "one-map", &device);
}

/// Why the record of the conversion is in doubt.
fn wrong_maps(image: Vec<u8>) -> Vec<&'static str> {
    let unlocked = Locked::read(&device(image)).unwrap().unlock_suspended().unwrap().unwrap();
    let why = unlocked.doubts.iter().filter_map(|doubt| match doubt {
        Doubt::ConversionMap { why, .. } => Some(*why),
        _ => None,
    });
    why.collect()
}

#[test]
fn an_older_map_or_a_log_that_is_lost_is_said() {
    let plain = plain();
    let how = Wrap { progress: Progress::Bitmaps(0x1_0000), ..Wrap::new(Cipher::XtsAes128) };
    let made = wrap(plain, &how.opened_by(&[Protector::Clear])).unwrap();
    let places = |what: &[u8]| -> Vec<usize> {
        let all = made.image.windows(what.len()).enumerate().filter(|(_, w)| *w == what);
        all.map(|(at, _)| at).collect()
    };
    assert_eq!(wrong_maps(made.image.clone()), [""; 0]);
    let records = places(b"FVE-EOWBR\0");
    let newest = records.iter().find(|at| made.image[**at + 20] == 9).unwrap();
    let mut image = made.image.clone();
    image[newest + 36] ^= 1;
    let [why] = wrong_maps(image)[..] else { panic!() };
    assert!(why.contains("older one was used"), "{why}");
    // The older one is of no use: nothing is lost with it.
    let older = records.iter().find(|at| made.image[**at + 20] == 6).unwrap();
    let mut image = made.image.clone();
    image[older + 36] ^= 1;
    assert_eq!(wrong_maps(image), [""; 0]);

    // A log has its header, and two records with a header at each end.
    let log = places(b"OLRDHEVF")[0] + 512;
    let record = 1024 + 0x1_0000 / 32;
    let heads = [log, log + record - 512, log + record, log + 2 * record - 512];
    for (fill, which) in
        [(0, &heads[..]), (0xA5, &heads[..]), (0xA5, &heads[2..]), (0, &heads[..2])]
    {
        let mut image = made.image.clone();
        for at in which {
            image[*at..*at + 512].fill(fill);
        }
        let [why] = wrong_maps(image)[..] else { panic!("{fill} {which:?}") };
        assert!(why.contains("cannot tell whether a piece was being converted"), "{why}");
    }
    // One header of a record is enough.
    let mut image = made.image.clone();
    image[heads[2]..heads[2] + 512].fill(0xA5);
    assert_eq!(wrong_maps(image), [""; 0]);
}

#[test]
fn copies_of_the_metadata_that_contradict_each_other_are_said_and_most_of_them_used() {
    let plain = plain();
    let len = plain.len() as u64;
    let made = wrap(plain, &Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Clear])).unwrap();
    for copy in 0..3 {
        let mut image = made.image.clone();
        set_encrypted(&mut image, made.areas[copy], len / 2);
        let locked = Locked::read(&device(image)).unwrap();
        let unlocked = locked.unlock_suspended().unwrap().unwrap();
        assert_eq!(unlocked.doubts, [Doubt::CopiesDiffer { used: 2 }]);
        assert_eq!(first_difference(&view(&*unlocked.device), plain), None);
    }
}

#[test]
fn of_several_keys_failures_that_with_the_most_to_say_is_told() {
    let plain = plain();
    let both = [Protector::Recovery(RECOVERY.to_owned()), Protector::Tpm];
    let made = wrap(plain, &Wrap::new(Cipher::XtsAes128).opened_by(&both)).unwrap();
    let mut image = made.image;
    // The place of the first sectors is behind the end.
    image.truncate(usize::try_from(made.areas[1]).unwrap() + 0x1_0000);
    let locked = Locked::read(&device(image)).unwrap();
    let keys = |keys: &[&str]| Keyring {
        loose: keys.iter().map(|key| recovery(key)).collect(),
        ..Keyring::default()
    };
    let wrong = "000011-000022-000033-000044-000055-000066-000077-000088";
    for order in [[RECOVERY, wrong], [wrong, RECOVERY]] {
        let error = keys(&order).try_all(&locked).unwrap().err().unwrap();
        assert!(matches!(error, BitLockerError::CutShort { .. }), "{error}");
    }
    // A key of a kind that the volume does not take is a wrong key.
    let made = wrap(plain, &Wrap::new(Cipher::XtsAes128)).unwrap();
    let locked = Locked::read(&device(made.image)).unwrap();
    let ring = Keyring { passwords: vec![VolumePassword::new("other")], ..Keyring::default() };
    let error = ring.try_all(&locked).unwrap().err().unwrap();
    assert!(matches!(error, BitLockerError::NoSuchProtector(_)), "{error}");
}
