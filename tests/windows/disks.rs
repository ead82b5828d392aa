//! `lifeboat.exe` reads a drive as a device under Wine: the way in that it takes
//! on Windows (the volume by its letter, whole sectors), on a real NTFS volume.
//! Wine has no volume devices by GUID; it has them by letter, when a letter with
//! two colons leads to a disk or to an image of one (`tests/support/src/wine.rs`).
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use support::{exe, need, require, wine};

#[test]
fn a_drive_is_read_as_a_device() {
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let mkntfs = need!("mkntfs", || require::program("mkntfs"));
    // The folder that the drive shows is another thing than the device, and
    // empty: what is found in the volume came from the device.
    let drive = wine.drive();
    let image = &drive.device;
    fs::File::create(image).unwrap().set_len(40 << 20).unwrap();
    let made = Command::new(mkntfs)
        .args(["-F", "-Q", "-q"])
        .arg(image)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let before = fs::read(image).unwrap();
    assert!(fs::read_dir(&drive.folder).unwrap().next().is_none());

    for name in ["L:", r"L:\", r"\\.\L:"] {
        let ran = wine.run(&exe, &["detect", name, "--json"]);
        // A volume without a store: nothing found.
        assert_eq!(ran.code, 4, "{name}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("mounted at L:"), "{name}: {}", ran.stdout);
    }
    let ran = wine.run(&exe, &["detect", "L:", "--via", "raw"]);
    assert_eq!(ran.code, 4, "{}\n{}", ran.stdout, ran.stderr);
    assert!(fs::read(image).unwrap() == before, "the volume was written to");
}

#[test]
fn what_is_not_there_is_refused_in_two_lines() {
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    for name in ["Q:", r"\\.\PhysicalDrive99", r"Z:\no such.img"] {
        let ran = wine.run(&exe, &["detect", name]);
        assert_eq!(ran.code, 1, "{name}: {}\n{}", ran.stdout, ran.stderr);
        let lines: Vec<_> = ran.stderr.lines().collect();
        assert!(matches!(lines[..], [what, _] if what.contains("not found")), "{name}: {lines:?}");
    }
}

/// `C:` is a folder to Wine: as a disk it is refused, as any drive is on Windows
/// to who is no administrator. (A letter made while Wine's services run is no volume.)
#[test]
fn a_drive_that_cannot_be_read_as_a_disk_is_reported_and_read_by_its_files() {
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let mkntfs = need!("mkntfs", || require::program("mkntfs"));
    let detect = |name: &str| {
        let ran = wine.run(&exe, &["detect", name, "--json"]);
        assert_eq!(ran.code, 4, "{}\n{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let told = |stdout: &str| stdout.contains(r#""code":"volume-refused","severity":"warning""#);
    let stdout = detect("C:");
    assert!(told(&stdout), "{stdout}");
    assert!(stdout.contains(r#""readable":true"#), "its files can be read: {stdout}");

    let drive = wine.drive();
    fs::File::create(&drive.device).unwrap().set_len(40 << 20).unwrap();
    let mut make = Command::new(mkntfs);
    make.args(["-F", "-Q", "-q"]).arg(&drive.device).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(make.status().unwrap().success());
    let stdout = detect("L:");
    assert!(!told(&stdout), "{stdout}");
}
