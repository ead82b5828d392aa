//! The made BitLocker volumes, read by two other programs: without them, the maker and the reader
//! could be wrong in the same way.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use lifeboat_maker::bitlocker::{OTHER_RECOVERY, RECOVERY, kinds, wrap};
use support::{need, require};

/// What libbde does not read, though the format allows it: it decrypts what the header says is
/// decrypted, tries one recovery key alone, knows nothing of interrupted conversions.
const NOT_BY_LIBBDE: [&str; 3] = ["decrypted", "caught", "bitmaps-caught"];
/// dislocker cuts a half decrypted volume where the encryption ends, refuses bitmaps, and does not
/// know Windows 11's key files.
const BY_DISLOCKER: [&str; 9] = [
    "elephant-128",
    "elephant-256",
    "cbc-128",
    "cbc-256",
    "xts-128",
    "xts-256",
    "4k-elephant",
    "4k-cbc",
    "4k-xts",
];

/// Reads a whole volume: image, recovery key, startup key's file, output.
const SCRIPT: &str = "\
import pybde, sys
volume = pybde.volume()
volume.set_recovery_password(sys.argv[2])
if sys.argv[3]: volume.read_startup_key(sys.argv[3])
volume.open(sys.argv[1])
left = volume.get_size()
with open(sys.argv[4], 'wb') as out:
    while left:
        out.write(volume.read_buffer(min(left, 1 << 20)))
        left = volume.get_size() - volume.get_offset()
";

fn made(dir: &Path, name: &str) -> (Vec<u8>, std::path::PathBuf, std::path::PathBuf) {
    let plain = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
    let all = kinds(plain.len() as u64);
    let (_, how) = all.into_iter().find(|(own, _)| *own == name).unwrap();
    let made = wrap(&plain, &how).unwrap();
    let (image, bek) = (dir.join(format!("{name}.img")), dir.join(format!("{name}.bek")));
    fs::write(&image, made.image).unwrap();
    fs::write(&bek, &made.bek[1]).unwrap();
    (plain, image, bek)
}

#[test]
fn libbde_reads_the_same() {
    let python = need!("libbde", require::libbde);
    let dir = tempfile::tempdir().unwrap();
    let mut judged = 0;
    for (name, _) in kinds(6 << 20) {
        if NOT_BY_LIBBDE.contains(&name) {
            continue;
        }
        let (plain, image, bek) = made(dir.path(), name);
        let out = dir.path().join("out");
        let key = if name == "two-recovery" { OTHER_RECOVERY } else { RECOVERY };
        let bek = if name == "startup" { bek.as_path() } else { Path::new("") };
        let run = Command::new(&python)
            .args(["-c", SCRIPT])
            .args([image.as_path(), Path::new(key), bek, &out])
            .output()
            .unwrap();
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
        assert!(fs::read(&out).unwrap() == plain, "{name}");
        judged += 1;
    }
    assert!(judged >= 20, "{judged}");
}

#[test]
fn dislocker_reads_the_same() {
    need!("dislocker-file");
    let dir = tempfile::tempdir().unwrap();
    for name in BY_DISLOCKER.into_iter().chain(["suspended", "password", "two-bad-copies"]) {
        let (plain, image, _) = made(dir.path(), name);
        let out = dir.path().join(format!("{name}.out"));
        let key = if name == "suspended" { "-c".to_owned() } else { format!("-p{RECOVERY}") };
        let run = Command::new("dislocker-file")
            .args(["-q", "-r", &key, "-V"])
            .args([image.as_path(), Path::new("--"), &out])
            .output()
            .unwrap();
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stdout));
        assert!(fs::read(&out).unwrap() == plain, "{name}");
    }
}
