//! `scripts/stick.sh` says what is wrong with what it is given, before it downloads or
//! writes anything. That the stick boots and rescues, `scripts/stick-test.sh` shows.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::{program, root};

/// Of two sticks with the same label, it takes its own, also if that is the second disk or
/// answers later. The folders of the kernel and the tools are stood in for.
#[test]
fn the_stick_knows_itself_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path();
    let script = fs::read_to_string(root().join("scripts/stick/system/mount-disks")).unwrap();
    let at = |name: &str| top.join(name).to_str().unwrap().to_owned();
    let script = script
        .replace("export PATH=", &format!("export PATH={}:", at("bin")))
        .replace(". /etc/stick", "STICK_ID=1111-2222")
        .replace("/sys/block", &at("sys"))
        .replace("\"/dev/", &format!("\"{}/", at("dev")))
        .replace("/run/", &format!("{}/", at("run")))
        .replace("/stick/logs", &at("logs"))
        .replace("mkdir -p /stick\n", "")
        .replace("mkdir -p \"/media/", &format!("mkdir -p \"{}/", at("media")))
        .replace("[ -b ", "[ -e ")
        .replace("is_usb() {", "is_usb() { return 0");
    for folder in ["bin", "dev", "run/disks"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    let blkid = "#!/bin/sh\ncase $4 in\n*/sda1) echo UUID=AAAA-BBBB ;;\n*/sdb1) echo UUID=1111-2222 ;;\n\
                 *) echo PTTYPE=dos; exit ;;\nesac\necho TYPE=vfat\necho LABEL=LIFEBOAT\n";
    for (tool, text) in [("blkid", blkid), ("mount", "#!/bin/sh\n"), ("fsck.fat", "#!/bin/sh\n")] {
        let tool = top.join("bin").join(tool);
        fs::write(&tool, text).unwrap();
        fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(top.join("mount-disks"), script).unwrap();
    let plug = |disk: &str| {
        fs::create_dir_all(top.join(format!("sys/{disk}/{disk}1"))).unwrap();
        fs::write(top.join(format!("sys/{disk}/diskseq")), disk).unwrap();
        for device in [disk.to_owned(), format!("{disk}1")] {
            fs::write(top.join("dev").join(device), "").unwrap();
        }
    };
    let stick = || {
        let done = Command::new("sh").arg(top.join("mount-disks")).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        fs::read_to_string(top.join("run/stick")).ok().map(|text| text.trim().to_owned())
    };
    // Another stick with its label answers first.
    plug("sda");
    assert_eq!(stick(), None);
    plug("sdb");
    assert_eq!(stick(), Some(at("dev/sdb1")));
    // One that was copied file by file has only the label, and is taken after seconds.
    fs::remove_dir_all(top.join("run")).unwrap();
    fs::remove_dir_all(top.join("sys/sdb")).unwrap();
    fs::create_dir_all(top.join("run/disks")).unwrap();
    assert_eq!(stick(), None);
    fs::write(top.join("run/stick-by-label"), "").unwrap();
    assert_eq!(stick(), Some(at("dev/sda1")));
}

#[test]
fn the_stick_s_maker_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text"), "no program").unwrap();
    let (out, missing, text) = (path("stick.img"), path("missing"), path("text"));
    let (out, missing, text) = (out.as_str(), missing.as_str(), text.as_str());
    let no_folder = path("no folder/stick.img");
    let linux = program::path();
    for (args, why) in [
        (&[] as &[&str], "no result was named"),
        (&["stick.bin"], "neither .img nor .iso"),
        (&[out, "--nonsense"], "--nonsense is not an option"),
        (&[out, "--program"], "--program requires a value"),
        (&[out, out], "one result at a time"),
        (&[no_folder.as_str()], "there is no such folder"),
        (&[out, "--program", missing], "there is no such file"),
        (&[out, "--program", text], "not a program for 64-bit Linux"),
        (&[out, "--program", linux, "--settings", missing], "there is no such file"),
        (&[out, "--program", linux, "--add", text], "there is no such folder"),
        (&[out, "--program", linux, "--space", "-1"], "--space -1"),
        (&[out, "--program", linux, "--package", "a b"], "--package a b"),
        (&[out, "--program", linux, "--keyboard", "xx"], "there is no such layout"),
    ] {
        let done = Command::new(root().join("scripts/stick.sh")).args(args).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains(why), "{args:?}: {said}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{args:?}");
    }
    // Lifeboat on the stick would stop at these settings, or not know that share.
    for (settings, why) in [
        ("to = 'smb://server/a\n", "line 1: invalid literal string"),
        ("to = 'a'\nto = 'b'\n", "line 2: duplicate key"),
        ("to = '\\\\server\\share'\n", "is for Windows, and the stick is Linux"),
        ("\tto=\"\\\\\\\\server\\\\share\"\n", "is for Windows, and the stick is Linux"),
    ] {
        fs::write(text, settings).unwrap();
        let args = [out, "--program", linux, "--settings", text];
        let done = Command::new(root().join("scripts/stick.sh")).args(args).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains(why), "{settings}: {said}");
    }
    let help = Command::new(root().join("scripts/stick.sh")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for option in ["--program", "--settings", "--add", "--keyboard", "--package", "--space"] {
        assert!(help.contains(option), "{help}");
    }
}
